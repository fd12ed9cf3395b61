#include "dialogue.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "mailboxfs/base/encoding.h"
#include "mailboxfs/base/error.h"

namespace mailboxfs::mail::testing {
namespace {

using base::Error;
using base::ErrorKind;

std::string Unescape(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 1 == text.size()) {
      out.push_back(text[i]);
      continue;
    }
    switch (text[++i]) {
      case 'r': out.push_back('\r'); break;
      case 'n': out.push_back('\n'); break;
      case '0': out.push_back('\0'); break;
      case 'x':
        out.push_back(static_cast<char>(std::stoi(std::string(text.substr(i + 1, 2)), nullptr, 16)));
        i += 2;
        break;
      default: out.push_back(text[i]);
    }
  }
  return out;
}

std::string Expand(std::string text) {
  static const std::vector<std::pair<std::string, std::string>> kPlaceholders = {
      {"{X1}", "dXNlcj11c2VyQGV4YW1wbGUub3JnAWF1dGg9QmVhcmVyIHRva2VuMQEB"},
      {"{X2}", "dXNlcj11c2VyQGV4YW1wbGUub3JnAWF1dGg9QmVhcmVyIHRva2VuMgEB"},
      {"{O1}", "bixhPXVzZXJAZXhhbXBsZS5vcmcsAWhvc3Q9aW1hcC5leGFtcGxlLm9yZwFwb3J0PTk5MwFhdXRoPUJlYXJlciB0b2tlbjEBAQ=="},
      {"{O2}", "bixhPXVzZXJAZXhhbXBsZS5vcmcsAWhvc3Q9aW1hcC5leGFtcGxlLm9yZwFwb3J0PTk5MwFhdXRoPUJlYXJlciB0b2tlbjIBAQ=="},
      {"{P}", "AHVzZXJAZXhhbXBsZS5vcmcAc2VjcmV0"},
      {"{VERSION}", MAILBOXFS_VERSION},
  };
  for (const auto& [name, value] : kPlaceholders) {
    for (size_t at = text.find(name); at != std::string::npos; at = text.find(name))
      text.replace(at, name.size(), value);
  }
  return text;
}

class ScriptedTransport final : public net::Transport {
 public:
  ScriptedTransport(std::shared_ptr<Script> script, base::ManualClock& clock,
                    const std::map<std::string, std::function<void()>>& hooks)
      : script_(std::move(script)), clock_(clock), hooks_(hooks) {
    script_->Start();
  }

  void Write(std::string_view bytes, const base::Deadline& /*deadline*/, const base::WakeEvent& /*wake*/) override {
    received_.append(bytes);
    while (!received_.empty()) {
      auto& steps = script_->steps();
      if (!steps.empty() && steps.front().kind == Step::Kind::kAnyClient) {
        steps.pop_front();
        received_.clear();
        return;
      }
      if (steps.empty() || steps.front().kind != Step::Kind::kClient) {
        ADD_FAILURE() << "the client sent more than the script has: " << base::Printable(received_);
        throw Error(ErrorKind::kNetwork, "script violated");
      }
      const std::string expected = steps.front().text;
      if (received_.size() < expected.size() && expected.starts_with(received_)) return;
      if (!received_.starts_with(expected)) {
        ADD_FAILURE() << "expected C: " << base::Printable(expected) << "\n     got C: " << base::Printable(received_);
        throw Error(ErrorKind::kNetwork, "script violated");
      }
      received_.erase(0, expected.size());
      steps.pop_front();
    }
  }

  size_t Read(std::span<char> buffer, const base::Deadline& deadline, const base::WakeEvent& wake) override {
    switch (Wait(deadline, wake)) {
      case net::WaitResult::kTimeout: throw Error(ErrorKind::kTimeout, "scripted time-out");
      case net::WaitResult::kWoken: throw Error(ErrorKind::kCancelled, "scripted wake");
      case net::WaitResult::kReadable: break;
    }
    auto& steps = script_->steps();
    if (steps.front().kind == Step::Kind::kClose) return 0;
    size_t count = 0;
    while (!steps.empty() && steps.front().kind == Step::Kind::kServer && count < script_->chunk()) {
      std::string& text = steps.front().text;
      const size_t take = std::min({text.size(), buffer.size() - count, script_->chunk() - count});
      std::memcpy(buffer.data() + count, text.data(), take);
      count += take;
      text.erase(0, take);
      if (!text.empty()) break;
      steps.pop_front();
    }
    return count;
  }

  net::WaitResult Wait(const base::Deadline& deadline, const base::WakeEvent& wake) override {
    auto& steps = script_->steps();
    for (;;) {
      if (wake.IsSet()) return net::WaitResult::kWoken;
      if (steps.empty()) return TimeOut(deadline);
      switch (steps.front().kind) {
        case Step::Kind::kServer:
        case Step::Kind::kClose: return net::WaitResult::kReadable;
        case Step::Kind::kSilence: steps.pop_front(); return TimeOut(deadline);
        case Step::Kind::kHook: {
          const std::string name = steps.front().text;
          steps.pop_front();
          hooks_.at(name)();
          break;
        }
        default:
          ADD_FAILURE() << "the client waits, but should say: " << base::Printable(steps.front().text);
          throw Error(ErrorKind::kTimeout, "script violated");
      }
    }
  }

