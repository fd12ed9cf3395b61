#include "mailboxfs/fuse/errno_table.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <map>

namespace mailboxfs::fuse {
namespace {

using base::ErrorKind;

// All kinds but those that become EIO.
const std::map<ErrorKind, int> kTable = {
    {ErrorKind::kNotFound, ENOENT},     {ErrorKind::kGone, ENOENT},       {ErrorKind::kStale, ESTALE},
    {ErrorKind::kLoginRefused, EACCES}, {ErrorKind::kTimeout, ETIMEDOUT}, {ErrorKind::kInterrupted, EINTR},
};

TEST(ErrnoTable, EveryKindHasItsErrno) {
  for (int i = 0; i <= static_cast<int>(ErrorKind::kInternal); ++i) {
    const auto kind = static_cast<ErrorKind>(i);
    const auto found = kTable.find(kind);
    EXPECT_EQ(ErrnoFor(kind), found == kTable.end() ? EIO : found->second) << base::ErrorKindName(kind);
  }
}

TEST(ErrnoTable, WhatIsNotProvenIsNeverENOENT) {
  for (const ErrorKind kind : {ErrorKind::kNetwork, ErrorKind::kNotListed, ErrorKind::kServer, ErrorKind::kTls,
                               ErrorKind::kThrottled, ErrorKind::kUnfetchable, ErrorKind::kCancelled}) {
    EXPECT_NE(ErrnoFor(kind), ENOENT) << base::ErrorKindName(kind);
  }
}

TEST(ErrnoTable, SitesAreNumberedAndNamed) {
  EXPECT_EQ(static_cast<int>(Site::kOpen), 5);
  EXPECT_EQ(SiteName(Site::kOpen), "open");
  for (size_t i = 1; i < kSites; ++i) EXPECT_NE(SiteName(static_cast<Site>(i)), "unknown") << i;
}

}  // namespace
}  // namespace mailboxfs::fuse
