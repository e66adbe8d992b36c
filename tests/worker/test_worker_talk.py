"""The talk with the broker: what survives its restart, its silence, its orders; and how a worker leaves."""

import os
import signal
import time

import pytest

from workertools import STAND_IN, children, describe, gone, make_found, temporary


def test_a_restarted_broker_gets_the_reports_again(broker, start_stand_in, faults, job, out):
    broker.job = job
    faults("slow-1")
    start_stand_in()
    claims = broker.frames(1)
    broker.until(lambda: faults.lines("slow"))
    broker.close()
    faults("go-1")
    broker.open()
    broker.known = False
    broker.until(lambda: broker.all_ended(claims), timeout=90)
    assert broker.of(claims[0])[-1] == "finished"
    assert len(broker.ready) >= 2
    assert broker.ready[-1]["worker"] == broker.ready[0]["worker"]


def test_a_broker_that_forgot_hears_ready_with_what_is_held(broker, start_stand_in, faults, job):
    broker.job = job
    faults("slow-1")
    start_stand_in()
    claims = broker.frames(1, 2)
    broker.until(lambda: faults.lines("slow"))
    broker.until(lambda: broker.holding(claims[1]) == "ahead")
    broker.known = False
    broker.until(lambda: len(broker.ready) == 2)
    held = {entry["claim"]: entry["phase"] for entry in broker.ready[1]["holding"]}
    assert held == {claims[0]: "rendering", claims[1]: "ahead"}
    assert broker.ready[1]["job"] == 1
    faults("go-1")
    broker.until(lambda: broker.all_ended(claims))
    assert {broker.of(claim)[-1] for claim in claims} == {"finished"}


def test_a_silent_broker_is_asked_again_and_loses_nothing(broker, start_stand_in, job):
    broker.job = job
    start_stand_in()
    broker.until(lambda: broker.syncs)
    broker.mute = True
    heard = len(broker.syncs)
    broker.until(lambda: len(broker.syncs) >= heard + 3, timeout=30)
    broker.mute = False
    claims = broker.frames(1, 2)
    broker.until(lambda: broker.all_ended(claims))
    assert {broker.of(claim)[-1] for claim in claims} == {"finished"}


def test_pause_finishes_what_renders_and_returns_what_is_ahead(broker, start_stand_in, faults, job):
    broker.job = job
    faults("slow-1")
    start_stand_in()
    claims = broker.frames(1, 2)
    broker.until(lambda: faults.lines("slow"))
    broker.order(pause=True)
    broker.until(lambda: broker.ended(claims[1]))
    assert broker.of(claims[1]) == ["returned"]
    faults("go-1")
    broker.until(lambda: broker.ended(claims[0]))
    assert broker.of(claims[0]) == ["started", "finished"]
    broker.until(lambda: "job" not in broker.last and not broker.last["holding"])
    broker.order(pause=False)
    claims = broker.frames(2)
    broker.until(lambda: broker.all_ended(claims))


def test_drain_soft_finishes_what_renders_and_leaves(broker, start_stand_in, faults, job, out):
    broker.job = job
    faults("slow-1")
    worker = start_stand_in()
    claims = broker.frames(1, 2)
    broker.until(lambda: faults.lines("slow"))
    broker.order(drain="soft")
    broker.until(lambda: broker.last["state"] == "draining")
    faults("go-1")
    broker.until(worker.ended)
    assert worker.process.returncode == 0 and broker.left
    assert broker.of(claims[0]) == ["started", "finished"]
    assert broker.of(claims[1]) == ["returned"]
    assert temporary(out) == []


def test_one_term_after_a_soft_drain_is_still_soft(broker, start_stand_in, faults, job):
    broker.job = job
    faults("slow-1")
    worker = start_stand_in()
    claims = broker.frames(1)
    broker.until(lambda: faults.lines("slow"))
    broker.order(drain="soft")
    broker.until(lambda: broker.last["state"] == "draining")
    worker.term()
    heard = len(broker.syncs)
    broker.until(lambda: len(broker.syncs) > heard + 1)
    assert not broker.ended(claims[0])
    faults("go-1")
    broker.until(worker.ended)
    assert broker.of(claims[0]) == ["started", "finished"]


