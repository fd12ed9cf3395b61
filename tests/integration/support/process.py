"""Child processes that never outlive the test, free ports, and waiting for a condition."""

import contextlib
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import time

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True)


def die_with_parent(signum=signal.SIGKILL, user=None):
    """A preexec_fn: become `user` ((uid, gid), if given), and get `signum` when the parent dies.

    The parent is the thread that started the child, so start servers from the main thread. The
    order matters: a change of credentials clears the death signal.
    """
    parent = os.getpid()

    def prepare():
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        if user is not None:
            os.setgroups([])
            os.setgid(user[1])
            os.setuid(user[0])
        _LIBC.prctl(_PR_SET_PDEATHSIG, signum, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return prepare


def run(argv, timeout=60, check=False, **options):
    """subprocess.run with captured text and a deadline; SIGKILL reaches the whole group at its end."""
    options.setdefault("text", True)
    options.setdefault("stdin", subprocess.DEVNULL)
    process = subprocess.Popen(
        [os.fspath(word) for word in argv],
        stdout=options.pop("stdout", subprocess.PIPE),
        stderr=options.pop("stderr", subprocess.PIPE),
        start_new_session=True,
        **options,
    )
    try:
        out, err = process.communicate(timeout=timeout)
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        # A reader of a hung mount may stay in the kernel: don't wait for it for ever.
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=5)
        raise
    result = subprocess.CompletedProcess(argv, process.returncode, out, err)
    if check and result.returncode != 0:
        raise AssertionError(f"{argv} ended with {result.returncode}\nstdout: {out}\nstderr: {err}")
    return result


def remove_tree(top):
    """shutil.rmtree, also of what rsync -a has copied: directories without the right to write."""
    for directory, _, _ in os.walk(top):
        os.chmod(directory, 0o700)
    shutil.rmtree(top)


def free_port():
    """A loopback port that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until(condition, timeout=30, what="the condition", every=0.02):
    """Polls `condition()` with pauses of `every` seconds until it is true, and returns its value; AssertionError after
    `timeout` seconds."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"{what} did not come true within {timeout} s")
        time.sleep(every)


def is_running(pid):
    """Is there such a process that has not ended? One that nobody has waited for counts as ended."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stat:
            return stat.read().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def children_of(pid):
    """All living descendants of `pid`, itself first."""
    parents = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError), open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as stat:
                parents[int(name)] = int(stat.read().rpartition(")")[2].split()[1])
    family = [pid]
    for member in family:
        family.extend(child for child, parent in parents.items() if parent == member)
    return family


def stop(process, grace=5):
    """Ends a child of ours: SIGTERM, then SIGKILL."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(grace)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)
