"""How long Blender takes to write one picture of the scene, run by Blender itself:

    blender -b FILE -t 1 --python saving.py -- FOLDER PAIRS

Its own figure has steps of 10 ms, and none of its handlers runs between the last pixel and the
file. So: a frame with and one without writing, in turn; the median of the differences.
"""

import statistics
import sys
import time

import bpy

folder, pairs = sys.argv[sys.argv.index("--") + 1:]
scene = bpy.context.scene
scene.cycles.samples = 1
scene.render.use_persistent_data = True
scene.render.filepath = folder + "/saved.png"


def seconds(writing):
    began = time.perf_counter()
    bpy.ops.render.render(write_still=writing)
    return time.perf_counter() - began


seconds(True)
differences = [seconds(True) - seconds(False) for _ in range(int(pairs))]
print(f"\nseconds to write: {statistics.median(differences):.6f}")
