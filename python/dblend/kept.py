"""The kept file: the submitted bytes of a .blend beside it, so that saving it again changes no job.

`.<file without .blend>.<farm id>.<hash>.blend`: a reflink, else a hard link, else a copy. Where
there is a folder `blendcache_<file>` a symlink to it goes with the kept file, without which Blender
would lose the disk cache. Tested on Linux; the paths for other systems are untested.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import hashlib
import os
import shutil
import socket
import stat
import threading
from typing import NamedTuple

try:
    import fcntl
except ImportError:  # Windows, untested
    fcntl = None  # type: ignore[assignment]

PIECE_BYTES = 1048576
NAME_MAX = 255  # bytes of a file's name
HASH_ATTEMPTS = 3
_FICLONE = 0x40049409  # ioctl of Linux: share the blocks of another file
_EXTENSION = ".blend"
_without_clones: set[int] = set()  # devices
_making = threading.Lock()  # the file is made under a name that this process has once


class FileChanged(Exception):
    """It is being written just now: its size or time changed under our hands."""


class Facts(NamedTuple):
    """One look at a file: the three belong together."""

    size: int  #: bytes
    mtime_ns: int
    hash: str  #: BLAKE2b-256 of the bytes as they lie on disk, 64 hex digits


def take_facts(path: str) -> Facts:
    """Size, time and hash of one state of the file. FileChanged after three attempts; OSError."""
    for _ in range(HASH_ATTEMPTS):
        with open(path, "rb", opener=_open_now) as file:
            before = os.fstat(file.fileno())
            facts = Facts(before.st_size, before.st_mtime_ns, _hash(file.fileno()))
            if _is_as_said(os.fstat(file.fileno()), facts):
                return facts
    raise FileChanged


def make(path: str, facts: Facts, farm: str) -> str:
    """Make the kept file, or find it made; its path. `farm`: the id of the farm, from HELLO.

    FileChanged: the file has not, or not any more, these facts. OSError: it cannot be made there
    (no right to write, disk full); the job can do without, until the file is saved again.
    """
    kept = path_of(path, facts.hash, farm)
    with _making:
        if not _is_there(kept, facts):
            _make_file(path, facts, kept)
        _make_cache_link(path, kept)
    return kept


def path_of(path: str, digest: str, farm: str) -> str:
    """The path that `make` gives the kept file."""
    folder, name = os.path.split(path)
    tail = f".{farm}.{digest}{_EXTENSION}"
    stem = _stem(name).encode("utf-8")[: max(0, NAME_MAX - len(".") - len(tail))]
    return os.path.join(folder, "." + stem.decode("utf-8", "ignore") + tail)


def _stem(name: str) -> str:
    return name[: -len(_EXTENSION)] if name.lower().endswith(_EXTENSION) else name


def _open_now(path: str, flags: int) -> int:
    """A pipe would block."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _hash(fd: int) -> str:
    digest = hashlib.blake2b(digest_size=32)
    while True:
        piece = os.read(fd, PIECE_BYTES)
        if not piece:
            return digest.hexdigest()
        digest.update(piece)


def _is_as_said(about: os.stat_result, facts: Facts) -> bool:
    return (
        stat.S_ISREG(about.st_mode)
        and about.st_size == facts.size
        and about.st_mtime_ns == facts.mtime_ns
    )


def _is_there(kept: str, facts: Facts) -> bool:
    try:
        return _is_as_said(os.lstat(kept), facts)
    except OSError:
        return False


def making_path(path: str) -> str:
    """What a process that is gone has left there is removed by host, pid and start in its name."""
    return os.path.join(os.path.dirname(path), _making_name(os.getpid()))


@functools.lru_cache(maxsize=1)
def _making_name(pid: int) -> str:
    return f".dblend-{socket.gethostname()}-{pid}-{_started(pid)}{_EXTENSION}"


def _started(pid: int) -> int:
    """When this process started, in ticks of the kernel; -1 where there is no /proc."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return int(file.read().rpartition(")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return -1


def _make_file(path: str, facts: Facts, kept: str) -> None:
    """Under a name of its own first: nobody must find half a file under the kept name."""
    with open(path, "rb", opener=_open_now) as source:
        before = os.fstat(source.fileno())
        if not _is_as_said(before, facts):
            raise FileChanged
        making = making_path(path)
        _make_at(path, source.fileno(), before, making)
        try:
            # saved while we copied, or the name another file's when we linked: not these bytes
            after = os.fstat(source.fileno())
            if not (_is_as_said(os.stat(making), facts) and _is_as_said(after, facts)):
                raise FileChanged
            os.replace(making, kept)
        finally:
            # a rename onto another name of the same file does nothing: so the first name goes, too
            _remove(making)


def _make_at(path: str, source: int, about: os.stat_result, making: str) -> None:
    if about.st_dev not in _without_clones:
        try:
            _fill(source, making, about, clone=True)
            return
        except OSError as error:
            if error.errno in (errno.EOPNOTSUPP, errno.ENOTTY):
                _without_clones.add(about.st_dev)  # as most file systems are
    try:
        os.link(path, making)
    except FileExistsError:
        raise
    except OSError:
        _fill(source, making, about, clone=False)


def _fill(source: int, making: str, about: os.stat_result, *, clone: bool) -> None:
    """The clone or the copy gets the original's time: that and its size tell it unchanged."""
    if clone and fcntl is None:
        raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP))
    target = os.open(making, os.O_WRONLY | os.O_CREAT | os.O_EXCL, about.st_mode & 0o666)
    try:
        if clone:
            fcntl.ioctl(target, _FICLONE, source)
        else:
            _copy(source, target)
        times = (about.st_atime_ns, about.st_mtime_ns)
        os.utime(target if os.utime in os.supports_fd else making, ns=times)
        if not clone:
            os.fsync(target)  # a full disk may show only here
    except OSError:
        _remove(making)
        raise
    finally:
        os.close(target)


def _copy(source: int, target: int) -> None:
    os.lseek(source, 0, os.SEEK_SET)
    with open(source, "rb", closefd=False) as reader, open(target, "wb", closefd=False) as writer:
        shutil.copyfileobj(reader, writer, PIECE_BYTES)


def _remove(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def _make_cache_link(path: str, kept: str) -> None:
    folder, name = os.path.split(path)
    target = "blendcache_" + _stem(name)
    if not os.path.isdir(os.path.join(folder, target)):
        return
    link = os.path.join(folder, "blendcache_" + _stem(os.path.basename(kept)))
    try:
        os.symlink(target, link)
    except FileExistsError:
        if not os.path.islink(link) or os.readlink(link) != target:
            raise
