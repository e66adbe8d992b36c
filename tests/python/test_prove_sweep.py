"""prove.py over whole folders: the survey before a job and the sweep after it."""

import os
import subprocess
import sys
import time

import pytest

from python_side import DIGEST, FARM, OTHER_DIGEST, REPO, names_in, picture, start_time

sys.path.insert(0, str(REPO / "python"))

from prove_parts import claims, sweeping, temps  # noqa: E402

OTHER_FARM = "fedcba9876543210"


def outputs(out, head="f_", digits=4, tail=".png", view=""):
    return [{"view": view, "head": str(out / head), "digits": digits, "tail": tail}]


def survey(prover, out, frames=(1, 100, 1), **more):
    request = {"outputs": outputs(out), "frames": list(frames), "digest": DIGEST,
               "stamped": True, "blend_mtime_ns": 10**18, "width": 32, "height": 18}
    request.update(more)
    answer = prover.ask(do="survey", **request)
    assert answer["is"] == "survey"
    return answer


def test_a_survey_counts_by_origin(prover, out):
    assert survey(prover, out)["unknown"] == 0
    out.mkdir()
    for name in ("f_0001.png", "f_0002.png"):
        picture(out / name)
    picture(out / "f_0003.png", digest=OTHER_DIGEST)
    picture(out / "f_0004.png", digest=None)
    for name in ("f_0005.png", "f_0006.png"):
        picture(out / name, digest=None)
        os.utime(out / name, (1, 1))
    picture(out / "f_0007.png", digest=None, width=8)
    (out / "f_0008.png").write_bytes(b"")
    (out / "f_0009.png").write_bytes(b"no picture")
    (out / "f_0010.png").mkdir()
    answer = survey(prover, out)
    assert (answer["same"], answer["other"], answer["unknown"]) == (3, 1, 3)
    assert answer["first"] == str(out / "f_0005.png")


def test_a_survey_looks_at_the_jobs_own_frames_only(prover, out):
    out.mkdir()
    for name in ("f_0001.png", "f_0002.png", "f_0003.png", "f_12345.png", "f_-005.png",
                 "f_-0005.png", "f_00004.png", "f_.png", "g_0001.png", "f_0001.exr", "f_0001x.png"):
        picture(out / name, digest=OTHER_DIGEST)
    assert survey(prover, out, (1, 3, 2))["other"] == 2
    assert survey(prover, out, (-10, -1, 1, 2, 20000, 1))["other"] == 4
    assert survey(prover, out, (-1000, 100000, 5))["other"] == 2  # -5 and 12345
    assert survey(prover, out, ())["other"] == 0


def test_a_survey_knows_the_ledger(prover, out):
    out.mkdir()
    path = out / "f_0001.png"
    picture(path, digest=None)
    os.utime(path, (1, 1))
    status = path.stat()
    row = {"path": str(path), "size": status.st_size, "mtime_ns": status.st_mtime_ns,
           "inode": status.st_ino}
    assert survey(prover, out)["unknown"] == 1
    assert survey(prover, out, known=[dict(row, digest=DIGEST)])["same"] == 1
    assert survey(prover, out, known=[dict(row, digest=OTHER_DIGEST)])["other"] == 1


def test_a_survey_of_many_pictures_is_quick(prover, out):
    out.mkdir()
    data = picture(out / "f_0001.png", digest=None)
    for number in range(2, 1001):
        (out / f"f_{number:04d}.png").write_bytes(data)
    started = time.monotonic()
    assert survey(prover, out, (1, 1000000, 1))["same"] == 1000
    assert time.monotonic() - started < 20  # a second on a quiet machine


def sweep(prover, out, **more):
    answer = prover.ask(do="sweep", outputs=outputs(out), **more)
    assert answer["is"] == "swept"
    return answer["warnings"]


def test_a_sweep_removes_what_dead_claims_left(provers, out):
    dead = provers()
    for claim in (1, 2):
        dead.take(claim, out / f"f_000{claim}.png")
    dead.kill()
    prover = provers()
    picture(out / "f_0003.png")
    assert sweep(prover, out, claim=9) == []
    assert names_in(out) == ["f_0003.png"]


