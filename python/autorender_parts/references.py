"""references - the files that a .blend file reads, which of them are missing, and whether it hurts.

A reference is needed when what is rendered uses it: a picture without it would be another picture,
and Blender makes it without a word. Everything else that is missing is a warning.
"""

import os
import re

import bpy

from . import overrides, physics, system
from .failure import listed

_SEQUENCE = re.compile(r"(\d+)(\D*)$")
_UDIM = re.compile(r"<UDIM>|<UVTILE>|1001")
_DRIVE = re.compile(r"([A-Za-z]):/")
_FILES_AT_MOST = 100000  # of one sequence or cache folder; more are not looked at one by one
_EDITING = ("Brush", "Screen", "WorkSpace", "WindowManager", "Palette", "PaintCurve")


class Reference:
    """One file (or family of files) named in the .blend."""

    def __init__(self, kind, name, path, files, needed):
        self.kind = kind  # a word for people: image, library ...
        self.name = name
        self.path = path
        self.files = files  # what is really read; empty when it is missing
        self.needed = needed

    @property
    def missing(self):
        """True when nothing of it is there."""
        return not self.files

    def told(self):
        """One phrase for people."""
        return "%s %s (%s)" % (self.kind, self.name, self.path)


def collect(scene):
    """Every reference of the open file, with what the scene's pictures need marked."""
    scenes = overrides.scenes_rendered(scene)
    used = _Used(scenes)
    found = []
    for part in (_libraries, _images, _clips, _plain):
        found.extend(part(used))
    for one in scenes:
        found.extend(_strips(one))
    found.extend(_caches(scenes))
    known = {reference.path for reference in found}
    found.extend(_others(known | set(_unbaked_folders())))
    return found


def missing(references):
    """What is not there and would be seen in the pictures, in one line; "" when all is there."""
    lost = [one.told() for one in references if one.missing and one.needed]
    return "missing: " + listed(lost) if lost else ""


def absolute(path, library=None):
    """An absolute path on this system; `//` is the folder of the file (or library) naming it."""
    if system.has_drive(path):
        return os.path.normpath(path)
    path = path.replace("\\", "/")
    if path.startswith("//"):
        path = os.path.join(_folder_of(library), path[2:])
    drive = _DRIVE.match(path)
    if drive:  # Blender's own reading of such paths on Unix
        path = "/" + drive.group(1).lower() + path[2:]
    return os.path.normpath(path) if path else ""


def _folder_of(library):
    """The folder of a library, or of the open file."""
    if library is None:
        return os.path.dirname(bpy.data.filepath)
    return os.path.dirname(absolute(library.filepath, library.parent))


def _existing(path):
    """[path] when there is such a file, else []."""
    return [path] if path and os.path.isfile(path) else []


def _listed(folder, wanted):
    """Paths in a folder whose names match a regular expression."""
    try:
        names = os.listdir(folder)
    except OSError:
        return []
    return [os.path.join(folder, name) for name in names if wanted.fullmatch(name)][:_FILES_AT_MOST]


def _sequence(path):
    """The files of an image sequence: the same name with other digits at its end."""
    folder, name = os.path.split(path)
    stem, extension = os.path.splitext(name)
    match = _SEQUENCE.search(stem)
    if not match:
        return _existing(path)
    shape = "%s\\d+%s" % (re.escape(stem[:match.start()]), re.escape(match.group(2) + extension))
    return _listed(folder, re.compile(shape))


def _tiles(path):
    """The files of a UDIM image."""
    folder, name = os.path.split(path)
    parts = _UDIM.split(name)
    if len(parts) < 2:
        return _existing(path)
    return _listed(folder, re.compile(r"\d{4}".join(re.escape(part) for part in parts)))


