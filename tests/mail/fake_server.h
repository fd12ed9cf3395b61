#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "mailboxfs/base/clock.h"
#include "mailboxfs/base/error.h"
#include "mailboxfs/base/mutex.h"
#include "mailboxfs/net/transport.h"

namespace mailboxfs::mail::testing {

// Longest wait of a test for something that must happen.
inline constexpr auto kPatience = std::chrono::seconds(20);

// A small IMAP server in memory. Answers are computed in the client's own thread, inside
// Write, unless they are held. Thread-safe.
class FakeServer final : public net::Connector {
 public:
  explicit FakeServer(const base::Clock& clock) : clock_(clock) {}

  struct Command {
    int connection = 0;  // From 1.
    std::string tag;
    std::string text;  // After the tag.
  };
  // An answer of its own, "!close" to close the connection, or nullopt for the ordinary one.
  using Hook = std::function<std::optional<std::string>(const Command&)>;
  void SetHook(Hook hook);

  void AddMessage(const std::string& folder, uint32_t uid, const std::string& body);
  // Commands that begin with `prefix` are answered only after Release().
  void Hold(const std::string& prefix);
  void Release();
  // Says something on its own to all open connections.
  void Push(const std::string& bytes);
  void CloseAll();
  // Makes connection attempts fail with this.
  void FailConnects(base::Status error);

  // Waits until `count` commands with this prefix have come; false if they do not.
  bool WaitFor(const std::string& prefix, size_t count = 1) const;
  size_t Count(const std::string& prefix) const;
  std::vector<std::string> Commands(const std::string& prefix) const;
  // The connection that the nth command (from 0) with this prefix came over; 0: there is none.
  int ConnectionOf(const std::string& prefix, size_t n) const;
  int connections() const;  // Made so far.
  int open() const;
  bool WaitUntilOpen(int count) const;

  std::unique_ptr<net::Transport> Connect(const net::Endpoint& endpoint, const base::Deadline& deadline,
                                          const base::WakeEvent& wake) override;

 private:
  struct Session;
  class SessionTransport;

  void OnLine(Session& session, const std::string& line) EXCLUDES(mutex_);
  std::string Answer(Session& session, const Command& command) REQUIRES(mutex_);
  std::string Examine(Session& session, const Command& command) REQUIRES(mutex_);
  std::string Fetch(const Session& session, const Command& command) REQUIRES(mutex_);
  void Send(Session& session, const std::string& bytes) REQUIRES(mutex_);

  const base::Clock& clock_;
  mutable base::Mutex mutex_;
  mutable base::CondVar changed_;
  Hook hook_ GUARDED_BY(mutex_);
  std::map<std::string, std::map<uint32_t, std::string>> folders_ GUARDED_BY(mutex_);
  std::optional<std::string> held_prefix_ GUARDED_BY(mutex_);
  std::vector<std::pair<std::weak_ptr<Session>, std::string>> held_ GUARDED_BY(mutex_);
  std::vector<Command> log_ GUARDED_BY(mutex_);
  std::vector<std::weak_ptr<Session>> sessions_ GUARDED_BY(mutex_);
  base::Status connect_error_ GUARDED_BY(mutex_);
  int connections_ GUARDED_BY(mutex_) = 0;
  int open_ GUARDED_BY(mutex_) = 0;
};

}  // namespace mailboxfs::mail::testing
