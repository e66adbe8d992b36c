"""The small scenes of the black-box tests, made by Blender itself:

    blender -b --factory-startup --python-exit-code 9 --python make_scenes.py -- FOLDER [NAME...]

Every function below makes one FOLDER/<its name>.blend; without NAMEs all of them are made.
They are 64x48 pixels, Cycles on the CPU, and no two frames of them are alike.
"""

import os
import sys

import bpy

HOSTILE = """
import bpy

@bpy.app.handlers.persistent
def spoil(*_):
    for scene in bpy.data.scenes:
        scene.render.resolution_percentage = 50
        for thing in scene.objects:
            if thing.type == "MESH":
                thing.hide_render = True

bpy.app.handlers.load_post.append(spoil)
bpy.app.handlers.frame_change_post.append(spoil)
bpy.app.handlers.render_pre.append(spoil)
bpy.context.preferences.filepaths.use_scripts_auto_execute = True
bpy.app.driver_namespace["left_behind"] = 1
"""


def empty():
    bpy.ops.wm.read_factory_settings(use_empty=True)
    return bpy.context.scene


def turn(thing, first, last):
    """Rotate about all axes and move, so that every frame shows something else."""
    thing.rotation_euler, thing.location = (0, 0, 0), (-1, 0, 0)
    thing.keyframe_insert("rotation_euler", frame=first)
    thing.keyframe_insert("location", frame=first)
    thing.rotation_euler, thing.location = (2, 1, 3), (1, 0.5, 0)
    thing.keyframe_insert("rotation_euler", frame=last)
    thing.keyframe_insert("location", frame=last)


def base(first=1, last=40):
    scene = empty()
    bpy.ops.mesh.primitive_cube_add(size=1.6)
    cube = bpy.context.object
    cube.name = "cube"
    colour = bpy.data.materials.new("colour")
    colour.use_nodes = True
    colour.node_tree.nodes["Principled BSDF"].inputs["Base Color"].default_value = (0.8, 0.2, 0.1, 1)
    cube.data.materials.append(colour)
    turn(cube, first, last)
    sun = bpy.data.objects.new("sun", bpy.data.lights.new("sun", "SUN"))
    sun.data.energy, sun.rotation_euler = 3, (0.6, 0.3, 0)
    scene.collection.objects.link(sun)
    camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
    camera.location, camera.rotation_euler = (0, -6, 1.5), (1.33, 0, 0)
    scene.collection.objects.link(camera)
    scene.camera = camera
    scene.frame_start, scene.frame_end = first, last
    render = scene.render
    render.engine = "CYCLES"
    render.resolution_x, render.resolution_y, render.resolution_percentage = 64, 48, 100
    render.image_settings.file_format = "PNG"
    render.filepath = "//frames/####"
    scene.cycles.device = "CPU"
    scene.cycles.samples = 4
    scene.cycles.use_denoising = False
    scene.cycles.use_adaptive_sampling = False
    return scene


def save(folder, name):
    bpy.ops.wm.save_as_mainfile(filepath=os.path.join(folder, name + ".blend"))


def plain(folder):
    base()
    save(folder, "plain")


def movie(folder):
    scene = base(1, 6)
    scene.render.image_settings.file_format = "FFMPEG"
    scene.render.ffmpeg.format = "MPEG4"
    scene.render.filepath = "//film/cube.mp4"
    save(folder, "movie")


def default_output(folder):
    base(1, 3).render.filepath = "/tmp/"
    save(folder, "default_output")


def no_camera(folder):
    base(1, 3).camera = None
    save(folder, "no_camera")


def two_scenes(folder):
    first = base(1, 3)
    second = first.copy()
    second.name = "Second"
    second.use_fake_user = True  # or the copy is not saved
    second.render.filepath = "//second/####"
    save(folder, "two_scenes")


def denoised(folder):
    base(1, 3).cycles.use_denoising = True
    save(folder, "denoised")


def falling(folder):
    """An unbaked rigid body: right only when every frame is stepped through in order."""
    scene = base(1, 14)
    cube = bpy.data.objects["cube"]
    cube.animation_data_clear()
    cube.location, cube.rotation_euler = (0, 0, 1.2), (0.4, 0.3, 0)
    bpy.context.view_layer.objects.active = cube
    bpy.ops.rigidbody.object_add(type="ACTIVE")
    bpy.ops.mesh.primitive_plane_add(size=20, location=(0, 0, -1.4))
    bpy.ops.rigidbody.object_add(type="PASSIVE")
    scene.rigidbody_world.point_cache.frame_end = 14
    save(folder, "falling")


def driver(folder):
    """A driver that Blender blocks unless scripts are trusted."""
    base(1, 6)
    cube = bpy.data.objects["cube"]
    curve = cube.driver_add("scale", 2)
    curve.driver.expression = "1 + bpy.data.scenes[0].frame_current / 6"
    save(folder, "driver")


def hostile(folder):
    base(1, 4)
    text = bpy.data.texts.new("hostile.py")
    text.write(HOSTILE)
    text.use_module = True
    save(folder, "hostile")


def library(folder):
    base()
    save(folder, "library")


def linked(folder):
    """Needs library.blend beside it."""
    library(folder)
    scene = base(1, 4)
    bpy.data.objects.remove(bpy.data.objects["cube"])
    with bpy.data.libraries.load(os.path.join(folder, "library.blend"), link=True,
                                 relative=True) as (source, target):
        target.objects = ["cube"]
    scene.collection.objects.link(target.objects[0])
    save(folder, "linked")


def textured(folder):
    """Needs picture.png beside it."""
    scene = base(1, 3)
    picture = bpy.data.images.new("picture", 8, 8)
    picture.filepath_raw, picture.file_format = os.path.join(folder, "picture.png"), "PNG"
    picture.save()
    nodes = bpy.data.materials["colour"].node_tree
    image = nodes.nodes.new("ShaderNodeTexImage")
    image.image = bpy.data.images.load(os.path.join(folder, "picture.png"))
    image.image.filepath = "//picture.png"
    nodes.links.new(image.outputs["Color"], nodes.nodes["Principled BSDF"].inputs["Base Color"])
    scene.frame_end = 3
    save(folder, "textured")


def engine(folder):
    """Rendered by an engine that only this script knows."""
    class Foreign(bpy.types.RenderEngine):
        bl_idname, bl_label = "FOREIGN_ENGINE", "Foreign"

    bpy.utils.register_class(Foreign)
    base(1, 4).render.engine = "FOREIGN_ENGINE"
    save(folder, "engine")
    bpy.utils.unregister_class(Foreign)


SCENES = (plain, movie, default_output, no_camera, two_scenes, denoised, falling, driver, hostile,
          linked, textured, engine)


def main():
    folder, names = sys.argv[sys.argv.index("--") + 1], sys.argv[sys.argv.index("--") + 2:]
    for scene in SCENES:
        if not names or scene.__name__ in names:
            scene(folder)


main()
