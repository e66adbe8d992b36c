"""prove.py looks once more at pictures that were proven: what is whole, gone, broken, changed."""

import os
import shutil
import time

import pytest

from python_side import DIGEST, OTHER_DIGEST, picture


def proof(path, width=32, height=18, view=""):
    """What a `finished` said of this file."""
    status = os.stat(path)
    return {"path": str(path), "bytes": status.st_size, "width": width, "height": height,
            "view": view, "mtime_ns": status.st_mtime_ns, "inode": status.st_ino}


def look(prover, *frames, **more):
    """Frames are numbered from 1; each is a list of files. Answers {frame: (code, text)}."""
    request = {"look": [{"frame": number, "files": files}
                        for number, files in enumerate(frames, 1)], "digest": DIGEST}
    answer = prover.ask(do="sweep", claim=9, **dict(request, **more))
    assert answer["is"] == "swept" and answer["last"] == len(frames)
    return {one["frame"]: (one["code"], one["text"]) for one in answer["wrong"]}


@pytest.fixture
def shot(out):
    """A proven picture and its proof."""
    out.mkdir()
    path = out / "f_0001.png"
    picture(path)
    return path, proof(path)


def test_what_is_as_it_was_proven_is_not_read(prover, shot):
    """Equal size, mtime and inode: even bytes that are no picture are taken for whole."""
    path, file = shot
    assert look(prover, [file]) == {}
    size, mtime_ns = file["bytes"], file["mtime_ns"]
    with open(path, "r+b") as stream:
        stream.write(b"x" * size)
    os.utime(path, ns=(mtime_ns, mtime_ns))
    assert look(prover, [file]) == {}
    os.utime(path, ns=(mtime_ns, mtime_ns + 1))
    assert look(prover, [file])[1][0] == "broken"


def test_a_touched_or_moved_picture_is_read_and_whole(prover, shot):
    path, file = shot
    os.utime(path, (1, 1))
    assert look(prover, [file]) == {}
    copy = path.with_name("copy.png")
    shutil.copy(path, copy)
    os.replace(copy, path)
    assert look(prover, [file]) == {}
    assert look(prover, [file], digest="") == {}


def test_a_picture_of_unknown_origin_is_whole(prover, shot):
    path, file = shot
    picture(path, digest=None, seed=3)
    assert look(prover, [file]) == {}


def gone(path):
    path.unlink()


def truncated(path):
    os.truncate(path, path.stat().st_size - 20)


def empty(path):
    path.write_bytes(b"")


def text(path):
    path.write_text("not a picture")


def smaller(path):
    picture(path, width=16)


def newer(path):
    picture(path, digest=OTHER_DIGEST)


def folder(path):
    path.unlink()
    path.mkdir()


def pipe(path):
    path.unlink()
    os.mkfifo(path)


def dangling(path):
    path.unlink()
    path.symlink_to("nowhere.png")


def ring(path):
    path.unlink()
    path.symlink_to(path)


@pytest.mark.parametrize("harm, code, words", [
    (gone, "gone", "no such file"),
    (truncated, "broken", ""),
    (empty, "broken", "an empty file"),
    (text, "broken", ""),
    (smaller, "broken", "it is 16x18, not 32x18"),
    (newer, "changed", "another version"),
    (folder, "broken", "no file"),
    (pipe, "broken", "no file"),
    (dangling, "gone", "a link to nowhere"),
    (ring, "broken", "a link to itself"),
])
def test_harm_is_seen(prover, shot, harm, code, words):
    path, file = shot
    other = path.with_name("f_0002.png")
    picture(other)
    harm(path)
    wrong = look(prover, [file], [proof(other)])
    assert list(wrong) == [1]
    assert wrong[1][0] == code
    assert wrong[1][1].startswith(str(path) + ": ") and words in wrong[1][1]


