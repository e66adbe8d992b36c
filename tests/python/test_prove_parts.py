"""Modules of prove.py called directly: what a race would need luck to show."""

import errno
import os
import sys
import time

import pytest

from python_side import FARM, REPO, frame, names_in, picture, start_time

sys.path.insert(0, str(REPO / "python"))

from prove_parts import claims, looking, pictures, sweeping, system, temps  # noqa: E402


@pytest.fixture
def me():
    return temps.Me(FARM, "test-host", os.getpid(), start_time(os.getpid()))


@pytest.fixture
def claim(me, out):
    """A frame that is taken."""
    taken = claims.Claim(dict(frame(out / "a.png"), claim=5), me)
    assert taken.take()["is"] == "mine"
    yield taken
    taken.give_up()


def test_touching_says_that_somebody_is_at_work(claim, out):
    for name in names_in(out):
        os.utime(out / name, (1, 1))
    before = time.time()
    claim.touch()
    assert len(names_in(out)) == 2
    for name in names_in(out):
        assert os.stat(out / name).st_mtime > before - 2
    claim.give_up()
    claim.touch()


def test_a_published_picture_is_not_touched(claim, out):
    picture(claim.mine()["path"])
    assert claim.prove()["is"] == "done"
    os.utime(out / "a.png", (1, 1))
    claim.touch()
    assert os.stat(out / "a.png").st_mtime == 1


def test_what_was_not_looked_at_is_put_back(out):
    """Between the look and the rename aside somebody finished his picture."""
    out.mkdir()
    data = picture(out / "a.png")
    assert not claims.take_away(str(out / "a.png"), lambda status: False, FARM, 1)
    assert names_in(out) == ["a.png"]
    assert (out / "a.png").read_bytes() == data
    assert not claims.take_away(str(out / "gone.png"), lambda status: True, FARM, 1)
    assert claims.take_away(str(out / "a.png"), lambda status: True, FARM, 1)
    assert names_in(out) == []


def test_putting_back_without_hard_links(out, monkeypatch):
    def no_links(*_args, **_more):
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    out.mkdir()
    picture(out / "a.png")
    assert not claims.take_away(str(out / "a.png"), lambda status: False, FARM, 1)
    assert names_in(out) == ["a.png"]


def test_a_placeholder_that_somebody_filled_is_not_removed(claim, out):
    """The outside Blender's test-then-touch, then its picture in our placeholder's inode."""
    data = picture(out / "a.png")
    claim.give_up()
    assert names_in(out) == ["a.png"]
    assert (out / "a.png").read_bytes() == data


def test_a_placeholder_of_somebody_else_is_not_removed(claim, out):
    os.unlink(out / "a.png")
    (out / "a.png").write_bytes(b"")
    claim.give_up()
    assert names_in(out) == ["a.png"]


def test_losing_the_race_for_the_placeholder(me, out, monkeypatch):
    """Somebody makes the file between our look and our O_EXCL: ours goes, theirs is taken."""
    taken = claims.Claim(dict(frame(out / "a.png"), claim=5), me)
    real = taken._make_temps

    def make_temps():
        real()
        (out / "a.png").write_bytes(b"")

    monkeypatch.setattr(taken, "_make_temps", make_temps)
    assert taken.take()["is"] == "taken"
    assert names_in(out) == ["a.png"]


def test_losing_the_race_to_a_whole_picture(me, out, monkeypatch):
    taken = claims.Claim(dict(frame(out / "a.png"), claim=5), me)
    real = taken._make_temps

    def make_temps():
        real()
        picture(out / "a.png")

    monkeypatch.setattr(taken, "_make_temps", make_temps)
    assert taken.take()["is"] == "kept"
    assert names_in(out) == ["a.png"]


def test_an_abandoned_file_that_came_alive_is_left(me, out, monkeypatch):
    """Its owner writes on between our look and our rename aside."""
    out.mkdir()
    (out / "a.png").write_bytes(b"half")
    status = os.stat(out / "a.png")
    sighting = {"size": 4, "mtime_ns": status.st_mtime_ns, "inode": status.st_ino,
                "abandoned": True}
    taken = claims.Claim(dict(frame(out / "a.png", sighting=sighting), claim=5), me)
    real = taken._make_temps

    def make_temps():
        real()
        (out / "a.png").write_bytes(b"half and more")

    monkeypatch.setattr(taken, "_make_temps", make_temps)
    assert taken.take()["is"] == "taken"
    assert names_in(out) == ["a.png"]
    assert (out / "a.png").read_bytes() == b"half and more"


def test_two_farms_inherit_from_a_third_only_once(me, out, monkeypatch):
    """Of two farms the one inherits whose unlink of the dead file succeeded."""
    dead = temps.Me("d" * 16, "test-host", os.getpid(), 1)
    left = claims.Claim(dict(frame(out / "a.png"), claim=1), dead)
    assert left.take()["is"] == "mine"
    taken = claims.Claim(dict(frame(out / "a.png"), claim=5), me)
    monkeypatch.setattr(claims, "_unlink", lambda path, real=claims._unlink: (
        real(path), False)[1] if "d" * 16 in path else real(path))
    assert taken.take()["is"] == "taken"
    assert names_in(out) == ["a.png"]


