"""claims - taking, proving, publishing and giving up one frame (DESIGN.md, Publish, then report).

What keeps two provers apart, whoever they are:
  * the placeholder is made with O_EXCL: one of them makes it;
  * a temporary file is published only by him whose own file still has a link and is the one at its
    path: who unlinks the temporary file of a dead claim has fenced its prover;
  * what lies under a final name is taken away only by a rename aside, and put back if it is not
    what was looked at.
The folder is read for other temporary files only where a file was in our way, or where there is no
placeholder to make: while the placeholder was ours to make, nobody else renders this frame.
"""

import errno
import os
import shutil
import threading
import time

from . import looking, pictures, system, temps
from .looking import ABANDONED, ABSENT, DEAD, KEPT, OTHER

_ROUNDS = 8  # looks at a place that changes under our eyes before we say `taken`
_FULL = (errno.ENOSPC, errno.EDQUOT)
_LITTLE_BYTES = 1 << 20  # a disk with less free space than this is full: pictures need more


class Fenced(Exception):
    """A higher claim of this farm is there: ours is the dead one."""


class Lost(Exception):
    """Somebody was faster: look again."""


class _File:
    """One file of the frame: final name, temporary file, placeholder if we made one."""

    def __init__(self, wanted, base, temp):
        self.wanted = wanted
        self.path = wanted["path"]
        self.view = wanted.get("view") or ""
        self.base = base
        self.temp = temp
        self.held = None  # the temporary file, a system.create()
        self.placeholder = None
        self.published = False


def _changing():
    """The answer for a place where somebody is at work: not to be taken for abandoned."""
    return {"is": "taken", "size": 0, "mtime_ns": time.time_ns(), "inode": 0}


def error_answer(error, path):
    """The answer to an OSError, in words for people."""
    name = getattr(error, "filename", None) or path
    text = "%s: %s" % (os.fsdecode(name), error.strerror or error)
    if error.errno in _FULL:
        return {"is": "error", "code": "disk-full", "text": text,
                "hint": "free some space there; the frame is tried again"}
    return {"is": "error", "code": "output-unwritable", "text": text,
            "hint": "make the folder writable, or choose another output with -o"}


def is_nearly_full(folder):
    """True when the disk of a folder has no room for a picture."""
    try:
        return shutil.disk_usage(folder or ".").free < _LITTLE_BYTES
    except OSError:
        return False


