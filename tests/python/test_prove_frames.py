"""prove.py on its own: look, take, prove, give up; what lies in the folder after each."""

import os
import pathlib
import time

import pytest

from python_side import (
    DIGEST, FARM, OTHER_DIGEST, names_in, picture, pixels, start_time,
)


def old(path, seconds=10**6):
    """Makes a file old."""
    then = time.time() - seconds
    os.utime(path, (then, then))


NEW = {"blend_mtime_ns": 10**18}  # every picture of today is newer (2001)
FUTURE = {"blend_mtime_ns": 4 * 10**18}  # no picture is newer (2096)


def rendered(prover, claim, *files, made=None, **more):
    """Takes a frame and renders it, as Blender would; the answer to `prove`."""
    answer = prover.take(claim, *files, **more)
    assert answer["is"] == "mine", answer
    for path in answer["paths"]:
        picture(path, **(made or {}))
    return prover.prove(claim)


def test_a_frame_from_take_to_done(prover, out):
    final = out / "a b_0001.png"
    answer = prover.take(12, final)
    assert answer["is"] == "mine"
    assert answer["path"] == str(out / f".a b_0001.{FARM}.12.png")
    assert answer["paths"] == [answer["path"]]
    assert final.stat().st_size == 0
    line = pathlib.Path(answer["path"]).read_text()
    assert line == f"dblend {FARM} test-host {os.getpid()} {start_time(os.getpid())} 12\n"
    data = picture(answer["path"])
    done = prover.prove(12)
    status = final.stat()
    assert done == {"id": 7, "is": "done", "warnings": [], "files": [{
        "path": str(final), "bytes": len(data), "width": 32, "height": 18, "view": "",
        "mtime_ns": status.st_mtime_ns, "inode": status.st_ino}]}
    assert names_in(out) == [final.name]
    assert final.read_bytes() == data


def test_umask_decides_about_the_picture_as_with_blender(prover, out):
    rendered(prover, 1, out / "a.png")
    umask = os.umask(0)
    os.umask(umask)
    assert (out / "a.png").stat().st_mode & 0o777 == 0o666 & ~umask


def test_a_whole_picture_of_this_version_is_kept(prover, out):
    done = rendered(prover, 1, out / "a.png")
    for verb in (prover.look, prover.take):
        answer = verb(2, out / "a.png", **FUTURE)
        assert (answer["is"], answer["files"]) == ("kept", done["files"])
    assert names_in(out) == ["a.png"]


@pytest.mark.parametrize("name", ["a.png", "a.exr"])
def test_another_version_stays_until_the_rename(prover, out, name):
    out.mkdir()
    before = picture(out / name, digest=OTHER_DIGEST, seed=1)
    assert prover.look(1, out / name)["is"] == "render"
    answer = prover.take(1, out / name)
    assert answer["is"] == "mine"
    assert (out / name).read_bytes() == before
    after = picture(answer["path"], seed=2)
    assert (out / name).read_bytes() == before
    assert prover.prove(1)["is"] == "done"
    assert (out / name).read_bytes() == after


def test_a_given_up_frame_leaves_the_old_picture(prover, out):
    out.mkdir()
    before = picture(out / "a.png", digest=OTHER_DIGEST)
    assert prover.take(1, out / "a.png")["is"] == "mine"
    assert prover.give_up(1)["is"] == "gone"
    assert names_in(out) == ["a.png"]
    assert (out / "a.png").read_bytes() == before


def test_pictures_of_unknown_origin(prover, out):
    """Kept when newer than the .blend and of the right size; else rendered, unless --keep."""
    out.mkdir()
    path = out / "a.tif"
    picture(path, digest=None)
    assert prover.look(1, path, **NEW)["is"] == "kept"
    assert prover.look(1, path, **FUTURE)["is"] == "render"
    assert prover.look(1, path, width=64, **NEW)["is"] == "render"
    assert prover.look(1, path, width=64, keep=True, **FUTURE)["is"] == "kept"
    assert prover.look(1, path, width=0, height=0, **NEW)["is"] == "kept"
    picture(out / "b.png", digest=OTHER_DIGEST)
    assert prover.look(1, out / "b.png", keep=True, **NEW)["is"] == "render"
    picture(out / "c.png", digest="holiday 2019")
    assert prover.look(1, out / "c.png", **NEW)["is"] == "kept"


