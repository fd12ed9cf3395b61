#pragma once

#include <string>

#include "mailboxfs/config/config.h"
#include "report.h"

namespace mailboxfs::check {

// What mounting needs of this machine; the members are for tests.
struct Machine {
  std::string fuse_device = "/dev/fuse";
  std::string search_path;  // PATH.
  bool root = false;        // Mounts without fusermount3.

  static Machine Ours();
};

void CheckMachine(const config::Config& config, const Machine& machine, Report& report);

}  // namespace mailboxfs::check
