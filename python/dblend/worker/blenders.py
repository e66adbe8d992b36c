"""blenders - every Blender of this machine, what each can do, and which one a job takes.

Each is asked once, by running it for a moment, and remembered by path, size and mtime in
blenders.json of the farm's state folder, which the C worker reads and writes as well.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Sequence
from typing import Any, NamedTuple

from dblend.worker import log, system

MOST = 32  # as many as READY may name
OLDEST = 293  # autorender needs 2.93
PROBE_S = 60
_MARK = "DBLEND-PROBE "
_PROBE = f"""import bpy, json
try:
    import _cycles
    denoiser = bool(getattr(_cycles, 'with_openimagedenoise', False))
except ImportError:
    denoiser = False
print('\\n{_MARK}' + json.dumps({{'version': '%d.%d.%d' % bpy.app.version,
                               'denoiser': denoiser}}), flush=True)
"""


class Blender(NamedTuple):
    """One that can be started."""

    path: str
    version: str  #: `3.4.1`
    denoiser: bool
    module: bool  #: path is a Python that can `import bpy`

    @property
    def series(self) -> int:
        """As in a .blend: 304."""
        return _numbers(self.version)[0]

    def as_json(self) -> dict[str, Any]:
        """As READY and `--list blenders` have it."""
        return {"version": self.version, "path": self.path, "denoiser": self.denoiser}


class NoBlender(Exception):
    """None of them will do; code and hint as of an error."""

    def __init__(self, code: str, text: str, hint: str) -> None:
        super().__init__(text)
        self.code, self.text, self.hint = code, text, hint


def _numbers(version: str) -> tuple[int, int]:
    """Series and patch; (0, 0) for what is no version."""
    match = re.fullmatch(r"(\d{1,3})\.(\d{1,2})(?:\.(\d{1,4}))?.*", version)
    return (int(match[1]) * 100 + int(match[2]), int(match[3] or 0)) if match else (0, 0)


# -- finding them ---------------------------------------------------------------------------------


def find(programs: Sequence[str], pythons: Sequence[str], cache_path: str) -> list[Blender]:
    """Newest first. programs: those that a person named; none, and no pythons: search."""
    cache = _load(cache_path)
    before = json.dumps(cache)
    places = [_absolute(name) for name in programs] or ([] if pythons else _places())
    asked = [_program(path, cache) for path in _unseen(places)[:MOST]]
    asked += [_python(name) for name in pythons]
    found = [blender for blender in asked if blender]
    if json.dumps(cache) != before:
        _store(cache, cache_path)
    for old in [blender for blender in found if blender.series < OLDEST]:
        found.remove(old)
        log.warning(
            f'pass over blender: path="{old.path}" version={old.version}: too old, '
            "2.93 or newer is needed"
        )
    found.sort(key=lambda one: (*_numbers(one.version), one.denoiser), reverse=True)
    return found[:MOST]


def _absolute(name: str) -> str:
    return os.path.abspath(shutil.which(name) or name)


def _unseen(paths: Sequence[str]) -> list[str]:
    """The same file found twice, by whatever names, is one."""
    return list({os.path.realpath(path): path for path in reversed(paths)}.values())[::-1]


def _places() -> list[str]:
    """PATH, /opt, the home folder; on macOS and Windows where installers put it (untested)."""
    import glob  # noqa: PLC0415 (once)

    name = "blender.exe" if system.WINDOWS else "blender"
    folders = os.environ.get("PATH", "/usr/local/bin:/usr/bin:/bin").split(os.pathsep)
    found = [os.path.join(folder, name) for folder in folders if folder]
    home = os.path.expanduser("~")
    patterns = [
        "/opt/blender*/blender",
        "/opt/*/blender*/blender",
        f"{home}/blender*/blender",
        f"{home}/*/blender*/blender",
        "/Applications/Blender*.app/Contents/MacOS/Blender",
        "C:/Program Files/Blender Foundation/*/blender.exe",
    ]
    for pattern in patterns:
        found += sorted(glob.glob(pattern), reverse=True)
    return [path for path in found if os.path.isfile(path) and os.access(path, os.X_OK)]


def _program(path: str, cache: dict[str, Any]) -> Blender | None:
    """One program: remembered, or asked."""
    try:
        info = os.stat(path)
    except OSError as error:
        log.warning(f'pass over blender: path="{path}": {error.strerror}')
        return None
    row = cache.get(path)
    facts = {"size": info.st_size, "mtime_ns": info.st_mtime_ns}
    if not isinstance(row, dict) or any(row.get(key) != facts[key] for key in facts):
        row = _ask([path, "--background", "--factory-startup", "--python-expr", _PROBE])
        if not row:
            log.warning(f'pass over blender: path="{path}": it does not answer as a Blender does')
            return None
        cache[path] = {**facts, **row}
    return Blender(path, str(row.get("version")), bool(row.get("denoiser")), False)


def _python(name: str) -> Blender | None:
    """A Python that can import bpy; asked each time: its bpy may be another one since."""
    path = _absolute(name)
    row = _ask([path, "-c", _PROBE])
    if not row:
        missing = "" if os.path.exists(path) else ": no such file"
        log.warning(f'pass over python: path="{path}": it cannot import bpy{missing}')
        return None
    return Blender(path, row["version"], row["denoiser"], True)


def _ask(argv: Sequence[str]) -> dict[str, Any] | None:
    try:
        asked = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError:
        return None
    try:
        said, _ = asked.communicate(timeout=PROBE_S)
    except subprocess.TimeoutExpired:
        if hasattr(os, "killpg"):
            os.killpg(asked.pid, signal.SIGKILL)
        asked.kill()
        asked.communicate()
        return None
    for line in said.decode("utf-8", "replace").splitlines():
        if line.startswith(_MARK):
            return _read_answer(line[len(_MARK) :])
    return None


def _read_answer(text: str) -> dict[str, Any] | None:
    try:
        answer = json.loads(text)
        version, denoiser = str(answer["version"]), bool(answer["denoiser"])
    except (ValueError, TypeError, KeyError):
        return None
    return {"version": version, "denoiser": denoiser} if _numbers(version)[0] else None


def _load(path: str) -> dict[str, Any]:
    try:
        with open(path, encoding="utf-8") as file:
            cache = json.load(file)
    except (OSError, ValueError):
        return {}
    return cache if isinstance(cache, dict) else {}


def _store(cache: dict[str, Any], path: str) -> None:
    beside = f"{path}.{os.getpid()}"
    try:
        with open(beside, "w", encoding="utf-8") as file:
            json.dump(cache, file, indent=1)
        os.replace(beside, path)
    except OSError as error:
        log.warning(f'remember blenders: path="{path}": {error.strerror}')


# -- choosing one ---------------------------------------------------------------------------------


class Need(NamedTuple):
    """What a job needs."""

    file_version: int = 0  #: 304; 0: not known
    bound: str = ""  #: `3.4`: this series and no other
    denoiser: bool = False


def choose(found: Sequence[Blender], need: Need) -> tuple[Blender, str]:
    """The newest of the file's own series, else of the nearest newer one; and a remark, or "".

    NoBlender: none will do.
    """
    fitting = _fitting(found, need)
    able = [one for one in fitting if one.denoiser or not need.denoiser]
    if not able:
        raise NoBlender(
            "denoiser-missing",
            "the scene denoises, and no build of Blender here can",
            "render with --no-denoise, or install an official build of Blender",
        )
    chosen = able[0]
    passed = fitting[0]
    if not passed.denoiser and need.denoiser:
        remark = (
            f"Blender {passed.version} was passed over, its build cannot denoise; "
            f"Blender {chosen.version} is used"
        )
    elif not need.bound and OLDEST <= need.file_version != chosen.series:
        remark = (
            f"saved by Blender {_dotted(need.file_version)}, which is not here; "
            f"Blender {chosen.version} is used"
        )
    else:
        remark = ""
    return chosen, remark


def _fitting(found: Sequence[Blender], need: Need) -> list[Blender]:
    """Those that can open the file, the best first; NoBlender."""
    if not found:
        hint = "install Blender 2.93 or newer, or name it with --blender"
        raise NoBlender("blender-missing", "no Blender was found on this machine", hint)
    if need.bound:
        fitting = [one for one in found if one.series == _numbers(need.bound)[0]]
        if fitting:
            return fitting
        raise NoBlender(
            "blender-missing",
            f"this job is bound to Blender {need.bound}, which is not here",
            "install it here, name it with --blender, or submit with --mix",
        )
    if not need.file_version:
        return list(found)
    fitting = [one for one in found if one.series >= need.file_version]
    if fitting:
        return sorted(fitting, key=lambda one: one.series)  # stable: the newest patch stays first
    raise NoBlender(
        "file-too-new",
        f"saved by Blender {_dotted(need.file_version)}; the newest here is {found[0].version}",
        "install a newer Blender, or name it with --blender",
    )


def _dotted(series: int) -> str:
    return f"{series // 100}.{series % 100}"
