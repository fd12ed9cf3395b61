#include "governors.h"

#include <gtest/gtest.h>

namespace mailboxfs::cli {
namespace {

using mail::Governor;

TEST(GovernorMemory, SurvivesTheWayThroughText) {
  Governor::Memory memory;
  memory.paused_until = 1'700'000'000;
  memory.pause_reason = "NO \"throttled\"\n\xC3\xA4";
  memory.day = 20'000;
  memory.day_octets = 5ULL << 40;
  memory.sizes_seen = 7;
  memory.sizes_wrong = 3;
  const Governor::Memory read = ParseMemory(FormatMemory(memory));
  EXPECT_EQ(read.paused_until, memory.paused_until);
  EXPECT_EQ(read.pause_reason, memory.pause_reason);
  EXPECT_EQ(read.day, memory.day);
  EXPECT_EQ(read.day_octets, memory.day_octets);
  EXPECT_EQ(read.sizes_seen, memory.sizes_seen);
  EXPECT_EQ(read.sizes_wrong, memory.sizes_wrong);
}

TEST(GovernorMemory, WhatCannotBeReadCountsAsNothing) {
  const std::string whole = FormatMemory({1, "reason", 2, 3, 4, 5});
  for (const std::string& text :
       {std::string(), whole.substr(0, whole.size() / 2), std::string("[1]"), std::string("null"), std::string("\xFF"),
        std::string(R"({"paused_until":"soon","day_octets":-1,"sizes_wrong":1e300,"day":99999999999999999999999})")}) {
    const Governor::Memory memory = ParseMemory(text);
    EXPECT_EQ(memory.paused_until, 0) << text;
    EXPECT_EQ(memory.day_octets, 0U) << text;
    EXPECT_EQ(memory.sizes_wrong, 0U) << text;
    EXPECT_EQ(memory.day, 0) << text;
  }
  EXPECT_EQ(ParseMemory(R"({"day":5,"of a later version":{}})").day, 5);
}

TEST(Governors, OneAccountHasOneWhoseLimitIsTheConfigurations) {
  Governors governors;
  config::Account account;
  account.name = "contoso";
  account.imap.profile.daily_octets = 1000;
  const auto governor = governors.For(account);
  EXPECT_EQ(governors.For(account), governor);
  EXPECT_EQ(governor->daily_limit(), 1000U) << "before anybody has logged in";
  governor->OnReceived(1000);
  EXPECT_TRUE(governor->VolumeSpent().has_value());
  const json::Value report = governors.Report();
  const json::Value* of_account = report.Find("contoso");
  ASSERT_NE(of_account, nullptr);
  EXPECT_EQ(of_account->IntAt("received_today"), 1000);
  EXPECT_EQ(of_account->IntAt("daily_volume"), 1000);
  EXPECT_EQ(of_account->IntAt("paused_for_seconds"), 0);
}

}  // namespace
}  // namespace mailboxfs::cli
