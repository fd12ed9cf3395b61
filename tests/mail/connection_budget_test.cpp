#include "mailboxfs/mail/connection_budget.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace mailboxfs::mail {
namespace {

class ConnectionBudgetTest : public ::testing::Test {
 protected:
  static std::unique_ptr<ConnectionBudget::Place> Take(ConnectionBudget& budget) {
    return budget.Acquire(base::Clock::System(), base::Deadline::Never(), [] { return false; });
  }
  static std::unique_ptr<ConnectionBudget::Place> TryTake(ConnectionBudget& budget) {
    return budget.Acquire(base::Clock::System(), base::Deadline::At(base::MonoTime::min()), [] { return false; });
  }
};

TEST_F(ConnectionBudgetTest, GivesSoManyPlacesAndNoMore) {
  ConnectionBudget budget(2);
  const auto first = Take(budget);
  auto second = Take(budget);
  EXPECT_EQ(TryTake(budget), nullptr);
  EXPECT_EQ(budget.in_use(), 2U);
  second.reset();
  EXPECT_NE(TryTake(budget), nullptr);
}

TEST_F(ConnectionBudgetTest, WaiterGetsThePlaceThatIsGivenBack) {
  ConnectionBudget budget(1);
  auto place = Take(budget);
  std::thread waiter([&] { EXPECT_NE(Take(budget), nullptr); });
  while (!place->Wanted()) std::this_thread::yield();
  place.reset();
  waiter.join();
  EXPECT_EQ(budget.in_use(), 0U);
}

TEST_F(ConnectionBudgetTest, CancelledWaiterLeaves) {
  ConnectionBudget budget(1);
  const auto place = Take(budget);
  std::atomic<bool> cancelled{false};
  std::thread waiter([&] {
    EXPECT_EQ(budget.Acquire(base::Clock::System(), base::Deadline::Never(), [&] { return cancelled.load(); }),
              nullptr);
  });
  while (!place->Wanted()) std::this_thread::yield();
  cancelled = true;
  budget.Wake();
  waiter.join();
  EXPECT_FALSE(place->Wanted());
}

TEST_F(ConnectionBudgetTest, LongestIdleIsAskedFirstAndOnce) {
  ConnectionBudget budget(2);
  auto older = Take(budget);
  auto younger = Take(budget);
  std::atomic<int> older_asked{0};
  std::atomic<int> younger_asked{0};
  older->SetIdle([&] { ++older_asked; });
  younger->SetIdle([&] { ++younger_asked; });
  std::thread waiter([&] { EXPECT_NE(Take(budget), nullptr); });
  while (older_asked == 0) std::this_thread::yield();
  EXPECT_FALSE(younger->Wanted()) << "one place will be free soon, and one is enough";
  older.reset();
  waiter.join();
  EXPECT_EQ(older_asked, 1);
  EXPECT_EQ(younger_asked, 0);
}

TEST_F(ConnectionBudgetTest, HolderThatBecomesIdleWhileSomebodyWaitsIsAskedAtOnce) {
  ConnectionBudget budget(1);
  auto place = Take(budget);
  std::thread waiter([&] { EXPECT_NE(Take(budget), nullptr); });
  while (!place->Wanted()) std::this_thread::yield();
  bool asked = false;
  place->SetIdle([&] { asked = true; });
  EXPECT_TRUE(asked);
  place.reset();
  waiter.join();
}

TEST_F(ConnectionBudgetTest, HolderThatGetsBusyInsteadOfClosingPassesTheQuestionOn) {
  ConnectionBudget budget(2);
  auto first = Take(budget);
  auto second = Take(budget);
  std::atomic<bool> first_asked{false};
  std::thread waiter;
  first->SetIdle([&] { first_asked = true; });
  waiter = std::thread([&] { EXPECT_NE(Take(budget), nullptr); });
  while (!first_asked) std::this_thread::yield();
  std::atomic<bool> second_asked{false};
  second->SetIdle([&] { second_asked = true; });
  EXPECT_FALSE(second_asked);
  first->SetBusy();
  EXPECT_TRUE(second_asked);
  second.reset();
  waiter.join();
}

TEST_F(ConnectionBudgetTest, ManyThreadsNeverExceedTheLimit) {
  ConnectionBudget budget(3);
  std::atomic<int> inside{0};
  std::atomic<bool> exceeded{false};
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < 50; ++round) {
        const auto place = Take(budget);
        if (++inside > 3) exceeded = true;
        place->SetIdle([] {});
        place->SetBusy();
        --inside;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_FALSE(exceeded);
  EXPECT_EQ(budget.in_use(), 0U);
}

}  // namespace
}  // namespace mailboxfs::mail
