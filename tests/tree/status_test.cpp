#include "mailboxfs/base/log.h"
#include "tree_fixture.h"

namespace mailboxfs::tree {
namespace {

using base::ErrorKind;
using std::chrono::seconds;

class StatusTest : public TreeTest {
 protected:
  // What is logged while `act` runs.
  template <typename Function>
  static std::string Logged(Function act) {
    testing::internal::CaptureStderr();
    base::InitLog({base::LogLevel::kInfo, true, false});
    act();
    base::InitLog({base::LogLevel::kOff, false, false});
    return testing::internal::GetCapturedStderr();
  }
  static size_t Count(const std::string& text, const std::string& what) {
    size_t count = 0;
    for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++count;
    return count;
  }
};

TEST_F(StatusTest, SpaceIsCountedOnceInAWhile) {
  source_->AddMessage("INBOX", 1, {"one", "body"});
  const Ino inbox = Find("sales/INBOX");
  List(inbox);
  ReadAll(Find("sales/INBOX/1.eml"));
  EXPECT_EQ(tree_->GetSpace().messages, 1U);
  source_->AddMessage("INBOX", 2, {"two", "body"});
  Advance(seconds(61));
  List(inbox);
  EXPECT_EQ(tree_->GetSpace().messages, 2U);
  source_->AddMessage("INBOX", 3, {"three", "body"});
  source_->Hint("INBOX");
  EXPECT_EQ(tree_->GetStatus().messages, 3U);
  EXPECT_EQ(tree_->GetSpace().messages, 2U) << "counting takes time";
  Advance(seconds(10));
  EXPECT_EQ(tree_->GetSpace().messages, 3U);
  EXPECT_EQ(tree_->GetSpace().cache.bodies, 1U);
  EXPECT_EQ(tree_->GetSpace().cache.limit, uint64_t{1} << 30U);
}

TEST_F(StatusTest, TellsWhatIsKnownAndHappening) {
  source_->AddMessage("INBOX", 1, {"one", "body"});
  source_->AddFolder("Never looked at");
  const Ino inbox = Find("sales/INBOX");
  List(inbox);
  TreeStatus status = tree_->GetStatus();
  ASSERT_EQ(status.mailboxes.size(), 1U);
  EXPECT_EQ(status.mailboxes[0].name, "sales");
  EXPECT_EQ(status.mailboxes[0].key, "acct/sales@example.org");
  EXPECT_EQ(status.mailboxes[0].source.state, "idle");
  ASSERT_EQ(status.mailboxes[0].folders.size(), 1U);
  EXPECT_EQ(status.mailboxes[0].folders[0].path, "sales/INBOX");
  EXPECT_EQ(status.mailboxes[0].folders[0].messages, 1U);
  EXPECT_TRUE(status.mailboxes[0].folders[0].listed);
  EXPECT_FALSE(status.mailboxes[0].folders[0].refreshing);
  EXPECT_EQ(status.messages, 1U);
  EXPECT_EQ(status.waiting, 0U);

  Advance(seconds(61));
  source_->SetMode(FakeSource::Mode::kHeld);
  const Asked<Attributes> asked = Lookup(inbox, "9.eml");
  const Asked<Tree::Opened> opened = Open(Find("sales/INBOX/1.eml"));
  const auto task = source_->Take();
  task->listing->Begin({7, 10, 9});
  task->listing->Progress(3, 9);
  status = tree_->GetStatus();
  EXPECT_TRUE(status.mailboxes[0].folders[0].refreshing);
  EXPECT_EQ(status.mailboxes[0].folders[0].progress_done, 3U);
  EXPECT_EQ(status.mailboxes[0].folders[0].progress_total, 9U);
  EXPECT_EQ(status.waiting, 2U);
  EXPECT_EQ(status.downloads, 1U);
  task->Finish(base::Error(ErrorKind::kTimeout, "too slow"));
  source_->FailWith(base::Error(ErrorKind::kNetwork, "offline"));
  Lookup(Find("sales"), "Nowhere");
  source_->RunHeld();
  status = tree_->GetStatus();
  EXPECT_EQ(status.mailboxes[0].folders[0].last_error, "too slow");
  EXPECT_EQ(status.mailboxes[0].last_error, "offline");
  EXPECT_EQ(status.waiting, 0U);
  EXPECT_EQ(status.downloads, 0U);
}

TEST_F(StatusTest, WarnsOncePerOutage) {
  source_->AddFolder("Other");
  const Ino inbox = Find("sales/INBOX");
  const Ino other = Find("sales/Other");
  List(inbox);
  List(other);
  const std::string log = Logged([&] {
    source_->FailWith(base::Error(ErrorKind::kNetwork, "no route to host"));
    for (int i = 0; i < 3; ++i) {
      Advance(seconds(61));
      List(inbox);
      List(other);
    }
    source_->FailWith(std::nullopt);
    List(inbox);
  });
  EXPECT_EQ(Count(log, "no route to host"), 1U) << log;
  EXPECT_EQ(Count(log, "mailboxfs check sales"), 1U) << log;
  EXPECT_EQ(Count(log, "sales: can be refreshed again"), 1U) << log;
}

TEST_F(StatusTest, SaysHowALongListingGetsOn) {
  const Ino inbox = Find("sales/INBOX");
  source_->SetMode(FakeSource::Mode::kHeld);
  const std::string log = Logged([&] {
    const Asked<Attributes> asked = OpenDirectory(inbox);
    const auto task = source_->Take();
    task->listing->Begin({7, 100'001, 100'000});
    for (uint64_t done = 1000; done <= 12'000; done += 1000) {
      Advance(seconds(1));
      task->listing->Progress(done, 100'000);
    }
    task->Finish(std::nullopt);
  });
  EXPECT_EQ(Count(log, "listing sales/INBOX: "), 2U) << log;
  EXPECT_EQ(Count(log, "listing sales/INBOX: 5000 of 100000 messages"), 1U) << log;
  EXPECT_EQ(Count(log, "listed sales/INBOX: 100000 messages in 12 s"), 1U) << log;
}

TEST_F(StatusTest, SaysNothingOfAShortListing) {
  const Ino inbox = Find("sales/INBOX");
  EXPECT_EQ(Logged([&] { List(inbox); }), "");
}

}  // namespace
}  // namespace mailboxfs::tree
