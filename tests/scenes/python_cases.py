"""Makes the scenes of tests/python: `blender -b --factory-startup -P python_cases.py -- FOLDER`.

One function a scene; each starts from an empty file with a small animated cube.
"""

import os
import sys

import bpy

FOLDER = sys.argv[sys.argv.index("--") + 1]
CASES = []


def case(function):
    """Registers a scene under its function's name."""
    CASES.append(function)
    return function


def start():
    """A cube that moves from frame 1 to 10, a camera, a sun; Workbench, 64x36, output //out/."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    bpy.ops.mesh.primitive_cube_add(size=2)
    cube = bpy.context.object
    cube.name = "Cube"
    cube.keyframe_insert("location", frame=1)
    cube.location.x = 3
    cube.keyframe_insert("location", frame=10)
    material = bpy.data.materials.new("Paint")
    material.use_nodes = True
    cube.data.materials.append(material)
    scene.camera = camera((8, -8, 5))
    bpy.ops.object.light_add(type="SUN", location=(0, 0, 5))
    scene.frame_start, scene.frame_end = 1, 10
    render = scene.render
    render.engine = "BLENDER_WORKBENCH"
    render.resolution_x, render.resolution_y = 64, 36
    render.filepath = "//out/f_####"
    scene.cycles.samples = 2
    scene.cycles.use_denoising = False
    return scene


def camera(place):
    """A camera that looks at the origin."""
    bpy.ops.object.camera_add(location=place)
    item = bpy.context.object
    aim = item.constraints.new("TRACK_TO")
    aim.target = bpy.data.objects["Cube"]
    aim.track_axis, aim.up_axis = "TRACK_NEGATIVE_Z", "UP_Y"
    return item


@case
def plain(scene):
    """Nothing special."""


@case
def cycles(scene):
    scene.render.engine = "CYCLES"


@case
def eevee(scene):
    scene.render.engine = "BLENDER_EEVEE"
    scene.eevee.taa_render_samples = 1


@case
def handlers(scene):
    """A trusted script changes the resolution and stays as a persistent handler."""
    text = bpy.data.texts.new("change.py")
    text.write("import bpy\n"
               "@bpy.app.handlers.persistent\n"
               "def change(scene, *_):\n"
               "    scene.render.resolution_x = 32\n"
               "bpy.app.handlers.render_init.append(change)\n"
               "bpy.context.scene.render.resolution_x = 48\n")
    text.use_module = True


@case
def driver(scene):
    """A driver that needs trusted scripts."""
    curve = bpy.data.objects["Cube"].driver_add("scale", 2)
    curve.driver.expression = "bpy.context.scene.frame_current * 0.2"


@case
def safe_driver(scene):
    """A driver that Blender allows without trust."""
    curve = bpy.data.objects["Cube"].driver_add("scale", 2)
    curve.driver.expression = "1 + sin(frame)"


@case
def stereo(scene):
    render = scene.render
    render.use_multiview = True
    render.views[0].file_suffix, render.views[1].file_suffix = "_left", "_right"


@case
def side_by_side(scene):
    render = scene.render
    render.use_multiview = True
    render.image_settings.views_format = "STEREO_3D"
    render.image_settings.stereo_3d_format.display_mode = "SIDEBYSIDE"


@case
def multiview_exr(scene):
    render = scene.render
    render.use_multiview = True
    render.image_settings.file_format = "OPEN_EXR_MULTILAYER"
    render.image_settings.views_format = "MULTIVIEW"


@case
def one_view(scene):
    render = scene.render
    render.use_multiview = True
    render.views[1].use = False


@case
def multilayer(scene):
    scene.view_layers.new("Second layer")
    scene.render.image_settings.file_format = "OPEN_EXR_MULTILAYER"


@case
def preview_exr(scene):
    scene.render.image_settings.file_format = "OPEN_EXR"
    scene.render.image_settings.use_preview = True


@case
def crop(scene):
    render = scene.render
    render.resolution_x, render.resolution_y, render.resolution_percentage = 1003, 517, 7
    render.use_border = render.use_crop_to_border = True
    render.border_min_x, render.border_max_x = 0.13, 0.613
    render.border_min_y, render.border_max_y = 0.2, 0.777


@case
def region(scene):
    scene.render.use_border = True
    scene.render.border_max_x = 0.5


@case
def movie(scene):
    scene.render.image_settings.file_format = "FFMPEG"
    scene.render.ffmpeg.format = "MPEG4"
    scene.render.filepath = "//film/take.mp4"


@case
def default_movie(scene):
    scene.render.image_settings.file_format = "FFMPEG"
    scene.render.ffmpeg.format = "MKV"
    scene.render.filepath = "/tmp/"


@case
def default_output(scene):
    scene.render.filepath = "/tmp/"


@case
def empty_output(scene):
    scene.render.filepath = ""


@case
def drive_output(scene):
    scene.render.filepath = "C:\\renders\\shot"


@case
def relative_output(scene):
    scene.render.filepath = "shots/a##b"


@case
def no_extension(scene):
    scene.render.filepath = "//raw/f"
    scene.render.use_file_extension = False


@case
def dotted(scene):
    """A pattern that ends in an extension and holds zeros and digits beside the number."""
    scene.render.filepath = "//v01/f0_###0.png"


@case
def markers(scene):
    second = camera((-6, -6, 8))
    scene.timeline_markers.new("one", frame=1).camera = scene.camera
    scene.timeline_markers.new("two", frame=5).camera = second


@case
def no_camera(scene):
    scene.camera = None


@case
def marker_camera(scene):
    scene.timeline_markers.new("one", frame=1).camera = scene.camera
    scene.camera = None


@case
def sequencer(scene):
    """Strips only, no camera: Blender needs none."""
    scene.camera = None
    scene.sequence_editor_create()
    strip = scene.sequence_editor.sequences.new_effect("Red", "COLOR", 1, frame_start=1,
                                                       frame_end=11)
    strip.color = (1, 0, 0)


@case
def compositor(scene):
    """A compositor without render layers, no camera."""
    scene.camera = None
    scene.use_nodes = True
    tree = scene.node_tree
    tree.nodes.clear()
    colour = tree.nodes.new("CompositorNodeRGB")
    tree.links.new(colour.outputs[0], tree.nodes.new("CompositorNodeComposite").inputs[0])


@case
def pulled_in(scene):
    """The compositor pulls in a second scene, whose engine is Cycles and denoises."""
    other = bpy.data.scenes.new("Other")
    other.collection.objects.link(bpy.data.objects["Cube"])
    other.camera = scene.camera
    other.render.engine = "CYCLES"
    other.cycles.samples = 64
    other.cycles.use_denoising = True
    scene.use_nodes = True
    tree = scene.node_tree
    layers = next(node for node in tree.nodes if node.type == "R_LAYERS")
    layers.scene = other


@case
def says_gpu(scene):
    """The file wants the GPU, in the scene and in the one that the compositor pulls in."""
    pulled_in(scene)
    other = bpy.data.scenes["Other"]
    other.cycles.samples = 2
    other.cycles.use_denoising = False
    for one in (scene, other):
        one.cycles.device = "GPU"


@case
def shading_language(scene):
    """Cycles with Open Shading Language, in the scene that the compositor pulls in."""
    says_gpu(scene)
    bpy.data.scenes["Other"].cycles.shading_system = True


@case
def says_cpu(scene):
    """The same, but the file wants the CPU."""
    says_gpu(scene)
    for one in bpy.data.scenes:
        one.cycles.device = "CPU"


@case
def two_scenes(scene):
    other = scene.copy()
    other.name, other.use_extra_user = "Other", True
    other.frame_start, other.frame_end, other.frame_step = 3, 9, 2
    other.render.filepath = "//other/####"


@case
def add_on_engine(scene):
    class Engine(bpy.types.RenderEngine):
        bl_idname, bl_label = "FARM_TEST_ENGINE", "Test"

    bpy.utils.register_class(Engine)
    scene.render.engine = "FARM_TEST_ENGINE"
    return lambda: bpy.utils.unregister_class(Engine)


@case
def add_on_nodes(scene):
    class Tree(bpy.types.NodeTree):
        bl_idname, bl_label, bl_icon = "FarmTestTree", "Test", "NODETREE"

    bpy.utils.register_class(Tree)
    bpy.data.node_groups.new("Logic", "FarmTestTree").use_fake_user = True


def image_file(name):
    """Writes a small picture beside the scenes and returns its image."""
    image = bpy.data.images.new(name, 8, 8)
    image.filepath_raw = os.path.join(FOLDER, name + ".png")
    image.file_format = "PNG"
    image.save()
    bpy.data.images.remove(image)
    return bpy.data.images.load(os.path.join(FOLDER, name + ".png"))


def texture(image, name="Paint"):
    """Uses an image in a material."""
    nodes = bpy.data.materials[name].node_tree.nodes
    node = nodes.new("ShaderNodeTexImage")
    node.image = image
    return node


@case
def image_there(scene):
    texture(image_file("wood"))
    bpy.data.images["wood.png"].filepath = "//wood.png"


@case
def image_missing(scene):
    image = image_file("gone")
    texture(image)
    os.unlink(os.path.join(FOLDER, "gone.png"))
    image.filepath = "//gone.png"


@case
def image_unused(scene):
    image = image_file("unused")
    image.use_fake_user = True
    os.unlink(os.path.join(FOLDER, "unused.png"))


@case
def image_of_no_object(scene):
    """Missing, in a material that no object has."""
    image = image_file("stray")
    material = bpy.data.materials.new("Stray")
    material.use_nodes = material.use_fake_user = True
    texture(image, "Stray")
    os.unlink(os.path.join(FOLDER, "stray.png"))


@case
def image_background(scene):
    """Missing, as a camera's background: for the viewport only."""
    image = image_file("back")
    scene.camera.data.background_images.new().image = image
    os.unlink(os.path.join(FOLDER, "back.png"))


