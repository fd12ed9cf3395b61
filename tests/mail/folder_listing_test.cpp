// The messages of a folder by sequence number, while they are being listed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "mail/fetch_items.h"
#include "mailboxfs/base/error.h"
#include "memory.h"

namespace mailboxfs::mail {
namespace {

using base::Error;
using base::ErrorKind;

imap::FetchData Fetch(uint32_t sequence, std::optional<model::Uid> uid) {
  imap::FetchData fetch;
  fetch.sequence = sequence;
  fetch.uid = uid;
  return fetch;
}

std::vector<model::Uid> TakeUids(FolderListing& listing) {
  std::vector<model::Uid> uids;
  for (const FolderListing::Message& message : listing.Take()) uids.push_back(message.uid);
  return uids;
}

TEST(FolderListingTest, RejectsWhatCannotBe) {
  FolderListing listing(2);
  imap::FetchData fetch;
  EXPECT_THROW(listing.OnFetch(fetch), Error) << "number 0";
  fetch.sequence = 4'000'000'000;
  EXPECT_THROW(listing.OnFetch(fetch), Error);
  EXPECT_THROW(listing.OnExpunge(0), Error);
  EXPECT_THROW(listing.OnExpunge(3), Error);
  EXPECT_THROW(listing.OnExists(1), Error) << "EXISTS must not fall";
  fetch.sequence = 1;
  fetch.uid = 5;
  listing.OnFetch(fetch);
  fetch.uid = 6;
  EXPECT_THROW(listing.OnFetch(fetch), Error) << "one message, two UIDs";
  FolderListing huge(19'999'999);
  fetch.sequence = 19'999'999;
  EXPECT_THROW(huge.OnFetch(fetch), Error) << "memory for what was never named";
  EXPECT_THROW(huge.Take(), Error);
}

// Messages go while the folder is being listed. UIDs are ten times the first sequence numbers.
class ManyExpungesTest : public ::testing::Test {
 protected:
  static constexpr uint32_t kMessages = 10'000;
  static constexpr uint32_t kExpunges = 5'000;

  void FetchUpTo(FolderListing& listing, uint32_t message) {
    while (told_ < message) {
      ++told_;
      listing.OnFetch(Fetch(told_ - gone_, told_ * 10));
    }
  }
  void Expunge(FolderListing& listing, uint32_t sequence) {
    listing.OnExpunge(sequence);
    ++gone_;
  }

  FolderListing listing_{kMessages};

 private:
  uint32_t told_ = 0;
  uint32_t gone_ = 0;
};

// If each EXPUNGE moved the messages themselves, this would take minutes.
TEST_F(ManyExpungesTest, OfTheFirstOfManyMessages) {
  constexpr uint32_t kMany = MAILBOXFS_MANY * kMessages;
  FolderListing listing(kMany);
  FetchUpTo(listing, kMany / 2);
  for (uint32_t i = 0; i < kMany / 4; ++i) Expunge(listing, 1);
  FetchUpTo(listing, kMany * 3 / 4);
  for (uint32_t i = 0; i < kMany / 4; ++i) Expunge(listing, 1);
  FetchUpTo(listing, kMany);
  std::vector<model::Uid> left(kMany / 2);
  for (uint32_t i = 0; i < left.size(); ++i) left[i] = (kMany / 2 + i + 1) * 10;
  EXPECT_TRUE(TakeUids(listing) == left);
}

TEST_F(ManyExpungesTest, OfEverySecondMessage) {
  FetchUpTo(listing_, kMessages);
  // Those with even numbers; each moves what follows.
  for (uint32_t i = 0; i < kExpunges; ++i) Expunge(listing_, i + 2);
  std::vector<model::Uid> left(kMessages - kExpunges);
  for (uint32_t i = 0; i < left.size(); ++i) left[i] = (2 * i + 1) * 10;
  EXPECT_TRUE(TakeUids(listing_) == left);
}

TEST_F(ManyExpungesTest, OfMessagesThatWereNotToldOfYet) {
  FetchUpTo(listing_, kMessages / 2);
  for (uint32_t i = 0; i < kExpunges; ++i) Expunge(listing_, kMessages - i);
  EXPECT_THROW(Expunge(listing_, kMessages - kExpunges + 1), Error) << "there are so many no more";
  EXPECT_EQ(TakeUids(listing_).size(), kMessages / 2);
}

TEST_F(ManyExpungesTest, DoNotHideOneThatWasNotToldOf) {
  FetchUpTo(listing_, kMessages - 1);
  for (uint32_t i = 0; i < kExpunges; ++i) Expunge(listing_, 1);
  try {
    listing_.Take();
    FAIL() << "the last message was never named";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kProtocol);
    EXPECT_THAT(error.what(), ::testing::HasSubstr("only 4999 of 5000"));
  }
}

TEST(FolderListingTest, MessagesThatComeAndGoLeaveNothingBehind) {
  FolderListing listing(1);
  listing.OnFetch(Fetch(1, 1));
  const size_t before = testing::AllocatedOctets();
  for (uint32_t uid = 2; uid < 10'000 * MAILBOXFS_MANY; ++uid) {
    listing.OnExists(2);
    listing.OnFetch(Fetch(2, uid));
    listing.OnExpunge(2);
  }
  EXPECT_LT(testing::AllocatedOctets(), before + 10'000 * MAILBOXFS_MANY);
  EXPECT_EQ(TakeUids(listing), std::vector<model::Uid>{1});
}

// Flags are held until the listing is complete: what a hostile server sends must not fill the memory. The same
// message again and again, so that it does not fill the test's.
TEST(FolderListingTest, FlagsOfAllMessagesTogetherAreBounded) {
  constexpr size_t kOfOne = 4095;
  constexpr size_t kOfAll = 256 * 1024 * 1024;
  FolderListing listing(1);
  imap::FetchData fetch = Fetch(1, 5);
  fetch.flags = {std::string(kOfOne, 'x')};
  for (size_t sum = kOfOne; sum <= kOfAll; sum += kOfOne) listing.OnFetch(fetch);
  try {
    listing.OnFetch(fetch);
    FAIL() << "there is no bound";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kProtocol);
  }
}

}  // namespace
}  // namespace mailboxfs::mail