def test_drain_now_gives_everything_back_at_once(broker, start_stand_in, faults, job, out):
    broker.job = job
    faults("hang-1", "deaf")
    worker = start_stand_in()
    claims = broker.frames(1, 2)
    broker.until(lambda: broker.of(claims[0]) == ["started"])
    broker.order(drain="now")
    broker.until(worker.ended, timeout=10)
    assert worker.process.returncode == 0 and broker.left
    assert broker.of(claims[0]) == ["started", "returned"]
    assert broker.of(claims[1]) == ["returned"]
    assert temporary(out) == [] and not list(out.glob("*"))


def test_term_finishes_and_a_second_term_gives_back(broker, start_stand_in, faults, job, out):
    broker.job = job
    faults("hang-1")
    worker = start_stand_in()
    claims = broker.frames(1)
    broker.until(lambda: broker.of(claims[0]) == ["started"])
    worker.term()
    broker.until(lambda: broker.last["state"] == "draining")
    assert not broker.ended(claims[0])
    worker.term()
    broker.until(worker.ended, timeout=10)
    assert worker.process.returncode == 0 and broker.left
    assert broker.of(claims[0]) == ["started", "returned"]
    assert not list(out.glob("*")) and temporary(out) == []


def test_the_end_of_its_owner_means_stop_at_once(broker, start, faults, job, out):
    broker.job = job
    faults("hang-1")
    ours, theirs = os.pipe()
    worker = start("--device", "cpu:0", "--blender", str(STAND_IN), "--owner-fd", str(ours),
                   pass_fds=(ours,), STAND_IN=str(faults.path))
    os.close(ours)
    claims = broker.frames(1)
    broker.until(lambda: broker.of(claims[0]) == ["started"])
    os.close(theirs)
    broker.until(worker.ended, timeout=10)
    assert worker.process.returncode == 0
    assert broker.of(claims[0]) == ["started", "returned"]
    assert temporary(out) == []


def test_a_disowned_worker_stays(broker, start, faults, job):
    broker.job = job
    ours, theirs = os.pipe()
    start("--device", "cpu:0", "--blender", str(STAND_IN), "--owner-fd", str(ours),
          pass_fds=(ours,), STAND_IN=str(faults.path))
    os.close(ours)
    broker.until(lambda: broker.syncs)
    os.write(theirs, b"d")
    os.close(theirs)
    claims = broker.frames(1, 2)
    broker.until(lambda: broker.all_ended(claims))
    assert {broker.of(claim)[-1] for claim in claims} == {"finished"}


def test_a_worker_without_work_leaves_when_told_so(broker, start_stand_in):
    worker = start_stand_in("--exit-when-idle", "0")
    broker.until(worker.ended)
    assert worker.process.returncode == 0 and broker.left


def test_leaving_does_not_need_a_broker(broker, start_stand_in, faults, job, out):
    broker.job = job
    faults("hang-1")
    worker = start_stand_in()
    claims = broker.frames(1)
    broker.until(lambda: broker.of(claims[0]) == ["started"])
    broker.mute = True
    worker.term()
    worker.term()
    broker.until(lambda: worker.ended() or (worker.term() or False), timeout=20)
    assert worker.process.returncode == 0
    assert temporary(out) == []


@pytest.mark.parametrize("planned", [(), ("hang-1", "deaf")])
def test_a_worker_has_ended_when_its_children_have(broker, start_stand_in, faults, job, planned):
    """They may leave by themselves; one that does not is ended, and waited for all the same."""
    faults(*planned)
    broker.job = job
    worker = start_stand_in()
    claims = broker.frames(1)
    broker.until(lambda: broker.of(claims[0]) == ["started"] if planned else broker.ended(claims[0]))
    pids = [faults.starts()[0]["pid"], *children(worker.process.pid, "")]
    assert len(pids) > 3, "Blender, the prover, and what keeps them"
    worker.term()
    broker.until(lambda: broker.last["state"] == "draining" or worker.ended())
    if planned:
        worker.term()
    broker.until(worker.ended)
    assert worker.process.returncode == 0
    assert [pid for pid in pids if not gone(pid)] == []
    assert "blender: closing -> off" in worker.told()


