"""prove.py where the disk is against it; every test holds for root too."""

import os
import pathlib
import subprocess

import pytest

from python_side import names_in, picture


@pytest.fixture
def small_disk(tmp_path):
    """mount(size) gives the folder of a tmpfs; skipped where mounting is not allowed."""
    mounted = []

    def mount(*options):
        folder = tmp_path / f"disk{len(mounted)}"
        folder.mkdir()
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", ",".join(options), "tmpfs",
                               str(folder)], stderr=subprocess.PIPE, check=False)
        if done.returncode:
            pytest.skip("cannot mount a tmpfs: " + done.stderr.decode().strip())
        mounted.append(folder)
        return folder

    yield mount
    for folder in mounted:
        subprocess.run(["umount", "-l", str(folder)], check=False)


def fill(folder):
    """Uses up what is free."""
    with open(folder / "ballast", "wb", buffering=0) as stream:
        try:
            while True:
                stream.write(b"x" * 4096)
        except OSError:
            pass


def test_a_disk_that_is_full_before_the_frame(prover, small_disk):
    disk = small_disk("size=64k")
    fill(disk)
    answer = prover.take(1, disk / "a.png")
    assert (answer["is"], answer["code"]) == ("error", "disk-full")
    assert str(disk) in answer["text"] and answer["hint"]
    assert names_in(disk) == ["ballast"]
    (disk / "ballast").unlink()
    assert prover.take(2, disk / "a.png")["is"] == "mine"


def test_a_disk_without_inodes(prover, small_disk):
    disk = small_disk("size=1m", "nr_inodes=3")
    assert prover.take(1, disk / "a.png")["is"] == "mine"
    answer = prover.take(2, disk / "b.png")
    assert (answer["is"], answer["code"]) == ("error", "disk-full")
    assert prover.give_up(1)["is"] == "gone"
    assert names_in(disk) == []


def test_a_disk_that_fills_up_while_the_frame_is_rendered(prover, small_disk, tmp_path):
    disk = small_disk("size=64k")
    whole = picture(tmp_path / "whole.png", width=256, height=256)
    answer = prover.take(1, disk / "a.png", width=256, height=256)
    fill(disk)
    with open(answer["path"], "wb", buffering=0) as stream:
        with pytest.raises(OSError):
            stream.write(whole)
            stream.write(whole)
    answer = prover.prove(1)
    assert (answer["is"], answer["code"]) == ("error", "disk-full")
    assert names_in(disk) == ["ballast"]


def test_a_folder_below_a_file(prover, tmp_path):
    (tmp_path / "file").write_text("")
    answer = prover.take(1, tmp_path / "file" / "below" / "a.png")
    assert (answer["is"], answer["code"]) == ("error", "output-unwritable")


def test_a_folder_where_nobody_can_write(prover):
    for folder in ("/proc/nothing", "/sys/nothing"):
        answer = prover.take(1, pathlib.Path(folder) / "a.png")
        assert (answer["is"], answer["code"]) == ("error", "output-unwritable")


def test_a_read_only_disk(prover, small_disk):
    disk = small_disk("size=64k", "ro")
    answer = prover.take(1, disk / "a.png")
    assert (answer["is"], answer["code"]) == ("error", "output-unwritable")
    assert "ead-only" in answer["text"]


def test_a_disk_that_becomes_read_only(prover, small_disk):
    """The picture is there and whole, but cannot get its name: said so, and nothing hangs."""
    disk = small_disk("size=64k")
    answer = prover.take(1, disk / "a.png")
    picture(answer["path"])
    done = subprocess.run(["mount", "-o", "remount,ro,size=64k", str(disk)],
                          stderr=subprocess.PIPE, check=False)
    if done.returncode:  # the prover holds the file open for writing
        pytest.skip("cannot remount read-only: " + done.stderr.decode().strip())
    assert prover.prove(1)["code"] == "output-unwritable"


def test_what_can_never_become_a_picture(prover, out):
    out.mkdir()
    (out / "folder.png").mkdir()
    (out / "nowhere.png").symlink_to(out / "no" / "such" / "file")
    os.mkfifo(out / "pipe.png")
    before = names_in(out)
    for name in ("folder.png", "nowhere.png", "pipe.png"):
        for more in ({}, {"overwrite": True}):
            answer = prover.take(1, out / name, **more)
            assert (answer["is"], answer["code"]) == ("error", "output-unwritable"), name
            assert name in answer["text"]
    assert names_in(out) == before


def test_a_folder_that_is_taken_away_while_the_frame_is_rendered(prover, out):
    answer = prover.take(1, out / "a.png")
    picture(answer["path"])
    out.rename(out.with_name("moved"))
    answer = prover.prove(1)
    assert answer["is"] in ("fenced", "error")
    assert prover.take(2, out / "a.png")["is"] == "mine"


def test_a_name_longer_than_the_disk_allows(prover, out):
    answer = prover.take(1, out / ("x" * 300 + ".png"))
    assert (answer["is"], answer["code"]) == ("error", "output-unwritable")
    assert names_in(out) == []


def test_a_link_to_a_picture_is_a_picture(prover, out):
    out.mkdir()
    picture(out / "real.png")
    (out / "a.png").symlink_to(out / "real.png")
    assert prover.take(1, out / "a.png")["is"] == "kept"
