#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "mailboxfs/store/fsck.h"
#include "test_support.h"

namespace mailboxfs::store {

// All that an index shows, a line each. Without `inodes` two indexes that were made by the same changes are
// the same, however they came to their numbers.
inline std::string Dump(Index& index, bool inodes) {
  std::string text;
  const std::function<void(Ino, const std::string&)> walk = [&](Ino parent, const std::string& path) {
    for (Ino after = 0;;) {
      const std::vector<Node> nodes = index.List(parent, after, 100);
      if (nodes.empty()) return;
      after = nodes.back().ino;
      for (const Node& node : nodes) {
        const std::string name = path + "/" + node.name;
        if (inodes) text += base::Format("{} ", node.ino);
        text +=
            base::Format("{} {} {} {} {} {}\n", name, node.mtime, node.size, node.size_exact, node.complete, node.uid);
        if (node.kind == NodeKind::kMessage) {
          const MessageDetails details = *index.Details(node.ino);
          text += base::Format("  {} {}\n", details.flags, details.message_id);
          continue;
        }
        if (const std::optional<Folder> folder = index.GetFolder(node.ino)) {
          text += base::Format("  {} {} {} {} {} {}\n", folder->listed.uid_validity, folder->listed.uid_next,
                               folder->listed.exists, folder->listed_at, folder->scanned_at, folder->messages);
        }
        walk(node.ino, name);
      }
    }
  };
  walk(kRootIno, "");
  return text;
}

inline Ino HighestIno(Index& index, Ino parent = kRootIno) {
  Ino highest = parent;
  for (const Node& node : index.List(parent, 0, 1'000'000)) {
    highest = std::max(highest, node.kind == NodeKind::kMessage ? node.ino : HighestIno(index, node.ino));
  }
  return highest;
}

// What a mailbox can do to an index in some days, as steps that are one change each. The same for the same seed.
class IndexWorkload {
 public:
  using Step = std::function<void(Index&)>;

  explicit IndexWorkload(uint64_t seed, size_t rounds = 6) : random_(seed) {
    steps_.push_back([](Index& index) { index.EnsureMailbox("contoso/a@example.org", "a@example.org", 100); });
    SetFolders({"INBOX", "Sent"});
    for (size_t round = 0; round < rounds; ++round) AddRound();
  }

  // An empty one: close the index and open it again.
  const std::vector<Step>& steps() const { return steps_; }

  static std::string Open(const std::string& directory, std::unique_ptr<Index>* index) {
    index->reset();
    *index = Index::Open(directory);
    return (*index)->id();
  }

 private:
  struct State {
    model::UidValidity uid_validity = 7;
    model::Uid next = 1;
    std::vector<NewMessage> messages;
  };

  static Ino FolderIno(Index& index, const std::string& id) {
    return index.FindFolder(index.Find(kRootIno, "a@example.org")->ino, id)->ino;
  }

  void SetFolders(const std::vector<std::string>& ids) {
    std::vector<NewFolder> folders;
    for (const std::string& id : ids)
      folders.push_back(MakeFolder(id, id.find('/') == std::string::npos ? "" : "Sent"));
    const int64_t now = ++now_;
    steps_.push_back([folders, now](Index& index) {
      index.ReplaceFolders(index.Find(kRootIno, "a@example.org")->ino, folders, now);
    });
  }

  void AddRound() {
    const std::string id = random_() % 3 == 0 ? "Sent" : "INBOX";
    State& state = folders_[id];
    switch (random_() % 6) {
      case 0: Renumber(id, &state); break;
      case 1: Remove(id, &state); break;
      case 2:
        SetFolders(++folder_changes_ % 2 == 1 ? std::vector<std::string>{"INBOX", "Sent", "Sent/Old"}
                                              : std::vector<std::string>{"INBOX", "Sent"});
        break;
      default: break;
    }
    List(id, &state, 15 + random_() % 30);
    Learn(id, &state);
    if (random_() % 2 == 0) Remove(id, &state);
    if (random_() % 2 == 0) steps_.emplace_back();
  }