 private:
  net::WaitResult TimeOut(const base::Deadline& deadline) {
    if (deadline.when() == base::MonoTime::max()) {
      ADD_FAILURE() << "a wait without a deadline";
      throw Error(ErrorKind::kTimeout, "would wait for ever");
    }
    if (deadline.when() > clock_.Now()) clock_.Advance(deadline.when() - clock_.Now());
    return net::WaitResult::kTimeout;
  }

  const std::shared_ptr<Script> script_;
  base::ManualClock& clock_;
  const std::map<std::string, std::function<void()>>& hooks_;
  std::string received_;
};

}  // namespace

std::vector<Step> ParseScript(std::string_view script) {
  const std::string expanded = Expand(std::string(script));
  std::string_view text = expanded;
  std::vector<Step> steps;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
    if (line.empty()) continue;
    if (line.starts_with("C:")) {
      steps.push_back({Step::Kind::kClient, std::string(line.substr(std::min<size_t>(3, line.size()))) + "\r\n"});
    } else if (line.starts_with("C*")) {
      steps.push_back({Step::Kind::kAnyClient, std::string(line)});
    } else if (line.starts_with("S:")) {
      steps.push_back({Step::Kind::kServer, std::string(line.substr(std::min<size_t>(3, line.size()))) + "\r\n"});
    } else if (line.starts_with("S|")) {
      steps.push_back({Step::Kind::kServer, Unescape(line.substr(std::min<size_t>(3, line.size())))});
    } else if (line == "! close") {
      steps.push_back({Step::Kind::kClose, ""});
    } else if (line == "! silence") {
      steps.push_back({Step::Kind::kSilence, ""});
    } else if (line == "! refuse") {
      steps.push_back({Step::Kind::kRefuse, ""});
    } else if (line.starts_with("! ")) {
      steps.push_back({Step::Kind::kHook, std::string(line.substr(2))});
    } else {
      ADD_FAILURE() << "not a line of a script: " << line;
    }
  }
  return steps;
}

void ScriptedConnector::ExpectAllPlayed() const {
  EXPECT_EQ(next_, scripts_.size()) << "connections were not made";
  for (const auto& script : scripts_) {
    for (const Step& step : script->steps()) {
      if (step.kind == Step::Kind::kClose || step.kind == Step::Kind::kRefuse) continue;
      ADD_FAILURE() << "not played: " << base::Printable(step.text);
    }
  }
}

std::unique_ptr<net::Transport> ScriptedConnector::Connect(const net::Endpoint& /*endpoint*/,
                                                           const base::Deadline& /*deadline*/,
                                                           const base::WakeEvent& /*wake*/) {
  if (next_ == scripts_.size()) {
    ADD_FAILURE() << "one connection too many";
    throw Error(ErrorKind::kNetwork, "script violated");
  }
  const std::shared_ptr<Script>& script = scripts_[next_++];
  auto transport = std::make_unique<ScriptedTransport>(script, clock_, hooks_);
  if (!script->steps().empty() && script->steps().front().kind == Step::Kind::kRefuse) {
    throw Error(ErrorKind::kNetwork, "connection refused");
  }
  return transport;
}

oauth::AccessToken FakeTokens::Get(const base::Deadline& /*deadline*/, const base::WakeEvent& /*wake*/) {
  base::MutexLock lock(mutex_);
  if (failure_) throw base::Error(*failure_);
  return {base::Secret("token" + std::to_string(number_)), expires_};
}

void FakeTokens::Invalidate(const oauth::AccessToken& token) {
  base::MutexLock lock(mutex_);
  ++invalidated_;
  if (token.value.Reveal() == "token" + std::to_string(number_)) ++number_;
}

Dialogue::Dialogue() {
  options.name = "test/user@example.org";
  // A local relay, so that most dialogues can begin with PREAUTH.
  options.endpoint = {"imap.example.org", 993, net::Tls::kNone, std::nullopt};
  options.login.user = "user@example.org";
  options.login.tokens = tokens;
}

std::unique_ptr<Connection> Dialogue::Open() { return OpenConnection(Context(), trace); }

std::unique_ptr<Connection> Dialogue::OpenReady(std::string_view rest, std::string_view capabilities, size_t chunk) {
  std::string script = "S: * PREAUTH [CAPABILITY " + std::string(capabilities) + "] ready\n";
  script += "C: A1 LIST \"\" \"\"\nS: * LIST (\\Noselect) \"/\" \"\"\nS: A1 OK done\n";
  script += rest;
  AddScript(script, chunk);
  return Open();
}

base::Error Caught(const std::function<void()>& action) {
  try {
    action();
  } catch (const base::Error& error) {
    return error;
  }
  ADD_FAILURE() << "nothing was thrown";
  return {ErrorKind::kInternal, "nothing was thrown"};
}

}  // namespace mailboxfs::mail::testing
