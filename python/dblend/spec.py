"""What is sent to the broker for one file: the job spec of PROTOCOL.md 4.1.

Takes size, time and hash of the file as it is now and keeps these bytes beside it, so that saving
it again changes nothing for the job.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import stat
import time
import warnings
from collections.abc import Mapping
from typing import Any, NamedTuple, Union

from dblend import blendfile, kept
from dblend.errors import FileRefused
from dblend.options import read

_STAMP = r"_[0-9]{8}-[0-9]{6}"

Path = Union[str, "os.PathLike[str]"]


class ByContent:
    """The type of BY_CONTENT."""

    def __repr__(self) -> str:
        return "BY_CONTENT"


#: As the `key` of an item of submit_many: the key is made from what the job is, see content_key.
BY_CONTENT = ByContent()


class _Known(NamedTuple):
    """A file that was looked at, for the next job of it."""

    look: tuple[int, ...]
    path: str
    facts: kept.Facts
    kept: str | None


class SpecMaker:
    """Makes the specs of one submit: a file that many jobs render is hashed and kept once.

    `farm_id` is the id of the farm, from HELLO; `submitted_at` the Unix time in milliseconds, now
    if it is not given. Where a file's bytes cannot be kept a UserWarning says so.

    >>> specs = SpecMaker("0123456789abcdef")
    >>> specs.spec("shot1.blend", samples=16)["options"]
    {'samples': 16}
    """

    def __init__(
        self, farm_id: str, *, cwd: str | None = None, submitted_at: int | None = None
    ) -> None:
        self._farm = farm_id
        self._submitted_ms = time.time_ns() // 1_000_000 if submitted_at is None else submitted_at
        self._cwd = _present_folder() if cwd is None else cwd
        self._known: dict[str, _Known] = {}

    def anew(self) -> SpecMaker:
        """For a submit now, from the present folder; what is known of files is known to it, too."""
        maker = SpecMaker(self._farm)
        maker._known = self._known
        return maker

    def spec(self, path: Path, *, go_on: bool = False, **options: object) -> dict[str, Any]:
        """The spec for a job of the file at path, with the options of `dblend add`.

        Raises UsageError for an option, and FileRefused for the file, in the words of
        `dblend add`: file-missing, file-unreadable, file-truncated, not-blend, file-changed.
        """
        given, name = read(options)
        file = self._know(os.fspath(path))
        spec: dict[str, Any] = {
            "file": file.path,
            "size": file.facts.size,
            "mtime_ns": file.facts.mtime_ns,
            "hash": file.facts.hash,
            "name": stem_of(file.path) if name is None else name,
            "cwd": self._cwd,
            "submitted_at": self._submitted_ms,
            "options": self._options(file.path, given, go_on),
        }
        if go_on:
            spec["go_on"] = True
        if file.kept is not None:
            spec["kept"] = file.kept
        return spec

    def _options(self, path: str, made: dict[str, Any], go_on: bool) -> dict[str, Any]:
        folder = made.get("render_folder")
        if folder is not None:
            newest = go_on and not made.get("again", False)
            made["output"] = render_folder(folder, path, self._submitted_ms, newest)
        return made

    def _know(self, name: str) -> _Known:
        try:
            about = os.stat(name)
            look = (about.st_dev, about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns)
            known = self._known.get(name)
            if known is None or known.look != look or not _is_kept(known):
                known = self._look_at(name, about, look)
                self._known[name] = known
            return known
        except OSError as error:
            raise _unreadable(name, error) from None
        except ValueError:  # a NUL inside
            raise _missing(name) from None

    def _look_at(self, name: str, about: os.stat_result, look: tuple[int, ...]) -> _Known:
        path = os.path.realpath(name)
        check(name, path, about)
        try:
            facts = kept.take_facts(path)
        except kept.FileChanged:
            raise FileRefused(
                "it is being written just now",
                code="file-changed",
                file=name,
                hint="add it again when it is saved",
            ) from None
        place = self._keep(name, path, facts)
        now = os.stat(path)  # a link more changes its ctime
        if (now.st_ino, now.st_size, now.st_mtime_ns) == (look[1], facts.size, facts.mtime_ns):
            look = (*look[:-1], now.st_ctime_ns)
        return _Known(look, path, facts, place)

    def _keep(self, name: str, path: str, facts: kept.Facts) -> str | None:
        """Without a kept file the job can do, until the file is saved again."""
        try:
            return kept.make(path, facts, self._farm)
        except kept.FileChanged:
            raise FileRefused(
                "it was saved just now", code="file-changed", file=name, hint="add it again"
            ) from None
        except OSError as error:
            warnings.warn(
                f"{path}: its bytes cannot be kept beside it ({error.strerror}); do not save it "
                "until it is rendered, else the job pauses",
                stacklevel=2,
            )
            return None


def check(name: str, path: str, about: os.stat_result) -> None:
    """Can the file at the real path, with that stat, be rendered? FileRefused or OSError if not."""
    if stat.S_ISDIR(about.st_mode):
        raise FileRefused(
            "a folder, not a .blend file", code="not-blend", file=name, hint="name the file inside"
        )
    if not stat.S_ISREG(about.st_mode):
        raise FileRefused(
            "not a regular file",
            code="not-blend",
            file=name,
            hint="name a file that Blender has saved",
        )
    if not _is_text(path):
        raise FileRefused(
            "its path is not UTF-8", code="file-unreadable", file=name, hint="rename file or folder"
        )
    try:
        blendfile.check(path)
    except blendfile.NotBlend:
        raise FileRefused(
            "not a .blend file (by its content)",
            code="not-blend",
            file=name,
            hint="name a file that Blender has saved",
        ) from None
    except blendfile.Truncated:
        raise FileRefused(
            "the file is cut off or damaged",
            code="file-truncated",
            file=name,
            hint="save it again in Blender, or copy it anew",
        ) from None


def check_file(path: Path) -> None:
    """Could a job of the file at path be queued? FileRefused if not. Nothing is made or sent."""
    name = os.fspath(path)
    try:
        check(name, os.path.realpath(name), os.stat(name))
    except OSError as error:
        raise _unreadable(name, error) from None
    except ValueError:
        raise _missing(name) from None


def content_key(spec: Mapping[str, Any]) -> str:
    """The key that says what a spec says: the same bytes with the same options are one job.

    Not in it is what the next run of a script would change: the times, the folder of the script.
    """
    options = dict(spec["options"])
    if "render_folder" in options:
        options.pop("output", None)  # it carries the time
    said = [spec["file"], spec["hash"], spec["name"], options]
    text = json.dumps(said, sort_keys=True, ensure_ascii=True)
    return "content-" + hashlib.blake2b(text.encode("ascii"), digest_size=16).hexdigest()


def stem_of(path: str) -> str:
    """The name of a file without .blend: shot1 of /a/b/shot1.blend."""
    name = os.path.basename(path)
    return name[: -len(".blend")] if len(name) > 6 and name.lower().endswith(".blend") else name


def render_folder(folder: str, path: str, submitted_ms: int, newest: bool = False) -> str:
    """The output pattern of `render_folder=folder` for the file at path.

    In a new folder, named by the time; with `newest` in the newest one of that file that is there.
    """
    stem = stem_of(path)
    above = os.path.join(folder, os.path.basename(os.path.dirname(path)) or "root")
    found = _newest(above, stem) if newest else None
    stamp = time.strftime("%Y%m%d-%H%M%S", time.localtime(submitted_ms // 1000))
    return f"{above}/{found or f'{stem}_{stamp}'}/{stem}-####"


def _newest(folder: str, stem: str) -> str | None:
    try:
        names = os.listdir(folder)
    except OSError:
        return None
    stamped = re.compile(re.escape(stem) + _STAMP)
    return max((name for name in names if stamped.fullmatch(name)), default=None)


def _is_kept(file: _Known) -> bool:
    """It goes when no job needs it any more. What could not be kept need not be there."""
    return file.kept is None or os.path.lexists(file.kept)


def _unreadable(name: str, error: OSError) -> FileRefused:
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return _missing(name)
    hint = "give yourself the right to read it (chmod u+r)" if error.errno == errno.EACCES else ""
    return FileRefused(
        f"cannot be read: {error.strerror}", code="file-unreadable", file=name, hint=hint
    )


def _missing(name: str) -> FileRefused:
    return FileRefused(
        "no such file", code="file-missing", file=name, hint="check the name and the folder"
    )


def _is_text(path: str) -> bool:
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _present_folder() -> str:
    try:
        folder = os.getcwd()
    except OSError:
        return "/"
    return folder if _is_text(folder) else "/"
