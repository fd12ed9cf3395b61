// The small parts: refusals, fetched items, back-off, queue.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mail/backoff.h"
#include "mail/fetch_items.h"
#include "mail/job_queue.h"
#include "mail/mailbox_state.h"
#include "mail/refusal.h"
#include "mail/suspects.h"
#include "mail/worker.h"
#include "mailboxfs/base/manual_clock.h"
#include "memory.h"

namespace mailboxfs::mail {
namespace {

using base::Error;
using base::ErrorKind;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

imap::StatusResponse Said(imap::Condition condition, const std::string& text, const std::string& code = "") {
  imap::StatusResponse status;
  status.condition = condition;
  status.text = text;
  if (!code.empty()) status.code = imap::ResponseCode{code, ""};
  return status;
}

TEST(MailboxStateTest, GreetingsAreNoProgressOnceTheServerLeavesSomebodyWithoutAnswer) {
  const auto at = [](int second) { return base::MonoTime(seconds(second)); };
  const base::ManualClock clock;
  Governor governor(
      clock, [] { return 0.0; }, {}, nullptr);
  MailboxState state(at(0), governor);
  state.OnReceived(100, at(1));
  EXPECT_EQ(state.last_progress(), at(1)) << "a slow login is alive";
  state.OnStalled();
  state.OnReceived(100, at(2));
  EXPECT_EQ(state.last_progress(), at(1)) << "the next connection's login answers nobody";
  state.OnAnswered(at(3));
  state.OnReceived(100, at(4));
  EXPECT_EQ(state.last_progress(), at(4));
  EXPECT_EQ(state.bytes_received(), 300U);
}

TEST(RefusalTest, OnlyAWordAboutAbsenceIsOne) {
  const auto absent = [](const std::string& text, const std::string& code = "") {
    return IsAbsence(Said(imap::Condition::kNo, text, code));
  };
  EXPECT_TRUE(absent("sorry", "NONEXISTENT"));
  EXPECT_TRUE(absent("Old doesn't exist."));
  EXPECT_TRUE(absent("Unknown Mailbox: Old (now in authenticated state) (Failure)"));
  EXPECT_FALSE(absent("dovecot.index: No such file or directory"));
  EXPECT_FALSE(absent("index file not found"));
  EXPECT_FALSE(absent("Mailbox does not exist or you have no permission", "NOPERM"));
  EXPECT_FALSE(absent("Backend for this mailbox not found", "CONTACTADMIN"));
  EXPECT_FALSE(IsAbsence(Said(imap::Condition::kBad, "it doesn't exist")));
}

TEST(RefusalTest, ThrottlePauseIsReadFromTheText) {
  const auto pause = [](const std::string& text) { return ThrottlePause(Said(imap::Condition::kBad, text)); };
  EXPECT_EQ(pause("Request is throttled. Suggested Backoff Time: 92415 milliseconds"), milliseconds(92415));
  EXPECT_EQ(pause("request IS THROTTLED. suggested backoff time = 2000 milliseconds"), milliseconds(2000));
  EXPECT_EQ(pause("Request is throttled. Suggested Backoff Time: 3000000 milliseconds"), minutes(10));
  EXPECT_EQ(pause("Request is throttled. Suggested Backoff Time: 99999999999999999999 milliseconds"), minutes(10));
  EXPECT_EQ(pause("Request is throttled. Suggested Backoff Time: 0 milliseconds"), milliseconds(100));
  EXPECT_EQ(pause("Request is throttled. Suggested Backoff Time: soon"), kDefaultPause);
  EXPECT_EQ(pause("Request is throttled. Suggested Backoff Time:"), kDefaultPause);
  EXPECT_EQ(pause("Request is throttled."), kDefaultPause);
  EXPECT_EQ(pause("Account exceeded command or bandwidth limits. (Failure)"), minutes(10));
  EXPECT_EQ(pause("Command Error. 12"), std::nullopt);
}

TEST(RefusalTest, BlamesTheMessageOnlyForWhatMayBeItsFault) {
  const auto no = [](const std::string& text, const std::string& code = "") {
    return BlameOf(Said(imap::Condition::kNo, text, code));
  };
  EXPECT_EQ(no("The message could not be converted"), Blame::kMessage);
  EXPECT_EQ(no("broken", "CORRUPTION"), Blame::kMessage);
  EXPECT_EQ(no("Server Unavailable. 15"), Blame::kMomentary);
  EXPECT_EQ(no("Backend down", "UNAVAILABLE"), Blame::kMomentary);
  EXPECT_EQ(no("Internal error occurred. Refer to server log", "SERVERBUG"), Blame::kMomentary);
  EXPECT_EQ(no("x", "INUSE"), Blame::kServer);
  EXPECT_EQ(no("x", "LIMIT"), Blame::kServer);
  EXPECT_EQ(no("Quota exceeded", "OVERQUOTA"), Blame::kServer);
  EXPECT_EQ(no("Too many simultaneous connections. (Failure)", "ALERT"), Blame::kServer);
  EXPECT_EQ(no("Request is throttled."), Blame::kServer);
  EXPECT_EQ(no("you may not", "AUTHORIZATIONFAILED"), Blame::kServer);
  EXPECT_EQ(no("token", "EXPIRED"), Blame::kServer);
  EXPECT_EQ(no("Session invalidated - AccessTokenExpired"), Blame::kServer);
  EXPECT_EQ(BlameOf(Said(imap::Condition::kBad, "User is authenticated but not connected.")), Blame::kServer);
  EXPECT_EQ(BlameOf(Said(imap::Condition::kBad, "Request is throttled.")), Blame::kServer);
  EXPECT_EQ(BlameOf(Said(imap::Condition::kBad, "Command received in Invalid state.")), Blame::kSession);
  EXPECT_EQ(BlameOf(Said(imap::Condition::kBad, "Command Error. 10")), Blame::kSession);
}

TEST(SuspectsTest, OneIsToBlameForTheSameTroubleAgainAfterAnotherWasServed) {
  Suspects suspects;
  const model::BodyRequest message{"INBOX", 7, 1, std::nullopt};
  const base::MonoTime now{std::chrono::hours(100)};
  EXPECT_FALSE(suspects.OnTrouble(message, 0, 5, now)) << "once";
  EXPECT_FALSE(suspects.OnTrouble(message, 0, 5, now)) << "nobody else was served either";
  EXPECT_FALSE(suspects.OnTrouble(message, 0, 5, now)) << "nor now";
  EXPECT_FALSE(suspects.OnTrouble({"INBOX", 8, 1, std::nullopt}, 0, 6, now)) << "another message";
  EXPECT_FALSE(suspects.OnTrouble(message, 0, 6, now)) << "twice is bad luck";
  EXPECT_TRUE(suspects.OnTrouble(message, 0, 7, now));
  EXPECT_FALSE(suspects.OnTrouble(message, 0, 8, now)) << "it starts over";
  EXPECT_FALSE(suspects.OnTrouble(message, 100, 9, now)) << "elsewhere: that is the network";
  EXPECT_FALSE(suspects.OnTrouble(message, 100, 10, now));
  suspects.OnFetched(message);
  EXPECT_FALSE(suspects.OnTrouble(message, 100, 11, now));
}

TEST(SuspectsTest, TroubleOfLastWeekProvesNothing) {
  Suspects suspects;
  const model::BodyRequest message{"INBOX", 7, 1, std::nullopt};
  base::MonoTime now{std::chrono::hours(100)};
  for (uint64_t fetched = 1; fetched < 10; ++fetched) {
    EXPECT_FALSE(suspects.OnTrouble(message, 0, fetched, now));
    now += std::chrono::minutes(61);
  }
}

TEST(SuspectsTest, WhereSeveralAreRefusedAndNoneIsServedItIsTheServersTrouble) {
  Suspects suspects;
  const model::BodyRequest one{"INBOX", 7, 1, std::nullopt};
  const model::BodyRequest other{"INBOX", 7, 2, std::nullopt};
  EXPECT_TRUE(suspects.OnRefused(one));
  EXPECT_TRUE(suspects.OnRefused(one));
  EXPECT_FALSE(suspects.OnRefused(other));
  EXPECT_FALSE(suspects.OnRefused(one));
  suspects.OnFetched({"INBOX", 7, 3, std::nullopt});
  EXPECT_TRUE(suspects.OnRefused(other));
}

TEST(RefusalTest, SlowedButDoneIsNoRefusal) {
  EXPECT_EQ(ThrottlePause(Said(imap::Condition::kOk, "done", "THROTTLED")), std::nullopt);
  EXPECT_EQ(ThrottlePause(Said(imap::Condition::kNo, "later", "THROTTLED")), kDefaultPause);
}

TEST(RefusalTest, QuotesAreSafeForTerminals) {
  EXPECT_EQ(QuoteStatus(Said(imap::Condition::kNo, "a\x1b[2Jb", "ALERT")), "NO [ALERT] a\\x1b[2Jb");
}

TEST(FlagsTest, AreSortedUniqueAndWithoutRecent) {
  EXPECT_EQ(JoinFlags({"\\Seen", "$Junk", "\\recent", "\\seen", "\\ANSWERED"}), "$Junk \\Answered \\Seen");
  EXPECT_EQ(JoinFlags({}), "");
  std::vector<std::string> many;
  for (int i = 0; i < 10'000 * MAILBOXFS_MANY; ++i) many.push_back(std::to_string(i));
  EXPECT_LE(JoinFlags(many).size(), 4096U) << "a hostile server's";
}

TEST(FetchedItemsTest, ExpungeMovesTheNumbers) {
  FetchedItems items;
  imap::FetchData uid;
  uid.sequence = 5;
  uid.uid = 50;
  items.OnFetch(uid);
  items.OnExpunge(3);
  imap::FetchData size;
  size.sequence = 4;
  size.rfc822_size = 9;
  items.OnFetch(size);
  ASSERT_NE(items.Find(50), nullptr);
  EXPECT_EQ(items.Find(50)->size, 9U);
}

TEST(FetchedItemsTest, AnotherCommandsNumbersMeanNothing) {
  FetchedItems items;
  imap::FetchData uid;
  uid.sequence = 5;
  uid.uid = 50;
  items.OnFetch(uid);
  items.EndCommand();
  imap::FetchData size;
  size.sequence = 5;
  size.rfc822_size = 9;
  items.OnFetch(size);
  EXPECT_EQ(items.Find(50)->size, std::nullopt);
}

TEST(FetchedItemsTest, TakesNoMoreThanAnybodyAsksFor) {
  FetchedItems items;
  const auto add = [&items](uint32_t number) {
    imap::FetchData fetch;
    fetch.sequence = fetch.uid.emplace(number);
    imap::BodySectionData section;
    section.section = "HEADER.FIELDS (DATE)";
    section.content = std::string(256 * 1024, 'x');
    fetch.sections.push_back(std::move(section));
    items.OnFetch(fetch);
  };
  add(1);
  EXPECT_LE(items.Find(1)->header->size(), 64U * 1024);
  const size_t before = testing::AllocatedOctets();
  EXPECT_THROW(for (uint32_t i = 2; i < 5000; ++i) add(i), Error);
  EXPECT_LT(testing::AllocatedOctets(), before + 256 * 1024 * 1024);
}

class BackoffTest : public ::testing::Test {
 protected:
  seconds LeftAfter(ErrorKind kind) {
    backoff_.OnFailure(Error(kind, "x"));
    return std::chrono::ceil<seconds>(backoff_.Left());
  }
  double random_ = 0.5;  // No jitter.
  base::ManualClock clock_;
  Backoff backoff_{clock_, [this] { return random_; }, seconds(1)};
};

TEST_F(BackoffTest, NetworkTroubleDoublesUpToHalfAMinute) {
  for (const int expected : {1, 2, 4, 8, 16, 30, 30}) EXPECT_EQ(LeftAfter(ErrorKind::kNetwork), seconds(expected));
}

TEST_F(BackoffTest, RefusedLoginsWaitLonger) {
  for (const int expected : {15, 30, 60, 120, 240, 300, 300}) {
    EXPECT_EQ(LeftAfter(ErrorKind::kLoginRefused), seconds(expected));
  }
}

TEST_F(BackoffTest, JitterSpreads) {
  random_ = 0;
  backoff_.OnFailure(Error(ErrorKind::kNetwork, "x"));
  EXPECT_EQ(backoff_.Left(), milliseconds(750));
}

TEST_F(BackoffTest, EndsWithTimeOrSuccess) {
  LeftAfter(ErrorKind::kNetwork);
  EXPECT_TRUE(backoff_.Active());
  clock_.Advance(seconds(1));
  EXPECT_FALSE(backoff_.Active());
  EXPECT_EQ(LeftAfter(ErrorKind::kNetwork), seconds(2));
  backoff_.OnSuccess();
  EXPECT_FALSE(backoff_.Active());
  EXPECT_EQ(LeftAfter(ErrorKind::kNetwork), seconds(1));
}

class NoWork final : public Work {
 public:
  using Work::Work;
  void Run(Connection& /*connection*/, const std::function<void()>& /*between*/) override {}
  void Done(base::Status /*status*/) override {}
};

class JobQueueTest : public ::testing::Test {
 protected:
  std::shared_ptr<Job> Push(const std::string& folder, model::Priority priority = model::Priority::kWaiting) {
    auto job = std::make_shared<Job>(std::weak_ptr<Fetcher>(), std::make_unique<NoWork>("x", folder), priority);
    queue_.PushBack(job);
    return job;
  }
  JobQueue queue_;
};

TEST_F(JobQueueTest, UrgentJobsComeFirstThenTheOldest) {
  const auto refresh = Push("a", model::Priority::kRefresh);
  const auto ahead = Push("a", model::Priority::kReadAhead);
  const auto first = Push("a");
  const auto second = Push("a");
  for (const auto& expected : {first, second, ahead, refresh}) EXPECT_EQ(queue_.Take(nullptr, "z"), expected);
  EXPECT_EQ(queue_.Take(nullptr, "z"), nullptr);
}

TEST_F(JobQueueTest, OpenFolderGoesFirstWithinAPriorityButNotForEver) {
  const auto other = Push("other");
  for (int i = 0; i < 20; ++i) Push("open");
  int before = 0;
  while (queue_.Take(nullptr, "open") != other) ++before;
  EXPECT_EQ(before, 8);
  EXPECT_EQ(queue_.size(), 12U);
}

TEST_F(JobQueueTest, UrgencyBeatsTheOpenFolder) {
  Push("open", model::Priority::kReadAhead);
  const auto urgent = Push("other");
  EXPECT_EQ(queue_.Take(nullptr, "open"), urgent);
}

TEST_F(JobQueueTest, BoundJobsAreForOneWorkerOnly) {
  const auto* const mine = reinterpret_cast<const Worker*>(1);
  const auto* const other = reinterpret_cast<const Worker*>(2);
  const auto job = Push("a");
  job->only_worker = const_cast<Worker*>(mine);
  EXPECT_FALSE(queue_.HasFor(other));
  EXPECT_EQ(queue_.Take(other, "a"), nullptr);
  EXPECT_TRUE(queue_.HasFor(mine));
  queue_.Unbind(mine);
  EXPECT_EQ(queue_.Take(other, "a"), job);
}

TEST_F(JobQueueTest, OnlyMoreUrgentJobsOnRequest) {
  Push("a", model::Priority::kRefresh);
  const model::Priority running = model::Priority::kRefresh;
  EXPECT_EQ(queue_.Take(nullptr, "", &running), nullptr);
  const auto urgent = Push("a", model::Priority::kReadAhead);
  EXPECT_EQ(queue_.Take(nullptr, "", &running), urgent);
}

}  // namespace
}  // namespace mailboxfs::mail
