"""Cycles on a described machine (tests/fake-gpu): its device list, and autorender's choice of it.

The list is in Cycles' own order, and holds what CUDA, HIP and Level Zero would show in the
environment of this process: so it is seen whether the worker's environment and autorender's choice
agree. It stands in for `_cycles` alone; the choice is that of autorender_parts/devices.py.
"""

import importlib.machinery
import importlib.util
import os
import pathlib
import sys

TESTS = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "python"), str(TESTS.parent / "python")]

from fake_cycles import Cycles, Preferences, cuda, hip, oneapi, optix, scene  # noqa: E402

from autorender_parts import devices  # noqa: E402
from autorender_parts.failure import JobError  # noqa: E402


def load_with():
    """tests/fake-gpu/with as a module."""
    path = str(TESTS / "fake-gpu" / "with")
    loader = importlib.machinery.SourceFileLoader("fake_gpu_with", path)
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module


def machine_env(name, folder):
    """The environment of a program on a described machine; its /sys goes into the folder."""
    given = load_with()
    return given.environment(TESTS / "fake-gpu" / "machines" / name, folder)


def cards_of(machine):
    """The cards of a machine file (a name or a path); `instances`: [(name, uuid)] of each."""
    path = TESTS / "fake-gpu" / "machines" / machine
    _, cards = load_with().read_machine(path)
    parts = path.read_text(encoding="utf-8").split("\n[")[1:]
    for card, part in zip(cards, parts):
        rows = [line.partition("=")[2].split(None, 3) for line in part.splitlines()
                if line.startswith("instance")]
        card["instances"] = [(row[3], row[0]) for row in rows]
    return cards


def devices_of(card):
    """[(name, uuid)] of what the driver shows of a card: itself, or its instances."""
    if card.get("mig") == "yes":
        return card["instances"]
    return [(card.get("name", "a card"), card.get("uuid", ""))]


def shown(variable, listed):
    """Of (uuid, row) those that a variable of UUIDs leaves; all of them where it is not set."""
    text = os.environ.get(variable)
    if text is None:
        return [row for _, row in listed]
    return [row for wanted in text.split(",") for uuid, row in listed if wanted and wanted == uuid]


def cycles_of(path):
    """The Cycles of a machine file, as the environment shows it."""
    cards = sorted((card for card in cards_of(path) if "cycles" in card),
                   key=lambda card: card["cycles"])
    rows = {"CUDA": [], "OPTIX": [], "HIP": [], "ONEAPI": []}
    for card in cards:
        place = card["pci"].rpartition(".")[0]
        vendor = card.get("vendor", "nvidia")
        if vendor == "amd":
            rows["HIP"].append((f"GPU-{card['uuid']}", hip("AMD Radeon", place)))
        elif vendor == "intel":
            rows["ONEAPI"].append(("", oneapi("Intel(R) Arc(TM)", card["pci"])))
        else:
            for name, uuid in devices_of(card):
                rows["CUDA"].append((uuid, cuda(name, place)))
                rows["OPTIX"].append((uuid, optix(name, place)))
    hidden = os.environ.get("ONEAPI_DEVICE_SELECTOR", "").startswith("!")
    return Cycles(CUDA=shown("CUDA_VISIBLE_DEVICES", rows["CUDA"]),
                  OPTIX=shown("CUDA_VISIBLE_DEVICES", rows["OPTIX"]),
                  HIP=shown("ROCR_VISIBLE_DEVICES", rows["HIP"]),
                  ONEAPI=[] if hidden else [row for _, row in rows["ONEAPI"]])


def choose(wanted):
    """What `opened` says of the device; JobError as in autorender."""
    cycles = cycles_of(os.environ["DBLEND_FAKE_GPU"])
    scenes = [scene(device="CPU")]
    report = devices.apply(wanted, scenes, scenes, (Preferences(cycles), cycles), (4, 2, 0))
    report["listed"] = [row[2] for rows in cycles.rows.values() for row in rows]
    return report
