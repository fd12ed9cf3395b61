#include "mailboxfs/imap/mailbox_name.h"

#include <cstdint>

#include "mailboxfs/base/encoding.h"

namespace mailboxfs::imap {
namespace {

constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

bool IsDirect(uint32_t code_point) { return code_point >= 0x20 && code_point <= 0x7E; }
bool IsHighSurrogate(uint32_t unit) { return unit >= 0xD800 && unit <= 0xDBFF; }
bool IsLowSurrogate(uint32_t unit) { return unit >= 0xDC00 && unit <= 0xDFFF; }

void AppendUtf8(std::string& out, uint32_t code_point) {
  const auto put = [&out](uint32_t byte) { out.push_back(static_cast<char>(byte)); };
  const auto put_continuation = [&](unsigned shift) { put(0x80U | ((code_point >> shift) & 0x3FU)); };
  if (code_point < 0x80) {
    put(code_point);
  } else if (code_point < 0x800) {
    put(0xC0U | (code_point >> 6U));
    put_continuation(0);
  } else if (code_point < 0x10000) {
    put(0xE0U | (code_point >> 12U));
    put_continuation(6);
    put_continuation(0);
  } else {
    put(0xF0U | (code_point >> 18U));
    put_continuation(12);
    put_continuation(6);
    put_continuation(0);
  }
}

// Takes one code point off the front; nullopt: not valid UTF-8 (RFC 3629).
std::optional<uint32_t> TakeUtf8(std::string_view& text) {
  const auto lead = static_cast<uint8_t>(text.front());
  const size_t size = lead < 0x80 ? 1 : lead < 0xC2 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : lead < 0xF5 ? 4 : 0;
  if (size == 0 || text.size() < size) return std::nullopt;
  uint32_t code_point = size == 1 ? lead : lead & (0xFFU >> (size + 1));
  for (size_t i = 1; i < size; ++i) {
    const auto byte = static_cast<uint8_t>(text[i]);
    if ((byte & 0xC0U) != 0x80) return std::nullopt;
    code_point = (code_point << 6U) | (byte & 0x3FU);
  }
  const bool overlong = (size == 3 && code_point < 0x800) || (size == 4 && code_point < 0x10000);
  const bool surrogate = IsHighSurrogate(code_point) || IsLowSurrogate(code_point);
  if (overlong || surrogate || code_point > 0x10FFFF) return std::nullopt;
  text.remove_prefix(size);
  return code_point;
}

// UTF-16BE units in the modified Base64 of one shifted run.
class RunEncoder {
 public:
  explicit RunEncoder(std::string& out) : out_(out) { out_.push_back('&'); }
  void Add(uint32_t code_point) {
    if (code_point >= 0x10000) {
      AddUnit(0xD800U + ((code_point - 0x10000) >> 10U));
      AddUnit(0xDC00U + ((code_point - 0x10000) & 0x3FFU));
    } else {
      AddUnit(code_point);
    }
  }
  void Finish() {
    if (bits_ > 0) out_.push_back(kAlphabet[(group_ << (6 - bits_)) & 63U]);
    out_.push_back('-');
  }

 private:
  void AddUnit(uint32_t unit) {
    group_ = (group_ << 16U) | unit;
    for (bits_ += 16; bits_ >= 6; bits_ -= 6) out_.push_back(kAlphabet[(group_ >> (bits_ - 6)) & 63U]);
    group_ &= (1U << bits_) - 1;
  }
  std::string& out_;
  uint32_t group_ = 0;
  unsigned bits_ = 0;
};

// One shifted run, without '&' and '-'.
bool DecodeRun(std::string_view run, std::string& out) {
  uint32_t group = 0;
  unsigned bits = 0;
  uint32_t high = 0;
  for (const char c : run) {
    const size_t value = kAlphabet.find(c);
    if (value == std::string_view::npos) return false;
    group = (group << 6U) | static_cast<uint32_t>(value);
    bits += 6;
    if (bits < 16) continue;
    bits -= 16;
    const uint32_t unit = (group >> bits) & 0xFFFFU;
    group &= (1U << bits) - 1;
    if (IsLowSurrogate(unit) != (high != 0)) return false;
    if (IsHighSurrogate(unit)) {
      high = unit;
      continue;
    }
    if (high == 0 && IsDirect(unit)) return false;
    AppendUtf8(out, high == 0 ? unit : 0x10000 + ((high - 0xD800) << 10U) + (unit - 0xDC00));
    high = 0;
  }
  return high == 0 && bits < 6 && group == 0;
}

}  // namespace

std::optional<std::string> DecodeModifiedUtf7(std::string_view wire) {
  std::string out;
  bool after_run = false;
  for (size_t i = 0; i < wire.size(); ++i) {
    const char c = wire[i];
    if (!IsDirect(static_cast<uint8_t>(c))) return std::nullopt;
    if (c != '&') {
      out.push_back(c);
      after_run = false;
      continue;
    }
    const size_t end = wire.find('-', i);
    if (end == std::string_view::npos) return std::nullopt;
    const bool ampersand = end == i + 1;
    if (ampersand) {
      out.push_back('&');
    } else if (after_run || !DecodeRun(wire.substr(i + 1, end - i - 1), out)) {
      return std::nullopt;
    }
    after_run = !ampersand;
    i = end;
  }
  return out;
}

std::optional<std::string> EncodeModifiedUtf7(std::string_view utf8) {
  std::string out;
  std::optional<RunEncoder> run;
  while (!utf8.empty()) {
    const std::optional<uint32_t> code_point = TakeUtf8(utf8);
    if (!code_point) return std::nullopt;
    if (!IsDirect(*code_point)) {
      if (!run) run.emplace(out);
      run->Add(*code_point);
      continue;
    }
    if (run) run->Finish();
    run.reset();
    out.push_back(static_cast<char>(*code_point));
    if (*code_point == '&') out.push_back('-');
  }
  if (run) run->Finish();
  return out;
}

std::vector<NamePart> SplitMailboxName(std::string_view wire, std::optional<char> delimiter) {
  std::vector<NamePart> parts;
  while (true) {
    const size_t end = delimiter ? wire.find(*delimiter) : std::string_view::npos;
    const std::string_view part = wire.substr(0, end);
    std::optional<std::string> decoded = DecodeModifiedUtf7(part);
    parts.push_back({decoded ? std::move(*decoded) : std::string(part), !decoded});
    if (end == std::string_view::npos) return parts;
    wire.remove_prefix(end + 1);
  }
}

bool IsInbox(std::string_view wire) { return base::EqualsIgnoreCase(wire, "INBOX"); }

}  // namespace mailboxfs::imap
