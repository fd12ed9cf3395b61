#include "net_testing.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <vector>

extern char** environ;

namespace mailboxfs::net::testing {
namespace {

[[noreturn]] void Fail(const std::string& what) { throw std::runtime_error(what + ": " + std::strerror(errno)); }

sockaddr_in Loopback(uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

base::UniqueFd Bind(uint16_t& port) {
  base::UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = Loopback(0);
  socklen_t size = sizeof address;
  if (!fd || ::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    Fail("bind");
  }
  port = ntohs(address.sin_port);
  return fd;
}

pid_t Spawn(const std::vector<std::string>& arguments, int output) {
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  if (output >= 0) posix_spawn_file_actions_adddup2(&actions, output, 1);
  posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
  pid_t pid = -1;
  const int code = posix_spawnp(&pid, argv.front(), &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (code != 0) throw std::runtime_error("cannot start " + arguments.front());
  return pid;
}

void Run(const std::vector<std::string>& arguments) {
  int status = 0;
  if (::waitpid(Spawn(arguments, -1), &status, 0) < 0 || status != 0) {
    std::string command;
    for (const std::string& argument : arguments) command += argument + " ";
    throw std::runtime_error("failed: " + command);
  }
}

}  // namespace

TcpServer::TcpServer(std::function<void(int)> handler) : handler_(std::move(handler)), listener_(Bind(port_)) {
  if (::listen(listener_.get(), 64) != 0) Fail("listen");
  thread_ = std::thread([this] { Serve(); });
}

TcpServer::~TcpServer() {
  ::shutdown(listener_.get(), SHUT_RDWR);
  thread_.join();
}

void TcpServer::Serve() {
  for (;;) {
    const base::UniqueFd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!fd) return;
    handler_(fd.get());
  }
}

uint16_t ClosedPort() {
  uint16_t port = 0;
  const base::UniqueFd fd = Bind(port);
  return port;
}

std::string ReceiveUntil(int fd, std::string_view until) {
  std::string got;
  std::array<char, 65536> buffer;
  while (until.empty() || got.find(until) == std::string::npos) {
    const ssize_t count = ::recv(fd, buffer.data(), buffer.size(), 0);
    if (count <= 0) break;
    got.append(buffer.data(), static_cast<size_t>(count));
  }
  return got;
}

void SendAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count <= 0) return;
    bytes.remove_prefix(static_cast<size_t>(count));
  }
}

void Relay(int client, uint16_t port, std::string_view greeting) {
  const base::UniqueFd server(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_in address = Loopback(port);
  if (::connect(server.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return;
  SendAll(client, greeting);
  std::array<pollfd, 2> entries{pollfd{client, POLLIN, 0}, pollfd{server.get(), POLLIN, 0}};
  std::array<char, 65536> buffer;
  while (::poll(entries.data(), entries.size(), -1) > 0) {
    for (const size_t from : {size_t{0}, size_t{1}}) {
      if (entries[from].revents == 0) continue;
      const ssize_t count = ::recv(entries[from].fd, buffer.data(), buffer.size(), 0);
      if (count <= 0) return;
      SendAll(entries[1 - from].fd, {buffer.data(), static_cast<size_t>(count)});
    }
  }
}

Certificates::Certificates() {
  std::string pattern = (std::filesystem::temp_directory_path() / "mailboxfs-net-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) Fail("mkdtemp");
  directory_ = pattern;
  MakeCa("ca");
  MakeCa("other-ca");
  MakeCertificate("good", "DNS:localhost,IP:127.0.0.1", "2");
  MakeCertificate("proxied", "DNS:imap.example.test", "2");
  MakeCertificate("wrong", "DNS:elsewhere.example.test", "2");
  MakeCertificate("expired", "DNS:localhost,IP:127.0.0.1", "-1");
}

Certificates::~Certificates() {
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

void Certificates::MakeCa(const std::string& name) const {
  Run({"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout",
       Path(name + ".key"), "-out", Path(name + ".pem"), "-subj", "/CN=Test " + name, "-days", "2"});
}

void Certificates::MakeCertificate(const std::string& name, const std::string& alt_names,
                                   const std::string& days) const {
  Run({"openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout",
       Path(name + ".key"), "-out", Path(name + ".csr"), "-subj", "/CN=Test " + name});
  std::ofstream(Path(name + ".ext")) << "subjectAltName=" << alt_names << "\n";
  Run({"openssl", "x509", "-req", "-in", Path(name + ".csr"), "-CA", Path("ca.pem"), "-CAkey", Path("ca.key"),
       "-CAcreateserial", "-days", days, "-extfile", Path(name + ".ext"), "-out", Path(name + ".pem")});
}

TlsServers::TlsServers(const Certificates& certificates, const std::vector<std::string>& specs) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) Fail("pipe");
  const base::UniqueFd output(ends[0]);
  base::UniqueFd input(ends[1]);
  std::vector<std::string> arguments{"python3", MAILBOXFS_TLS_SERVER, certificates.directory()};
  arguments.insert(arguments.end(), specs.begin(), specs.end());
  pid_ = Spawn(arguments, input.get());
  input.Reset();
  std::string line;
  char c = 0;
  while (::read(output.get(), &c, 1) == 1 && c != '\n') line.push_back(c);
  std::istringstream ports(line);
  for (const std::string& spec : specs) {
    if (!(ports >> ports_[spec])) throw std::runtime_error("the TLS server did not start");
  }
}

TlsServers::~TlsServers() {
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

}  // namespace mailboxfs::net::testing
