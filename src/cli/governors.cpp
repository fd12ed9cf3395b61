#include "governors.h"

#include <algorithm>
#include <chrono>

#include "mailboxfs/base/error.h"
#include "mailboxfs/base/log.h"
#include "random.h"

namespace mailboxfs::cli {

using mail::Governor;

std::string FormatMemory(const Governor::Memory& memory) {
  json::Value value = json::Value::MakeObject();
  value.Set("paused_until", memory.paused_until);
  value.Set("pause_reason", memory.pause_reason);
  value.Set("day", memory.day);
  value.Set("day_octets", memory.day_octets);
  value.Set("sizes_seen", memory.sizes_seen);
  value.Set("sizes_wrong", memory.sizes_wrong);
  return json::Dump(value);
}

Governor::Memory ParseMemory(const std::string& text) {
  const json::Value value = json::ParseLeniently(text);
  const auto number = [&](std::string_view key) { return std::max<int64_t>(0, value.IntAt(key).value_or(0)); };
  Governor::Memory memory;
  memory.paused_until = number("paused_until");
  memory.pause_reason = value.TextAt("pause_reason");
  memory.day = number("day");
  memory.day_octets = static_cast<uint64_t>(number("day_octets"));
  memory.sizes_seen = static_cast<uint64_t>(number("sizes_seen"));
  memory.sizes_wrong = static_cast<uint64_t>(number("sizes_wrong"));
  return memory;
}

std::shared_ptr<Governor> Governors::For(const config::Account& account) {
  base::MutexLock lock(mutex_);
  std::shared_ptr<Governor>& governor = all_[account.name];
  if (governor) return governor;
  Governor::Memory memory;
  std::function<void(const Governor::Memory&)> save;
  if (index_ != nullptr) {
    const std::string key = "account/" + account.name;
    memory = ParseMemory(index_->GetNote(key));
    save = [index = index_, key](const Governor::Memory& changed) {
      try {
        index->SetNote(key, FormatMemory(changed));
      } catch (const base::Error& error) {
        base::LogDebug("what the server of {} asked for is forgotten at the end of the mount: {}", key, error.what());
      }
    };
  }
  governor = std::make_shared<Governor>(base::Clock::System(), &RandomUnit, std::move(memory), std::move(save));
  // Else it would be known at the first login only.
  governor->SetDailyLimit(account.imap.profile.daily_octets.value_or(0));
  return governor;
}

void Governors::Flush() {
  base::MutexLock lock(mutex_);
  const auto all = all_;
  lock.Unlock();
  for (const auto& [name, governor] : all) governor->Flush();
}

json::Value Governors::Report() const {
  base::MutexLock lock(mutex_);
  const auto all = all_;
  lock.Unlock();
  json::Value report = json::Value::MakeObject();
  for (const auto& [name, governor] : all) {
    const Governor::Memory memory = governor->memory();
    json::Value account = json::Value::MakeObject();
    account.Set("paused_for_seconds", std::chrono::ceil<std::chrono::seconds>(governor->PauseLeft()).count());
    if (const base::Status reason = governor->pause_reason()) account.Set("pause_reason", reason->what());
    if (const base::Status unreachable = governor->unreachable()) account.Set("unreachable", unreachable->what());
    account.Set("received_today", governor->ReceivedToday());
    if (governor->daily_limit() > 0) account.Set("daily_volume", governor->daily_limit());
    account.Set("sizes_seen", memory.sizes_seen);
    account.Set("sizes_wrong", memory.sizes_wrong);
    report.Set(name, std::move(account));
  }
  return report;
}

}  // namespace mailboxfs::cli
