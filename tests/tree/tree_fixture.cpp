#include "tree_fixture.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <stdexcept>

namespace mailboxfs::tree {

void FakeNotifier::Deleted(uint64_t /*parent*/, uint64_t /*ino*/, const std::string& name) {
  base::MutexLock lock(mutex_);
  deleted_.push_back(name);
}

void FakeNotifier::Unlinked(uint64_t /*parent*/, uint64_t ino, const std::string& name) {
  base::MutexLock lock(mutex_);
  unlinked_.push_back(name);
  changed_.push_back(ino);
}

void FakeNotifier::AttributesChanged(uint64_t ino) {
  base::MutexLock lock(mutex_);
  changed_.push_back(ino);
}

std::vector<std::string> FakeNotifier::deleted() {
  base::MutexLock lock(mutex_);
  return deleted_;
}

std::vector<std::string> FakeNotifier::unlinked() {
  base::MutexLock lock(mutex_);
  return unlinked_;
}

bool FakeNotifier::attributes_changed(uint64_t ino) {
  base::MutexLock lock(mutex_);
  return std::find(changed_.begin(), changed_.end(), ino) != changed_.end();
}

TreeTest::TreeTest() {
  std::string pattern = testing::TempDir() + "/tree_test.XXXXXX";
  if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp");
  directory_ = pattern;
  index_ = store::Index::Open(directory_ + "/index");
  cache_ = store::BodyCache::Open({directory_ + "/cache", index_->id(), uint64_t{1} << 30U});
  Remount();
  source_->AddFolder("INBOX");
}

TreeTest::~TreeTest() {
  tree_ = nullptr;
  cache_ = nullptr;
  index_ = nullptr;
  std::filesystem::remove_all(directory_);
}

void TreeTest::Remount(const std::string& key) {
  tree_ = nullptr;
  auto source = std::make_unique<FakeSource>(clock_);
  source_ = source.get();
  std::vector<MailboxConfig> mailboxes;
  mailboxes.push_back({key, "sales", std::move(source)});
  tree_ = Tree::Make(*index_, *cache_, notifier_, clock_, std::move(mailboxes), options_);
}

Asked<Attributes> TreeTest::Lookup(Ino parent, const std::string& name) {
  Asked<Attributes> asked;
  asked.wait = tree_->Lookup(parent, name, asked.answer.callback());
  return asked;
}

Asked<Attributes> TreeTest::OpenDirectory(Ino directory) {
  Asked<Attributes> asked;
  asked.wait = tree_->OpenDirectory(directory, asked.answer.callback());
  return asked;
}

Asked<Tree::Opened> TreeTest::Open(Ino message) {
  Asked<Tree::Opened> asked;
  asked.wait = tree_->Open(message, asked.answer.callback());
  return asked;
}

Asked<ReadSpan> TreeTest::Read(const std::shared_ptr<OpenMessage>& message, uint64_t offset, size_t length) {
  Asked<ReadSpan> asked;
  asked.wait = tree_->Read(message, offset, length, asked.answer.callback());
  return asked;
}

std::vector<std::string> TreeTest::ReadNames(Ino directory) {
  std::vector<std::string> names;
  for (Ino after = 0;;) {
    const std::vector<DirEntry> entries = tree_->ReadDirectory(directory, after, 2);
    if (entries.empty()) break;
    for (const DirEntry& entry : entries) {
      EXPECT_GT(entry.position, after);
      after = entry.position;
      names.push_back(entry.name);
    }
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::vector<std::string> TreeTest::List(Ino directory) {
  OpenDirectory(directory).answer.Value();
  return ReadNames(directory);
}

Ino TreeTest::Find(const std::string& path) {
  Ino ino = store::kRootIno;
  for (size_t start = 0; start <= path.size();) {
    const size_t slash = std::min(path.find('/', start), path.size());
    ino = Lookup(ino, path.substr(start, slash - start)).answer.Value().ino;
    start = slash + 1;
  }
  return ino;
}

std::string TreeTest::Bytes(const ReadSpan& span) {
  std::string bytes(span.length, '\0');
  if (span.length == 0) return bytes;
  const ssize_t got = pread(span.fd, bytes.data(), bytes.size(), static_cast<off_t>(span.offset));
  EXPECT_EQ(got, static_cast<ssize_t>(span.length)) << errno;
  return bytes;
}

std::string TreeTest::ReadAll(Ino message) {
  const std::shared_ptr<OpenMessage> opened = Open(message).answer.Value().message;
  opened->SizeTold();
  return Bytes(Read(opened, 0, opened->size() + 100).answer.Value());
}

}  // namespace mailboxfs::tree
