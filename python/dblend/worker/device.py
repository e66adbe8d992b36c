"""device - what a worker is pinned to: some cores, a card, or nothing (the inspector).

    cpu           all cores            cpu/2        two workers, half the cores each
    cpu:0-3       these kernel CPUs    cpu:0-1+8-9  joined
    none          no device

    gpu, gpu:1    one NVIDIA card, also by UUID (or its beginning) or as pci:0000:65:00.0

A comma separates devices; an item of digits only continues the prefix before it ("cpu:0,1"). Groups
of cards, parts of them and cards with the CPU beside them are for the C worker, and refused here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from dblend.worker.cards import Card

CPU_MAX = 8191
_GPU = re.compile(r"gpu\b|GPU-|MIG-|pci:", re.IGNORECASE)


class WrongDevice(ValueError):
    """No device, or one of CPUs that are not here. Exit status 2."""


class AbsentDevice(ValueError):
    """A card that is not here. Exit status 5."""


class Device(NamedTuple):
    """One device."""

    id: str  #: as on the wire: `cpu:0-3`
    kind: str  #: `cpu`, `gpu`, `none`
    cpus: tuple[int, ...]
    card: Card | None = None

    @property
    def name(self) -> str:
        """Of its card, for people."""
        return f"GPU {self.card.number} ({self.card.name})" if self.card else ""

    def as_json(self) -> dict[str, Any]:
        """As `--list devices` prints it, and a lock file says it."""
        if self.card is not None:
            told = {"name": self.card.name, "memory_bytes": self.card.memory_bytes}
            one = {"device": self.id, "kind": self.kind, "text": self.name, "cpus": []}
            return {**one, "cards": [self.id], **told, "with_cpu": False}
        text = "every CPU" if self.id == "cpu" else f"CPU {format_cpus(self.cpus)}"
        return {"device": self.id, "kind": self.kind, "text": text, "cpus": list(self.cpus)}


NONE = Device("none", "none", ())


def find(text: str, present: Sequence[int], cards: Sequence[Card] = ()) -> Device:
    """The one device that the text names. present: the CPUs that are ours."""
    if text == "none":
        return NONE
    found = expand("gpu:0" if text == "gpu" else text, present, cards)
    if len(found) != 1 or "/" in text:
        raise WrongDevice(
            f'device "{text}" stands for several devices: see `dblend-worker --list devices cpu/N`'
        )
    return found[0]


def expand(text: str, present: Sequence[int], cards: Sequence[Card] = ()) -> list[Device]:
    """The devices of a list, each of a worker of its own."""
    devices: list[Device] = []
    prefix = ""
    for item in text.split(","):
        if item[:1].isdigit() and prefix:
            item = prefix + item  # noqa: PLW2901 (it continues the one before)
        prefix = item[: item.index(":") + 1] if ":" in item else ""
        devices += _of_cards(item, cards) if _GPU.match(item) else _of_cpus(item, present)
    used: set[object] = set()
    for device in devices:
        parts: set[object] = {device.card} if device.card else set(device.cpus)
        if used & parts:
            raise WrongDevice(f"{device.id} of {text} is named twice")
        used |= parts
    return devices


def _of_cards(item: str, cards: Sequence[Card]) -> list[Device]:
    word = item.lower()
    if word == "gpu":
        found = list(cards)
    elif word.startswith("gpu:"):
        number = word[len("gpu:") :]
        found = list(cards[int(number) : int(number) + 1]) if number.isdigit() else []
    elif word.startswith("pci:"):
        found = [card for card in cards if card.id == word]
    else:
        found = [card for card in cards if card.uuid.lower().startswith(word)]
    if not found:
        raise AbsentDevice(
            f"{item}: there is no such GPU here; this worker takes one NVIDIA card, or cores"
        )
    return [Device(card.id, "gpu", (), card) for card in found]


def _of_cpus(item: str, present: Sequence[int]) -> list[Device]:
    if item == "cpu":
        return [Device("cpu", "cpu", tuple(present))]
    if item.startswith("cpu/"):
        return _shares(item, present)
    if item.startswith("cpu:"):
        return [_of_numbers(item, present)]
    raise WrongDevice(f'"{item}" is no device: cpu, cpu:0-3, cpu/2, gpu:0 or none')


def _shares(item: str, present: Sequence[int]) -> list[Device]:
    count = int(item[4:]) if item[4:].isdigit() else 0
    if count < 1:
        raise WrongDevice(f"{item}: a number is missing after cpu/")
    if count > len(present):
        raise WrongDevice(f"{item}: there are only {len(present)} cores")
    edges = [len(present) * index // count for index in range(count + 1)]
    groups = [tuple(present[first:last]) for first, last in zip(edges, edges[1:])]
    return [Device(f"cpu:{format_cpus(group)}", "cpu", group) for group in groups]


def _of_numbers(item: str, present: Sequence[int]) -> Device:
    numbers: set[int] = set()
    for part in item[4:].split("+"):
        match = re.fullmatch(r"(\d{1,5})(?:-(\d{1,5}))?", part)
        first = int(match[1]) if match else 0
        last = int(match[2] or first) if match else -1
        if last < first or last > CPU_MAX:
            raise WrongDevice(f"{item}: {part or 'nothing'} is no CPU number or range")
        numbers.update(range(first, last + 1))
    if not numbers <= set(present):
        raise WrongDevice(
            f"{item}: not all of these CPUs are ours to use; there are cpu:{format_cpus(present)}"
        )
    cpus = tuple(sorted(numbers))
    return Device(f"cpu:{format_cpus(cpus)}", "cpu", cpus)


def format_cpus(cpus: Sequence[int]) -> str:
    """0-3+8: ranges, joined."""
    parts: list[list[int]] = []
    for cpu in sorted(cpus):
        if parts and parts[-1][1] == cpu - 1:
            parts[-1][1] = cpu
        else:
            parts.append([cpu, cpu])
    return "+".join(str(a) if a == b else f"{a}-{b}" for a, b in parts)
