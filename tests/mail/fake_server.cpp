#include "fake_server.h"

#include <poll.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "mailboxfs/base/fd.h"

namespace mailboxfs::mail::testing {

using base::Error;
using base::ErrorKind;

struct FakeServer::Session {
  int number = 0;
  std::string folder;
  std::string idle_tag;
  std::string out;  // Guarded by the server's mutex, as all here but `data`.
  bool closed = false;
  base::WakeEvent data;
};

class FakeServer::SessionTransport final : public net::Transport {
 public:
  SessionTransport(FakeServer& server, std::shared_ptr<Session> session)
      : server_(server), session_(std::move(session)) {}
  ~SessionTransport() override {
    base::MutexLock lock(server_.mutex_);
    --server_.open_;
    server_.changed_.NotifyAll();
  }

  void Write(std::string_view bytes, const base::Deadline& /*deadline*/, const base::WakeEvent& wake) override {
    if (wake.IsSet()) throw Error(ErrorKind::kCancelled, "woken while writing");
    in_.append(bytes);
    for (size_t end = in_.find("\r\n"); end != std::string::npos; end = in_.find("\r\n")) {
      const std::string line = in_.substr(0, end);
      in_.erase(0, end + 2);
      server_.OnLine(*session_, line);
    }
  }

  size_t Read(std::span<char> buffer, const base::Deadline& deadline, const base::WakeEvent& wake) override {
    switch (Wait(deadline, wake)) {
      case net::WaitResult::kTimeout: throw Error(ErrorKind::kTimeout, "nothing to read in time");
      case net::WaitResult::kWoken: throw Error(ErrorKind::kCancelled, "woken while reading");
      case net::WaitResult::kReadable: break;
    }
    base::MutexLock lock(server_.mutex_);
    const size_t count = std::min(buffer.size(), session_->out.size());
    std::memcpy(buffer.data(), session_->out.data(), count);
    session_->out.erase(0, count);
    if (session_->out.empty() && !session_->closed) session_->data.Clear();
    return count;
  }

  net::WaitResult Wait(const base::Deadline& deadline, const base::WakeEvent& wake) override {
    for (;;) {
      std::array<pollfd, 2> entries = {pollfd{wake.fd(), POLLIN, 0}, pollfd{session_->data.fd(), POLLIN, 0}};
      // Short, because the clock may be moved by hand.
      ::poll(entries.data(), entries.size(), 2);
      if (entries[0].revents != 0) return net::WaitResult::kWoken;
      if (entries[1].revents != 0) return net::WaitResult::kReadable;
      if (deadline.Passed(server_.clock_.Now())) return net::WaitResult::kTimeout;
    }
  }

