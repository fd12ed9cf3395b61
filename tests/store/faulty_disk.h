#pragma once

#include <sqlite3.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <fstream>
#include <functional>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "test_support.h"

namespace mailboxfs::store {

// What lies between SQLite and the disk: counts what changes a file, and at a chosen one of these steps the power
// fails, the disk refuses, or the process is killed. It stands before the "unix-excl" of SQLite under the same
// name. Of a power failure it knows what had been synced; what had not survives sector by sector, as
// chance has it. Thread-bound, but while it is off.
class FaultyDisk {
 public:
  static FaultyDisk& Get() {
    static FaultyDisk disk;
    return disk;
  }

  // From now on; steps are counted from 0. `at`: never if it is as large as can be.
  void CutPowerAt(uint64_t at) { Start(Fault::kPowerCut, at, 0); }
  void FailAt(uint64_t at, int error) { Start(Fault::kFailure, at, error); }
  void KillAt(uint64_t at) { Start(Fault::kKill, at, 0); }
  void Count() { Start(Fault::kNone, 0, 0); }
  void Off() { on_ = false; }
  uint64_t steps() const { return steps_; }
  // The fault has happened.
  bool happened() const { return happened_; }

  // Leaves in the files what a power failure would.
  void LoseUnsynced(uint64_t seed) {
    std::mt19937_64 random(seed);
    on_ = false;
    const auto luck = static_cast<Luck>(random() % 4);
    for (const auto& [path, file] : files_) {
      if (file.removed && (luck == Luck::kAll || random() % 2 == 0)) {
        ::unlink(path.c_str());
      } else {
        WriteFile(path, Survivor(file, luck, random));
      }
    }
    files_.clear();
  }

 private:
  enum class Fault { kNone, kPowerCut, kFailure, kKill };
  enum class Luck { kNothing, kAll, kSome, kFirst };
  static constexpr size_t kSector = 512;
  struct Change {
    uint64_t offset = 0;
    std::string bytes;
    bool truncation = false;  // To `offset`.
  };
  struct Tracked {
    std::string synced;
    std::vector<Change> changes;  // Since.
    bool removed = false;
  };
  struct File {
    sqlite3_file base;
    FaultyDisk* disk;
    const std::string* path;
    sqlite3_file* real;
  };

  FaultyDisk() : real_(sqlite3_vfs_find("unix-excl")), vfs_(*real_) {
    vfs_.szOsFile = static_cast<int>(sizeof(File)) + real_->szOsFile;
    vfs_.pAppData = this;
    vfs_.xOpen = &Open;
    vfs_.xDelete = &Delete;
    vfs_.xGetLastError = &LastError;
    sqlite3_vfs_register(&vfs_, 0);
    methods_.iVersion = 2;
    methods_.xClose = &Close;
    methods_.xRead = [](sqlite3_file* f, void* to, int n, sqlite3_int64 at) {
      return R(f)->pMethods->xRead(R(f), to, n, at);
    };
    methods_.xWrite = &Write;
    methods_.xTruncate = &Truncate;
    methods_.xSync = &Sync;
    methods_.xFileSize = [](sqlite3_file* f, sqlite3_int64* size) { return R(f)->pMethods->xFileSize(R(f), size); };
    methods_.xLock = [](sqlite3_file* f, int lock) { return R(f)->pMethods->xLock(R(f), lock); };
    methods_.xUnlock = [](sqlite3_file* f, int lock) { return R(f)->pMethods->xUnlock(R(f), lock); };
    methods_.xCheckReservedLock = [](sqlite3_file* f, int* out) {
      return R(f)->pMethods->xCheckReservedLock(R(f), out);
    };
    methods_.xFileControl = [](sqlite3_file* f, int op, void* arg) {
      return R(f)->pMethods->xFileControl(R(f), op, arg);
    };
    methods_.xSectorSize = [](sqlite3_file* f) { return R(f)->pMethods->xSectorSize(R(f)); };
    methods_.xDeviceCharacteristics = [](sqlite3_file* f) { return R(f)->pMethods->xDeviceCharacteristics(R(f)); };
    methods_.xShmMap = [](sqlite3_file* f, int page, int size, int extend, void volatile** out) {
      return R(f)->pMethods->xShmMap(R(f), page, size, extend, out);
    };
    methods_.xShmLock = [](sqlite3_file* f, int at, int n, int flags) {
      return R(f)->pMethods->xShmLock(R(f), at, n, flags);
    };
    methods_.xShmBarrier = [](sqlite3_file* f) { R(f)->pMethods->xShmBarrier(R(f)); };
    methods_.xShmUnmap = [](sqlite3_file* f, int remove) { return R(f)->pMethods->xShmUnmap(R(f), remove); };
  }

  static File* F(sqlite3_file* file) { return reinterpret_cast<File*>(file); }
  static sqlite3_file* R(sqlite3_file* file) { return F(file)->real; }

  void Start(Fault fault, uint64_t at, int error) {
    fault_ = fault;
    at_ = at;
    error_ = error;
    steps_ = 0;
    happened_ = false;
    files_.clear();
    on_ = true;
  }

  // Whether this step must fail.
  bool Fails() {
    if (!on_) return false;
    const uint64_t step = steps_++;
    if (fault_ == Fault::kNone || step < at_) return false;
    if (fault_ == Fault::kKill) ::kill(::getpid(), SIGKILL);
    const bool fails = fault_ == Fault::kPowerCut || step == at_;
    happened_ = true;
    if (fails) errno = error_;
    return fails;
  }

