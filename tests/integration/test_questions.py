"""What inspection asks, the flags it names, and that the flags answer it."""

import os
import struct
import zlib

import pytest

from pictures import files_under


def without_library(farm, scene):
    file = scene("linked")
    (farm.work / "library.blend").unlink()
    return file


def without_picture(farm, scene):
    file = scene("textured")
    (farm.work / "picture.png").unlink()
    return file


CASES = {
    "engine": (lambda farm, scene: scene("engine"), "engine-missing", ["-E", "CYCLES"], 4),
    "driver": (lambda farm, scene: scene("driver"), "scripts-blocked", ["--no-scripts"], 6),
    "library": (without_library, "files-missing", ["--allow-missing"], 4),
    "picture": (without_picture, "files-missing", ["--allow-missing"], 3),
}


@pytest.mark.renderers
@pytest.mark.parametrize("case", CASES)
def test_a_doubtful_scene_is_held_and_its_flag_answers_it(case, farm_of_two, scene):
    farm = farm_of_two
    make, code, flags, frames = CASES[case]
    file = make(farm, scene)
    held = farm.refused(file)[code]
    assert flags[0] in held["hint"] and held["file"] == str(file)
    number = held["job"]
    row = farm.job(number)
    assert row["state"] == "held" and row["error"]["code"] == code
    assert not files_under(farm.work / "frames")
    waited = farm.dblend("wait", number, code=1)
    assert flags[0] in waited.stderr and f"job {number}" in waited.stderr
    farm.dblend("accept", number, *flags)
    farm.dblend("wait", number)
    assert len(files_under(farm.work / "frames")) == frames


@pytest.mark.parametrize("case", CASES)
def test_the_flag_given_at_once_asks_nothing(case, farm_of_two, scene):
    make, _, flags, frames = CASES[case]
    farm_of_two.rendered(*flags, make(farm_of_two, scene))
    assert len(files_under(farm_of_two.work / "frames")) == frames


def test_the_same_file_with_the_flag_answers_the_held_job(farm_of_two, scene):
    file = scene("engine")
    held = farm_of_two.refused(file)["engine-missing"]["job"]
    farm_of_two.dblend("add", "-E", "CYCLES", file)
    assert max(farm_of_two.jobs()) == held
    farm_of_two.dblend("wait", held)


@pytest.mark.renderers
def test_an_engine_asked_for_that_is_not_there_is_a_question(farm_of_two, scene):
    file = scene("plain")
    held = farm_of_two.refused("-f", "1-2", "-E", "LUXCORE", file)["engine-missing"]
    assert "LUXCORE" in held["text"] and "CYCLES" in held["text"]
    farm_of_two.dblend("add", "-f", "1-2", "-E", "WORKBENCH", file)
    farm_of_two.dblend("wait", held["job"])
    assert farm_of_two.job(held["job"])["frames"]["done"] == 2


def test_a_held_job_blocks_no_other(farm, scene):
    held, plain = scene("engine", farm.work / "other"), scene("plain")
    done = farm.dblend("render", "--devices", "cpu/1", "-f", "1-3", held, plain, code=1)
    assert "FOREIGN_ENGINE" in done.stderr and "-E" in done.stderr
    assert files_under(farm.work / "frames") == {f"{number:04}.png" for number in (1, 2, 3)}


def test_old_pictures_of_unknown_origin_are_one_question(farm_of_two, scene):
    file, frames = scene("plain"), farm_of_two.work / "frames"
    frames.mkdir()
    old = file.stat().st_mtime - 3600
    for number in (1, 2):
        strange = frames / f"{number:04}.png"
        strange.write_bytes(unknown_picture())
        os.utime(strange, (old, old))
    held = farm_of_two.refused("-f", "1-4", file)["pictures"]
    assert "--keep" in held["hint"] and "--overwrite" in held["hint"]
    farm_of_two.dblend("add", "-f", "1-4", "--overwrite", file)
    farm_of_two.dblend("wait", held["job"])
    assert farm_of_two.job(held["job"])["frames"]["done"] == 4


def unknown_picture():
    """A whole PNG of the right size that is not of this farm."""
    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))
    rows = b"".join(b"\0" + b"\x40\x80\xc0" * 64 for _ in range(48))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 64, 48, 8, 2, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))
