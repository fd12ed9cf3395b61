#include "mailboxfs/base/error.h"

#include <gtest/gtest.h>

#include <cerrno>

namespace mailboxfs::base {
namespace {

TEST(Error, ContextGoesInFrontAndKeepsTheKind) {
  const Error error = Error(ErrorKind::kTimeout, "no answer").WithContext("sales/INBOX");
  EXPECT_STREQ(error.what(), "sales/INBOX: no answer");
  EXPECT_EQ(error.kind(), ErrorKind::kTimeout);
}

TEST(ErrnoError, TellsAFullDiskFromABrokenOne) {
  EXPECT_EQ(ErrnoError(ErrorKind::kDisk, "write", ENOSPC).kind(), ErrorKind::kDiskFull);
  EXPECT_EQ(ErrnoError(ErrorKind::kDisk, "write", EDQUOT).kind(), ErrorKind::kDiskFull);
  EXPECT_EQ(ErrnoError(ErrorKind::kDisk, "write", EIO).kind(), ErrorKind::kDisk);
}

TEST(CurrentError, MakesOtherExceptionsInternal) {
  try {
    throw std::runtime_error("boom");
  } catch (const std::exception&) {
    EXPECT_EQ(CurrentError().kind(), ErrorKind::kInternal);
  }
}

TEST(Result, GivesTheValueOrThrowsTheError) {
  Result<int> good(3);
  EXPECT_EQ(good.value(), 3);
  Result<int> bad(Error(ErrorKind::kGone, "gone"));
  EXPECT_FALSE(bad.ok());
  EXPECT_THROW(bad.value(), Error);
}

}  // namespace
}  // namespace mailboxfs::base