@case
def image_packed(scene):
    image = image_file("packed")
    image.pack()
    texture(image)
    os.unlink(os.path.join(FOLDER, "packed.png"))


@case
def image_compositor(scene):
    image = image_file("composited")
    scene.use_nodes = True
    scene.node_tree.nodes.new("CompositorNodeImage").image = image
    os.unlink(os.path.join(FOLDER, "composited.png"))


@case
def sequence(scene):
    for number in (1, 2, 3):
        last = image_file("seq_%03d" % number)
    last.source = "SEQUENCE"
    last.filepath = "//seq_001.png"
    texture(last)


def library():
    """The path of a library with one object, `Shape`; made once."""
    path = os.path.join(FOLDER, "library.blend")
    if not os.path.exists(path):
        mesh = bpy.data.meshes.new("Shape")
        shape = bpy.data.objects.new("Shape", mesh)
        lost = bpy.data.objects.new("Lost", mesh)
        bpy.data.libraries.write(path, {shape, lost})
    return path


def link(path, name):
    """Links an object of a library into the scene."""
    with bpy.data.libraries.load(path, link=True, relative=True) as (_, into):
        into.objects = [name]
    bpy.context.scene.collection.objects.link(into.objects[0])


@case
def library_there(scene):
    bpy.ops.wm.save_as_mainfile(filepath=os.path.join(FOLDER, "library_there.blend"))
    link(library(), "Shape")


