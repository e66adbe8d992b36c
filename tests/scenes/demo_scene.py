"""The scene of `./farm.sh demo`: a wave runs through a honeycomb of columns under a mirror ball.

    blender -b --factory-startup --python-exit-code 9 --python demo_scene.py -- OUT.blend

24 frames that loop, 320x180, Cycles on the CPU with few samples and without a denoiser
(Debian's Blender has none): big soft light and rough materials keep the noise low.
The wave is made of f-curve modifiers, so that the file needs no scripts to play.
"""

import math
import sys

import bpy

FRAMES = 24
RINGS = 7
SPACING = 0.92


def material(name, build):
    made = bpy.data.materials.new(name)
    made.use_nodes = True
    nodes, links = made.node_tree.nodes, made.node_tree.links
    build(nodes, links, nodes["Principled BSDF"])
    return made


def by_height(nodes, links, shader):
    """Deep blue in the troughs, teal on the slopes, gold on the crests."""
    place = nodes.new("ShaderNodeNewGeometry")
    axes = nodes.new("ShaderNodeSeparateXYZ")
    span = nodes.new("ShaderNodeMapRange")
    ramp = nodes.new("ShaderNodeValToRGB")
    span.inputs["From Min"].default_value = 0.25
    span.inputs["From Max"].default_value = 1.75
    colours = ((0.0, (0.006, 0.014, 0.065)), (0.42, (0.005, 0.17, 0.22)),
               (0.72, (0.85, 0.30, 0.03)), (1.0, (1.0, 0.62, 0.13)))
    while len(ramp.color_ramp.elements) < len(colours):
        ramp.color_ramp.elements.new(0.5)
    for element, (position, colour) in zip(ramp.color_ramp.elements, colours):
        element.position = position
        element.color = (*colour, 1.0)
    links.new(place.outputs["Position"], axes.inputs[0])
    links.new(axes.outputs["Z"], span.inputs["Value"])
    links.new(span.outputs["Result"], ramp.inputs["Fac"])
    links.new(ramp.outputs["Color"], shader.inputs["Base Color"])
    shader.inputs["Roughness"].default_value = 0.45


def mirror(_nodes, _links, shader):
    shader.inputs["Base Color"].default_value = (0.95, 0.93, 0.90, 1.0)
    shader.inputs["Metallic"].default_value = 1.0
    shader.inputs["Roughness"].default_value = 0.04


def column_mesh():
    bpy.ops.mesh.primitive_cylinder_add(vertices=6, radius=0.5, depth=1.0, location=(0, 0, 0))
    template = bpy.context.object
    for vertex in template.data.vertices:
        vertex.co.z += 0.5
    bevel = template.modifiers.new("bevel", "BEVEL")
    bevel.width, bevel.segments = 0.04, 2
    graph = bpy.context.evaluated_depsgraph_get()
    mesh = bpy.data.meshes.new_from_object(template.evaluated_get(graph))
    bpy.data.objects.remove(template)
    return mesh


def wave(owner, path, index, middle, height, phase):
    """One sine a loop: middle + height * sin(2 pi frame / FRAMES + phase)."""
    curve = owner.animation_data.action.fcurves.new(path, index=index)
    sine = curve.modifiers.new("FNGENERATOR")
    sine.function_type = "SIN"
    sine.amplitude = height
    sine.phase_multiplier = 2 * math.pi / FRAMES
    sine.phase_offset = phase
    sine.value_offset = middle


def animated(owner, name):
    owner.animation_data_create().action = bpy.data.actions.new(name)


def columns(scene):
    mesh = column_mesh()
    mesh.materials.append(material("wave", by_height))
    for q in range(-RINGS, RINGS + 1):
        for r in range(max(-RINGS, -q - RINGS), min(RINGS, -q + RINGS) + 1):
            x, y = SPACING * math.sqrt(3) / 2 * q, SPACING * (r + q / 2)
            distance = math.hypot(x, y)
            column = bpy.data.objects.new("column", mesh)
            column.location = (x, y, 0)
            scene.collection.objects.link(column)
            animated(column, "column")
            height = 0.62 * math.exp(-distance / 6.5)
            wave(column, "scale", 2, 1.0, height, -1.15 * distance)


def ball(scene):
    bpy.ops.mesh.primitive_uv_sphere_add(segments=64, ring_count=32, radius=0.95)
    sphere = bpy.context.object
    sphere.data.materials.append(material("mirror", mirror))
    bpy.ops.object.shade_smooth()
    animated(sphere, "ball")
    sphere.location = (0, 0, 3.0)
    wave(sphere, "location", 2, 3.0, 0.22, -0.9)


def light_and_camera(scene):
    lamp = bpy.data.lights.new("window", "AREA")
    lamp.energy, lamp.size, lamp.color = 1500, 6, (1.0, 0.86, 0.70)
    window = bpy.data.objects.new("window", lamp)
    window.location, window.rotation_euler = (-6, -3, 8), (0.42, -0.55, 0)
    scene.collection.objects.link(window)

    world = scene.world or bpy.data.worlds.new("world")
    scene.world = world
    world.use_nodes = True
    nodes, links = world.node_tree.nodes, world.node_tree.links
    place, axes = nodes.new("ShaderNodeTexCoord"), nodes.new("ShaderNodeSeparateXYZ")
    ramp = nodes.new("ShaderNodeValToRGB")
    ramp.color_ramp.elements[0].color = (0.30, 0.16, 0.17, 1)
    ramp.color_ramp.elements[1].color = (0.05, 0.11, 0.30, 1)
    ramp.color_ramp.elements[1].position = 0.28
    links.new(place.outputs["Generated"], axes.inputs[0])
    links.new(axes.outputs["Z"], ramp.inputs["Fac"])
    links.new(ramp.outputs["Color"], nodes["Background"].inputs["Color"])
    nodes["Background"].inputs["Strength"].default_value = 1.0

    target = bpy.data.objects.new("target", None)
    target.location = (0, 0, 1.55)
    scene.collection.objects.link(target)
    camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
    camera.data.lens = 42
    scene.collection.objects.link(camera)
    track = camera.constraints.new("TRACK_TO")
    track.target, track.track_axis, track.up_axis = target, "TRACK_NEGATIVE_Z", "UP_Y"
    camera.location = (7.4, -7.4, 5.0)
    animated(camera, "camera")
    wave(camera, "location", 0, 7.4, 0.9, 0)
    wave(camera, "location", 1, -7.4, 0.9, math.pi / 2)
    scene.camera = camera


def settings(scene):
    scene.frame_start, scene.frame_end = 1, FRAMES
    render = scene.render
    render.engine = "CYCLES"
    render.resolution_x, render.resolution_y, render.resolution_percentage = 320, 180, 100
    render.filepath = "//frames/wave_####"
    render.image_settings.file_format = "PNG"
    scene.cycles.device = "CPU"
    scene.cycles.samples = 10
    scene.cycles.use_denoising = False
    scene.cycles.use_adaptive_sampling = False
    scene.cycles.max_bounces = 2
    scene.cycles.sample_clamp_indirect = 4
    scene.view_settings.look = "Medium High Contrast"


def main():
    out = sys.argv[sys.argv.index("--") + 1]
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    columns(scene)
    ball(scene)
    light_and_camera(scene)
    settings(scene)
    bpy.ops.wm.save_as_mainfile(filepath=out)


main()
