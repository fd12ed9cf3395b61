#pragma once

#include <string>

namespace mailboxfs::config {

// Checks of files that the configuration names. Each says what is wrong in one line, or is
// empty. They look at the disk. Reentrant.

// Is it a regular file with at least one certificate in PEM form?
std::string CertificateFileProblem(const std::string& path);

// Can it be run? As for execvp(3), a name without a slash is looked for in PATH.
std::string ProgramProblem(const std::string& program);

// The same directory, or one inside the other? Links, "..", "//" and slashes at the end are
// seen through; neither needs to exist.
enum class Relation { kApart, kSame, kFirstInside, kSecondInside };
Relation RelateDirectories(const std::string& first, const std::string& second);

}  // namespace mailboxfs::config
