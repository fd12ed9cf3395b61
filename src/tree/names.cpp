#include "mailboxfs/tree/names.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <vector>

#include "mailboxfs/base/encoding.h"
#include "mailboxfs/base/error.h"
#include "mailboxfs/base/log.h"
#include "mailboxfs/model/header_fields.h"
#include "mailboxfs/model/text.h"

namespace mailboxfs::tree {
namespace {

using model::CharClass;

constexpr size_t kLongestUid = 10;
constexpr size_t kLongestLiteral = 100;  // Leaves room for what is variable.
constexpr size_t kMostVariable = 3;      // So that each has room for a character with its marks.
constexpr size_t kLongestInput = 4096;   // Of a header field: far more than a name has room for.
constexpr size_t kLongestFrom = 64;
constexpr int kMostMarks = 8;      // Combining marks on one letter; no script needs more.
constexpr size_t kHashedEnd = 18;  // "%~" and 16 digits.

enum class Placeholder { kNone, kUid, kDate, kTime, kFrom, kSubject };

// A stretch of the template: literal text or one placeholder.
struct Part {
  Placeholder placeholder = Placeholder::kNone;
  std::string_view text;
};

constexpr std::string_view kPlaceholders = "the placeholders are {uid}, {date}, {time}, {from} and {subject}";
constexpr std::string_view kExample = "write for example {date}_{subject}.{uid}.eml";

base::Error TemplateError(const std::string& problem) { return {base::ErrorKind::kConfig, problem}; }

Placeholder PlaceholderNamed(std::string_view name) {
  if (name == "uid") return Placeholder::kUid;
  if (name == "date") return Placeholder::kDate;
  if (name == "time") return Placeholder::kTime;
  if (name == "from") return Placeholder::kFrom;
  if (name == "subject") return Placeholder::kSubject;
  throw TemplateError(base::Format("has the unknown placeholder {{{}}}; {}", base::Printable(name), kPlaceholders));
}

std::vector<Part> SplitTemplate(std::string_view text) {
  std::vector<Part> parts;
  for (size_t position = 0; position < text.size();) {
    const size_t brace = std::min(text.find_first_of("{}", position), text.size());
    if (brace > position) parts.push_back({Placeholder::kNone, text.substr(position, brace - position)});
    if (brace == text.size()) break;
    const size_t end = text.find('}', brace);
    if (text[brace] == '}') throw TemplateError(base::Format("has a }} without a {{; {}", kPlaceholders));
    if (end == std::string_view::npos) throw TemplateError(base::Format("has a {{ without a }}; {}", kPlaceholders));
    parts.push_back({PlaceholderNamed(text.substr(brace + 1, end - brace - 1)), {}});
    position = end + 1;
  }
  return parts;
}

void CheckLiteral(std::string_view literal) {
  if (literal.find('/') != std::string_view::npos) {
    throw TemplateError("contains a slash; a template names a file, not a path");
  }
  if (!model::IsValidUtf8(literal)) throw TemplateError("is not valid UTF-8");
  for (size_t position = 0; position < literal.size();) {
    const CharClass type = model::Classify(model::NextCodePoint(literal, &position));
    if (type == CharClass::kUnsafe || type == CharClass::kSpace) {
      throw TemplateError("contains a space, a control or an invisible character; remove it");
    }
  }
}

// Turns hostile text into a part of a file name.
class Sanitiser {
 public:
  explicit Sanitiser(bool keep_at) : keep_at_(keep_at) {}

  std::string Clean(std::string_view text) {
    const std::string valid = model::NormalizeNfc(model::ToValidUtf8(text.substr(0, kLongestInput)));
    for (size_t position = 0; position < valid.size();) {
      const char32_t code_point = model::NextCodePoint(valid, &position);
      const CharClass type = model::Classify(code_point);
      if (type == CharClass::kLetterOrDigit) {
        Append(code_point);
        marks_ = 0;
        after_letter_ = true;
      } else if (type == CharClass::kMark && after_letter_) {
        if (++marks_ <= kMostMarks) model::AppendUtf8(code_point, &out_);
      } else {
        if (IsJoiner(valid, position, code_point)) {
          Append(code_point);
        } else {
          gap_ = true;
        }
        after_letter_ = false;
      }
    }
    return std::move(out_);
  }

 private:
  // "_" anywhere; "." (and "@") only within a word.
  bool IsJoiner(std::string_view text, size_t next, char32_t code_point) const {
    if (code_point == '_') return true;
    if (code_point != '.' && !(keep_at_ && code_point == '@')) return false;
    return after_letter_ && next < text.size() &&
           model::Classify(model::NextCodePoint(text, &next)) == CharClass::kLetterOrDigit;
  }
  void Append(char32_t code_point) {
    if (gap_ && !out_.empty()) out_.push_back('-');
    gap_ = false;
    model::AppendUtf8(code_point, &out_);
  }

