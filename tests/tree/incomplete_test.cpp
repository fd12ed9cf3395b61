#include "tree_fixture.h"

namespace mailboxfs::tree {
namespace {

// A message that the server lists without telling date or header, and tells of later.
class IncompleteTest : public TreeTest {
 protected:
  // Plays one refresh of INBOX in which `message` is delivered; returns what was asked for again.
  std::vector<model::Uid> Refresh(const model::MessageInfo& message) {
    source_->SetMode(FakeSource::Mode::kHeld);
    const Asked<Attributes> opened = OpenDirectory(inbox_);
    std::shared_ptr<FakeTask> task = source_->Take();
    while (task && !task->refresh) {  // The folder list.
      source_->Run(task);
      task = source_->Take();
    }
    task->listing->Begin({7, 6, 1});
    const std::vector<model::Uid> incomplete = task->listing->Incomplete();
    task->listing->Added(std::vector<model::MessageInfo>{message});
    task->Finish(std::nullopt);
    opened.answer.Value();
    source_->SetMode(FakeSource::Mode::kInline);
    return incomplete;
  }

  Ino inbox_ = 0;
};

TEST_F(IncompleteTest, GetsItsNameAndDateWhenTheServerTellsAndKeepsItsInode) {
  inbox_ = Find("sales/INBOX");
  model::MessageInfo message;
  message.uid = 5;
  message.complete = false;
  EXPECT_TRUE(Refresh(message).empty());
  const std::vector<std::string> before = ReadNames(inbox_);
  ASSERT_EQ(before.size(), 1U);
  const Ino ino = Lookup(inbox_, before[0]).answer.Value().ino;

  Advance(std::chrono::minutes(11));
  message.complete = true;
  message.internal_date = 1664661906;
  message.size_estimate = 77;
  message.header = "Subject: Found\r\nMessage-ID: <a@b>\r\n\r\n";
  EXPECT_EQ(Refresh(message), std::vector<model::Uid>{5});
  EXPECT_EQ(ReadNames(inbox_), std::vector<std::string>{"2022-10-01_Found.5.eml"});
  const Attributes attributes = Lookup(inbox_, "2022-10-01_Found.5.eml").answer.Value();
  EXPECT_EQ(attributes.ino, ino);
  EXPECT_EQ(attributes.mtime, 1664661906);
  EXPECT_EQ(attributes.size, 77U);
  EXPECT_EQ(notifier_.deleted(), before);
  EXPECT_TRUE(notifier_.attributes_changed(ino));

  Advance(std::chrono::minutes(11));
  EXPECT_TRUE(Refresh(message).empty()) << "it is complete now";
}

}  // namespace
}  // namespace mailboxfs::tree
