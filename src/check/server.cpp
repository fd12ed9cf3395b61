#include "server.h"

#include <algorithm>
#include <iterator>
#include <string_view>

#include "account_facts.h"
#include "mailboxfs/base/encoding.h"
#include "mailboxfs/base/log.h"

namespace mailboxfs::check {
namespace {

using config::Vendor;
using mail::ProbeReport;
using Sample = ProbeReport::Sample;

// Connections that a server allows at once.
struct Limit {
  std::string_view product;
  unsigned connections;
  std::string_view source;
};
constexpr Limit kLimits[] = {
    {"Microsoft Exchange", 16, "about 16 per mailbox"},
    {"Gmail", 15, "15 per mailbox"},
    {"Dovecot", 10, "10 per user and address, unless mail_max_userip_connections says otherwise"},
};

// What is worth knowing and nobody's fault. `{each}` stands for the mailboxes, in a pipeline.
struct Note {
  std::string_view product;
  std::string_view id;
  std::string_view evidence;
  std::string_view advice;
};
constexpr Note kNotes[] = {
    {"Microsoft Exchange", "read-receipts",
     "Exchange may send a read receipt when a message that asks for one is downloaded",
     "To prevent that (in Exchange Online PowerShell):\n"
     "    {connect}\n"
     "    {each} | ForEach-Object { Set-CASMailbox -Identity $_ -ImapUseProtocolDefaults $false "
     "-ImapSuppressReadReceipt $true }"},
    {"Microsoft Exchange", "calendar-notices",
     "Exchange shows meeting requests as links to Outlook on the web, unless it is told to send the invitation",
     "To get invitations as they are, in iCalendar form:\n"
     "    {connect}\n"
     "    {each} | ForEach-Object { Set-CASMailbox -Identity $_ -ImapUseProtocolDefaults $false "
     "-ImapForceICalForCalendarRetrievalOption $true }"},
    {"Microsoft Exchange", "invisible-folders",
     "over IMAP, Exchange shows no folders with a slash in their name, no online archive and no public folders",
     "What is in there is not in the mount, and in no backup of it. Folders can be renamed."},
    {"Gmail", "labels", "Gmail shows each label as a folder; what has no label is only in [Gmail]/All Mail",
     "All Mail is not shown, as it repeats the other folders. For a backup that is to have archived messages, too: "
     "\"folders\": {\"include\": [\"[Gmail]/All Mail\"]} in the account."},
    {"Gmail", "daily-volume", "Gmail gives 2500 MB per day over IMAP, and locks the account out after that",
     "Copy a large mailbox in several days. What was read once stays in the cache as long as there is room."},
    {"Yahoo", "folder-limit", "Yahoo shows the newest 10,000 messages of a folder",
     "Older messages are not in the mount. Move them to folders of their own."},
};

std::string_view ProductOf(const ProbeReport& probe, const config::Account& account) {
  if (probe.profile != nullptr && !probe.profile->title.empty()) return probe.profile->title;
  return account.vendor == Vendor::kGoogle ? "Gmail" : account.vendor == Vendor::kYahoo ? "Yahoo" : "";
}

// "'a@example.org','b@example.org'", for a pipeline.
std::string Each(const std::vector<const config::MailboxConfig*>& mailboxes) {
  constexpr size_t kShown = 20;
  std::string list;
  for (size_t i = 0; i < mailboxes.size() && i < kShown; ++i) {
    const std::optional<std::string> quoted = QuoteForPowerShell(mailboxes[i]->address);
    if (quoted) list += (list.empty() ? "" : ",") + *quoted;
  }
  return list.empty() ? "'<MAILBOX>','<MAILBOX>'" : list;
}

std::string Replace(std::string_view text, std::string_view what, std::string_view with) {
  std::string result(text);
  const size_t at = result.find(what);
  return at == std::string::npos ? result : result.replace(at, what.size(), with);
}

std::string Printed(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : " ") + base::Printable(word, 60);
  return base::Printable(text, 1000);
}

bool Has(const ProbeReport& probe, std::string_view capability) {
  return std::find(probe.capabilities.begin(), probe.capabilities.end(), capability) != probe.capabilities.end();
}

bool IsExchange(const ProbeReport& probe) { return probe.profile != nullptr && probe.profile->name == "exchange"; }

void CheckCapabilities(Subject& subject, const ProbeReport& probe) {
  std::string advice;
  if (IsExchange(probe) && Has(probe, "IMAP4REV2")) {
    advice = "Exchange has begun to offer IMAP4rev2, with faults. mailboxfs does not use it.";
  }
  std::string missing;
  for (const auto& [capability, name] : {std::pair<std::string_view, std::string_view>("CONDSTORE", "CONDSTORE"),
                                         {"QRESYNC", "QRESYNC"},
                                         {"COMPRESS=DEFLATE", "COMPRESS"},
                                         {"IDLE", "IDLE"}}) {
    if (!Has(probe, capability)) missing += (missing.empty() ? "" : ", ") + std::string(name);
  }
  const std::string list = Printed(probe.capabilities);
  const std::string evidence = missing.empty() ? list : base::Format("{}; without {}", list, missing);
  if (advice.empty() && missing.empty()) {
    subject.Ok("capabilities", evidence);
  } else {
    subject.Info("capabilities", evidence, advice);
  }
}

void CheckConnections(const Context& context, Subject& subject, const config::Account& account,
                      std::string_view product) {
  const unsigned each = account.imap.connections;
  const std::string pool =
      base::Format("up to {} to each of {}, at most {} in all", base::CountOf(each, "connection"),
                   base::CountOf(account.mailboxes.size(), "mailbox"), context.config.max_connections);
  const auto* limit = std::find_if(std::begin(kLimits), std::end(kLimits),
                                   [&](const Limit& entry) { return entry.product == product; });
  if (limit == std::end(kLimits)) return subject.Ok("connections", pool);
  const std::string evidence = base::Format("{}; {} allows {}", pool, product, limit->source);
  const std::string advice = base::Format(
      "Other programs that read the same mailboxes need connections, too. Lower \"imap\": {{\"connections\"}} to {}.",
      limit->connections / 4);
  if (each >= limit->connections) {
    subject.Warn("connections", evidence, advice, "connections-many");
  } else if (each > limit->connections / 2) {
    subject.Info("connections", evidence, advice);
  } else {
    subject.Ok("connections", evidence);
  }
}

void CheckSizes(Subject& subject, const std::vector<Sample>& samples) {
  size_t read = 0;
  size_t wrong = 0;
  std::string example;
  for (const Sample& sample : samples) {
    if (!sample.size || !sample.estimate) continue;
    ++read;
    if (*sample.size == *sample.estimate) continue;
    ++wrong;
    if (example.empty()) {
      example = base::Format("UID {}: {} told, {} real", sample.uid, *sample.estimate, *sample.size);
    }
  }
  if (read == 0) return;
  if (wrong == 0) return subject.Ok("sizes", base::Format("the size of {} is exact", base::CountOf(read, "message")));
  subject.Info("sizes", base::Format("the server only estimates sizes: {} of {} are wrong ({})", wrong, read, example),
               "Files show the exact size from their first opening on.");
}

void CheckMessages(Subject& subject, const ProbeReport& probe) {
  if (probe.inbox_messages == 0 && probe.cut_short.empty()) return subject.Ok("message", "INBOX is empty");
  std::string bad;
  std::string reason;
  size_t read = 0;
  for (const Sample& sample : probe.samples) {
    if (sample.problem.empty()) {
      ++read;
    } else {
      bad += (bad.empty() ? "" : ", ") + std::to_string(sample.uid);
      if (reason.empty()) reason = sample.problem;
    }
  }
  const std::string evidence = base::Format("INBOX has {}; {} of {} were read",
                                            base::CountOf(probe.inbox_messages, "message"), read, probe.samples.size());
  if (bad.empty() && !probe.cut_short.empty()) {
    return subject.Warn(
        "message", base::Format("{}; then it was ended: {}", evidence, probe.cut_short),
        "Check again. If it stays: the server or the network is slow, or the server tells wrong sizes. Mounting "
        "works, but reading mail may take long.",
        "message-cut-short");
  }
  if (bad.empty()) {
    if (probe.samples.empty()) return subject.Ok("message", evidence + ": the newest are all large");
    return subject.Ok("message", evidence);
  }
  subject.Warn("message", base::Format("{}; not UID {}: {}", evidence, bad, reason),
               "The server cannot deliver these. Reading them gives EIO (\"Input/output error\"); the others are not "
               "concerned. At times they can be read again when they were moved to another folder and back.",
               "message-unfetchable");
}

void CheckFolders(Subject& subject, const ProbeReport& probe) {
  const std::string count = base::CountOf(probe.folders, "folder");
  if (probe.hidden.empty()) return subject.Ok("folders", count);
  constexpr size_t kShown = 10;
  std::string names;
  for (size_t i = 0; i < probe.hidden.size() && i < kShown; ++i) names += (i == 0 ? "" : ", ") + probe.hidden[i];
  if (probe.hidden.size() > kShown) names += ", ...";
  subject.Info(
      "folders", base::Format("{}; {} of them not shown: {}", count, probe.hidden.size(), names),
      "They hold no mail, or only what other folders have as well, or the configuration excludes them. To show "
      "them all the same: \"folders\": {\"include\": [\"NAME\"]} in the account.");
}

}  // namespace

