"""options - what dblend-worker's command line says: the same words for both makes of it."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from typing import Callable

from dblend.version import VERSION

STALL_S = 300
SECONDS_MAX = 31_536_000
KINDS = ("optix", "cuda", "hip", "oneapi")


def _number(least: int, most: int = SECONDS_MAX) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not text.isdigit() or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f'"{text}" is no number from {least} to {most}')
        return int(text)

    return read


def _types(text: str) -> str:
    wrong = [word for word in text.split(",") if word not in KINDS]
    if wrong:
        raise argparse.ArgumentTypeError(f'"{wrong[0]}" is none of {", ".join(KINDS)}')
    return text


def read(argv: Sequence[str]) -> argparse.Namespace:
    """The options; ends the program with status 2 where they are wrong."""
    parser = argparse.ArgumentParser(
        prog="dblend-worker",
        allow_abbrev=False,
        description="Renders frames on one device: the worker in Python.",
        epilog="TERM: it finishes what it renders, then leaves; a second TERM: at once.",
    )
    add = parser.add_argument
    add("--device", metavar="DEVICE", default="cpu", help="cpu (default), cpu:0-3, gpu:0, none")
    add("--connect", metavar="ADDRESS", help="the worker socket of the broker: tcp://HOST:PORT")
    add("--blender", metavar="PATH", action="append", default=[], help="this Blender; repeatable")
    add("--bpy", metavar="PYTHON", action="append", default=[], help="a Python with the module bpy")
    add("--exit-when-idle", metavar="SECONDS", type=_number(0), help="leave after so long")
    add("--factory", action="store_true", help="no preferences and add-ons of the user")
    add("--recycle", metavar="N", type=_number(1), default=0, help="a new Blender after N frames")
    add("--max-temperature", metavar="C", type=_number(1, 200), help="a hotter card rests")
    add("--stall", metavar="SECONDS", type=_number(1), default=STALL_S, help="silence of Blender")
    add("--device-type", metavar="TYPES", type=_types, help="of a card: optix,cuda")
    add("--owner-fd", metavar="N", type=_number(0), help="stop at the end of this descriptor")
    add("--list", metavar="devices|cards|blenders", choices=("devices", "cards", "blenders"))
    add("-v", "--verbose", action="store_true", help="log every message")
    add("--version", action="version", version=f"dblend-worker {VERSION} (Python)")
    add("which", nargs="?", metavar="LIST", help="with --list devices: these")
    options = parser.parse_args(argv)
    if options.which is not None and options.list != "devices":
        parser.error(f"unrecognized arguments: {options.which}")
    named = os.environ.get("DBLEND_BPY")
    if named and not options.blender and not options.bpy:
        options.bpy = [named]
    return options
