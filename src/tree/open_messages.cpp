#include "open_messages.h"

#include <utility>

namespace mailboxfs::tree {

void OpenTable::Add(const Attributes& attributes, const std::shared_ptr<store::BodyFile>& body,
                    const std::shared_ptr<Download>& download) {
  // Before it can be seen here, so that it does not end meanwhile.
  if (download) download->Open();
  std::shared_ptr<Download> left = download;
  std::shared_ptr<store::BodyFile> old_body;  // Dropped after the lock.
  {
    base::MutexLock lock(mutex_);
    Entry& entry = entries_[attributes.ino];
    ++entry.count;
    entry.attributes = attributes;
    if (body) old_body = std::exchange(entry.live.body, body);
    if (download && entry.live.download != download) left = std::exchange(entry.live.download, download);
  }
  if (left) left->Close();
}

void OpenTable::Remove(Ino ino) {
  Live left;
  {
    base::MutexLock lock(mutex_);
    const auto found = entries_.find(ino);
    if (--found->second.count > 0) return;
    left = std::move(found->second.live);
    entries_.erase(found);
  }
  if (left.download) left.download->Close();
}

std::optional<Attributes> OpenTable::Find(Ino ino) {
  base::MutexLock lock(mutex_);
  const auto found = entries_.find(ino);
  return found == entries_.end() ? std::nullopt : std::optional(found->second.attributes);
}

OpenTable::Live OpenTable::FindLive(Ino ino) {
  base::MutexLock lock(mutex_);
  const auto found = entries_.find(ino);
  return found == entries_.end() ? Live{} : found->second.live;
}

OpenBody::OpenBody(std::shared_ptr<OpenTable> table, const Attributes& attributes,
                   std::shared_ptr<store::BodyFile> body)
    : table_(std::move(table)), ino_(attributes.ino), size_(attributes.size), body_(std::move(body)) {
  table_->Add(attributes, body_, nullptr);
}

OpenBody::OpenBody(std::shared_ptr<OpenTable> table, const Attributes& attributes, std::shared_ptr<Download> download)
    : table_(std::move(table)), ino_(attributes.ino), size_(attributes.size), download_(std::move(download)) {
  table_->Add(attributes, nullptr, download_);
}

OpenBody::OpenBody(std::shared_ptr<OpenTable> table, const Attributes& attributes)
    : table_(std::move(table)), ino_(attributes.ino), size_(attributes.size) {
  table_->Add(attributes, nullptr, nullptr);
}

std::shared_ptr<OpenBody> OpenBody::fetched() {
  base::MutexLock lock(mutex_);
  return fetched_;
}

void OpenBody::SetFetched(std::shared_ptr<OpenBody> fetched) {
  base::MutexLock lock(mutex_);
  // Of several readers the first one's stays: what was shown once does not change.
  if (!fetched_) fetched_ = std::move(fetched);
}

OpenBody::~OpenBody() { table_->Remove(ino_); }

}  // namespace mailboxfs::tree
