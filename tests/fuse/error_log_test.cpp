#include "error_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <functional>

#include "mailboxfs/base/log.h"
#include "mailboxfs/base/manual_clock.h"

namespace mailboxfs::fuse {
namespace {

using base::Error;
using base::ErrorKind;
using testing::HasSubstr;

// What `action` logs.
std::string LoggedBy(const std::function<void()>& action) {
  testing::internal::CaptureStderr();
  base::InitLog({});
  action();
  return testing::internal::GetCapturedStderr();
}

class ErrorLogTest : public testing::Test {
 protected:
  base::ManualClock clock_;
  ErrorLog log_{clock_, [](tree::Ino ino) { return base::Format("message {}", ino); }};
  const Error broken_{ErrorKind::kNetwork, "connection reset"};
};

TEST_F(ErrorLogTest, EioIsNumberedCountedAndSaysWhatFailed) {
  const std::string line = LoggedBy([this] { EXPECT_EQ(log_.Report(Site::kOpen, 4711, broken_), EIO); });
  EXPECT_THAT(line, HasSubstr("EIO (05) connection reset [open, message 4711]\n"));
  EXPECT_EQ(log_.GetCounts().eio_by_site[static_cast<size_t>(Site::kOpen)], 1U);
  EXPECT_EQ(log_.GetCounts().eio_by_site[static_cast<size_t>(Site::kRead)], 0U);
}

TEST_F(ErrorLogTest, OtherErrnosAreNamedAndNotCountedAsEio) {
  const std::string line =
      LoggedBy([this] { EXPECT_EQ(log_.Report(Site::kOpenDir, 5, Error(ErrorKind::kLoginRefused, "no")), EACCES); });
  EXPECT_THAT(line, HasSubstr("EACCES (04) no [opendir, message 5]\n"));
  for (const uint64_t count : log_.GetCounts().eio_by_site) EXPECT_EQ(count, 0U);
}

TEST_F(ErrorLogTest, WhatIsNoFailureIsNotLogged) {
  const std::string lines = LoggedBy([this] {
    EXPECT_EQ(log_.Report(Site::kLookup, 1, Error(ErrorKind::kNotFound, "x")), ENOENT);
    EXPECT_EQ(log_.Report(Site::kOpen, 1, Error(ErrorKind::kInterrupted, "x")), EINTR);
    EXPECT_EQ(log_.Report(Site::kOpen, 1, Error(ErrorKind::kCancelled, "x")), EIO);
  });
  EXPECT_EQ(lines, "");
  EXPECT_EQ(log_.GetCounts().interrupted, 1U);
}

TEST_F(ErrorLogTest, TimeoutsAreCounted) {
  EXPECT_EQ(log_.Report(Site::kRead, 1, Error(ErrorKind::kTimeout, "x")), ETIMEDOUT);
  EXPECT_EQ(log_.GetCounts().timed_out, 1U);
}

TEST_F(ErrorLogTest, AFloodIsCutShortPerSiteAndCounted) {
  const auto flood = [this] {
    for (unsigned i = 0; i < ErrorLog::kLines + 5; ++i) log_.Report(Site::kOpen, 1, broken_);
  };
  const std::string first = LoggedBy(flood);
  EXPECT_EQ(std::count(first.begin(), first.end(), '\n'), ErrorLog::kLines);
  EXPECT_THAT(LoggedBy([this] { log_.Report(Site::kRead, 1, broken_); }), HasSubstr("EIO (06)"));
  clock_.Advance(ErrorLog::kWindow);
  EXPECT_THAT(LoggedBy([this] { log_.Report(Site::kOpen, 1, broken_); }),
              testing::AllOf(HasSubstr("5 more failures of open (05)"), HasSubstr("EIO (05)")));
  EXPECT_EQ(log_.GetCounts().eio_by_site[static_cast<size_t>(Site::kOpen)], ErrorLog::kLines + 6);
}

}  // namespace
}  // namespace mailboxfs::fuse
