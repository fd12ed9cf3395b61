#pragma once

#include <string>

#include "mailboxfs/json/json.h"

namespace mailboxfs::config {

// The configuration file, read once.
struct File {
  std::string path;       // Absolute.
  std::string directory;  // Of `path`; what relative paths in the file are relative to.
  // Why the file must not hold secrets itself (its mode or its owner); empty if it may.
  std::string literal_problem;
  json::Value root;
};

// Throws Error(kConfig) "FILE: ..." or "FILE:LINE: ...": unreadable, too large, no JSON.
File ReadFile(const std::string& path);

// Text of the file for a one-line message: no control characters, at most 100 bytes.
std::string Quote(std::string_view text);

}  // namespace mailboxfs::config
