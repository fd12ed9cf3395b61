#include <sys/resource.h>

#include <csignal>

#include "exact_sizes.h"
#include "tree_fixture.h"

namespace mailboxfs::tree {
namespace {

using base::ErrorKind;

class OpenTest : public TreeTest {
 protected:
  void SetUp() override {
    source_->AddMessage("INBOX", 1, {"small", "Subject: small\r\n\r\nhello\r\n", "", 1664661906, 99});
    source_->AddMessage("INBOX", 2, {"big", big_, "", 1664661906, 5});
    inbox_ = Find("sales/INBOX");
    List(inbox_);
    small_ = Find("sales/INBOX/1.eml");
    large_ = Find("sales/INBOX/2.eml");
  }
  void Hold() { source_->SetMode(FakeSource::Mode::kHeld); }
  // A large message being streamed: 100 kB have come.
  std::shared_ptr<OpenMessage> Stream(std::shared_ptr<FakeTask>* task) {
    Hold();
    const Asked<Tree::Opened> asked = Open(large_);
    *task = source_->Take();
    if (!*task) throw std::runtime_error("no download was started: " + std::string(asked.answer.Get().error().what()));
    (*task)->sink->Begin(big_.size(), true);
    (*task)->sink->Write(std::string_view(big_).substr(0, 100'000));
    return asked.answer.Value().message;
  }
  void RefusesAnotherBody(bool other_size) {
    std::shared_ptr<FakeTask> task;
    const std::shared_ptr<OpenMessage> message = Stream(&task);
    const Asked<ReadSpan> later = Read(message, 100'000, 1000);
    std::optional<ErrorKind> thrown;
    try {
      task->sink->Begin(big_.size() + (other_size ? 1 : 0), true);
      std::string other = Big(0, 100'000);
      other[60'000] ^= 1;
      task->sink->Write(other);
    } catch (const base::Error& error) {
      thrown = error.kind();
    }
    EXPECT_EQ(thrown, ErrorKind::kStale);
    task->Finish(base::Error(ErrorKind::kStale, "the sink said so"));
    EXPECT_EQ(later.answer.Error(), ErrorKind::kStale);
    EXPECT_EQ(Bytes(Read(message, 0, 100).answer.Value()), Big(0, 100)) << "what was shown stays";
    EXPECT_EQ(Read(message, 200'000, 10).answer.Error(), ErrorKind::kStale);
    source_->RunHeld();  // The refresh that this leads to.
  }
  // Nothing can be written to a file while `act` runs.
  template <typename Function>
  static auto UnderFullDisk(Function act) {
    struct Limit {
      Limit() {
        ::signal(SIGXFSZ, SIG_IGN);
        ::getrlimit(RLIMIT_FSIZE, &before);
        const rlimit none{0, before.rlim_max};
        ::setrlimit(RLIMIT_FSIZE, &none);
      }
      ~Limit() { ::setrlimit(RLIMIT_FSIZE, &before); }
      rlimit before{};
    };
    const Limit limit;
    return act();
  }
  std::string Big(size_t offset, size_t length) const { return big_.substr(offset, length); }

  static std::string MakeBig() {
    std::string text;
    for (int i = 0; text.size() < 600'000; ++i) text += "line " + std::to_string(i) + "\r\n";
    return text;
  }
  const std::string big_ = MakeBig();
  Ino inbox_ = 0, small_ = 0, large_ = 0;
};

TEST_F(OpenTest, LearnsTheExactSizeBeforeItAnswers) {
  EXPECT_EQ(tree_->GetAttributes(small_).size, 99U);
  EXPECT_FALSE(tree_->GetAttributes(small_).size_exact);
  Hold();
  const Asked<Tree::Opened> asked = Open(small_);
  const auto task = source_->Take();
  EXPECT_EQ(task->body->folder_id, "INBOX");
  EXPECT_EQ(task->body->uid, 1U);
  EXPECT_EQ(task->body->uid_validity, 7U);
  EXPECT_EQ(task->body->size, 99U);
  EXPECT_EQ(task->priority, model::Priority::kWaiting);
  task->sink->Begin(10, true);
  EXPECT_FALSE(asked.answer.given()) << "a short message is complete before open is answered";
  task->sink->Write("0123456789");
  EXPECT_FALSE(asked.answer.given());
  task->Finish(std::nullopt);
  const Tree::Opened opened = asked.answer.Value();
  EXPECT_TRUE(opened.size_changed);
  EXPECT_EQ(opened.message->size(), 10U);
  EXPECT_EQ(tree_->GetAttributes(small_).size, 10U);
  EXPECT_TRUE(tree_->GetAttributes(small_).size_exact);
  EXPECT_EQ(Bytes(Read(opened.message, 0, 100).answer.Value()), "0123456789");
  EXPECT_EQ(Bytes(Read(opened.message, 8, 1).answer.Value()), "8");
  EXPECT_EQ(Read(opened.message, 10, 100).answer.Value().length, 0U);
}

TEST_F(OpenTest, ACachedBodyNeedsNoServer) {
  EXPECT_EQ(ReadAll(small_), "Subject: small\r\n\r\nhello\r\n");
  source_->FailWith(base::Error(ErrorKind::kNetwork, "offline"));
  const Asked<Tree::Opened> asked = Open(small_);
  EXPECT_EQ(asked.wait, nullptr);
  EXPECT_FALSE(asked.answer.Value().size_changed);
  EXPECT_EQ(ReadAll(small_), "Subject: small\r\n\r\nhello\r\n");
  EXPECT_EQ(source_->fetch_calls, 1);
  Remount();
  EXPECT_EQ(ReadAll(small_), "Subject: small\r\n\r\nhello\r\n");
  EXPECT_EQ(source_->fetch_calls, 0);
}

TEST_F(OpenTest, WhoOpensWhileTheFirstIsOpenIsToldOfTheNewSizeToo) {
  const Asked<Tree::Opened> first = Open(small_);
  EXPECT_TRUE(first.answer.Value().size_changed);
  EXPECT_TRUE(Open(small_).answer.Value().size_changed) << "the first's reply may not have reached the kernel";
}

TEST_F(OpenTest, OneDownloadServesAll) {
  Hold();
  const Asked<Tree::Opened> first = Open(small_);
  const Asked<Tree::Opened> second = Open(small_);
  EXPECT_EQ(source_->fetch_calls, 1);
  source_->RunHeld();
  EXPECT_EQ(first.answer.Value().message->size(), second.answer.Value().message->size());
  EXPECT_NE(first.answer.Value().message, second.answer.Value().message);
}

TEST_F(OpenTest, EachLeavesAloneAndTheLastOneOutCancels) {
  Hold();
  const Asked<Tree::Opened> first = Open(small_);
  const Asked<Tree::Opened> second = Open(small_);
  first.wait->Cancel(base::Error(ErrorKind::kInterrupted, "^C"));
  EXPECT_EQ(first.answer.Error(), ErrorKind::kInterrupted);
  EXPECT_FALSE(second.answer.given());
  EXPECT_EQ(source_->held(), 1U);
  second.wait->Cancel(base::Error(ErrorKind::kTimeout, "deadline"));
  EXPECT_EQ(second.answer.Error(), ErrorKind::kTimeout);
  EXPECT_EQ(source_->held(), 0U);
  const Asked<Tree::Opened> third = Open(small_);
  EXPECT_EQ(source_->fetch_calls, 2);
  source_->RunHeld();
  EXPECT_EQ(third.answer.Error(), std::nullopt);
}

TEST_F(OpenTest, WhoHasReadAllAndClosesDoesNotThrowItAway) {
  Hold();
  Asked<Tree::Opened> opened = Open(large_);
  const auto task = source_->Take();
  task->sink->Begin(big_.size(), true);
  task->sink->Write(big_);
  EXPECT_EQ(Bytes(Read(opened.answer.Value().message, big_.size() - 10, 10).answer.Value()), Big(big_.size() - 10, 10));
  opened = {};
  EXPECT_FALSE(task->cancelled) << "only the server's last word is missing";
  task->Finish(std::nullopt);
  EXPECT_EQ(tree_->GetXattr(large_, "user.mailboxfs.cached"), "1");
}

TEST_F(OpenTest, AGivenUpDownloadTakesNoMoreBytes) {
  Hold();
  const Asked<Tree::Opened> first = Open(small_);
  const auto old_task = source_->Take();
  old_task->sink->Begin(3, true);
  first.wait->Cancel(base::Error(ErrorKind::kInterrupted, "^C"));
  EXPECT_TRUE(old_task->cancelled);
  const Asked<Tree::Opened> second = Open(small_);
  const auto new_task = source_->Take();
  ASSERT_NE(new_task, nullptr);
  EXPECT_THROW(old_task->sink->Write("old"), base::Error);
  new_task->sink->Begin(3, true);
  new_task->sink->Write("new");
  old_task->Finish(base::Error(ErrorKind::kCancelled, "cancelled"));
  new_task->Finish(std::nullopt);
  EXPECT_EQ(Bytes(Read(second.answer.Value().message, 0, 9).answer.Value()), "new");
}

TEST_F(OpenTest, ALongMessageIsReadWhileItComes) {
  std::shared_ptr<FakeTask> task;
  const std::shared_ptr<OpenMessage> message = Stream(&task);
  EXPECT_EQ(message->size(), big_.size());
  EXPECT_EQ(tree_->GetAttributes(large_).size, big_.size());
  EXPECT_EQ(Bytes(Read(message, 0, 4096).answer.Value()), Big(0, 4096));
  const Asked<ReadSpan> across = Read(message, 99'000, 2000);
  const Asked<ReadSpan> later = Read(message, 300'000, 1000);
  EXPECT_FALSE(across.answer.given());
  task->sink->Write(std::string_view(big_).substr(100'000, 50'000));
  EXPECT_EQ(Bytes(across.answer.Value()), Big(99'000, 2000));
  EXPECT_FALSE(later.answer.given());
  const Asked<Tree::Opened> second = Open(large_);
  EXPECT_EQ(second.wait, nullptr) << "who comes later need not wait";
  EXPECT_TRUE(second.answer.Value().size_changed);
  task->sink->Write(std::string_view(big_).substr(150'000));
  task->Finish(std::nullopt);
  EXPECT_EQ(Bytes(later.answer.Value()), Big(300'000, 1000));
  EXPECT_EQ(Bytes(Read(second.answer.Value().message, 0, 1'000'000).answer.Value()), big_);
  EXPECT_EQ(source_->fetch_calls, 1);
}

TEST_F(OpenTest, BytesOfAnUnknownMessageAreNotShown) {
  Hold();
  const Asked<Tree::Opened> asked = Open(large_);
  const auto task = source_->Take();
  task->sink->Begin(big_.size(), false);
  task->sink->Write(big_);
  EXPECT_FALSE(asked.answer.given());
  EXPECT_FALSE(tree_->GetAttributes(large_).size_exact);
  task->Finish(std::nullopt);
  EXPECT_EQ(Bytes(Read(asked.answer.Value().message, 0, 1'000'000).answer.Value()), big_);
}

TEST_F(OpenTest, ADownloadThatNobodyHasSeenMayStartOverDifferently) {
  Hold();
  const Asked<Tree::Opened> asked = Open(small_);
  const auto task = source_->Take();
  task->sink->Begin(6, true);
  task->sink->Write("old");
  task->sink->Begin(4, true);
  task->sink->Write("new!");
  task->Finish(std::nullopt);
  EXPECT_EQ(asked.answer.Value().message->size(), 4U);
  EXPECT_EQ(Bytes(Read(asked.answer.Value().message, 0, 9).answer.Value()), "new!");
}

TEST_F(OpenTest, AStreamThatStartsOverMustRepeatItself) {
  std::shared_ptr<FakeTask> task;
  const std::shared_ptr<OpenMessage> message = Stream(&task);
  const Asked<ReadSpan> later = Read(message, 100'000, 1000);
  task->sink->Begin(big_.size(), true);
  task->sink->Write(std::string_view(big_).substr(0, 30'000));
  EXPECT_EQ(Bytes(Read(message, 50'000, 100).answer.Value()), Big(50'000, 100)) << "what was there stays";
  EXPECT_FALSE(later.answer.given());
  task->sink->Write(std::string_view(big_).substr(30'000));
  EXPECT_EQ(Bytes(later.answer.Value()), Big(100'000, 1000));
  task->Finish(std::nullopt);
  EXPECT_EQ(Bytes(Read(message, 0, 1'000'000).answer.Value()), big_);
}

TEST_F(OpenTest, AStreamStartedOverUnidentifiedShowsNothingNewBeforeTheEnd) {
  std::shared_ptr<FakeTask> task;
  const std::shared_ptr<OpenMessage> message = Stream(&task);
  const Asked<ReadSpan> later = Read(message, 100'000, 1000);
  task->sink->Begin(big_.size(), false);
  task->sink->Write(big_);
  EXPECT_FALSE(later.answer.given());
  task->Finish(std::nullopt);
  EXPECT_EQ(Bytes(later.answer.Value()), Big(100'000, 1000));
}

TEST_F(OpenTest, TwoDownloadsOfTwoSizesAreNeverMixed) { RefusesAnotherBody(true); }

TEST_F(OpenTest, TwoDownloadsOfOneSizeAreNeverMixed) { RefusesAnotherBody(false); }

TEST_F(OpenTest, AFailureStaysUntilALaterOpenTriesAgain) {
  std::shared_ptr<FakeTask> task;
  const std::shared_ptr<OpenMessage> message = Stream(&task);
  const Asked<ReadSpan> waiting = Read(message, 300'000, 10);
  task->Finish(base::Error(ErrorKind::kNetwork, "broken"));
  EXPECT_EQ(waiting.answer.Error(), ErrorKind::kNetwork);
  EXPECT_EQ(Read(message, 99'999, 10).answer.Error(), ErrorKind::kNetwork);
  EXPECT_EQ(Bytes(Read(message, 0, 10).answer.Value()), Big(0, 10));
  EXPECT_EQ(source_->fetch_calls, 1);
  const Asked<Tree::Opened> again = Open(large_);
  EXPECT_EQ(source_->fetch_calls, 2);
  source_->RunHeld();
  EXPECT_EQ(Bytes(Read(again.answer.Value().message, 300'000, 10).answer.Value()), Big(300'000, 10));
  EXPECT_EQ(Bytes(Read(message, 300'000, 10).answer.Value()), Big(300'000, 10));
}

TEST_F(OpenTest, WhatWasShownBindsTheNextDownloadWhileItIsOpen) {
  std::shared_ptr<FakeTask> task;
  std::shared_ptr<OpenMessage> message = Stream(&task);
  task->Finish(base::Error(ErrorKind::kNetwork, "broken"));
  std::string other = big_;
  other[60'000] ^= 1;
  source_->AddMessage("INBOX", 2, {"big", other, "", 1664661906, 5});
  {
    const Asked<Tree::Opened> again = Open(large_);
    const Asked<ReadSpan> later = Read(again.answer.Value().message, 300'000, 10);
    source_->RunHeld();
    EXPECT_EQ(later.answer.Error(), ErrorKind::kStale) << "the kernel would mix the two";
    EXPECT_EQ(Bytes(Read(again.answer.Value().message, 0, 100'000).answer.Value()), Big(0, 100'000));
  }
  message = nullptr;
  const Asked<Tree::Opened> fresh = Open(large_);
  source_->RunHeld();
  const Asked<ReadSpan> all = Read(fresh.answer.Value().message, 0, 1'000'000);
  source_->RunHeld();
  EXPECT_EQ(Bytes(all.answer.Value()), other);
}

TEST_F(OpenTest, AnEvictedBodyStaysTheBodyWhileSomebodyHasItOpen) {
  for (const Ino ino : {small_, large_}) {
    Tree::Opened first = Open(ino).answer.Value();
    const std::string body = Bytes(Read(first.message, 0, 1'000'000).answer.Value());
    cache_->Remove(ino);
    std::string other = body;
    other[10] ^= 1;
    source_->AddMessage("INBOX", ino == small_ ? 1 : 2, {"anew", other, "", 1664661906, 99});
    Tree::Opened second = Open(ino).answer.Value();
    EXPECT_EQ(Bytes(Read(second.message, 0, 1'000'000).answer.Value()), body) << "the kernel would mix the two";
    first = {};
    Tree::Opened third = Open(ino).answer.Value();
    EXPECT_EQ(Bytes(Read(third.message, 0, 1'000'000).answer.Value()), body);
    second = third = {};
    EXPECT_EQ(ReadAll(ino), other);
  }
}

// The kernel shares a file's pages among all who have it open: those too who have read nothing yet.
TEST_F(OpenTest, WhatOneReaderWasShownBindsAnotherWhoHasReadNothingYet) {
  for (const Ino ino : {small_, large_}) {
    const std::string body = ReadAll(ino);
    cache_->Remove(ino);
    source_->fetch_calls = 0;
    Tree::Opened unread = Open(ino).answer.Value();
    EXPECT_EQ(source_->fetch_calls, 0);
    EXPECT_EQ(ReadAll(ino), body);
    cache_->Remove(ino);
    std::string other = body;
    other[10] ^= 1;
    source_->AddMessage("INBOX", ino == small_ ? 1 : 2, {"anew", other, "", 1664661906, 99});
    EXPECT_EQ(Bytes(Read(unread.message, 0, 1'000'000).answer.Value()), body) << "the kernel would mix the two";
    unread = {};
    EXPECT_EQ(ReadAll(ino), other);
  }
}

TEST_F(OpenTest, ADownloadGoesOnForWhoHasReadNothingYet) {
  ReadAll(large_);
  cache_->Remove(large_);
  const Tree::Opened unread = Open(large_).answer.Value();
  Hold();
  Tree::Opened reader = Open(large_).answer.Value();
  const Asked<ReadSpan> first = Read(reader.message, 0, 1000);
  const std::shared_ptr<FakeTask> task = source_->Take();
  ASSERT_NE(task, nullptr);
  task->sink->Begin(big_.size(), true);
  task->sink->Write(std::string_view(big_).substr(0, 300'000));
  EXPECT_EQ(Bytes(first.answer.Value()), Big(0, 1000));
  reader = {};
  const Asked<ReadSpan> second = Read(unread.message, 299'000, 10'000);
  EXPECT_EQ(source_->Take(), nullptr) << "it is the same download";
  task->sink->Write(std::string_view(big_).substr(300'000));
  task->Finish(std::nullopt);
  EXPECT_EQ(Bytes(second.answer.Value()), Big(299'000, 10'000));
}

TEST_F(OpenTest, AStreamGoesOnWhileItIsOpenAndEndsWithTheLastHandle) {
  std::shared_ptr<FakeTask> task;
  {
    const std::shared_ptr<OpenMessage> message = Stream(&task);
    const Asked<ReadSpan> reader = Read(message, 300'000, 10);
    reader.wait->Cancel(base::Error(ErrorKind::kInterrupted, "^C"));
    EXPECT_EQ(reader.answer.Error(), ErrorKind::kInterrupted);
    EXPECT_FALSE(task->cancelled);
    EXPECT_EQ(Bytes(Read(message, 0, 10).answer.Value()), Big(0, 10));
  }
  EXPECT_TRUE(task->cancelled);
  EXPECT_THROW(task->sink->Write("more"), base::Error);
  task->Finish(base::Error(ErrorKind::kCancelled, "cancelled"));
  EXPECT_EQ(tree_->GetStatus().downloads, 0U);
}

TEST_F(OpenTest, WrongLengthsAreErrors) {
  Hold();
  Asked<Tree::Opened> asked = Open(small_);
  auto task = source_->Take();
  task->sink->Begin(3, true);
  EXPECT_THROW(task->sink->Write("1234"), base::Error);
  task->Finish(base::Error(ErrorKind::kProtocol, "too much"));
  EXPECT_EQ(asked.answer.Error(), ErrorKind::kProtocol);

  asked = Open(small_);
  task = source_->Take();
  task->sink->Begin(3, true);
  task->sink->Write("12");
  task->Finish(std::nullopt);
  EXPECT_EQ(asked.answer.Error(), ErrorKind::kProtocol);

  asked = Open(small_);
  source_->Take()->Finish(std::nullopt);
  EXPECT_EQ(asked.answer.Error(), ErrorKind::kUnfetchable) << "success without a body";
  EXPECT_FALSE(cache_->Contains({small_, index_->Get(small_)->tag}));
}

// A server that makes the body anew each time: whoever opens it again must not be told yesterday's size for ever.
TEST_F(OpenTest, SizeThatDoesNotHoldIsAskedForAnew) {
  std::shared_ptr<FakeTask> task;
  {
    const std::shared_ptr<OpenMessage> message = Stream(&task);
    task->Finish(base::Error(ErrorKind::kNetwork, "broken"));
  }
  {
    const Asked<Tree::Opened> known = Open(large_);
    ASSERT_TRUE(known.answer.given()) << "its size is known";
    const Asked<ReadSpan> read = Read(known.answer.Value().message, 0, 10);
    task = source_->Take();
    task->sink->Begin(big_.size() + 1, true);
    EXPECT_EQ(read.answer.Error(), ErrorKind::kStale);
    task->Finish(base::Error(ErrorKind::kCancelled, "nobody waits"));
  }
  const Asked<Tree::Opened> again = Open(large_);
  ASSERT_FALSE(again.answer.given()) << "no size is known";
  task = source_->Take();
  task->sink->Begin(big_.size() + 2, true);
  EXPECT_EQ(again.answer.Value().message->size(), big_.size() + 2);
}

TEST_F(OpenTest, AnEmptyMessageIsAMessage) {
  Hold();
  const Asked<Tree::Opened> asked = Open(small_);
  const auto task = source_->Take();
  task->sink->Begin(0, true);
  task->Finish(std::nullopt);
  EXPECT_EQ(asked.answer.Value().message->size(), 0U);
  EXPECT_EQ(Read(asked.answer.Value().message, 0, 10).answer.Value().length, 0U);
}

TEST_F(OpenTest, AMessageThatIsGoneDisappears) {
  source_->RemoveMessage("INBOX", 1);
  EXPECT_EQ(Open(small_).answer.Error(), ErrorKind::kGone);
  EXPECT_EQ(notifier_.deleted(), std::vector<std::string>{"2022-10-01_small.1.eml"});
  EXPECT_THROW(tree_->GetAttributes(small_), base::Error);
  EXPECT_EQ(Open(small_).answer.Error(), ErrorKind::kGone);
  EXPECT_EQ(source_->fetch_calls, 1);
}

TEST_F(OpenTest, OnlyTheServersWordMakesAMessageGone) {
  for (const ErrorKind kind :
       {ErrorKind::kNetwork, ErrorKind::kServer, ErrorKind::kNotFound, ErrorKind::kUnfetchable}) {
    source_->FailWith(base::Error(kind, "no"));
    EXPECT_EQ(Open(small_).answer.Error(), kind == ErrorKind::kNotFound ? ErrorKind::kServer : kind);
    EXPECT_EQ(tree_->GetAttributes(small_).ino, small_);
  }
}

TEST_F(OpenTest, AnOpenMessageOutlivesItsName) {
  const std::shared_ptr<OpenMessage> message = Open(small_).answer.Value().message;
  source_->RemoveMessage("INBOX", 1);
  Advance(std::chrono::seconds(61));
  List(inbox_);
  EXPECT_EQ(tree_->GetAttributes(small_).size, message->size());
  EXPECT_EQ(tree_->GetXattr(small_, "user.mailboxfs.uid"), std::nullopt);
  EXPECT_EQ(Bytes(Read(message, 0, 7).answer.Value()), "Subject");
  EXPECT_EQ(Lookup(inbox_, "1.eml").answer.Error(), ErrorKind::kNotFound);
}

TEST_F(OpenTest, AttributesOfARemovedMessageEndWithItsLastHandle) {
  {
    const Asked<Tree::Opened> asked = Open(small_);
    source_->RemoveMessage("INBOX", 1);
    Advance(std::chrono::seconds(61));
    List(inbox_);
    EXPECT_NO_THROW(tree_->GetAttributes(small_));
  }
  EXPECT_THROW(tree_->GetAttributes(small_), base::Error);
}

TEST_F(OpenTest, AChangedIdentityIsStaleAndLeadsToARefresh) {
  source_->SetUidValidity("INBOX", 8);
  const int refreshes = source_->refresh_calls;
  EXPECT_EQ(Open(small_).answer.Error(), ErrorKind::kStale);
  EXPECT_EQ(source_->refresh_calls, refreshes + 1);
  EXPECT_EQ(ReadAll(small_), "Subject: small\r\n\r\nhello\r\n") << "matched again: the same inode";
}

TEST_F(OpenTest, ABodyThatTheServerMadeAnewHasANewSize) {
  ReadAll(small_);
  cache_->Remove(small_);
  source_->AddMessage("INBOX", 1, {"small", "regenerated", "", 1664661906, 99});
  const int fetched = source_->fetch_calls;
  const Tree::Opened lazily = Open(small_).answer.Value();
  EXPECT_EQ(source_->fetch_calls, fetched) << "the size is known, so nothing is fetched before the first read";
  EXPECT_FALSE(lazily.same_body);
  EXPECT_EQ(Read(lazily.message, 0, 4).answer.Error(), ErrorKind::kStale);
  const Tree::Opened opened = Open(small_).answer.Value();
  EXPECT_EQ(opened.message->size(), 11U);
  EXPECT_EQ(tree_->GetAttributes(small_).size, 11U);
}

TEST_F(OpenTest, ANewSizeIsSaidByEveryOpenUntilTheKernelHasBeenTold) {
  ReadAll(small_);
  cache_->Remove(small_);
  source_->AddMessage("INBOX", 1, {"small", "regenerated, and longer than it was", "", 1664661906, 99});
  const Tree::Opened lazily = Open(small_).answer.Value();
  EXPECT_FALSE(lazily.size_changed);
  EXPECT_EQ(Read(lazily.message, 0, 4).answer.Error(), ErrorKind::kStale) << "the new size is known from here on";
  EXPECT_EQ(Read(lazily.message, 30, 4).answer.Error(), ErrorKind::kStale) << "not the end of the new body";
  EXPECT_TRUE(Open(small_).answer.Value().size_changed);
  EXPECT_TRUE(Open(small_).answer.Value().size_changed) << "the first one's reply may have reached nobody";
  cache_->Remove(small_);
  const int fetched = source_->fetch_calls;
  const Tree::Opened unread = Open(small_).answer.Value();
  EXPECT_TRUE(unread.size_changed);
  EXPECT_EQ(source_->fetch_calls, fetched);
  EXPECT_TRUE(Open(small_).answer.Value().size_changed);
  unread.message->SizeTold();
  EXPECT_FALSE(Open(small_).answer.Value().size_changed);
  EXPECT_EQ(ReadAll(small_), "regenerated, and longer than it was");
}

TEST_F(OpenTest, WhatTheKernelWasToldOfAnOlderSizeIsNotEnough) {
  ExactSizes sizes(*index_);
  sizes.Learn(small_, 50);
  const uint64_t older = sizes.Untold(small_);
  EXPECT_NE(older, 0U);
  sizes.Learn(small_, 60);
  sizes.Told(small_, older);
  EXPECT_NE(sizes.Untold(small_), 0U);
  sizes.Told(small_, sizes.Untold(small_));
  sizes.Learn(small_, 60);
  EXPECT_EQ(sizes.Untold(small_), 0U) << "no change";
}

TEST_F(OpenTest, ASizeThatTheIndexHasNoRoomForHoldsUntilTheEnd) {
  ReadAll(small_);
  index_->SetExactSize(small_, 9);
  EXPECT_EQ(tree_->GetAttributes(small_).size, 9U);
  const uint64_t size = Tree::Opened(UnderFullDisk([&] { return Open(small_).answer.Value(); })).message->size();
  EXPECT_EQ(size, 25U);
  EXPECT_EQ(index_->Get(small_)->size, 9U) << "the disk was full";
  EXPECT_EQ(tree_->GetAttributes(small_).size, size);
  EXPECT_EQ(Lookup(inbox_, "1.eml").answer.Value().size, size);
  EXPECT_EQ(tree_->ReadDirectory(inbox_, 0, 1).front().attributes.size, size);
  EXPECT_TRUE(Open(small_).answer.Value().size_changed);
  Open(small_).answer.Value().message->SizeTold();
  EXPECT_FALSE(Open(small_).answer.Value().size_changed);
}

TEST_F(OpenTest, ABodyIsServedThoughTheIndexHasNoRoomForItsSize) {
  Hold();
  const Asked<Tree::Opened> asked = Open(large_);
  const auto task = source_->Take();
  UnderFullDisk([&] { task->sink->Begin(big_.size(), true); });
  const Tree::Opened opened = asked.answer.Value();
  EXPECT_TRUE(opened.size_changed);
  task->sink->Write(big_);
  task->Finish(std::nullopt);
  EXPECT_EQ(Bytes(Read(opened.message, 0, 1'000'000).answer.Value()), big_);
  EXPECT_FALSE(index_->Get(large_)->size_exact) << "the disk was full";
  EXPECT_EQ(tree_->GetAttributes(large_).size, big_.size());
  EXPECT_TRUE(tree_->GetAttributes(large_).size_exact);
  EXPECT_EQ(tree_->GetXattr(large_, "user.mailboxfs.size_exact"), "1");
}

TEST_F(OpenTest, ARevivedDownloadIsNotForgottenAtTheEndOfItsEarlierLife) {
  std::shared_ptr<FakeTask> task;
  const std::shared_ptr<OpenMessage> message = Stream(&task);
  // Who reads opens again as soon as he hears of the failure, which is before the download's end is over.
  Asked<Tree::Opened> again;
  tree_->Read(message, 300'000, 10, [&](const base::Result<ReadSpan>& result) {
    EXPECT_FALSE(result.ok());
    again = Open(large_);
  });
  task->Finish(base::Error(ErrorKind::kNetwork, "broken"));
  EXPECT_EQ(tree_->GetStatus().downloads, 1U) << "the new life of the same download";
  const Asked<Tree::Opened> third = Open(large_);
  EXPECT_EQ(source_->fetch_calls, 2);
  source_->RunHeld();
  EXPECT_EQ(Bytes(Read(third.answer.Value().message, 300'000, 10).answer.Value()), Big(300'000, 10));
  EXPECT_EQ(Bytes(Read(again.answer.Value().message, 300'000, 10).answer.Value()), Big(300'000, 10));
  EXPECT_EQ(tree_->GetStatus().downloads, 0U);
}

TEST_F(OpenTest, AMessageIsNeverFetchedUnderAnotherUidValidity) {
  source_->SetUidValidity("INBOX", 8);
  Advance(std::chrono::seconds(61));
  Hold();
  const Asked<Attributes> listing = OpenDirectory(inbox_);
  auto task = source_->Take();
  if (!task->refresh) {  // The folder list comes first.
    source_->Run(task);
    task = source_->Take();
  }
  task->listing->Begin({8, 3, 2});
  const FakeMessage small{"small", "", "", 1664661906, 99};
  task->listing->Added(std::vector<model::MessageInfo>{{4, "", 1664661906, 99, FakeHeader(4, small)}});
  const Asked<Tree::Opened> matched = Open(small_);
  EXPECT_EQ(source_->Take()->body->uid, 4U);
  EXPECT_EQ(Open(large_).answer.Error(), ErrorKind::kNotListed) << "it is not known which message it is now";
  EXPECT_EQ(source_->fetch_calls, 1);
  tree_->Shutdown();
}

TEST_F(OpenTest, ShutdownAnswersOpensAndReads) {
  std::shared_ptr<FakeTask> task;
  const std::shared_ptr<OpenMessage> message = Stream(&task);
  const Asked<ReadSpan> reading = Read(message, 300'000, 10);
  const Asked<Tree::Opened> opening = Open(small_);
  tree_->Shutdown();
  EXPECT_EQ(reading.answer.Error(), ErrorKind::kCancelled);
  EXPECT_EQ(opening.answer.Error(), ErrorKind::kCancelled);
  EXPECT_EQ(Bytes(Read(message, 0, 10).answer.Value()), Big(0, 10));
  EXPECT_EQ(Open(small_).answer.Error(), ErrorKind::kCancelled);
  EXPECT_THROW(task->sink->Write("late"), base::Error);
}

}  // namespace
}  // namespace mailboxfs::tree
