"""opening - opening .blend files, with or without their scripts."""

import os

import bpy

from . import system
from .failure import JobError, one_line


def options_of(job):
    """The job's options, {} when none were given."""
    return job.get("options") or {}


def runs_scripts(job):
    """True when the job's scripts are trusted and run on opening."""
    options = options_of(job)
    return bool(options.get("trust_scripts")) and not options.get("no_scripts")


def path_to_open(job):
    """The path to open: what the worker chose (original or kept file), else the original."""
    return job.get("use") or job["file"]


def open_file(job):
    """Opens the job's file. JobError with Blender's own text when it cannot be."""
    path = path_to_open(job)
    if not os.path.exists(path):
        raise JobError("file-missing", "%s: no such file" % path, "put it back or cancel the job",
                       True)
    try:
        bpy.ops.wm.open_mainfile(filepath=path, load_ui=False, use_scripts=runs_scripts(job))
    except RuntimeError as error:
        raise _unreadable(path, one_line(error)) from error
    if not bpy.data.filepath or not system.is_same(bpy.data.filepath, path):
        raise JobError("file-unreadable", "%s: Blender did not open it" % path, "", True)


def _unreadable(path, text):
    """The error for a file that Blender refused, by the words it used (facts: 2.93 to 5.x)."""
    low = text.lower()
    if "missing dna" in low or "truncated" in low or "unexpected end" in low:
        code, hint = "file-truncated", "copy the file again; it is not whole"
    elif "not supported" in low or "not a blend" in low:
        code, hint = "not-blend", "give a file saved by Blender"
    elif "newer" in low:
        code, hint = "file-too-new", "use the Blender that saved it, or a newer one"
    elif "permission" in low:
        code, hint = "file-unreadable", "check the file's permissions"
    else:
        code, hint = "file-unreadable", "open it in Blender and save it again"
    return JobError(code, "%s: %s" % (path, text), hint, True)


def close():
    """Leaves the open file for an empty one; gives back its memory and persistent data."""
    bpy.ops.wm.read_homefile(use_empty=True, load_ui=False)


def scene_of(job):
    """The scene that the job renders, made the active one. JobError: scene-missing.

    In a scene that is not active Blender renders, but does not evaluate the animation.
    """
    name = options_of(job).get("scene")
    if not name:
        return bpy.context.scene
    for scene in bpy.data.scenes:  # not bpy.data.scenes[name]: a linked scene may share the name
        if scene.name == name and scene.library is None:
            for window in bpy.context.window_manager.windows:
                window.scene = scene
            return scene
    names = ", ".join(sorted(scene.name for scene in bpy.data.scenes))
    raise JobError("scene-missing", "%s: no scene %r in it" % (job["file"], name),
                   "its scenes: %s; choose one with -S" % names, True)
