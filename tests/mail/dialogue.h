#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mail/connection.h"
#include "mail/login.h"
#include "mail/mailbox_state.h"
#include "mailboxfs/base/manual_clock.h"
#include "mailboxfs/mail/imap_source.h"
#include "mailboxfs/model/mail_source.h"
#include "mailboxfs/net/transport.h"

// Dialogues between a connection and a scripted server, written like the examples of an RFC.
namespace mailboxfs::mail::testing {

// Lines of a script:
//   C: text     the client must send exactly this line
//   C* text     the client must send something
//   S: text     the server sends this line
//   S| text     the server sends this without a CRLF; \r, \n, \0, \xNN and \\ as in C
//   ! close     the server closes the connection
//   ! silence   the server says nothing until a deadline passes
//   ! refuse    no connection can be made (the only line)
//   ! NAME      runs the hook of that name, while the client waits
// {X1} and {X2} stand for the XOAUTH2 responses with the first and second token, {O1} and {O2}
// for those of OAUTHBEARER, {P} for that of PLAIN, {VERSION} for ours.
struct Step {
  enum class Kind { kClient, kAnyClient, kServer, kClose, kSilence, kRefuse, kHook };
  Kind kind = Kind::kServer;
  std::string text;
};
std::vector<Step> ParseScript(std::string_view text);

class Script {
 public:
  Script(std::string_view text, size_t chunk) : steps_(ParseScript(text)), chunk_(chunk) {}

  std::deque<Step>& steps() { return left_; }
  size_t chunk() const { return chunk_; }
  void Start() { left_.assign(steps_.begin(), steps_.end()); }

 private:
  std::vector<Step> steps_;
  std::deque<Step> left_;
  size_t chunk_;
};

// Plays one script for each connection, in order. Time passes only in `! silence`.
class ScriptedConnector final : public net::Connector {
 public:
  explicit ScriptedConnector(base::ManualClock& clock) : clock_(clock) {}

  void Add(std::string_view script, size_t chunk = 65536) {
    scripts_.push_back(std::make_shared<Script>(script, chunk));
  }
  void OnHook(const std::string& name, std::function<void()> hook) { hooks_[name] = std::move(hook); }
  // Everything that was promised has been said.
  void ExpectAllPlayed() const;
  // What is left of the scripts so far need not be said.
  void Forget() {
    scripts_.clear();
    next_ = 0;
  }

  std::unique_ptr<net::Transport> Connect(const net::Endpoint& endpoint, const base::Deadline& deadline,
                                          const base::WakeEvent& wake) override;

 private:
  base::ManualClock& clock_;
  std::vector<std::shared_ptr<Script>> scripts_;
  std::map<std::string, std::function<void()>> hooks_;
  size_t next_ = 0;
};

// Gives "token1", "token2", ...; a new one only after Invalidate.
class FakeTokens final : public oauth::TokenSource {
 public:
  oauth::AccessToken Get(const base::Deadline& deadline, const base::WakeEvent& wake) override;
  void Invalidate(const oauth::AccessToken& token) override;
  oauth::TokenStatus GetStatus() const override { return {}; }
  void SetExpiry(base::MonoTime expires) {
    base::MutexLock lock(mutex_);
    expires_ = expires;
  }
  void FailWith(base::Status failure) {
    base::MutexLock lock(mutex_);
    failure_ = std::move(failure);
  }
  unsigned invalidated() const {
    base::MutexLock lock(mutex_);
    return invalidated_;
  }

 private:
  mutable base::Mutex mutex_;
  unsigned number_ GUARDED_BY(mutex_) = 1;
  unsigned invalidated_ GUARDED_BY(mutex_) = 0;
  base::MonoTime expires_ GUARDED_BY(mutex_) = base::MonoTime::max();
  base::Status failure_ GUARDED_BY(mutex_);
};

// A connection to a scripted server and all that it needs.
class Dialogue {
 public:
  Dialogue();

  // Opens a connection as the scripts say.
  std::unique_ptr<Connection> Open();
  void AddScript(std::string_view text, size_t chunk = 65536) { connector.Add(text, chunk); }
  // A logged-in connection whose next tag is A2.
  std::unique_ptr<Connection> OpenReady(std::string_view rest, std::string_view capabilities = "IMAP4rev1",
                                        size_t chunk = 65536);
  ConnectionContext Context() { return {options, environment, mailbox, signals}; }

  base::ManualClock clock;
  ScriptedConnector connector{clock};
  ConnectionBudget budget{4};
  std::shared_ptr<FakeTokens> tokens = std::make_shared<FakeTokens>();
  ImapOptions options;
  ImapEnvironment environment{connector, budget, clock, [] { return 0.0; }};
  Governor governor{clock, [] { return 0.0; }, {}, nullptr};
  MailboxState mailbox{clock.Now(), governor};
  Signals signals;
  LoginTrace trace;
};

// Runs `action`, which must throw an Error; returns it.
base::Error Caught(const std::function<void()>& action);

// What a refresh delivered.
class RecordingRefreshSink : public model::RefreshSink {
 public:
  std::vector<model::Uid> Begin(const model::FolderState& folder_state) override {
    state = folder_state;
    ++begins;
    std::vector<model::Uid> all = known;
    for (const model::MessageInfo& message : added) all.push_back(message.uid);
    return all;
  }
  std::vector<model::Uid> Incomplete() override { return incomplete; }
  void Added(std::span<const model::MessageInfo> messages) override {
    added.insert(added.end(), messages.begin(), messages.end());
  }
  void FlagsChanged(std::span<const model::FlagsUpdate> changes) override {
    flags.insert(flags.end(), changes.begin(), changes.end());
  }
  void Vanished(std::span<const model::Uid> uids) override {
    vanished.insert(vanished.end(), uids.begin(), uids.end());
  }
  void Progress(uint64_t done, uint64_t total) override { progress.emplace_back(done, total); }

  std::vector<model::Uid> AddedUids() const {
    std::vector<model::Uid> uids;
    for (const model::MessageInfo& message : added) uids.push_back(message.uid);
    return uids;
  }

  std::vector<model::Uid> known;
  std::vector<model::Uid> incomplete;
  model::FolderState state;
  int begins = 0;
  std::vector<model::MessageInfo> added;
  std::vector<model::FlagsUpdate> flags;
  std::vector<model::Uid> vanished;
  std::vector<std::pair<uint64_t, uint64_t>> progress;
};

class RecordingBodySink : public model::BodySink {
 public:
  void Begin(uint64_t new_size, bool is_identified) override {
    ++begins;
    size = new_size;
    identified = is_identified;
    bytes.clear();
  }
  void Write(std::string_view more) override { bytes.append(more); }

  int begins = 0;
  uint64_t size = 0;
  bool identified = false;
  std::string bytes;
};

}  // namespace mailboxfs::mail::testing
