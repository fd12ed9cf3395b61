#pragma once

#include <csignal>

namespace mailboxfs::base {

// While it lives, signals that end the program by default wait: what a server has just given away (a new refresh
// token) is worth the moment until it is on the disk. For this thread alone, and for good for those that it starts
// meanwhile; no help against signals that another thread takes.
class HeldSignals {
 public:
  HeldSignals() noexcept;
  ~HeldSignals();  // Those that have come meanwhile are delivered here.
  HeldSignals(const HeldSignals&) = delete;
  HeldSignals& operator=(const HeldSignals&) = delete;

 private:
  sigset_t before_{};
};

}  // namespace mailboxfs::base
