#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "mailboxfs/base/clock.h"
#include "mailboxfs/base/error.h"
#include "mailboxfs/model/types.h"

namespace mailboxfs::model {

// Who waits for a task; a lower value is served first.
enum class Priority { kWaiting = 0, kReadAhead = 1, kRefresh = 2 };

// A piece of work that a MailSource has accepted. Thread-safe.
class Task {
 public:
  virtual ~Task() = default;
  // Nobody waits any more. Its Done is still called exactly once, with kCancelled
  // unless the work had ended before. Returns at once; may call Done inline.
  virtual void Cancel() = 0;
  // Somebody more urgent waits now; never lowers.
  virtual void Raise(Priority priority) = 0;
};

// Receives one message's body. Called from one source thread at a time, no lock held.
// An exception thrown by it ends the task with that error (kDiskFull, kCancelled, ...).
class BodySink {
 public:
  virtual ~BodySink() = default;
  // The body will have exactly `size` bytes (the literal's own {n}). Called again when a
  // broken download is started over: what was written before then counts as not received.
  // `identified` is false while the server has not yet said to which UID the bytes belong:
  // they must not be shown to anybody before the task's Done reports success.
  virtual void Begin(uint64_t size, bool identified) = 0;
  virtual void Write(std::string_view bytes) = 0;
};

// Receives what a refresh learns about one folder. Called from one source thread at a
// time, no lock held; the order is Begin, then any of the others, then the task's Done.
// On an error in the middle, what was delivered so far stays valid (it was true), but the
// listing is not complete. May be started over with a second Begin on a new connection.
class RefreshSink {
 public:
  virtual ~RefreshSink() = default;
  // The folder was opened. Returns the UIDs that are known under this UIDVALIDITY, in
  // ascending order (empty if UIDVALIDITY is new: everything is then delivered again).
  virtual std::vector<Uid> Begin(const FolderState& state) = 0;
  // Known messages that were not complete when they were added: they are asked for again now and
  // then, and delivered by Added once more when the server tells. Called after Begin.
  virtual std::vector<Uid> Incomplete() = 0;
  // Messages that were not known or not complete, in ascending order of UID.
  virtual void Added(std::span<const MessageInfo> messages) = 0;
  virtual void FlagsChanged(std::span<const FlagsUpdate> updates) = 0;
  // Known UIDs that the server, having been asked for all, did not name.
  virtual void Vanished(std::span<const Uid> uids) = 0;
  // For people: `done` of `total` messages of a long listing.
  virtual void Progress(uint64_t done, uint64_t total) = 0;
};

struct RefreshRequest {
  std::string folder_id;
  // What the last complete listing saw; all 0 if there was none. If the server still says
  // the same, a source may skip the comparison (unless `full`).
  FolderState last;
  // Compare all UIDs and read all flags, even if the counts look unchanged.
  bool full = false;
};

struct BodyRequest {
  std::string folder_id;
  UidValidity uid_validity = 0;  // kStale if the folder's is another one.
  Uid uid = 0;
  // As the server told it, if it did: a body is believed to be empty only if this is 0.
  std::optional<uint64_t> size;
};

// One of several bodies of a folder that are fetched together, before anybody asks for them.
struct AheadRequest {
  BodyRequest body;
  std::shared_ptr<BodySink> sink;
  // Called once, as Done. An error says nothing of the message: whoever wants it asks with FetchBody.
  std::function<void(base::Status)> done;
};

// Does this failure of FetchBody concern that message alone? Another try soon would end the same way.
constexpr bool ConcernsMessageAlone(base::ErrorKind kind) {
  return kind == base::ErrorKind::kUnfetchable || kind == base::ErrorKind::kStub ||
         kind == base::ErrorKind::kMessageFailed;
}

// State of a source, for `status`. A snapshot.
struct SourceStatus {
  std::string state;  // "idle", "connected", "connecting", "backing off"
  unsigned connections = 0;
  size_t queued = 0;
  uint64_t bodies_fetched = 0;
  uint64_t bytes_received = 0;
  std::string last_error;  // Empty: none since the last success.
  base::ErrorKind last_error_kind = base::ErrorKind::kInternal;
  int64_t retry_in_seconds = 0;  // While backing off.
  std::string server;            // Greeting or ID, printable.
  std::string profile;           // What kind of server it is taken for; empty before the first login.
  bool exact_sizes = false;      // Its RFC822.SIZE is the size: so it is known for, and it was never wrong.
  std::vector<std::string> capabilities;
};

// One mailbox at a server. Thread-safe; all methods return at once, never wait for the
// network. A Done is called exactly once per accepted task, on a source thread or inline,
// with no lock held; it must not block. After Shutdown() has returned no callback runs.
class MailSource {
 public:
  using Done = std::function<void(base::Status)>;
  using FolderListDone = std::function<void(base::Result<std::vector<FolderInfo>>)>;
  // "This folder has changed", said by the server on its own (IDLE). From a source thread.
  using ChangeListener = std::function<void(const std::string& folder_id)>;

  virtual ~MailSource() = default;

  // `known`: ids of selectable folders that were there before. One that the server does not list any
  // more is in the answer all the same, as FolderInfo::unlisted, and one that is not selectable
  // any more is selectable in the answer, unless the server says that it does not exist.
  virtual std::shared_ptr<Task> ListFolders(std::vector<std::string> known, Priority priority, FolderListDone done) = 0;
  virtual std::shared_ptr<Task> Refresh(const RefreshRequest& request, std::shared_ptr<RefreshSink> sink,
                                        Priority priority, Done done) = 0;
  virtual std::shared_ptr<Task> FetchBody(const BodyRequest& request, std::shared_ptr<BodySink> sink, Priority priority,
                                          Done done) = 0;

  // Read-ahead: of the same folder and UIDVALIDITY, none twice. A body is given to its sink when it is complete. Tried
  // once; what there is the least doubt about is left to FetchBody. The task is that of all.
  virtual std::shared_ptr<Task> FetchAhead(std::vector<AheadRequest> bodies) = 0;

  // When this mailbox last received a byte. Waiting is given up when there is no progress.
  virtual base::MonoTime LastProgress() const = 0;
  virtual SourceStatus GetStatus() const = 0;
  // Set once, before the first task.
  virtual void SetChangeListener(ChangeListener listener) = 0;
  // Cancels everything, logs out (briefly), joins all threads. Idempotent.
  virtual void Shutdown() = 0;
};

}  // namespace mailboxfs::model