class _Used:
    """Which data-blocks are reached from the scenes that are rendered."""

    def __init__(self, scenes):
        self._reached = set(scenes)
        self._nodes = set(_compositor_ids(scenes))
        used_by = {}
        for item, users in bpy.data.user_map().items():
            for user in users:
                used_by.setdefault(user, []).append(item)
        todo = list(scenes) + list(self._nodes)
        while todo:
            user = todo.pop()
            for item in used_by.get(user, ()):
                if item not in self._reached and self._counts(user, item):
                    self._reached.add(item)
                    todo.append(item)
        self._reached |= self._nodes

    def _counts(self, user, item):
        """False for uses that are no part of a picture: brushes, backgrounds, editors."""
        kind = item.bl_rna.identifier
        if kind in _EDITING:
            return False
        if kind in ("Image", "MovieClip"):
            if isinstance(user, bpy.types.Scene):
                return item in self._nodes  # else the canvas of a paint mode, or a clip to track
            if isinstance(user, bpy.types.Camera):
                return False  # backgrounds are for the viewport
            if isinstance(user, bpy.types.Object):
                return False  # an empty that shows it, or a solver
        if kind == "Scene":
            return False  # scenes_rendered() knows better
        return True

    def __contains__(self, item):
        return item in self._reached

    def of_library(self, library):
        """Data-blocks of a library that are reached."""
        return [item for item in self._reached if item.library == library]


def _compositor_ids(scenes):
    """Images, clips, groups that the compositors name."""
    for scene in scenes:
        tree = overrides.compositor_tree(scene)
        for node in tree.nodes if tree else ():
            if node.mute:
                continue
            for name in ("image", "clip", "node_tree", "texture", "mask"):
                item = getattr(node, name, None)
                if isinstance(item, bpy.types.ID):
                    yield item


def _libraries(used):
    """Linked .blend files; one that is there but lacks what is linked counts as missing too."""
    for library in bpy.data.libraries:
        path = absolute(library.filepath, library.parent)
        if getattr(library, "packed_file", None):
            continue
        reached = used.of_library(library)
        files = _existing(path)
        yield Reference("library", library.name, path, files, bool(reached))
        if files:
            for name in _lost(path, reached):
                yield Reference("linked", name, path, [], True)


def _lost(path, items):
    """Names of linked data-blocks that their library does not have any more.

    A property since 4.x; before, we look into the library's own list.
    """
    if not items:
        return []
    if "is_missing" in bpy.types.ID.bl_rna.properties:
        return [item.name for item in items if item.is_missing]
    kinds = {"Object": "objects", "Mesh": "meshes", "Material": "materials",
             "Collection": "collections", "NodeTree": "node_groups", "World": "worlds"}
    lost = []
    with bpy.data.libraries.load(path, link=True) as (source, _):
        for item in items:
            kind = next((kinds[name] for name in kinds
                         if isinstance(item, getattr(bpy.types, name))), None)
            if kind and item.name not in getattr(source, kind):
                lost.append(item.name)
    return lost


def _images(used):
    """Image files, sequences and UDIM tiles that are not packed."""
    for image in bpy.data.images:
        if image.source not in ("FILE", "SEQUENCE", "MOVIE", "TILED") or not image.filepath:
            continue
        if image.packed_file or len(image.packed_files):
            continue
        path = absolute(image.filepath, image.library)
        find = {"SEQUENCE": _sequence, "TILED": _tiles}.get(image.source, _existing)
        yield Reference("image", image.name, path, find(path), image in used)


def _clips(used):
    """Movie clips, needed when the compositor shows them."""
    for clip in bpy.data.movieclips:
        path = absolute(clip.filepath, clip.library)
        find = _sequence if clip.source == "SEQUENCE" else _existing
        yield Reference("movie clip", clip.name, path, find(path), clip in used)


def _plain(used):
    """Caches of Alembic and USD, volumes; fonts and sounds, which are never more than a warning."""
    for cache in bpy.data.cache_files:
        path = absolute(cache.filepath, cache.library)
        find = _sequence if cache.is_sequence else _existing
        yield Reference("cache", cache.name, path, find(path), cache in used)
    for volume in bpy.data.volumes:
        path = absolute(volume.filepath, volume.library)
        find = _sequence if volume.is_sequence else _existing
        if path and not volume.packed_file:
            yield Reference("volume", volume.name, path, find(path), volume in used)
    for kind, items in (("font", bpy.data.fonts), ("sound", bpy.data.sounds)):
        for item in items:
            if item.filepath in ("", "<builtin>") or item.packed_file:
                continue
            path = absolute(item.filepath, item.library)
            yield Reference(kind, item.name, path, _existing(path), False)


