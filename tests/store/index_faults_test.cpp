// The index against power failures, kill -9, and disks that are full or fail, at every step of what a mailbox does.
// MAILBOXFS_TEST_FAULTS=1000 tries so many steps of each, rather than a few.

#include <fcntl.h>
#include <gmock/gmock.h>

#include <cstdlib>

#include "faulty_disk.h"
#include "index_workload.h"
#include "mailboxfs/base/fd.h"

namespace mailboxfs::store {
namespace {

using base::ErrorKind;
using testing::AnyOf;

constexpr uint64_t kFaults = 20;

uint64_t Faults() {
  const char* wanted = std::getenv("MAILBOXFS_TEST_FAULTS");
  return wanted == nullptr ? kFaults : std::strtoull(wanted, nullptr, 10);
}

// What the workload does when nothing fails.
struct Course {
  std::vector<std::string> states = {""};  // Before the first step, and after each.
  std::vector<Ino> highest = {0};
  uint64_t disk_steps = 0;
  std::string end;  // Without inode numbers.
};

class IndexFaultsTest : public testing::Test {
 protected:
  ~IndexFaultsTest() override { disk_.Off(); }

  static Course Undisturbed(const IndexWorkload& workload) {
    const TempDir directory;
    Course course;
    FaultyDisk::Get().Count();
    std::unique_ptr<Index> index = Index::Open(directory.path());
    for (const IndexWorkload::Step& step : workload.steps()) {
      Do(step, directory.path(), &index);
      course.states.push_back(Dump(*index, true));
      course.highest.push_back(HighestIno(*index));
    }
    course.end = Dump(*index, false);
    index.reset();
    course.disk_steps = FaultyDisk::Get().steps();
    FaultyDisk::Get().Off();
    EXPECT_EQ(Findings(directory.path()), "");
    return course;
  }

  static void Do(const IndexWorkload::Step& step, const std::string& directory, std::unique_ptr<Index>* index) {
    if (step && *index) {
      step(**index);
    } else {
      IndexWorkload::Open(directory, index);
    }
  }

  // How many steps were done when the fault came.
  size_t RunUntilFault(const IndexWorkload& workload, const std::string& directory) {
    size_t done = 0;
    std::unique_ptr<Index> index;
    try {
      index = Index::Open(directory);
      for (; done < workload.steps().size() && !disk_.happened(); ++done) Do(workload.steps()[done], directory, &index);
      if (disk_.happened()) --done;
    } catch (const base::Error&) {
      // As it should be.
    }
    return done;
  }

  // It is one of the first `most` states, from `least` on, has no fault, and gives out new inode numbers only.
  static void ExpectOneOf(const Course& course, size_t least, size_t most, const std::string& directory) {
    {
      const auto index = Index::Open(directory);
      const std::string state = Dump(*index, true);
      size_t found = std::min(most, course.states.size() - 1);
      while (found > least && course.states[found] != state) --found;
      EXPECT_TRUE(course.states[found] == state) << "between steps " << least << " and " << most << "\n" << state;
      if (!state.empty()) {
        const Ino given_out = course.highest[std::min(most, course.highest.size() - 1)];
        EXPECT_GT(index->EnsureMailbox("x/new", "new", 100), given_out);
      }
    }
    EXPECT_EQ(Findings(directory), "");
    for (const auto& entry : std::filesystem::directory_iterator(directory)) {
      EXPECT_EQ(entry.path().string().find("corrupt"), std::string::npos) << "it was damaged";
    }
  }

  FaultyDisk& disk_ = FaultyDisk::Get();
};

TEST_F(IndexFaultsTest, PowerFailureLeavesAStateThatOnceWas) {
  std::mt19937_64 random(1);
  uint64_t happened = 0;
  for (uint64_t seed = 0; seed < Faults() && !HasFailure();) {
    const IndexWorkload workload(seed);
    const Course course = Undisturbed(workload);
    for (int cut = 0; cut < 10; ++cut, ++seed) {
      const TempDir directory;
      const uint64_t at = random() % course.disk_steps;
      SCOPED_TRACE(base::Format("seed {}, cut at {}", seed, at));
      disk_.CutPowerAt(at);
      const size_t done = RunUntilFault(workload, directory.path());
      happened += disk_.happened() ? 1 : 0;
      disk_.LoseUnsynced(seed);
      WriteFile(directory.path() + "/lock", "1");
      ExpectOneOf(course, 0, done + 1, directory.path());
    }
  }
  EXPECT_GE(happened, Faults());
}

TEST_F(IndexFaultsTest, KilledProcessLosesNothingOfWhatItHadDone) {
  std::mt19937_64 random(2);
  const IndexWorkload workload(3);
  const Course course = Undisturbed(workload);
  for (uint64_t kill = 0; kill < Faults() && !HasFailure(); ++kill) {
    const TempDir directory;
    const uint64_t at = random() % course.disk_steps;
    SCOPED_TRACE(base::Format("killed at {}", at));
    const std::string log = directory.path() + "/done";
    WriteFile(log, "");
    RunAndKill([&](const std::function<void()>&) {
      const base::UniqueFd fd(::open(log.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC));
      disk_.KillAt(at);
      std::unique_ptr<Index> index = Index::Open(directory.path());
      for (const IndexWorkload::Step& step : workload.steps()) {
        Do(step, directory.path(), &index);
        if (::write(fd.get(), "x", 1) != 1) return;
      }
      index.reset();
    });
    const size_t done = ReadFile(log).size();
    std::filesystem::remove(log);
    ExpectOneOf(course, done, done + 1, directory.path());
  }
}

// What fails has not happened, and happens when it is tried again.
class RefusingDiskTest : public IndexFaultsTest {
 protected:
  void TryEachStepTwice(const IndexWorkload& workload, const Course& course, int error) {
    const TempDir directory;
    std::unique_ptr<Index> index;
    std::string before;
    for (size_t i = 0; i <= workload.steps().size(); ++i) {
      const IndexWorkload::Step step = i == 0 ? IndexWorkload::Step() : workload.steps()[i - 1];
      try {
        Do(step, directory.path(), &index);
      } catch (const base::Error& failure) {
        const ErrorKind kind = error == ENOSPC ? ErrorKind::kDiskFull : ErrorKind::kDisk;
        EXPECT_EQ(failure.kind(), kind) << failure.what();
        if (index) {
          EXPECT_TRUE(Dump(*index, true) == before) << failure.what();
        }
        Do(step, directory.path(), &index);
      }
      before = Dump(*index, true);
    }
    EXPECT_TRUE(Dump(*index, false) == course.end);
    index.reset();
    disk_.Off();
    EXPECT_EQ(Findings(directory.path()), "");
  }
};

TEST_F(RefusingDiskTest, FailedChangeLeavesNothingAndCanBeTriedAgain) {
  std::mt19937_64 random(4);
  const IndexWorkload workload(5, 3);
  const Course course = Undisturbed(workload);
  for (uint64_t fault = 0; fault < Faults() && !HasFailure(); ++fault) {
    const int error = fault % 2 == 0 ? ENOSPC : EIO;
    // The first steps make the database.
    const uint64_t at = fault < 10 ? fault : random() % course.disk_steps;
    SCOPED_TRACE(base::Format("error {} at {}", error, at));
    disk_.FailAt(at, error);
    TryEachStepTwice(workload, course, error);
    EXPECT_TRUE(disk_.happened());
  }
}

}  // namespace
}  // namespace mailboxfs::store