def test_a_rename_that_nfs_carried_out_twice_is_a_success(claim, out, monkeypatch):
    real = os.rename

    def twice(old, new):
        real(old, new)
        raise FileNotFoundError(errno.ENOENT, "No such file or directory", old)

    picture(claim.mine()["path"])
    monkeypatch.setattr(os, "rename", twice)
    assert claim.prove()["is"] == "done"
    monkeypatch.undo()
    assert names_in(out) == ["a.png"]


@pytest.mark.parametrize("number, code", [(errno.EIO, "output-unwritable"),
                                          (errno.ENOSPC, "disk-full"),
                                          (errno.EDQUOT, "disk-full")])
def test_what_fsync_says_is_not_published(claim, out, monkeypatch, number, code):
    def fails(_fd):
        raise OSError(number, os.strerror(number))

    picture(claim.mine()["path"])
    monkeypatch.setattr(os, "fsync", fails)
    answer = claim.prove()
    assert (answer["is"], answer["code"]) == ("error", code)
    assert names_in(out) == []


def test_a_second_view_that_cannot_be_renamed(me, out, monkeypatch):
    """The first view is published and stays; the rest goes; the frame is rendered again."""
    files = [(out / "a_L.png", "_L"), (out / "a_R.png", "_R")]
    taken = claims.Claim(dict(frame(*files), claim=5), me)
    for path in taken.take()["paths"]:
        picture(path)
    real = os.rename

    def only_left(old, new):
        if new.endswith("_R.png"):
            raise OSError(errno.EIO, "Input/output error", old)
        real(old, new)

    monkeypatch.setattr(os, "rename", only_left)
    assert taken.prove()["code"] == "output-unwritable"
    monkeypatch.undo()
    assert names_in(out) == ["a_L.png"]
    again = claims.Claim(dict(frame(*files), claim=6), me)
    assert again.take()["is"] == "mine"
    again.give_up()
    assert names_in(out) == ["a_L.png"]


def test_names_of_temporary_files():
    where = ("/p/a_0001_L.png", "_L", FARM, 12)
    assert temps.paths(*where) == (f"/p/.a_0001.{FARM}.12.png", f"/p/.a_0001.{FARM}.12_L.png")
    assert temps.paths("/p/0001.exr", "", FARM, 3) == (f"/p/.0001.{FARM}.3.exr",) * 2


def test_only_temporary_files_of_the_very_name_are_beside_it(out):
    out.mkdir()
    right = [f".a.{FARM}.{claim}.png" for claim in (1, 22)]
    wrong = [f".ab.{FARM}.1.png", f".a.{FARM}.1.exr", f".a.{FARM}.x.png", f"a.{FARM}.1.png",
             f".a.{FARM[1:]}.1.png", f".a.{FARM}.1_L.png", f".a.{FARM}.1.png.bak", "a.png"]
    for name in right + wrong:
        (out / name).write_bytes(b"")
    found = temps.beside(str(out / "a.png"), "")
    assert sorted(os.path.basename(temp.path) for temp in found) == right
    assert sorted(temp.claim for temp in found) == [1, 22]
    assert temps.beside(str(out / "no" / "a.png"), "") == []


@pytest.mark.parametrize("name, frame_number", [
    ("f_0001.png", 1), ("f_12345.png", 12345), ("f_-0001.png", -1), ("f_1.png", None),
    ("f_00001.png", None), ("f_-001.png", None), ("f_0001.exr", None), ("g_0001.png", None),
    ("f_.png", None), ("f_0000.png", 0), ("f_-0000.png", None), ("f_+001.png", None),
])
def test_frame_numbers_in_names(name, frame_number):
    output = {"view": "", "head": "/p/f_", "digits": 4, "tail": ".png"}
    assert sweeping.frame_of(name, output) == frame_number


def test_frame_lists():
    frames = sweeping.Frames([-5, -1, 2, 3, 3, 1, 10, 20, 5])
    assert [frame for frame in range(-10, 30) if frame in frames] == [-5, -3, -1, 3, 10, 15, 20]
    assert 1 not in sweeping.Frames([])


def test_start_times_of_processes():
    assert system.start_time(os.getpid()) == start_time(os.getpid())
    assert system.start_time(2**22 + 1) is None


def test_a_picture_that_changes_while_it_is_read_is_in_progress(me, out, monkeypatch):
    out.mkdir()
    picture(out / "a.png")

    def read(path, decode=True):
        picture(path, seed=9)
        os.utime(path, (1, 1))
        return pictures.Picture(32, 18, "")

    monkeypatch.setattr(pictures, "read", read)
    request = frame(out / "a.png")
    assert looking.look_at(request["files"][0], request, me, 1).state == looking.BUSY
