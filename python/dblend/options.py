"""Job options: those of `dblend add`, with the same names, the same defaults, the same words.

An option that is not given, or None, or a flag that is False, is left to the scene, or to the
farm, just as on the command line. `read` makes the options map of PROTOCOL.md 4.1 of them.
"""

from __future__ import annotations

import difflib
import math
import os
import re
from collections.abc import Iterable, Mapping
from typing import (
    Any,
    Callable,
    NamedTuple,
    TypedDict,
    cast,
)

from dblend.errors import UsageError
from dblend.frame_list import FRAME_MAX, FrameListError, Frames, parse
from dblend.text import clean

TEXT_BYTES = 4096  # of one string on the wire
SHOWN_BYTES = 80  # of a wrong number
DEVICE_TYPES = ("OPTIX", "CUDA", "HIP", "ONEAPI", "METAL")


class JobOptions(TypedDict, total=False):
    """What `Farm.submit` takes beside the file: the options of `dblend add`, `_` for `-`.

    >>> options: JobOptions = {"frames": "1-250", "samples": 64, "overwrite": True}
    """

    frames: Frames  #: "1-250", "1-250x5", "7,9,current,start,end", [1, 2, 3], range(1, 251)
    scene: str  #: another scene of the file than the active one
    name: str  #: what the job is called; without: as the file
    priority: int | str  #: 0 to 100, higher goes first; 50
    order: str  #: of the frames: first, last, middle, every:N
    again: bool  #: although the same is queued already
    output: str | os.PathLike[str]  #: where the frames go, as Blender names them
    render_folder: str | os.PathLike[str]  #: into DIR/<folder>/<file>_<time>/<file>-####
    overwrite: bool  #: render over the pictures that are there
    keep: bool  #: keep old pictures of unknown origin
    placeholder_timeout: int | str  #: seconds; 600 or 4 frames
    engine: str  #: CYCLES, BLENDER_EEVEE, BLENDER_WORKBENCH ...
    samples: int | str  #: a pixel
    percentage: int | str  #: size in percent of the full size
    format: str  #: PNG, JPEG, OPEN_EXR ...
    no_denoise: bool  #: without the denoiser
    trust_scripts: bool  #: run the scripts and drivers of the file
    no_scripts: bool  #: render without them, even if they matter
    allow_missing: bool  #: render although files or add-ons are missing
    unbaked: str  #: physics that is not baked: order, refuse, allow
    strict: bool  #: warnings hold the job
    attempts: int | str  #: how often a frame may fail; 3
    stall: int | str  #: seconds without any sign of life; 300 or 4 frames
    max_frame_time: int | str  #: seconds; without: no frame takes too long
    min_frame_time: int | float | str  #: seconds, decimals allowed; less is a warning
    mix: bool  #: allow several Blender versions and kinds of device
    device_type: str | Iterable[str]  #: "optix,cuda": how a GPU may be used, in that order
    allow_cpu: bool  #: on the CPU where the GPU cannot


def read(given: Mapping[str, object]) -> tuple[dict[str, Any], str | None]:
    """The options map of PROTOCOL.md 4.1, and the name of the job if one is given.

    A relative path counts from the present folder, `//` is the folder of the .blend. `-` and `_`
    are the same in a name. Raises UsageError, in the words of `dblend add`: a name that no option
    has, a wrong value, two options that contradict each other.

    >>> read({"frames": "3,1-2", "no_denoise": True, "name": "shot 1"})
    ({'frames': [1, 3, 1], 'denoise': False}, 'shot 1')
    """
    options: dict[str, Any] = {}
    name: str | None = None
    for word, value in given.items():
        option = find(word)
        if value is None:
            continue
        if option.name == "name":
            name = _text(option, value)
        else:
            options.update(option.read(option, value))
    for one, other in _AGAINST:
        if one in options and other in options:
            raise UsageError(f"{_dashed(one)} and {_dashed(other)} contradict each other")
    return options, name


class Option(NamedTuple):
    """One option of a job."""

    name: str  #: with `_`, as a keyword
    read: Callable[[Option, Any], dict[str, Any]]  #: what its value puts into the map
    key: str = ""  #: in the map; "": as the name
    least: int = 0
    most: int = 0

    @property
    def flag(self) -> bool:
        """Is it given or not, without a value?"""
        return self.read is _flag


def find(word: str) -> Option:
    """The option of that name, with `-` or `_`; UsageError names the one that may be meant."""
    option = OPTIONS.get(word.replace("-", "_"))
    if option is None:
        near = difflib.get_close_matches(word.lower().replace("-", "_"), OPTIONS, 1)
        hint = f"did you mean {_dashed(near[0])}?" if near else "`dblend add --help' names them"
        raise UsageError(f"unrecognized option '{_dashed(word)}'", hint=hint)
    return option


def _dashed(name: str) -> str:
    return "--" + name.replace("_", "-")


def _checked(option: Option, text: str) -> str:
    """What is sent as it is: some text that the wire takes."""
    try:
        size = len(text.encode("utf-8"))
    except UnicodeEncodeError:
        size = 0
    if size == 0 or "\0" in text:
        raise UsageError(f"{_dashed(option.name)}: not a text: '{clean(text)}'")
    if size > TEXT_BYTES:
        raise UsageError(f"{_dashed(option.name)}: longer than {TEXT_BYTES} bytes")
    return text


def _text(option: Option, value: object) -> str:
    if not isinstance(value, str):
        raise UsageError(f"{_dashed(option.name)}: not a text: '{clean(str(value))}'")
    return _checked(option, value)


def _key(option: Option) -> str:
    return option.key or option.name


