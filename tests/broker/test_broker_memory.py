"""Frames that run out of a card's memory, as workers and people see it (PROTOCOL.md 3.4)."""

import pytest

from brokertools import until
from test_broker_failure import active, fail, finish, go_home, texts  # noqa: F401

GIB = 2 ** 30


@pytest.fixture
def card(broker):
    """card(GIB) is a worker that has asked for nothing yet."""
    def make(gib, name=None):
        worker = broker.worker(name=name or f"host/gpu{gib}", kinds=("render",), device_kind="gpu",
                               memory=gib * GIB)
        worker.ready()
        worker.sync()
        return worker
    return make


def run_out(worker, **more):
    frame, _ = fail(worker, "out-of-gpu-memory", **more)
    return frame


def test_a_larger_card_takes_what_a_small_one_could_not(active, card, submitter):  # noqa: F811
    job = active()
    small, big = card(8), card(24)
    frame = run_out(small)
    claim = small.claim_of("render")
    assert small.holding[claim]["grant"]["fresh"]
    assert run_out(small) == frame
    assert texts(submitter, "frame-error") == [
        "out-of-gpu-memory: host/gpu8 ran out of GPU memory on frame 1; "
        "once more in a fresh Blender",
        "out-of-gpu-memory: host/gpu8 ran out of GPU memory on frame 1; trying a larger one"]
    assert small.sync(want=1)["orders"]["return"] and not small.holding
    grant = big.holding[big.claim_of("render")]["grant"]
    assert grant["frame"] == frame and grant["fresh"] and grant["attempt"] == 1
    finish(big)
    go_home(small)
    assert submitter.frames(job)[frame]["state"] == "done"
    assert not small.sync(want=1, seconds=20)["grants"]


def test_without_a_larger_card_it_fails_with_the_figures(active, card, submitter):  # noqa: F811
    job = active()
    worker = card(24)
    run_out(worker)
    run_out(worker, held_by="firefox (4711) holds 1.5 GiB")
    error = submitter.job(job)["error"]
    assert submitter.state(job) == "failed" and error["code"] == "out-of-gpu-memory"
    assert error["text"] == (
        "host/gpu24 ran out of GPU memory on frame 1: it needs more than 24 GiB; "
        "the largest card here has 24 GiB (firefox (4711) holds 1.5 GiB)")
    assert "--allow-cpu" in error["hint"]


def test_what_is_known_of_memory_outlives_a_restart(active, card, broker, submitter):  # noqa: F811
    job = active()
    big = card(24)
    big.finish(big.claim_of("render"), gpu_peak_bytes=20 * GIB, rss_peak_bytes=GIB)
    big.sync()
    big.job = None
    big.sync(leave=True)
    broker.restart()
    small = card(16)
    assert not small.sync(want=1, seconds=20)["grants"]
    until(lambda: submitter.job(job)["error"], "it says why it waits")
    assert submitter.job(job)["error"]["text"] == \
        "it needs 20 GiB; the largest card here has 16 GiB"
    assert card(20).claim_of("render")


def shown(submitter, worker):
    [row] = [row for row in submitter.ask("WORKERS")["workers"] if row["worker"] == worker.name]
    return row


def test_what_a_worker_measures_is_shown(card, submitter):
    worker = card(24)
    assert shown(submitter, worker)["telemetry"] is None
    telemetry = {"gpu_load_percent": 97, "gpu_temperature_c": 71}
    worker.sync(telemetry=telemetry)
    assert shown(submitter, worker)["telemetry"] == telemetry


def test_a_card_that_is_too_hot_gets_nothing(active, card, submitter):  # noqa: F811
    job = active()
    worker = card(24)
    rest = {"code": "too-hot", "text": "GPU 2 has 91 C", "hint": ""}
    assert not worker.sync(want=1, rest=rest)["grants"]
    row = shown(submitter, worker)
    assert row["state"] == "resting" and row["error"] == rest and row["rests_until"] is None
    assert texts(submitter, "worker-resting") == ["too-hot: GPU 2 has 91 C"]
    assert "GPU 2 has 91 C" in submitter.job(job)["error"]["text"]
    assert worker.sync(want=1)["grants"]


def test_a_second_blender_of_a_host_waits_for_memory(active, broker, submitter):  # noqa: F811
    job = active()
    first, second = (broker.worker(name=f"host/cpu:{number}", kinds=("render",))
                     for number in range(2))
    for worker in (first, second):
        worker.ready()
        worker.sync()
    first.finish(first.claim_of("render"), rss_peak_bytes=21 * GIB)
    first.sync()
    lean = {"blender_rss_bytes": 0, "host_available_bytes": 12 * GIB}
    assert not second.sync(want=1, telemetry=lean)["grants"]
    row = shown(submitter, second)
    assert row["state"] == "resting" and row["error"]["code"] == "host-memory"
    assert row["error"]["text"].startswith(f"job {job} needs 21 GiB a worker; this host has ")
    go_home(first)
    assert second.sync(want=1, telemetry=lean)["grants"]
