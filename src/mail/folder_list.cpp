#include "mail/folder_list.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "mail/connection.h"
#include "mail/folder_filter.h"
#include "mail/refusal.h"
#include "mailboxfs/base/encoding.h"
#include "mailboxfs/base/log.h"
#include "mailboxfs/imap/mailbox_name.h"

namespace mailboxfs::mail {
namespace {

// A hostile server shall not fill the memory.
constexpr size_t kMaxFolders = 200'000;
constexpr size_t kMaxNameOctets = 64 * 1024 * 1024;
// Deeper names are taken as flat.
constexpr ptrdiff_t kMaxDepth = 100;

std::string_view WithoutTrailing(std::string_view name, char delimiter) {
  while (name.size() > 1 && name.back() == delimiter) name.remove_suffix(1);
  return name;
}

// INBOX in any case is the same folder (RFC 3501 section 5.1), and what is below it is below it in any
// case, too: `name` with that part as in `inbox`, or nullopt if there is no such part.
std::optional<std::string> WithInboxAs(std::string_view inbox, std::string_view name, std::optional<char> delimiter) {
  const bool is_below = delimiter && name.size() > inbox.size() && name[inbox.size()] == *delimiter;
  if (inbox.empty() || !imap::IsInbox(name.substr(0, inbox.size()))) return std::nullopt;
  if (name.size() != inbox.size() && !is_below) return std::nullopt;
  return std::string(inbox) + std::string(name.substr(inbox.size()));
}

// The name of the parent, empty at the top; doubled delimiters count as one level.
std::string_view ParentName(std::string_view name, char delimiter) {
  const size_t position = name.rfind(delimiter);
  if (position == std::string_view::npos) return {};
  std::string_view parent = name.substr(0, position);
  while (!parent.empty() && parent.back() == delimiter) parent.remove_suffix(1);
  return parent;
}

std::string Word(const std::string& attribute) {
  std::string word = base::AsciiLower(attribute);
  if (word.starts_with('\\')) word.erase(0, 1);
  return word;
}

bool IsSelectable(const imap::ListData& item) {
  return std::none_of(item.attributes.begin(), item.attributes.end(), [](const std::string& attribute) {
    const std::string word = Word(attribute);
    return word == "noselect" || word == "nonexistent";
  });
}

class ListBuilder {
 public:
  explicit ListBuilder(const std::vector<imap::ListData>& listed) {
    for (const imap::ListData& item : listed) {
      const std::string name = Trimmed(item);
      as_listed_.insert(name);
      if (inbox_.empty() && imap::IsInbox(name)) inbox_ = name;
    }
    for (const imap::ListData& item : listed) ids_.emplace(Normalized(item), item.mailbox);
  }

  void Add(const imap::ListData& item) {
    const std::string name = Normalized(item);
    if (name.empty() || !done_.insert(name).second) return;
    model::FolderInfo folder = Place(name, item.delimiter);
    // The server knows it by the name that it gave.
    folder.id = item.mailbox;
    folder.selectable = IsSelectable(item);
    for (const std::string& attribute : item.attributes) folder.attributes.push_back(Word(attribute));
    folders_.push_back(std::move(folder));
  }

  std::vector<model::FolderInfo> Take() { return std::move(folders_); }

 private:
  static std::string Trimmed(const imap::ListData& item) {
    return std::string(item.delimiter ? WithoutTrailing(item.mailbox, *item.delimiter) : item.mailbox);
  }

  std::string Normalized(const imap::ListData& item) const { return WithOurInbox(Trimmed(item), item.delimiter); }

  std::string WithOurInbox(std::string_view name, std::optional<char> delimiter) const {
    std::optional<std::string> other = WithInboxAs(inbox_, name, delimiter);
    const bool is_another = as_listed_.count(std::string(name)) != 0 && other && as_listed_.count(*other) != 0;
    return other && !is_another ? std::move(*other) : std::string(name);
  }

  // Fills in id, path and parent of a normalized name, adding the parent if nobody else will.
  model::FolderInfo Place(const std::string& name, std::optional<char> delimiter) {
    if (delimiter && std::count(name.begin(), name.end(), *delimiter) > kMaxDepth) delimiter = std::nullopt;
    model::FolderInfo folder;
    folder.id = name;
    const std::string parent = delimiter ? WithOurInbox(ParentName(name, *delimiter), delimiter) : "";
    const auto listed = ids_.find(parent);
    folder.parent_id = listed == ids_.end() ? parent : listed->second;
    if (!parent.empty()) {
      model::FolderInfo above = Place(parent, delimiter);
      folder.path = above.path;
      if (listed == ids_.end() && done_.insert(parent).second) {
        above.selectable = false;
        above.attributes = {"nonexistent"};
        folders_.push_back(std::move(above));
      }
    }
    // What is left of a doubled delimiter stays visible, so that "a//b" and "a/b" differ.
    const std::string_view last = std::string_view(name).substr(parent.empty() ? 0 : parent.size() + 1);
    imap::NamePart part = imap::SplitMailboxName(last, std::nullopt).front();
    folder.path.push_back({std::move(part.text), part.raw});
    return folder;
  }

  std::unordered_set<std::string> as_listed_;         // Names without trailing delimiters.
  std::unordered_map<std::string, std::string> ids_;  // By normalized name.
  std::unordered_set<std::string> done_;
  std::string inbox_;
  std::vector<model::FolderInfo> folders_;
};

// Finds what the server lists of the folders that were known before. Borrows both.
class KnownFolders {
 public:
  KnownFolders(const std::vector<std::string>& known, std::vector<imap::ListData>* listed)
      : known_(known.begin(), known.end()) {
    for (imap::ListData& item : *listed) {
      by_id_.emplace(item.mailbox, &item);
      if (const auto name = WithInboxAs(kInbox, item.mailbox, item.delimiter)) by_inbox_name_.emplace(*name, &item);
      if (imap::IsInbox(item.mailbox)) delimiter_ = item.delimiter;
    }
  }