@case
def library_missing(scene):
    bpy.ops.wm.save_as_mainfile(filepath=os.path.join(FOLDER, "library_missing.blend"))
    path = os.path.join(FOLDER, "gone_library.blend")
    os.link(library(), path)
    link(path, "Shape")
    return lambda: os.unlink(path)


@case
def library_changed(scene):
    """The library is there, but the linked object is not in it any more."""
    bpy.ops.wm.save_as_mainfile(filepath=os.path.join(FOLDER, "library_changed.blend"))
    path = os.path.join(FOLDER, "changed_library.blend")
    os.link(library(), path)
    link(path, "Lost")

    def change():
        os.unlink(path)
        bpy.ops.wm.read_factory_settings(use_empty=True)
        bpy.data.libraries.write(path, {bpy.data.objects.new("Shape", None)})

    return change


@case
def sound_and_font(scene):
    scene.sequence_editor_create()
    sound = os.path.join(FOLDER, "noise.wav")
    with open(sound, "wb") as stream:
        stream.write(b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x40\x1f\0\0"
                     b"\x80\x3e\0\0\2\0\x10\0data\0\0\0\0")
    scene.sequence_editor.sequences.new_sound("Noise", sound, 1, 1)
    return lambda: os.unlink(sound)


@case
def file_output(scene):
    scene.use_nodes = True
    node = scene.node_tree.nodes.new("CompositorNodeOutputFile")
    node.base_path = "//passes/"


