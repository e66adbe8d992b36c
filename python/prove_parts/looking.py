"""looking - what lies under the final names of a frame, and whose it is.

A request is a `look` or `take` command (see prove.py). Nothing here changes anything on disk.
"""

import errno
import os
import stat

from . import pictures, system, temps

ABSENT = "absent"  # nothing there
KEPT = "kept"  # whole, and of this very version (or newer than the .blend, or to be kept)
OTHER = "other"  # whole, but to be rendered again; stays until the rename
BUSY = "busy"  # somebody else's file in progress
DEAD = "dead"  # a placeholder whose makers are all dead: to be inherited
ABANDONED = "abandoned"  # somebody's file that did not change for the placeholder timeout

SAME_VERSION = "same"
OTHER_VERSION = "other"
UNKNOWN_VERSION = "unknown"

STAMP_PREFIX = "dblend:"


class Identity:
    """Inode, size and mtime: what must be unchanged for a file to be the one we looked at."""

    def __init__(self, status):
        self.device = status.st_dev
        self.inode = system.inode(status)
        self.size = status.st_size
        self.mtime_ns = status.st_mtime_ns

    def __eq__(self, other):
        return isinstance(other, Identity) and vars(self) == vars(other)

    __hash__ = None

    def matches(self, row):
        """True when a sighting or a row of the ledger speaks of this very file."""
        return bool(row) and (row.get("inode"), row.get("size"), row.get("mtime_ns")) == (
            self.inode, self.size, self.mtime_ns)


class Seen:
    """One final name: its state, and who was seen there."""

    def __init__(self, file, state, identity=None, picture=None):
        self.path = file["path"]
        self.view = file.get("view") or ""
        self.state = state
        self.identity = identity
        self.picture = picture


def look(request, me, claim):
    """Every file of the frame as Seen, in the order of `files`. OSError: cannot be looked at."""
    if request.get("overwrite"):
        return [_only_there(file) for file in request["files"]]
    seen = [look_at(file, request, me, claim) for file in request["files"]]
    _forgive(seen, request.get("sighting"))
    return seen


def _forgive(seen, sighting):
    """Makes busy files abandoned when the newest of them is the one that stood still.

    Of the views of one frame only the newest is reported; the others changed even earlier.
    """
    busy = [one for one in seen if one.state == BUSY]
    if busy and sighting and sighting.get("abandoned"):
        if newest(busy).identity.matches(sighting):
            for one in busy:
                one.state = ABANDONED


def newest(seen):
    """The one that was written last."""
    return max(seen, key=lambda one: one.identity.mtime_ns)


def _stat(path):
    """os.stat; None when nothing is there. OSError for what can never become a picture."""
    try:
        status = os.stat(path)
    except FileNotFoundError:
        if os.path.islink(path):
            raise OSError(errno.EEXIST, "a link to nowhere lies there", path) from None
        return None
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, "a folder lies there", path)
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EEXIST, "something that is no file lies there", path)
    return status


def _only_there(file):
    """With --overwrite nothing is asked but whether a picture can lie there at all."""
    status = _stat(file["path"])
    return Seen(file, OTHER, Identity(status)) if status else Seen(file, ABSENT)


def look_at(file, request, me, claim):
    """Looks at one final name."""
    status = _stat(file["path"])
    if status is None:
        return Seen(file, ABSENT)
    identity = Identity(status)
    if identity.size == 0:
        return Seen(file, _placeholder_state(file, me, claim), identity)
    row = _row_of(request, file["path"], identity)
    if row and _same(row.get("digest"), request["digest"]):
        return Seen(file, KEPT, identity)  # proven before, and not touched since
    try:
        picture = pictures.read(file["path"])
    except pictures.BadPicture:
        return _read_again(file, identity)
    if _changed(file["path"], identity):
        return _read_again(file, identity)
    state = KEPT if _is_kept(picture, file, request, identity, row) else OTHER
    return Seen(file, state, identity, picture)


def _changed(path, identity):
    """True when the file is not the one any more that we started to read."""
    status = _stat(path)
    return status is None or Identity(status) != identity


def _read_again(file, identity):
    """Somebody is writing: what is there now, to be looked at later."""
    status = _stat(file["path"])
    if status is None:
        return Seen(file, ABSENT)
    return Seen(file, BUSY, Identity(status) if status else identity)


def _placeholder_state(file, me, claim):
    """DEAD for an empty file beside which temporary files lie, every one dead; else BUSY."""
    others = [temp for temp in temps.beside(file["path"], file.get("view") or "")
              if not _is_own(temp, me, claim)]
    if others and all(temps.is_dead(temp, me, claim) for temp in others):
        return DEAD
    return BUSY


def _is_own(temp, me, claim):
    """True for our own temporary file of this claim."""
    return temp.farm == me.farm and temp.claim == claim


def _row_of(request, path, identity):
    """The ledger's row for this very file, if there is one."""
    for row in request.get("known") or ():
        if row.get("path") == path and identity.matches(row):
            return row
    return None


def _same(digest, wanted):
    """Compares a digest of the ledger with a stamp; the ledger's may lack prefix and version."""
    if not digest:
        return False
    if digest.startswith(STAMP_PREFIX):
        return digest == wanted
    return digest == wanted[len(STAMP_PREFIX):].partition(":")[0]


def version_of(picture, request, row):
    """Whether a picture is of this version: its own stamp says so, else the ledger."""
    if picture.stamp.startswith(STAMP_PREFIX):
        return SAME_VERSION if picture.stamp == request["digest"] else OTHER_VERSION
    if row:
        return SAME_VERSION if _same(row.get("digest"), request["digest"]) else OTHER_VERSION
    return UNKNOWN_VERSION


def _is_kept(picture, file, request, identity, row):
    """The rule of DESIGN.md, Who owns an output."""
    version = version_of(picture, request, row)
    if version == OTHER_VERSION:
        return False
    if version == UNKNOWN_VERSION and request.get("keep"):
        return True
    if not has_size(picture, file):
        return False
    return version == SAME_VERSION or identity.mtime_ns > request.get("blend_mtime_ns", 0)


def has_size(picture, wanted):
    """True when the picture has the expected size; nothing expected is always right."""
    return (wanted.get("width") in (None, 0, picture.width)
            and wanted.get("height") in (None, 0, picture.height))


def told(seen, wanted):
    """The files of a kept frame for the report: path, bytes, size in pixels, view, identity."""
    found = []
    for one, file in zip(seen, wanted):
        width = one.picture.width if one.picture else file.get("width") or 0
        height = one.picture.height if one.picture else file.get("height") or 0
        found.append({"path": one.path, "bytes": one.identity.size, "width": width,
                      "height": height, "view": one.view, "mtime_ns": one.identity.mtime_ns,
                      "inode": one.identity.inode})
    return found


def verdict(seen, request):
    """The answer to a look: kept, taken or render (DESIGN.md, Publish, then report, 1)."""
    busy = [one for one in seen if one.state == BUSY]
    if busy:
        one = newest(busy).identity
        return {"is": "taken", "size": one.size, "mtime_ns": one.mtime_ns, "inode": one.inode}
    if all(one.state == KEPT for one in seen):
        return {"is": "kept", "files": told(seen, request["files"])}
    return {"is": "render"}
