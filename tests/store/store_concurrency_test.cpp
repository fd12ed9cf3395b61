// Many threads at once; run under ThreadSanitizer too.

#include <algorithm>
#include <atomic>
#include <random>
#include <thread>

#include "body_cache_support.h"
#include "mailboxfs/store/index.h"

namespace mailboxfs::store {
namespace {

constexpr int kThreads = 8;

class Threads {
 public:
  Threads() = default;
  ~Threads() { Join(); }
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;
  void Start(std::function<void()> work) { threads_.emplace_back(std::move(work)); }
  void Join() {
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }

 private:
  std::vector<std::thread> threads_;
};

TEST_F(BodyCacheTest, ReadersAlwaysSeeWholeRightBodiesWhileOthersWriteAndEvict) {
  constexpr uint64_t kInodes = 64;
  constexpr size_t kSize = 20'000;
  Put(1, Bytes(kSize, 0));
  options_.size_limit = cache_->GetStatus().bytes * 20;
  Reopen();
  std::atomic<uint64_t> wrong = 0;
  std::atomic<uint64_t> read = 0;
  Threads threads;
  for (int number = 0; number < kThreads; ++number) {
    threads.Start([&, number] {
      std::mt19937_64 random(static_cast<uint64_t>(number));
      for (int round = 0; round < 150; ++round) {
        const uint64_t ino = 2000 + random() % kInodes;
        const uint64_t choice = random() % 16;
        std::shared_ptr<BodyFile> body;
        if (choice == 0) {
          cache_->Remove(ino);
          continue;
        }
        body = cache_->Find(Key(ino));
        if (body == nullptr) {
          const auto writer = cache_->Create(Key(ino));
          writer->Append(Bytes(kSize, ino));
          if (choice == 1) continue;
          body = writer->Commit();
        }
        ++read;
        if (Contents(*body) != Bytes(kSize, ino)) ++wrong;
        cache_->Contains(Key(ino));
        cache_->GetStatus();
      }
    });
  }
  threads.Join();
  EXPECT_EQ(wrong, 0u);
  EXPECT_GT(read, 100u);
  EXPECT_EQ(cache_->GetStatus().corrupt, 0u);
  EXPECT_LE(cache_->GetStatus().bytes, options_.size_limit);
  EXPECT_EQ(cache_->GetStatus().bytes, BytesOnDisk());
}

TEST_F(BodyCacheTest, DamagedBodyFoundByManyAtOnceIsServedToNobody) {
  for (uint64_t ino = 2000; ino < 2020; ++ino) Put(ino, Bytes(50'000, ino));
  cache_.reset();
  for (uint64_t ino = 2000; ino < 2020; ++ino) {
    WriteFile(PathOf(ino), WithFlippedBit(ReadFile(PathOf(ino)), 25'000));
  }
  cache_ = BodyCache::Open(options_);
  std::atomic<uint64_t> wrong = 0;
  Threads threads;
  for (int number = 0; number < kThreads; ++number) {
    threads.Start([&, number] {
      for (uint64_t ino = 2000; ino < 2020; ++ino) {
        if (number == 0) Put(ino, Bytes(50'000, ino));
        const std::shared_ptr<BodyFile> body = cache_->Find(Key(ino));
        if (body != nullptr && Contents(*body) != Bytes(50'000, ino)) ++wrong;
      }
    });
  }
  threads.Join();
  EXPECT_EQ(wrong, 0u);
}

TEST(IndexConcurrency, ListingMissesNothingThatWasThereWhileOthersInsert) {
  const TempDir directory;
  const auto index = Index::Open(directory.path());
  const Ino inbox = AddInbox(*index);
  index->BeginListing(inbox, 7);
  index->AddMessages(inbox, MakeMessages(1, 1000), 100);
  std::atomic<bool> done = false;
  std::atomic<int> incomplete = 0;
  std::atomic<int> listings = 0;
  Threads threads;
  for (int number = 0; number < 4; ++number) {
    threads.Start([&] {
      while (!done || listings < 4) {
        std::vector<bool> seen(1001);
        Ino after = 0;
        bool ordered = true;
        for (auto batch = index->List(inbox, after, 100); !batch.empty(); batch = index->List(inbox, after, 100)) {
          for (const Node& node : batch) {
            ordered = ordered && node.ino > after;
            after = node.ino;
            if (node.uid <= 1000) seen[node.uid] = true;
          }
        }
        if (!ordered || std::count(seen.begin(), seen.end(), true) != 1000) ++incomplete;
        ++listings;
      }
    });
  }
  for (model::Uid first = 1001; first < 4000; first += 50)
    index->AddMessages(inbox, MakeMessages(first, first + 49), 100);
  done = true;
  threads.Join();
  EXPECT_EQ(incomplete, 0);
  EXPECT_EQ(index->CountMessages(), 4000u);
}

TEST(IndexConcurrency, FirstMessageOfAFolderThatComesDuringALookUpIsNoDamage) {
  const TempDir directory;
  const auto index = Index::Open(directory.path());
  const Ino inbox = AddInbox(*index);
  index->BeginListing(inbox, 7);
  index->AddMessages(inbox, MakeMessages(1, 1), 100);
  const std::string name = index->FindUid(inbox, 1)->name;
  std::atomic<bool> done = false;
  std::atomic<int> failed = 0;
  Threads threads;
  for (int number = 0; number < 4; ++number) {
    threads.Start([&, by_name = number % 2 == 0] {
      while (!done) {
        try {
          by_name ? index->Find(inbox, name) : index->FindUid(inbox, 1);
        } catch (const base::Error&) {
          ++failed;
        }
      }
    });
  }
  const std::vector<model::Uid> uids = {1};
  for (int round = 0; round < 300; ++round) {
    index->RemoveUids(inbox, uids, 100);
    index->AddMessages(inbox, MakeMessages(1, 1), 100);
  }
  done = true;
  threads.Join();
  EXPECT_EQ(failed, 0);
}

TEST(IndexConcurrency, ReadsDoNotWaitForAWriter) {
  const TempDir directory;
  const auto index = Index::Open(directory.path());
  const Ino inbox = AddInbox(*index);
  index->BeginListing(inbox, 7);
  index->AddMessages(inbox, MakeMessages(1, 1), 100);
  const std::vector<NewMessage> many = MakeMessages(2, 20'000);
  std::atomic<bool> done = false;
  Threads threads;
  threads.Start([&] {
    index->AddMessages(inbox, many, 100);
    done = true;
  });
  int reads_meanwhile = 0;
  while (!done) {
    const uint64_t count = index->CountMessages();
    EXPECT_TRUE(count == 1 || count == 20'000) << count;
    EXPECT_TRUE(index->FindUid(inbox, 1).has_value());
    if (!done) ++reads_meanwhile;
  }
  threads.Join();
  // Those that are done before the writer has its lock are few.
  EXPECT_GT(reads_meanwhile, 20);
  EXPECT_EQ(index->CountMessages(), 20'000u);
}

TEST(IndexConcurrency, EveryMethodFromEightThreads) {
  const TempDir directory;
  const auto index = Index::Open(directory.path());
  const Ino mailbox = index->EnsureMailbox("x/a", "a", 100);
  std::vector<NewFolder> folders;
  for (int number = 0; number < kThreads; ++number) folders.push_back(MakeFolder(base::Format("f{}", number)));
  index->ReplaceFolders(mailbox, folders, 100);
  Threads threads;
  for (int number = 0; number < kThreads; ++number) {
    threads.Start([&, number] {
      const Ino own = index->FindFolder(mailbox, base::Format("f{}", number))->ino;
      for (model::Uid round = 0; round < 10; ++round) {
        index->BeginListing(own, 7 + round / 5);
        index->AddMessages(own, MakeMessages(round * 10 + 1, round * 10 + 10), 100);
        const Ino ino = index->FindUid(own, round * 10 + 1)->ino;
        index->SetExactSize(ino, 10 + round);
        const std::vector<model::FlagsUpdate> flags = {{round * 10 + 2, "\\Deleted"}};
        index->UpdateFlags(own, flags);
        const std::vector<model::Uid> uids = {round * 10 + 3};
        index->RemoveUids(own, uids, 100);
        index->RemoveMessage(index->FindUid(own, round * 10 + 4)->ino, 100);
        index->FinishListing(own, {7 + round / 5, 0, 0}, true, 100);
        index->ReplaceFolders(mailbox, folders, 100);
        index->EnsureMailbox("x/a", "a", 100);
        index->Get(ino);
        index->Details(ino);
        index->List(mailbox, 0, 100);
        index->Folders(mailbox);
        index->GetFolder(own);
        index->GetMailbox(mailbox);
        index->CountMessages();
      }
    });
  }
  threads.Join();
  // The change of UIDVALIDITY in the middle dropped the first five rounds.
  EXPECT_EQ(index->CountMessages(), static_cast<uint64_t>(kThreads) * 5 * 8);
  for (const Folder& folder : index->Folders(mailbox)) EXPECT_EQ(folder.messages, 40u);
}

}  // namespace
}  // namespace mailboxfs::store
