"""Requests for which a .blend must be looked at: retry of an ended job, resume --accept-change."""

import os
import time

import pytest

from brokertools import SOON_S, facts_of, real_spec_of, until


@pytest.fixture
def scene(tmp_path):
    path = tmp_path / "shot.blend"
    path.write_bytes(b"BLENDER-v304 as submitted")
    return path


@pytest.fixture
def failed_job(broker, submitter, scene):
    """A job that ended with a failed frame, its kept file removed; its worker is there."""
    spec = {**real_spec_of(scene, frames=[1, 2, 1], attempts=1),
            "kept": str(scene.with_name("kept"))}
    [answer] = submitter.submit(spec)
    worker = broker.worker()
    worker.ready()
    worker.inspect()
    claim = worker.claim_of("render", want=1)
    worker.report(claim, "error", code="crashed", text="Blender crashed")
    worker.sync()
    worker.work(lambda: submitter.state(answer["job"]) == "failed")
    until(lambda: "kept" not in submitter.ask("SHOW", job=answer["job"])["spec"] or
          worker.work(lambda: True), "the kept file is swept away")
    return answer["job"], worker


def test_retry_keeps_the_submitted_bytes_again(submitter, scene, failed_job):
    number, worker = failed_job
    [result] = submitter.change("RETRY", jobs=[number])["results"]
    assert result["ok"]
    spec = submitter.ask("SHOW", job=number)["spec"]
    kept = scene.parent / os.path.basename(spec["kept"])
    assert kept.read_bytes() == scene.read_bytes() and kept != scene
    worker.work(lambda: submitter.state(number) == "done")


def test_retry_of_a_file_that_was_touched_only_goes_on(submitter, scene, failed_job):
    number, _ = failed_job
    os.utime(scene)
    submitter.change("RETRY", jobs=[number])
    assert submitter.state(number) == "active"
    assert "kept" in submitter.ask("SHOW", job=number)["spec"]


def test_retry_of_a_changed_file_pauses_and_is_accepted(broker, submitter, scene, failed_job):
    number, worker = failed_job
    scene.write_bytes(b"BLENDER-v304 saved again")
    [result] = submitter.change("RETRY", jobs=[number])["results"]
    assert result["ok"]
    job = submitter.job(number)
    assert job["state"] == "paused" and job["error"]["code"] == "file-changed"
    assert str(scene) in job["error"]["text"]
    assert f"dblend resume {number} --accept-change" in job["error"]["hint"]
    [waited] = submitter.ask("WAIT", jobs=[number], wait_ms=10000, seconds=SOON_S)["jobs"]
    assert waited["error"]["code"] == "file-changed"

    [result] = submitter.change("RESUME", jobs=[number], accept_change=True)["results"]
    assert result["ok"]
    spec = submitter.ask("SHOW", job=number)["spec"]
    assert spec["hash"] == facts_of(scene)["hash"]
    assert "is" not in spec and "job" not in spec
    worker.work(lambda: submitter.state(number) == "done")


@pytest.fixture
def changed_job(broker, submitter, scene):
    """A job that its worker found to be of a file that has changed, the kept one as well."""
    kept = scene.with_name("kept")
    [answer] = submitter.submit({**real_spec_of(scene, frames=[1, 2, 1]), "kept": str(kept)})
    number = answer["job"]
    worker = broker.worker()
    worker.ready()
    worker.inspect()
    submitted = scene.read_bytes()
    scene.write_bytes(b"BLENDER-v304 saved again")
    worker.report(worker.claim_of("render", want=1), "error", code="file-changed",
                  text=f"{scene}: changed", hint="dblend resume JOB --accept-change")
    until(lambda: worker.sync() and submitter.state(number) == "paused", "the job is paused")
    return number, worker, submitted


def test_a_change_is_shown_with_the_number_of_its_job(submitter, changed_job):
    number, _, _ = changed_job
    assert f"dblend resume {number} --accept-change" in submitter.job(number)["error"]["hint"]
    frame = submitter.frames(number)[1]
    assert f"dblend resume {number} --accept-change" in frame["error"]["hint"]


@pytest.mark.parametrize("gone", [False, True])
def test_resume_of_a_changed_file_is_refused_unless_accepted(submitter, scene, changed_job, gone):
    number, worker, _ = changed_job
    if gone:
        scene.unlink()
    else:
        scene.with_name("kept").write_bytes(b"BLENDER-v304 written in place")
    [result] = submitter.change("RESUME", jobs=[number])["results"]
    assert not result["ok"] and result["error"]["code"] == "file-changed"
    assert f"dblend resume {number} --accept-change" in result["error"]["hint"]
    assert submitter.state(number) == "paused"
    assert "job-resumed" not in submitter.words(job=number)
    if not gone:
        [result] = submitter.change("RESUME", jobs=[number], accept_change=True)["results"]
        assert result["ok"]
        worker.work(lambda: submitter.state(number) == "done")


