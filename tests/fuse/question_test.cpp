#include "question.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <string>
#include <thread>
#include <vector>

#include "mailboxfs/base/log.h"
#include "operations_fixture.h"

// Requests that the tree does not answer at once.
namespace mailboxfs::fuse {
namespace {

using std::chrono::seconds;

class QuestionTest : public OperationsFixture {};

TEST_F(QuestionTest, AWaitingRequestIsAnsweredLater) {
  tree_.Block(exact_);
  const auto request = Start(Open(exact_));
  EXPECT_FALSE(request->answered());
  EXPECT_EQ(watchdog_.waiting(), 1U);
  tree_.Release(exact_);
  EXPECT_EQ(request->Wait().kind, "open");
  EXPECT_EQ(watchdog_.waiting(), 0U);
}

TEST_F(QuestionTest, AnAnswerThatComesWhileTheRequestIsMadeIsNotLost) {
  tree_.AnswerElsewhere(true);
  for (int i = 0; i < 100; ++i) {
    const auto request = Start(Lookup(folder_, "exact.eml"));
    request->Interrupt();
    EXPECT_EQ(request->Wait().kind, "entry");
  }
  EXPECT_EQ(watchdog_.waiting(), 0U);
}

TEST_F(QuestionTest, AStalledRequestTimesOut) {
  tree_.Block(folder_);
  const auto request = Start(OpenDir(folder_));
  clock_.Advance(seconds(31));
  watchdog_.Check();
  EXPECT_EQ(request->Wait().errnum, ETIMEDOUT);
  EXPECT_EQ(errors_.GetCounts().timed_out, 1U);
}

TEST_F(QuestionTest, AnEndingSignalAnswersEINTRToThatCallerOnly) {
  tree_.Block(exact_);
  const auto other = Start(Open(exact_));
  const auto request = Start(Open(exact_));
  request->Interrupt();
  watchdog_.Check();
  EXPECT_EQ(request->Wait().errnum, EINTR);
  EXPECT_FALSE(other->answered());
  tree_.Release(exact_);
  EXPECT_EQ(other->Wait().kind, "open");
}

TEST_F(QuestionTest, AHarmlessSignalDoesNot) {
  ends_caller_ = false;
  tree_.Block(exact_);
  const auto request = Start(Open(exact_));
  request->Interrupt();
  watchdog_.Check();
  EXPECT_FALSE(request->answered());
  tree_.Release(exact_);
  EXPECT_EQ(request->Wait().kind, "open");
}

TEST_F(QuestionTest, ASignalThatCameBeforeTheRequestCounts) {
  tree_.Block(exact_);
  FakeRequest request(&operations_);
  request.Interrupt();
  Open(exact_)(request.get());
  watchdog_.Check();
  EXPECT_EQ(request.Wait().errnum, EINTR);
}

TEST_F(QuestionTest, InterruptsAndAnswersMayCross) {
  for (int i = 0; i < 200; ++i) {
    tree_.Block(exact_);
    const auto request = Start(Open(exact_));
    std::thread interrupter([&] {
      request->Interrupt();
      watchdog_.Check();
    });
    tree_.Release(exact_);
    const Answer answer = request->Wait();
    EXPECT_TRUE(answer.kind == "open" || answer.errnum == EINTR) << answer.kind;
    interrupter.join();
  }
}

TEST_F(QuestionTest, WhileALookupWaitsItsDirectoryIsNotNotified) {
  notifier_.Start(FakeSession());
  tree_.Block(folder_);
  const auto request = Start(Lookup(folder_, "exact.eml"));
  notifier_.Deleted(folder_, 1234, "gone.eml");
  notifier_.AttributesChanged(5);
  ASSERT_TRUE(Kernel().WaitFor(1));
  EXPECT_EQ(Kernel().notifications(), std::vector<std::string>{"inode 5"});
  tree_.Release(folder_);
  EXPECT_EQ(request->Wait().kind, "entry");
  ASSERT_TRUE(Kernel().WaitFor(2));
  EXPECT_EQ(Kernel().notifications()[1], base::Format("delete {} 1234 gone.eml", folder_));
  notifier_.Stop();
}

TEST_F(QuestionTest, WhenAllIsClosedNothingWaits) {
  tree_.Block(exact_);
  const auto waiting = Start(Open(exact_));
  watchdog_.Close();
  EXPECT_EQ(waiting->Wait().errnum, EIO);
  EXPECT_EQ(Ask(Open(exact_)).errnum, EIO);
  in_flight_.Drain();
}

}  // namespace
}  // namespace mailboxfs::fuse