  void Begin(const std::string& id, model::UidValidity uid_validity) {
    steps_.push_back([id, uid_validity](Index& index) { index.BeginListing(FolderIno(index, id), uid_validity); });
  }

  void Put(const std::string& id, const std::vector<NewMessage>& messages) {
    const int64_t now = ++now_;
    steps_.push_back([id, messages, now](Index& index) { index.AddMessages(FolderIno(index, id), messages, now); });
  }

  void Finish(const std::string& id, const State& state) {
    const model::FolderState listed = {state.uid_validity, state.next, static_cast<uint32_t>(state.messages.size())};
    const int64_t now = ++now_;
    steps_.push_back([id, listed, now](Index& index) { index.FinishListing(FolderIno(index, id), listed, true, now); });
  }

  void List(const std::string& id, State* state, size_t count) {
    Begin(id, state->uid_validity);
    for (int half = 0; half < 2; ++half) {
      std::vector<NewMessage> messages;
      for (size_t i = 0; i < count; ++i, ++serial_, ++state->next) {
        messages.push_back(WithUid(MakeMessage(serial_), state->next));
        messages.back().name = base::Format("{}.{}.eml", std::string(serial_ % 60, 'n'), state->next);
        messages.back().complete = serial_ % 10 != 0;
      }
      state->messages.insert(state->messages.end(), messages.begin(), messages.end());
      Put(id, messages);
    }
    Finish(id, *state);
  }

  void Renumber(const std::string& id, State* state) {
    ++state->uid_validity;
    state->next = 1;
    std::erase_if(state->messages, [&](const NewMessage&) { return random_() % 10 == 0; });
    for (NewMessage& message : state->messages) message.uid = state->next++;
    Begin(id, state->uid_validity);
    const auto half = state->messages.begin() + static_cast<ptrdiff_t>(state->messages.size() / 2);
    Put(id, {state->messages.begin(), half});
    Put(id, {half, state->messages.end()});
    Finish(id, *state);
  }

  void Remove(const std::string& id, State* state) {
    std::vector<model::Uid> uids;
    std::erase_if(state->messages, [&](const NewMessage& message) {
      if (random_() % 5 != 0) return false;
      uids.push_back(message.uid);
      return true;
    });
    const int64_t now = ++now_;
    steps_.push_back([id, uids, now](Index& index) { index.RemoveUids(FolderIno(index, id), uids, now); });
  }

  void Learn(const std::string& id, State* state) {
    for (int i = 0; i < 3; ++i) {
      const NewMessage& message = state->messages.at(random_() % state->messages.size());
      const uint64_t size = random_() % 100'000;
      steps_.push_back([id, uid = message.uid, size](Index& index) {
        if (const auto node = index.FindUid(FolderIno(index, id), uid)) index.SetExactSize(node->ino, size);
      });
    }
    const std::vector<model::FlagsUpdate> updates = {{state->messages.back().uid, "\\Flagged"}};
    steps_.push_back([id, updates](Index& index) { index.UpdateFlags(FolderIno(index, id), updates); });
  }

  std::mt19937_64 random_;
  std::vector<Step> steps_;
  std::map<std::string, State> folders_;
  model::Uid serial_ = 1;
  int64_t now_ = 1000;
  int folder_changes_ = 0;
};

// What fsck says of a state directory, without changing it: a line each.
inline std::string Findings(const std::string& directory, const std::string& cache = "/nonexistent",
                            bool change = false, FsckSummary* summary = nullptr) {
  std::string text;
  FsckOptions options;
  options.state_directory = directory;
  options.cache_directory = cache;
  options.change = change;
  options.report = [&](const FsckFinding& finding) {
    text += base::Format("{}: {}: {} -> {}\n", finding.corrected ? "corrected" : "found", finding.where,
                         finding.problem, finding.repair);
  };
  const FsckSummary found = Fsck(options);
  if (summary != nullptr) *summary = found;
  return text;
}

}  // namespace mailboxfs::store
