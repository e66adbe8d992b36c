"""checks - what would make every frame fail, what a person must decide, what is worth a warning.

Each function looks at the open file after the overrides. `fatal_*` raise JobError; the others
return lists of {code, text, hint}.
"""

import bpy

from . import engines, overrides, physics
from .failure import JobError, listed, note
from .opening import options_of, runs_scripts
from .references import missing
from .rendering import denoiser_missing

# -- what would fail on every frame -------------------------------------------------------------


def fatal_camera(scene):
    """JobError no-camera, by the rule of Blender's own check before it renders."""
    for one in _scenes_with_camera(scene):
        if not one.camera and not any(marker.camera for marker in one.timeline_markers):
            raise JobError("no-camera", "scene %r has no camera" % one.name,
                           "give it a camera and add the file again", True)


def _scenes_with_camera(scene):
    """The scenes that need a camera: none when compositor or sequencer show no 3D scene."""
    if overrides.sequencer_strips(scene):
        return []  # a strip of a scene without one is black, and no error
    tree = overrides.compositor_tree(scene)
    if tree is None:
        return [scene]
    layers = [node for node in tree.nodes if node.type == "R_LAYERS" and not node.mute]
    return [node.scene or scene for node in layers]


def fatal_denoiser(scene):
    """JobError denoiser-missing when Cycles shall denoise and this build cannot."""
    for one in overrides.scenes_rendered(scene):
        if engines.denoises(one) and not engines.has_denoiser():
            raise denoiser_missing("scene %r asks for denoising, and this Blender is built without"
                                   " OpenImageDenoise" % one.name)


# -- what a person must decide ------------------------------------------------------------------


def engine_questions(scene, job):
    """engine-missing; ask before the overrides are applied, which may answer it."""
    given = options_of(job).get("engine")
    here = ", ".join(engines.available(scene))
    if given and engines.resolve(scene, given) is None:
        text = "this Blender has no engine %r, only %s" % (given, here)
    elif not given and engines.is_missing(scene):
        text = "the engine %s is not there; Blender would render with %s" % (
            engines.wanted(scene), scene.render.engine)
    else:
        return []
    return [note("engine-missing", text, "-E ENGINE (%s), or install its add-on" % here)]


def add_on_questions(scene):
    """add-on-missing: engines of other scenes that are rendered, nodes that nobody knows."""
    found = []
    for one in overrides.scenes_rendered(scene)[1:]:
        if engines.is_missing(one):
            found.append("engine %s of scene %s" % (engines.wanted(one), one.name))
    for owner, tree in _trees():
        if tree.bl_idname in ("", "NodeTreeUndefined"):
            found.append("node tree %s" % owner)
        elif any(node.bl_idname in ("", "NodeUndefined") for node in tree.nodes):
            found.append("nodes in %s" % owner)
    if not found:
        return []
    return [note("add-on-missing", "made with add-ons that are not there: %s" % listed(found),
                 "--allow-missing, or install them")]


def _trees():
    """(name, node tree) of everything that has nodes."""
    for tree in bpy.data.node_groups:
        yield tree.name, tree
    for items in (bpy.data.materials, bpy.data.worlds, bpy.data.lights, bpy.data.scenes):
        for item in items:
            tree = getattr(item, "node_tree", None)
            if tree is not None and getattr(item, "use_nodes", True):
                yield item.name, tree


def file_questions(references):
    """files-missing: what is not there and would be seen in the pictures."""
    lost = missing(references)
    return [note("files-missing", lost, "--allow-missing, or put the files back")] if lost else []


def script_questions(scene, job):
    """scripts-blocked: scripts or drivers that did not run and matter."""
    if runs_scripts(job) or options_of(job).get("no_scripts"):
        return []
    if not bpy.app.autoexec_fail and _has_scripted_drivers():
        scene.frame_set(scene.frame_current)  # opening evaluates the file's active scene only
    if not bpy.app.autoexec_fail:
        return []
    texts = [text.name for text in bpy.data.texts if text.use_module]
    what = ["script %s" % name for name in texts]
    if not bpy.app.autoexec_fail_message.startswith("Text "):
        what.append(bpy.app.autoexec_fail_message)
    return [note("scripts-blocked", "not run: %s" % listed(filter(None, what)),
                 "--trust-scripts (runs them with your rights) or --no-scripts")]