def test_a_sweep_spares_what_lives_and_what_is_not_ours(provers, out):
    prover, other = provers(), provers(farm=OTHER_FARM)
    prover.take(5, out / "f_0001.png")
    other.take(1, out / "f_0002.png")
    dead = provers()
    dead.take(8, out / "f_0003.png")
    dead.kill()
    (out / f".g_0001.{FARM}.1.png").write_bytes(b"of another job")
    (out / "f_0004.png").write_bytes(b"")
    before = names_in(out)
    assert sweep(prover, out, claim=6) == []
    assert names_in(out) == before
    assert sweep(prover, out) == []
    assert names_in(out) == sorted(set(before) - {f".f_0003.{FARM}.8.png", "f_0003.png"})


def test_a_sweep_spares_the_files_of_another_live_worker(provers, out):
    """A later job of the same names may be rendering there already."""
    worker = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    other = provers(pid=worker.pid)
    assert other.take(3, out / "f_0001.png")["is"] == "mine"
    sweeper = provers()
    sweep(sweeper, out, claim=9)
    assert len(names_in(out)) == 2
    other.kill()
    worker.communicate(b"\n")
    sweep(sweeper, out, claim=9)
    assert names_in(out) == []


def test_a_sweep_never_touches_a_picture(provers, out):
    """A dead temporary file beside a whole picture of somebody else."""
    dead = provers()
    dead.take(1, out / "f_0001.png")
    dead.kill()
    data = picture(out / "f_0001.png")
    assert sweep(provers(), out, claim=2) == []
    assert names_in(out) == ["f_0001.png"]
    assert (out / "f_0001.png").read_bytes() == data


def test_a_sweep_that_knows_what_lives_spares_nothing_else(provers, out):
    """A worker that was stopped for longer than its lease lives, but its claim does not."""
    worker = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    stopped = provers(pid=worker.pid)
    for claim in (1, 2, 3):
        assert stopped.take(claim, out / f"f_000{claim}.png")["is"] == "mine"
    sweeper = provers()
    assert sweep(sweeper, out, claim=9) == []
    assert len(names_in(out)) == 6  # who is not told spares what a live process made
    assert sweep(sweeper, out, claim=3, live=[2]) == []
    assert names_in(out) == sorted([f".f_0002.{FARM}.2.png", "f_0002.png",
                                    f".f_0003.{FARM}.3.png", "f_0003.png"])
    picture(out / f".f_0001.{FARM}.1.png")
    assert stopped.prove(1)["is"] == "fenced"
    assert names_in(out)[-1] == "f_0003.png" and "f_0001.png" not in names_in(out)
    worker.communicate(b"\n")


def test_a_sweep_leaves_the_placeholder_of_another_who_is_at_it(provers, out):
    """A dead temporary file explains a placeholder only where no living one lies beside it."""
    dead, other = provers(), provers(farm=OTHER_FARM)
    dead.take(1, out / "f_0001.png")
    dead.kill()
    (out / "f_0001.png").unlink()
    assert other.take(7, out / "f_0001.png")["is"] == "mine"
    before = names_in(out)
    assert sweep(provers(), out, claim=9, live=[]) == []
    assert names_in(out) == sorted(set(before) - {f".f_0001.{FARM}.1.png"})


def test_a_sweep_leaves_a_placeholder_that_nothing_explains(provers, out):
    """An artist's Blender with placeholders made it."""
    out.mkdir()
    (out / "f_0001.png").write_bytes(b"")
    assert sweep(provers(), out, claim=9, live=[]) == []
    assert names_in(out) == ["f_0001.png"]


def test_a_placeholder_that_was_inherited_meanwhile_stays(provers, out, monkeypatch):
    """Who inherits unlinks the dead file first: then the sweep puts the placeholder back."""
    dead = provers()
    dead.take(1, out / "f_0001.png")
    dead.kill()
    real = claims.take_away

    def inherited_first(path, is_expected, farm, claim):
        os.unlink(out / f".f_0001.{FARM}.1.png")
        return real(path, is_expected, farm, claim)

    monkeypatch.setattr(claims, "take_away", inherited_first)
    me = temps.Me(FARM, "test-host", 1, 1)
    sweeping.sweep({"outputs": outputs(out), "claim": 9, "live": []}, me, set())
    assert names_in(out) == ["f_0001.png"]


