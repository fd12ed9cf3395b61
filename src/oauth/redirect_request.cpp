#include "redirect_request.h"

#include <algorithm>

#include "mailboxfs/base/encoding.h"
#include "mailboxfs/base/log.h"

namespace mailboxfs::oauth {
namespace {

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// Of application/x-www-form-urlencoded. nullopt: it is malformed.
std::optional<base::Secret> PercentDecode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+') {
      out += ' ';
    } else if (text[i] != '%') {
      out += text[i];
    } else {
      const int high = i + 2 < text.size() ? HexDigit(text[i + 1]) : -1;
      const int low = i + 2 < text.size() ? HexDigit(text[i + 2]) : -1;
      if (high < 0 || low < 0) return std::nullopt;
      out += static_cast<char>(high * 16 + low);
      i += 2;
    }
  }
  return base::Secret(std::move(out));
}

// The fields of the query that matter.
struct RedirectQuery {
  std::optional<base::Secret> code, state, error, description;
};

// False: malformed, or one of them is there twice.
bool ParseQuery(std::string_view text, RedirectQuery& query) {
  while (!text.empty()) {
    const std::string_view field = text.substr(0, text.find('&'));
    text.remove_prefix(std::min(field.size() + 1, text.size()));
    const size_t equals = field.find('=');
    const std::string_view name = field.substr(0, equals);
    std::optional<base::Secret>* place = nullptr;
    if (name == "code") place = &query.code;
    if (name == "state") place = &query.state;
    if (name == "error") place = &query.error;
    if (name == "error_description") place = &query.description;
    if (place == nullptr) continue;
    if (*place || equals == std::string_view::npos) return false;
    *place = PercentDecode(field.substr(equals + 1));
    if (!*place) return false;
  }
  return true;
}

std::string HtmlEscape(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      default: out += c;
    }
  }
  return out;
}

std::string Page(std::string_view status, std::string_view title, std::string_view text) {
  const std::string body = base::Format(
      "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>mailboxfs</title></head>\n"
      "<body><h1>{}</h1><p>{}</p></body></html>\n",
      HtmlEscape(title), HtmlEscape(text));
  return base::Format(
      "HTTP/1.1 {}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\nCache-Control: no-store\r\n"
      "Referrer-Policy: no-referrer\r\nContent-Security-Policy: default-src 'none'\r\nConnection: close\r\n\r\n{}",
      status, body.size(), body);
}

}  // namespace

std::variant<RedirectAnswer, NoRedirect> ParseRedirect(std::string_view head, const base::Secret& state) {
  const std::string_view line = head.substr(0, head.find("\r\n"));
  const size_t first = line.find(' ');
  const size_t last = line.rfind(' ');
  if (first == std::string_view::npos || last == first || line.substr(last + 1, 7) != "HTTP/1.") return NoRedirect{400};
  if (line.substr(0, first) != "GET") return NoRedirect{405};
  const std::string_view target = line.substr(first + 1, last - first - 1);
  const size_t question = target.find('?');
  if (target.substr(0, question) != "/") return NoRedirect{404};
  RedirectQuery query;
  const bool parsed = question != std::string_view::npos && ParseQuery(target.substr(question + 1), query);
  // Without our state it is the answer to somebody else's question, an error too.
  if (!parsed || !query.state || !(*query.state == state)) return NoRedirect{400};
  RedirectAnswer answer;
  if (query.error) {
    answer.error = base::Printable(query.error->Reveal(), 100);
    if (query.description) answer.description = base::Printable(query.description->Reveal(), 500);
  } else if (query.code && !query.code->empty()) {
    answer.code = std::move(*query.code);
  }
  if (answer.code.empty() && answer.error.empty()) return NoRedirect{400};
  return answer;
}

std::string RedirectPage(const std::variant<RedirectAnswer, NoRedirect>& answer) {
  if (const auto* none = std::get_if<NoRedirect>(&answer)) {
    if (none->status == 404) return Page("404 Not Found", "Not found", "There is nothing here.");
    if (none->status == 405) return Page("405 Method Not Allowed", "Not allowed", "Only GET is answered here.");
    return Page("400 Bad Request", "This is not the login that mailboxfs waits for",
                "Open the address that mailboxfs shows, and log in there.");
  }
  const auto& redirect = std::get<RedirectAnswer>(answer);
  if (redirect.error.empty()) {
    return Page("200 OK", "mailboxfs has your answer", "You can close this window and go back to the terminal.");
  }
  return Page("200 OK", "The login failed", base::Format("{}: {}", redirect.error, redirect.description));
}

}  // namespace mailboxfs::oauth
