// A link with a delay and a bandwidth, between loopback and a server on loopback: what is measured through it takes as
// long as it would over such a link, whatever the machine's own network is.
//
//   link_emulator --to PORT --rtt MILLISECONDS --mbit MEGABITS
//
// Prints the port it listens on, then serves until its parent ends or SIGTERM comes. At SIGUSR1 and at the end it
// prints a line of JSON: the bytes that went up and down, and the connections. Each direction has half of the round
// trip and a bandwidth of its own, which all connections share in the order in which their bytes came. A connection
// costs a round trip before its first byte goes up, as the TCP handshake would: the kernel's own, on loopback, costs
// nothing.

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;
using Time = Clock::time_point;

constexpr size_t kPiece = 16 * 1024;
// Held for one connection in one direction: enough for a fast link with a long delay; beyond that its sender waits.
constexpr size_t kMostHeld = 4 * 1024 * 1024;

struct Options {
  uint16_t port = 0;
  std::chrono::nanoseconds one_way{};
  double octets_per_second = 0;
};

struct Piece {
  Time due;
  std::string bytes;  // Empty: the sender has closed.
};

// From one socket to another.
struct Flow {
  int from = -1;
  int to = -1;
  size_t held = 0;
  size_t sent = 0;  // Of the first piece.
  bool ended = false;
  bool closed = false;
  bool blocked = false;  // The receiver takes no more for now.
  std::deque<Piece> pieces;
};

struct Direction {
  Time free_at;  // The link has sent what was given to it.
  uint64_t octets = 0;
};

struct Connection {
  Flow up;
  Flow down;
  Time open_at;  // Its handshake is over.
};

[[noreturn]] void Fail(const char* what) { throw std::runtime_error(std::string(what) + ": " + std::strerror(errno)); }

int Listen(uint16_t* port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (fd < 0 || ::bind(fd, generic, length) != 0 || ::listen(fd, 64) != 0) Fail("listen");
  if (::getsockname(fd, generic, &length) != 0) Fail("getsockname");
  *port = ntohs(address.sin_port);
  return fd;
}

int ConnectTo(uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (fd < 0) Fail("socket");
  if (::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    ::close(fd);
    return -1;
  }
  return fd;
}

