// The index on a full disk: what is known can be read, so that a mount without network works.

#include <fcntl.h>
#include <unistd.h>

#include "mailboxfs/base/fd.h"
#include "mailboxfs/store/index.h"
#include "test_support.h"

namespace mailboxfs::store {
namespace {

using base::ErrorKind;

constexpr const char* kFileSystemSize = "4m";

class FullDiskIndexTest : public testing::Test {
 protected:
  std::unique_ptr<Index> Open() { return Index::Open(directory_.path()); }
  void MakeIndex() {
    const auto index = Open();
    inbox_ = AddInbox(*index);
    mailbox_ = index->GetFolder(inbox_)->mailbox;
    index->BeginListing(inbox_, 7);
    index->AddMessages(inbox_, MakeMessages(1, 500), 100);
    index->FinishListing(inbox_, {7, 501, 500}, true, 100);
  }
  std::string filler() const { return directory_.path() + "/filler"; }
  void FillDisk() const {
    const base::UniqueFd fd(::open(filler().c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
    const std::string bytes(4096, 'x');
    while (::write(fd.get(), bytes.data(), bytes.size()) > 0) {
    }
    ASSERT_EQ(errno, ENOSPC);
  }
  // What is known can be read, and what is new is refused for the reason that is one.
  void ExpectReadable(Index& index) const {
    EXPECT_EQ(index.EnsureMailbox("contoso/a@example.org", "a@example.org", 200), mailbox_) << "as a mount does";
    EXPECT_EQ(index.Uids(inbox_).size(), 500u);
    EXPECT_EQ(index.List(inbox_, 0, 1000).size(), 500u);
    EXPECT_EQ(ErrorOf([&] { index.AddMessages(inbox_, MakeMessages(501, 2500), 100); }).kind(), ErrorKind::kDiskFull);
    EXPECT_EQ(index.Uids(inbox_).size(), 500u);
  }

  TempDir directory_;
  Ino mailbox_ = 0;
  Ino inbox_ = 0;
};

TEST_F(FullDiskIndexTest, CanBeReadAfterAProperEnd) {
  OnTinyFileSystem(directory_.path(), kFileSystemSize, [&] {
    MakeIndex();
    FillDisk();
    for (int round = 0; round < 2; ++round) ExpectReadable(*Open());
    std::filesystem::remove(filler());
    const auto index = Open();
    index->AddMessages(inbox_, MakeMessages(501, 2500), 100);
    EXPECT_EQ(index->Uids(inbox_).size(), 2500u);
  });
}

TEST_F(FullDiskIndexTest, CanBeReadAfterACrash) {
  OnTinyFileSystem(directory_.path(), kFileSystemSize, [&] {
    MakeIndex();
    RunAndKill([&](const std::function<void()>& die) {
      const auto index = Open();
      index->SetExactSize(index->FindUid(inbox_, 1)->ino, 777);
      die();
    });
    FillDisk();
    for (int round = 0; round < 2; ++round) {
      const auto index = Open();
      EXPECT_EQ(index->FindUid(inbox_, 1)->size, 777u);
      ExpectReadable(*index);
    }
    std::filesystem::remove(filler());
    const auto index = Open();
    index->AddMessages(inbox_, MakeMessages(501, 2500), 100);
    EXPECT_GT(index->FindUid(inbox_, 501)->ino, 1'000'000u) << "the gap was not forgotten";
  });
}

}  // namespace
}  // namespace mailboxfs::store