def _has_scripted_drivers():
    """True when some driver needs Python."""
    for items in (bpy.data.objects, bpy.data.materials, bpy.data.meshes, bpy.data.shape_keys,
                  bpy.data.armatures, bpy.data.worlds, bpy.data.scenes, bpy.data.node_groups,
                  bpy.data.cameras, bpy.data.lights, bpy.data.curves):
        for item in items:
            data = item.animation_data
            for curve in data.drivers if data else ():
                driver = curve.driver
                if driver.type == "SCRIPTED" and not driver.is_simple_expression:
                    return True
    return False


def physics_of(scene, job):
    """(ordered, questions, warnings) for simulations that are not baked."""
    found = physics.unbaked(overrides.scenes_rendered(scene))
    if not found:
        return False, [], []
    how = options_of(job).get("unbaked") or "order"
    text = "not baked: %s" % listed(what for what, _ in found)
    if how == "refuse":
        return False, [note("unbaked", text, "bake it, or --unbaked order or allow")], []
    if how == "allow":
        hint = "frames may be wrong; bake it, or leave --unbaked at order"
        return False, [], [note("unbaked", text, hint)]
    hint = "frames are rendered in order by one worker at a time; bake it to use all"
    return True, [], [note("unbaked", text, hint)]


# -- what is worth a warning --------------------------------------------------------------------


def is_cpu_only(scene):
    """Does something that is rendered use Open Shading Language?"""
    return any(engines.is_cpu_only(one) for one in overrides.scenes_rendered(scene))


def _cpu_warnings(scene):
    """Open Shading Language, which most cards cannot."""
    if is_cpu_only(scene):
        yield note("cpu-only", "it uses Open Shading Language: CPU workers render it, of the GPU"
                   " workers those with OptiX and Blender 3.5 or newer",
                   "switch it off in the scene, or --allow-cpu")


def warnings(scene, references):
    """Everything else that a person would like to know before the night."""
    found = [note("file-missing", "missing: %s" % reference.told(), "put it back if it matters")
             for reference in references if reference.missing and not reference.needed]
    found.extend(_compositor_warnings(scene))
    found.extend(_render_warnings(scene))
    found.extend(_cpu_warnings(scene))
    if bpy.data.version[:2] > bpy.app.version[:2]:
        found.append(note("file-newer", "saved by Blender %d.%d, newer than this one"
                          % tuple(bpy.data.version[:2]), "render with the Blender that saved it"))
    return found


def _compositor_warnings(scene):
    """File Output nodes, and Denoise nodes that do nothing here."""
    tree = overrides.compositor_tree(scene)
    for node in tree.nodes if tree else ():
        if node.mute:
            continue
        if node.type == "OUTPUT_FILE":
            folder = getattr(node, "base_path", None) or getattr(node, "directory", "")
            yield note("file-output", "node %s writes to %s; the farm does not look after that"
                       % (node.name, folder), "its files are not proven, at times written twice")
        if node.type == "DENOISE" and not engines.has_denoiser():
            yield note("denoise-node", "node %s does nothing: Blender is built without"
                       " OpenImageDenoise" % node.name, "use another Blender, or mute it")


def _render_warnings(scene):
    """Settings that make pictures other than one expects of a farm."""
    render = scene.render
    for strip in overrides.sequencer_strips(scene):
        if strip.type == "SCENE" and strip.scene and not (strip.scene_camera or strip.scene.camera):
            yield note("strip-camera", "strip %s is black: scene %s has no camera"
                       % (strip.name, strip.scene.name), "give that scene a camera")
    if render.engine == "CYCLES" and getattr(scene.cycles, "time_limit", 0) > 0:
        yield note("time-limit", "Cycles stops each frame after %g s: slow workers make noisier"
                   " frames" % scene.cycles.time_limit, "set a number of samples instead")
    if render.use_border and not render.use_crop_to_border:
        yield note("render-region", "only a region of the picture is rendered",
                   "clear the render region if that is not meant")
    if getattr(render.image_settings, "use_preview", False):
        yield note("preview", "the JPEG previews beside the EXR files are not written", "")
