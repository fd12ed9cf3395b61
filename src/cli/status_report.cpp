#include "status_report.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "mailboxfs/base/error.h"
#include "mailboxfs/base/log.h"

namespace mailboxfs::cli {
namespace {

using json::Value;

Value FolderReport(const tree::FolderStatus& folder) {
  Value report = Value::MakeObject();
  report.Set("path", folder.path);
  report.Set("messages", folder.messages);
  report.Set("listed", folder.listed);
  report.Set("listed_at", folder.listed_at);
  report.Set("refreshing", folder.refreshing);
  if (folder.refreshing) {
    report.Set("progress_done", folder.progress_done);
    report.Set("progress_total", folder.progress_total);
  }
  if (!folder.last_error.empty()) report.Set("error", folder.last_error);
  return report;
}

Value FailedReport(const tree::FailedMessageStatus& message) {
  Value report = Value::MakeObject();
  report.Set("path", message.path);
  report.Set("uid", uint64_t{message.uid});
  report.Set("kind", message.kind);
  report.Set("error", message.error);
  report.Set("tries", message.tries);
  report.Set("failed_at", message.failed_at);
  report.Set("retry_at", message.retry_at);
  return report;
}

Value MailboxReport(const tree::MailboxStatus& mailbox) {
  Value report = Value::MakeObject();
  report.Set("name", mailbox.name);
  report.Set("key", mailbox.key);
  report.Set("state", mailbox.source.state);
  report.Set("connections", mailbox.source.connections);
  report.Set("queued", uint64_t{mailbox.source.queued});
  report.Set("bodies_fetched", mailbox.source.bodies_fetched);
  report.Set("bytes_received", mailbox.source.bytes_received);
  if (!mailbox.source.server.empty()) report.Set("server", mailbox.source.server);
  if (!mailbox.source.profile.empty()) {
    report.Set("profile", mailbox.source.profile);
    report.Set("sizes", mailbox.source.exact_sizes ? "exact" : "estimate");
  }
  Value hidden{Value::Array{}};
  for (const std::string& path : mailbox.hidden) hidden.Append(path);
  report.Set("hidden_folders", std::move(hidden));
  const std::string& error = mailbox.last_error.empty() ? mailbox.source.last_error : mailbox.last_error;
  if (!error.empty()) report.Set("error", error);
  if (!mailbox.source.last_error.empty()) {
    report.Set("error_kind", base::ErrorKindName(mailbox.source.last_error_kind));
    report.Set("retry_in_seconds", mailbox.source.retry_in_seconds);
  }
  Value failed{Value::Array{}};
  for (const tree::FailedMessageStatus& message : mailbox.failed) failed.Append(FailedReport(message));
  report.Set("failed_messages", std::move(failed));
  report.Set("failed_count", mailbox.failed_count);
  Value folders{Value::Array{}};
  for (const tree::FolderStatus& folder : mailbox.folders) folders.Append(FolderReport(folder));
  report.Set("folders", std::move(folders));
  return report;
}

uint64_t Number(const Value* object, std::string_view key) {
  return object == nullptr ? 0 : static_cast<uint64_t>(std::max<int64_t>(object->IntAt(key).value_or(0), 0));
}

bool Flag(const Value* object, std::string_view key) {
  const Value* member = object->Find(key);
  return member != nullptr && member->AsBool() != nullptr && *member->AsBool();
}

void FormatFolder(const Value& folder, std::string* out) {
  std::string state = base::CountOf(Number(&folder, "messages"), "message");
  if (Flag(&folder, "refreshing")) {
    const uint64_t total = Number(&folder, "progress_total");
    state += total == 0 ? std::string(", refreshing")
                        : base::Format(", listing {} of {}", Number(&folder, "progress_done"), total);
  }
  if (!Flag(&folder, "listed")) state += ", not listed completely yet";
  *out += base::Format("    {}: {}\n", folder.TextAt("path"), state);
  if (const std::string_view error = folder.TextAt("error"); !error.empty()) {
    *out += base::Format("      error: {}\n", error);
  }
}

void FormatHidden(const Value& mailbox, std::string* out) {
  std::string names;
  for (const Value& path : mailbox.ItemsAt("hidden_folders")) {
    if (path.AsString() != nullptr) names += (names.empty() ? "" : ", ") + *path.AsString();
  }
  if (!names.empty()) *out += base::Format("    folders that are not shown: {}\n", names);
}

void FormatAccount(std::string_view name, const Value& account, std::string* out) {
  if (const uint64_t left = Number(&account, "paused_for_seconds"); left > 0) {
    *out += base::Format("account {}: pausing for {} s, as the server asked: {}\n", name, left,
                         account.TextAt("pause_reason"));
  }
  if (const std::string_view error = account.TextAt("unreachable"); !error.empty()) {
    *out += base::Format("account {}: the server cannot be reached; tried again in the background: {}\n", name, error);
  }
  if (const uint64_t volume = Number(&account, "daily_volume"); volume > 0) {
    *out += base::Format("account {}: {} of {} received today (UTC)\n", name,
                         FormatBytes(Number(&account, "received_today")), FormatBytes(volume));
  }
  const uint64_t wrong = Number(&account, "sizes_wrong");
  if (wrong > 0) {
    *out += base::Format("account {}: the server only estimates sizes, {} of {} were wrong\n", name, wrong,
                         Number(&account, "sizes_seen"));
  }
}

// So many are named one by one; --json has more.
constexpr size_t kFailedNamed = 20;

void FormatFailed(const Value& mailbox, std::string* out) {
  const uint64_t count = Number(&mailbox, "failed_count");
  if (count == 0) return;
  *out += base::Format("    {} cannot be fetched; reading gives EIO:\n", base::CountOf(count, "message"));
  size_t named = 0;
  for (const Value& message : mailbox.ItemsAt("failed_messages")) {
    if (named++ == kFailedNamed) break;
    *out += base::Format("      {} (UID {}): {}, tried {} times\n", message.TextAt("path"), Number(&message, "uid"),
                         message.TextAt("kind"), Number(&message, "tries"));
  }
  if (count > kFailedNamed) *out += base::Format("      and {} more: see --json\n", count - kFailedNamed);
}

void FormatMailbox(const Value& mailbox, std::string* out) {
  *out += base::Format("  {}: {}, {}, {} queued, {} fetched, {} received\n", mailbox.TextAt("name"),
                       mailbox.TextAt("state"), base::CountOf(Number(&mailbox, "connections"), "connection"),
                       Number(&mailbox, "queued"), base::CountOf(Number(&mailbox, "bodies_fetched"), "body"),
                       FormatBytes(Number(&mailbox, "bytes_received")));
  if (const std::string_view error = mailbox.TextAt("error"); !error.empty()) {
    *out += base::Format("    error: {}", error);
    if (const uint64_t wait = Number(&mailbox, "retry_in_seconds"); wait > 0) {
      *out += base::Format(" (next try in {} s)", wait);
    }
    *out += "\n";
  }
  for (const Value& folder : mailbox.ItemsAt("folders")) FormatFolder(folder, out);
  FormatHidden(mailbox, out);
  FormatFailed(mailbox, out);
}

}  // namespace

std::string FormatBytes(uint64_t bytes) {
  constexpr std::array<std::string_view, 5> kUnits = {"B", "KiB", "MiB", "GiB", "TiB"};
  auto value = static_cast<double>(bytes);
  size_t unit = 0;
  while (value >= 1024 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  return unit == 0 ? base::Format("{} B", bytes) : base::Format("{:.1f} {}", value, kUnits[unit]);
}

void AddTreeStatus(const tree::TreeStatus& tree, Value* status) {
  status->Set("messages", tree.messages);
  status->Set("downloads", tree.downloads);
  status->Set("waiting", tree.waiting);
  Value cache = Value::MakeObject();
  cache.Set("bytes", tree.cache.bytes);
  cache.Set("limit", tree.cache.limit);
  cache.Set("bodies", tree.cache.bodies);
  cache.Set("hits", tree.cache.hits);
  cache.Set("misses", tree.cache.misses);
  cache.Set("evicted", tree.cache.evicted);
  cache.Set("corrupt", tree.cache.corrupt);
  status->Set("cache", std::move(cache));
  Value mailboxes{Value::Array{}};
  for (const tree::MailboxStatus& mailbox : tree.mailboxes) mailboxes.Append(MailboxReport(mailbox));
  status->Set("mailboxes", std::move(mailboxes));
}

void AddSessionStatus(const fuse::SessionStatus& session, Value* status) {
  Value requests = Value::MakeObject();
  requests.Set("waiting", session.waiting);
  requests.Set("interrupted", session.interrupted);
  requests.Set("timed_out", session.timed_out);
  Value eio{Value::Array{}};
  for (const uint64_t count : session.eio_by_site) eio.Append(count);
  requests.Set("eio_by_site", std::move(eio));
  status->Set("requests", std::move(requests));
}

Value TokenReport(const oauth::TokenStatus& token) {
  Value report = Value::MakeObject();
  report.Set("valid", token.valid);
  report.Set("expires_in_seconds", token.expires_in_seconds);
  report.Set("requests", token.requests);
  if (!token.last_error.empty()) report.Set("error", token.last_error);
  return report;
}

std::string FormatStatus(const Value& status) {
  std::string out = base::Format("mailboxfs {} at {}, pid {}, up {} s\nconfiguration: {}\n", status.TextAt("version"),
                                 status.TextAt("mountpoint"), Number(&status, "pid"), Number(&status, "uptime_seconds"),
                                 status.TextAt("config"));
  const Value* cache = status.Find("cache");
  out +=
      base::Format("cache: {} of {}, {} bodies, {} hits, {} misses, {} evicted, {} corrupt\n",
                   FormatBytes(Number(cache, "bytes")), FormatBytes(Number(cache, "limit")), Number(cache, "bodies"),
                   Number(cache, "hits"), Number(cache, "misses"), Number(cache, "evicted"), Number(cache, "corrupt"));
  const Value* connections = status.Find("connections");
  const Value* requests = status.Find("requests");
  out += base::Format("connections: {} of {}; requests waiting: {}, timed out: {}, interrupted: {}; messages: {}\n",
                      Number(connections, "in_use"), Number(connections, "limit"), Number(requests, "waiting"),
                      Number(requests, "timed_out"), Number(requests, "interrupted"), Number(&status, "messages"));
  if (const Value* tokens = status.Find("tokens"); tokens != nullptr && tokens->AsObject() != nullptr) {
    const Value::Object& object = *tokens->AsObject();
    for (size_t i = 0; i < object.keys.size(); ++i) {
      const Value& token = object.values[i];
      out += Flag(&token, "valid")
                 ? base::Format("token of {}: valid for {} s\n", object.keys[i], Number(&token, "expires_in_seconds"))
                 : base::Format("token of {}: none\n", object.keys[i]);
      if (const std::string_view error = token.TextAt("error"); !error.empty()) {
        out += base::Format("  error: {}\n", error);
      }
    }
  }
  if (const Value* accounts = status.Find("accounts"); accounts != nullptr && accounts->AsObject() != nullptr) {
    const Value::Object& object = *accounts->AsObject();
    for (size_t i = 0; i < object.keys.size(); ++i) FormatAccount(object.keys[i], object.values[i], &out);
  }
  out += "mailboxes:\n";
  for (const Value& mailbox : status.ItemsAt("mailboxes")) FormatMailbox(mailbox, &out);
  return out;
}

}  // namespace mailboxfs::cli
