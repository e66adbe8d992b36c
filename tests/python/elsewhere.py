"""Runs a Python program on Linux without what Windows, or macOS, does not have.

    PYTHON elsewhere.py windows|macos PROGRAM [ARGUMENT]...

windows: no fcntl, /proc, statvfs, pread, O_CLOEXEC, O_DIRECTORY and O_NONBLOCK, no files but binary
ones and no folders for os.open(), no utime() of a descriptor, fsync() of open-to-write files only,
rename() over nothing; and a file that this process, its parent or another child of the parent has
open is neither renamed nor removed. macos: no /proc; fcntl() has F_FULLFSYNC.
It stands for those systems only as far as their manuals are understood.
"""

import builtins
import ctypes
import errno
import os
import runpy
import shutil
import stat
import sys
import types

import fcntl
import numpy  # noqa: F401 (before the names are gone: it is not what is tried)
import OpenImageIO  # noqa: F401

REAL = types.SimpleNamespace(**vars(os))
O_BINARY = 1 << 29
FULLFSYNC = 51
STILL_RUNS, HAS_ENDED = 258, 0


def denied(path):
    """What Windows says of a file that is in use."""
    print("denied: %s" % path, file=sys.stderr, flush=True)
    return PermissionError(errno.EACCES, "The process cannot access the file", path)


def is_open(path):
    """True when one of us has that very file open."""
    try:
        wanted = REAL.stat(path, follow_symlinks=False)
    except OSError:
        return False
    parent = REAL.getppid()
    with real_open("/proc/%d/task/%d/children" % (parent, parent)) as stream:
        pids = [parent, *map(int, stream.read().split())]
    for pid in pids:
        folder = "/proc/%d/fd" % pid
        try:
            for name in REAL.listdir(folder):
                status = REAL.stat("%s/%s" % (folder, name))
                if (status.st_dev, status.st_ino) == (wanted.st_dev, wanted.st_ino):
                    return True
        except OSError:
            continue  # closed, or gone, meanwhile
    return False


def unlink(path):
    """The inode stays in use: NTFS gives no number a second time, which Linux does at once."""
    if is_open(path):
        raise denied(path)
    if REAL.stat(path, follow_symlinks=False).st_nlink == 1:
        REAL.open(path, REAL.O_PATH | REAL.O_NOFOLLOW)
    REAL.unlink(path)


def replace(old, new):
    if is_open(old) or is_open(new):
        raise denied(old)
    REAL.replace(old, new)


def rename(old, new):
    if REAL.path.lexists(new):
        raise FileExistsError(errno.EEXIST, "Cannot create a file when it exists", new)
    replace(old, new)


def link(path, other):
    REAL.link(path, other, follow_symlinks=False)


def os_open(path, flags, mode=0o777):
    assert flags & O_BINARY, "%s: the ends of lines would be changed" % path
    if REAL.path.isdir(path):
        raise denied(path)
    return REAL.open(path, flags & ~O_BINARY, mode)


def fsync(fd):
    if fcntl.fcntl(fd, fcntl.F_GETFL) & REAL.O_ACCMODE == REAL.O_RDONLY:
        raise OSError(errno.EBADF, "not open to write")
    REAL.fsync(fd)


def utime(path, *args, **more):
    if isinstance(path, int):
        raise TypeError("utime: path should be string, bytes or os.PathLike, not int")
    REAL.utime(path, *args, **more)


class Kernel:
    """Of kernel32 what tells whether a process runs; the handle is the pid."""

    @staticmethod
    def OpenProcess(access, _inherit, pid):
        assert access == 0x100000
        return pid

    @staticmethod
    def WaitForSingleObject(handle, _timeout):
        try:
            with real_open("/proc/%d/stat" % handle) as stream:
                return HAS_ENDED if ") Z " in stream.read() else STILL_RUNS
        except OSError:
            return HAS_ENDED

    @staticmethod
    def CloseHandle(_handle):
        return True


real_open = builtins.open


def without_proc(path, *args, **more):
    if str(path).startswith("/proc"):
        raise FileNotFoundError(errno.ENOENT, "No such file or directory", path)
    return real_open(path, *args, **more)


def become_windows():
    for name in ("statvfs", "pread", "pwrite", "O_CLOEXEC", "O_DIRECTORY", "O_NONBLOCK",
                 "O_NOFOLLOW", "kill", "getuid", "geteuid"):
        delattr(os, name)
    for own in (unlink, replace, rename, link, fsync, utime):
        setattr(os, own.__name__, own)
    os.remove, os.open, os.O_BINARY = unlink, os_open, O_BINARY
    sys.modules["fcntl"] = None
    shutil.disk_usage = lambda path: types.SimpleNamespace(
        free=REAL.statvfs(path).f_bavail * REAL.statvfs(path).f_frsize)
    ctypes.WinDLL = lambda name, use_last_error: Kernel


def become_macos():
    sys.modules["fcntl"] = mac = types.ModuleType("fcntl")
    mac.F_FULLFSYNC = FULLFSYNC

    def own_fcntl(fd, command):
        assert command == FULLFSYNC
        if stat.S_ISDIR(REAL.fstat(fd).st_mode):
            raise OSError(errno.ENOTSUP, "Operation not supported")
        REAL.fsync(fd)

    mac.fcntl = own_fcntl


def main():
    which, program = sys.argv[1:3]
    del sys.argv[:2]
    (become_windows if which == "windows" else become_macos)()
    builtins.open = without_proc
    sys.path.insert(0, REAL.path.dirname(program))
    from prove_parts import system

    system.LINUX = False
    system.WINDOWS = which == "windows"
    runpy.run_path(program, run_name="__main__")


main()
