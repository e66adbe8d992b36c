"""names - the files that a job writes: exactly those that Blender itself would, for every view.

An output is {view, head, digits, tail}: the file of frame N is head + N with at least `digits`
digits (C's %.*d) + tail, absolute. `view` is the suffix of that view in file names (`_L`), empty
when there is one file a frame.
"""

import ctypes
import os
import posixpath
import re
import time

import bpy

from . import system
from .failure import JobError
from .opening import options_of

_MOVIE_EXTENSIONS = (
    ".mp4", ".mkv", ".mov", ".avi", ".webm", ".ogv", ".ogg", ".mpg", ".mpeg", ".dvd", ".vob",
    ".flv", ".m4v", ".m2v", ".m2t", ".m2ts", ".mts", ".ts", ".wmv", ".dv",
)
_LAST_FRAME = 1048574  # MAXFRAME of Blender; the first is its negative
_PATH_BYTES = 1023  # FILE_MAX less the end of the string
_NAME_BYTES = 255  # NAME_MAX of every file system we know


class Naming:
    """The chosen pattern: what the scene's filepath becomes, and what is said about it."""

    def __init__(self, pattern, movie=None):
        self.pattern = pattern
        self.movie = movie


def stem(path):
    """The file's name without folder and `.blend`."""
    name = os.path.basename(path)
    return name[:-len(".blend")] if name.lower().endswith(".blend") else name


def choose(scene, job, movie):
    """The pattern for the job's frames, by the rules of DESIGN.md (Who owns an output).

    `movie`: the scene wrote a movie before the overrides; called before they are applied, so
    that Blender itself can say which movie that was.
    """
    options = options_of(job)
    file = job["file"]
    own = scene.render.filepath
    if options.get("output"):
        pattern = _absolute(options["output"], job)
    elif options.get("render_folder"):
        pattern = _render_folder(options["render_folder"], job)
    elif _is_default(own):
        pattern = os.path.join(os.path.dirname(file), "render", stem(file), stem(file) + "_")
        pattern += "####"
    else:
        pattern = _absolute(own, job)
    pattern = _fill_blend_name(pattern, file)
    if not movie:
        return Naming(pattern)
    return Naming(_frames_of_movie(pattern), _movie_path(scene, pattern.replace("#", "")))


def _is_default(path):
    """True for what nobody chose: Blender's default, nothing, or a drive of another system."""
    return path.strip() in ("", "/tmp/", "/tmp\\") or bool(re.match(r"^[A-Za-z]:[\\/]", path))


def _absolute(path, job):
    """`//` is the submitted file's folder; anything else relative is the submitter's folder."""
    path = path.replace("\\", "/")
    if path.startswith("//"):
        return os.path.join(os.path.dirname(job["file"]), path[2:])
    if path.startswith("/"):
        return path
    folder = job.get("cwd") or options_of(job).get("cwd") or os.path.dirname(job["file"])
    return os.path.join(folder, path)


def _render_folder(folder, job):
    """The origin's layout: DIR/<folder of the file>/<file>_<time of the submit>/<file>-####."""
    file = job["file"]
    at = job.get("submitted_at") or options_of(job).get("submitted_at") or time.time() * 1000
    stamp = time.strftime("%Y%m%d-%H%M%S", time.localtime(at / 1000))
    part = os.path.basename(os.path.dirname(file))
    base = os.path.join(_absolute(folder, job), part, "%s_%s" % (stem(file), stamp))
    return os.path.join(base, stem(file) + "-####")


def _fill_blend_name(pattern, file):
    """{blend_name} (path templates of 5.0) is the submitted file, never the kept one."""
    if bpy.app.version >= (5, 0, 0):
        return pattern.replace("{blend_name}", stem(file))
    return pattern


def _frames_of_movie(pattern):
    """The pattern of the frames that stand for a movie: less its extension, plus `-####`."""
    root, extension = os.path.splitext(pattern)
    if extension.lower() in _MOVIE_EXTENSIONS:
        pattern = root
    folder, name = os.path.split(pattern)
    if "#" in name:
        return pattern
    return os.path.join(folder, name.rstrip("-_") + "-####" if name.rstrip("-_") else "####")


def _movie_path(scene, pattern):
    """The movie that Blender would have written with this pattern."""
    if not scene.render.is_movie_format:  # an obsolete format: Blender does not know it any more
        return pattern
    scene.render.filepath = pattern
    return scene.render.frame_path(frame=scene.frame_start)


def views_written(scene):
    """Suffixes of the views that get a file each; [""] when a frame is one file.

    As RE_WriteRenderViewsImage: with fewer than two active views nothing is added to the name.
    """
    render = scene.render
    if not render.use_multiview:
        return [""]
    every = render.stereo_views if render.views_format == "STEREO_3D" else render.views
    active = [view for view in every if view.use]
    if len(active) < 2 or render.image_settings.views_format != "INDIVIDUAL":
        return [""]
    return [view.file_suffix for view in active]


