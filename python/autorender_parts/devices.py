"""devices - which device Cycles renders on: the worker's, and no other.

A GPU is known by its PCI address. Cycles writes it into its own ids (intern/cycles/device):

    CUDA    CUDA_NVIDIA GeForce RTX 2080_0000:09:00
    OPTIX   CUDA_NVIDIA GeForce RTX 2080_0000:09:00_OptiX
    HIP     HIP_AMD Radeon RX 6800_0000:0b:00
    ONEAPI  ONEAPI_Intel(R) Level-Zero_Intel(R) Arc(TM) A770_0000:03:00.0  (the first ones: none)
    METAL   METAL_Apple M1                                                 (no address)

Names repeat and the order changes, so neither names a device. Nothing in here needs bpy: Cycles'
preferences and its module are handed in, which differ little from 2.93 to 5.x.
"""

import re
from collections import namedtuple

from .failure import JobError, note

_ADDRESS = re.compile(r"(?:^|_)([0-9a-f]{4,8}):([0-9a-f]{2}):([0-9a-f]{2})(?:\.([0-7]))?"
                      r"(?:_OptiX)?$", re.IGNORECASE)
_OSL_ON_OPTIX = (3, 5)  # the first Blender whose OptiX runs Open Shading Language

Device = namedtuple("Device", "name type id")
Choice = namedtuple("Choice", "type devices warnings")


def address(text):
    """(domain, bus, device, function or None) at the end of an id, or of a plain address; or None.
    """
    found = _ADDRESS.search(text)
    if not found:
        return None
    domain, bus, device, function = found.groups()
    return (int(domain, 16), int(bus, 16), int(device, 16),
            None if function is None else int(function, 16))


def _same_place(one, other):
    """The same card? Most ids of Cycles leave the function out."""
    if one is None or other is None or one[:3] != other[:3]:
        return False
    return None in (one[3], other[3]) or one[3] == other[3]


def listed(cycles, kind):
    """Cycles' devices of a type, the CPU left out; [] where this Blender does not know the type."""
    try:
        rows = cycles.available_devices(kind)
    except ValueError:
        return []
    return [Device(*row[:3]) for row in rows if row[1] == kind]


def _matching(found, places):
    """For each wanted place its device, or None when one is missing or two claim to be there."""
    chosen = []
    for place in places:
        here = [one for one in found if _same_place(address(one.id), place)]
        if len(here) != 1:
            return None
        chosen += here
    return chosen


def _unplaced(found, places):
    """Devices whose ids tell no address: all of them, if they are as many as are wanted.

    The environment shows this Blender no others, and there is nothing else to tell them by.
    """
    if len(found) == len(places) and all(address(one.id) is None for one in found):
        return found
    return None


def choose(wanted, cycles, osl=False, version=(2, 93)):
    """The Choice for what the worker wants (`device` of `open`).

    JobError device-mismatch: Cycles does not list that card, or not once; cpu-only: no card of this
    kind can render the scene; device-type: nothing that the job wants is what the card can.
    """
    if wanted["kind"] == "cpu":
        return Choice("NONE", _cpus(cycles), [])
    places = [address(text) for text in wanted["pci"]]
    types = list(wanted["types"])
    if osl:
        types = [kind for kind in types if kind == "OPTIX" and version >= _OSL_ON_OPTIX]
    seen = []
    for kind in types:
        found = listed(cycles, kind)
        chosen = _matching(found, places) or _unplaced(found, places)
        if places and chosen:
            return Choice(kind, chosen + (_cpus(cycles) if wanted.get("cpu") else []), [])
        seen.append("%s: %s" % (kind, ", ".join(one.id for one in found) or "none"))
    if not wanted["types"]:
        error = JobError("device-type", "the card of this worker can be used in none of the ways"
                         " that the job wants", "leave out --device-type, or add a type", True)
    elif osl and not types:
        error = JobError("cpu-only", "Open Shading Language renders on the CPU only, or with OptiX"
                         " from Blender 3.5 on", "give it a CPU worker, or say --allow-cpu", True)
    else:
        error = JobError("device-mismatch", "Cycles does not list %s as %s; it lists %s" % (
            " and ".join(wanted["pci"]), " or ".join(types) or "any type", "; ".join(seen) or
            "nothing"), "look at the card's driver, and at what this Blender's build supports")
    if not wanted.get("allow_cpu"):
        raise error
    return Choice("NONE", _cpus(cycles), [note("on-cpu", "rendered on the CPU: %s" % error.text,
                                               "--allow-cpu allowed it")])


