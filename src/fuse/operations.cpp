#include "operations.h"

#include <cerrno>
#include <string>
#include <utility>
#include <vector>

#include "directory_page.h"
#include "init_reply.h"
#include "mailboxfs/base/error.h"

namespace mailboxfs::fuse {
namespace {

constexpr unsigned kMaxBackground = 64;
constexpr base::Duration kStatFsAge = std::chrono::seconds(1);
constexpr uint64_t kBlock = 4096;
constexpr uint32_t kParallelDirops = 1U << 18U;  // FUSE_PARALLEL_DIROPS of linux/fuse.h.
constexpr size_t kMaxName = 255;                 // The kernel lets more through.
// Shown as free where there is no limit, so that nothing warns of a full disk or of no inodes left.
constexpr uint64_t kPlenty = uint64_t{1} << 30;

}  // namespace

// What one READ has so far; see Operations::Read.
struct Operations::ReadState {
  std::shared_ptr<tree::OpenMessage> message;
  uint64_t offset = 0;
  size_t left = 0;
  std::vector<tree::ReadSpan> spans;
};

void Operations::Init(fuse_conn_info* connection) {
  const unsigned wanted = FUSE_CAP_PARALLEL_DIROPS | FUSE_CAP_READDIRPLUS | FUSE_CAP_READDIRPLUS_AUTO |
                          FUSE_CAP_AUTO_INVAL_DATA | FUSE_CAP_SPLICE_WRITE | FUSE_CAP_SPLICE_MOVE;
  // No writeback cache, no locks: the mount is read-only. No asynchronous readahead: nobody's
  // signals interrupt it, so that a reader with a Ctrl-C handler would wait on, and it shares
  // max_background, so that 64 stalled downloads would stop the reading of cached messages.
  const unsigned unwanted = FUSE_CAP_ASYNC_READ | FUSE_CAP_SPLICE_READ | FUSE_CAP_POSIX_LOCKS | FUSE_CAP_FLOCK_LOCKS |
                            FUSE_CAP_WRITEBACK_CACHE;
  connection->want |= wanted & connection->capable;
  if ((connection->capable & FUSE_CAP_PARALLEL_DIROPS) != 0) AddToInitReply(kParallelDirops);
  connection->want &= ~unwanted;
  connection->max_background = kMaxBackground;
  initialized_ = true;
}

template <typename T>
void Operations::Put(Reply reply, Site site, tree::Ino ino, typename Question<T>::Steps steps) {
  steps.fail = [this, site, ino](Reply& late, const base::Error& error) { Fail(late, site, ino, error); };
  std::make_shared<Question<T>>(std::move(reply), watchdog_, in_flight_, std::move(steps))->Run();
}

void Operations::Fail(Reply& reply, Site site, tree::Ino ino, const base::Error& error) {
  const int errnum = errors_.Report(site, ino, error);
  reply.Errno(errnum);
}

void Operations::Tell(const tree::Attributes& attributes) {
  if (!attributes.directory && !attributes.size_exact) estimated_.Add(attributes.ino);
}

void Operations::Lookup(Reply reply, tree::Ino parent, std::string_view name) {
  if (name.size() > kMaxName) {
    reply.Errno(ENAMETOOLONG);
    return;
  }
  auto hold = std::make_shared<std::optional<Notifier::Hold>>();
  Put<tree::Attributes>(
      std::move(reply), Site::kLookup, parent,
      {.ask =
           [this, parent, hold, name = std::string(name)](tree::Tree::Callback<tree::Attributes> callback) {
             auto wait = tree_.Lookup(parent, name, std::move(callback));
             if (wait) hold->emplace(notifier_, parent);
             return wait;
           },
       .answer =
           [this](Reply& late, const tree::Attributes& attributes) {
             Tell(attributes);
             late.Entry(ToEntry(attributes, presentation_));
             return true;
           },
       .fail = {}});
}

void Operations::GetAttr(Reply& reply, tree::Ino ino) {
  const tree::Attributes attributes = tree_.GetAttributes(ino);
  Tell(attributes);
  reply.Attributes(ToStat(attributes, presentation_), AttributeTimeout(attributes, presentation_));
}

void Operations::OpenDir(Reply reply, tree::Ino ino, const fuse_file_info& info) {
  // Neither cache_readdir (a cached listing has no attributes, and older kernels keep it for
  // ever) nor keep_cache.
  Put<tree::Attributes>(std::move(reply), Site::kOpenDir, ino,
                        {.ask =
                             [this, ino](tree::Tree::Callback<tree::Attributes> callback) {
                               return tree_.OpenDirectory(ino, std::move(callback));
                             },
                         .answer =
                             [info](Reply& late, const tree::Attributes& /*attributes*/) {
                               late.Open(info);
                               return true;
                             },
                         .fail = {}});
}

void Operations::ReadDir(Reply& reply, tree::Ino ino, size_t size, off_t offset, bool plus) {
  DirectoryPage page(reply.request(), size, plus, presentation_);
  bool room = offset >= DirectoryPage::kDot || page.AddDot(ino, ".", DirectoryPage::kDot);
  room = room && (offset >= DirectoryPage::kDotDot || page.AddDot(tree_.ParentOf(ino), "..", DirectoryPage::kDotDot));
  tree::Ino after = offset > DirectoryPage::kDotDot ? static_cast<tree::Ino>(offset) : 0;
  while (room) {
    const size_t limit = page.EntriesLeft();
    const std::vector<tree::DirEntry> entries = tree_.ReadDirectory(ino, after, limit);
    for (const tree::DirEntry& entry : entries) {
      if (plus) Tell(entry.attributes);
      room = page.Add(entry);
      if (!room) break;
      after = entry.position;
    }
    if (entries.size() < limit) break;
  }
  reply.Bytes(page.bytes());
}

void Operations::Open(Reply reply, tree::Ino ino, const fuse_file_info& info) {
  if ((info.flags & O_ACCMODE) != O_RDONLY) {
    reply.Errno(EROFS);
    return;
  }
  Put<tree::Tree::Opened>(
      std::move(reply), Site::kOpen, ino,
      {.ask = [this,
               ino](tree::Tree::Callback<tree::Tree::Opened> callback) { return tree_.Open(ino, std::move(callback)); },
       .answer =
           [this, ino, info](Reply& late, tree::Tree::Opened& opened) {
             FinishOpen(late, ino, opened, info);
             return true;
           },
       .fail = {}});
}

void Operations::FinishOpen(Reply& reply, tree::Ino ino, tree::Tree::Opened& opened, fuse_file_info info) {
  std::shared_ptr<tree::OpenMessage> told;
  if (opened.size_changed || estimated_.Contains(ino)) {
    // Before the reply: tools take the size from the fstat that follows the open. Attributes
    // only, which touches no page lock, so that it cannot wait for this very open.
    const int result = fuse_lowlevel_notify_inval_inode(session_, ino, -1, 0);
    estimated_.Remove(ino);
    // ENOENT: the kernel has not kept any.
    if (opened.size_changed && (result == 0 || result == -ENOENT)) told = opened.message;
  }
  info.fh = handles_.Add(std::move(opened.message));
  // Pages of an earlier download must not be mixed with those of a new one.
  info.keep_cache = opened.same_body ? 1 : 0;
  info.direct_io = 0;
  if (!reply.Open(info)) {
    handles_.Remove(info.fh);
  } else if (told) {
    told->SizeTold();
  }
}

void Operations::Read(Reply reply, tree::Ino ino, size_t size, off_t offset, const fuse_file_info& info) {
  auto state = std::make_shared<ReadState>();
  state->message = handles_.Get(info.fh);
  if (!state->message || offset < 0) {
    reply.Errno(EBADF);
    return;
  }
  state->offset = static_cast<uint64_t>(offset);
  state->left = size;
  Put<tree::ReadSpan>(std::move(reply), Site::kRead, ino,
                      {.ask =
                           [this, state](tree::Tree::Callback<tree::ReadSpan> callback) {
                             return tree_.Read(state->message, state->offset, state->left, std::move(callback));
                           },
                       .answer =
                           [state](Reply& late, tree::ReadSpan& span) {
                             if (span.length > state->left) span.length = state->left;
                             state->offset += span.length;
                             state->left -= span.length;
                             const bool end = span.length == 0;
                             if (!end || state->spans.empty()) state->spans.push_back(std::move(span));
                             // A short answer is the end of the file to the kernel, for everybody who reads it.
                             if (!end && state->left > 0 && state->offset < state->message->size()) return false;
                             if (end && state->left > 0 && state->offset < state->message->size()) {
                               throw base::Error(base::ErrorKind::kInternal, "the message ended before its size");
                             }
                             late.Spans(state->spans);
                             return true;
                           },
                       .fail = {}});
}

void Operations::Release(Reply& reply, const fuse_file_info& info) {
  handles_.Remove(info.fh);
  reply.Errno(0);
}

void Operations::GetXattr(Reply& reply, tree::Ino ino, std::string_view name, size_t size) {
  std::optional<std::string> value;
  try {
    value = tree_.GetXattr(ino, name);
  } catch (const base::Error& error) {
    if (error.kind() != base::ErrorKind::kUnsupported) throw;
  }
  if (!value) {
    // Of ACLs and labels there are none anywhere: who hears so (ls -l) asks once, not for each file.
    reply.Errno(name.starts_with("user.") ? ENODATA : EOPNOTSUPP);
  } else if (size == 0) {
    reply.XattrSize(value->size());
  } else if (value->size() > size) {
    reply.Errno(ERANGE);
  } else {
    reply.Bytes(*value);
  }
}

void Operations::ListXattr(Reply& reply, size_t size) {
  // Ours are not listed, or every copying tool would copy them.
  if (size == 0) {
    reply.XattrSize(0);
  } else {
    reply.Bytes({});
  }
}

void Operations::StatFs(Reply& reply) {
  const base::MonoTime now = clock_.Now();
  {
    base::MutexLock lock(statfs_mutex_);
    if (statfs_ && now - statfs_time_ < kStatFsAge) {
      const struct statvfs numbers = *statfs_;
      lock.Unlock();
      reply.StatFs(numbers);
      return;
    }
  }
  const struct statvfs numbers = ComputeStatFs();
  {
    base::MutexLock lock(statfs_mutex_);
    statfs_ = numbers;
    statfs_time_ = now;
  }
  reply.StatFs(numbers);
}

struct statvfs Operations::ComputeStatFs() {
  const tree::SpaceStatus status = tree_.GetSpace();
  const uint64_t used = (status.cache.bytes + kBlock - 1) / kBlock;
  const uint64_t limit = status.cache.limit / kBlock;
  const uint64_t free = status.cache.limit == 0 ? kPlenty : limit > used ? limit - used : 1;
  struct statvfs numbers {};
  numbers.f_bsize = numbers.f_frsize = kBlock;
  numbers.f_blocks = used + free;
  numbers.f_bfree = numbers.f_bavail = free;
  numbers.f_files = status.messages + kPlenty;
  numbers.f_ffree = numbers.f_favail = kPlenty;
  numbers.f_namemax = kMaxName;
  return numbers;
}

}  // namespace mailboxfs::fuse
