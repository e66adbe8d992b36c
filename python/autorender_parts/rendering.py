"""rendering - the open job and its frames: one picture a call, to exactly the given path."""

import os

import bpy

from . import devices, engines, names, opening, overrides, physics, progress, references
from .failure import JobError, one_line

_STAMPED = ("PNG", "OPEN_EXR", "OPEN_EXR_MULTILAYER", "JPEG")  # formats that carry the note
_STAMP_BYTES = 255  # R_STAMP's note is char[256]


def carries_stamp(scene):
    """True when the digest can go into the picture's metadata without changing a pixel."""
    render = scene.render
    if render.use_stamp or getattr(render, "metadata_input", "SCENE") != "SCENE":
        return False  # it burns its stamp in, or takes metadata from its strips
    return render.image_settings.file_format in _STAMPED


def prepare(scene, job):
    """Applies the job's overrides and output to the scene; returns the naming."""
    naming = names.choose(scene, job, overrides.is_movie(scene))
    overrides.apply(scene, job)
    scene.render.filepath = naming.pattern
    return naming


def open_job(job, device=None, fresh=False):
    """The job ready to render. JobError when it cannot be opened, or would render falsely.

    device: what the worker renders on; None: whatever the file and the preferences say. fresh: keep
    nothing in memory from one frame to the next.
    """
    opening.open_file(job)
    scene = opening.scene_of(job)
    if not opening.options_of(job).get("engine") and engines.is_missing(scene):
        raise JobError("engine-missing", "this Blender has no engine %s" % engines.wanted(scene),
                       "install its add-on for this worker too, or choose one with -E")
    if job.get("found") and not opening.options_of(job).get("allow_missing"):
        _check_files(scene)
    prepare(scene, job)
    for one in bpy.data.scenes if fresh else ():
        one.render.use_persistent_data = False
    opened = OpenJob(job, scene)
    if device:
        opened.device = devices.apply(device, overrides.scenes_rendered(scene), bpy.data.scenes,
                                      engines.cycles_addon(), bpy.app.version)
    return opened


def _check_files(scene):
    """JobError when something that was there at inspection is gone, or not there for this worker.

    Blender would render without it, silently.
    """
    lost = references.missing(references.collect(scene))
    if lost:
        raise JobError("files-missing", lost, "put the files back, also for this worker")


class OpenJob:
    """One open file; keeps what must be the same on every frame."""

    def __init__(self, job, scene):
        self.job = job["job"]
        self.device = None  # what Cycles says it uses
        self._scene = scene.name
        self._stamped = carries_stamp(scene)
        found = job.get("found") or {}
        ordered = found.get("ordered", False)
        self._steps = physics.Steps(scene) if ordered else None

    def render(self, command):
        """Renders one frame. JobError: Blender refused, or wrote no picture."""
        scene = bpy.data.scenes[self._scene]
        render = scene.render
        frame = command["frame"]
        paths = command.get("paths") or [command["path"]]
        before = [_identity(path) for path in paths]
        progress.begin(frame)
        render.filepath = command["path"]
        if not command["path"].lower().endswith(render.file_extension):
            # Else Blender would add its own. Only then: File Output nodes obey this switch too.
            render.use_file_extension = False
        if self._stamped and command.get("digest"):
            render.use_stamp_note = True
            render.stamp_note_text = command["digest"][:_STAMP_BYTES]
        if self._steps:
            self._steps.advance(scene, frame)
        else:
            # Not frame_set(): it would build and evaluate the scene a second time, for a viewport
            # that nobody sees. The render evaluates what it needs, as in `blender -f`.
            scene.frame_current = frame
        self._call(scene, command)
        for path, old in zip(paths, before):
            if _identity(path) in (None, old):
                raise JobError("no-picture", "Blender wrote no picture of frame %d" % frame,
                               "see Blender's output of this frame")

    def _call(self, scene, command):
        """The operator, with Blender's reports turned into one of our codes."""
        try:
            result = bpy.ops.render.render(write_still=True, scene=scene.name)
        except RuntimeError as error:
            raise _refused(one_line(error), command) from error
        if "FINISHED" not in result:
            raise JobError("no-picture", "Blender cancelled frame %d" % command["frame"],
                           "see Blender's output of this frame")


def _identity(path):
    """What changes when somebody writes to a file; None when there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns


def _refused(text, command):
    """The error for Blender's words."""
    low = text.lower()
    if "no camera" in low:
        return JobError("no-camera", text, "give the scene a camera", True)
    if "openimagedenoise" in low:
        return denoiser_missing(text)
    if "out of memory" in low or "out of gpu memory" in low:
        return JobError("out-of-memory", text, "the scene needs more memory than this device has")
    if "no space left" in low or "quota" in low:
        return JobError("disk-full", text, "free some space in the output folder")
    if "cannot save" in low or "cannot open file for writing" in low:
        return JobError("output-unwritable", text, "make the output folder writable")
    return JobError("script-error", text or "Blender refused frame %d" % command["frame"])


def denoiser_missing(text):
    """The error for denoising in a build that cannot."""
    return JobError("denoiser-missing", text,
                    "render with --no-denoise, or with a Blender built with OpenImageDenoise", True)