  bool keep_at_;
  std::string out_;
  bool gap_ = false;
  bool after_letter_ = false;
  int marks_ = 0;
};

std::string Cut(std::string_view text, size_t max_bytes) {
  std::string_view kept = model::TruncateUtf8(text, max_bytes);
  while (!kept.empty() && (kept.back() == '-' || kept.back() == '.' || kept.back() == '@')) kept.remove_suffix(1);
  return std::string(kept);
}

struct CivilTime {
  std::string date, time;
};

CivilTime ToCivil(int64_t seconds) {
  constexpr int64_t kFirst = -62135596800;  // Year 1.
  constexpr int64_t kLast = 253402300799;   // Year 9999.
  const std::chrono::sys_seconds when{std::chrono::seconds(std::clamp(seconds, kFirst, kLast))};
  const auto day = std::chrono::floor<std::chrono::days>(when);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss time(when - day);
  return {base::Format("{:04}-{:02}-{:02}", static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                       static_cast<unsigned>(date.day())),
          base::Format("{:02}{:02}{:02}", time.hours().count(), time.minutes().count(), time.seconds().count())};
}

// The values of one message's placeholders.
struct Values {
  std::string uid, from, subject;
  CivilTime civil;

  explicit Values(const model::MessageInfo& message) : uid(std::to_string(message.uid)) {
    const model::HeaderFields fields = model::ParseHeaderFields(message.header);
    int64_t when = message.internal_date;
    if (when == 0 && !model::ParseMailDate(fields.date, &when)) when = 0;
    civil = ToCivil(when);
    from = Sanitiser(true).Clean(fields.from_name);
    if (from.empty()) from = Sanitiser(true).Clean(fields.from_address);
    if (from.empty()) from = "unknown";
    subject = Sanitiser(false).Clean(fields.subject);
    if (subject.empty()) subject = "no-subject";
  }

  std::string_view Of(const Part& part) const {
    switch (part.placeholder) {
      case Placeholder::kNone: return part.text;
      case Placeholder::kUid: return uid;
      case Placeholder::kDate: return civil.date;
      case Placeholder::kTime: return civil.time;
      case Placeholder::kFrom: return from;
      case Placeholder::kSubject: return subject;
    }
    return {};
  }
};

bool IsVariable(Placeholder placeholder) {
  return placeholder == Placeholder::kFrom || placeholder == Placeholder::kSubject;
}

// Cuts sender and subject so that the whole fits: the sender first, the subject gets the rest.
void Fit(const std::vector<Part>& parts, Values* values) {
  size_t room = kMaxMessageName;
  size_t senders = 0;
  size_t subjects = 0;
  for (const Part& part : parts) {
    senders += part.placeholder == Placeholder::kFrom ? 1 : 0;
    subjects += part.placeholder == Placeholder::kSubject ? 1 : 0;
    if (!IsVariable(part.placeholder)) room -= values->Of(part).size();
  }
  if (senders + subjects == 0) return;
  values->from = Cut(values->from, std::min(kLongestFrom, room / (senders + subjects)));
  room -= senders * values->from.size();
  if (subjects > 0) values->subject = Cut(values->subject, room / subjects);
}

}  // namespace

NameTemplate::NameTemplate(std::string_view text) : text_(text) {
  bool has_uid = false;
  size_t fixed = 0;
  size_t variable = 0;
  const std::vector<Part> parts = SplitTemplate(text);
  for (const Part& part : parts) {
    CheckLiteral(part.text);
    has_uid = has_uid || part.placeholder == Placeholder::kUid;
    variable += IsVariable(part.placeholder) ? 1 : 0;
    fixed += part.placeholder == Placeholder::kNone ? part.text.size() : kLongestUid;
  }
  if (!has_uid) throw TemplateError(base::Format("needs {{uid}}, or names would not be unique; {}", kExample));
  if (!text.ends_with(kMessageExtension)) throw TemplateError(base::Format("must end in .eml; {}", kExample));
  if (text.starts_with('.') || text.starts_with('-')) throw TemplateError("must not begin with a dot or a dash");
  if (variable > kMostVariable) {
    throw TemplateError(base::Format("has {{from}} and {{subject}} more than {} times", kMostVariable));
  }
  if (fixed > kLongestLiteral) {
    throw TemplateError(base::Format(
        "is too long; at most {} bytes beside {{from}} and {{subject}} leave room for them", kLongestLiteral));
  }
}

std::string NameTemplate::Format(const model::MessageInfo& message) const {
  const std::vector<Part> parts = SplitTemplate(text_);
  Values values(message);
  Fit(parts, &values);
  std::string name;
  for (const Part& part : parts) name += values.Of(part);
  return name;
}

std::optional<model::Uid> ParseUidAlias(std::string_view name) {
  if (!name.ends_with(kMessageExtension)) return std::nullopt;
  const std::string_view digits = name.substr(0, name.size() - kMessageExtension.size());
  if (digits.empty() || digits.size() > kLongestUid || digits.front() < '1' || digits.front() > '9') {
    return std::nullopt;
  }
  model::Uid uid = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), uid);
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return uid;
}

bool IsPossibleName(std::string_view name) {
  if (name.empty() || name.size() > kMaxName || name.front() == '.' || name.front() == '-') return false;
  if (!model::IsValidUtf8(name)) return false;
  if (name.ends_with(kMessageExtension)) {
    for (size_t position = 0; position < name.size();) {
      const char32_t code_point = model::NextCodePoint(name, &position);
      const CharClass type = model::Classify(code_point);
      if (type == CharClass::kUnsafe || type == CharClass::kSpace || code_point == '/') return false;
    }
    return name.find_first_of("0123456789") != std::string_view::npos;
  }
  if (UnescapeFolderName(name)) return true;
  // Cut names and those with a told-apart sibling end in a hash.
  return name.size() >= kHashedEnd && name.substr(name.size() - kHashedEnd, 2) == "%~" &&
         name.substr(name.size() - kHashedEnd + 2).find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

}  // namespace mailboxfs::tree
