#include "charset.h"

#include <iconv.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "mailboxfs/base/encoding.h"
#include "mailboxfs/model/text.h"

namespace mailboxfs::model {
namespace {

constexpr std::string_view kReplacementUtf8 = "\xEF\xBF\xBD";

// Windows-1252, 0x80 to 0x9F; 0: not assigned.
constexpr std::array<char16_t, 32> kWindows1252 = {0x20AC, 0,      0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021,
                                                   0x02C6, 0x2030, 0x0160, 0x2039, 0x0152, 0,      0x017D, 0,
                                                   0,      0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014,
                                                   0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0,      0x017E, 0x0178};

struct Alias {
  std::string_view mail;
  std::string_view iconv;
};

// What mail calls a charset, and the converter to use: the superset that senders mean.
constexpr std::array<Alias, 25> kAliases = {{
    {"ascii", "us-ascii"},
    {"ansi_x3.4-1968", "us-ascii"},
    {"utf8", "utf-8"},
    {"latin1", "windows-1252"},
    {"iso-8859-1", "windows-1252"},
    {"iso-8859-8-i", "iso-8859-8"},
    {"iso-8859-9", "windows-1254"},
    {"iso-8859-11", "cp874"},
    {"tis-620", "cp874"},
    {"windows-874", "cp874"},
    {"gb2312", "gb18030"},
    {"gbk", "gb18030"},
    {"cp936", "gb18030"},
    {"big5", "big5-hkscs"},
    {"shift_jis", "cp932"},
    {"sjis", "cp932"},
    {"x-sjis", "cp932"},
    {"windows-31j", "cp932"},
    {"euc-kr", "cp949"},
    {"ks_c_5601-1987", "cp949"},
    {"ksc5601", "cp949"},
    {"windows-949", "cp949"},
    {"x-mac-roman", "macintosh"},
    {"unicode-1-1-utf-7", "utf-7"},
    {"cp1252", "windows-1252"},
}};

constexpr std::array<std::string_view, 43> kConverters = {
    "iso-8859-2",   "iso-8859-3",   "iso-8859-4",   "iso-8859-5",   "iso-8859-6",   "iso-8859-7",   "iso-8859-8",
    "iso-8859-10",  "iso-8859-13",  "iso-8859-14",  "iso-8859-15",  "iso-8859-16",  "windows-1250", "windows-1251",
    "windows-1253", "windows-1254", "windows-1255", "windows-1256", "windows-1257", "windows-1258", "koi8-r",
    "koi8-u",       "cp437",        "cp850",        "cp852",        "cp866",        "cp874",        "macintosh",
    "gb18030",      "big5-hkscs",   "cp932",        "cp949",        "euc-jp",       "iso-2022-jp",  "iso-2022-jp-1",
    "iso-2022-kr",  "euc-tw",       "utf-7",        "utf-16",       "utf-16be",     "utf-16le",     "utf-32be",
    "utf-32le"};

class Converter {
 public:
  explicit Converter(std::string_view from) : handle_(iconv_open("UTF-8", std::string(from).c_str())) {}
  ~Converter() {
    if (valid()) iconv_close(handle_);
  }
  Converter(const Converter&) = delete;
  Converter& operator=(const Converter&) = delete;

  // NOLINTNEXTLINE(performance-no-int-to-ptr): iconv_open(3) has it so.
  bool valid() const { return handle_ != reinterpret_cast<iconv_t>(-1); }

  std::string Convert(std::string_view bytes) {
    std::string out;
    char* next = const_cast<char*>(bytes.data());
    size_t left = bytes.size();
    while (left > 0) {
      const size_t result = Step(&next, &left, &out);
      if (result != static_cast<size_t>(-1) || errno == E2BIG) continue;
      out += kReplacementUtf8;
      if (errno == EINVAL) break;
      ++next;
      --left;
    }
    Step(nullptr, nullptr, &out);
    return out;
  }

 private:
  size_t Step(char** next, size_t* left, std::string* out) {
    std::array<char, 1024> buffer;
    char* end = buffer.data();
    size_t room = buffer.size();
    const size_t result = iconv(handle_, next, left, &end, &room);
    const int error = errno;
    out->append(buffer.data(), buffer.size() - room);
    errno = error;
    return result;
  }

  iconv_t handle_;
};

std::string Windows1252ToUtf8(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80 || byte >= 0xA0) {
      AppendUtf8(byte, &out);
    } else {
      const char16_t assigned = kWindows1252[byte - 0x80U];
      AppendUtf8(assigned != 0 ? assigned : U'\uFFFD', &out);
    }
  }
  return out;
}

// "" if it is not known.
std::string ConverterName(std::string_view charset) {
  std::string name = base::AsciiLower(charset);
  if (name.starts_with("cs")) name.erase(0, 2);
  for (const Alias& alias : kAliases) {
    if (name == alias.mail) {
      name = alias.iconv;
      break;
    }
  }
  if (name.starts_with("cp125")) name.replace(0, 2, "windows-");
  if (name == "utf-8" || name == "us-ascii" || name == "windows-1252") return name;
  const bool known = std::find(kConverters.begin(), kConverters.end(), name) != kConverters.end();
  return known ? name : std::string();
}

}  // namespace

std::string GuessToUtf8(std::string_view bytes) {
  return IsValidUtf8(bytes) ? std::string(bytes) : Windows1252ToUtf8(bytes);
}

std::string CharsetToUtf8(std::string_view charset, std::string_view bytes) {
  const std::string name = ConverterName(charset);
  if (name == "utf-8") return ToValidUtf8(bytes);
  if (name == "windows-1252") return Windows1252ToUtf8(bytes);
  if (name.empty() || name == "us-ascii") return GuessToUtf8(bytes);
  Converter converter(name);
  return converter.valid() ? ToValidUtf8(converter.Convert(bytes)) : GuessToUtf8(bytes);
}

}  // namespace mailboxfs::model
