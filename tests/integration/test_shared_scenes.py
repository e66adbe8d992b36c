"""Real scenes of other people: two workers give what plain `blender -b FILE -f N` gives.

Names and pixels of every file that came into the scene's folder are compared. The farm renders
all scenes from a copy of their folders, plain Blender from another copy.
"""

import os
import shutil

import pytest

from farmtools import SHARED_SCENES, Farm, blender, two_workers
from pictures import assert_same_frames

pytestmark = pytest.mark.skipif(not SHARED_SCENES.is_dir(),
                                reason=f"{SHARED_SCENES.name}: no ../shared/scenes here")

BESIDE = "//render/{name}/{name}_####"  # where an output goes that nobody chose

# file: frames, output of plain Blender (None: the scene's own), more options of dblend
SCENES = {
    "assimp/BlenderDefault_248.blend": ("1-3", BESIDE, []),
    "assimp/HUMAN.blend": ("1-2", BESIDE, []),
    "assimp/TorusLightsCams_250_compressed.blend": ("1-3", BESIDE, []),
    "bat/T53562/bam_pack_bug.blend": ("88-89", None, []),
    "bat/T55539-particles/particle.blend": ("21,106", BESIDE, []),
    "bmw27/bmw27_cpu.blend": ("1-2", BESIDE, []),
    "cgru/scene.blend": ("1,103", None, []),
    "column/the_column.blend": ("1-2", BESIDE, []),
    "derived/autorun_text_and_driver.blend": ("1-3", "//auto/####", ["-o", "//auto/####"]),
    "derived/exr_multilayer.blend": ("1-3", None, []),
    "derived/exr_step3_unicode_path.blend": ("1,4,7,10", None, None),
    "derived/ffmpeg_h264.blend": ("1-3", "//movie-####", []),
    "derived/fileoutput_multilayer.blend": ("1-2", BESIDE, []),
    "derived/stereo_individual_png.blend": ("1-3", None, []),
    "derived/two_scenes_two_layers.blend": ("1-3", None, []),
    "derived/two_scenes_two_layers.blend Second": ("5-6", None, ["-S", "Second"]),
    "derived/workbench_winpath.blend": ("1-3", BESIDE, []),
    "f9r/f9r-v2.blend": ("0-1", None, []),
    "openshot/blend/blinds.blend": ("1-3", "//blinds/####", ["-o", "//blinds/####"]),
    "openshot/blend/earth.blend": ("1-2", "//earth/####", ["-o", "//earth/####"]),
    "openshot/blend/lens_flare.blend": ("1-2", "//flare/####", ["-o", "//flare/####"]),
    "openshot/blend/neon_curves.blend": ("1-2", BESIDE, []),
    "openshot/blend/neon_curves.blend Logo": ("1-2", "//logo/####",
                                              ["-S", "Logo", "-o", "//logo/####"]),
    "vr180/vr180.blend": ("1-2", BESIDE, []),
}

SETTINGS = """
import bpy
S = bpy.data.scenes[{scene!r}] if {scene!r} else bpy.context.scene
bpy.context.window.scene = S
S.render.resolution_percentage = 10
S.render.use_overwrite = True
S.render.use_placeholder = False
for one in bpy.data.scenes:  # a compositor may pull in another scene
    one.cycles.samples = 1
    one.cycles.use_denoising = False
    one.eevee.taa_render_samples = 1
    one.display.render_aa = "OFF"
    for layer in one.view_layers:
        layer.cycles.use_denoising = False
if S.render.is_movie_format or not S.render.image_settings.file_format:
    S.render.image_settings.file_format = "PNG"
    S.render.image_settings.color_depth = "8"
if {output!r}:
    S.render.filepath = {output!r}
print("ENGINE", S.render.engine)
"""


def split(case):
    path, _, scene = case.partition(" ")
    return path, scene


def copy_of(case, folder):
    """A copy of the case's top folder of scenes: libraries and textures lie beside the file."""
    path, _ = split(case)
    top = path.split("/")[0]
    target = folder / case.replace("/", "_") / top
    if not target.exists():
        shutil.copytree(SHARED_SCENES / top, target)
        for made in [target, *target.rglob("*")]:
            os.chmod(made, 0o755 if made.is_dir() else 0o644)
    return target.parent / path


@pytest.fixture(scope="module")
def submitted(tmp_path_factory):
    """A farm of two workers that renders every scene, in the order of the tests."""
    folder = tmp_path_factory.mktemp("shared scenes")
    farm = Farm(folder)
    jobs = {}
    try:
        farm.up(two_workers())
        for case, (frames, _, options) in SCENES.items():
            _, scene = split(case)
            file = copy_of(case, farm.work)
            chosen = [] if options is None else ["-f", frames, *options]
            jobs[case], = farm.add("--no-wait", "--percentage", "10", "--samples", "1",
                                   "--no-denoise", "--allow-missing", "--no-scripts", *chosen, file,
                                   cwd=str(file.parent))
        yield farm, jobs
    finally:
        farm.stop()


@pytest.mark.parametrize("case", SCENES)
def test_scene_equals_plain_blender(case, submitted, tmp_path, request):
    farm, jobs = submitted
    request.node.farms = [farm]
    path, scene = split(case)
    frames, output, _ = SCENES[case]
    file = copy_of(case, tmp_path)
    name = file.name[:-len(".blend")]
    settings = SETTINGS.format(scene=scene, output=(output or "").format(name=name))
    numbers = frames.replace("-", "..")
    scene_option = ["-S", scene] if scene else []
    plain = blender(file, *scene_option, "--python-expr", settings, "-f", numbers,
                    cwd=str(file.parent), timeout=180)

    row = farm.wait_state(jobs[case], "done", "failed", "held", timeout=300)
    assert row["state"] == "done", row
    ours = copy_of(case, farm.work)
    drop_blend1(ours.parent, file.parent)
    ours_new = farm.folder / "ours" / case.replace("/", "_")
    # A warm Eevee that rendered another file before differs from a cold one in the last bit.
    slack = 2 / 255 if "ENGINE BLENDER_EEVEE" in plain.stdout else 0.0
    assert_same_frames(only_new(ours, ours_new, path), only_new(file, tmp_path / "new", path),
                       slack)


def drop_blend1(*folders):
    for folder in folders:
        for old in folder.rglob("*.blend1"):
            old.unlink()


def only_new(file, target, path):
    """Hard links to what is in the copied folder but not in the original one."""
    top = path.split("/")[0]
    base = file.parents[len(path.split("/")) - 2]
    for found in base.rglob("*"):
        name = found.relative_to(base)
        if found.is_file() and not (SHARED_SCENES / top / name).exists():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            os.link(found, target / name)
    return target
