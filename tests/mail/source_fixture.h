#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "dialogue.h"
#include "fake_server.h"
#include "mailboxfs/base/manual_clock.h"
#include "mailboxfs/mail/imap_source.h"

namespace mailboxfs::mail::testing {

// Takes one Done and lets the test wait for it. Thread-safe.
class Outcome {
 public:
  model::MailSource::Done Callback() {
    return [state = state_](base::Status status) {
      base::MutexLock lock(state->mutex);
      ++state->calls;
      state->status = std::move(status);
      state->changed.NotifyAll();
    };
  }
  // Waits for the end; the error, or nullopt for success.
  base::Status Wait() const {
    const auto until = std::chrono::steady_clock::now() + kPatience;
    base::MutexLock lock(state_->mutex);
    while (state_->calls == 0) {
      if (!state_->changed.WaitUntil(state_->mutex, until)) {
        ADD_FAILURE() << "the task never ended";
        return base::Error(base::ErrorKind::kInternal, "the task never ended");
      }
    }
    return state_->status;
  }
  // How it ended, for comparisons: "" for success.
  std::string WaitKind() const {
    const base::Status status = Wait();
    return status ? std::string(base::ErrorKindName(status->kind())) : std::string();
  }
  int calls() const {
    base::MutexLock lock(state_->mutex);
    return state_->calls;
  }

 private:
  struct State {
    base::Mutex mutex;
    base::CondVar changed;
    int calls GUARDED_BY(mutex) = 0;
    base::Status status GUARDED_BY(mutex);
  };
  std::shared_ptr<State> state_ = std::make_shared<State>();
};

// A body download and what came of it. Look at the sink only after Wait.
struct Download {
  std::shared_ptr<RecordingBodySink> sink = std::make_shared<RecordingBodySink>();
  Outcome outcome;
  std::shared_ptr<model::Task> task;
};

// A mailbox at a server in memory with the folders INBOX (UIDs 1 to 100) and Other (1 to 10).
class SourceTest : public ::testing::Test {
 protected:
  SourceTest() {
    for (uint32_t uid = 1; uid <= 100; ++uid) server_.AddMessage("INBOX", uid, BodyOf(uid));
    for (uint32_t uid = 1; uid <= 10; ++uid) server_.AddMessage("Other", uid, BodyOf(uid));
    options_.name = "test/user@example.org";
    options_.endpoint = {"imap.example.org", 993, net::Tls::kImplicit, std::nullopt};
    options_.login.user = "user@example.org";
    options_.login.tokens = tokens_;
    options_.timeouts.retry = std::chrono::milliseconds(1);
    options_.connections = 4;
  }
  ~SourceTest() override {
    server_.Release();
    source_.reset();
  }

  static std::string BodyOf(uint32_t uid) {
    return "Subject: s\r\n\r\nthis is message " + std::to_string(uid) + "\r\n";
  }

  std::unique_ptr<model::MailSource> MakeSource(const std::string& name) {
    ImapOptions options = options_;
    options.name = name;
    return MakeImapSource(options, {server_, budget_, clock_, [] { return 0.0; }});
  }
  void Start() { source_ = MakeSource(options_.name); }

  static Download FetchFrom(model::MailSource& source, uint32_t uid, const std::string& folder = "INBOX",
                            model::Priority priority = model::Priority::kWaiting) {
    Download download;
    download.task = source.FetchBody({folder, 7, uid, 40}, download.sink, priority, download.outcome.Callback());
    return download;
  }
  Download Fetch(uint32_t uid, const std::string& folder = "INBOX",
                 model::Priority priority = model::Priority::kWaiting) {
    if (source_ == nullptr) Start();
    return FetchFrom(*source_, uid, folder, priority);
  }
  static std::string BodyCommand(uint32_t uid) { return "UID FETCH " + std::to_string(uid) + " (UID BODY.PEEK[])"; }

  // Waits until `condition` holds; the state it looks at belongs to other threads.
  static bool Eventually(const std::function<bool()>& condition) {
    const auto until = std::chrono::steady_clock::now() + kPatience;
    while (!condition()) {
      if (std::chrono::steady_clock::now() > until) return false;
      std::this_thread::yield();
    }
    return true;
  }

  base::ManualClock clock_;
  FakeServer server_{clock_};
  ConnectionBudget budget_{8};
  std::shared_ptr<FakeTokens> tokens_ = std::make_shared<FakeTokens>();
  ImapOptions options_;
  std::unique_ptr<model::MailSource> source_;
};

}  // namespace mailboxfs::mail::testing
