"""engines - render engines and denoisers: what this Blender has, and what a scene asks for."""

import ctypes

import bpy

_NAME_BYTES = 32  # RenderData.engine is char[32] in DNA_scene_types.h of 2.93 to 5.x
_SEARCH_BYTES = 8192  # RenderData is about 3 KiB; the name lies well inside
_PROBE = "BLENDER_WORKBENCH"  # the one built-in engine that kept its name in every version

_name_offset = None


def calibrate():
    """Finds where RenderData keeps the engine's name; call once, before any file is opened.

    RNA answers with the first engine it has when it does not know the scene's (it would render
    with that one, silently); only the bytes in memory tell. We set a known name, look where it
    appears, and check that it goes when we set another. Costs microseconds.
    """
    global _name_offset
    render = bpy.context.scene.render
    before = render.engine
    try:
        render.engine = _PROBE
        offset = _find(render.as_pointer(), _PROBE.encode())
        render.engine = before
        if offset is not None and _read(render, offset) == before:
            _name_offset = offset
    except (TypeError, ValueError):
        _name_offset = None


def _find(address, name):
    """Offset of a C string in the memory of a struct, read piecewise so as not to run past it."""
    wanted = name + b"\0"
    for end in range(512, _SEARCH_BYTES + 1, 256):
        at = ctypes.string_at(address, end).find(wanted)
        if at >= 0:
            return at
    return None


def _read(render, offset):
    """The C string at an offset of RenderData."""
    raw = ctypes.string_at(render.as_pointer() + offset, _NAME_BYTES)
    return raw.split(b"\0", 1)[0].decode("utf-8", "replace")


def wanted(scene):
    """The engine that the file names for the scene, whether this Blender has it or not."""
    if _name_offset is None:
        return scene.render.engine
    return _read(scene.render, _name_offset) or scene.render.engine


def is_missing(scene):
    """True when Blender would quietly render this scene with another engine."""
    return wanted(scene) != scene.render.engine


def available(scene):
    """Identifiers of all engines here, add-on engines included.

    The list is dynamic in RNA; the error text of a wrong value is the one place that shows it.
    """
    try:
        scene.render.engine = "dblend: no such engine"
    except TypeError as error:
        text = str(error)
        inside = text[text.rfind("(") + 1: text.rfind(")")]
        return [part.strip().strip("'") for part in inside.split(",") if part.strip()]
    return []


def resolve(scene, name):
    """The identifier for what a person typed (`cycles`, `EEVEE`, `BLENDER_EEVEE`); None: not here.

    Eevee is BLENDER_EEVEE up to 4.1, BLENDER_EEVEE_NEXT in 4.2-4.5, BLENDER_EEVEE again in 5.0.
    """
    here = available(scene)
    key = name.strip().upper().replace(" ", "_")
    by_key = {identifier.upper(): identifier for identifier in here}
    for candidate in (key, "BLENDER_" + key):
        if candidate in by_key:
            return by_key[candidate]
    if "EEVEE" in key:
        return next((identifier for identifier in here if "EEVEE" in identifier), None)
    return None


def has_denoiser():
    """True when this build can denoise with OpenImageDenoise."""
    try:
        import _cycles
    except ImportError:
        return False
    return bool(getattr(_cycles, "with_openimagedenoise", False))


def denoises(scene):
    """True when Cycles will denoise some view layer of the scene."""
    if scene.render.engine != "CYCLES" or not getattr(scene, "cycles", None):
        return False
    if not getattr(scene.cycles, "use_denoising", True):
        return False
    layers = [layer for layer in scene.view_layers if layer.use]
    return any(getattr(layer.cycles, "use_denoising", True) for layer in layers)


def is_cpu_only(scene):
    """True when the scene can only be rendered on CPUs (Open Shading Language in Cycles)."""
    cycles = getattr(scene, "cycles", None)
    return scene.render.engine == "CYCLES" and bool(getattr(cycles, "shading_system", False))


def cycles_addon():
    """(preferences, module) of Cycles; None where this Blender is without it.

    Its preferences are changed for this process only: nothing of it is saved.
    """
    addon = bpy.context.preferences.addons.get("cycles")
    if addon is None:
        return None
    import _cycles
    bpy.context.preferences.use_preferences_save = False
    return addon.preferences, _cycles