void CheckContents(const Context& context, Subject& subject, const ProbeReport& probe) {
  CheckFolders(subject, probe);
  CheckMessages(subject, probe);
  CheckSizes(subject, probe.samples);
  const auto interval = std::chrono::duration_cast<std::chrono::seconds>(context.config.refresh_interval);
  const std::string later =
      base::Format("New mail shows up when \"refresh_interval\" has passed: {} s.", interval.count());
  if (!probe.cut_short.empty()) return;
  if (!probe.idle) {
    subject.Info("idle", "the server does not offer IDLE", later);
  } else if (*probe.idle) {
    subject.Ok("idle", "new mail is announced");
  } else {
    subject.Info("idle", "the server offers IDLE and does not accept it", later);
  }
}

void CheckServer(const Context& context, Subject& subject, const config::Account& account,
                 const std::vector<const config::MailboxConfig*>& mailboxes, const ProbeReport& probe) {
  const std::string_view product = ProductOf(probe, account);
  std::string evidence =
      base::Format("{}greeting: {}", product.empty() ? "" : std::string(product) + "; ", probe.greeting);
  if (probe.server != probe.greeting) evidence += "; it calls itself " + probe.server;
  subject.Ok("server", evidence);
  CheckCapabilities(subject, probe);
  CheckConnections(context, subject, account, product);
  const Facts facts = FactsOf(account);
  for (const Note& note : kNotes) {
    // Whoever has no administrator has no PowerShell.
    const bool for_administrators = note.advice.find("{connect}") != std::string_view::npos;
    if (note.product != product || (for_administrators && account.provider == "outlook.com")) continue;
    subject.Info(note.id, std::string(note.evidence), facts.Fill(Replace(note.advice, "{each}", Each(mailboxes))));
  }
}

}  // namespace mailboxfs::check
