"""cards - NVIDIA's graphics cards, asked of the driver's own library (NVML).

Other makers' cards, groups of cards and parts of cards (MIG) are for the C worker. Tested with a
library that stands for NVIDIA's, on described machines; never with a real card.
"""

from __future__ import annotations

import ctypes
import os
import threading
import time
from typing import Any, NamedTuple

from dblend.worker import system

SAMPLE_S = 1.0
OLD_S = 10.0  # what is older is not told
_TEXT = 96
_CELSIUS = 0  # NVML_TEMPERATURE_GPU


class _Pci(ctypes.Structure):
    """nvmlPciInfo_t, version 3."""

    _fields_ = (
        ("legacy", ctypes.c_char * 16),
        ("domain", ctypes.c_uint),
        ("bus", ctypes.c_uint),
        ("device", ctypes.c_uint),
        ("device_id", ctypes.c_uint),
        ("subsystem_id", ctypes.c_uint),
        ("bus_id", ctypes.c_char * 32),
    )


class _Memory(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_ulonglong) for name in ("total", "free", "used"))


class _Load(ctypes.Structure):
    _fields_ = (("gpu", ctypes.c_uint), ("memory", ctypes.c_uint))


class Card(NamedTuple):
    """One card."""

    number: int  #: by PCI address
    pci: str  #: `0000:65:00.0`
    uuid: str
    name: str
    memory_bytes: int
    types: tuple[str, ...]  #: of Cycles, the best first

    @property
    def id(self) -> str:
        return f"pci:{self.pci}"


class NvmlError(Exception):
    """The driver has no answer."""


class Nvml:
    """The library. NvmlError from the constructor: there is none, or it does not work."""

    def __init__(self) -> None:
        try:
            self._library = ctypes.CDLL("nvml.dll" if system.WINDOWS else "libnvidia-ml.so.1")
        except OSError as error:
            raise NvmlError(str(error)) from None
        self._handles: dict[str, ctypes.c_void_p] = {}
        self._call("nvmlInit_v2")

    def _call(self, name: str, *arguments: Any) -> None:
        try:
            code = getattr(self._library, name)(*arguments)
        except AttributeError:
            raise NvmlError(f"{name} is not in the library") from None
        if code != 0:
            raise NvmlError(f"{name}: error {code}")

    def cards(self) -> list[Card]:
        """Those that answer, in the order of their PCI addresses, and that are ours to use."""
        count = ctypes.c_uint()
        self._call("nvmlDeviceGetCount_v2", ctypes.byref(count))
        found = []
        for index in range(min(count.value, 64)):
            try:
                found.append(self._card(index))
            except NvmlError:
                continue  # lost, or not given to us
        found.sort(key=lambda card: card.pci)
        return [card._replace(number=number) for number, card in enumerate(_given(found))]

    def _card(self, index: int) -> Card:
        handle, pci = ctypes.c_void_p(), _Pci()
        self._call("nvmlDeviceGetHandleByIndex_v2", index, ctypes.byref(handle))
        self._call("nvmlDeviceGetPciInfo_v3", handle, ctypes.byref(pci))
        uuid, name = ctypes.create_string_buffer(_TEXT), ctypes.create_string_buffer(_TEXT)
        self._call("nvmlDeviceGetUUID", handle, uuid, _TEXT)
        self._call("nvmlDeviceGetName", handle, name, _TEXT)
        major, minor, memory = ctypes.c_int(), ctypes.c_int(), _Memory()
        self._call(
            "nvmlDeviceGetCudaComputeCapability", handle, ctypes.byref(major), ctypes.byref(minor)
        )
        self._call("nvmlDeviceGetMemoryInfo", handle, ctypes.byref(memory))
        if self._is_shared_out(handle):
            raise NvmlError("in MIG mode")
        self._handles[uuid.value.decode()] = handle
        place = f"{pci.domain:04x}:{pci.bus:02x}:{pci.device:02x}.0"
        types = ("OPTIX", "CUDA") if major.value >= 5 else ("CUDA",)
        return Card(0, place, uuid.value.decode(), name.value.decode(), memory.total, types)

    def _is_shared_out(self, handle: ctypes.c_void_p) -> bool:
        now, pending = ctypes.c_uint(), ctypes.c_uint()
        try:
            self._call(
                "nvmlDeviceGetMigMode", handle, ctypes.byref(now), ctypes.byref(pending)
            )
        except NvmlError:
            return False  # the driver, or the card, knows nothing of it
        return now.value == 1

    def sample(self, uuid: str) -> dict[str, int]:
        """What a card does now, as telemetry names it; what it cannot say is not there."""
        handle = self._handles[uuid]
        load, memory = _Load(), _Memory()
        celsius, power = ctypes.c_uint(), ctypes.c_uint()
        told: dict[str, int] = {}
        used, total = "gpu_memory_used_bytes", "gpu_memory_total_bytes"
        asked: list[tuple[str, tuple[Any, ...], dict[str, tuple[Any, str]]]] = [
            ("UtilizationRates", (ctypes.byref(load),), {"gpu_load_percent": (load, "gpu")}),
            (
                "MemoryInfo",
                (ctypes.byref(memory),),
                {used: (memory, "used"), total: (memory, "total")},
            ),
            (
                "Temperature",
                (_CELSIUS, ctypes.byref(celsius)),
                {"gpu_temperature_c": (celsius, "value")},
            ),
            ("PowerUsage", (ctypes.byref(power),), {"gpu_power_mw": (power, "value")}),
        ]
        for name, arguments, keys in asked:
            try:
                self._call(f"nvmlDeviceGet{name}", handle, *arguments)
            except NvmlError:
                continue
            told.update({key: getattr(place, field) for key, (place, field) in keys.items()})
        return told


def _given(found: list[Card]) -> list[Card]:
    """Those that a cluster manager left us, which counts by PCI address or names them."""
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    if given is None:
        return found
    chosen = []
    for word in given.split(","):
        word = word.strip()  # noqa: PLW2901
        if word.isdigit():
            chosen += found[int(word) : int(word) + 1]
        elif word:
            chosen += [card for card in found if card.uuid.startswith(word)]
    return chosen


class Gauge:
    """What one card does, sampled on a thread of its own: a driver may hang."""

    def __init__(self, nvml: Nvml, card: Card) -> None:
        self._nvml = nvml
        self._card = card
        self._told: tuple[float, dict[str, int]] = (0.0, {})
        threading.Thread(target=self._sample, name="gauge", daemon=True).start()

    def _sample(self) -> None:
        while True:
            try:
                self._told = (time.monotonic(), self._nvml.sample(self._card.uuid))
            except NvmlError:
                self._told = (0.0, {})
            time.sleep(SAMPLE_S)

    def now(self) -> dict[str, int]:
        """The last sample, as telemetry names it; empty: the card says nothing any more."""
        at, told = self._told
        return told if time.monotonic() < at + OLD_S else {}


def find() -> tuple[Nvml | None, list[Card]]:
    """The cards of this machine; None, []: there is no driver of them."""
    try:
        nvml = Nvml()
        return nvml, nvml.cards()
    except NvmlError:
        return None, []
