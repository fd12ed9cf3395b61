#pragma once

#include <stdlib.h>
#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "mailboxfs/base/clock.h"
#include "mailboxfs/base/error.h"
#include "mailboxfs/base/fd.h"

// Servers on 127.0.0.1 and certificates for tests. Failures to set up throw.
namespace mailboxfs::net::testing {

// Plain TCP; each connection is given to `handler`, one at a time, and closed after it.
class TcpServer {
 public:
  explicit TcpServer(std::function<void(int fd)> handler);
  ~TcpServer();
  TcpServer(const TcpServer&) = delete;
  TcpServer& operator=(const TcpServer&) = delete;
  uint16_t port() const { return port_; }

 private:
  void Serve();

  std::function<void(int)> handler_;
  uint16_t port_ = 0;  // Before listener_, whose initialiser sets it.
  base::UniqueFd listener_;
  std::thread thread_;
};

// A port where nothing listens.
uint16_t ClosedPort();

// Reads until the peer closes or `until` has come; gives what came.
std::string ReceiveUntil(int fd, std::string_view until);
void SendAll(int fd, std::string_view bytes);
// Connects to `port`, sends `greeting` to `client`, and copies both ways until either side closes.
void Relay(int client, uint16_t port, std::string_view greeting);

// A directory with a throwaway CA, made by the openssl command; removed at the end.
//   ca.pem, other-ca.pem; good.pem for localhost and 127.0.0.1, proxied.pem for imap.example.test,
//   wrong.pem for another name, expired.pem; each with its .key
class Certificates {
 public:
  Certificates();
  ~Certificates();
  Certificates(const Certificates&) = delete;
  Certificates& operator=(const Certificates&) = delete;
  const std::string& directory() const { return directory_; }
  std::string Path(std::string_view name) const { return directory_ + "/" + std::string(name); }

 private:
  void MakeCa(const std::string& name) const;
  void MakeCertificate(const std::string& name, const std::string& alt_names, const std::string& days) const;
  std::string directory_;
};

// tls_server.py in a process of its own, see there; `specs` are its NAME:MODE.
class TlsServers {
 public:
  TlsServers(const Certificates& certificates, const std::vector<std::string>& specs);
  ~TlsServers();
  TlsServers(const TlsServers&) = delete;
  TlsServers& operator=(const TlsServers&) = delete;
  uint16_t port(const std::string& spec) const { return ports_.at(spec); }

 private:
  pid_t pid_ = -1;
  std::map<std::string, uint16_t> ports_;
};

// Sets a variable for a scope; tests run in one thread.
class ScopedEnvironment {
 public:
  ScopedEnvironment(const char* name, const std::string& value) : name_(name) { ::setenv(name, value.c_str(), 1); }
  ~ScopedEnvironment() { ::unsetenv(name_); }
  ScopedEnvironment(const ScopedEnvironment&) = delete;
  ScopedEnvironment& operator=(const ScopedEnvironment&) = delete;

 private:
  const char* name_;
};

inline base::Deadline In(base::Duration duration) { return base::Deadline::After(base::Clock::System(), duration); }
// Long enough to be a failure and not a slow machine.
inline base::Deadline Soon() { return In(std::chrono::seconds(60)); }

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

}  // namespace mailboxfs::net::testing