def test_the_ledger_knows_pictures_that_carry_no_stamp(prover, out):
    path = out / "a.tif"
    done = rendered(prover, 1, path, made={"digest": None}, stamped=False)["files"][0]
    row = {"path": str(path), "size": done["bytes"], "mtime_ns": done["mtime_ns"],
           "inode": done["inode"]}
    bare = DIGEST.split(":")[1]
    for digest, expected in ((DIGEST, "kept"), (bare, "kept"), (OTHER_DIGEST, "render")):
        known = [dict(row, digest=digest)]
        assert prover.look(2, path, known=known, stamped=False, **NEW)["is"] == expected
    old(path, 5)
    known = [dict(row, digest=OTHER_DIGEST)]  # of another file by now: its mtime is another
    assert prover.look(2, path, known=known, stamped=False, **NEW)["is"] == "kept"


def test_jpeg_comments_are_read(prover, out):
    out.mkdir()
    picture(out / "a.jpg", digest=None, channels=3)
    data = (out / "a.jpg").read_bytes()
    for digest, expected in ((DIGEST, "kept"), (OTHER_DIGEST, "render")):
        comment = b"Blender:Note:" + digest.encode()
        segment = b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment
        (out / "a.jpg").write_bytes(data[:2] + segment + data[2:])
        assert prover.look(1, out / "a.jpg", **FUTURE)["is"] == expected


