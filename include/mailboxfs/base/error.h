#pragma once

#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace mailboxfs::base {

// What went wrong, as far as callers act differently. The one errno table
// (fuse/errno_table.h) and the exit codes (cli/exit_code.h) are functions of it.
enum class ErrorKind {
  kNotFound,       // Proven absent by a successful, current listing.
  kGone,           // Was listed; the server has since said that it no longer exists.
  kStale,          // The identity behind an open handle changed (UIDVALIDITY).
  kLoginRefused,   // The token endpoint or the server refuses this login; somebody must act.
  kTimeout,        // A deadline passed.
  kInterrupted,    // The calling process has a fatal signal pending.
  kCancelled,      // Nobody waits any more, or the daemon ends. Never reaches a user.
  kNetwork,        // No connection could be made, or it broke.
  kTls,            // The certificate could not be verified, or TLS failed otherwise.
  kThrottled,      // The server asked for a pause.
  kServer,         // The server answered NO or BAD, or an HTTP error.
  kProtocol,       // The server sent something the protocol does not allow here.
  kUnfetchable,    // The server has no usable body for a message that it lists.
  kStub,           // It sends a mail of its own in place of the message's.
  kMessageFailed,  // It refuses this message alone, for now, or ends the connection each time it is asked for it.
  kNotListed,      // A folder has never been listed and cannot be now.
  kDisk,           // Local storage failed.
  kDiskFull,       // Local storage is full.
  kCorrupt,        // Local data failed its check.
  kConfig,         // The configuration or the command line is wrong.
  kUnsupported,    // The server lacks something that cannot be done without.
  kInternal,       // A bug.
};

// Short stable word for logs and JSON ("login-refused").
std::string_view ErrorKindName(ErrorKind kind);

// The project's only exception type. `what()` is one line for a person: what was
// tried, where, and what to do; never a secret. Reentrant.
class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& message) : std::runtime_error(message), kind_(kind) {}

  ErrorKind kind() const noexcept { return kind_; }

  // The same error with `context: ` in front of the message.
  Error WithContext(std::string_view context) const;

 private:
  ErrorKind kind_;
};

// Turns the exception being handled into an Error (any other exception becomes
// kInternal). Call only inside a catch block.
Error CurrentError();

// Error from errno, "<what>: <strerror>"; ENOSPC and EDQUOT become kDiskFull.
Error ErrnoError(ErrorKind kind, std::string_view what, int errnum);

// A value or the Error that took its place; for answers that cross threads.
template <typename T>
class Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}      // NOLINT(google-explicit-constructor)
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT(google-explicit-constructor)

  bool ok() const noexcept { return state_.index() == 0; }
  T& value() { return ok() ? std::get<0>(state_) : throw std::get<1>(state_); }
  const T& value() const { return ok() ? std::get<0>(state_) : throw std::get<1>(state_); }
  const Error& error() const { return std::get<1>(state_); }

 private:
  std::variant<T, Error> state_;
};

// Gives `make`'s value, or what it throws.
template <typename T, typename Make>
Result<T> ResultOf(Make make) {
  try {
    return make();
  } catch (...) {
    return CurrentError();
  }
}

// Success, or the Error; for answers without a value.
using Status = std::optional<Error>;

}  // namespace mailboxfs::base
