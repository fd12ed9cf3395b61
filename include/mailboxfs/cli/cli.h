#pragma once

namespace mailboxfs::cli {

// The whole program: parses the command line, runs the command, returns the exit code
// (exit_code.h). All output for people goes to stdout and stderr.
int Main(int argc, char** argv);

}  // namespace mailboxfs::cli
