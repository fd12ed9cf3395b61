#include "machine.h"

#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "check_testing.h"

namespace mailboxfs::check {
namespace {

using ::testing::HasSubstr;

class MachineTest : public testing::CheckTest {
 protected:
  MachineTest() {
    std::string pattern = ::testing::TempDir() + "mailboxfs-check-XXXXXX";
    if (::mkdtemp(pattern.data()) == nullptr) std::abort();
    directory_ = pattern;
    Write("fuse", 0600);
    std::filesystem::create_directory(directory_ + "/bin");
    Write("bin/fusermount3", 0755);
    machine_.fuse_device = directory_ + "/fuse";
    machine_.search_path = "/nowhere:" + directory_ + "/bin";
    config.state_directory = directory_ + "/state/mailboxfs";
    config.cache_directory = directory_ + "/cache";
  }
  ~MachineTest() override { std::filesystem::remove_all(directory_); }

  std::string Write(const std::string& name, mode_t mode) {
    const std::string path = directory_ + "/" + name;
    std::ofstream(path) << "x";
    ::chmod(path.c_str(), mode);
    return path;
  }
  void Look() {
    Try([&](const Context& context, Subject&) { CheckMachine(config, machine_, context.report); });
  }

  std::string directory_;
  Machine machine_;
};

TEST_F(MachineTest, AllIsThere) {
  config.path = Write("config.json", 0640);
  config.accounts = {account};
  Look();
  EXPECT_EQ(exit_code, 0);
  EXPECT_THAT(Ids(),
              ::testing::ElementsAre("configuration", "fuse", "fusermount3", "state-directory", "cache-directory"));
  EXPECT_THAT(Only("configuration").evidence, HasSubstr("(mode 0640): 1 account, 1 mailbox"));
  EXPECT_EQ(Only("fusermount3").evidence, directory_ + "/bin/fusermount3");
}

TEST_F(MachineTest, FuseIsMissing) {
  std::filesystem::remove(machine_.fuse_device);
  machine_.search_path = "";
  Look();
  EXPECT_EQ(exit_code, 2);
  EXPECT_EQ(Only("fuse").verdict, Verdict::kFailed);
  EXPECT_THAT(Only("fuse").advice, HasSubstr("\n    modprobe fuse\n"));
  EXPECT_EQ(Only("fusermount3").cause, "fusermount3-missing");
  machine_.root = true;
  Look();
  EXPECT_THAT(Ids(), ::testing::Not(::testing::Contains("fusermount3"))) << "root needs none";
}

TEST_F(MachineTest, DirectoriesThatAreNone) {
  config.cache_directory = Write("file", 0600);
  config.state_directory = config.cache_directory + "/below";
  Look();
  EXPECT_EQ(exit_code, 2);
  for (const char* id : {"state-directory", "cache-directory"}) {
    EXPECT_EQ(Only(id).verdict, Verdict::kFailed) << id;
    EXPECT_EQ(Only(id).subject, "machine");
  }
  EXPECT_THAT(Only("cache-directory").advice, HasSubstr("\"cache.directory\""));
}

}  // namespace
}  // namespace mailboxfs::check