 private:
  FakeServer& server_;
  const std::shared_ptr<Session> session_;
  std::string in_;
};

namespace {

bool InSet(const std::string& set, uint32_t uid) {
  size_t start = 0;
  while (start < set.size()) {
    const size_t end = std::min(set.find(',', start), set.size());
    const std::string part = set.substr(start, end - start);
    const size_t colon = part.find(':');
    const auto first = static_cast<uint32_t>(std::stoul(part));
    const std::string last = colon == std::string::npos ? part : part.substr(colon + 1);
    if (uid >= first && (last == "*" || uid <= std::stoul(last))) return true;
    start = end + 1;
  }
  return false;
}

std::string Literal(const std::string& bytes) { return "{" + std::to_string(bytes.size()) + "}\r\n" + bytes; }

}  // namespace

void FakeServer::SetHook(Hook hook) {
  base::MutexLock lock(mutex_);
  hook_ = std::move(hook);
}

void FakeServer::AddMessage(const std::string& folder, uint32_t uid, const std::string& body) {
  base::MutexLock lock(mutex_);
  folders_[folder][uid] = body;
}

void FakeServer::Hold(const std::string& prefix) {
  base::MutexLock lock(mutex_);
  held_prefix_ = prefix;
}

void FakeServer::Release() {
  base::MutexLock lock(mutex_);
  held_prefix_.reset();
  for (const auto& [weak, bytes] : held_) {
    if (const auto session = weak.lock()) Send(*session, bytes);
  }
  held_.clear();
}

void FakeServer::Push(const std::string& bytes) {
  base::MutexLock lock(mutex_);
  for (const auto& weak : sessions_) {
    if (const auto session = weak.lock()) Send(*session, bytes);
  }
}

void FakeServer::CloseAll() { Push("!close"); }

void FakeServer::FailConnects(base::Status error) {
  base::MutexLock lock(mutex_);
  connect_error_ = std::move(error);
}

bool FakeServer::WaitFor(const std::string& prefix, size_t count) const {
  const auto until = std::chrono::steady_clock::now() + kPatience;
  base::MutexLock lock(mutex_);
  for (;;) {
    size_t found = 0;
    for (const Command& command : log_) {
      if (command.text.starts_with(prefix)) ++found;
    }
    if (found >= count) return true;
    if (!changed_.WaitUntil(mutex_, until)) return false;
  }
}

size_t FakeServer::Count(const std::string& prefix) const { return Commands(prefix).size(); }

std::vector<std::string> FakeServer::Commands(const std::string& prefix) const {
  base::MutexLock lock(mutex_);
  std::vector<std::string> texts;
  for (const Command& command : log_) {
    if (command.text.starts_with(prefix)) texts.push_back(command.text);
  }
  return texts;
}

int FakeServer::ConnectionOf(const std::string& prefix, size_t n) const {
  base::MutexLock lock(mutex_);
  for (const Command& command : log_) {
    if (command.text.starts_with(prefix) && n-- == 0) return command.connection;
  }
  return 0;
}

int FakeServer::connections() const {
  base::MutexLock lock(mutex_);
  return connections_;
}

int FakeServer::open() const {
  base::MutexLock lock(mutex_);
  return open_;
}

bool FakeServer::WaitUntilOpen(int count) const {
  const auto until = std::chrono::steady_clock::now() + kPatience;
  base::MutexLock lock(mutex_);
  while (open_ != count) {
    if (!changed_.WaitUntil(mutex_, until)) return false;
  }
  return true;
}

std::unique_ptr<net::Transport> FakeServer::Connect(const net::Endpoint& /*endpoint*/,
                                                    const base::Deadline& /*deadline*/,
                                                    const base::WakeEvent& /*wake*/) {
  auto session = std::make_shared<Session>();
  base::MutexLock lock(mutex_);
  ++connections_;
  changed_.NotifyAll();
  if (connect_error_) throw Error(*connect_error_);
  ++open_;
  session->number = connections_;
  sessions_.push_back(session);
  Send(*session, "* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=XOAUTH2] ready\r\n");
  return std::make_unique<SessionTransport>(*this, session);
}

void FakeServer::Send(Session& session, const std::string& bytes) {
  if (bytes == "!close") {
    session.closed = true;
  } else {
    session.out += bytes;
  }
  session.data.Set();
}

void FakeServer::OnLine(Session& session, const std::string& line) {
  Command command;
  command.connection = session.number;
  const size_t space = line.find(' ');
  command.tag = line.substr(0, space);
  command.text = space == std::string::npos ? line : line.substr(space + 1);
  Hook hook;
  {
    base::MutexLock lock(mutex_);
    hook = hook_;
  }
  std::optional<std::string> answer = hook ? hook(command) : std::nullopt;
  base::MutexLock lock(mutex_);
  log_.push_back(command);
  changed_.NotifyAll();
  if (!answer) answer = Answer(session, command);
  if (held_prefix_ && command.text.starts_with(*held_prefix_)) {
    for (const auto& weak : sessions_) {
      if (const auto held = weak.lock(); held.get() == &session) held_.emplace_back(held, *answer);
    }
    return;
  }
  Send(session, *answer);
}

std::string FakeServer::Answer(Session& session, const Command& command) {
  const std::string ok = command.tag + " OK done\r\n";
  if (command.text.starts_with("AUTHENTICATE")) return command.tag + " OK [CAPABILITY IMAP4rev1 IDLE] in\r\n";
  if (command.text == "LIST \"\" \"*\"") {
    std::string text;
    for (const auto& [name, messages] : folders_) text += "* LIST () \"/\" " + name + "\r\n";
    return text + ok;
  }
  if (command.text.starts_with("EXAMINE ")) return Examine(session, command);
  if (command.text.starts_with("UID FETCH ")) return Fetch(session, command);
  if (command.text == "IDLE") {
    session.idle_tag = command.tag;
    return "+ idling\r\n";
  }
  if (command.text == "DONE") return session.idle_tag + " OK done\r\n";
  if (command.text == "LOGOUT") return "* BYE bye\r\n" + ok;
  return ok;
}

std::string FakeServer::Examine(Session& session, const Command& command) {
  session.folder = command.text.substr(8);
  const auto folder = folders_.find(session.folder);
  if (folder == folders_.end()) return command.tag + " NO [NONEXISTENT] no such mailbox\r\n";
  const uint32_t next = folder->second.empty() ? 1 : folder->second.rbegin()->first + 1;
  return "* " + std::to_string(folder->second.size()) + " EXISTS\r\n* OK [UIDVALIDITY 7] ok\r\n* OK [UIDNEXT " +
         std::to_string(next) + "] ok\r\n" + command.tag + " OK [READ-ONLY] done\r\n";
}

std::string FakeServer::Fetch(const Session& session, const Command& command) {
  const size_t space = command.text.find(' ', 10);
  const std::string set = command.text.substr(10, space - 10);
  const std::string items = command.text.substr(space + 1);
  std::string text;
  uint32_t sequence = 0;
  const auto folder = folders_.find(session.folder);
  if (folder == folders_.end()) return command.tag + " BAD nothing is open\r\n";
  for (const auto& [uid, body] : folder->second) {
    ++sequence;
    if (!InSet(set, uid)) continue;
    text += "* " + std::to_string(sequence) + " FETCH (UID " + std::to_string(uid);
    if (items.find("FLAGS") != std::string::npos) text += " FLAGS (\\Seen)";
    if (items.find("RFC822.SIZE") != std::string::npos) {
      text += " INTERNALDATE \"01-Jan-2022 00:00:00 +0000\" RFC822.SIZE " + std::to_string(body.size());
      text += " BODY[HEADER.FIELDS (DATE FROM SUBJECT MESSAGE-ID)] " + Literal("Subject: s\r\n\r\n");
    }
    if (items.find("BODY.PEEK[])") != std::string::npos) text += " BODY[] " + Literal(body);
    text += ")\r\n";
  }
  return text + command.tag + " OK done\r\n";
}

}  // namespace mailboxfs::mail::testing
