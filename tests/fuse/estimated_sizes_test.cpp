#include "estimated_sizes.h"

#include <gtest/gtest.h>

namespace mailboxfs::fuse {
namespace {

TEST(EstimatedSizes, RemembersEachInodeAlone) {
  EstimatedSizes sizes;
  for (const tree::Ino ino : {1001U, 1002U, 4095U, 4096U, 8191U, 100'000'000U}) {
    EXPECT_FALSE(sizes.Contains(ino));
    sizes.Add(ino);
    EXPECT_TRUE(sizes.Contains(ino));
  }
  EXPECT_FALSE(sizes.Contains(1000));
  EXPECT_FALSE(sizes.Contains(1003));
  EXPECT_FALSE(sizes.Contains(4097));
  EXPECT_FALSE(sizes.Contains(1001 + 4096));
}

TEST(EstimatedSizes, RemovesOneAndKeepsItsNeighbours) {
  EstimatedSizes sizes;
  sizes.Add(64);
  sizes.Add(64);
  sizes.Add(65);
  sizes.Remove(64);
  EXPECT_FALSE(sizes.Contains(64));
  EXPECT_TRUE(sizes.Contains(65));
  sizes.Remove(64);
  EXPECT_TRUE(sizes.Contains(65));
  sizes.Remove(65);
  EXPECT_FALSE(sizes.Contains(65));
  sizes.Remove(99'999);
}

}  // namespace
}  // namespace mailboxfs::fuse
