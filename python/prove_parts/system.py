"""system - what differs between operating systems: files that are open, processes, the disk.

Linux is tested. What is here for macOS and Windows has never run there. The side of Windows runs
on Linux in tests/python/test_prove_elsewhere.py, with what Windows lacks taken away.

On Windows a file that is open can be neither renamed nor removed, so there none is held open: what
is ours is known by its number. NTFS gives a number that was used to no other file; FAT may.
"""

import contextlib
import errno
import os
import posixpath
import sys
import time

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

WINDOWS = os.name == "nt"
LINUX = sys.platform.startswith("linux")

# O_BINARY: else Windows writes two bytes for the end of a line.
_FLAGS = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_PATIENCE_S = 3.0
_PAUSE_S = 0.05
_INODE = (1 << 64) - 1

# The farm's paths begin with a slash and are told to machines of every kind.
join = posixpath.join


# -- a file that is ours --------------------------------------------------------------------------


class _Open:
    """A file that we know by its open descriptor."""

    def __init__(self, path, fd):
        self.path = path
        self._fd = fd

    def status(self):
        """Its stat, wherever it is now."""
        return os.fstat(self._fd)

    def is_of(self, status):
        """True for the stat of this very file. OSError."""
        ours = os.fstat(self._fd)
        return (status.st_dev, status.st_ino) == (ours.st_dev, ours.st_ino)

    def is_linked(self):
        """False once it has no name any more."""
        return os.fstat(self._fd).st_nlink > 0

    def read(self, most):
        """Its first bytes."""
        return os.pread(self._fd, most, 0)

    def write(self, data):
        """Writes to a new file; the number of bytes that it took."""
        return os.write(self._fd, data)

    def sync(self):
        """Brings it to the disk."""
        _sync(self._fd)

    def touch(self):
        """Makes now its mtime."""
        os.utime(self._fd)

    def close(self):
        """What close() could still report, fsync() has said."""
        with contextlib.suppress(OSError):
            os.close(self._fd)


class _Numbered:
    """A file that we know by its number and its path, the same to the outside. Windows, untested.

    `path` must be changed by whoever renames it. OSError where it is not there any more.
    """

    def __init__(self, path, status):
        self.path = path
        self._number = (status.st_dev, status.st_ino)

    def status(self):
        return self._checked(os.stat(self.path, follow_symlinks=False))

    def is_of(self, status):
        return (status.st_dev, status.st_ino) == self._number

    def is_linked(self):
        return True  # is_at() tells

    def read(self, most):
        try:
            with self._opened() as fd:
                return os.read(fd, most)
        except FileNotFoundError:
            return b""  # removed under us: is_at() tells

    def write(self, data):
        with self._opened() as fd:
            return os.write(fd, data)

    def sync(self):
        with contextlib.suppress(FileNotFoundError), self._opened() as fd:
            _sync(fd)

    def touch(self):
        self.status()
        os.utime(self.path)

    def close(self):
        pass

    def _checked(self, status):
        if not self.is_of(status):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), self.path)
        return status

    @contextlib.contextmanager
    def _opened(self):
        fd = os.open(self.path, os.O_RDWR | _FLAGS)
        try:
            self._checked(os.fstat(fd))
            yield fd
        finally:
            os.close(fd)


def create(path, access=os.O_RDWR):
    """Makes a file, with O_EXCL. FileExistsError, OSError."""
    return _held(path, os.open(path, os.O_CREAT | os.O_EXCL | access | _FLAGS, 0o666))


def find(path):
    """The file that lies there; None when it cannot be opened."""
    try:
        return _held(path, os.open(path, os.O_RDWR | _FLAGS | getattr(os, "O_NONBLOCK", 0)))
    except OSError:
        return None


def _held(path, fd):
    if not WINDOWS:
        return _Open(path, fd)
    try:
        return _Numbered(path, os.fstat(fd))
    finally:
        os.close(fd)


def is_at(file, path):
    """True when the file, which may be None, is the one at that path."""
    if file is None:
        return False
    try:
        return file.is_of(os.stat(path, follow_symlinks=False))
    except OSError:
        return False


def inode(status):
    """The inode for the wire (ReFS and Python 3.12 have 128 bits of it)."""
    return status.st_ino & _INODE


# -- names ----------------------------------------------------------------------------------------


def rename(old, new):
    """Renames, over what is there."""
    if WINDOWS:  # untested
        os.replace(old, new)
    else:
        os.rename(old, new)


def publish(old, new):
    """rename(); on Windows again and again: whoever reads one of the two is in the way."""
    ends = time.monotonic() + _PATIENCE_S
    while True:
        try:
            rename(old, new)
            return
        except PermissionError:
            if not WINDOWS or time.monotonic() > ends:
                raise
        time.sleep(_PAUSE_S)


def link(path, other):
    """A second name of a file, never over what is there."""
    if WINDOWS:  # untested; CreateHardLink follows no link, and must not be asked to
        os.link(path, other)
    else:
        os.link(path, other, follow_symlinks=False)


def is_in_use(error):
    """True when a file could not be renamed because somebody has it open. Windows, untested."""
    return WINDOWS and isinstance(error, PermissionError)


def stays(path):
    """True for a file that unlink() could not remove and that its maker can still publish.

    Blender has it open. Windows, untested.
    """
    return WINDOWS and os.path.lexists(path)


# -- the disk -------------------------------------------------------------------------------------


def _sync(fd):
    """fsync(). On macOS (untested) the disk's own memory may keep it, but for F_FULLFSYNC."""
    full = getattr(fcntl, "F_FULLFSYNC", None)
    if full is not None:
        try:
            fcntl.fcntl(fd, full)
            return
        except OSError:
            pass  # a network disk, which does not know it
    os.fsync(fd)


def sync_folder(folder):
    """Brings the renames in it to the disk. Windows, untested: NTFS does so by its journal."""
    if WINDOWS:
        return
    fd = os.open(folder or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


# -- processes ------------------------------------------------------------------------------------


def is_running(pid, start):
    """True while the process lives that started then (/proc/PID/stat, field 22).

    Where the system does not tell that time (macOS, Windows: untested), any process of the number
    counts as it: what a dead one left is then found abandoned, some minutes later.
    """
    if LINUX:
        return start_time(pid) == start
    if WINDOWS:
        return _is_running_windows(pid)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass  # it is another user's
    return True


def _is_running_windows(pid):
    """Untested. os.kill(pid, 0) would be a Ctrl-C there."""
    import ctypes

    synchronize, access_denied, timed_out = 0x100000, 5, 258
    kernel = ctypes.WinDLL("kernel32", use_last_error=True)
    handle = kernel.OpenProcess(synchronize, False, pid)
    if not handle:
        return ctypes.get_last_error() == access_denied
    lives = kernel.WaitForSingleObject(handle, 0) == timed_out
    kernel.CloseHandle(handle)
    return lives


def start_time(pid):
    """Start time of a process in clock ticks since the boot (proc(5), stat, 22); None: gone."""
    try:
        with open("/proc/%d/stat" % pid, "rb") as stream:
            return int(stream.read().rpartition(b")")[2].split()[19])
    except (OSError, IndexError, ValueError):
        return None
