#include "questions.h"

#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <optional>

#include "mailboxfs/base/error.h"
#include "mailboxfs/base/log.h"

namespace mailboxfs::cli {
namespace {

using base::Error;
using base::ErrorKind;

constexpr size_t kLongestAnswer = 4096;

// For the signal handler: how the terminal was.
termios g_before;

// A signal that ends us must not leave a terminal behind that shows nothing.
void OnSignal(int signal) {
  ::tcsetattr(STDIN_FILENO, TCSANOW, &g_before);
  ::signal(signal, SIG_DFL);
  ::raise(signal);
}

// Keeps the terminal from showing what is typed. One at a time.
class Silence {
 public:
  Silence() {
    if (::tcgetattr(STDIN_FILENO, &g_before) != 0) return;
    struct sigaction action {};
    action.sa_handler = &OnSignal;
    for (size_t i = 0; i < kSignals.size(); ++i) ::sigaction(kSignals[i], &action, &actions_[i]);
    // Stopped and continued, the terminal would show what is typed.
    ::signal(SIGTSTP, SIG_IGN);
    termios silent = g_before;
    silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    changed_ = ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent) == 0;
  }
  ~Silence() {
    if (!changed_) return;
    ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &g_before);
    for (size_t i = 0; i < kSignals.size(); ++i) ::sigaction(kSignals[i], &actions_[i], nullptr);
  }
  Silence(const Silence&) = delete;
  Silence& operator=(const Silence&) = delete;

 private:
  static constexpr std::array<int, 5> kSignals = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP};
  std::array<struct sigaction, kSignals.size()> actions_{};
  bool changed_ = false;
};

// One line without white space around it; nullopt at the end of the input. Unbuffered, so that no copy stays behind.
std::optional<base::Secret> ReadLine() {
  std::string line;
  line.reserve(kLongestAnswer);
  for (char c = 0; line.size() < kLongestAnswer;) {
    const ssize_t got = ::read(STDIN_FILENO, &c, 1);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0 && line.empty()) return std::nullopt;
    if (got <= 0 || c == '\n') break;
    line += c;
  }
  constexpr std::string_view kSpace = " \t\r";
  const size_t begin = std::min(line.find_first_not_of(kSpace), line.size());
  const size_t end = line.find_last_not_of(kSpace);
  base::Secret answer(begin < line.size() ? line.substr(begin, end + 1 - begin) : std::string());
  base::WipeMemory(line.data(), line.capacity());
  return answer;
}

base::Secret AskUntilGood(std::string_view question, std::string_view option, const AnswerCheck& check, bool silent) {
  if (::isatty(STDIN_FILENO) != 1) {
    throw Error(ErrorKind::kConfig, base::Format("{} is missing, and there is no terminal to ask at", option));
  }
  for (;;) {
    std::optional<base::Secret> answer;
    {
      // Before the question: who answers at once must not be shown either.
      std::optional<Silence> silence;
      if (silent) silence.emplace();
      std::printf("%s: ", std::string(question).c_str());
      std::fflush(stdout);
      answer = ReadLine();
    }
    if (silent) std::printf("\n");
    if (!answer) throw Error(ErrorKind::kConfig, base::Format("no answer; give {} instead", option));
    const std::string problem = check(answer->Reveal());
    if (problem.empty()) return *std::move(answer);
    std::printf("  This %s.\n", problem.c_str());
  }
}

}  // namespace

std::string Ask(std::string_view question, std::string_view option, const AnswerCheck& check) {
  return std::string(AskUntilGood(question, option, check, /*silent=*/false).Reveal());
}

base::Secret AskSecret(std::string_view question, std::string_view option, const AnswerCheck& check) {
  return AskUntilGood(question, option, check, /*silent=*/true);
}

}  // namespace mailboxfs::cli