def test_an_accepted_change_takes_the_old_kept_file_away(submitter, scene, changed_job):
    number, _, _ = changed_job
    old = scene.with_name("kept")
    old.write_bytes(b"BLENDER-v304 written in place")
    submitter.change("RESUME", jobs=[number], accept_change=True)
    spec = submitter.ask("SHOW", job=number)["spec"]
    assert not old.exists() and spec["kept"] != str(old)
    with open(spec["kept"], "rb") as kept:
        assert kept.read() == scene.read_bytes()


def test_a_kept_file_that_another_job_reads_stays(submitter, scene, changed_job):
    number, _, _ = changed_job
    old = scene.with_name("kept")
    old.write_bytes(b"BLENDER-v304 written in place")
    submitter.submit({**real_spec_of(scene, frames=[7, 8, 1]), "kept": str(old)})
    submitter.change("RESUME", jobs=[number], accept_change=True)
    assert old.exists()


@pytest.mark.parametrize("name", ["shot.blend", "kept"])
def test_resume_goes_on_when_the_submitted_bytes_are_back(submitter, scene, changed_job, name):
    number, worker, submitted = changed_job
    scene.with_name(name).write_bytes(submitted)
    [result] = submitter.change("RESUME", jobs=[number])["results"]
    assert result["ok"]
    job = submitter.ask("SHOW", job=number)
    assert job["job"]["state"] == "active" and job["job"]["error"] is None
    with open(job["spec"]["kept"], "rb") as kept:
        assert kept.read() == submitted
    worker.work(lambda: submitter.state(number) == "done")


def test_accepting_a_change_of_a_file_that_is_gone_is_refused(submitter, scene, failed_job):
    number, _ = failed_job
    scene.unlink()
    submitter.change("RETRY", jobs=[number])
    assert submitter.job(number)["error"]["code"] == "file-changed"
    [result] = submitter.change("RESUME", jobs=[number], accept_change=True)["results"]
    assert not result["ok"] and result["error"]["code"] == "file-missing"
    assert submitter.state(number) == "paused"


def test_sent_twice_is_retried_once(broker, submitter, failed_job):
    number, _ = failed_job
    body = {"t": "RETRY", "jobs": [number], "key": "the key"}
    asker = broker.submitter()
    asker.send(body)
    until(lambda: "job-retried" in submitter.words(job=number), "it is done")
    asker.connect()  # the answer is lost
    asker.send(body)
    assert asker.receive()["results"][0]["ok"]
    assert submitter.words(job=number).count("job-retried") == 1


def test_a_pipe_in_the_place_of_the_file_holds_up_nobody(broker, submitter, scene, failed_job):
    """Who opens a FIFO as if it were a file waits for ever."""
    number, _ = failed_job
    scene.unlink()
    os.mkfifo(scene)
    slow = broker.submitter()
    slow.send({"t": "RETRY", "key": "slow", "jobs": [number]})
    for _ in range(20):
        assert "farm" in submitter.ask("HELLO", seconds=SOON_S)
    assert slow.receive()["results"][0]["ok"]  # whoever opens it to render says what is wrong
    assert submitter.state(number) == "active"
    assert broker.stop() == 0


# ---- saved again since ----

def saved_again(job):
    return [warning for warning in job["warnings"] if warning["code"] == "saved-again"]


@pytest.mark.parametrize("state", ["queued", "active", "paused"])
def test_a_job_says_that_its_file_was_saved_again(broker, submitter, scene, state):
    [answer] = submitter.submit(real_spec_of(scene))
    number = answer["job"]
    worker = broker.worker()
    if state == "active":
        worker.ready()
        worker.inspect()
    if state == "paused":
        submitter.change("PAUSE", jobs=[number])
    assert saved_again(submitter.job(number)) == []
    scene.write_bytes(b"BLENDER-v304 saved again, and longer")
    [warning] = until(lambda: saved_again(submitter.job(number)), "it is told")
    assert warning["text"] == f"{scene}: saved again since; add it again to render the new version"
    [listed] = submitter.ask("LIST", all=False)["jobs"]
    assert saved_again(listed) == [warning]
    assert submitter.state(number) == state
    broker.restart()
    assert saved_again(broker.submitter().job(number)) == [warning]


def test_list_finds_it_as_well(submitter, scene):
    submitter.submit(real_spec_of(scene))
    scene.write_bytes(b"BLENDER-v304 saved agai.n")
    until(lambda: saved_again(submitter.ask("LIST", all=False)["jobs"][0]), "it is told")


def test_another_mtime_or_no_file_is_not_said_to_be_saved_again(submitter, scene):
    other = scene.with_name("other.blend")
    [one, two] = submitter.submit(real_spec_of(scene), real_spec_of(other))
    os.utime(scene, ns=(7, 7))
    other.unlink()
    assert saved_again(submitter.job(one["job"])) == []
    assert saved_again(submitter.job(two["job"])) == []


def test_a_look_that_hangs_holds_up_no_answer_for_long(broker, submitter, scene):
    """Who opens a FIFO waits for ever; one of the same size and another mtime is to be hashed."""
    spec = real_spec_of(scene)
    scene.unlink()
    os.mkfifo(scene)
    submitter.submit({**spec, "size": 0})
    started = time.monotonic()
    assert submitter.job(1)["state"] == "queued"
    assert time.monotonic() - started < SOON_S