def outputs(scene):
    """The outputs of the scene as it is set now. JobError when a name cannot be a file's."""
    suffixes = views_written(scene)
    if len(set(suffixes)) < len(suffixes):
        raise JobError("output-unwritable", "two views have the same file suffix",
                       "give each view its own suffix in the scene's stereoscopy settings", True)
    found = [_split(scene, suffix) for suffix in suffixes]
    for output in found:
        folder, name = os.path.split(output["head"])
        output["head"] = posixpath.join(system.shared(folder), name)
        _check_length(output)
    return found


def path_of(output, frame):
    """The file of one frame: head, number (C's %.*d), tail."""
    sign = "-" if frame < 0 else ""
    return "%s%s%0*d%s" % (output["head"], sign, output["digits"], abs(frame), output["tail"])


def _frame_path(scene, frame, suffix):
    """Blender's own answer. With individual views the name without a view is never written."""
    if suffix:
        return scene.render.frame_path(frame=frame, view=suffix)
    return scene.render.frame_path(frame=frame)


def _split(scene, suffix):
    """Takes Blender's names of several frames apart.

    The sign of frame -1 shows where the number starts, the digit in which 1 and 2 differ where
    it ends; then the guess is checked with frames of every length.
    """
    one, two, minus = (_frame_path(scene, frame, suffix) for frame in (1, 2, -1))
    start = _first_difference(one, minus)
    last = _first_difference(one, two)
    if start is None or last is None or last < start:
        raise _unnameable(one)
    output = {"view": suffix, "head": one[:start], "digits": last + 1 - start,
              "tail": one[last + 1:]}
    probes = (0, 7, -7, 12, 345, -6789, 54321, _LAST_FRAME, -_LAST_FRAME, scene.frame_start,
              scene.frame_end)
    if any(path_of(output, frame) != _frame_path(scene, frame, suffix) for frame in probes):
        raise _unnameable(one)
    return output


def _first_difference(one, other):
    """Index of the first character in which two names differ; None when one starts the other."""
    for index, (a, b) in enumerate(zip(one, other)):
        if a != b:
            return index
    return None


def _unnameable(path):
    """The error for a pattern whose names hold no frame number, or several, or are too long."""
    return JobError("output-unwritable", "%s: the names of the frames cannot be told" % path,
                    "choose a shorter or simpler pattern with -o", True)


def _check_length(output):
    """Blender cuts long paths off silently, and the disk refuses long names."""
    path = path_of(output, -_LAST_FRAME)
    encoded = os.fsencode(path)
    if len(encoded) > _PATH_BYTES - 64 or len(os.path.basename(encoded)) > _NAME_BYTES:
        raise JobError("output-unwritable", "%s: the name is too long" % path,
                       "choose a shorter pattern with -o", True)


def check_folder(output):
    """JobError when no file can be made in the output's folder; it is not left behind.

    Tried, not asked: root may write anywhere, except where it cannot (read-only, under a file).
    """
    folder = os.path.dirname(output["head"])
    existing = folder
    while not os.path.lexists(existing):
        existing = os.path.dirname(existing)
    probe = os.path.join(existing, ".dblend-probe.%d" % os.getpid())
    try:
        os.mkdir(probe)
        os.rmdir(probe)
    except OSError as error:
        code = "disk-full" if error.errno in system.FULL else "output-unwritable"
        raise JobError(code, "%s: %s" % (folder, error.strerror),
                       "choose another output with -o, or make that folder writable",
                       True) from error


def size(scene):
    """(width, height) of the written files in pixels, after percentage, crop and stereo format.

    JobError picture-too-small where Blender refuses to render.
    Arithmetic as in Blender's C: integers, and the border in 32 bit floats (seen in 3.4.1).
    """
    render = scene.render
    width = render.resolution_x * render.resolution_percentage // 100
    height = render.resolution_y * render.resolution_percentage // 100
    if render.use_border and render.use_crop_to_border:
        width = _border(width, render.border_max_x) - _border(width, render.border_min_x)
        height = _border(height, render.border_max_y) - _border(height, render.border_min_y)
    if width < 1 or height < 1:
        raise JobError("picture-too-small", "the picture would be %dx%d pixels" % (width, height),
                       "choose a larger --percentage or render region", True)
    return _stereo_size(render, width, height)


def _border(pixels, share):
    """A border's share of the picture in whole pixels."""
    return int(ctypes.c_float(pixels * share).value)


def _stereo_size(render, width, height):
    """Both eyes in one picture beside or above each other make it larger, unless squeezed."""
    settings = render.image_settings
    if not render.use_multiview or settings.views_format != "STEREO_3D":
        return width, height
    if sum(1 for view in render.stereo_views if view.use) < 2:
        return width, height
    stereo = settings.stereo_3d_format
    if stereo.use_squeezed_frame:
        return width, height
    if stereo.display_mode == "SIDEBYSIDE":
        return 2 * width, height
    if stereo.display_mode == "TOPBOTTOM":
        return width, 2 * height
    return width, height
