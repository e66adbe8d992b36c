"""Several provers, farms and an outside Blender on one folder: one winner, nothing lost."""

import os
import pathlib
import signal
import subprocess
import sys

import pytest

from python_side import (
    BLENDER, FARM, OTHER_DIGEST, REPO, Prover, frame, names_in, picture, pixels, start_time,
)

SECOND_FARM = "fedcba9876543210"


@pytest.fixture
def dead_process():
    """(pid, start time) of a process that has ended."""
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    start = start_time(child.pid)
    child.communicate(b"\n")
    return child.pid, start


def test_one_of_two_provers_gets_the_frame(provers, out):
    first, second = provers(), provers(farm=SECOND_FARM)
    assert first.take(1, out / "a.png")["is"] == "mine"
    answer = second.take(1, out / "a.png")
    assert answer["is"] == "taken"
    assert answer["inode"] == (out / "a.png").stat().st_ino
    assert [name for name in names_in(out) if SECOND_FARM in name] == []


@pytest.mark.parametrize("farms", [(FARM, FARM), (FARM, SECOND_FARM)])
def test_a_race_for_many_frames_has_one_winner_each(provers, out, farms):
    """Both ask for the same forty frames at once, in opposite order."""
    racers = [provers(farm=farm) for farm in farms]
    numbers = list(range(1, 41))
    for racer, order, base in ((racers[0], numbers, 0), (racers[1], numbers[::-1], 1000)):
        for number in order:
            racer.send(do="take", id=number, claim=base + number,
                       **frame(out / f"{number:04d}.png"))
    won = {number: [] for number in numbers}
    for racer, base in ((racers[0], 0), (racers[1], 1000)):
        for _ in numbers:
            answer = racer.hear()
            assert answer["is"] in ("mine", "taken", "fenced"), answer
            if answer["is"] == "mine":
                won[answer["id"]].append((racer, base, answer))
    published = 0
    for number, winners in won.items():
        outcomes = []
        for racer, base, answer in winners:
            if os.path.exists(answer["path"]):
                picture(answer["path"], seed=number)
            outcomes.append(racer.prove(base + number)["is"])
        assert outcomes.count("done") <= 1, outcomes
        published += outcomes.count("done")
    if farms[0] != farms[1]:  # another farm never fences: whoever won, published
        assert published == sum(1 for winners in won.values() if winners)
    for name in names_in(out):
        pixels(out / name)


def test_a_higher_claim_fences_a_stalled_one(provers, out):
    """The claim expired, another worker of the farm got the frame: only its picture counts."""
    stalled, second = provers(), provers()
    first = stalled.take(1, out / "a.png")
    answer = second.take(2, out / "a.png")
    assert answer["is"] == "mine"
    picture(first["path"], seed=1)  # Blender makes a new file where its own was unlinked
    picture(answer["path"], seed=2)
    assert stalled.prove(1)["is"] in ("fenced", "taken")
    assert not os.path.exists(first["path"])
    assert second.prove(2)["is"] == "done"
    assert names_in(out) == ["a.png"]


def test_a_fenced_claim_reports_the_picture_that_is_there(provers, out):
    stalled, second = provers(), provers()
    first = stalled.take(1, out / "a.png")
    answer = second.take(2, out / "a.png")
    picture(answer["path"], seed=2)
    assert second.prove(2)["is"] == "done"
    picture(first["path"], seed=1)
    kept = stalled.prove(1)
    assert (kept["is"], kept["files"][0]["inode"]) == ("kept", (out / "a.png").stat().st_ino)
    assert names_in(out) == ["a.png"]


def test_giving_up_a_fenced_claim_leaves_the_other_alone(provers, out):
    stalled, second = provers(), provers()
    stalled.take(1, out / "a.png")
    answer = second.take(2, out / "a.png")
    assert stalled.give_up(1)["is"] == "gone"
    assert (out / "a.png").exists()
    picture(answer["path"])
    assert second.prove(2)["is"] == "done"


def test_a_lower_claim_stops_at_a_higher_one(provers, out):
    high, low = provers(), provers()
    assert high.take(9, out / "a.png")["is"] == "mine"
    assert low.take(3, out / "a.png")["is"] in ("taken", "fenced")
    assert high.take(10, out / "b.png", overwrite=True)["is"] == "mine"
    assert low.take(4, out / "b.png", overwrite=True)["is"] == "fenced"
    assert sorted(names_in(out)) == sorted([f".a.{FARM}.9.png", f".b.{FARM}.10.png", "a.png"])


