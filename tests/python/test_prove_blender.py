"""autorender.py and prove.py together, as a worker uses them: every format Blender writes."""

import pathlib

import pytest

from python_side import names_in, path_of

FORMATS = ["PNG", "JPEG", "JPEG2000", "TIFF", "TARGA", "TARGA_RAW", "BMP", "IRIS", "OPEN_EXR",
           "OPEN_EXR_MULTILAYER", "HDR", "DPX", "CINEON", "WEBP"]


def digest_of(job):
    return "dblend:%s:3.4" % job["found"]["digest"]


def request_of(job, frame):
    found = job["found"]
    return [(path_of(one, frame), one["view"]) for one in found["outputs"]], {
        "width": found["width"], "height": found["height"], "digest": digest_of(job),
        "stamped": found["stamped"], "blend_mtime_ns": 4 * 10**18}


def render(warm, job, frame, taken):
    answer = warm.ask(do="render", job=job["job"], frame=frame, path=taken["path"],
                      paths=taken["paths"], digest=digest_of(job))
    assert answer["event"] == "rendered", answer


@pytest.mark.renderers
@pytest.mark.parametrize("format_name", FORMATS)
def test_a_frame_of_every_format(warm, prover, scenes, tmp_path, format_name):
    out = tmp_path / "out"
    answer = warm.inspect(scenes / "plain.blend", format=format_name)
    if answer["event"] == "error":
        pytest.skip(answer["text"])
    job = warm.open(scenes / "plain.blend", format=format_name, output=str(out / "f_####"))
    files, more = request_of(job, 3)
    taken = prover.take(1, *files, **more)
    assert taken["is"] == "mine"
    render(warm, job, 3, taken)
    done = prover.prove(1)
    assert done["is"] == "done", done
    assert [one["path"] for one in done["files"]] == [path for path, _ in files]
    again = prover.look(2, *files, **more)
    assert again["is"] == ("kept" if job["found"]["stamped"] else "render")
    known = [dict(one, size=one["bytes"], digest=digest_of(job)) for one in done["files"]]
    assert prover.look(2, *files, known=known, **more)["is"] == "kept"


@pytest.mark.parametrize("format_name", FORMATS)
def test_blenders_own_files_cut_off_anywhere(warm, prover, scenes, tmp_path, format_name):
    answer = warm.inspect(scenes / "plain.blend", format=format_name)
    if answer["event"] == "error":
        pytest.skip(answer["text"])
    job = warm.open(scenes / "plain.blend", format=format_name, output=str(tmp_path / "f_####"))
    path, = warm.render(job, 1, tmp_path)
    data = pathlib.Path(path).read_bytes()
    tail = job["found"]["outputs"][0]["tail"]
    found = job["found"]
    cuts = [len(data) * part // 20 for part in range(1, 20)] + [len(data) - 100]
    for claim, cut in enumerate(cuts, start=1):
        final = tmp_path / "cut" / f"{claim}{tail}"
        taken = prover.take(claim, final, width=found["width"], height=found["height"])
        pathlib.Path(taken["path"]).write_bytes(data[:cut])
        assert prover.prove(claim)["is"] == "error", cut / len(data)
    assert names_in(tmp_path / "cut") == []


@pytest.mark.renderers
@pytest.mark.parametrize("scene", ["stereo", "side_by_side", "multiview_exr", "multilayer", "crop",
                                   "movie", "no_extension", "dotted", "preview_exr"])
def test_scenes_with_unusual_files(warm, prover, scenes, tmp_path, scene):
    out = tmp_path / "out"
    extra = {} if scene in ("dotted", "no_extension") else {"output": str(out / "f_####")}
    job = warm.open(scenes / f"{scene}.blend", **extra)
    for one in job["found"]["outputs"]:
        one["head"] = str(out / pathlib.Path(one["head"] + "x").name[:-1])
    for claim, frame in enumerate((2, 7), start=1):
        files, more = request_of(job, frame)
        taken = prover.take(claim, *files, **more)
        assert taken["is"] == "mine"
        render(warm, job, frame, taken)
        done = prover.prove(claim)
        assert done["is"] == "done", done
        assert prover.look(9, *files, **more)["is"] == "kept"
    assert len(names_in(out)) == 2 * len(job["found"]["outputs"])


@pytest.mark.renderers
def test_a_fenced_blender_publishes_nothing(warm, provers, scenes, tmp_path):
    """The temporary file of a stalled worker is unlinked; its Blender renders a new one."""
    out = tmp_path / "out"
    for number, scene in enumerate(("plain", "multilayer", "jpeg", "tiff", "stereo")):
        job = warm.open(scenes / f"{scene}.blend", output=str(out / scene / "f_####"))
        files, more = request_of(job, 1)
        stalled, second = provers(), provers()
        first = stalled.take(10 * number + 1, *files, **more)
        taken = second.take(10 * number + 2, *files, **more)
        assert taken["is"] == "mine"
        render(warm, job, 1, first)
        assert stalled.prove(10 * number + 1)["is"] in ("fenced", "taken")
        render(warm, job, 1, taken)
        assert second.prove(10 * number + 2)["is"] == "done"
        assert len(names_in(out / scene)) == len(files)
