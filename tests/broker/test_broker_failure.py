"""What follows when attempts end badly, as workers and people see it (PROTOCOL.md 3.4)."""

import pytest

from brokertools import Refused, found_of, spec_of, until


@pytest.fixture
def active(submitter, broker):
    """active(frames=40, FILE, OPTIONS) is the number of a job that has been inspected."""
    def make(file="/scenes/shot.blend", frames=40, **options):
        [answer] = submitter.submit(spec_of(file, **options))
        name = file.rsplit("/", maxsplit=1)[-1]
        inspector = broker.worker(name="host/none", kinds=("inspect",), device_kind="none")
        inspector.ready()
        outputs = [{"view": "", "head": f"/render/{name}_", "digits": 4, "tail": ".png"}]
        inspector.inspect(found_of(1, frames, outputs=outputs))
        inspector.sync(leave=True)
        until(lambda: submitter.state(answer["job"]) == "active", "it is active")
        return answer["job"]
    return make


@pytest.fixture
def workers(broker):
    """workers(COUNT) are there and have asked for nothing yet."""
    def make(count):
        made = [broker.worker(name=f"host/cpu:{number}", kinds=("render",))
                for number in range(count)]
        for worker in made:
            worker.ready()
            worker.sync()
        return made
    return make


def fail(worker, code, **more):
    """The next frame that it gets, or has, ends so; the answer that settles it."""
    claim = worker.claim_of("render")
    frame = worker.holding[claim]["grant"]["frame"]
    worker.report(claim, "error", code=code, text=f"{code} it is", hint="", **more)
    answer = worker.sync()
    assert not worker.reports
    return frame, answer


def finish(worker):
    worker.finish(worker.claim_of("render"))
    worker.sync()


def go_home(worker):
    """Return the job, as the order says."""
    worker.job = None
    worker.sync()


def shown(submitter, worker):
    [row] = [row for row in submitter.ask("WORKERS")["workers"] if row["worker"] == worker.name]
    return row


def blocked(submitter, job):
    return submitter.ask("SHOW", job=job)["blocked"]


def texts(submitter, word):
    return [event["text"] for event in submitter.events() if event["event"] == word]


@pytest.mark.parametrize("code", ["disk-full", "device-lost", "blender-missing", "prover-missing"])
def test_trouble_of_the_machine_rests_the_worker(active, workers, submitter, code, broker):
    job = active()
    [worker] = workers(1)
    frame, answer = fail(worker, code)
    assert answer["orders"]["return"]
    go_home(worker)
    assert not worker.sync(want=1)["grants"]
    row = shown(submitter, worker)
    assert row["state"] == "resting" and row["error"]["code"] == code and row["rests_until"]
    assert submitter.frames(job)[frame]["state"] == "waiting"
    assert submitter.frames(job)[frame]["attempts"] == 0
    assert submitter.job(job)["error"]["code"] == code
    assert texts(submitter, "worker-resting") == [f"{code}: {code} it is; resting 10 s"]
    assert f"worker rests: worker={worker.name}: {code}" in broker.told()


def test_a_rest_is_over_after_ten_seconds(active, workers, submitter):
    active()
    [worker] = workers(1)
    fail(worker, "disk-full")
    go_home(worker)
    worker.claim_of("render")
    assert shown(submitter, worker)["error"] is None
    assert shown(submitter, worker)["rests_until"] is None


def test_who_does_not_rest_renders_meanwhile(active, workers, submitter):
    job = active(frames=3)
    resting, other = workers(2)
    frame, _ = fail(resting, "disk-full")
    other.work(lambda: submitter.states(job)[frame] == "done")
    assert "worker-resting" in submitter.words()
    assert submitter.job(job)["error"] is None


def test_a_broker_that_starts_again_remembers_no_rest(active, workers, broker):
    active()
    [worker] = workers(1)
    fail(worker, "disk-full")
    go_home(worker)
    broker.restart()
    worker.connect()
    worker.ready()
    worker.claim_of("render")


@pytest.mark.parametrize("code", [
    "no-camera", "file-unreadable", "file-truncated", "file-too-new", "not-blend", "scene-missing",
    "script-error", "denoiser-missing", "engine-missing", "format-missing", "output-unwritable"])
def test_two_workers_agree_that_a_job_cannot_be(active, workers, submitter, code):
    job = active()
    first, second, _ = workers(3)
    frame, answer = fail(first, code)
    assert submitter.state(job) == "active" and answer["orders"]["return"]
    assert submitter.frames(job)[frame]["attempts"] == 1
    assert blocked(submitter, job) == [{"worker": first.name, "code": code, "until": None}]
    fail(second, code)
    row = submitter.job(job)
    assert row["state"] == "failed" and row["error"]["code"] == code
    assert row["error"]["text"] == f"{code} it is" and row["frames"]["waiting"] == 40


def test_one_worker_is_enough_where_only_one_fits(active, workers, submitter):
    job = active()
    [worker] = workers(1)
    fail(worker, "odd", fatal=True)
    assert submitter.state(job) == "failed"