def test_a_picture_that_came_meanwhile_is_kept(prover, out):
    answer = prover.take(1, out / "a.png")
    picture(answer["path"], seed=1)
    other = out / "other.png"
    data = picture(other, seed=2)
    os.rename(other, out / "a.png")
    kept = prover.prove(1)
    assert kept["is"] == "kept"
    assert (out / "a.png").read_bytes() == data
    assert names_in(out) == ["a.png"]


def test_another_version_that_came_meanwhile_is_replaced(prover, out):
    answer = prover.take(1, out / "a.png")
    data = picture(answer["path"], seed=1)
    picture(out / "a.png", digest=OTHER_DIGEST, seed=2)
    assert prover.prove(1)["is"] == "done"
    assert (out / "a.png").read_bytes() == data


def test_overwrite_does_not_ask_what_came_meanwhile(prover, out):
    answer = prover.take(1, out / "a.png", overwrite=True)
    data = picture(answer["path"], seed=1)
    picture(out / "a.png", seed=2)
    assert prover.prove(1)["is"] == "done"
    assert (out / "a.png").read_bytes() == data


# -- the dead -----------------------------------------------------------------------------------


@pytest.mark.parametrize("rendering", [False, True])
def test_the_next_claim_inherits_what_a_killed_prover_left(provers, out, rendering):
    dead = provers()
    answer = dead.take(1, out / "a.png")
    if rendering:
        pathlib.Path(answer["path"]).write_bytes(b"half a picture")
    inode = (out / "a.png").stat().st_ino
    dead.kill()
    assert len(names_in(out)) == 2
    second = provers()
    assert second.look(2, out / "a.png")["is"] == "render"
    answer = second.take(2, out / "a.png")
    assert answer["is"] == "mine"
    assert (out / "a.png").stat().st_ino == inode
    assert names_in(out) == [f".a.{FARM}.2.png", "a.png"]
    picture(answer["path"])
    assert second.prove(2)["is"] == "done"
    assert names_in(out) == ["a.png"]


def test_another_farm_inherits_from_a_process_of_this_host_that_is_gone(provers, out,
                                                                        dead_process):
    pid, start = dead_process
    dead = provers(pid=pid, start=start)
    dead.take(1, out / "a.png")
    dead.kill()
    other = provers(farm=SECOND_FARM)
    assert other.look(1, out / "a.png")["is"] == "render"
    answer = other.take(1, out / "a.png")
    assert answer["is"] == "mine"
    assert names_in(out) == [f".a.{SECOND_FARM}.1.png", "a.png"]
    picture(answer["path"])
    assert other.prove(1)["is"] == "done"
    assert names_in(out) == ["a.png"]


def test_another_farm_leaves_alone_what_may_live(provers, out, dead_process):
    """A live process; a dead one of another host; a picture half rendered, so without a line."""
    pid, start = dead_process
    other = provers(farm=SECOND_FARM)
    live = provers()
    live.take(1, out / "live.png")
    away = provers(host="elsewhere", pid=pid, start=start)
    away.take(2, out / "away.png")
    half = provers(pid=pid, start=start)
    answer = half.take(3, out / "half.png")
    pathlib.Path(answer["path"]).write_bytes(b"\x89PNG half")
    for prover in (live, away, half):
        prover.kill()
    before = names_in(out)
    for name in ("live.png", "away.png", "half.png"):
        assert other.look(1, out / name)["is"] == "taken"
        assert other.take(1, out / name)["is"] == "taken"
    assert names_in(out) == before


def test_a_recycled_pid_is_not_the_same_process(provers, out):
    other = provers(farm=SECOND_FARM)
    dead = provers(pid=os.getpid(), start=start_time(os.getpid()) - 1)
    dead.take(1, out / "a.png")
    dead.kill()
    assert other.take(1, out / "a.png")["is"] == "mine"


def test_a_stereo_frame_is_inherited_whole(provers, out):
    files = [(out / "a_L.png", "_L"), (out / "a_R.png", "_R")]
    dead = provers()
    dead.take(1, *files)
    dead.kill()
    second = provers()
    answer = second.take(2, *files)
    assert answer["is"] == "mine"
    for path in answer["paths"]:
        picture(path)
    assert second.prove(2)["is"] == "done"
    assert names_in(out) == ["a_L.png", "a_R.png"]