def test_an_inspector_without_a_broker_leaves_after_a_minute(clock, broker, start_stand_in):
    inspector = start_stand_in("--device", "none")
    broker.until(lambda: broker.syncs)
    clock(50, time.CLOCK_MONOTONIC)
    heard = len(broker.syncs)
    broker.until(lambda: len(broker.syncs) > heard + 1, why="it was heard a moment ago")
    broker.mute = True
    clock(100, time.CLOCK_MONOTONIC)
    heard = len(broker.syncs)
    broker.until(lambda: len(broker.syncs) > heard + 1, why="50 s are no minute")
    clock(115, time.CLOCK_MONOTONIC)
    broker.until(inspector.ended)
    assert inspector.process.returncode == 0
    assert "no broker answers" in inspector.told()


def test_a_wrong_version_is_told_and_ends_the_worker(broker, start_stand_in):
    refused = []

    def refuse():
        if broker.parked is not None and not refused:
            refused.append(broker.parked["seq"])
            broker.reply({"v": 1, "t": "REFUSED", "seq": broker.parked["seq"], "code": "version",
                          "text": "this broker serves version 2", "hint": "update"})
            broker.parked = None
        return worker.ended()

    broker.mute = True
    worker = start_stand_in()
    broker.until(refuse)
    assert worker.process.returncode == 1
    assert "serves version 2" in worker.told()


def test_the_next_job_is_opened_in_the_same_blender(broker, start_stand_in, faults, scene, out):
    broker.job = describe(scene, job=1, found=make_found(out))
    start_stand_in()
    first = broker.frames(1)
    broker.until(lambda: broker.all_ended(first))
    broker.until(lambda: "job" not in broker.last)
    broker.job = describe(scene, job=2, found=make_found(out, digest="1" * 32), options={"samples": 4})
    second = broker.frames(2)
    broker.until(lambda: broker.all_ended(second))
    assert len(faults.starts()) == 1
    assert [c["do"] for c in faults.commands()] == ["open", "render", "open", "render"]


def test_a_job_given_again_is_not_opened_again(broker, start_stand_in, faults, job):
    broker.job = job
    start_stand_in()
    for frame in (1, 2):
        claims = broker.frames(frame)
        broker.until(lambda: broker.all_ended(claims))
        broker.until(lambda: "job" not in broker.last)
    assert [c["do"] for c in faults.commands()] == ["open", "render", "render"]


def test_kept_frames_open_no_file(broker, start_stand_in, faults, job, out):
    broker.job = job
    start_stand_in()
    claims = broker.frames(1, 2)
    broker.until(lambda: broker.all_ended(claims))
    commands = len(faults.commands())
    newer = {**job, "job": 2, "options": {"keep": True}}
    broker.until(lambda: "job" not in broker.last)
    broker.job = newer
    claims = broker.frames(1, 2)
    broker.until(lambda: broker.all_ended(claims))
    assert [broker.of(claim) for claim in claims] == [["kept"], ["kept"]]
    assert len(faults.commands()) == commands


def test_somebody_elses_file_in_progress_is_reported_as_taken(broker, start_stand_in, job, out):
    out.mkdir()
    (out / "frame_0001.png").write_bytes(b"")
    broker.job = job
    start_stand_in()
    claims = broker.frames(1, 2)
    broker.until(lambda: broker.all_ended(claims))
    taken = broker.report(claims[0], "taken")
    assert taken["size"] == 0 and taken["inode"] == (out / "frame_0001.png").stat().st_ino
    assert broker.of(claims[1])[-1] == "finished"


def test_a_claim_granted_while_leaving_is_returned(broker, start_stand_in, faults, job):
    broker.job = job
    faults("slow-1")
    worker = start_stand_in()
    claims = broker.frames(1)
    broker.until(lambda: faults.lines("slow"))
    worker.term(signal.SIGTERM)
    broker.until(lambda: broker.last["state"] == "draining")
    # As a broker does whose answer crossed the last message.
    late = broker.give(frame=2)
    grant = broker.grants.pop()
    broker.live[late] = grant
    broker.until(lambda: broker.parked is not None)
    broker.send(broker.parked, [grant], [])
    broker.until(lambda: broker.ended(late))
    assert broker.of(late) == ["returned"]
    faults("go-1")
    broker.until(worker.ended)
    assert broker.of(claims[0])[-1] == "finished"
