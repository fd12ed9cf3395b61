// The queue and its connections when all goes well.
#include <thread>

#include "source_fixture.h"

namespace mailboxfs::mail {
namespace {

using base::ErrorKind;
using model::Priority;
using testing::Download;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::Outcome;
using testing::RecordingRefreshSink;
using testing::SourceTest;

TEST_F(SourceTest, ManyBodiesShareFewConnections) {
  std::vector<Download> downloads;
  for (uint32_t uid = 1; uid <= 64; ++uid) downloads.push_back(Fetch(uid));
  for (uint32_t uid = 1; uid <= 64; ++uid) {
    EXPECT_EQ(downloads[uid - 1].outcome.WaitKind(), "");
    EXPECT_EQ(downloads[uid - 1].sink->bytes, BodyOf(uid));
  }
  EXPECT_LE(server_.connections(), 4);
  EXPECT_EQ(source_->GetStatus().bodies_fetched, 64U);
  EXPECT_GT(source_->GetStatus().bytes_received, 64U);
}

TEST_F(SourceTest, NothingIsConnectedBeforeTheFirstTask) {
  Start();
  EXPECT_EQ(server_.connections(), 0);
  EXPECT_EQ(source_->GetStatus().state, "idle");
}

TEST_F(SourceTest, ListsFolders) {
  Start();
  Outcome outcome;
  std::vector<model::FolderInfo> folders;
  source_->ListFolders({}, Priority::kWaiting, [&, done = outcome.Callback()](auto result) {
    if (result.ok()) folders = result.value();
    done(result.ok() ? base::Status() : base::Status(result.error()));
  });
  EXPECT_EQ(outcome.WaitKind(), "");
  ASSERT_EQ(folders.size(), 2U);
  EXPECT_EQ(folders[0].id, "INBOX");
}

TEST_F(SourceTest, RefreshesAFolder) {
  options_.profile.header_batch = 30;
  Start();
  const auto sink = std::make_shared<RecordingRefreshSink>();
  Outcome outcome;
  source_->Refresh({"INBOX", {}, false}, sink, Priority::kRefresh, outcome.Callback());
  EXPECT_EQ(outcome.WaitKind(), "");
  EXPECT_EQ(sink->added.size(), 100U);
  EXPECT_EQ(sink->added[41].uid, 42U);
  EXPECT_EQ(server_.Count("SELECT"), 0U);
  EXPECT_EQ(server_.Count("EXAMINE"), 1U);
}

TEST_F(SourceTest, FirstConnectionIsAloneUntilItHasLoggedIn) {
  server_.Hold("AUTHENTICATE");
  std::vector<Download> downloads;
  for (uint32_t uid = 1; uid <= 8; ++uid) downloads.push_back(Fetch(uid));
  ASSERT_TRUE(server_.WaitFor("AUTHENTICATE"));
  downloads.push_back(Fetch(9));
  EXPECT_EQ(server_.connections(), 1);
  EXPECT_EQ(source_->GetStatus().state, "connecting");
  server_.Hold("UID FETCH");
  // Hold takes the place of the first one; what it held is still held.
  server_.Release();
  for (const Download& download : downloads) EXPECT_EQ(download.outcome.WaitKind(), "");
}

TEST_F(SourceTest, MoreConnectionsAreOpenedWhenJobsWait) {
  server_.Hold("UID FETCH");
  std::vector<Download> downloads;
  for (uint32_t uid = 1; uid <= 8; ++uid) downloads.push_back(Fetch(uid));
  EXPECT_TRUE(server_.WaitFor("UID FETCH", 4));
  EXPECT_EQ(server_.open(), 4);
  EXPECT_TRUE(Eventually([&] { return source_->GetStatus().connections == 4; }));
  EXPECT_EQ(source_->GetStatus().queued, 4U);
  server_.Release();
  for (const Download& download : downloads) EXPECT_EQ(download.outcome.WaitKind(), "");
}

TEST_F(SourceTest, WaitingReadersComeFirst) {
  options_.connections = 1;
  server_.Hold(BodyCommand(1));
  const Download first = Fetch(1);
  ASSERT_TRUE(server_.WaitFor(BodyCommand(1)));
  const Download refresh = Fetch(2, "INBOX", Priority::kRefresh);
  const Download ahead = Fetch(3, "INBOX", Priority::kReadAhead);
  const Download waiting = Fetch(4);
  const Download raised = Fetch(5, "INBOX", Priority::kRefresh);
  raised.task->Raise(Priority::kWaiting);
  raised.task->Raise(Priority::kRefresh);
  server_.Release();
  EXPECT_EQ(refresh.outcome.WaitKind(), "");
  EXPECT_THAT(server_.Commands("UID FETCH"),
              ElementsAre(BodyCommand(1), BodyCommand(4), BodyCommand(5), BodyCommand(3), BodyCommand(2)));
}

TEST_F(SourceTest, OpenFolderIsPreferred) {
  options_.connections = 1;
  server_.Hold(BodyCommand(1));
  const Download first = Fetch(1);
  ASSERT_TRUE(server_.WaitFor(BodyCommand(1)));
  const Download other = Fetch(2, "Other");
  const Download same = Fetch(3);
  server_.Release();
  EXPECT_EQ(other.outcome.WaitKind(), "");
  EXPECT_EQ(same.outcome.WaitKind(), "");
  EXPECT_THAT(server_.Commands("EXAMINE"), ElementsAre("EXAMINE INBOX", "EXAMINE Other"));
}

TEST_F(SourceTest, QueuedTaskIsCancelledAtOnce) {
  options_.connections = 1;
  server_.Hold("AUTHENTICATE");
  const Download running = Fetch(1);
  const Download queued = Fetch(2);
  queued.task->Cancel();
  EXPECT_EQ(queued.outcome.calls(), 1) << "inline, though the server says nothing";
  EXPECT_EQ(queued.outcome.WaitKind(), "cancelled");
  queued.task->Cancel();
  server_.Release();
  EXPECT_EQ(running.outcome.WaitKind(), "");
  EXPECT_EQ(queued.outcome.calls(), 1);
  EXPECT_EQ(server_.Count(BodyCommand(2)), 0U);
}

TEST_F(SourceTest, RunningTaskIsCancelledThoughTheServerIsSilent) {
  server_.Hold(BodyCommand(1));
  const Download download = Fetch(1);
  ASSERT_TRUE(server_.WaitFor(BodyCommand(1)));
  download.task->Cancel();
  EXPECT_EQ(download.outcome.WaitKind(), "cancelled");
  EXPECT_EQ(download.sink->begins, 0);
  // If the rest of the answer comes soon enough the connection is kept, else there is one more.
  server_.Release();
  EXPECT_EQ(Fetch(2).outcome.WaitKind(), "");
  EXPECT_LE(server_.connections(), 2);
}

TEST_F(SourceTest, CancelAfterTheEndDoesNothing) {
  const Download download = Fetch(1);
  EXPECT_EQ(download.outcome.WaitKind(), "");
  download.task->Cancel();
  download.task->Raise(Priority::kWaiting);
  EXPECT_EQ(download.outcome.calls(), 1);
}

TEST_F(SourceTest, UrgentBodyDoesNotWaitForALongListing) {
  options_.connections = 1;
  options_.profile.header_batch = 10;
  Start();
  server_.Hold("UID FETCH 11:20");
  const auto sink = std::make_shared<RecordingRefreshSink>();
  Outcome listing;
  source_->Refresh({"INBOX", {}, false}, sink, Priority::kRefresh, listing.Callback());
  ASSERT_TRUE(server_.WaitFor("UID FETCH 11:20"));
  const Download urgent = Fetch(3, "Other");
  server_.Release();
  EXPECT_EQ(urgent.outcome.WaitKind(), "");
  EXPECT_EQ(listing.WaitKind(), "");
  EXPECT_EQ(sink->added.size(), 100U);
  const auto fetches = server_.Commands("UID FETCH");
  ASSERT_GT(fetches.size(), 4U);
  EXPECT_EQ(fetches[3], BodyCommand(3)) << "between two batches";
}

TEST_F(SourceTest, CancelledListingEndsThoughUrgentWorkRunsInside) {
  options_.connections = 1;
  options_.profile.header_batch = 10;
  Start();
  server_.Hold("UID FETCH 11:20");
  const auto sink = std::make_shared<RecordingRefreshSink>();
  Outcome listing;
  const auto task = source_->Refresh({"INBOX", {}, false}, sink, Priority::kRefresh, listing.Callback());
  ASSERT_TRUE(server_.WaitFor("UID FETCH 11:20"));
  const Download urgent = Fetch(3, "Other");
  server_.Hold(BodyCommand(3));
  server_.Release();
  EXPECT_EQ(urgent.outcome.WaitKind(), "");
  task->Cancel();
  const std::string kind = listing.WaitKind();
  EXPECT_TRUE(kind == "cancelled" || kind.empty()) << kind;
}

TEST_F(SourceTest, IdleConnectionSaysGoodbyeAfterAWhile) {
  EXPECT_EQ(Fetch(1).outcome.WaitKind(), "");
  ASSERT_TRUE(server_.WaitUntilOpen(1));
  clock_.Advance(options_.timeouts.idle);
  EXPECT_TRUE(server_.WaitFor("LOGOUT"));
  EXPECT_TRUE(server_.WaitUntilOpen(0));
  EXPECT_TRUE(Eventually([&] { return source_->GetStatus().state == "idle"; }));
  EXPECT_EQ(Fetch(2).outcome.WaitKind(), "") << "and comes back when needed";
  EXPECT_EQ(server_.connections(), 2);
}

TEST_F(SourceTest, IdleConnectionListensAndTellsOfChanges) {
  Start();
  Outcome changed;
  source_->SetChangeListener([&, done = changed.Callback()](const std::string& folder) {
    done(folder == "INBOX" ? base::Status() : base::Status(base::Error(ErrorKind::kInternal, folder)));
  });
  EXPECT_EQ(Fetch(1).outcome.WaitKind(), "");
  clock_.Advance(std::chrono::seconds(3));
  EXPECT_TRUE(server_.WaitFor("IDLE"));
  server_.Push("* 101 EXISTS\r\n");
  EXPECT_EQ(changed.WaitKind(), "");
  EXPECT_EQ(Fetch(2).outcome.WaitKind(), "") << "a task ends the listening";
  EXPECT_EQ(server_.Count("DONE"), 1U);
  EXPECT_EQ(server_.connections(), 1);
}

TEST_F(SourceTest, OnlyOneConnectionListens) {
  server_.Hold("UID FETCH");
  const Download first = Fetch(1);
  const Download second = Fetch(2);
  ASSERT_TRUE(server_.WaitFor("UID FETCH", 2));
  server_.Release();
  EXPECT_EQ(first.outcome.WaitKind(), "");
  EXPECT_EQ(second.outcome.WaitKind(), "");
  clock_.Advance(std::chrono::seconds(3));
  EXPECT_TRUE(server_.WaitFor("IDLE"));
  clock_.Advance(std::chrono::seconds(10));
  EXPECT_EQ(server_.Count("IDLE"), 1U);
  // Either may be called for the next task; the one that listens says so first.
  EXPECT_EQ(Fetch(3).outcome.WaitKind(), "");
  EXPECT_LE(server_.Count("IDLE"), server_.Count("DONE") + 1);
}

TEST_F(SourceTest, WithoutIdleTheConnectionIsKeptAliveWithNoop) {
  options_.idle = false;
  options_.timeouts.idle = std::chrono::hours(1);
  EXPECT_EQ(Fetch(1).outcome.WaitKind(), "");
  clock_.Advance(options_.timeouts.keepalive);
  EXPECT_TRUE(server_.WaitFor("NOOP"));
  EXPECT_EQ(server_.Count("IDLE"), 0U);
}

TEST_F(SourceTest, IdleConnectionIsRetiredBeforeItsTokenEnds) {
  options_.timeouts.idle = std::chrono::hours(9);
  options_.idle = false;
  tokens_->SetExpiry(clock_.Now() + std::chrono::minutes(60));
  EXPECT_EQ(Fetch(1).outcome.WaitKind(), "");
  clock_.Advance(std::chrono::minutes(54));
  EXPECT_EQ(Fetch(2).outcome.WaitKind(), "");
  EXPECT_EQ(server_.connections(), 1);
  clock_.Advance(std::chrono::minutes(1));
  EXPECT_TRUE(server_.WaitFor("LOGOUT"));
}

TEST_F(SourceTest, MailboxesShareTheTotalLimit) {
  ConnectionBudget one(1);
  const ImapEnvironment environment{server_, one, clock_, [] { return 0.0; }};
  const auto first = MakeImapSource(options_, environment);
  const auto second = MakeImapSource(options_, environment);
  EXPECT_EQ(FetchFrom(*first, 1).outcome.WaitKind(), "");
  EXPECT_EQ(FetchFrom(*second, 2).outcome.WaitKind(), "") << "the idle one gives its place back";
  EXPECT_EQ(server_.Count("LOGOUT"), 1U);
  EXPECT_EQ(FetchFrom(*first, 3).outcome.WaitKind(), "");
  EXPECT_LE(server_.open(), 1);
}

TEST_F(SourceTest, BusyMailboxLetsAnotherOneIn) {
  ConnectionBudget two(2);
  options_.connections = 2;
  const ImapEnvironment environment{server_, two, clock_, [] { return 0.0; }};
  const auto greedy = MakeImapSource(options_, environment);
  const auto modest = MakeImapSource(options_, environment);
  server_.Hold("UID FETCH");
  std::vector<Download> downloads;
  for (uint32_t uid = 1; uid <= 50; ++uid) downloads.push_back(FetchFrom(*greedy, uid));
  ASSERT_TRUE(server_.WaitFor("UID FETCH", 2));
  const Download one = FetchFrom(*modest, 7, "Other");
  ASSERT_TRUE(Eventually([&] { return modest->GetStatus().state == "connecting"; }));
  server_.Release();
  EXPECT_EQ(one.outcome.WaitKind(), "");
  for (const Download& download : downloads) EXPECT_EQ(download.outcome.WaitKind(), "");
}

TEST_F(SourceTest, ShutdownCancelsEverythingAndComesBackSoon) {
  options_.connections = 2;
  server_.Hold("UID FETCH");
  std::vector<Download> downloads;
  for (uint32_t uid = 1; uid <= 64; ++uid) downloads.push_back(Fetch(uid));
  ASSERT_TRUE(server_.WaitFor("UID FETCH", 2));
  const auto start = std::chrono::steady_clock::now();
  source_->Shutdown();
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(3));
  for (const Download& download : downloads) {
    EXPECT_EQ(download.outcome.calls(), 1);
    EXPECT_EQ(download.outcome.WaitKind(), "cancelled");
  }
  source_->Shutdown();
  EXPECT_EQ(Fetch(1).outcome.WaitKind(), "cancelled") << "nothing is accepted any more";
  source_.reset();
  downloads[0].task->Cancel();
  EXPECT_EQ(budget_.in_use(), 0U);
}

TEST_F(SourceTest, ShutdownLogsIdleConnectionsOut) {
  EXPECT_EQ(Fetch(1).outcome.WaitKind(), "");
  source_->Shutdown();
  EXPECT_EQ(server_.Count("LOGOUT"), 1U);
  EXPECT_EQ(server_.open(), 0);
}

TEST_F(SourceTest, ShutdownDuringTheLoginDoesNotWaitForIt) {
  server_.Hold("AUTHENTICATE");
  const Download download = Fetch(1);
  ASSERT_TRUE(server_.WaitFor("AUTHENTICATE"));
  source_->Shutdown();
  EXPECT_EQ(download.outcome.WaitKind(), "cancelled");
}

TEST_F(SourceTest, ManyThreadsMayUseOneSource) {
  Start();
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([this, t] {
      for (uint32_t i = 0; i < 25; ++i) {
        const uint32_t uid = 1 + (static_cast<uint32_t>(t) * 25 + i) % 100;
        const Download download =
            FetchFrom(*source_, uid, "INBOX", i % 2 == 0 ? Priority::kWaiting : Priority::kReadAhead);
        if (i % 5 == 0) download.task->Cancel();
        if (i % 7 == 0) download.task->Raise(Priority::kWaiting);
        const std::string kind = download.outcome.WaitKind();
        EXPECT_TRUE(kind.empty() || (kind == "cancelled" && i % 5 == 0)) << kind;
        if (kind.empty()) {
          EXPECT_EQ(download.sink->bytes, BodyOf(uid));
        }
        source_->GetStatus();
        source_->LastProgress();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace mailboxfs::mail