def test_somebody_elses_file_in_progress_is_taken(prover, out):
    out.mkdir()
    whole = picture(out / "made.png")
    for content in (b"", b"not a picture", whole[: len(whole) // 2]):
        (out / "a.png").write_bytes(content)
        status = (out / "a.png").stat()
        for verb in (prover.look, prover.take):
            answer = verb(1, out / "a.png")
            assert answer == {"id": 7, "is": "taken", "size": len(content),
                              "mtime_ns": status.st_mtime_ns, "inode": status.st_ino}
        assert (out / "a.png").read_bytes() == content
        assert names_in(out) == ["a.png", "made.png"]


@pytest.mark.parametrize("content", [b"", b"half a picture"])
def test_an_abandoned_file_is_ours_to_take(prover, out, content):
    out.mkdir()
    path = out / "a.png"
    path.write_bytes(content)
    seen = prover.look(1, path)
    sighting = {key: seen[key] for key in ("size", "mtime_ns", "inode")}
    assert prover.take(1, path, sighting=dict(sighting, abandoned=False))["is"] == "taken"
    assert rendered(prover, 2, path, sighting=dict(sighting, abandoned=True))["is"] == "done"
    assert names_in(out) == ["a.png"]


def test_a_file_that_changed_is_not_abandoned(prover, out):
    out.mkdir()
    path = out / "a.png"
    path.write_bytes(b"")
    seen = prover.look(1, path)
    sighting = {key: seen[key] for key in ("size", "mtime_ns", "inode")}
    os.utime(path, ns=(1, seen["mtime_ns"] + 60 * 10**9))
    assert prover.take(1, path, sighting=dict(sighting, abandoned=True))["is"] == "taken"
    assert names_in(out) == ["a.png"]


def test_overwrite_asks_nothing_and_makes_no_placeholder(prover, out):
    out.mkdir()
    before = picture(out / "a.png", seed=1)
    assert prover.look(1, out / "a.png", overwrite=True)["is"] == "render"
    answer = prover.take(1, out / "a.png", overwrite=True)
    assert answer["is"] == "mine"
    assert (out / "a.png").read_bytes() == before
    after = picture(answer["path"], seed=2)
    assert prover.prove(1)["is"] == "done"
    assert (out / "a.png").read_bytes() == after
    assert prover.take(2, out / "new.png", overwrite=True)["is"] == "mine"
    assert names_in(out) == [f".new.{FARM}.2.png", "a.png"]


@pytest.mark.parametrize("spoil, code", [
    (lambda path: path.write_bytes(b""), "no-picture"),
    (lambda path: None, "no-picture"),
    (lambda path: path.write_bytes(b"garbage"), "bad-picture"),
    (lambda path: path.write_bytes(picture(path)[:-500]), "bad-picture"),
    (lambda path: picture(path, width=16), "bad-picture"),
    (lambda path: picture(path, height=19), "bad-picture"),
])
def test_what_is_no_proof(prover, out, spoil, code):
    answer = prover.take(1, out / "a.png")
    spoil(pathlib.Path(answer["path"]))
    answer = prover.prove(1)
    assert (answer["is"], answer["code"]) == ("error", code)
    assert str(out / "a.png") in answer["text"]
    assert names_in(out) == []


@pytest.mark.parametrize("extension, kind", [
    ("png", "uint8"), ("png", "uint16"), ("exr", "half"), ("exr", "float"), ("jpg", "uint8"),
    ("tif", "uint8"), ("tif", "uint16"), ("bmp", "uint8"), ("hdr", "float"),
    ("dpx", "uint16"), ("webp", "uint8"),
])
def test_every_cut_is_found_in_every_format(prover, out, extension, kind):
    channels = 3 if extension in ("jpg", "hdr", "bmp") else 4
    answer = prover.take(1, out / f"a.{extension}")
    data = picture(answer["path"], kind=kind, channels=channels)
    assert prover.prove(1)["is"] == "done"
    claim = 1
    for share in (0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.98):
        claim += 1
        final = out / f"cut{claim}.{extension}"
        answer = prover.take(claim, final)
        pathlib.Path(answer["path"]).write_bytes(data[: int(len(data) * share)])
        assert prover.prove(claim)["code"] in ("bad-picture", "no-picture"), share
        assert not final.exists()


def test_every_layer_and_subimage_is_decoded(prover, out):
    answer = prover.take(1, out / "a.exr")
    data = picture(answer["path"], kind="half", channels=24, subimages=3)
    assert prover.prove(1)["is"] == "done"
    assert len(pixels(out / "a.exr")) == 3
    answer = prover.take(2, out / "b.exr")
    with open(answer["path"], "wb") as stream:
        stream.write(data[:-200])
    assert prover.prove(2)["code"] == "bad-picture"


def test_one_colour_and_nan_are_warnings(prover, out):
    done = rendered(prover, 1, out / "a.png", made={"value": 0.0})
    assert (done["is"], [note["code"] for note in done["warnings"]]) == ("done", ["flat-picture"])
    for claim, kind in ((2, "half"), (3, "float")):
        done = rendered(prover, claim, out / f"{kind}.exr",
                        made={"value": float("nan"), "kind": kind})
        assert "nan-picture" in [note["code"] for note in done["warnings"]]
    done = rendered(prover, 4, out / "inf.exr", made={"value": float("inf"), "kind": "half"})
    assert [note["code"] for note in done["warnings"]] == ["flat-picture"]


LEFT_RIGHT = [("a_L.png", "_L"), ("a_R.png", "_R")]


def test_stereo_is_one_frame_of_two_files(prover, out):
    files = [(out / name, view) for name, view in LEFT_RIGHT]
    answer = prover.take(5, *files)
    assert answer["path"] == str(out / f".a.{FARM}.5.png")
    assert answer["paths"] == [str(out / f".a.{FARM}.5_L.png"), str(out / f".a.{FARM}.5_R.png")]
    assert sorted(name for name in names_in(out) if not name.startswith(".")) == [
        "a_L.png", "a_R.png"]
    picture(answer["paths"][0], seed=1)
    picture(answer["paths"][1], seed=2)
    done = prover.prove(5)
    assert [one["view"] for one in done["files"]] == ["_L", "_R"]
    assert names_in(out) == ["a_L.png", "a_R.png"]
    assert prover.look(6, *files)["is"] == "kept"


def test_stereo_with_one_view_missing_is_an_error_and_leaves_nothing(prover, out):
    files = [(out / name, view) for name, view in LEFT_RIGHT]
    answer = prover.take(5, *files)
    picture(answer["paths"][0])
    assert prover.prove(5)["code"] == "no-picture"
    assert names_in(out) == []


def test_stereo_is_rendered_again_after_an_interrupted_publish(prover, out):
    out.mkdir()
    picture(out / "a_L.png")
    files = [(out / name, view) for name, view in LEFT_RIGHT]
    assert rendered(prover, 5, *files)["is"] == "done"
    assert names_in(out) == ["a_L.png", "a_R.png"]


def test_stereo_with_one_file_in_other_hands_is_taken(prover, out):
    out.mkdir()
    picture(out / "a_L.png")
    (out / "a_R.png").write_bytes(b"")
    files = [(out / name, view) for name, view in LEFT_RIGHT]
    answer = prover.take(5, *files)
    assert (answer["is"], answer["inode"]) == ("taken", (out / "a_R.png").stat().st_ino)
    assert names_in(out) == ["a_L.png", "a_R.png"]


def test_both_placeholders_of_a_stereo_frame_can_be_abandoned(prover, out):
    out.mkdir()
    files = [(out / name, view) for name, view in LEFT_RIGHT]
    for path, _ in files:
        path.write_bytes(b"")
    seen = prover.take(5, *files)
    sighting = {key: seen[key] for key in ("size", "mtime_ns", "inode")}
    assert rendered(prover, 6, *files, sighting=dict(sighting, abandoned=True))["is"] == "done"


def test_names_of_any_kind(prover, out):
    for claim, name in enumerate(["ünï ß 1.png", "-rf.png", "a.b.c.png", "no extension",
                                  "[x](y)*?.png", "x" * 250 + ".png", "#1.png"], start=1):
        answer = prover.take(claim, out / name)
        assert answer["is"] == "mine", name
        assert len(os.fsencode(os.path.basename(answer["path"]))) <= 255
        assert os.path.splitext(answer["path"])[1]
        picture(answer["path"])
        assert prover.prove(claim)["is"] == "done", name
    assert len(names_in(out)) == 7


def test_answers_come_for_requests_in_flight(prover, out):
    for claim in range(1, 6):
        answer = prover.take(claim, out / f"{claim}.png")
        picture(answer["path"])
    for claim in range(1, 6):
        prover.send(do="prove", id=f"p{claim}", claim=claim)
    prover.send(do="look", id="l", claim=9, files=[], digest=DIGEST)
    answers = {answer["id"]: answer["is"] for answer in (prover.hear() for _ in range(6))}
    assert set(answers) == {"p1", "p2", "p3", "p4", "p5", "l"}
    assert [answers[f"p{claim}"] for claim in range(1, 6)] == ["done"] * 5


def test_a_take_sent_twice_is_the_same_frame(prover, out):
    assert prover.take(1, out / "a.png") == prover.take(1, out / "a.png")


def test_a_claim_that_nobody_took_is_fenced(prover):
    assert prover.prove(77)["is"] == "fenced"
    assert prover.give_up(77)["is"] == "gone"


def test_wrong_requests_are_answered(prover):
    for line in ("no json", "[]", '{"do":"dance"}', '{"id":1}'):
        prover.send_line(line)
        assert prover.hear()["code"] == "script-error"
    assert prover.ask(do="take", claim=1)["code"] == "script-error"
    assert prover.give_up(1)["is"] == "gone"


def test_a_take_is_quick(prover, out):
    times = []
    for claim in range(1, 101):
        started = time.perf_counter()
        assert prover.take(claim, out / f"{claim}.png")["is"] == "mine"
        times.append(time.perf_counter() - started)
    assert min(times) < 0.002  # the best of them: the machine is shared
