"""The wall clock may jump: claims, leases and parks go by a clock that does not."""

import time

import pytest

from brokertools import DEADLINE_S, SOON_S, found_of, spec_of, until

YEAR_S = 365 * 24 * 3600


@pytest.mark.parametrize("seconds", [YEAR_S, -YEAR_S])
def test_a_jump_expires_nothing_and_wakes_nobody_too_late(clock, make_broker, seconds):
    broker = make_broker().start()
    submitter = broker.submitter()
    submitter.submit(spec_of())
    worker = broker.worker()
    worker.ready()
    worker.inspect(found_of(1, 3))
    claim = worker.claim_of("render")
    worker.report(claim, "started", ends=False, blender="3.4.1")
    worker.sync()
    before = submitter.events()[-1]["time"]
    clock(seconds)
    submitter.change("PRIORITY", job=1, priority=60)
    worker.send(worker.sync_body())
    started = time.monotonic()
    worker.take(worker.receive())  # the end of its park, as ever
    assert time.monotonic() - started < SOON_S
    other = broker.worker()
    other.ready()
    until(lambda: other.sync(want=2) and len(other.frames_held()) > 0, "another frame is given")
    assert worker.holding[claim]["grant"]["frame"] not in other.frames_held()
    worker.finish(claim)
    assert worker.sync()["settled"][0]["st"] == "accepted"
    other.work(lambda: submitter.state(1) == "done", found=found_of(1, 3))
    words = submitter.words(job=1)
    assert "frame-returned" not in words and words.count("frame-done") == 3
    assert (submitter.events()[-1]["time"] > before) == (seconds > 0), "the clock has jumped"


def test_a_jump_does_not_end_an_idle_broker_nor_keep_one(clock, make_broker):
    broker = make_broker().start("--idle-exit", "2")
    broker.submitter().ask("HELLO")
    clock(YEAR_S)
    submitter = broker.submitter()
    assert submitter.ask("HELLO")["idle_exit"]
    clock(-YEAR_S)
    assert submitter.ask("HELLO")["idle_exit"]
    assert broker.process.wait(DEADLINE_S) == 0