def _cpus(cycles):
    """What Cycles calls the CPU, one or more."""
    return [Device(*row[:3]) for row in cycles.available_devices("CPU") if row[1] == "CPU"]


def switch(preferences, choice):
    """Sets Cycles' preferences: the chosen devices on, every other one off."""
    chosen = {(one.type, one.id) for one in choice.devices}
    here = {(entry.type, entry.id) for entry in preferences.devices}
    for one in choice.devices:
        if (one.type, one.id) not in here:
            entry = preferences.devices.add()
            entry.id, entry.name, entry.type = one.id, one.name, one.type
    for entry in preferences.devices:
        entry.use = (entry.type, entry.id) in chosen
    try:
        preferences.compute_device_type = choice.type
    except TypeError as error:
        raise JobError("device-mismatch", "this Blender cannot render with %s" % choice.type,
                       "use an official build of Blender") from error


def used(preferences, cycles):
    """(type, devices) that Cycles will take for a scene on GPU: its own rule, from its own lists.

    BlenderSession: of the devices of compute_device_type and the CPU those whose id is switched on;
    the CPU when there is none.
    """
    kind = preferences.compute_device_type or "NONE"
    if kind == "NONE":
        return "NONE", _cpus(cycles)
    on = {entry.id for entry in preferences.devices if entry.use}
    taken = [one for one in listed(cycles, kind) + _cpus(cycles) if one.id in on]
    return (kind, taken) if taken else ("NONE", _cpus(cycles))


def set_scenes(scenes, choice):
    """Each scene renders on the choice, whatever its file says; the compositor on the CPU.

    Which card the compositor's OpenGL or Vulkan would take nobody can tell it.
    """
    for scene in scenes:
        settings = getattr(scene, "cycles", None)
        if settings is not None:
            settings.device = "CPU" if choice.type == "NONE" else "GPU"
        if hasattr(scene.render, "compositor_device"):  # since 4.2
            scene.render.compositor_device = "CPU"


def apply(wanted, scenes, everything, addon, version):
    """Chooses, switches, sets the scenes, and looks at what came of it; the report for `opened`.

    scenes: those that are rendered, of everything that the file has. addon: Cycles' preferences and
    its module, None without it. JobError: device-mismatch, cpu-only.
    """
    nothing = Choice("NONE", [], [])
    rendered = [scene for scene in scenes if scene.render.engine == "CYCLES"]
    if addon is None or not rendered:
        set_scenes(everything, nothing)
        return {"cycles": False, "type": "NONE", "used": [], "warnings": []}
    preferences, cycles = addon
    osl = any(getattr(scene.cycles, "shading_system", False) for scene in rendered)
    choice = choose(wanted, cycles, osl, version)
    switch(preferences, choice)
    set_scenes(everything, choice)
    kind, taken = used(preferences, cycles)
    if kind != choice.type or sorted(taken) != sorted(choice.devices):
        raise JobError("device-mismatch", "Cycles would use %s instead of %s" % (
            _told(kind, taken), _told(choice.type, choice.devices)),
            "look at Blender's preferences, and at scripts that change them")
    return {"cycles": True, "type": kind, "used": [_report(one) for one in taken],
            "warnings": choice.warnings}


def _told(kind, devices):
    """A type and its devices for people."""
    return "%s (%s)" % (kind, ", ".join(one.id for one in devices) or "none")


def _report(device):
    """One device for the worker: its address as bus ids are written, "" where none is told."""
    place = address(device.id)
    text = "" if place is None else "%04x:%02x:%02x" % place[:3]
    if place is not None and place[3] is not None:
        text += ".%x" % place[3]
    return {"id": device.id, "name": device.name, "type": device.type, "pci": text}
