"""sweeping - looking over whole output folders: before a job (survey) and after it (sweep)."""

import bisect
import os
import re

from . import claims, last_look, looking, pictures, system, temps

LIVE_MOST = 4096  # live claims that a sweep is told of; of later ones it knows nothing

_NUMBER = re.compile(r"-?\d+")
_MAKING = re.compile(r"\.dblend-(.*)-(\d+)-(\d+)\.blend")  # host, pid, its start time


class Frames:
    """A frame list as flat triples first, last, step; ascending, not overlapping."""

    def __init__(self, flat):
        self._triples = [tuple(flat[at:at + 3]) for at in range(0, len(flat) - 2, 3)]
        self._firsts = [first for first, _, _ in self._triples]

    def __contains__(self, frame):
        at = bisect.bisect_right(self._firsts, frame) - 1
        if at < 0:
            return False
        first, last, step = self._triples[at]
        return frame <= last and (frame - first) % step == 0


def frame_of(name, output):
    """The frame number in a file's name (without folder); None when it is not of this output."""
    head = os.path.basename(output["head"])
    tail = output["tail"]
    if not (name.startswith(head) and name.endswith(tail)):
        return None
    middle = name[len(head):len(name) - len(tail)] if tail else name[len(head):]
    if not _NUMBER.fullmatch(middle):
        return None
    number = int(middle)
    sign = "-" if number < 0 else ""
    written = "%s%0*d" % (sign, output["digits"], abs(number))
    return number if written == middle else None


def survey(request):
    """Counts the pictures under the job's names that are ours, of another version, or unknown.

    Reads headers only: a thousand pictures a second.
    """
    frames = Frames(request["frames"])
    count = {"same": 0, "other": 0, "unknown": 0}
    first = None
    for output in request["outputs"]:
        for path in _pictures_of(output, frames):
            kind = _kind(path, request)
            if kind:
                count[kind] += 1
            if kind == "unknown" and (first is None or path < first):
                first = path
    return dict(count, **{"is": "survey", "first": first or ""})


def _pictures_of(output, frames):
    """Paths of the output's files that are there, of these frames."""
    folder = os.path.dirname(output["head"])
    try:
        names = os.listdir(folder or ".")
    except OSError:
        return
    for name in names:
        frame = frame_of(name, output)
        if frame is not None and frame in frames:
            yield system.join(folder, name)


def _kind(path, request):
    """`same`, `other` or `unknown`; None for what nobody needs to be asked about."""
    try:
        identity = looking.Identity(os.stat(path))
        if not identity.size or not os.path.isfile(path):
            return None
        picture = pictures.read(path, decode=False)
    except (OSError, pictures.BadPicture):
        return None
    row = next((row for row in request.get("known") or ()
                if row.get("path") == path and identity.matches(row)), None)
    version = looking.version_of(picture, request, row)
    if version != looking.UNKNOWN_VERSION:
        return version
    newer = identity.mtime_ns > request.get("blend_mtime_ns", 0)
    return "same" if newer and looking.has_size(picture, request) else "unknown"


def sweep(request, me, held):
    """One piece of work over an output: with `look` a look at proven pictures, else a clearing.

    `held`: claims that this prover holds now.
    """
    if request.get("look"):
        return last_look.look_again(request)
    return _clear(request, me, held)


def _clear(request, me, held):
    """Removes the kept .blend and this farm's dead temporary files; returns problems as warnings.

    With `claim` in the request only lower claims are dead, and of those not the ones in `live`.
    Where nobody says which claims live, what names a live worker of this host is spared.
    """
    problems = []
    farm = request.get("farm") or me.farm
    dead = _Dead(request, me, held)
    for path, is_right in ((request.get("cache_link"), os.path.islink),
                           (request.get("kept"), lambda path: ".%s." % farm in path)):
        if path and is_right(path):
            _remove(path, problems)
    if request.get("kept"):
        for path in _half_made(os.path.dirname(request["kept"]), me):
            _remove(path, problems)
    for output in request.get("outputs") or ():
        for stray in _strays(output, farm):
            if dead.is_dead(stray):
                _clean(stray, me, dead, problems)
    return {"is": "swept", "warnings": problems}


