"""device_lock - one worker a device: a file in the farm's private folder, locked by the kernel.

The same file as the C worker's, so that the two exclude each other (PROTOCOL.md 2.5). It
stays; it says who held it last.
"""

from __future__ import annotations

import json
import os
import time
from typing import Any

from dblend.worker import system
from dblend.worker.device import Device

NAME_BYTES = 120  # of the device's id in the file's name
_PREFIX, _SUFFIX = "device-", ".lock"


class Held(Exception):
    """Another worker has the device; the text says which."""


class DeviceLock:
    """Held from the constructor on, until this process ends. Held, OSError."""

    def __init__(self, folder: str, device: Device, name: str) -> None:
        self._file = _file_name(device.id)
        self._fd = _open(os.path.join(folder, self._file), os.O_RDWR | os.O_CREAT)
        if not system.lock(self._fd):
            note = _read(self._fd)
            pid = system.holder(self._fd, note.get("pid", 0))
            os.close(self._fd)
            raise Held(
                f"device {device.id} is held by worker {note.get('name', '?')} "
                f"(pid {pid}, since {note.get('since', 'just now')})"
            )
        self._write({**device.as_json(), "name": name, "pid": os.getpid(), "since": _now()})
        self.overlap = self._find_overlap(folder, device)  #: who is on some of these CPUs, or ""

    def _write(self, note: dict[str, Any]) -> None:
        os.ftruncate(self._fd, 0)
        os.lseek(self._fd, 0, os.SEEK_SET)
        os.write(self._fd, json.dumps(note, separators=(",", ":")).encode("utf-8"))

    def _find_overlap(self, folder: str, device: Device) -> str:
        """Our own file is left alone: to close another descriptor of it would free our lock."""
        names = []
        for file in sorted(os.listdir(folder)):
            if file.startswith(_PREFIX) and file.endswith(_SUFFIX) and file != self._file:
                note, pid = _look(os.path.join(folder, file))
                if pid and note.get("kind") == "cpu" and set(note["cpus"]) & set(device.cpus):
                    names.append(f"{note.get('name', file)} (pid {pid})")
        return ", ".join(names)


def _look(path: str) -> tuple[dict[str, Any], int]:
    try:
        fd = _open(path, os.O_RDONLY)
    except OSError:
        return {}, 0
    try:
        note = _read(fd)
        return note, system.holder(fd, note.get("pid", 0))
    finally:
        os.close(fd)


def _open(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), 0o600)


def _read(fd: int) -> dict[str, Any]:
    try:
        os.lseek(fd, 0, os.SEEK_SET)
        note = json.loads(os.read(fd, 1 << 16))
    except (OSError, ValueError):
        return {}
    whole = isinstance(note, dict) and isinstance(note.get("pid", 0), int)
    return note if whole and isinstance(note.get("cpus", []), list) else {}


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())


def _file_name(device: str) -> str:
    """A long list of CPUs is cut, and its hash (64-bit FNV-1a) stands for it."""
    name = device.encode()
    if len(name) > NAME_BYTES:
        value = 14695981039346656037
        for byte in name:
            value = (value ^ byte) * 1099511628211 % (1 << 64)
        device = f"{device[:NAME_BYTES]}-{value:016x}"
    safe = device.replace("/", "_")
    return _PREFIX + (safe.replace(":", "_") if system.WINDOWS else safe) + _SUFFIX
