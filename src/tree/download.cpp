#include "download.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "mailboxfs/base/log.h"

namespace mailboxfs::tree {
namespace {

using base::ErrorKind;

// Does the file hold `bytes` at `offset`?
bool HoldsAt(int fd, uint64_t offset, std::string_view bytes) {
  std::array<char, 16384> buffer;
  while (!bytes.empty()) {
    const size_t want = std::min(bytes.size(), buffer.size());
    const ssize_t got = pread(fd, buffer.data(), want, static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw base::ErrnoError(ErrorKind::kDisk, "reading back a message that is being downloaded", errno);
    if (got == 0 || std::memcmp(buffer.data(), bytes.data(), static_cast<size_t>(got)) != 0) return false;
    offset += static_cast<uint64_t>(got);
    bytes.remove_prefix(static_cast<size_t>(got));
  }
  return true;
}

}  // namespace

Download::Download(std::shared_ptr<Context> context, std::shared_ptr<ExactSizes> sizes,
                   std::shared_ptr<MailboxState> mailbox, const store::BodyKey& key, Hooks hooks)
    : context_(std::move(context)),
      sizes_(std::move(sizes)),
      mailbox_(std::move(mailbox)),
      key_(key),
      hooks_(std::move(hooks)) {}

std::string Download::Label() const { return base::Format("downloading message {} of {}", uid_, mailbox_->name); }

bool Download::Revive(Hooks hooks) {
  base::MutexLock lock(mutex_);
  if (!ended_ || !error_ || !answerable_ || abandoned_) return false;
  ended_ = false;
  error_.reset();
  hooks_ = std::move(hooks);
  // No source thread works for it now.
  writer_ = partial_->writer;
  sink_error_.reset();
  return true;
}

void Download::Start(const model::BodyRequest& request) {
  uid_ = request.uid;
  std::shared_ptr<model::Task> task;
  unsigned start = 0;
  {
    base::MutexLock lock(mutex_);
    start = ++starts_;
  }
  try {
    task =
        mailbox_->source->FetchBody(request, shared_from_this(), model::Priority::kWaiting,
                                    [self = shared_from_this()](const base::Status& status) { self->OnDone(status); });
  } catch (...) {
    OnDone(base::CurrentError());
    return;
  }
  {
    base::MutexLock lock(mutex_);
    if (ended_ || starts_ != start) return;
    task_ = task;
    if (!abandoned_) return;
  }
  task->Cancel();
}

model::AheadRequest Download::StartAhead(const model::BodyRequest& request) {
  uid_ = request.uid;
  base::MutexLock lock(mutex_);
  ahead_ = true;
  return {request, shared_from_this(),
          [self = shared_from_this(), request](const base::Status& status) { self->OnAheadDone(status, request); }};
}

void Download::Follow(const std::shared_ptr<model::Task>& ahead) {
  bool waited_for = false;
  {
    base::MutexLock lock(mutex_);
    if (!ahead_) return;
    ahead_task_ = ahead;
    waited_for = !openers_.empty();
  }
  if (waited_for) ahead->Raise(model::Priority::kWaiting);
}

bool Download::AddOpener(const std::shared_ptr<Waiter>& waiter) {
  waiter->SetLeave([weak = weak_from_this()](const Waiter* leaving) {
    if (const auto self = weak.lock()) self->Leave(leaving);
  });
  std::shared_ptr<model::Task> ahead;
  bool waits = false;
  {
    base::MutexLock lock(mutex_);
    if (abandoned_ || error_) return false;
    waits = !answerable_;
    if (waits) {
      openers_.push_back(waiter);
      ahead = ahead_task_;
    } else {
      ++open_;  // So that it does not end before the answer is given.
    }
  }
  if (ahead) ahead->Raise(model::Priority::kWaiting);
  if (waits) return true;
  waiter->Finish(std::nullopt);
  Close();
  return true;
}

void Download::Open() {
  base::MutexLock lock(mutex_);
  ++open_;
}

void Download::Close() {
  {
    base::MutexLock lock(mutex_);
    --open_;
  }
  CancelIfUnused();
}

void Download::AddReader(const std::shared_ptr<Waiter>& waiter, uint64_t end) {
  waiter->SetLeave([weak = weak_from_this()](const Waiter* leaving) {
    if (const auto self = weak.lock()) self->Leave(leaving);
  });
  base::Status status;
  {
    base::MutexLock lock(mutex_);
    if (end > visible_) {
      if (!error_) {
        readers_.push_back({waiter, end});
        return;
      }
      status = error_;
    }
  }
  waiter->Finish(status);
}

ReadSpan Download::Span(uint64_t offset, size_t length) {
  base::MutexLock lock(mutex_);
  if (body_) return {body_, body_->fd(), offset, length};
  return {partial_, partial_->fd, offset, length};
}

uint64_t Download::size() {
  base::MutexLock lock(mutex_);
  return size_;
}

std::shared_ptr<store::BodyFile> Download::body() {
  base::MutexLock lock(mutex_);
  return body_;
}

void Download::CheckWanted() {
  base::MutexLock lock(mutex_);
  if (abandoned_ || ended_) throw base::Error(ErrorKind::kCancelled, Label() + ": nobody waits for it any more");
}

void Download::Begin(uint64_t size, bool identified) {
  try {
    Restart(size, identified);
  } catch (...) {
    sink_error_ = base::CurrentError();
    throw;
  }
}

void Download::Restart(uint64_t size, bool identified) {
  CheckWanted();
  bool shown = false;
  {
    base::MutexLock lock(mutex_);
    shown = answerable_;
    identified_ = identified;
    if (!shown) size_ = size;
  }
  received_ = 0;
  if (shown) {
    if (size == expected_) return;
    throw base::Error(ErrorKind::kStale,
                      base::Format("{}: the server sent a different body ({} bytes, {} before) when the download was "
                                   "started over; open the file again",
                                   Label(), size, expected_));
  }
  expected_ = size;
  if (writer_) {
    writer_->Reset();
  } else {
    writer_ = context_->cache.Create(key_);
  }
  if (identified && size > kStreamThreshold) AnswerEarly(size);
}

void Download::AnswerEarly(uint64_t size) {
  auto partial = std::make_shared<Partial>(Partial{writer_, writer_->fd(), nullptr});
  sizes_->Learn(key_.ino, size);
  std::vector<std::shared_ptr<Waiter>> openers;
  {
    base::MutexLock lock(mutex_);
    partial_ = std::move(partial);
    answerable_ = true;
    openers = std::exchange(openers_, {});
    ++open_;  // Until the answers are given.
  }
  for (const std::shared_ptr<Waiter>& waiter : openers) waiter->Finish(std::nullopt);
  Close();
}

void Download::Write(std::string_view bytes) {
  try {
    CheckWanted();
    if (!writer_ || bytes.size() > expected_ - received_) {
      throw base::Error(ErrorKind::kProtocol,
                        base::Format("{}: the server sent more than the {} bytes it announced", Label(), expected_));
    }
    const std::string_view rest = CheckRepeated(bytes);
    if (!rest.empty()) writer_->Append(rest);
    received_ += bytes.size();
    ShowWritten();
  } catch (...) {
    sink_error_ = base::CurrentError();
    throw;
  }
}

std::string_view Download::CheckRepeated(std::string_view bytes) {
  const uint64_t written = writer_->written();
  if (received_ >= written) return bytes;
  const size_t repeated = static_cast<size_t>(std::min<uint64_t>(bytes.size(), written - received_));
  if (!HoldsAt(writer_->fd(), received_, bytes.substr(0, repeated))) {
    throw base::Error(ErrorKind::kStale, Label() +
                                             ": the server sent a different body when the download was started "
                                             "over; open the file again");
  }
  return bytes.substr(repeated);
}

void Download::ShowWritten() {
  const uint64_t written = writer_->written();
  std::vector<std::shared_ptr<Waiter>> served;
  {
    base::MutexLock lock(mutex_);
    if (!answerable_ || !identified_) return;
    const uint64_t visible = visible_ = std::max(visible_, written);
    std::erase_if(readers_, [&](Reader& reader) {
      if (reader.end > visible) return false;
      served.push_back(std::move(reader.waiter));
      return true;
    });
  }
  for (const std::shared_ptr<Waiter>& waiter : served) waiter->Finish(std::nullopt);
}

std::shared_ptr<store::BodyFile> Download::Complete() {
  CheckWanted();
  if (!writer_) {
    throw base::Error(ErrorKind::kUnfetchable, Label() +
                                                   ": the server has no body for it; see whether another mail "
                                                   "program can open it");
  }
  if (received_ != expected_) {
    throw base::Error(ErrorKind::kProtocol,
                      base::Format("{}: the server announced {} bytes but sent {}", Label(), expected_, received_));
  }
  std::shared_ptr<store::BodyFile> body = writer_->Commit();
  bool answerable = false;
  {
    base::MutexLock lock(mutex_);
    answerable = answerable_;
    // The descriptor that readers were given is the body's from now on.
    if (partial_) partial_->body = body;
  }
  if (!answerable) SetSize(expected_);
  return body;
}

void Download::SetSize(uint64_t size) {
  sizes_->Learn(key_.ino, size);
  base::MutexLock lock(mutex_);
  size_ = size;
}

void Download::Provide(std::shared_ptr<store::BodyFile> body) {
  base::Status error;
  try {
    SetSize(body->size());
  } catch (...) {
    error = base::CurrentError();
    body = nullptr;
  }
  End(std::move(body), error);
}

void Download::OnDone(const base::Status& status) {
  std::shared_ptr<store::BodyFile> body;
  base::Status error = sink_error_ ? sink_error_ : status;
  if (!error) {
    try {
      body = Complete();
    } catch (...) {
      error = base::CurrentError();
    }
  } else if (!sink_error_ && GoOnElsewhere(&error)) {
    return;
  }
  doubt_.reset();
  writer_ = nullptr;
  // Only kGone is the server's word that the message does not exist.
  if (error && error->kind() == ErrorKind::kNotFound) error = NotAbsence(*error);
  End(std::move(body), error);
}

void Download::OnAheadDone(const base::Status& status, const model::BodyRequest& request) {
  bool wanted = false;
  {
    base::MutexLock lock(mutex_);
    ahead_ = false;
    ahead_task_ = nullptr;
    wanted = !ended_ && (open_ > 0 || !openers_.empty() || !readers_.empty());
    // Nobody may join what is not going to be fetched.
    if (status && !wanted) abandoned_ = true;
  }
  if (!status) return OnDone(status);
  // It says nothing of the message. What was written, if anything, counts as not received.
  sink_error_.reset();
  received_ = 0;
  if (wanted) return Start(request);
  writer_ = nullptr;
  End(nullptr, base::Error(ErrorKind::kCancelled, Label() + ": it was read ahead, and nobody waits for it"));
}

bool Download::GoOnElsewhere(base::Status* error) {
  const bool gone = (*error)->kind() == ErrorKind::kGone;
  try {
    decltype(Hooks::elsewhere) elsewhere;
    {
      base::MutexLock lock(mutex_);
      if (ended_) return false;
      elsewhere = hooks_.elsewhere;
    }
    const std::optional<model::BodyRequest> request = elsewhere ? elsewhere(**error) : std::nullopt;
    if (request) {
      if (!gone) doubt_ = *error;
      received_ = 0;
      Start(*request);
      return true;
    }
  } catch (...) {
    *error = base::CurrentError();
  }
  // It is gone only if it is gone from everywhere.
  if (gone && doubt_) *error = doubt_;
  return false;
}

void Download::Fail(const base::Error& error) { End(nullptr, error); }

void Download::End(std::shared_ptr<store::BodyFile> body, const base::Status& error) {
  std::vector<std::shared_ptr<Waiter>> openers;
  std::vector<Reader> readers;
  std::shared_ptr<model::Task> task;
  Hooks hooks;
  {
    base::MutexLock lock(mutex_);
    if (std::exchange(ended_, true)) return;
    task = std::exchange(task_, nullptr);
    hooks = std::exchange(hooks_, {});
    openers = std::exchange(openers_, {});
    readers = std::exchange(readers_, {});
    error_ = error;
    if (body) {
      answerable_ = true;
      visible_ = size_;
      body_ = std::move(body);
      partial_ = nullptr;
    }
  }
  if (error) {
    hooks.failed(*error);
  } else {
    hooks.succeeded();
  }
  for (const std::shared_ptr<Waiter>& waiter : openers) waiter->Finish(error);
  for (const Reader& reader : readers) reader.waiter->Finish(error);
  hooks.ended();
}

void Download::Leave(const Waiter* waiter) {
  std::shared_ptr<Waiter> left;  // Dropped after the lock.
  {
    base::MutexLock lock(mutex_);
    const auto opener =
        std::find_if(openers_.begin(), openers_.end(), [&](const auto& one) { return one.get() == waiter; });
    if (opener != openers_.end()) {
      left = std::move(*opener);
      openers_.erase(opener);
    }
    const auto reader =
        std::find_if(readers_.begin(), readers_.end(), [&](const Reader& one) { return one.waiter.get() == waiter; });
    if (reader != readers_.end()) {
      left = std::move(reader->waiter);
      readers_.erase(reader);
    }
  }
  CancelIfUnused();
}

void Download::CancelIfUnused() {
  std::shared_ptr<model::Task> task;
  {
    base::MutexLock lock(mutex_);
    if (ended_ || abandoned_ || ahead_ || open_ > 0 || !openers_.empty() || !readers_.empty()) return;
    // All has come but the server's last word: to ask for all of it once more would be dearer.
    if (answerable_ && visible_ == size_) return;
    abandoned_ = true;
    task = task_;
  }
  if (task) task->Cancel();
}

}  // namespace mailboxfs::tree
