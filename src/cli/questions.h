#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "mailboxfs/base/secret.h"

namespace mailboxfs::cli {

// Says what is wrong with an answer; empty: nothing.
using AnswerCheck = std::function<std::string(std::string_view answer)>;

// Asks at the terminal until the answer is good. Throws Error(kConfig) that names `option` if there is no terminal to
// ask at, or no more input. Thread-bound.
std::string Ask(std::string_view question, std::string_view option, const AnswerCheck& check);

// The same without showing what is typed.
base::Secret AskSecret(std::string_view question, std::string_view option, const AnswerCheck& check);

}  // namespace mailboxfs::cli
