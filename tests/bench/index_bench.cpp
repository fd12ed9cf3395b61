// What the kernel asks most, on a folder of 100,000 messages.

#include <benchmark/benchmark.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "mailboxfs/base/log.h"
#include "mailboxfs/store/index.h"

namespace mailboxfs::store {
namespace {

constexpr model::Uid kMessages = 100'000;
constexpr model::Uid kPerCall = 1000;

std::string NameOf(model::Uid uid) { return base::Format("2022-10-01_Quarterly-report-attached.{}.eml", uid); }

std::vector<NewMessage> Messages(model::Uid first) {
  std::vector<NewMessage> messages;
  for (model::Uid uid = first; uid < first + kPerCall; ++uid) {
    NewMessage& message = messages.emplace_back();
    message.uid = uid;
    message.name = NameOf(uid);
    message.flags = "\\Seen";
    message.message_id = base::Format("<{:032}@mail.example.org>", uid);
    message.internal_date = 1'664'600'000 + uid;
    message.size_estimate = 50'000 + uid;
    message.header = base::Format("Subject: Quarterly report attached\r\nMessage-ID: {}\r\n\r\n", message.message_id);
  }
  return messages;
}

// An index in a temporary directory with one folder.
class Fixture {
 public:
  Fixture() {
    std::string name = (std::filesystem::temp_directory_path() / "mailboxfs-bench-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) std::abort();
    directory_ = name;
    index_ = Index::Open(directory_);
    const Ino mailbox = index_->EnsureMailbox("bench/a@example.org", "a@example.org", 1);
    const std::vector<NewFolder> folders = {{"INBOX", "", "INBOX", true}};
    index_->ReplaceFolders(mailbox, folders, 1);
    inbox_ = index_->FindFolder(mailbox, "INBOX")->ino;
    index_->BeginListing(inbox_, 1);
  }
  ~Fixture() {
    index_.reset();
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
  }
  Fixture(const Fixture&) = delete;
  Fixture& operator=(const Fixture&) = delete;

  void Reopen() {
    index_.reset();
    index_ = Index::Open(directory_);
  }
  void Fill() {
    for (model::Uid first = 1; first < kMessages; first += kPerCall) index_->AddMessages(inbox_, Messages(first), 1);
    index_->FinishListing(inbox_, {1, kMessages + 1, kMessages}, true, 1);
    first_ = index_->FindUid(inbox_, 1)->ino;
  }
  Index& index() { return *index_; }
  Ino inbox() const { return inbox_; }
  Ino first() const { return first_; }

 private:
  std::string directory_;
  std::unique_ptr<Index> index_;
  Ino inbox_ = 0;
  Ino first_ = 0;
};

Fixture& Filled() {
  static const std::unique_ptr<Fixture> fixture = [] {
    auto made = std::make_unique<Fixture>();
    made->Fill();
    return made;
  }();
  return *fixture;
}

void BM_Lookup(benchmark::State& state) {
  Fixture& fixture = Filled();
  std::minstd_rand random(1);
  for (auto _ : state) {
    benchmark::DoNotOptimize(fixture.index().Find(fixture.inbox(), NameOf(1 + random() % kMessages)));
  }
}
BENCHMARK(BM_Lookup)->ThreadRange(1, 4)->UseRealTime();

// What tools look for everywhere.
void BM_LookupMissing(benchmark::State& state) {
  Fixture& fixture = Filled();
  std::minstd_rand random(1);
  for (auto _ : state) {
    benchmark::DoNotOptimize(fixture.index().Find(fixture.inbox(), NameOf(1 + random() % kMessages) + "~"));
  }
}
BENCHMARK(BM_LookupMissing)->ThreadRange(1, 4)->UseRealTime();

void BM_Getattr(benchmark::State& state) {
  Fixture& fixture = Filled();
  std::minstd_rand random(1);
  for (auto _ : state) benchmark::DoNotOptimize(fixture.index().Get(fixture.first() + random() % kMessages));
}
BENCHMARK(BM_Getattr)->ThreadRange(1, 4)->UseRealTime();

// The whole folder in batches of range(0).
void BM_List(benchmark::State& state) {
  Fixture& fixture = Filled();
  const auto limit = static_cast<size_t>(state.range(0));
  for (auto _ : state) {
    Ino after = 0;
    size_t count = 0;
    for (auto batch = fixture.index().List(fixture.inbox(), after, limit); !batch.empty();
         batch = fixture.index().List(fixture.inbox(), after, limit)) {
      after = batch.back().ino;
      count += batch.size();
    }
    if (count != kMessages) state.SkipWithError("the listing is not complete");
  }
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations()) * kMessages);
}
BENCHMARK(BM_List)->Arg(40)->Arg(1000)->Unit(benchmark::kMillisecond);

// With the check of all of it.
void BM_Open(benchmark::State& state) {
  Fixture& fixture = Filled();
  for (auto _ : state) fixture.Reopen();
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations()) * kMessages);
}
BENCHMARK(BM_Open)->Unit(benchmark::kMillisecond);

void BM_Uids(benchmark::State& state) {
  Fixture& fixture = Filled();
  for (auto _ : state) benchmark::DoNotOptimize(fixture.index().Uids(fixture.inbox()));
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations()) * kMessages);
}
BENCHMARK(BM_Uids)->Unit(benchmark::kMillisecond);

void BM_Add(benchmark::State& state) {
  for (auto _ : state) {
    state.PauseTiming();
    auto fixture = std::make_unique<Fixture>();
    state.ResumeTiming();
    fixture->Fill();
    state.PauseTiming();
    fixture.reset();
    state.ResumeTiming();
  }
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations()) * kMessages);
}
BENCHMARK(BM_Add)->Unit(benchmark::kMillisecond);

// All messages are matched again after a change of UIDVALIDITY.
void BM_Rematch(benchmark::State& state) {
  Fixture& fixture = Filled();
  static model::UidValidity uid_validity = 1;
  for (auto _ : state) {
    fixture.index().BeginListing(fixture.inbox(), ++uid_validity);
    for (model::Uid first = 1; first < kMessages; first += kPerCall) {
      fixture.index().AddMessages(fixture.inbox(), Messages(first), 1);
    }
    if (!fixture.index().FinishListing(fixture.inbox(), {uid_validity, kMessages + 1, kMessages}, true, 1).empty()) {
      state.SkipWithError("not all were matched");
    }
  }
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations()) * kMessages);
}
BENCHMARK(BM_Rematch)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace mailboxfs::store

BENCHMARK_MAIN();
