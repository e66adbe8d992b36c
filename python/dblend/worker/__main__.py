"""python -m dblend.worker: the worker in Python."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from types import FrameType
from typing import NoReturn

from dblend import paths
from dblend.errors import FarmError
from dblend.worker import blenders, device_lock, log, options, scratch, system
from dblend.worker.cards import Card, Gauge
from dblend.worker.cards import find as find_cards
from dblend.worker.device import AbsentDevice, Device, WrongDevice, expand, find
from dblend.worker.opening import Setup
from dblend.worker.program import Choices, Program, host_name

FAULT, USAGE, HELD, ABSENT = 1, 2, 4, 5


def main(argv: list[str] | None = None) -> int:
    """One worker, or one list; the exit status."""
    given = options.read(sys.argv[1:] if argv is None else argv)
    log.set_verbose(given.verbose)
    try:
        place = paths.find()
        if given.list == "devices":
            return _list_devices(given.which or "cpu")
        os.makedirs(place.state, mode=0o700, exist_ok=True)
        if given.list == "blenders":
            for blender in _find_blenders(given, place):
                print(json.dumps(blender.as_json(), separators=(",", ":")))
            return 0
        return 0 if given.list == "cards" else _work(given, place)
    except FarmError as error:
        return _fail(FAULT, str(error))


def _fail(status: int, text: str) -> int:
    log.error(text)
    return status


def _list_devices(which: str) -> int:
    try:
        devices = expand(which, system.cpus(), find_cards()[1])
    except (WrongDevice, AbsentDevice) as error:
        print(f"dblend-worker: {error}", file=sys.stderr)
        return USAGE
    for device in devices:
        print(json.dumps(device.as_json(), separators=(",", ":")))
    return 0


def _find_blenders(given: argparse.Namespace, place: paths.Place) -> list[blenders.Blender]:
    cache = os.path.join(place.state, "blenders.json")
    return blenders.find(given.blender, given.bpy, cache)


class _Unfit(Exception):
    """This worker cannot begin; status is the program's."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


def _work(given: argparse.Namespace, place: paths.Place) -> int:
    signal.signal(signal.SIGTERM, _leave_early)
    try:
        _find_data()
        nvml, cards = find_cards()
        device = _take_device(given.device, cards)
        types = _take_types(given.device_type, device)
        held = _lock(device, place)
        found = _find_blenders(given, place)
    except _Unfit as error:
        return _fail(error.status, str(error))
    if not found:
        where = ", ".join(given.blender + given.bpy) or "PATH, /opt, the home folder"
        text = f"no Blender 2.93 or newer was found (looked at: {where})"
        log.error(f"{text}; install one, or name it with --blender PATH")
        if device.kind != "none":  # an inspector stays, to tell the submitters
            return FAULT
    scratch.sweep()
    most_bytes = system.memory_total() // 8
    setup = Setup(found, device, given.recycle, given.stall * 1000, most_bytes, types)
    idle_ms = None if given.exit_when_idle is None else given.exit_when_idle * 1000
    endpoint = given.connect or place.workers_endpoint
    gauge = Gauge(nvml, device.card) if nvml and device.card else None
    choices = Choices(
        endpoint, given.factory, idle_ms, given.owner_fd, gauge, given.max_temperature
    )
    status = Program(setup, choices).run()
    del held  # not before
    return status


def _find_data() -> None:
    for name in ("autorender.py", "prove.py"):
        try:
            paths.data_file(name)
        except FileNotFoundError:
            hint = "install it beside this package, or name its folder in DBLEND_DATA"
            raise _Unfit(FAULT, f"{name} is not there; {hint}") from None


def _take_types(given: str | None, device: Device) -> list[str]:
    """By which ways its card may be used, the preferred one first."""
    if device.card is None:
        return []
    wanted = given.upper().split(",") if given else device.card.types
    types = [kind for kind in wanted if kind in device.card.types]
    if not types:
        raise _Unfit(USAGE, f"--device-type: {device.id} can be used in none of these ways")
    return types


def _take_device(text: str, cards: list[Card]) -> Device:
    try:
        return find(text, system.cpus(), cards)
    except WrongDevice as error:
        raise _Unfit(USAGE, f"--device {text}: {error}") from None
    except AbsentDevice as error:
        raise _Unfit(ABSENT, f"--device {text}: {error}") from None


def _lock(device: Device, place: paths.Place) -> device_lock.DeviceLock:
    os.makedirs(place.run, mode=0o700, exist_ok=True)
    paths.require_private(place.run)
    try:
        lock = device_lock.DeviceLock(place.run, device, f"{host_name()}/{device.id}")
    except device_lock.Held as error:
        hint = "it does the work" if device.kind == "none" else "stop it, or take another device"
        raise _Unfit(HELD, f"{error}; {hint}") from None
    except OSError as error:
        raise _Unfit(FAULT, f"lock {device.id}: {place.run}: {error.strerror}") from None
    if lock.overlap:
        log.warning(f"CPUs of {device.id} are used by other workers too: {lock.overlap}")
    return lock


def _leave_early(_signal: int, _frame: FrameType | None) -> NoReturn:
    """Asked to go before anything has begun."""
    sys.exit(0)


if __name__ == "__main__":
    sys.exit(main())
