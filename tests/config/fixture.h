#pragma once

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <string>

#include "mailboxfs/base/error.h"
#include "mailboxfs/config/config.h"

namespace mailboxfs::config {

// A directory for configuration files and secrets, and an environment that is put back.
class ConfigTest : public testing::Test {
 protected:
  ConfigTest() {
    std::string pattern = testing::TempDir() + "mailboxfs-config-XXXXXX";
    if (::mkdtemp(pattern.data()) == nullptr) std::abort();
    directory_ = std::filesystem::canonical(pattern).string();
    for (const char* name : {"XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME", "CACHE_DIRECTORY",
                             "STATE_DIRECTORY", "CREDENTIALS_DIRECTORY"}) {
      SetEnvironment(name, std::nullopt);
    }
    SetEnvironment("HOME", directory_ + "/home");
  }
  ~ConfigTest() override {
    for (const auto& [name, value] : saved_) Put(name, value);
    std::filesystem::remove_all(directory_);
  }

  const std::string& directory() const { return directory_; }
  std::string Path(const std::string& name) const { return directory_ + "/" + name; }

  std::string Write(const std::string& name, const std::string& text, mode_t mode = 0600) {
    const std::string path = Path(name);
    std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    std::filesystem::remove(path);  // It may have been made without the right to write.
    std::ofstream(path, std::ios::binary) << text;
    EXPECT_EQ(::chmod(path.c_str(), mode), 0);
    return path;
  }

  void SetEnvironment(const std::string& name, const std::optional<std::string>& value) {
    const char* old = std::getenv(name.c_str());
    saved_.try_emplace(name, old == nullptr ? std::nullopt : std::optional<std::string>(old));
    Put(name, value);
  }

  // The message of the Error(kConfig) that `call` throws.
  template <typename Call>
  static std::string ErrorOf(Call call) {
    try {
      call();
    } catch (const base::Error& error) {
      EXPECT_EQ(error.kind(), base::ErrorKind::kConfig);
      return error.what();
    }
    return "no error";
  }

 private:
  static void Put(const std::string& name, const std::optional<std::string>& value) {
    if (value) {
      ::setenv(name.c_str(), value->c_str(), 1);
    } else {
      ::unsetenv(name.c_str());
    }
  }

  std::string directory_;
  std::map<std::string, std::optional<std::string>> saved_;
};

// `text` with the one occurrence of `from` replaced.
inline std::string Replace(std::string text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  EXPECT_EQ(text.find(from, at + 1), std::string::npos) << from << " is there twice";
  return text.replace(at, from.size(), to);
}

// A good configuration; needs contoso.secret beside it.
inline constexpr const char* kGoodConfig = R"({
  "accounts": {
    "contoso": {
      "provider": "microsoft365",
      "imap": { "connections": 4 },
      "auth": {
        "method": "client-credentials",
        "tenant": "fb561382-2222-2222-2222-06ab992d36b7",
        "client_id": "4f5a9f88-1111-1111-1111-bdca9a88c089",
        "client_secret": { "file": "contoso.secret" }
      },
      "mailboxes": [ "m1@example.org" ]
    }
  },
  "cache": { "directory": "cache" },
  "state": { "directory": "state" }
}
)";

}  // namespace mailboxfs::config
