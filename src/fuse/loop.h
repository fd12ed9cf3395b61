#pragma once

#include <fuse3/fuse_lowlevel.h>

#include <atomic>
#include <functional>
#include <thread>
#include <vector>

#include "mailboxfs/base/fd.h"

namespace mailboxfs::fuse {

// The threads that take requests from the kernel and hand them to libfuse.
//
// Not fuse_session_loop_mt: that one can be ended reliably only by a further request or by a
// signal to the right thread at the right time (it sleeps in read(2) and sem_wait(3)), and it ends its threads by
// pthread_cancel. Ours wait in epoll for the device and for an event. Operations never wait for the network, so that a
// fixed, small number of threads is enough. Thread-bound.
class Loop {
 public:
  // Borrowed: `session`, mounted; `ended` is set when the kernel has no more for us.
  Loop(fuse_session* session, base::WakeEvent& ended);
  ~Loop();  // Stop.
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // Serves on the calling thread until `done()`, or `ended` is set (also by others).
  void ServeUntil(const std::function<bool()>& done);
  // A thread that fails ends the process: see Work.
  void Start(unsigned threads);
  // Ends the threads, each after the request it is at. Idempotent.
  void Stop();

 private:
  void Serve(const base::WakeEvent& until, const std::function<bool()>& done);
  void Work() noexcept;

  fuse_session* const session_;
  base::WakeEvent& ended_;
  base::WakeEvent quit_;
  std::atomic<bool> quitting_ = false;  // For threads that always find a next request.
  std::vector<std::thread> threads_;
};

}  // namespace mailboxfs::fuse