def _plain(option: Option, value: object) -> dict[str, Any]:
    return {_key(option): _text(option, value)}


def _upper(option: Option, value: object) -> dict[str, Any]:
    text = _text(option, value)
    return {_key(option): "".join(char.upper() if "a" <= char <= "z" else char for char in text)}


def _path(option: Option, value: object) -> dict[str, Any]:
    path = os.fspath(value) if isinstance(value, os.PathLike) else value
    return {_key(option): _checked(option, absolute(_text(option, path)))}


def absolute(path: str, folder: str | None = None) -> str:
    """As seen from folder, the present one if there is none; `//` is left to Blender."""
    if path.startswith("/"):
        return path
    while path.startswith("./"):
        path = path[2:]
    if folder is None:
        try:
            folder = os.getcwd()
        except OSError:
            raise UsageError("the working directory is gone; go to another one") from None
    return folder.rstrip("/") + "/" + path


def _flag(option: Option, value: object) -> dict[str, Any]:
    """Only what is meant is sent: `--no-denoise` is denoise false."""
    if not isinstance(value, bool):
        raise UsageError(f"{_dashed(option.name)}: True or False, not '{clean(str(value))}'")
    if not value:
        return {}
    return {"denoise": False} if option.name == "no_denoise" else {option.name: True}


def _number(option: Option, value: object) -> dict[str, Any]:
    text = str(value)
    match = re.fullmatch(r"[ \t\n\v\f\r]*([+-]?)0*([0-9]{1,20})", text)
    number = int(match[1] + match[2]) if match and not isinstance(value, bool) else None
    if number is None or not option.least <= number <= option.most:
        shown = clean(text).encode("utf-8")[:SHOWN_BYTES].decode("utf-8", "ignore")
        raise UsageError(
            f"{_dashed(option.name)}: a whole number from {option.least} "
            f"to {option.most}, not '{shown}'"
        )
    return {_key(option): number}


def _millis(option: Option, value: object) -> dict[str, Any]:
    """Seconds with decimals, kept as milliseconds."""
    text = format(value, "f") if isinstance(value, float) else str(value)
    seconds = float(text) if re.fullmatch(r"[0-9]+\.?[0-9]*|\.[0-9]+", text) else math.inf
    if seconds * 1000 > option.most:
        raise UsageError(
            f"{_dashed(option.name)}: seconds from 0 to {option.most // 1000}, "
            f"as 0.5, not '{value}'"
        )
    return {_key(option): int(seconds * 1000 + 0.5)}


def _frames(_option: Option, value: Frames) -> dict[str, Any]:
    try:
        frames = parse(value)
    except FrameListError as error:
        raise UsageError(f"--{error}") from None
    found: dict[str, Any] = {}
    if frames.ranges:
        found["frames"] = frames.flat()
    if frames.words:
        found["frame_words"] = list(frames.words)
    return found


def _order(_option: Option, value: object) -> dict[str, Any]:
    text = str(value)
    match = re.fullmatch(r"first|last|middle|every:([0-9]{1,7})", text)
    every = int(match[1] or 1) if match else 0
    if not 1 <= every <= 2 * FRAME_MAX + 1:
        raise UsageError(f"--order: first, last, middle or every:N, not '{text}'")
    return {"order": text}


def _unbaked(_option: Option, value: object) -> dict[str, Any]:
    if value not in ("order", "refuse", "allow"):
        raise UsageError(f"--unbaked: order, refuse or allow, not '{value}'")
    return {"unbaked": value}


def _device_type(_option: Option, value: object) -> dict[str, Any]:
    listed = isinstance(value, Iterable) and not isinstance(value, str)
    text = ",".join(map(str, cast("Iterable[object]", value))) if listed else str(value)
    words = text.upper().split(",") if text.isascii() else [""]
    if len(set(words)) != len(words) or not set(words) <= set(DEVICE_TYPES):
        raise UsageError(
            f"--device-type {text}: some of optix, cuda, hip, oneapi, metal, "
            "each once, with commas between"
        )
    return {"device_type": text}


_AGAINST = (("keep", "overwrite"), ("trust_scripts", "no_scripts"), ("render_folder", "output"))
_SECONDS_MAX = 31536000
_FRAME_SECONDS_MAX = 604800  # of one frame: a week


def _table() -> list[Option]:
    flags = (
        "again",
        "overwrite",
        "keep",
        "no_denoise",
        "trust_scripts",
        "no_scripts",
        "allow_missing",
        "strict",
        "mix",
        "allow_cpu",
    )
    return [
        Option("frames", _frames),
        Option("scene", _plain),
        Option("name", _plain),
        Option("priority", _number, "", 0, 100),
        Option("order", _order),
        Option("output", _path),
        Option("render_folder", _path),
        Option("placeholder_timeout", _number, "placeholder_timeout_s", 1, _SECONDS_MAX),
        Option("engine", _upper),
        Option("samples", _number, "", 1, 16777216),
        Option("percentage", _number, "", 1, 1000),
        Option("format", _upper),
        Option("unbaked", _unbaked),
        Option("attempts", _number, "", 1, 1000),
        Option("stall", _number, "stall_s", 1, _FRAME_SECONDS_MAX),
        Option("max_frame_time", _number, "max_frame_time_s", 1, _FRAME_SECONDS_MAX),
        Option("min_frame_time", _millis, "min_frame_time_ms", 0, 86400000),
        Option("device_type", _device_type),
        *(Option(name, _flag) for name in flags),
    ]


#: All options of a job, by name.
OPTIONS: Mapping[str, Option] = {option.name: option for option in _table()}
