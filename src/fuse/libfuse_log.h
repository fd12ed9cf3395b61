#pragma once

#include <string>

namespace mailboxfs::fuse {

// libfuse's own messages: to our log, or, while a capture lives on the same thread, into it.
// libfuse has one log for the process; making the first capture takes it over. Thread-bound.
class LibfuseLogCapture {
 public:
  LibfuseLogCapture();
  ~LibfuseLogCapture();
  LibfuseLogCapture(const LibfuseLogCapture&) = delete;
  LibfuseLogCapture& operator=(const LibfuseLogCapture&) = delete;

  // On one line, without libfuse's "fuse: "; empty if it said nothing.
  std::string text() const;

 private:
  std::string text_;
};

}  // namespace mailboxfs::fuse