def test_killed_anywhere_the_next_claim_ends_with_a_whole_picture(provers, out):
    """Kill -9 after every step; the frame is then rendered or kept, and nothing stays."""
    def nothing(_prover, _answer):
        pass

    def render(_prover, answer):
        picture(answer["path"])

    def proving(prover, answer):
        picture(answer["path"])
        prover.send(do="prove", id=1, claim=1)

    def published(prover, answer):
        picture(answer["path"])
        assert prover.prove(1)["is"] == "done"

    for number, step in enumerate((nothing, render, proving, published)):
        path = out / f"{number}.png"
        first = provers()
        step(first, first.take(1, path))
        first.kill()
        second = provers()
        answer = second.take(2, path)
        assert answer["is"] in ("mine", "kept"), step
        if answer["is"] == "mine":
            picture(answer["path"])
            assert second.prove(2)["is"] in ("done", "kept")
        pixels(path)
        assert [name for name in names_in(out) if name.startswith(".")] == []


# -- the end ------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["hang-up", "term"])
def test_at_its_end_everything_unproven_is_given_up(tmp_path, out, how):
    prover = Prover(tmp_path / "log")
    out.mkdir()
    old = picture(out / "old.png", digest=OTHER_DIGEST)
    for claim, name in ((1, "a.png"), (2, "b.png"), (3, "old.png")):
        assert prover.take(claim, out / name)["is"] == "mine"
    answer = prover.take(4, out / "done.png")
    picture(answer["path"])
    assert prover.prove(4)["is"] == "done"
    if how == "term":
        prover.process.send_signal(signal.SIGTERM)
        assert prover.process.wait(30) == 0
    assert prover.hang_up() == 0
    assert names_in(out) == ["done.png", "old.png"]
    assert (out / "old.png").read_bytes() == old


def test_giving_up_while_the_proof_runs_leaves_all_or_nothing(provers, out):
    prover = provers()
    for claim in range(1, 21):
        answer = prover.take(claim, out / f"{claim}.png", width=512, height=512)
        picture(answer["path"], width=512, height=512)
        prover.send(do="prove", id="proof", claim=claim)
        prover.send(do="give-up", id="end", claim=claim)
        answers = {}
        for _ in range(2):
            answer = prover.hear()
            answers[answer["id"]] = answer["is"]
        assert answers["end"] == "gone"
        assert answers["proof"] in ("done", "fenced")
        there = [name for name in names_in(out) if name.startswith((f"{claim}.", f".{claim}."))]
        assert there == ([f"{claim}.png"] if answers["proof"] == "done" else [])


def test_an_interrupt_at_the_terminal_does_not_end_it(prover, out):
    prover.process.send_signal(signal.SIGINT)
    assert prover.take(1, out / "a.png")["is"] == "mine"


# -- Blender outside the farm -------------------------------------------------------------------


@pytest.mark.skipif(BLENDER is None, reason="no blender in PATH")
def test_an_outside_blender_skips_what_we_hold(provers, scenes, tmp_path):
    """No overwrite and placeholders, as people share a render by hand: both ways round."""
    prover = provers()
    out = tmp_path / "shared"
    held = prover.take(1, out / "0002.png", width=64, height=36)
    assert held["is"] == "mine"
    script = tmp_path / "settings.py"
    script.write_text("import bpy\nrender = bpy.context.scene.render\n"
                      "render.use_overwrite, render.use_placeholder = False, True\n")
    subprocess.run([BLENDER, "-b", "--factory-startup", str(scenes / "plain.blend"), "-P",
                    str(script), "-o", str(out / "####"), "-s", "1", "-e", "3", "-a"],
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    assert (out / "0002.png").stat().st_size == 0
    picture(held["path"], width=64, height=36)
    assert prover.prove(1)["is"] == "done"
    for claim, name in ((2, "0001.png"), (3, "0003.png")):
        assert prover.take(claim, out / name, width=64, height=36)["is"] == "kept"
    assert names_in(out) == ["0001.png", "0002.png", "0003.png"]


def test_the_prover_runs_from_any_folder(tmp_path):
    done = subprocess.run([sys.executable, str(REPO / "python" / "prove.py"), "--help"],
                          cwd=tmp_path, stdout=subprocess.PIPE, check=True)
    assert b"--fd" in done.stdout
