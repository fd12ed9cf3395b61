#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace mailboxfs::model {

// How servers of one kind want to be spoken to, and what they can be trusted in. Data; what a configuration says goes
// before it (ProfileOverrides). All reentrant.
struct ServerProfile {
  std::string_view name;               // As a configuration has it: "exchange".
  std::string_view title = {};         // For people: "Microsoft Exchange".
  size_t max_command_octets = 8000;    // Longer command lines are refused.
  size_t header_batch = 200;           // Messages for one FETCH of headers.
  size_t max_connections = 10;         // That it allows for one mailbox, less some for other programs.
  bool exact_sizes = false;            // RFC822.SIZE is the size; else an estimate.
  bool sends_stubs = false;            // In place of a message that it cannot convert.
  uint64_t daily_octets = 0;           // Of bodies; more locks the account out. 0: no limit is known.
  std::string_view disabled;           // Capabilities that it offers and does not keep, separated by spaces.
  std::string_view mark = {};          // In its greeting or ID.
  std::string_view capabilities = {};  // That no other has, separated by spaces.
};

// By what the server says of itself; "generic" if that tells nothing.
const ServerProfile& RecognizeServer(std::string_view greeting, std::string_view id,
                                     std::span<const std::string> capabilities);
// Null: there is none of this name.
const ServerProfile* FindProfile(std::string_view name);
// In words separated by single spaces.
bool HasWord(std::string_view words, std::string_view word);
// "exchange, gmail, ...".
std::string ProfileNames();

// What a configuration says instead.
struct ProfileOverrides {
  std::string name;  // Of the profile to use, whatever the server says; empty: as recognised.
  std::optional<size_t> max_command_octets, header_batch;
  std::optional<bool> exact_sizes;
  std::optional<uint64_t> daily_octets;  // 0: no limit.
  std::vector<std::string> disabled;     // Capabilities, too.
};

}  // namespace mailboxfs::model