def test_a_frame_done_between_means_it_can_be(active, workers, submitter):
    job = active()
    first, second, third = workers(3)
    fail(first, "output-unwritable")
    finish(third)
    fail(second, "output-unwritable")
    assert submitter.state(job) == "active"


def test_a_worker_that_fails_three_times_running_leaves_the_job_to_others(active, workers,
                                                                           submitter):
    job = active()
    other = active("/scenes/other.blend")
    first, second = workers(2)
    second.claim_of("render")
    frames = {fail(first, "crashed")[0] for _ in range(3)}
    assert len(frames) == 3  # those that it has tried are for the other one
    assert blocked(submitter, job) == [{"worker": first.name, "code": "crashed", "until": None}]
    assert texts(submitter, "worker-blocked") == ["crashed: failed 3 times running"]
    go_home(first)
    first.claim_of("render")
    assert first.job == other
    finish(second)
    assert second.job == job and submitter.job(job)["error"] is None


def test_when_all_have_failed_it_all_try_again(active, workers, submitter):
    job = active(attempts=1000)
    both = workers(2)
    for worker in both:
        for _ in range(3):
            fail(worker, "stalled")
        go_home(worker)
    assert {row["worker"] for row in blocked(submitter, job)} == {worker.name for worker in both}
    assert all(row["until"] for row in blocked(submitter, job))
    error = submitter.job(job)["error"]
    assert error["code"] == "stalled" and "try again in" in error["text"]
    for worker in both:
        worker.claim_of("render")
    assert len(texts(submitter, "worker-unblocked")) == 2
    assert submitter.job(job)["error"] is None and not blocked(submitter, job)


def test_retry_lets_a_blocked_worker_try_again(active, workers, submitter):
    job = active(attempts=1000)
    [worker] = workers(1)
    for _ in range(3):
        fail(worker, "crashed")
    go_home(worker)
    assert not worker.sync(want=1)["grants"]
    [result] = submitter.change("RETRY", jobs=[job])["results"]
    assert result["ok"] and not blocked(submitter, job)
    worker.claim_of("render")


def test_a_worker_that_fails_everything_rests(active, workers, submitter):
    active()
    active("/scenes/other.blend")
    first, _ = workers(2)
    for _ in range(3):
        fail(first, "crashed")
    go_home(first)
    fail(first, "crashed")
    row = shown(submitter, first)
    assert row["error"]["code"] == "failing" and row["rests_until"]


def test_out_of_memory_is_told_in_plain_words(active, workers, submitter):
    active()
    first, second = workers(2)
    frame, _ = fail(first, "out-of-memory")
    assert texts(submitter, "frame-error") == [
        f"out-of-memory: {first.name} ran out of memory on frame {frame}; "
        "once more in a fresh Blender"]
    grant = second.holding[second.claim_of("render")]["grant"]
    assert grant["frame"] == frame and grant["fresh"] and grant["attempt"] == 1


def die(worker):
    """It renders, and is never heard again."""
    worker.report(worker.claim_of("render"), "started", ends=False, blender="3.4.1")
    worker.sync()
    worker.send(worker.sync_body())
    worker.close()


def test_a_frame_that_kills_as_many_workers_as_attempts_fails(active, broker, submitter):
    job = active(attempts=2, frames=1)
    for count in (1, 2):
        worker = broker.worker(name="host/cpu:0", kinds=("render",))
        worker.ready()
        die(worker)
        until(lambda: submitter.words().count("worker-lost") == count, "it is lost")  # noqa: B023
    frame = submitter.frames(job)[1]
    assert frame["state"] == "failed" and frame["error"]["code"] == "kills-workers"
    assert frame["attempts"] == 0


def test_where_two_workers_fit_a_frame_must_have_killed_both(active, workers, submitter):
    job = active(attempts=1, frames=1)
    first, second = workers(2)
    die(first)
    until(lambda: submitter.words().count("worker-lost") == 1 or second.sync() is None, "lost")
    assert submitter.states(job)[1] == "waiting"
    die(second)
    until(lambda: submitter.words().count("worker-lost") == 2, "lost")
    assert submitter.frames(job)[1]["error"]["code"] == "kills-workers"


def test_the_times_of_a_frame_reach_the_worker(active, workers, submitter):
    job = active(stall_s=120, max_frame_time_s=3600, min_frame_time_ms=1500)
    [worker] = workers(1)
    worker.claim_of("render")
    for options in (worker.jobs[job]["options"], submitter.ask("SHOW", job=job)["spec"]["options"]):
        assert options == {"stall_s": 120, "max_frame_time_s": 3600, "min_frame_time_ms": 1500}
    with pytest.raises(Refused, match="stall_s"):
        submitter.submit(spec_of("/scenes/wrong.blend", stall_s=0))
    [same] = submitter.submit(spec_of(stall_s=60))
    assert same["error"]["code"] == "already-queued"