def _strips(scene):
    """Pictures and movies of the sequencer, when it makes the picture."""
    for strip in overrides.sequencer_strips(scene):
        if strip.type == "MOVIE":
            path = absolute(strip.filepath, scene.library)
            yield Reference("strip", strip.name, path, _existing(path), not strip.mute)
        elif strip.type == "IMAGE":
            folder = absolute(strip.directory, scene.library)
            paths = [os.path.join(folder, element.filename) for element in strip.elements]
            for path in dict.fromkeys(paths):
                yield Reference("strip", strip.name, path, _existing(path), not strip.mute)


def _caches(scenes):
    """What simulations and modifiers have written to disk."""
    for scene in scenes:
        world = scene.rigidbody_world
        if world and world.point_cache:
            yield from _point_cache(scene.name, world.point_cache, scene.library)
    for item in physics.objects_of(scenes):
        for particles in item.particle_systems:
            yield from _point_cache(item.name, particles.point_cache, item.library)
        for modifier in item.modifiers:
            if modifier.show_render:
                yield from _modifier_cache(item, modifier)


def _modifier_cache(item, modifier):
    """The cache of one modifier."""
    if modifier.type in ("CLOTH", "SOFT_BODY"):
        yield from _point_cache(item.name, modifier.point_cache, item.library)
    elif modifier.type == "DYNAMIC_PAINT" and modifier.canvas_settings:
        for surface in modifier.canvas_settings.canvas_surfaces:
            yield from _point_cache(item.name, surface.point_cache, item.library)
    elif modifier.type == "FLUID" and modifier.fluid_type == "DOMAIN":
        domain = modifier.domain_settings
        if domain.has_cache_baked_data:
            yield _folder("fluid cache", item.name, absolute(domain.cache_directory, item.library))
    elif modifier.type == "MESH_CACHE":
        path = absolute(modifier.filepath, item.library)
        yield Reference("mesh cache", item.name, path, _existing(path), True)
    elif modifier.type == "OCEAN" and modifier.is_cached:
        yield _folder("ocean cache", item.name, absolute(modifier.filepath, item.library))


def _point_cache(name, cache, library):
    """A point cache baked to disk: Blender says that it is baked even when its files are gone."""
    if not (cache.use_disk_cache or cache.use_external) or not cache.is_baked:
        return
    if cache.use_external and cache.filepath:
        path = absolute(cache.filepath, library)
    else:
        file = bpy.data.filepath if library is None else absolute(library.filepath, library.parent)
        stem = os.path.splitext(os.path.basename(file))[0]
        path = os.path.join(os.path.dirname(file), "blendcache_" + stem)
    yield _folder("cache", name, path)


def _folder(kind, name, path):
    """A folder of cache files, as a reference that is needed."""
    files = []
    for folder, _, names in os.walk(path):
        files.extend(os.path.join(folder, one) for one in names)
        if len(files) > _FILES_AT_MOST:
            break
    return Reference(kind, name, path, files, True)


def _unbaked_folders():
    """Folders where fluids would be baked: named in the file, read only when they were."""
    for item in bpy.data.objects:
        for modifier in item.modifiers:
            if modifier.type == "FLUID" and modifier.fluid_type == "DOMAIN":
                yield absolute(modifier.domain_settings.cache_directory, item.library)


def _others(known):
    """What Blender itself lists beyond these: light profiles, scripts of shaders, brush icons."""
    for path in bpy.utils.blend_paths(absolute=True, packed=False, local=False):
        if path.endswith(("/", "\\")):
            continue  # a cache's folder, named there even when the cache does not use it
        path = os.path.normpath(path.replace("\\", "/"))
        if path not in known:
            yield Reference("file", os.path.basename(path), path, _existing(path), False)


def dependencies(references):
    """[(path, size, mtime_ns)] of what pictures are made of, sorted; -1 for what is missing.

    Real paths, so that the original and the kept file give the same list.
    """
    found = set()
    for reference in references:
        if reference.kind == "sound":
            continue
        if reference.missing:
            found.add((system.shared(reference.path), -1, -1))
        for path in reference.files:
            try:
                status = os.stat(path)
                found.add((system.shared(path), status.st_size, status.st_mtime_ns))
            except OSError:
                found.add((system.shared(path), -1, -1))
    return sorted(found)
