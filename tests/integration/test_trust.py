"""Scripts of one job never reach into the next."""

from farmtools import blender, copy_scene, wait_until
from pictures import same_pixels


def test_a_hostile_trusted_job_changes_nothing_of_the_next(farm, scene, plain_frames):
    hostile, plain = scene("hostile"), scene("plain")
    farm.up("cpu/1")
    first, = farm.add("--trust-scripts", "-o", "hostile/####", hostile)
    second, = farm.add("-f", "1-4", "-o", "plain/####", plain)
    assert farm.wait_state(first, "done", "failed")
    assert farm.wait_state(second, "done", "failed")["state"] == "done"
    for number in range(1, 5):
        name = f"{number:04}.png"
        assert same_pixels(farm.work / "plain" / name, plain_frames("plain") / name)


def test_scripts_stay_off_unless_trusted(farm, scene, tmp_path, made_scenes):
    """The hostile file without trust, its question answered by --no-scripts, renders whole."""
    farm.dblend("render", "--devices", "cpu/1", "--no-scripts", "-o", "hostile/####",
                scene("hostile"))
    copied = copy_scene(made_scenes, tmp_path / "alone", "hostile.blend")
    blender(copied, "-f", "1..4")
    for number in range(1, 5):
        name = f"{number:04}.png"
        assert same_pixels(farm.work / "hostile" / name, tmp_path / "alone" / "frames" / name)


def test_a_trusted_driver_moves_and_a_blocked_one_is_asked_about(farm, scene):
    file = scene("driver")
    held = farm.refused(file)["scripts-blocked"]
    assert "--trust-scripts" in held["hint"] and "--no-scripts" in held["hint"]
    number = held["job"]
    assert farm.job(number)["state"] == "held"
    farm.dblend("accept", number, "--trust-scripts")
    farm.up("cpu/1")
    assert farm.wait_state(number, "done", "failed")["state"] == "done"
    frames = farm.work / "frames"
    wait_until(lambda: (frames / "0006.png").exists(), 5, "the last frame")
    trusted = farm.folder / "trusted"
    trusted.mkdir()
    copy = trusted / "driver.blend"
    copy.write_bytes(file.read_bytes())
    blender("--enable-autoexec", copy, "-f", "1..6")
    for number in range(1, 7):
        assert same_pixels(frames / f"{number:04}.png", trusted / "frames" / f"{number:04}.png")
