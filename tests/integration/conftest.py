"""Fixtures: real programs in a folder with spaces, their logs shown only when a test fails."""

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from farmtools import BIN, Farm, blender, copy_scene, make_scenes  # noqa: E402
from renderers import run_script  # noqa: E402


def pytest_collection_modifyitems(items):
    if not (BIN / "dblend").exists():
        missing = pytest.mark.skip(reason=f"no dblend in {BIN}: ./farm.sh build makes it")
        here = pathlib.Path(__file__).parent
        for item in items:
            if here in pathlib.Path(item.fspath).parents:
                item.add_marker(missing)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        for farm in getattr(item, "farms", []):
            report.sections.append((f"farm in {farm.folder}", farm.told()))


@pytest.fixture
def make_farm(request, renderer, tmp_path):
    """make_farm() gives one more farm; all are ended with the test, however it ended."""
    request.node.farms = []

    def make():
        farm = Farm(tmp_path / f"farm {len(request.node.farms) + 1}", renderer)
        request.node.farms.append(farm)
        return farm

    yield make
    for farm in request.node.farms:
        farm.stop()


@pytest.fixture
def farm(make_farm):
    return make_farm()


@pytest.fixture(scope="session")
def made_scenes(tmp_path_factory):
    return make_scenes(tmp_path_factory.mktemp("made scenes"))


@pytest.fixture
def farm_of_two(standing, request, tmp_path):
    """The module's running farm, with a work folder of this test's own."""
    request.node.farms = [standing]
    standing.work = tmp_path / "the work"
    standing.work.mkdir()
    return standing


@pytest.fixture(scope="module")
def standing(renderer, tmp_path_factory):
    """`dblend farm` with two workers for all tests of a module that need no farm of their own."""
    farm = Farm(tmp_path_factory.mktemp("standing farm"), renderer)
    try:
        farm.up()
        yield farm
    finally:
        farm.stop()


@pytest.fixture
def scene(made_scenes, request):
    """scene("plain") is a copy of that .blend (and of what it needs) in the farm's work folder."""
    needs = {"linked": ["library.blend"], "textured": ["picture.png"]}

    def copied(name, target=None):
        names = request.fixturenames
        here = request.getfixturevalue("farm_of_two" if "farm_of_two" in names else "farm").work
        return copy_scene(made_scenes, target or here, name + ".blend", *needs.get(name, []))

    return copied


# What `blender -a` never does and a person at the screen does: step from frame to frame.
STEPPED = """
for number in range(S.frame_start, S.frame_end + 1):
    S.frame_set(number)
    S.render.filepath = {folder!r} + "/%04d" % number
    bpy.ops.render.render(write_still=True)
"""

# What `blender -a` does, in the module.
ANIMATED = """
S.render.filepath = {folder!r} + "/####"
bpy.ops.render.render(animation=True)
"""


@pytest.fixture(scope="session")
def plain_frames(made_scenes, renderer, tmp_path_factory):
    """plain_frames("plain", samples=64) is the folder where plain Blender (or bpy) rendered it all.

    With stepped=True one Blender sets and renders one frame after the other: `-a` evaluates no
    unbaked physics at all, each of its frames shows the first one (3.4.1).
    """
    rendered = {}

    def render(name, stepped=False, **cycles):
        key = (name, tuple(sorted(cycles.items())))
        if key not in rendered:
            target = tmp_path_factory.mktemp("plain frames")
            file = made_scenes / (name + ".blend")
            script = "import bpy; S = bpy.context.scene\n" + "".join(
                f"S.cycles.{option} = {value}\n" for option, value in key[1])
            if stepped:
                run_script(renderer, file, script + STEPPED.format(folder=str(target)))
            elif renderer:
                run_script(renderer, file, script + ANIMATED.format(folder=str(target)))
            else:
                blender(file, "--python-expr", script, "--render-output", str(target / "####"),
                        "--render-anim", timeout=300)
            rendered[key] = target
        return rendered[key]

    return render
