#pragma once

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <deque>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "mailboxfs/base/manual_clock.h"
#include "mailboxfs/base/mutex.h"
#include "mailboxfs/net/http_client.h"
#include "mailboxfs/oauth/grants.h"
#include "mailboxfs/oauth/token_source.h"

namespace mailboxfs::oauth::testing {

constexpr const char* kSecret = "s3cr~t+&=%value";

// Answers from a script, in order; the last one is repeated when no more are left. Thread-safe.
class FakeHttpClient final : public net::HttpClient {
 public:
  using Handler = std::function<net::HttpResponse(const base::Deadline&, const base::WakeEvent&)>;

  void Add(Handler handler) {
    const base::MutexLock lock(mutex_);
    handlers_.push_back(std::move(handler));
  }
  void Answer(long status, std::string body) {
    net::HttpResponse response;
    response.status = status;
    response.body = std::move(body);
    Answer(std::move(response));
  }
  void Answer(net::HttpResponse response) {
    Add([response](const base::Deadline&, const base::WakeEvent&) { return response; });
  }
  void Fail(base::ErrorKind kind) {
    Add([kind](const base::Deadline&, const base::WakeEvent&) -> net::HttpResponse {
      throw base::Error(kind, "cannot reach login.example.test: it failed");
    });
  }

  net::HttpResponse Send(const net::HttpRequest& request, const base::Deadline& deadline,
                         const base::WakeEvent& wake) override {
    Handler handler;
    {
      const base::MutexLock lock(mutex_);
      requests_.push_back(request);
      arrived_.NotifyAll();
      if (!handlers_.empty()) {
        last_ = std::move(handlers_.front());
        handlers_.pop_front();
      }
      handler = last_;
    }
    return handler(deadline, wake);
  }

  size_t count() const {
    const base::MutexLock lock(mutex_);
    return requests_.size();
  }
  net::HttpRequest request(size_t i) const {
    const base::MutexLock lock(mutex_);
    return requests_.at(i);
  }
  // False if fewer than `count` requests have come within a long time.
  bool AwaitRequests(size_t count) {
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    const base::MutexLock lock(mutex_);
    while (requests_.size() < count) {
      if (!arrived_.WaitUntil(mutex_, until)) return false;
    }
    return true;
  }

 private:
  mutable base::Mutex mutex_;
  base::CondVar arrived_;
  std::deque<Handler> handlers_ GUARDED_BY(mutex_);
  Handler last_ GUARDED_BY(mutex_);
  std::vector<net::HttpRequest> requests_ GUARDED_BY(mutex_);
};

inline std::string Grant(const std::string& token, const std::string& rest = R"("expires_in":3600)") {
  return R"({"token_type":"Bearer","access_token":")" + token + "\"" + (rest.empty() ? "" : "," + rest) + "}";
}

inline std::string Refusal(const std::string& error, const std::string& code = "7000215") {
  return R"({"error":")" + error + R"(","error_description":"AADSTS)" + code +
         R"(: Something is wrong.\r\nTrace ID: t-1\r\n","error_codes":[)" + code +
         R"(],"timestamp":"2026-01-02 03:04:05Z","trace_id":"t-1","correlation_id":"c-2"})";
}

inline SecretReader Gives(std::string text) {
  return [text = std::move(text)] { return base::Secret(text); };
}

inline ClientCredentials Credentials(std::string token_endpoint, ClientAuthentication authentication) {
  ClientCredentials grant;
  grant.authority.token_endpoint = std::move(token_endpoint);
  grant.client = {"client", std::move(authentication)};
  grant.scope = "https://x.test/.default";
  return grant;
}

// A directory of its own, removed at the end.
class TemporaryDirectory {
 public:
  TemporaryDirectory() : path_((std::filesystem::temp_directory_path() / "mailboxfs-oauth-XXXXXX").string()) {
    if (::mkdtemp(path_.data()) == nullptr) throw std::runtime_error("mkdtemp");
  }
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  std::string Path(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

inline std::string ReadText(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// A signal handler that notes what is in the file when it comes, with async-signal-safe calls only.
inline std::string noted_file;
inline std::array<char, 4096> noted_bytes;
inline volatile std::sig_atomic_t noted_size = -1;
inline void NoteFile(int /*signal*/) {
  const int before = errno;
  const int fd = ::open(noted_file.c_str(), O_RDONLY | O_CLOEXEC);
  const ssize_t size = fd < 0 ? 0 : ::read(fd, noted_bytes.data(), noted_bytes.size());
  if (fd >= 0) ::close(fd);
  noted_size = size < 0 ? 0 : static_cast<int>(size);
  errno = before;
}
// That, and a dot; empty if no signal came since ForgetNoted().
inline std::string Noted() {
  return noted_size < 0 ? "" : std::string(noted_bytes.data(), static_cast<size_t>(noted_size)) + ".";
}
inline void ForgetNoted() { noted_size = -1; }

// The value of a field of a form that was sent; empty if it was not.
inline std::string Field(const net::HttpRequest& request, const std::string& name) {
  for (const auto& [key, value] : request.form) {
    if (key == name) return value;
  }
  return "";
}

// The Error that `call` throws; a kInternal one with "no error" if it throws none.
template <typename Call>
base::Error ErrorOf(Call&& call) {
  try {
    std::forward<Call>(call)();
  } catch (const base::Error& error) {
    return error;
  }
  return {base::ErrorKind::kInternal, "no error"};
}

}  // namespace mailboxfs::oauth::testing