  Tracked* Track(const std::string& path) {
    if (!on_ || fault_ != Fault::kPowerCut || happened_) return nullptr;
    const auto found = files_.find(path);
    if (found != files_.end()) return &found->second;
    return &files_.emplace(path, Tracked{ReadFile(path), {}, false}).first->second;
  }

  static void Apply(const Change& change, std::string* bytes) {
    if (change.truncation) {
      bytes->resize(change.offset);
      return;
    }
    if (bytes->size() < change.offset + change.bytes.size()) bytes->resize(change.offset + change.bytes.size());
    bytes->replace(change.offset, change.bytes.size(), change.bytes);
  }

  static std::string Survivor(const Tracked& file, Luck luck, std::mt19937_64& random) {
    std::string bytes = file.synced;
    if (luck == Luck::kNothing) return bytes;
    const size_t first = luck == Luck::kFirst ? random() % (file.changes.size() + 1) : file.changes.size();
    for (size_t i = 0; i < first; ++i) {
      const Change& change = file.changes[i];
      if (luck != Luck::kSome) {
        Apply(change, &bytes);
      } else if (change.truncation) {
        if (random() % 2 == 0) Apply(change, &bytes);
      } else {
        for (size_t at = 0; at < change.bytes.size(); at += kSector) {
          const std::string sector = change.bytes.substr(at, kSector);
          const uint64_t fate = random() % 16;
          if (fate == 0) Apply({change.offset + at, std::string(sector.size(), '\x5a'), false}, &bytes);
          if (fate >= 8) Apply({change.offset + at, sector, false}, &bytes);
        }
      }
    }
    return bytes;
  }

  static int Open(sqlite3_vfs* vfs, const char* name, sqlite3_file* file, int flags, int* out) {
    auto* disk = static_cast<FaultyDisk*>(vfs->pAppData);
    File* mine = F(file);
    mine->disk = disk;
    mine->real = reinterpret_cast<sqlite3_file*>(mine + 1);
    mine->path = new std::string(name == nullptr ? "" : name);
    if (Tracked* tracked = disk->Track(*mine->path)) {
      if (tracked->removed) *tracked = Tracked{};
    }
    const int code = disk->real_->xOpen(disk->real_, name, mine->real, flags, out);
    mine->base.pMethods = mine->real->pMethods == nullptr ? nullptr : &disk->methods_;
    if (mine->base.pMethods == nullptr) delete mine->path;
    return code;
  }

  static int Close(sqlite3_file* file) {
    const int code = R(file)->pMethods->xClose(R(file));
    delete F(file)->path;
    return code;
  }

  static int Delete(sqlite3_vfs* vfs, const char* name, int sync_directory) {
    auto* disk = static_cast<FaultyDisk*>(vfs->pAppData);
    // A full disk lets files be deleted.
    if (disk->Fails() && disk->error_ != ENOSPC) return SQLITE_IOERR_DELETE;
    if (Tracked* tracked = disk->Track(name)) tracked->removed = true;
    return disk->real_->xDelete(disk->real_, name, disk->on_ ? 0 : sync_directory);
  }

  static int LastError(sqlite3_vfs* vfs, int size, char* text) {
    auto* disk = static_cast<FaultyDisk*>(vfs->pAppData);
    return disk->happened_ && disk->on_ ? disk->error_ : disk->real_->xGetLastError(disk->real_, size, text);
  }

  static int Write(sqlite3_file* file, const void* bytes, int size, sqlite3_int64 at) {
    FaultyDisk* disk = F(file)->disk;
    const Change change = {static_cast<uint64_t>(at),
                           std::string(static_cast<const char*>(bytes), static_cast<size_t>(size)), false};
    // The write that the power fails in may survive, too.
    if (Tracked* tracked = disk->Track(*F(file)->path)) tracked->changes.push_back(change);
    if (disk->Fails()) return disk->error_ == ENOSPC ? SQLITE_FULL : SQLITE_IOERR_WRITE;
    return R(file)->pMethods->xWrite(R(file), bytes, size, at);
  }

  static int Truncate(sqlite3_file* file, sqlite3_int64 size) {
    FaultyDisk* disk = F(file)->disk;
    if (Tracked* tracked = disk->Track(*F(file)->path))
      tracked->changes.push_back({static_cast<uint64_t>(size), "", true});
    if (disk->Fails()) return SQLITE_IOERR_TRUNCATE;
    return R(file)->pMethods->xTruncate(R(file), size);
  }

  static int Sync(sqlite3_file* file, int flags) {
    FaultyDisk* disk = F(file)->disk;
    if (disk->Fails()) return SQLITE_IOERR_FSYNC;
    if (Tracked* tracked = disk->Track(*F(file)->path)) {
      for (const Change& change : tracked->changes) Apply(change, &tracked->synced);
      tracked->changes.clear();
    }
    // Nobody pulls the plug of the real disk.
    return disk->on_ ? SQLITE_OK : R(file)->pMethods->xSync(R(file), flags);
  }

  sqlite3_vfs* real_;
  sqlite3_vfs vfs_;
  sqlite3_io_methods methods_{};
  bool on_ = false;
  Fault fault_ = Fault::kNone;
  uint64_t at_ = 0;
  int error_ = 0;
  uint64_t steps_ = 0;
  bool happened_ = false;
  std::map<std::string, Tracked> files_;
};

}  // namespace mailboxfs::store