def test_of_more_live_claims_than_can_be_told_the_later_ones_are_spared(provers, out):
    dead = provers()
    for claim in (1, 5000, 9000):
        dead.take(claim, out / f"f_{claim:04d}.png")
    dead.kill()
    live = list(range(2, 8194, 2))
    assert len(live) == 4096
    assert sweep(provers(), out, claim=10000, live=live) == []
    assert names_in(out) == sorted([f".f_5000.{FARM}.5000.png", "f_5000.png",
                                    f".f_9000.{FARM}.9000.png", "f_9000.png"])


def test_a_sweep_of_views(provers, out):
    dead = provers()
    dead.take(1, (out / "f_0001_L.png", "_L"), (out / "f_0001_R.png", "_R"))
    dead.kill()
    both = outputs(out, tail="_L.png", view="_L") + outputs(out, tail="_R.png", view="_R")
    assert provers().ask(do="sweep", outputs=both, claim=2)["warnings"] == []
    assert names_in(out) == []


def test_a_sweep_puts_back_what_lies_aside(prover, out):
    """A prover was killed between renaming a file aside and looking at it."""
    out.mkdir()
    data = picture(out / "scratch.png")
    os.rename(out / "scratch.png", out / f".f_0001.{FARM}.3.aside.png")
    (out / f".f_0002.{FARM}.3.aside.png").write_bytes(b"")
    newer = picture(out / "f_0003.png", seed=5)
    picture(out / f".f_0003.{FARM}.3.aside.png")
    assert sweep(prover, out, claim=9) == []
    assert names_in(out) == ["f_0001.png", "f_0003.png"]
    assert (out / "f_0001.png").read_bytes() == data
    assert (out / "f_0003.png").read_bytes() == newer


@pytest.mark.parametrize("there", [True, False])
def test_a_sweep_removes_the_kept_file_and_the_link_to_its_caches(prover, out, tmp_path, there):
    kept = tmp_path / f".shot.blend.{FARM}.{'a' * 64}.blend"
    link = tmp_path / f"blendcache_.shot.blend.{FARM}.{'a' * 64}"
    (tmp_path / "blendcache_shot").mkdir()
    if there:
        kept.write_text("kept")
        link.symlink_to("blendcache_shot")
    assert sweep(prover, out, kept=str(kept), cache_link=str(link)) == []
    assert not kept.exists() and not link.is_symlink()
    assert (tmp_path / "blendcache_shot").is_dir()


def test_a_sweep_removes_kept_files_that_the_dead_began(prover, out, tmp_path):
    host = "test-host"
    me = f"{os.getpid()}-{start_time(os.getpid())}"
    dead = tmp_path / f".dblend-{host}-{os.getpid()}-1.blend"  # its number is ours now
    spared = [tmp_path / f".dblend-{host}-{me}.blend",
              tmp_path / f".dblend-another-host-{os.getpid()}-1.blend",
              tmp_path / f".dblend-{host}-{os.getpid()}-1.blend1"]
    for path in [dead, *spared]:
        path.write_text("half")
    sweep(prover, out)
    assert dead.exists(), "this job has no kept file"
    sweep(prover, out, kept=str(tmp_path / f".shot.{FARM}.{'a' * 64}.blend"))
    assert not dead.exists() and all(path.exists() for path in spared)


def test_a_sweep_removes_nothing_that_does_not_look_like_ours(prover, out, tmp_path):
    original = tmp_path / "shot.blend"
    original.write_text("the work of a year")
    (tmp_path / "blendcache_shot").mkdir()
    sweep(prover, out, kept=str(original), cache_link=str(tmp_path / "blendcache_shot"))
    assert original.exists() and (tmp_path / "blendcache_shot").is_dir()