void MakeFast(int fd) {
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

class Link {
 public:
  explicit Link(const Options& options) : options_(options), poll_(::epoll_create1(EPOLL_CLOEXEC)) {
    sigset_t signals;
    sigemptyset(&signals);
    for (const int signal : {SIGTERM, SIGINT, SIGUSR1}) sigaddset(&signals, signal);
    ::sigprocmask(SIG_BLOCK, &signals, nullptr);
    ::signal(SIGPIPE, SIG_IGN);
    signals_ = ::signalfd(-1, &signals, SFD_CLOEXEC);
    uint16_t port = 0;
    listener_ = Listen(&port);
    Watch(listener_, EPOLLIN);
    Watch(signals_, EPOLLIN);
    std::printf("%u\n", unsigned{port});
    std::fflush(stdout);
  }

  void Run() {
    for (;;) {
      std::array<epoll_event, 64> events{};
      const int count = ::epoll_wait(poll_, events.data(), events.size(), Patience());
      if (count < 0 && errno != EINTR) Fail("epoll_wait");
      for (int i = 0; i < count; ++i) {
        const int fd = events[static_cast<size_t>(i)].data.fd;
        if (fd == signals_) {
          if (OnSignal()) return;
        } else if (fd == listener_) {
          Accept();
        }
      }
      const Time now = Clock::now();
      for (auto it = connections_.begin(); it != connections_.end();) {
        Connection& connection = **it;
        Take(connection.up, up_, now, connection.open_at);
        Take(connection.down, down_, now, connection.open_at);
        Give(connection.up, now);
        Give(connection.down, now);
        const bool over = (connection.up.closed && connection.down.closed);
        if (over) {
          ::close(connection.up.from);
          ::close(connection.up.to);
          it = connections_.erase(it);
        } else {
          Arm(connection);
          ++it;
        }
      }
    }
  }

 private:
  void Watch(int fd, uint32_t events) {
    epoll_event event{};
    event.events = events;
    event.data.fd = fd;
    if (::epoll_ctl(poll_, EPOLL_CTL_ADD, fd, &event) != 0) Fail("epoll_ctl");
  }

  // Only what is of use wakes: reading while there is room, writing while something is due.
  void Arm(const Connection& connection) {
    const auto wanted = [](const Flow& reads, const Flow& writes) {
      return (!reads.ended && reads.held < kMostHeld ? uint32_t{EPOLLIN} : 0U) |
             (writes.blocked ? uint32_t{EPOLLOUT} : 0U);
    };
    for (const auto& [fd, events] : {std::pair(connection.up.from, wanted(connection.up, connection.down)),
                                     std::pair(connection.up.to, wanted(connection.down, connection.up))}) {
      epoll_event event{};
      event.events = events;
      event.data.fd = fd;
      ::epoll_ctl(poll_, EPOLL_CTL_MOD, fd, &event);
    }
  }

  bool OnSignal() {
    signalfd_siginfo info{};
    if (::read(signals_, &info, sizeof info) != sizeof info) return false;
    std::printf(R"({"up": %llu, "down": %llu, "connections": %llu})"
                "\n",
                static_cast<unsigned long long>(up_.octets), static_cast<unsigned long long>(down_.octets),
                static_cast<unsigned long long>(accepted_));
    std::fflush(stdout);
    return info.ssi_signo != SIGUSR1;
  }

  void Accept() {
    const int client = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (client < 0) return;
    const int server = ConnectTo(options_.port);
    if (server < 0) {
      ::close(client);
      return;
    }
    ++accepted_;
    MakeFast(client);
    MakeFast(server);
    auto connection = std::make_unique<Connection>();
    connection->up.from = connection->down.to = client;
    connection->up.to = connection->down.from = server;
    connection->open_at = Clock::now() + 2 * options_.one_way;
    Watch(client, EPOLLIN);
    Watch(server, EPOLLIN);
    connections_.push_back(std::move(connection));
  }

  void Take(Flow& flow, Direction& direction, Time now, Time open_at) {
    while (!flow.ended && flow.held < kMostHeld) {
      std::array<char, kPiece> buffer;
      const ssize_t count = ::recv(flow.from, buffer.data(), buffer.size(), MSG_DONTWAIT);
      if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
      const Time begin = std::max({now, direction.free_at, open_at});
      if (count <= 0) {
        flow.ended = true;
        flow.pieces.push_back({begin + options_.one_way, {}});
        return;
      }
      const auto octets = static_cast<size_t>(count);
      const auto takes = std::chrono::nanoseconds(
          static_cast<int64_t>(static_cast<double>(octets) * 1e9 / options_.octets_per_second));
      direction.free_at = begin + takes;
      direction.octets += octets;
      flow.held += octets;
      flow.pieces.push_back({direction.free_at + options_.one_way, std::string(buffer.data(), octets)});
    }
  }

  static void Give(Flow& flow, Time now) {
    flow.blocked = false;
    while (!flow.pieces.empty() && flow.pieces.front().due <= now) {
      const Piece& piece = flow.pieces.front();
      if (piece.bytes.empty()) {
        ::shutdown(flow.to, SHUT_WR);
        flow.closed = true;
        flow.pieces.pop_front();
        return;
      }
      const ssize_t count =
          ::send(flow.to, piece.bytes.data() + flow.sent, piece.bytes.size() - flow.sent, MSG_DONTWAIT | MSG_NOSIGNAL);
      if (count < 0 && (errno == EAGAIN || errno == EINTR)) {
        flow.blocked = true;
        return;
      }
      if (count < 0) {
        // The receiver has gone: nothing of this matters any more.
        ::shutdown(flow.from, SHUT_RDWR);
        flow.pieces.clear();
        flow.ended = flow.closed = true;
        return;
      }
      flow.sent += static_cast<size_t>(count);
      if (flow.sent < piece.bytes.size()) {
        flow.blocked = true;
        return;
      }
      flow.held -= flow.sent;
      flow.sent = 0;
      flow.pieces.pop_front();
    }
  }

  // Milliseconds until the next piece is due, rounded up: a link is never faster than it is said to be.
  int Patience() const {
    Time next = Time::max();
    for (const auto& connection : connections_) {
      for (const Flow* flow : {&connection->up, &connection->down}) {
        if (!flow->pieces.empty() && !flow->blocked) next = std::min(next, flow->pieces.front().due);
      }
    }
    if (next == Time::max()) return -1;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(next - Clock::now()).count();
    return static_cast<int>(std::max<int64_t>(left, 0));
  }

  const Options options_;
  int poll_;
  int signals_ = -1;
  int listener_ = -1;
  uint64_t accepted_ = 0;
  Direction up_;
  Direction down_;
  std::vector<std::unique_ptr<Connection>> connections_;
};

Options Parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string name = argv[i];
    const double value = std::strtod(argv[i + 1], nullptr);
    if (name == "--to") {
      options.port = static_cast<uint16_t>(value);
    } else if (name == "--rtt") {
      options.one_way = std::chrono::nanoseconds(static_cast<int64_t>(value * 1e6 / 2));
    } else if (name == "--mbit") {
      options.octets_per_second = value * 1e6 / 8;
    } else {
      throw std::runtime_error("no such option: " + name);
    }
  }
  if (options.port == 0 || options.octets_per_second <= 0) {
    throw std::runtime_error("usage: link_emulator --to PORT --rtt MILLISECONDS --mbit MEGABITS");
  }
  return options;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    ::prctl(PR_SET_PDEATHSIG, SIGTERM);
    Link(Parse(argc, argv)).Run();
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "link_emulator: %s\n", error.what());
    return 2;
  }
}
