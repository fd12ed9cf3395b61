#pragma once

#include <algorithm>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include "mailboxfs/base/error.h"
#include "mailboxfs/check/check.h"

namespace mailboxfs::check {

// Who must act, as mailboxfs(1) "EXIT STATUS" has it.
enum class Exit { kOk = 0, kWarnings = 1, kConfig = 2, kLogin = 3, kNetwork = 4 };
// What is wrong on this machine, a disk or a dead mount, is somebody's to mend, as a configuration is.
Exit ExitFor(base::ErrorKind kind) noexcept;

// What somebody must mend comes before what may pass.
constexpr int Rank(Exit exit) {
  return exit <= Exit::kWarnings ? static_cast<int>(exit)
                                 : static_cast<int>(Exit::kNetwork) + 2 - static_cast<int>(exit);
}

// Hands the findings on and remembers the worst. Thread-bound.
class Report {
 public:
  explicit Report(const std::function<void(const Finding&)>& give) : give_(give) {}

  void Add(const Finding& finding, Exit exit = Exit::kOk) {
    exit_ = std::max({exit_, exit, finding.verdict == Verdict::kWarning ? Exit::kWarnings : Exit::kOk},
                     [](Exit a, Exit b) { return Rank(a) < Rank(b); });
    give_(finding);
  }
  int exit_code() const { return static_cast<int>(exit_); }

 private:
  const std::function<void(const Finding&)>& give_;
  Exit exit_ = Exit::kOk;
};

// The findings on one subject. Thread-bound; borrows the report.
class Subject {
 public:
  Subject(Report& report, std::string name) : report_(report), name_(std::move(name)) {}

  const std::string& name() const { return name_; }
  void Ok(std::string_view id, const std::string& evidence) { Add(id, Verdict::kOk, evidence, "", ""); }
  void Info(std::string_view id, const std::string& evidence, const std::string& advice = "") {
    Add(id, Verdict::kInfo, evidence, advice, "");
  }
  void Warn(std::string_view id, const std::string& evidence, const std::string& advice, std::string_view cause = "") {
    Add(id, Verdict::kWarning, evidence, advice, cause);
  }
  void Fail(std::string_view id, std::string_view cause, Exit exit, const std::string& evidence,
            const std::string& advice) {
    Add(id, Verdict::kFailed, evidence, advice, cause, exit);
  }

 private:
  void Add(std::string_view id, Verdict verdict, const std::string& evidence, const std::string& advice,
           std::string_view cause, Exit exit = Exit::kOk) {
    report_.Add({std::string(id), name_, verdict, evidence, advice, std::string(cause)}, exit);
  }

  Report& report_;
  std::string name_;
};

}  // namespace mailboxfs::check