  imap::ListData* Find(const std::string& id) const {
    const auto found = by_id_.find(id);
    return found == by_id_.end() ? nullptr : found->second;
  }
  // INBOX, or one below it, that is new only in how the server spells INBOX.
  imap::ListData* FindInOtherCase(const std::string& id) const {
    const auto name = WithInboxAs(kInbox, id, delimiter_);
    const auto found = name ? by_inbox_name_.find(*name) : by_inbox_name_.end();
    return found == by_inbox_name_.end() || known_.count(found->second->mailbox) != 0 ? nullptr : found->second;
  }

 private:
  static constexpr std::string_view kInbox = "INBOX";

  std::unordered_set<std::string_view> known_;
  std::unordered_map<std::string, imap::ListData*> by_id_;
  std::unordered_map<std::string, imap::ListData*> by_inbox_name_;
  std::optional<char> delimiter_;
};

}  // namespace

std::vector<model::FolderInfo> BuildFolderList(const std::vector<imap::ListData>& listed) {
  ListBuilder builder(listed);
  for (const imap::ListData& item : listed) builder.Add(item);
  return builder.Take();
}

std::vector<imap::ListData> Connection::List(std::string_view pattern) {
  std::vector<imap::ListData> listed;
  size_t octets = 0;
  std::string objection;
  Request request;
  request.name = "LIST";
  request.command = imap::CommandBuilder(NextTag(), "LIST").Raw("\"\"").Raw(pattern).Finish();
  request.on_data = [&](imap::UntaggedData& data) {
    auto* item = std::get_if<imap::ListData>(&data);
    if (item == nullptr) return;
    context_.mailbox.OnAnswered(context_.environment.clock.Now());
    octets += item->mailbox.size();
    if (listed.size() >= kMaxFolders || octets > kMaxNameOctets) {
      throw base::Error(base::ErrorKind::kProtocol, base::Format("the server lists more than {} folders", kMaxFolders));
    }
    listed.push_back(std::move(*item));
  };
  request.on_status = [&objection](const imap::StatusResponse& status) {
    if (status.condition != imap::Condition::kOk) objection = QuoteStatus(status);
  };
  RequireOk(Run(request), "listing the folders");
  if (!objection.empty()) {
    throw base::Error(base::ErrorKind::kServer,
                      base::Format("the list of folders may not be complete, the server said: {}", objection));
  }
  return listed;
}

bool Connection::MayExist(const std::string& folder_id) {
  examined_.reset();
  Request request;
  request.name = "EXAMINE";
  request.command = imap::CommandBuilder(NextTag(), "EXAMINE").AString(folder_id).Finish();
  const imap::StatusResponse status = Run(request);
  if (ThrottlePause(status) || IsNotConnected(status) || IsTransient(status)) RequireOk(status, "looking for a folder");
  return !IsAbsence(status);
}

std::vector<model::FolderInfo> Connection::FindUnlisted(const std::vector<std::string>& known,
                                                        const std::function<void()>& between,
                                                        std::vector<imap::ListData>* listed) {
  const KnownFolders folders(known, listed);
  std::vector<model::FolderInfo> unlisted;
  for (const std::string& id : known) {
    imap::ListData* item = folders.Find(id);
    if (item == nullptr) item = folders.FindInOtherCase(id);
    const bool is_it = item != nullptr && (item->mailbox == id || imap::IsInbox(id));
    if (!is_it || !IsSelectable(*item)) {
      if (between) between();
      if (!MayExist(id)) continue;
    }
    if (item != nullptr) {
      item->mailbox = id;
      if (!IsSelectable(*item)) item->attributes.clear();
      continue;
    }
    base::LogDebug("{}: the server's list of folders lacks {}, but the server does not call it absent; it stays",
                   context_.options.name, base::Printable(id));
    unlisted.emplace_back();
    unlisted.back().id = id;
    unlisted.back().unlisted = true;
  }
  return unlisted;
}

std::vector<model::FolderInfo> Connection::ListFolders(const std::vector<std::string>& known,
                                                       const std::function<void()>& between) {
  std::vector<imap::ListData> listed = List("\"*\"");
  // INBOX always exists (RFC 3501 section 5.1): an empty answer is not true.
  if (listed.empty()) {
    throw base::Error(base::ErrorKind::kProtocol, "the server listed no folder at all, not even INBOX");
  }
  const auto is_inbox = [](const imap::ListData& item) { return imap::IsInbox(item.mailbox); };
  if (std::none_of(listed.begin(), listed.end(), is_inbox) && !List("INBOX").empty()) {
    throw base::Error(base::ErrorKind::kServer, "the server left INBOX out of the list of folders");
  }
  // LIST has no count that would tell whether it is complete.
  std::vector<model::FolderInfo> unlisted = FindUnlisted(known, between, &listed);
  std::vector<model::FolderInfo> folders = BuildFolderList(listed);
  // The name of a child has brought it back as a mere directory.
  std::erase_if(folders, [&](const model::FolderInfo& folder) {
    return std::any_of(unlisted.begin(), unlisted.end(), [&](const auto& one) { return one.id == folder.id; });
  });
  const FolderFilter filter(folders, profile(), context_.options.folders);
  for (model::FolderInfo& folder : folders) folder.hidden = filter.IsHidden(folder);
  std::move(unlisted.begin(), unlisted.end(), std::back_inserter(folders));
  return folders;
}

}  // namespace mailboxfs::mail