def test_a_link_to_a_whole_picture_is_whole(prover, shot):
    path, file = shot
    os.rename(path, path.with_name("elsewhere.png"))
    path.symlink_to("elsewhere.png")
    assert look(prover, [file]) == {}


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_picture_that_may_not_be_read_is_broken_if_it_was_touched(prover, shot):
    path, file = shot
    path.chmod(0)
    assert look(prover, [file]) == {}
    os.utime(path, (1, 1))
    assert look(prover, [file])[1][0] == "broken"


def test_a_folder_that_is_gone_means_pictures_that_are_gone(prover, shot):
    path, file = shot
    shutil.rmtree(path.parent)
    assert look(prover, [file])[1][0] == "gone"
    path.parent.write_text("a file lies where the folder was")
    assert look(prover, [file])[1][0] == "gone"


def test_a_place_that_cannot_be_looked_at_says_nothing_about_pictures(prover, shot):
    """A name that no disk takes stands for a disk that answers with an error."""
    path, file = shot
    answer = prover.ask(do="sweep", claim=9, digest=DIGEST,
                        look=[{"frame": 1, "files": [dict(file, path=str(path) + "x" * 300)]}])
    assert answer["is"] == "error" and answer["code"] == "output-unwritable"


def test_every_view_of_a_frame_must_be_whole(prover, out):
    out.mkdir()
    files = []
    for view in ("_L", "_R"):
        path = out / f"f_0001{view}.png"
        picture(path)
        files.append(proof(path, view=view))
    assert look(prover, files) == {}
    os.unlink(files[1]["path"])
    assert look(prover, files)[1] == ("gone", files[1]["path"] + ": no such file")


def test_a_digest_without_a_blender_version_is_of_any(prover, shot):
    path, file = shot
    os.utime(path, (1, 1))
    half = DIGEST[:DIGEST.rindex(":") + 1]
    assert look(prover, [file], digest=half) == {}
    assert look(prover, [file], digest=half + "4.2")[1][0] == "changed"
    assert look(prover, [file], digest=OTHER_DIGEST[:OTHER_DIGEST.rindex(":") + 1])[1][0] == \
        "changed"


def test_inodes_of_the_wire_are_signed(prover, shot):
    """Beyond 2^63 - 1 an inode travels as the int64 of the same bits; other ones differ."""
    path, file = shot
    with open(path, "r+b") as stream:
        stream.write(b"x" * 40)
    os.utime(path, ns=(file["mtime_ns"], file["mtime_ns"]))
    assert look(prover, [file]) == {}
    assert look(prover, [dict(file, inode=file["inode"] - (1 << 63))])[1][0] == "broken"


def test_long_words_are_cut_in_front(prover, out):
    deep = out / ("d" * 200) / ("é" * 100)
    path = deep / "f_0001.png"
    deep.mkdir(parents=True)
    picture(path)
    file = proof(path)
    path.unlink()
    code, words = look(prover, [file])[1]
    assert code == "gone" and words.startswith("...")
    assert words.endswith("/f_0001.png: no such file") and len(words.encode()) <= 240


def test_a_look_removes_nothing(provers, out):
    dead = provers()
    dead.take(1, out / "f_0001.png")
    dead.kill()
    before = sorted(os.listdir(out))
    look(provers(), [{"path": str(out / "f_0001.png"), "bytes": 9, "width": 1, "height": 1,
                      "view": "", "mtime_ns": 1, "inode": 1}],
         outputs=[{"view": "", "head": str(out / "f_"), "digits": 4, "tail": ".png"}], live=[])
    assert sorted(os.listdir(out)) == before


def test_ten_thousand_untouched_pictures_take_a_second(prover, out):
    """0.1 ms a frame when stats are equal; ten times that is let pass on a busy machine."""
    out.mkdir()
    picture(out / "f_0001.png")
    files = []
    for number in range(256):
        path = out / f"g_{number:04d}.png"
        os.link(out / "f_0001.png", path)
        files.append(proof(path))
    frames = [[file] for file in files]
    started = time.monotonic()
    for _ in range(40):
        assert look(prover, *frames) == {}
    assert time.monotonic() - started < 10