class Claim:
    """One frame in our hands; the lock keeps the toucher and a give-up out of the publishing."""

    def __init__(self, request, me):
        self.number = request["claim"]
        self._request = request
        self._me = me
        self._lock = threading.Lock()
        self._proving = False
        self._ended = False
        self._files = []
        for file in request["files"]:
            view = file.get("view") or ""
            base, temp = temps.paths(file["path"], view, me.farm, self.number)
            self._files.append(_File(file, base, temp))

    # -- taking ---------------------------------------------------------------------------------

    def look(self):
        """Looks without touching anything; the answer."""
        return looking.verdict(self._look(), self._request)

    def _look(self):
        return looking.look(self._request, self._me, self.number)

    def take(self):
        """Looks, makes temporary files and placeholder; the answer. OSError: nothing is left."""
        answer = None
        for _ in range(_ROUNDS):
            seen = self._look()
            answer = looking.verdict(seen, self._request)
            if answer["is"] != "render":
                return answer
            try:
                self._make_temps()
                self._place(seen)
            except Fenced:
                self._undo()
                return {"is": "fenced"}
            except Lost:
                self._undo()
                continue
            except OSError:
                self._undo()
                raise
            return self.mine()
        return _changing()

    def mine(self):
        """The answer for a frame that is ours: where Blender shall render."""
        return {"is": "mine", "path": self._files[0].base,
                "paths": [file.temp for file in self._files]}

    def _make_temps(self):
        """The temporary files, each with its owner line, open until the frame has ended."""
        line = self._me.owner_line(self.number)
        for file in self._files:
            try:
                file.held = _create(file.temp, line)
            except (FileNotFoundError, NotADirectoryError):
                os.makedirs(os.path.dirname(file.path) or ".", exist_ok=True)
                file.held = _create(file.temp, line)
            if file.held.write(line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), file.temp)

    def _place(self, seen):
        """Makes, inherits or does without the placeholder of each file. Fenced, Lost."""
        for file, one in zip(self._files, seen):
            if one.state == ABSENT and not self._request.get("overwrite"):
                self._make_placeholder(file)
                continue
            others = self._fence_others(file)
            if one.state == DEAD:
                self._inherit(file, one, others)
            elif one.state == ABANDONED:
                if not _take_away(file, one.identity, self._me.farm, self.number):
                    raise Lost()
                self._make_placeholder(file)

    def _make_placeholder(self, file):
        """The empty file under the final name, for everybody to see. Lost when one is there."""
        try:
            file.placeholder = system.create(file.path, os.O_WRONLY)
        except FileExistsError:
            raise Lost() from None

    def _fence_others(self, file):
        """Unlinks this farm's temporary files of lower claims; returns [(temporary file, dead)].

        Fenced when a higher claim of this farm is there, Lost when a lower one cannot be fenced.
        """
        others = []
        for temp in temps.beside(file.path, file.view):
            if temp.farm == self._me.farm and temp.claim > self.number:
                raise Fenced()
            if temp.path != file.temp:
                others.append((temp, temps.is_dead(temp, self._me, self.number)))
        for temp, _ in others:
            if temp.farm == self._me.farm and not _unlink(temp.path) and system.stays(temp.path):
                raise Lost()
        return others

    def _inherit(self, file, one, others):
        """Makes the placeholder of dead makers ours. Lost when somebody of them lives after all.

        Of two farms the one inherits that unlinks the first dead file; both go by name.
        """
        if not others or not all(is_dead for _, is_dead in others):
            raise Lost()
        foreign = [temp for temp, _ in others if temp.farm != self._me.farm]
        for temp in foreign:
            if not _unlink(temp.path):
                raise Lost()
        found = system.find(file.path)
        if found is None or looking.Identity(found.status()) != one.identity:
            _close(found)
            raise Lost()
        file.placeholder = found
        found.touch()

    # -- giving up ------------------------------------------------------------------------------

    def give_up(self):
        """Removes our placeholder and our temporary file, never a published picture.

        While a proof runs its thread does that, as soon as it comes to publishing.
        """
        with self._lock:
            self._ended = True
            if not self._proving:
                self._undo()

    def _undo(self):
        """Takes back what take() made and prove() did not publish; good at any point of both."""
        for file in self._files:
            _remove_placeholder(file, self._me.farm, self.number)
            if file.held and not file.published:
                _unlink(file.temp)
            _close(file.held)
            file.held = None

    def touch(self):
        """Tells others that this frame is not abandoned."""
        with self._lock:
            for file in self._files:
                for one in (file.held, file.placeholder):
                    if one and not file.published:
                        one.touch()

    # -- proving --------------------------------------------------------------------------------

    def prove(self):
        """Proves and publishes what Blender rendered; the answer. The claim has ended then."""
        with self._lock:
            if self._ended:
                return {"is": "fenced"}
            self._proving = True
        try:
            answer = self._publish([self._prove_file(file) for file in self._files])
        except pictures.BadPicture as error:
            answer = self._bad(error) if self._is_ours() else self._fenced()
        except Lost:
            answer = _changing()
        except OSError as error:
            answer = error_answer(error, self._files[0].path)
        with self._lock:
            self._proving = False
            self._ended = True
            self._undo()
        return answer

    def _prove_file(self, file):
        """Decodes one temporary file, checks its size, brings it to the disk; the picture.

        None when the file was unlinked under us: _publish() finds that out by the descriptor.
        """
        if not system.is_at(file.held, file.temp):
            return None
        line = self._me.owner_line(self.number)
        if file.held.read(len(line)) in (b"", line):
            raise _NoPicture("Blender wrote no picture")
        picture = pictures.read(file.temp)
        if not looking.has_size(picture, file.wanted):
            raise pictures.BadPicture("it is %dx%d, not %dx%d" % (
                picture.width, picture.height, file.wanted["width"], file.wanted["height"]))
        file.held.sync()
        return picture

    def _bad(self, error):
        """The answer for a picture that is not whole; on a full disk that is the reason."""
        path = self._files[0].path
        if is_nearly_full(os.path.dirname(path)):
            return error_answer(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path), path)
        code = "no-picture" if isinstance(error, _NoPicture) else "bad-picture"
        return {"is": "error", "code": code, "text": "%s: %s" % (path, error),
                "hint": "see Blender's output of this frame"}

    def _publish(self, found):
        """Renames every file over its placeholder, unless we are fenced or somebody was faster."""
        with self._lock:
            if self._ended:
                return {"is": "fenced"}
            if not self._is_ours():
                return self._fenced()
            if not self._request.get("overwrite"):
                answer = looking.verdict(self._look_at_rivals(), self._request)
                if answer["is"] == "kept":
                    return answer
            for file in self._files:
                self._rename(file)
            system.sync_folder(os.path.dirname(self._files[0].path))
            return self._done(found)

    def _is_ours(self):
        """True while nobody has unlinked a temporary file of ours."""
        return all(file.held.is_linked() and system.is_at(file.held, file.temp)
                   for file in self._files)

    def _fenced(self):
        """Somebody has fenced us: what lies under our temporary names goes, and we look again.

        The placeholder is not ours any more: he who fenced us has inherited it.
        """
        for file in self._files:
            _unlink(file.temp)
        answer = self.look()
        return answer if answer["is"] != "render" else {"is": "fenced"}

    def _look_at_rivals(self):
        """What came to the final names meanwhile; our own placeholders count as nothing."""
        seen = []
        for file in self._files:
            if _is_empty_at(file.placeholder, file.path):
                seen.append(looking.Seen(file.wanted, ABSENT))
            else:
                one = looking.look_at(file.wanted, self._request, self._me, self.number)
                seen.append(one if one.state == KEPT else looking.Seen(file.wanted, OTHER))
        return seen

    def _rename(self, file):
        """The atomic step; ENOENT may be NFS answering a request that it had carried out.

        Lost: somebody has the picture there in use (see system.publish()).
        """
        try:
            system.publish(file.temp, file.path)
        except FileNotFoundError:
            if not system.is_at(file.held, file.path):
                raise
        except PermissionError as error:
            if system.is_in_use(error):
                raise Lost() from None
            raise
        file.held.path = file.path
        file.published = True

    def _done(self, found):
        """The proof of every file."""
        files, warnings = [], []
        for file, picture in zip(self._files, found):
            status = file.held.status()
            files.append({"path": file.path, "bytes": status.st_size, "width": picture.width,
                          "height": picture.height, "view": file.view,
                          "mtime_ns": status.st_mtime_ns, "inode": system.inode(status)})
            warnings.extend(note for note in picture.warnings() if note not in warnings)
        return {"is": "done", "files": files, "warnings": warnings}