@case
def time_limit(scene):
    scene.render.engine = "CYCLES"
    scene.cycles.time_limit = 5


@case
def denoise(scene):
    scene.render.engine = "CYCLES"
    scene.cycles.use_denoising = True
    for layer in scene.view_layers:
        layer.cycles.use_denoising = True


@case
def burnt_stamp(scene):
    scene.render.use_stamp = True


@case
def jpeg(scene):
    scene.render.image_settings.file_format = "JPEG"


@case
def tiff(scene):
    scene.render.image_settings.file_format = "TIFF"


def falling(scene):
    """The cube falls; nothing of its own animation is left."""
    cube = bpy.data.objects["Cube"]
    cube.animation_data_clear()
    cube.location = (0, 0, 4)
    bpy.context.view_layer.objects.active = cube
    bpy.ops.rigidbody.object_add(type="ACTIVE")
    return cube


@case
def rigid_body(scene):
    falling(scene)


@case
def rigid_body_baked(scene):
    falling(scene)
    scene.rigidbody_world.point_cache.frame_end = 10
    bpy.ops.ptcache.bake_all(bake=True)


@case
def cloth(scene):
    bpy.data.objects["Cube"].modifiers.new("Cloth", "CLOTH")


@case
def soft_body(scene):
    bpy.data.objects["Cube"].modifiers.new("Soft", "SOFT_BODY")


@case
def fluid(scene):
    bpy.data.objects["Cube"].modifiers.new("Fluid", "FLUID").fluid_type = "DOMAIN"


@case
def dynamic_paint(scene):
    cube = bpy.data.objects["Cube"]
    bpy.context.view_layer.objects.active = cube
    cube.modifiers.new("Paint", "DYNAMIC_PAINT")
    bpy.ops.dpaint.type_toggle(type="CANVAS")


@case
def hair_and_emitter(scene):
    """Neither is physics whose frames depend on each other."""
    cube = bpy.data.objects["Cube"]
    cube.modifiers.new("Hair", "PARTICLE_SYSTEM")
    cube.particle_systems[0].settings.type = "HAIR"
    cube.modifiers.new("Emitter", "PARTICLE_SYSTEM")


@case
def hair_dynamics(scene):
    cube = bpy.data.objects["Cube"]
    cube.modifiers.new("Hair", "PARTICLE_SYSTEM")
    cube.particle_systems[0].settings.type = "HAIR"
    cube.particle_systems[0].use_hair_dynamics = True


def main():
    """Makes every scene."""
    for function in CASES:
        scene = start()
        after = function(scene)
        path = os.path.join(FOLDER, function.__name__ + ".blend")
        bpy.ops.wm.save_as_mainfile(filepath=path, check_existing=False)
        if after:
            after()


main()
