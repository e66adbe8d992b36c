"""A full disk under the frames, and one under the ledger: nothing lost, nothing half written."""

import subprocess

import pytest

from farmtools import two_workers, wait_until
from pictures import assert_same_frames, files_under, pixels


@pytest.fixture
def small_disk(tmp_path):
    """small_disk(size) mounts a tmpfs of that size and gives its path."""
    mounted = []

    def mount(size):
        place = tmp_path / f"small disk {len(mounted)}"
        place.mkdir()
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=0777", "none",
                               str(place)], capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"cannot mount a tmpfs here: {done.stderr.strip()}")
        mounted.append(place)
        return place

    yield mount
    for place in mounted:
        subprocess.run(["umount", "-l", str(place)], check=False)


def test_a_full_output_disk_rests_the_worker_until_there_is_room(farm, scene, small_disk,
                                                                 plain_frames):
    disk = small_disk("256k")
    filler = disk / "filler"
    filler.write_bytes(b"\0" * 192 * 1024)
    rendering = farm.start("dblend", "render", "--devices", "cpu/1", "-o", disk / "out" / "####",
                           scene("plain"))
    wait_until(lambda: any(row["state"] == "resting" for row in farm.json("workers", code=None)),
               90, "the worker to rest")
    number = max(farm.jobs())
    row = farm.job(number)
    assert row["state"] == "active" and row["error"]["code"] == "disk-full"
    assert str(disk) in row["error"]["text"]
    event, = farm.events("worker-resting")
    assert str(disk) in event["text"] and "resting 10 s" in event["text"]
    for name in files_under(disk / "out"):
        if not name.startswith("."):
            assert pixels(disk / "out" / name)
    filler.unlink()
    wait_until(lambda: rendering.poll() is not None, 120, "the end of render")
    assert rendering.returncode == 0, rendering.err.read_text()
    assert_same_frames(disk / "out", plain_frames("plain"))


def test_a_full_disk_under_the_ledger_loses_nothing(farm, scene, small_disk, plain_frames):
    farm.home = small_disk("8m")
    farm.env["DBLEND_HOME"] = str(farm.home)
    rendering = farm.start("dblend", "render", "--devices", two_workers(), "--samples", "100",
                           scene("plain"))
    wait_until(lambda: farm.done_count() >= 4, 90, "some frames")
    filler = farm.home / "filler"
    with open(filler, "wb", buffering=0) as file:
        try:
            while True:
                file.write(b"\0" * 4096)
        except OSError:
            pass
    wait_until(lambda: "full" in (farm.told().lower()) or rendering.poll() is not None, 60,
               "somebody to notice")
    filler.unlink()
    wait_until(lambda: rendering.poll() is not None, 240, "the end of render")
    assert rendering.returncode == 0, rendering.err.read_text()
    assert_same_frames(farm.work / "frames", plain_frames("plain", samples=100))
