#include <random>
#include <thread>

#include "tree_fixture.h"

namespace mailboxfs::tree {
namespace {

using base::ErrorKind;
using StressTest = TreeTest;

constexpr model::Uid kMessages = 40;

std::string BodyOf(model::Uid uid) {
  const size_t size = uid % 4 == 0 ? 300'000 + uid * 1000 : 2000 + uid;
  return std::string(size, static_cast<char>('a' + uid % 26));
}

// Opens, reads and checks one message, or leaves in the middle; answers are counted.
class Client {
 public:
  Client(Tree& tree, Ino inbox, unsigned seed) : tree_(tree), inbox_(inbox), random_(seed) {}

  void Run(int rounds) {
    for (int i = 0; i < rounds; ++i) {
      switch (random_() % 8) {
        case 0: Directory(); break;
        case 1: Look("no-such-name." + std::to_string(random_() % 1000) + ".eml"); break;
        case 2: tree_.GetStatus(); break;
        default: Message(1 + static_cast<model::Uid>(random_() % kMessages)); break;
      }
    }
  }

 private:
  // Leaves at once sometimes.
  template <typename T>
  base::Result<T> Settle(const Answer<T>& answer, const std::shared_ptr<Wait>& wait) {
    if (wait && random_() % 4 == 0) wait->Cancel(base::Error(ErrorKind::kInterrupted, "^C"));
    const base::Result<T> result = answer.Get();
    EXPECT_EQ(answer.count(), 1);
    return result;
  }
  void Directory() {
    const Answer<Attributes> answer;
    Settle(answer, tree_.OpenDirectory(inbox_, answer.callback()));
    EXPECT_LE(tree_.ReadDirectory(inbox_, 0, 1000).size(), kMessages);
  }
  std::optional<Ino> Look(const std::string& name) {
    const Answer<Attributes> answer;
    const base::Result<Attributes> result = Settle(answer, tree_.Lookup(inbox_, name, answer.callback()));
    return result.ok() ? std::optional(result.value().ino) : std::nullopt;
  }
  void Message(model::Uid uid) {
    const std::optional<Ino> ino = Look(std::to_string(uid) + ".eml");
    if (!ino) return;
    const Answer<Tree::Opened> opening;
    const base::Result<Tree::Opened> opened = Settle(opening, tree_.Open(*ino, opening.callback()));
    if (!opened.ok()) return;
    const std::string body = BodyOf(uid);
    ASSERT_EQ(opened.value().message->size(), body.size());
    const uint64_t offset = random_() % body.size();
    const Answer<ReadSpan> reading;
    const base::Result<ReadSpan> read =
        Settle(reading, tree_.Read(opened.value().message, offset, 5000, reading.callback()));
    if (!read.ok()) return;
    std::string bytes(read.value().length, '\0');
    ASSERT_EQ(pread(read.value().fd, bytes.data(), bytes.size(), static_cast<off_t>(read.value().offset)),
              static_cast<ssize_t>(bytes.size()));
    EXPECT_EQ(bytes, body.substr(offset, 5000));
  }

  Tree& tree_;
  const Ino inbox_;
  std::mt19937 random_;
};

TEST_F(StressTest, ManyThreadsOpenReadAndLeaveWhileFoldersAreRefreshed) {
  for (model::Uid uid = 1; uid <= kMessages; ++uid) source_->AddMessage("INBOX", uid, {"m", BodyOf(uid)});
  const Ino inbox = Find("sales/INBOX");
  List(inbox);
  source_->SetMode(FakeSource::Mode::kThreads, 3);
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < 6; ++i) {
    threads.emplace_back([this, inbox, i] { Client(*tree_, inbox, i).Run(150); });
  }
  threads.emplace_back([this] {
    std::mt19937 random(77);
    for (int i = 0; i < 300; ++i) {
      switch (random() % 6) {
        case 0: source_->RemoveMessage("INBOX", 1 + static_cast<model::Uid>(random() % 4)); break;
        case 1: source_->Hint("INBOX"); break;
        case 2: cache_->Remove(store::kReservedInos + random() % 60); break;
        case 3: source_->FailWith(base::Error(ErrorKind::kNetwork, "broken")); break;
        case 4: Advance(std::chrono::seconds(10)); break;
        default: source_->FailWith(std::nullopt); break;
      }
      std::this_thread::yield();
    }
    source_->FailWith(std::nullopt);
  });
  for (std::thread& thread : threads) thread.join();
  // Nothing leaks: when all have their answers nobody waits and no download is left.
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  while (tree_->GetStatus().downloads > 0 && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
  EXPECT_EQ(tree_->GetStatus().downloads, 0U);
  EXPECT_EQ(tree_->GetStatus().waiting, 0U);
}

TEST_F(StressTest, ShutdownInTheMiddleAnswersEverybody) {
  for (model::Uid uid = 1; uid <= kMessages; ++uid) source_->AddMessage("INBOX", uid, {"m", BodyOf(uid)});
  const Ino inbox = Find("sales/INBOX");
  List(inbox);
  source_->SetMode(FakeSource::Mode::kThreads, 3);
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < 4; ++i) {
    threads.emplace_back([this, inbox, i] { Client(*tree_, inbox, i).Run(60); });
  }
  while (source_->fetch_calls < 5) std::this_thread::yield();
  tree_->Shutdown();
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(tree_->GetStatus().waiting, 0U);
}

}  // namespace
}  // namespace mailboxfs::tree
