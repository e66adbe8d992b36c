"""The jobs of `render` and their scenes.

`heavy` stands for a scene that costs seconds before its first pixel: 200,000 polygons, displaced by
modifiers that artists keep out of the viewport, so that Blender evaluates them for a render and not
when it opens the file. Nothing of the mesh is animated: a Blender that keeps its data never does it
again. Persistent data is switched on in the file, so that every side of the comparison has it.
"""

import os
import sys

from frame import ROOT

sys.path.insert(0, str(ROOT / "tests" / "integration"))

from farmtools import blender, make_scenes  # noqa: E402

# name: frames, samples
CASES = {"short": (240, 30), "usual": (48, 480), "heavy": (40, 4)}
TINY = {"short": (4, 2)}
# how many frames of side e are rendered
PER_FRAME = {"short": 12, "usual": 12, "heavy": 4}
EFFICIENCY = {"short": 0.90, "usual": 0.97, "heavy": 0.97}
AGAINST_PER_FRAME = {"short": 10, "heavy": 10}
PREPARATION_S = 5  # of heavy, at least

HEAVY = """
import bpy
bpy.ops.mesh.primitive_grid_add(x_subdivisions=450, y_subdivisions=450, size=8)
grid = bpy.context.object
for size in (0.3, 0.5, 0.8):
    texture = bpy.data.textures.new("cells", "CLOUDS")
    texture.noise_basis, texture.noise_depth, texture.noise_scale = "VORONOI_F1", 24, size
    displace = grid.modifiers.new("displace", "DISPLACE")
    displace.texture, displace.strength, displace.show_viewport = texture, 0.1, False
bpy.context.scene.render.use_persistent_data = True
bpy.ops.wm.save_mainfile()
"""


def chosen(quick):
    """The jobs to measure: all, or those that DBLEND_RENDER names, with commas between."""
    cases = TINY if quick else CASES
    names = os.environ.get("DBLEND_RENDER")
    return {name: cases[name] for name in (names.split(",") if names else cases) if name in cases}


def make_scene(name, folder):
    """The file of the job, and the one that a worker has rendered before: `heavy` is new to it."""
    file = make_scenes(folder, "plain") / "plain.blend"
    if name != "heavy":
        return file, file
    heavy = file.with_name("heavy.blend")
    heavy.write_bytes(file.read_bytes())
    blender(heavy, "--python-expr", HEAVY)
    return heavy, file
