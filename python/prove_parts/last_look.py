"""last_look - are the pictures that were proven once still there, and whole?

A file whose size, mtime and inode equal its proof is taken for whole without being read: that
costs microseconds, so that a job of ten thousand frames is looked over in a second. Any other is
decoded. Nothing here changes anything on disk.
"""

import errno
import os
import stat
import time

from . import looking, pictures, system

GONE = "gone"  # nothing lies there
BROKEN = "broken"  # not a whole picture, or not of the size that was proven
CHANGED = "changed"  # whole, but stamped with another version

_BUDGET_S = 20.0  # of one request: who asked hears of us before he takes us for hung
_TEXT_BYTES = 240  # of what is said of one frame: 256 of them fit into one message


def look_again(request):
    """The answer to a sweep with `look`: the frames that are wrong, and how far it came.

    OSError: the folder cannot be looked at, which says nothing about the pictures.
    """
    ends = time.monotonic() + _BUDGET_S
    wrong, last = [], None
    for entry in request["look"]:
        if last is not None and time.monotonic() > ends:
            break
        last = entry["frame"]
        for file in entry["files"]:
            trouble = _trouble(file, request.get("digest") or "")
            if trouble:
                wrong.append({"frame": last, "code": trouble[0],
                              "text": _cut("%s: %s" % (file["path"], trouble[1]))})
                break
    return {"is": "swept", "warnings": [], "wrong": wrong, "last": last}


def _trouble(file, digest):
    """None for a file that is as it should be, else (code, words for people)."""
    path = file["path"]
    try:
        status = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        if os.path.islink(path):
            return GONE, "a link to nowhere lies there"
        return GONE, "no such file"
    except OSError as error:
        if error.errno == errno.ELOOP:
            return BROKEN, "a link to itself lies there"
        raise
    if _is_proven(status, file):
        return None
    if not stat.S_ISREG(status.st_mode):
        return BROKEN, "something that is no file lies there"
    if not status.st_size:
        return BROKEN, "an empty file lies there"
    return _read(path, looking.Identity(status), file, digest)


def _is_proven(status, file):
    """True when size, mtime and inode are those of the proof."""
    return (stat.S_ISREG(status.st_mode)
            and status.st_size == file["bytes"]
            and status.st_mtime_ns == file["mtime_ns"]
            and _signed(system.inode(status)) == _signed(file["inode"]))


def _signed(inode):
    """An inode as the wire has it: over 2^63 - 1 it is the int64 of the same bits."""
    return inode - (1 << 64) if inode >= 1 << 63 else inode


def _read(path, identity, file, digest):
    """_trouble() of a file that is not the one that was proven."""
    try:
        picture = pictures.read(path)
        now = looking.Identity(os.stat(path))
    except FileNotFoundError:
        return GONE, "no such file"
    except PermissionError as error:
        return BROKEN, error.strerror
    except pictures.BadPicture as error:
        return BROKEN, str(error)
    if now != identity:
        return BROKEN, "somebody writes to it"
    if not looking.has_size(picture, file):
        return BROKEN, "it is %dx%d, not %dx%d" % (
            picture.width, picture.height, file["width"], file["height"])
    if digest and picture.stamp.startswith(looking.STAMP_PREFIX):
        if not _is_of(picture.stamp, digest):
            return CHANGED, "it is of another version of the scene"
    return None


def _is_of(stamp, digest):
    """True for the stamp of this version; a digest without a Blender version is of any."""
    return stamp.startswith(digest) if digest.endswith(":") else stamp == digest


def _cut(text):
    """Short enough for the report: the end of a path says more than its beginning."""
    data = text.encode("utf-8", "replace")
    if len(data) <= _TEXT_BYTES:
        return text
    return "..." + data[3 - _TEXT_BYTES:].decode("utf-8", "ignore")
