"""physics - simulations that are not baked: their frames are only right in order.

Blender keeps such results in memory while it steps through the frames one by one; a jump gives
a wrong picture without a word. Plain hair and emitters are not among them (tried in any order).
"""

import time

_FLUID_UNBAKED = "REPLAY"  # the cache type that simulates while it plays


def objects_of(scenes):
    """Every object of the scenes, those of instanced collections included, once."""
    seen, todo = set(), []
    for scene in scenes:
        todo.extend(scene.objects)
    while todo:
        item = todo.pop()
        if item.name_full in seen:
            continue
        seen.add(item.name_full)
        yield item
        if item.instance_type == "COLLECTION" and item.instance_collection:
            todo.extend(item.instance_collection.all_objects)


def unbaked(scenes):
    """[(what, first frame)] of everything that simulates without a bake, in words for people."""
    found = []
    for scene in scenes:
        world = scene.rigidbody_world
        if world and world.enabled and world.collection and world.collection.all_objects:
            _cache(found, "rigid body world of %s" % scene.name, world.point_cache)
    for item in objects_of(scenes):
        for modifier in item.modifiers:
            if modifier.show_render:
                _modifier(found, item, modifier)
        for system in item.particle_systems:
            if system.use_hair_dynamics:
                _cache(found, "hair dynamics of %s" % item.name, system.point_cache)
    return found


def _cache(found, what, cache):
    """Adds a point cache that is not baked."""
    if not cache.is_baked:
        found.append((what, cache.frame_start))


def _modifier(found, item, modifier):
    """Adds what one modifier simulates."""
    kind = modifier.type
    if kind == "CLOTH":
        _cache(found, "cloth of %s" % item.name, modifier.point_cache)
    elif kind == "SOFT_BODY":
        _cache(found, "soft body of %s" % item.name, modifier.point_cache)
    elif kind == "FLUID" and modifier.fluid_type == "DOMAIN":
        _fluid(found, item, modifier.domain_settings)
    elif kind == "DYNAMIC_PAINT" and modifier.canvas_settings:
        for surface in modifier.canvas_settings.canvas_surfaces:
            if surface.is_active and surface.surface_format != "IMAGE":
                _cache(found, "dynamic paint of %s" % item.name, surface.point_cache)
    elif kind == "NODES" and modifier.node_group:
        _nodes(found, item, modifier)


def _fluid(found, item, domain):
    """Adds a fluid domain whose cache holds no baked data."""
    baked = getattr(domain, "has_cache_baked_data", False)
    if domain.cache_type == _FLUID_UNBAKED or not baked:
        found.append(("fluid of %s" % item.name, domain.cache_frame_start))


def _nodes(found, item, modifier):
    """Adds a geometry nodes simulation (since 3.6) without a bake (per zone since 4.1)."""
    if not _simulates(modifier.node_group, set()):
        return
    bakes = getattr(modifier, "bakes", None)
    folder = getattr(modifier, "simulation_bake_directory", "")
    if bakes is None and folder:
        return
    if bakes and all(_has_bake(bake) for bake in bakes):
        return
    found.append(("geometry nodes simulation of %s" % item.name, None))


def _has_bake(bake):
    """True when a bake of 4.1 and later has a folder or packed data."""
    target = getattr(bake, "bake_target", "")
    return target == "PACKED" or bool(getattr(bake, "directory", "")) or target == "DISK"


def _simulates(tree, seen):
    """True when a node tree or one of its groups holds a simulation zone."""
    if tree is None or tree.name_full in seen:
        return False
    seen.add(tree.name_full)
    for node in tree.nodes:
        if node.bl_idname == "GeometryNodeSimulationOutput" and not node.mute:
            return True
        if node.type == "GROUP" and _simulates(node.node_tree, seen):
            return True
    return False


class Steps:
    """Walks a scene with unbaked physics forward, frame by frame."""

    def __init__(self, scene):
        from .overrides import scenes_rendered  # names both ways would be a circle

        starts = [first for _, first in unbaked(scenes_rendered(scene)) if first is not None]
        self._first = min(starts + [scene.frame_start])
        self._at = None

    def advance(self, scene, frame):
        """Steps to the frame, from where the last call left it or from the simulation's start.

        Going back starts again: what was simulated lies in the caches and is quick.
        """
        start = self._first if self._at is None or frame < self._at else self._at + 1
        told = time.monotonic()
        for step in range(start, frame):
            scene.frame_set(step)
            if time.monotonic() - told > 1.0:
                told = time.monotonic()
                print("dblend: simulating frame %d of %d" % (step, frame), flush=True)
        scene.frame_set(frame)
        self._at = frame