def _half_made(folder, me):
    """What processes of this host that are gone left while they made a kept file (proto/kept.c)."""
    try:
        names = os.listdir(folder or ".")
    except OSError:
        return
    for name in names:
        match = _MAKING.fullmatch(name)
        if match and match.group(1) == me.host:
            if not system.is_running(int(match.group(2)), int(match.group(3))):
                yield system.join(folder, name)


class _Dead:
    """Which temporary files nobody will ever publish, as far as a sweep was told."""

    def __init__(self, request, me, held):
        live = request.get("live")
        self._me = me
        self._farm = request.get("farm") or me.farm
        self._limit = request.get("claim")
        self._live = None if live is None else frozenset(live)
        self._held = held
        if live and len(live) >= LIVE_MOST:
            self._limit = min(max(live), self._limit or max(live))

    def is_dead(self, temp):
        """True when it is of this farm and its claim has ended, or its maker is gone for good."""
        if temp.farm != self._farm:
            return temps.is_dead(temp, self._me, 0)
        if temp.claim in self._held or (self._limit is not None and temp.claim >= self._limit):
            return False
        if self._live is not None:
            return temp.claim not in self._live
        return not temps.is_of_live_worker(temp.path, self._me)


def _remove(path, problems):
    """Unlinks; what is not there is as it should be."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
    except OSError as error:
        problems.append({"code": "output-unwritable", "text": "%s: %s" % (path, error.strerror),
                         "hint": "remove it by hand"})


class _Stray:
    """A temporary file of this farm, with the final name that it was for."""

    def __init__(self, path, farm, claim, final, view, is_aside):
        self.path = path
        self.farm = farm
        self.claim = claim
        self.final = final
        self.view = view
        self.is_aside = is_aside


def _strays(output, farm):
    """This farm's temporary files beside the names of one output."""
    folder = os.path.dirname(output["head"])
    view = output.get("view") or ""
    shape = re.compile(r"\.(.+)\.%s\.(\d+)(\.aside|%s)(\.[^.]*)" % (farm, re.escape(view)))
    try:
        names = os.listdir(folder or ".")
    except OSError:
        return
    for name in names:
        match = shape.fullmatch(name)
        if not match:
            continue
        stem, claim, middle, extension = match.groups()
        is_aside = middle == ".aside"
        base = stem + ("" if is_aside else view)
        final = next((base + end for end in (extension, "") if frame_of(base + end, output)
                      is not None), None)
        if final is not None:
            yield _Stray(system.join(folder, name), farm, int(claim),
                         system.join(folder, final), view, is_aside)


def _clean(stray, me, dead, problems):
    """Removes one dead temporary file, and the placeholder that it left; an aside goes back."""
    if stray.is_aside:
        if _is_empty(stray.path):
            _remove(stray.path, problems)
        elif os.path.lexists(stray.path):
            claims.put_back(stray.path, stray.final)
        return
    others = [temp for temp in temps.beside(stray.final, stray.view) if temp.path != stray.path]
    if all(dead.is_dead(temp) for temp in others) and _is_empty(stray.final):
        try:
            claims.take_away(stray.final, lambda status: _is_left(status, stray), me.farm,
                             stray.claim)
        except OSError as error:
            problems.append({"code": "output-unwritable",
                             "text": "%s: %s" % (stray.final, error.strerror), "hint": ""})
    _remove(stray.path, problems)


def _is_left(status, stray):
    """True for a placeholder that nobody has inherited: who does unlinks the dead file first."""
    return status.st_size == 0 and os.path.lexists(stray.path)


def _is_empty(path):
    """True for an empty file, a placeholder."""
    try:
        return os.stat(path, follow_symlinks=False).st_size == 0
    except OSError:
        return False
