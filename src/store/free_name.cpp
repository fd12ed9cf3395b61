#include "free_name.h"

#include <algorithm>

#include "mailboxfs/base/log.h"
#include "mailboxfs/model/text.h"

namespace mailboxfs::store {
namespace {

constexpr size_t kMaxNameBytes = 255;
// What is longer than this after the last dot is not an extension.
constexpr size_t kMaxExtensionBytes = 16;
constexpr size_t kMaxUidDigits = 10;

// The length of the ".<uid>.eml" or ".<extension>" at the end; 0 if there is none.
size_t TailLength(std::string_view name, NodeKind kind) {
  if (kind != NodeKind::kMessage) return 0;
  const size_t dot = name.rfind('.');
  if (dot == std::string_view::npos || dot == 0 || name.size() - dot > kMaxExtensionBytes) return 0;
  const size_t uid_dot = name.rfind('.', dot - 1);
  if (name.substr(dot) == ".eml" && uid_dot != std::string_view::npos && uid_dot != 0 && uid_dot + 1 < dot &&
      dot - uid_dot - 1 <= kMaxUidDigits) {
    const std::string_view uid = name.substr(uid_dot + 1, dot - uid_dot - 1);
    if (uid.find_first_not_of("0123456789") == std::string_view::npos) return name.size() - uid_dot;
  }
  return name.size() - dot;
}

}  // namespace

std::string NumberedName(std::string_view name, NodeKind kind, uint64_t number) {
  const size_t tail_length = TailLength(name, kind);
  const std::string_view tail = name.substr(name.size() - tail_length);
  const std::string suffix = base::Format("~{}", number);
  const size_t room = kMaxNameBytes - std::min(kMaxNameBytes, suffix.size() + tail_length);
  const std::string_view stem = model::TruncateUtf8(name.substr(0, name.size() - tail_length), room);
  return base::Format("{}{}{}", stem, suffix, tail);
}

}  // namespace mailboxfs::store
