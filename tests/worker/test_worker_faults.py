"""Faults of Blender and of the prover, shown by the stand-in: what the broker hears, what is left."""

import os
import signal

from workertools import children, describe, gone, make_found, temporary

import pytest


def zombie(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return file.read().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


def test_crash_in_a_frame_is_an_error_with_its_last_lines(broker, start_stand_in, faults, job, out):
    broker.job = job
    faults("crash-2")
    start_stand_in()
    claims = broker.frames(1, 2, 3)
    broker.until(lambda: broker.all_ended(claims))
    error = broker.report(claims[1], "error")
    assert error["code"] == "crashed" and not error["fatal"]
    assert "signal 11" in error["text"] and "about to die" in error["text"]
    assert b"about to die" in broker.blobs[claims[1]]
    assert broker.of(claims[0])[-1] == broker.of(claims[2])[-1] == "finished"
    assert len(faults.starts()) == 2
    assert temporary(out) == []
    assert not (out / "frame_0002.png").exists()


@pytest.mark.parametrize("fault, arguments, options, code, words", [
    ("hang-1", ("--stall", "1"), {}, "stalled", "no I/O for 1 s"),
    ("hang-1", (), {"stall_s": 1}, "stalled", "no I/O for 1 s"),
    ("busy-1", (), {"stall_s": 1, "max_frame_time_s": 2}, "too-long", "longer than the 2 s"),
])
def test_a_hung_blender_is_ended(broker, start_stand_in, faults, job, out, fault, arguments, options,
                                 code, words):
    broker.job = {**job, "options": options}
    faults(fault, "deaf")
    start_stand_in(*arguments)
    claims = broker.frames(1, 2)
    broker.until(lambda: broker.all_ended(claims))
    error = broker.report(claims[0], "error")
    assert error["code"] == code and words in error["text"]
    assert broker.of(claims[1])[-1] == "finished"
    assert gone(faults.starts()[0]["pid"])
    assert temporary(out) == []


@pytest.mark.parametrize("fault, code", [
    ("junk-1", "crashed"),  # what nobody understands on its socket
    ("empty-1", "no-picture"),
    ("error-1", "no-camera"),
    ("crash-open", "crashed"),
])
def test_a_fault_costs_one_attempt_and_a_new_blender_goes_on(broker, start_stand_in, faults, job,
                                                             out, fault, code):
    broker.job = job
    faults(fault)
    start_stand_in()
    claims = broker.frames(1, 2)
    broker.until(lambda: broker.all_ended(claims))
    assert broker.report(claims[0], "error")["code"] == code
    assert broker.of(claims[1])[-1] == "finished"
    broker.until(lambda: len(faults.starts()) == 2, why="a new Blender")
    assert temporary(out) == []


def test_an_error_is_told_in_blenders_words(broker, start_stand_in, faults, job):
    broker.job = job
    faults("error-1")
    start_stand_in()
    claims = broker.frames(1)
    broker.until(lambda: broker.all_ended(claims))
    error = broker.report(claims[0], "error")
    assert (error["text"], error["hint"], error["fatal"]) == ("no camera", "add one", True)


def test_a_blender_that_does_not_start_returns_what_it_was_given(broker, start_stand_in, faults, job):
    broker.job = job
    faults("no-start")
    start_stand_in()
    claims = broker.frames(1, 2)
    broker.until(lambda: broker.all_ended(claims))
    assert "error" not in {report["what"] for report in broker.reports}
    again = broker.frames(3)
    broker.until(lambda: broker.all_ended(again))
    assert broker.of(again[0])[-1] == "finished"


def test_endless_output_is_kept_within_bounds(broker, start_stand_in, faults, job):
    broker.job = job
    faults("endless")
    start_stand_in()
    claims = broker.frames(1)
    broker.until(lambda: broker.all_ended(claims))
    blob = broker.blobs[claims[0]]
    assert 200_000 < len(blob) <= 262_144
    assert b"line 0 " in blob and b"line 19999 " in blob and b"bytes left out" in blob


def test_a_cancelled_frame_stops_blender_and_leaves_nothing(broker, start_stand_in, faults, job, out):
    broker.job = job
    faults("hang-1")
    start_stand_in()
    claims = broker.frames(1)
    broker.until(lambda: broker.holding(claims[0]) == "rendering" and faults.commands()[-1]["do"]
                 == "render")
    assert len(temporary(out)) == 2, "a temporary file and a placeholder"
    broker.order(stop=claims)
    broker.until(lambda: broker.all_ended(claims), timeout=10)
    assert broker.of(claims[0]) == ["started", "returned"]
    assert faults.lines("terms") == [str(faults.starts()[0]["pid"])], "asked to go, before KILL"
    assert gone(faults.starts()[0]["pid"])
    assert temporary(out) == []
    more = broker.frames(2)
    broker.until(lambda: broker.all_ended(more))
    assert broker.of(more[0])[-1] == "finished"


def test_a_stale_claim_is_given_up_without_a_word(broker, start_stand_in, faults, job, out):
    broker.job = job
    faults("hang-1")
    start_stand_in()
    claims = broker.frames(1)
    broker.until(lambda: broker.of(claims[0]) == ["started"])
    broker.live.clear()
    broker.stale = claims
    broker.until(lambda: broker.holding(claims[0]) is None)
    more = broker.frames(2)
    broker.until(lambda: broker.all_ended(more))
    assert broker.of(claims[0]) == ["started"]
    assert temporary(out) == []


def test_a_killed_prover_returns_its_frames(broker, start_stand_in, faults, job, out):
    broker.job = job
    faults("slow-1")
    worker = start_stand_in()
    claims = broker.frames(1, 2)
    broker.until(lambda: faults.lines("slow"))
    for pid in children(worker.process.pid, "prove.py"):
        os.kill(pid, signal.SIGKILL)
    broker.until(lambda: broker.all_ended(claims))
    assert broker.of(claims[0]) == ["started", "returned"]
    assert broker.of(claims[1])[-1] == "finished", "what was only looked at is looked at again"
    more = broker.frames(1)
    broker.until(lambda: broker.all_ended(more))
    assert broker.of(more[0])[-1] == "finished"
    assert temporary(out) == []


def test_a_hung_prover_is_an_output_folder_that_does_not_answer(broker, start_stand_in, faults, job,
                                                                out):
    broker.job = {**job, "options": {"stall_s": 1}}
    faults("slow-1")
    worker = start_stand_in()
    claims = broker.frames(1, 2)
    broker.until(lambda: faults.lines("slow"))
    broker.until(lambda: broker.holding(claims[1]) == "ahead")
    prover, = children(worker.process.pid, "prove.py")
    os.kill(prover, signal.SIGSTOP)  # as one that waits for a disk
    faults("go-1")
    broker.until(lambda: broker.all_ended(claims))
    error = broker.report(claims[0], "error")
    assert error["code"] == "output-unwritable" and not error["fatal"]
    assert error["text"] == f"{out}: the output folder does not answer"
    assert gone(prover)
    more = broker.frames(1, 3)
    broker.until(lambda: broker.all_ended(more))
    assert {broker.of(claim)[-1] for claim in more} == {"finished"}
    assert temporary(out) == []


def test_kill_9_of_the_worker_leaves_no_process(broker, start_stand_in, faults, job, out):
    broker.job = job
    faults("hang-1")
    worker = start_stand_in()
    claims = broker.frames(1)
    broker.until(lambda: broker.of(claims[0]) == ["started"])
    pids = children(worker.process.pid, "") + [faults.starts()[0]["pid"]]
    worker.term(signal.SIGKILL)
    broker.until(lambda: all(gone(pid) or zombie(pid) for pid in pids))
    broker.until(lambda: temporary(out) == [], why="the prover gives up what is not proven")


def test_temporary_folders_go_with_blender(broker, start_stand_in, faults, job):
    broker.job = job
    faults("crash-1")
    worker = start_stand_in()
    claims = broker.frames(1, 2)
    broker.until(lambda: broker.all_ended(claims))
    worker.term()
    broker.until(worker.ended)
    folders = [start["tmpdir"] for start in faults.starts()]
    assert len(set(folders)) == 2
    assert not any(os.path.exists(folder) for folder in folders)


@pytest.mark.parametrize("size, text", [(b"", "not a .blend"), (b"BLENDER-v304REND", "truncated")])
def test_a_file_that_is_no_blend_is_refused_by_its_header(broker, start_stand_in, home, faults, size,
                                                          text):
    path = home / "broken.blend"
    path.write_bytes(size)
    start_stand_in("--device", "none")
    claim = broker.give("inspect", about=describe(path))
    broker.until(lambda: broker.ended(claim))
    error = broker.report(claim, "error")
    assert error["fatal"] and text in error["text"] and str(path) in error["text"]
    assert not faults.commands()


def test_a_file_of_a_newer_blender_is_refused_by_its_header(broker, start_stand_in, scene, faults):
    data = scene.read_bytes()
    assert data.startswith(b"BLENDER-v304")
    scene.write_bytes(data.replace(b"BLENDER-v304", b"BLENDER-v402", 1))
    start_stand_in("--device", "none")
    claim = broker.give("inspect", about=describe(scene))
    broker.until(lambda: broker.ended(claim))
    error = broker.report(claim, "error")
    assert error["code"] == "file-too-new" and "4.2" in error["text"] and "3.4.1" in error["text"]
    assert not faults.commands()


def test_a_job_that_ran_scripts_gets_a_blender_of_its_own(broker, start_stand_in, faults, scene, out):
    found = make_found(out)
    broker.job = describe(scene, job=1, found=found, options={"trust_scripts": True})
    start_stand_in()
    first = broker.frames(1, 2)
    broker.until(lambda: broker.all_ended(first))
    broker.until(lambda: "job" not in broker.last)
    broker.job = describe(scene, job=2, found={**found, "digest": "1" * 32})
    second = broker.frames(3)
    broker.until(lambda: broker.all_ended(second))
    assert len(faults.starts()) == 2


def test_a_blender_is_recycled_after_so_many_frames(broker, start_stand_in, faults, job):
    broker.job = job
    start_stand_in("--recycle", "2")
    claims = broker.frames(1, 2, 3, 4, 5)
    broker.until(lambda: broker.all_ended(claims))
    assert {broker.of(claim)[-1] for claim in claims} == {"finished"}
    assert len(faults.starts()) == 3