class _NoPicture(pictures.BadPicture):
    """The temporary file still holds our owner line, or nothing."""


# -- files --------------------------------------------------------------------------------------


def _create(path, line):
    """A new file with O_EXCL. One of ours (NFS asked twice, or left) is replaced."""
    try:
        return system.create(path)
    except FileExistsError:
        found = system.find(path)
        if found:
            if found.read(len(line) + 1) == b"":
                return found  # the answer to a retransmission: nobody else knows this name
            found.close()
        _unlink(path)
    return system.create(path)


def _close(file):
    """Closes a file that may be None."""
    if file:
        file.close()


def _unlink(path):
    """True when this call removed the file."""
    try:
        os.unlink(path)
    except OSError:
        return False
    return True


def _is_empty_at(file, path):
    """True while the file at a path is ours, a placeholder, and still empty."""
    try:
        return system.is_at(file, path) and file.status().st_size == 0
    except OSError:  # gone meanwhile, where we hold none open
        return False


def aside_path(path, farm, claim):
    """Where a file is put while we see whether it is the one that we looked at."""
    folder, name, _, extension = temps.parts_of(path, "")
    return system.join(folder, ".%s.%s.%d.aside%s" % (name, farm, claim, extension))


def take_away(path, is_expected, farm, claim):
    """Removes what lies at a path if it is what we expect (asked with its stat); True if so.

    Rename aside, look, then unlink or link back: nothing can be lost in between.
    """
    aside = aside_path(path, farm, claim)
    try:
        system.rename(path, aside)
        status = os.stat(aside, follow_symlinks=False)
    except OSError as error:
        if isinstance(error, FileNotFoundError) or system.is_in_use(error):
            return False
        raise
    if is_expected(status):
        _unlink(aside)
        return True
    put_back(aside, path)
    return False


def put_back(aside, path):
    """Links a file back under its name and forgets the other; a newer file there stays."""
    try:
        system.link(aside, path)
    except FileExistsError:
        pass
    except OSError:  # a file system without hard links
        if not os.path.lexists(path):
            os.rename(aside, path)
            return
    _unlink(aside)


def _take_away(file, identity, farm, claim):
    """take_away() of a file that was looked at."""
    return take_away(file.path, lambda status: looking.Identity(status) == identity, farm, claim)


def _remove_placeholder(file, farm, claim):
    """Takes back our placeholder, if our temporary file is still there: else it is inherited."""
    placeholder = file.placeholder
    if placeholder is None:
        return
    file.placeholder = None

    def is_ours(status):
        """Still the file that we made, still empty, and still ours to remove."""
        same = placeholder.is_of(status)
        return same and status.st_size == 0 and system.is_at(file.held, file.temp)

    ours = not file.published and system.is_at(file.held, file.temp)
    if ours and _is_empty_at(placeholder, file.path):
        try:
            take_away(file.path, is_ours, farm, claim)
        except OSError:
            pass  # a disk that went away: the placeholder is abandoned some minutes later
    placeholder.close()
