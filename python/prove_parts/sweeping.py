"""sweeping - looking over whole output folders: before a job (survey) and after it (sweep)."""

import bisect
import os
import re

from . import claims, looking, pictures, temps

_NUMBER = re.compile(r"-?\d+")


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
            yield os.path.join(folder, name)


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
    """Removes the kept .blend and this farm's dead temporary files; returns problems as warnings.

    `held`: claims that this prover holds now. With `claim` in the request only lower claims are
    dead. What names a live worker of this host is spared: another job may render there by now.
    """
    problems = []
    farm = request.get("farm") or me.farm
    limit = request.get("claim")
    for path, is_right in ((request.get("cache_link"), os.path.islink),
                           (request.get("kept"), lambda path: ".%s." % farm in path)):
        if path and is_right(path):
            _remove(path, problems)
    for output in request.get("outputs") or ():
        for temp in _dead_temps(output, farm):
            if temp.claim in held or (limit is not None and temp.claim >= limit):
                continue
            if not temps.is_of_live_worker(temp.path, me):
                _clean(temp, me, problems)
    return {"is": "swept", "warnings": problems}


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

    def __init__(self, path, claim, final, view, is_aside):
        self.path = path
        self.claim = claim
        self.final = final
        self.view = view
        self.is_aside = is_aside


def _dead_temps(output, farm):
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
            yield _Stray(os.path.join(folder, name), int(claim), os.path.join(folder, final),
                         view, is_aside)


def _clean(stray, me, problems):
    """Removes one dead temporary file, and the placeholder that it left; an aside goes back."""
    if stray.is_aside:
        if os.path.getsize(stray.path) > 0:
            claims.put_back(stray.path, stray.final)
        else:
            _remove(stray.path, problems)
        return
    others = [temp for temp in temps.beside(stray.final, stray.view) if temp.path != stray.path]
    alone = all(temps.is_dead(temp, me, stray.claim + 1) for temp in others)
    if alone and _is_empty(stray.final):
        try:
            claims.take_away(stray.final, lambda status: status.st_size == 0, me.farm, stray.claim)
        except OSError as error:
            problems.append({"code": "output-unwritable",
                             "text": "%s: %s" % (stray.final, error.strerror), "hint": ""})
    _remove(stray.path, problems)


def _is_empty(path):
    """True for an empty file, a placeholder."""
    try:
        return os.stat(path, follow_symlinks=False).st_size == 0
    except OSError:
        return False
