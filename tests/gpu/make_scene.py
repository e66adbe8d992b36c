"""Run inside Blender, or by a Python with bpy: saves a scene for Cycles as the file named last.

Glossy things on a plain: 1280x720, so many samples that a frame takes seconds on any card.
"""

import sys

import bpy

bpy.ops.wm.read_factory_settings(use_empty=True)
scene = bpy.context.scene
for number in range(5):
    bpy.ops.mesh.primitive_uv_sphere_add(segments=96, ring_count=64, radius=0.9,
                                         location=(2 * number - 4, number % 2, 0.9))
    thing = bpy.context.object
    material = bpy.data.materials.new("colour %d" % number)
    material.use_nodes = True
    node = next(one for one in material.node_tree.nodes if one.type == "BSDF_PRINCIPLED")
    node.inputs["Base Color"].default_value = (0.9 - 0.15 * number, 0.3, 0.2 * number, 1)
    node.inputs["Roughness"].default_value = 0.1 + 0.1 * number
    thing.data.materials.append(material)
    thing.keyframe_insert("location", frame=1)
    thing.location.z += 1
    thing.keyframe_insert("location", frame=20)
bpy.ops.mesh.primitive_plane_add(size=60)
sun = bpy.data.objects.new("sun", bpy.data.lights.new("sun", "SUN"))
sun.data.energy, sun.rotation_euler = 3, (0.6, 0.3, 0)
camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
camera.location, camera.rotation_euler = (0, -13, 5), (1.25, 0, 0)
for one in (sun, camera):
    scene.collection.objects.link(one)
scene.camera = camera
scene.frame_start, scene.frame_end = 1, 20
render = scene.render
render.engine = "CYCLES"
render.resolution_x, render.resolution_y, render.resolution_percentage = 1280, 720, 100
render.image_settings.file_format = "PNG"
render.filepath = "//frames/####"
scene.cycles.samples = 64
scene.cycles.use_denoising = False
scene.cycles.use_adaptive_sampling = False
bpy.ops.wm.save_as_mainfile(filepath=sys.argv[-1])
