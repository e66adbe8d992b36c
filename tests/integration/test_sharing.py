"""Others on the same ledger or the same output folder."""

import collections
import re
import subprocess

from farmtools import two_workers, wait_until
from pictures import assert_same_frames, files_under, same_pixels

SAMPLES = 120


def test_a_second_broker_on_one_ledger_is_refused(farm, scene, plain_frames):
    first = farm.start("dblend-broker")
    wait_until(lambda: b"ready" in first.out.read_bytes(), 20, "the broker")
    second = farm.start("dblend-broker")
    wait_until(lambda: second.poll() is not None, 20, "the second broker to leave")
    assert second.returncode == 3
    assert "ledger" in second.err.read_text()
    farm.dblend("render", "--devices", "cpu/1", "-f", "1-2", scene("plain"))
    assert first.poll() is None
    assert same_pixels(farm.work / "frames" / "0001.png", plain_frames("plain") / "0001.png")


def test_a_second_worker_on_one_device_is_refused_and_told_who_holds_it(farm):
    farm.up("cpu/1")
    name = farm.json("workers")[0]
    second = farm.start("dblend-worker", "--device", name["device"])
    wait_until(lambda: second.poll() is not None, 30, "the second worker to leave")
    assert second.returncode == 4
    assert str(name["pid"]) in second.err.read_text()


def test_two_farms_on_one_output_folder_render_each_frame_once(make_farm, scene, plain_frames,
                                                               made_scenes):
    one, two = make_farm(), make_farm()
    file = one.work / "plain.blend"
    file.write_bytes((made_scenes / "plain.blend").read_bytes())
    command = ("render", "--devices", "cpu/1", "--samples", str(SAMPLES), file)
    first, second = one.start("dblend", *command), two.start("dblend", *command)
    for process in (first, second):
        wait_until(lambda p=process: p.poll() is not None, 240, "both farms to finish")
    assert (first.returncode, second.returncode) == (0, 0), (
        first.err.read_text() + second.err.read_text())
    assert_same_frames(one.work / "frames", plain_frames("plain", samples=SAMPLES))
    rendered = collections.Counter()
    for farm in (one, two):
        farm.start("dblend-broker", "--idle-exit", "60")
        wait_until(lambda f=farm: f.dblend("list", code=None).returncode == 0, 20, "a broker")
        rendered.update(row["frame"] for row in farm.events("frame-done"))
    assert rendered == {number: 1 for number in range(1, 41)}


def test_an_outside_blender_shares_the_folder_by_placeholders(farm, scene, plain_frames):
    """Every frame whole, none skipped; none rendered by us whose file was there at our look."""
    file = scene("plain")
    settings = (f"import bpy; S = bpy.context.scene; S.cycles.samples = {SAMPLES};"
                "S.render.use_placeholder = True; S.render.use_overwrite = False")
    with open(farm.logs / "outside.out", "wb") as out:
        outside = subprocess.Popen(
            ["blender", "-b", "--factory-startup", str(file), "-t", "1", "--python-expr", settings,
             "-a"], stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, env=farm.env)
    farm.started.append(outside)
    frames = farm.work / "frames"
    wait_until(lambda: len(files_under(frames)) >= 2, 60, "the outside Blender to begin")
    farm.dblend("render", "--devices", "cpu/1", "--samples", SAMPLES, "--keep", file, timeout=240)
    wait_until(lambda: outside.poll() is not None, 120, "the outside Blender")
    assert_same_frames(frames, plain_frames("plain", samples=SAMPLES))

    theirs = re.findall(r"^Saved: '.*?(\d{4})\.png'", (farm.logs / "outside.out").read_text(), re.M)
    farm.start("dblend-broker", "--idle-exit", "60")
    wait_until(lambda: farm.dblend("list", code=None).returncode == 0, 20, "the broker")
    ours = [row["frame"] for row in farm.events("frame-done")]
    twice = {int(name) for name in theirs} & set(ours)
    assert len(ours) == len(set(ours)) and ours, "our side rendered nothing, or a frame twice"
    assert len(twice) <= 2
    assert {int(name) for name in theirs} | set(ours) == set(range(1, 41))
