// Several bodies by one command.
#include "source_fixture.h"

namespace mailboxfs::mail::testing {
namespace {

using ::testing::ElementsAre;

class AheadTest : public SourceTest {
 protected:
  struct Ahead {
    std::vector<Download> downloads;
    std::shared_ptr<model::Task> task;
  };

  Ahead FetchAhead(const std::vector<uint32_t>& uids, model::UidValidity uid_validity = 7) {
    if (source_ == nullptr) Start();
    Ahead ahead;
    std::vector<model::AheadRequest> bodies;
    for (const uint32_t uid : uids) {
      Download& one = ahead.downloads.emplace_back();
      bodies.push_back({{"INBOX", uid_validity, uid, 40}, one.sink, one.outcome.Callback()});
    }
    ahead.task = source_->FetchAhead(std::move(bodies));
    return ahead;
  }

  // "" for each body that came, and is right.
  static std::vector<std::string> Outcomes(const Ahead& ahead, const std::vector<uint32_t>& uids) {
    std::vector<std::string> outcomes;
    for (size_t i = 0; i < uids.size(); ++i) {
      outcomes.push_back(ahead.downloads[i].outcome.WaitKind());
      EXPECT_EQ(ahead.downloads[i].sink->bytes, outcomes.back().empty() ? BodyOf(uids[i]) : "");
      EXPECT_EQ(ahead.downloads[i].outcome.calls(), 1);
    }
    return outcomes;
  }
};

std::string Told(uint32_t sequence, const std::string& items) {
  return "* " + std::to_string(sequence) + " FETCH (" + items + ")\r\n";
}

std::string Whole(const std::string& body) { return "BODY[] {" + std::to_string(body.size()) + "}\r\n" + body; }

TEST_F(AheadTest, OneCommandBringsThemAll) {
  const std::vector<uint32_t> uids = {12, 3, 4, 5};
  EXPECT_THAT(Outcomes(FetchAhead(uids), uids), ElementsAre("", "", "", ""));
  EXPECT_THAT(server_.Commands("UID FETCH"), ElementsAre("UID FETCH 3:5,12 (UID BODY.PEEK[])"));
  EXPECT_EQ(source_->GetStatus().bodies_fetched, 4U);
}

TEST_F(AheadTest, WhatIsDoubtfulIsNotGiven) {
  server_.SetHook([](const FakeServer::Command& command) -> std::optional<std::string> {
    if (command.text.find("UID FETCH") != 0) return std::nullopt;
    return Told(1, Whole(BodyOf(1))) +                                   // Whose?
           Told(2, "UID 2 BODY[] {0}\r\n") +                             // An empty one.
           Told(3, "UID 3 BODY[] NIL") +                                 //
           Told(4, "UID 44 " + Whole(BodyOf(4))) +                       // Not asked for.
           Told(5, "UID 5 BODY[HEADER] {4}\r\na:\r\n") +                 // A part.
           Told(6, "UID 6 " + Whole(BodyOf(6)) + " BODY[TEXT] \"x\"") +  // More than was asked for.
           Told(7, Whole(BodyOf(7)) + " UID 7") +                        // The UID may come last.
           command.tag + " OK done\r\n";
  });
  const std::vector<uint32_t> uids = {1, 2, 3, 4, 5, 6, 7, 8};
  const std::string no = "server";
  EXPECT_THAT(Outcomes(FetchAhead(uids), uids), ElementsAre(no, no, no, no, no, no, "", no));
}

TEST_F(AheadTest, ABrokenConnectionIsNotTriedAgainAndBlamesNobody) {
  server_.SetHook([](const FakeServer::Command& command) -> std::optional<std::string> {
    if (command.text.find("UID FETCH 1:2") != 0) return std::nullopt;
    return Told(1, "UID 1 " + Whole(BodyOf(1))) + "* 2 FETCH (UID 2 BODY[] {50}\r\nhalf";
  });
  const std::vector<uint32_t> uids = {1, 2};
  const Ahead ahead = FetchAhead(uids);
  EXPECT_EQ(ahead.downloads[0].outcome.WaitKind(), "") << "before the others have come";
  server_.CloseAll();
  EXPECT_THAT(Outcomes(ahead, uids), ElementsAre("", "network"));
  EXPECT_EQ(server_.Count("UID FETCH"), 1U);
  EXPECT_EQ(Fetch(2).outcome.WaitKind(), "");
}

TEST_F(AheadTest, ARefusalEndsItQuietly) {
  server_.SetHook([](const FakeServer::Command& command) -> std::optional<std::string> {
    if (command.text.find("UID FETCH 1:2") != 0) return std::nullopt;
    return Told(1, "UID 1 " + Whole(BodyOf(1))) + command.tag + " NO some messages could not be fetched\r\n";
  });
  const std::vector<uint32_t> uids = {1, 2};
  EXPECT_THAT(Outcomes(FetchAhead(uids), uids), ElementsAre("", "server"));
  EXPECT_EQ(source_->GetStatus().connections, 1U);
}

TEST_F(AheadTest, AnotherUidValidityAsksForNothing) {
  const std::vector<uint32_t> uids = {1};
  EXPECT_THAT(Outcomes(FetchAhead(uids, 6), uids), ElementsAre("server"));
  EXPECT_EQ(server_.Count("UID FETCH"), 0U);
}

TEST_F(AheadTest, WhoeverWaitsGoesFirst) {
  options_.connections = 1;
  server_.Hold("UID FETCH 1 ");
  const Download first = Fetch(1);
  ASSERT_TRUE(server_.WaitFor("UID FETCH 1 "));
  const std::vector<uint32_t> uids = {2, 3};
  const Ahead ahead = FetchAhead(uids);
  const Download waiting = Fetch(4);
  server_.Release();
  EXPECT_EQ(waiting.outcome.WaitKind(), "");
  EXPECT_THAT(Outcomes(ahead, uids), ElementsAre("", ""));
  EXPECT_THAT(server_.Commands("UID FETCH"),
              ElementsAre(BodyCommand(1), BodyCommand(4), "UID FETCH 2:3 (UID BODY.PEEK[])"));
}

TEST_F(AheadTest, OneThatIsCancelledInTheQueueEndsForAll) {
  options_.connections = 1;
  server_.Hold("UID FETCH 1 ");
  const Download first = Fetch(1);
  ASSERT_TRUE(server_.WaitFor("UID FETCH 1 "));
  const std::vector<uint32_t> uids = {2, 3};
  const Ahead ahead = FetchAhead(uids);
  ahead.task->Cancel();
  EXPECT_THAT(Outcomes(ahead, uids), ElementsAre("cancelled", "cancelled"));
  server_.Release();
  EXPECT_EQ(first.outcome.WaitKind(), "");
}

}  // namespace
}  // namespace mailboxfs::mail::testing
