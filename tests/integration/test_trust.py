"""Scripts of one job never reach into the next."""

from farmtools import blender, copy_scene
from pictures import same_pixels


def same(frames, plain, count):
    return all(same_pixels(frames / f"{number:04}.png", plain / f"{number:04}.png")
               for number in range(1, count + 1))


def test_a_hostile_trusted_job_changes_nothing_of_the_next(farm, scene, plain_frames):
    hostile, plain = scene("hostile"), scene("plain")
    first, = farm.add("--trust-scripts", "-o", "hostile/####", hostile)
    second, = farm.add("-f", "1-4", "-o", "plain/####", plain)
    farm.up("cpu/1")  # one worker, so that both go through the same hands
    farm.dblend("wait", first, second)
    assert same(farm.work / "plain", plain_frames("plain"), 4)


def test_scripts_stay_off_unless_trusted(farm_of_two, scene, tmp_path, made_scenes):
    farm_of_two.rendered("--no-scripts", "-o", "hostile/####", scene("hostile"))
    copied = copy_scene(made_scenes, tmp_path / "alone", "hostile.blend")
    blender(copied, "-f", "1..4")
    assert same(farm_of_two.work / "hostile", tmp_path / "alone" / "frames", 4)


def test_a_trusted_driver_moves_and_a_blocked_one_is_asked_about(farm_of_two, scene, tmp_path,
                                                                 made_scenes):
    held = farm_of_two.refused(scene("driver"))["scripts-blocked"]
    assert "--trust-scripts" in held["hint"] and "--no-scripts" in held["hint"]
    assert farm_of_two.job(held["job"])["state"] == "held"
    farm_of_two.dblend("accept", held["job"], "--trust-scripts")
    farm_of_two.dblend("wait", held["job"])
    copied = copy_scene(made_scenes, tmp_path / "trusted", "driver.blend")
    blender("--enable-autoexec", copied, "-f", "1..6")
    assert same(farm_of_two.work / "frames", tmp_path / "trusted" / "frames", 6)
