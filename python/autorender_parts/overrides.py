"""overrides - puts the job's options over the scene's own settings.

Order matters: the engine before the samples, the format before the names (names.py).
"""

import os

from . import engines
from .failure import JobError
from .opening import options_of

_FORMATS = {  # what people type -> Blender's identifier; its identifiers themselves work too
    "EXR": "OPEN_EXR",
    "OPENEXR": "OPEN_EXR",
    "MULTILAYER": "OPEN_EXR_MULTILAYER",
    "EXR_MULTILAYER": "OPEN_EXR_MULTILAYER",
    "JPG": "JPEG",
    "JPG2000": "JPEG2000",
    "TIF": "TIFF",
    "TGA": "TARGA",
    "RGB": "IRIS",
    "RADIANCE": "HDR",
}
_WORKBENCH_SAMPLES = (("5", 5), ("8", 8), ("11", 11), ("16", 16), ("32", 32))


def scenes_rendered(scene):
    """The scene and every other that its compositor or sequencer renders, the scene first."""
    found = [scene]
    for one in found:  # grows while we walk it
        for other in _pulled_in(one):
            if other is not None and other not in found:
                found.append(other)
    return found


def _pulled_in(scene):
    """Scenes that this scene's compositor and sequencer name."""
    tree = compositor_tree(scene)
    for node in tree.nodes if tree else ():
        if node.type == "R_LAYERS" and not node.mute:
            yield node.scene
    for strip in sequencer_strips(scene):
        if strip.type == "SCENE" and not strip.mute:
            yield strip.scene


def compositor_tree(scene):
    """The compositor's node tree when it takes part in renders, else None.

    `scene.node_tree` up to 4.5, `scene.compositing_node_group` since 5.0 (release notes).
    """
    if not scene.render.use_compositing or not getattr(scene, "use_nodes", True):
        return None
    return getattr(scene, "compositing_node_group", None) or getattr(scene, "node_tree", None)


def sequencer_strips(scene):
    """All strips when the sequencer makes the picture, else (); metastrips are opened up.

    Blender's RE_seq_render_active: switched on, and some strip that is not sound.
    """
    editor = scene.sequence_editor
    if not scene.render.use_sequencer or editor is None:
        return ()
    everything = getattr(editor, "strips_all", None)  # since 4.4
    if everything is None:
        everything = editor.sequences_all
    if all(strip.type == "SOUND" for strip in everything):
        return ()
    return tuple(everything)


def apply(scene, job):
    """Applies engine, size, format, samples and denoising.

    JobError: engine or format not in this Blender.
    """
    options = options_of(job)
    render = scene.render
    if options.get("engine"):
        _set_engine(scene, options["engine"])
    if options.get("percentage"):
        render.resolution_percentage = int(options["percentage"])
    _set_format(scene, options.get("format"))
    for one in scenes_rendered(scene):
        if options.get("samples"):
            _set_samples(one, int(options["samples"]))
        if options.get("denoise") is False:
            _set_denoise_off(one)
        one.render.use_persistent_data = True
        _set_threads(one.render)
    render.use_overwrite = True
    render.use_placeholder = False
    settings = render.image_settings
    if getattr(settings, "use_preview", False):
        settings.use_preview = False  # a second file beside ours, which nobody would publish


def _set_threads(render):
    """As many threads as -t says to a Blender program; the module bpy has no such argument."""
    threads = int(os.environ.get("DBLEND_THREADS") or 0)
    if threads > 0:
        render.threads_mode = "FIXED"
        render.threads = threads


def _set_engine(scene, wanted):
    """Sets the engine. JobError engine-missing names those that are here."""
    identifier = engines.resolve(scene, wanted)
    if identifier is None:
        here = ", ".join(engines.available(scene))
        raise JobError("engine-missing", "this Blender has no engine %r" % wanted,
                       "choose one with -E: %s" % here)
    scene.render.engine = identifier


def is_movie(scene):
    """True when the scene writes a movie; an obsolete movie format reads as an empty name."""
    return scene.render.is_movie_format or not scene.render.image_settings.file_format


def _set_format(scene, wanted):
    """The format asked for, or PNG of 8 bit in place of a movie. JobError: format-missing."""
    settings = scene.render.image_settings
    if not wanted:
        if is_movie(scene):
            _assign_format(settings, "PNG")
            settings.color_depth = "8"
        return
    key = str(wanted).strip().upper()
    try:
        _assign_format(settings, _FORMATS.get(key, key))
    except TypeError:
        _refuse_format(settings, wanted)
    if scene.render.is_movie_format:
        _refuse_format(settings, wanted)


def _assign_format(settings, identifier):
    """Sets file_format; 5.0 wants the kind of medium first (its release notes)."""
    if hasattr(settings, "media_type"):
        multi = identifier == "OPEN_EXR_MULTILAYER"
        settings.media_type = "MULTI_LAYER_IMAGE" if multi else "IMAGE"
    settings.file_format = identifier


def _refuse_format(settings, wanted):
    """JobError format-missing with the image formats that there are."""
    items = settings.bl_rna.properties["file_format"].enum_items
    movies = ("AVI_JPEG", "AVI_RAW", "FFMPEG")
    names = ", ".join(item.identifier for item in items if item.identifier not in movies)
    raise JobError("format-missing", "this Blender writes no image format %r" % wanted,
                   "choose one with --format: %s" % names, True)


def _set_samples(scene, samples):
    """Samples for every engine that the scene could use; each has its own place for them."""
    cycles = getattr(scene, "cycles", None)
    if cycles is not None:
        cycles.samples = samples
        if hasattr(cycles, "progressive"):  # 2.93: branched path tracing counts differently
            cycles.progressive = "PATH"
        if hasattr(cycles, "use_layer_samples"):
            cycles.use_layer_samples = "IGNORE"
    eevee = getattr(scene, "eevee", None)
    if eevee is not None:
        eevee.taa_render_samples = samples
    display = getattr(scene, "display", None)
    if display is not None:
        display.render_aa = _workbench_samples(samples)


def _workbench_samples(samples):
    """Workbench has steps: the smallest that is enough, OFF for one sample."""
    if samples <= 1:
        return "OFF"
    return next((name for name, count in _WORKBENCH_SAMPLES if count >= samples), "32")


def _set_denoise_off(scene):
    """No denoising by Cycles in any view layer; Denoise nodes of the compositor stay."""
    cycles = getattr(scene, "cycles", None)
    if cycles is not None and hasattr(cycles, "use_denoising"):
        cycles.use_denoising = False
    for layer in scene.view_layers:
        own = getattr(layer, "cycles", None)
        if own is not None and hasattr(own, "use_denoising"):
            own.use_denoising = False
