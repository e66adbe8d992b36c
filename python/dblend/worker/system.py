"""system - what differs between operating systems: processes, locks, processor time, memory.

Linux is tested. What is there for macOS and Windows is untested, and says so.
"""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import IO, NamedTuple

WINDOWS = sys.platform == "win32"
LINUX = sys.platform.startswith("linux")


def cpus() -> list[int]:
    """The numbers of the CPUs that are ours to use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))  # macOS, Windows: untested


def can_pin() -> bool:
    """Can a process be kept to some CPUs?"""
    return hasattr(os, "sched_setaffinity")


# -- processes ------------------------------------------------------------------------------------


class Start(NamedTuple):
    """How a child is started."""

    argv: Sequence[str]
    env: Mapping[str, str]
    socket: int  #: the descriptor (Windows: handle) that it inherits
    cpus: Sequence[int] = ()
    nice: int = 0


class Process(NamedTuple):
    """A child, and what hears of it."""

    popen: subprocess.Popen[bytes]
    output: IO[bytes]
    control: int  #: descriptor of the keeper's socket; -1: there is no keeper


def start(how: Start) -> Process:
    """A child in a session of its own, without a keeper. OSError."""
    if sys.platform == "win32":
        popen = _start_windows(how)
    else:
        popen = subprocess.Popen(
            how.argv,
            env=dict(how.env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=(how.socket,),
        )
    assert popen.stdout is not None
    return Process(popen, popen.stdout, -1)


def start_kept(how: Start) -> Process:
    """A child that does not outlive us, pinned and niced. OSError."""
    if WINDOWS:
        return _start_in_job(how)
    import socket  # noqa: PLC0415 (only here)

    ours, theirs = socket.socketpair()
    with theirs:
        keeper = os.path.join(os.path.dirname(os.path.abspath(__file__)), "keeper.py")
        numbers = ",".join(map(str, how.cpus)) or "-"
        head = [sys.executable, "-I", "-S", keeper, str(theirs.fileno())]
        try:
            popen = subprocess.Popen(
                [*head, str(how.socket), str(how.nice), numbers, *how.argv],
                env=dict(how.env),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=(theirs.fileno(), how.socket),
            )
        except OSError:
            ours.close()
            raise
    assert popen.stdout is not None
    return Process(popen, popen.stdout, ours.detach())


def child_socket(number: int) -> str:
    """How a kept child names the socket that it inherits."""
    return str(number) if WINDOWS else "3"


def _start_windows(how: Start) -> subprocess.Popen[bytes]:
    """Untested: a child that inherits one handle and no console's signals."""
    if sys.platform == "win32":
        os.set_handle_inheritable(how.socket, True)
        quiet = subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.BELOW_NORMAL_PRIORITY_CLASS
        return subprocess.Popen(
            how.argv,
            env=dict(how.env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            startupinfo=subprocess.STARTUPINFO(lpAttributeList={"handle_list": [how.socket]}),
            creationflags=quiet,
        )
    raise NotImplementedError


def _start_in_job(how: Start) -> Process:
    """Windows, untested: a job object ends all that is in it when our handle of it is closed."""
    made = start(how)
    if sys.platform == "win32":
        from dblend.worker import windows_job  # noqa: PLC0415 (only there)

        windows_job.put(made.popen)
    return made


# -- what a process uses --------------------------------------------------------------------------


class Use(NamedTuple):
    """Of a process and all that it started: grows while one of them works."""

    ticks: int
    io_bytes: int


def use_of(pid: int) -> Use | None:
    """None: this system does not tell."""
    if not LINUX:
        return None
    ticks = io_bytes = 0
    for one in [pid, *_below(pid)]:
        try:
            with open(f"/proc/{one}/stat", encoding="ascii", errors="replace") as file:
                fields = file.read().rpartition(")")[2].split()
            ticks += sum(int(field) for field in fields[11:15])
        except (OSError, ValueError):
            continue
        io_bytes += _io_of(one)
    return Use(ticks, io_bytes)


def _io_of(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/io", encoding="ascii") as file:
            words = dict(line.split(": ") for line in file.read().splitlines())
        return int(words["rchar"]) + int(words["wchar"])
    except (OSError, ValueError, KeyError):
        return 0


def _below(pid: int) -> list[int]:
    found: list[int] = []
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            children = [int(word) for word in file.read().split()]
    except OSError:
        return found
    for child in children:
        found += [child, *_below(child)]
    return found


def is_alive(pid: int) -> bool:
    """Is there a process of this number? When in doubt, yes."""
    if sys.platform == "win32":  # untested; os.kill would end it there
        import ctypes  # noqa: PLC0415

        handle = ctypes.windll.kernel32.OpenProcess(0x1000, False, pid)
        if handle:
            ctypes.windll.kernel32.CloseHandle(handle)
        return bool(handle)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def rss_of(pid: int) -> int:
    """Bytes of memory that a process has now; 0: not known."""
    try:
        with open(f"/proc/{pid}/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")
    except (OSError, ValueError, IndexError, AttributeError):
        return 0  # gone; or not Linux


def process_start(pid: int) -> int:
    """Start time of a process, in ticks since boot: with its pid it names it. 0: not known."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            return int(file.read().rpartition(")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return 0


def memory_available() -> int:
    """Bytes that this machine, or our control group, has left; 0: not known."""
    left = [_meminfo("MemAvailable"), *_group_memory()]
    return min((value for value in left if value > 0), default=0)


def memory_total() -> int:
    """Bytes of this machine; 0: not known."""
    return _meminfo("MemTotal")


def _meminfo(word: str) -> int:
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            for line in file:
                if line.startswith(word + ":"):
                    return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        pass
    return 0


def _group_memory() -> list[int]:
    """What each control group (v2) above us may still take; files it only keeps count as free."""
    try:
        with open("/proc/self/cgroup", encoding="utf-8") as file:
            path = next(line[3:].strip() for line in file if line.startswith("0::"))
    except (OSError, StopIteration):
        return []
    found = []
    while path not in ("", "/"):
        folder = "/sys/fs/cgroup" + path
        try:
            limit, used = _number(folder + "/memory.max"), _number(folder + "/memory.current")
            with open(folder + "/memory.stat", encoding="ascii") as file:
                words = dict(line.split() for line in file)
            found.append(max(1, limit - used + int(words.get("inactive_file", 0))))
        except (OSError, ValueError):
            pass  # no limit there ("max"), or nothing that we may read
        path = os.path.dirname(path)
    return found


def _number(path: str) -> int:
    with open(path, encoding="ascii") as file:
        return int(file.read())


def oom_kills() -> int:
    """How often the kernel has killed for memory; 0: not known."""
    try:
        with open("/proc/vmstat", encoding="ascii") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("oom_kill "))
    except (OSError, StopIteration, ValueError):
        return 0


# -- locks ----------------------------------------------------------------------------------------


def lock(fd: int) -> bool:
    """A lock of this process alone on the whole file; gone with us. False: somebody has it."""
    try:
        if sys.platform == "win32":  # untested
            import msvcrt  # noqa: PLC0415

            os.lseek(fd, 1 << 30, os.SEEK_SET)  # beyond the text: what is locked cannot be read
            msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl  # noqa: PLC0415

            fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EAGAIN, errno.EDEADLK):
            return False
        raise
    return True


def holder(fd: int, noted: int) -> int:
    """Pid of whoever has the file's lock, 0: nobody. noted: what the file says of it."""
    if LINUX:
        import fcntl  # noqa: PLC0415
        import struct  # noqa: PLC0415

        form = "hhqqi4x"  # struct flock of 64 bits
        try:
            asked = fcntl.fcntl(fd, fcntl.F_GETLK, struct.pack(form, fcntl.F_WRLCK, 0, 0, 0, 0))
        except OSError:
            return noted
        kind, _, _, _, pid = struct.unpack(form, asked)
        return 0 if kind == fcntl.F_UNLCK else int(pid)
    return noted if noted and is_alive(noted) else 0  # macOS, Windows: untested
