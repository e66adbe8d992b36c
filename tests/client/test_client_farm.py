"""Farm and Job against a real broker and scripted workers."""

import os
import threading

import dblend
import pytest
from brokertools import until
from clitools import TINY_BLEND
from dblend import operations


def words(events):
    return [event["event"] for event in events]


def test_a_job_from_its_submit_to_its_pictures(farm, blend, working):
    job = farm.submit(blend(), frames="1-3", output="/render/shot_####", priority=80)
    assert (job.number, repr(job)) == (1, "Job(1)")
    assert job.info["state"] == "queued" and job.info["priority"] == 80
    assert job.progress() == dblend.Progress("queued", 0, 0, 0, 0, None)
    ended = threading.Event()
    working(ended.is_set)
    info = job.wait(timeout=60)
    ended.set()
    assert info["state"] == "done" and info == job.info
    progress = job.progress()
    assert (progress.total, progress.done, progress.fraction, progress.ended) == (3, 3, 1.0, True)
    assert [frame["files"][0]["path"] for frame in job.frames()] == [
        f"/render/shot_000{number}.png" for number in (1, 2, 3)]
    assert words(job.events())[0] == "job-added" and "job-done" in words(job.events())
    assert "frame-done" in words(job.events(frame=2))
    assert job.details()["spec"]["options"]["priority"] == 80
    assert job.details()["found"]["engine"] == "CYCLES"
    assert [worker["done"] for worker in farm.workers()] == [3]
    assert farm.jobs() == farm.jobs(all=True) == [job]
    assert farm.clear() == 1
    with pytest.raises(dblend.NoSuchJob) as none:
        job.refresh()
    assert none.value.code == "no-such-job" and none.value.text


def test_blenders_output_of_a_frame(farm, blend, broker):
    job = farm.submit(blend(), frames="1", output="/render/shot_####")
    worker = broker.worker()
    worker.ready()
    worker.inspect()
    claim = worker.claim_of("render")
    worker.report(claim, "error", code="crashed", text="it crashed", fatal=False, log=True)
    worker.sync(blobs=["Fra:1 Mem:8M\nbäd\n".encode()])
    until(lambda: "bäd" in job.log(1), "the output is there")
    assert "\nFra:1 Mem:8M\nbäd\n" in job.log(1) and job.log(1).startswith("==== frame 1 claim 2")
    assert job.log(2) == ""
    claim = worker.claim_of("render")
    worker.report(claim, "error", code="crashed", text="it crashed", fatal=False, log=True)
    lines = "".join(f"line {number}\n" for number in range(20_000))
    worker.sync(blobs=[lines.encode()])
    until(lambda: lines in job.log(1), "the long output, in several answers")


def test_what_can_be_said_to_a_job(farm, blend):
    job = farm.submit(blend(), frames="1-3", output="/render/shot_####")
    job.priority(7)
    job.pause()
    assert (job.refresh()["state"], job.info["priority"]) == ("paused", 7)
    job.resume()
    assert job.refresh()["state"] == "queued"
    job.cancel()
    assert job.refresh()["state"] == "cancelled"
    job.retry()
    assert job.refresh()["state"] == "queued"
    with pytest.raises(dblend.Refused) as refused:
        job.accept(overwrite=True)
    assert refused.value.code == "not-held"
    with pytest.raises(dblend.Refused):
        job.verify()
    job.cancel()
    job.remove()
    for call in (job.refresh, job.details, job.cancel, job.pause, job.resume, job.retry, job.frames,
                 job.wait, lambda: job.priority(1)):
        with pytest.raises(dblend.NoSuchJob):
            call()


def test_what_can_be_said_to_a_farm(farm, broker):
    worker = broker.worker("box/cpu:0")
    worker.ready()
    farm.pause()
    assert farm.hello()["paused"]
    farm.resume()
    assert not farm.hello()["paused"]
    farm.rest("box/cpu:0")
    assert worker.sync()["orders"]["rest"] == "soft"
    farm.wake("box/cpu:0")
    assert worker.sync()["orders"]["rest"] == ""
    farm.drain("box/cpu:0")
    assert worker.sync()["orders"]["drain"] == "soft"
    with pytest.raises(dblend.Refused) as refused:
        farm.drain("nobody/cpu:9")
    assert refused.value.code and refused.value.text


def test_a_farm_is_stopped(farm, broker):
    farm.stop(now=True)
    assert broker.process.wait(20) == 0


def test_a_held_job_says_what_it_asks_and_takes_the_answer(farm, blend, broker):
    job = farm.submit(blend(), frames="1-3")
    worker = broker.worker()
    worker.ready()
    worker.inspect(questions=[{"code": "pictures", "text": "old pictures", "hint": "--keep"}])
    with pytest.raises(dblend.JobNotDone) as held:
        job.wait(timeout=60)
    assert (held.value.code, held.value.job, held.value.info["state"]) == ("held", 1, "held")
    assert [question["code"] for question in held.value.questions] == ["pictures"]
    assert "old pictures" in str(held.value) and "--keep" in str(held.value)
    assert job.wait(check=False)["state"] == "held"
    job.accept(overwrite=True)
    assert job.refresh()["state"] == "active"


def test_wait_for_many_tells_of_the_one_that_failed(farm, blend, working):
    jobs = [farm.submit(blend(), frames=frames, output="/render/shot_####")
            for frames in ("1-2", "3-4", "5-6")]
    jobs[1].cancel()
    ended = threading.Event()
    working(ended.is_set)
    with pytest.raises(dblend.JobNotDone) as failed:
        farm.wait(jobs, timeout=60)
    ended.set()
    assert (failed.value.code, failed.value.job) == ("cancelled", 2)
    infos = farm.wait([*jobs, 1], check=False)
    assert [info["state"] for info in infos] == ["done", "cancelled", "done", "done"]
    assert farm.wait([]) == []


def test_a_job_that_its_file_paused_ends_the_wait(farm, blend, broker, tmp_path):
    job = farm.submit(blend(), frames="1", output="/render/shot_####")
    worker = broker.worker()
    worker.ready()
    worker.inspect()
    worker.report(worker.claim_of("render"), "error", code="file-changed", text="it was changed",
                  fatal=False)
    worker.sync()
    with pytest.raises(dblend.JobNotDone) as paused:
        job.wait(timeout=60)
    assert (paused.value.code, paused.value.info["error"]["code"]) == ("paused", "file-changed")
    blend(content=TINY_BLEND + b"saved again")
    for kept in tmp_path.glob(".shot.*"):
        kept.unlink()
    with pytest.raises(dblend.Refused) as changed:
        job.resume()
    assert changed.value.code == "file-changed"
    job.resume(accept_change=True)
    assert job.refresh()["state"] == "queued"


def test_what_does_not_fit_into_one_answer_comes_in_several(farm, blend, working, monkeypatch):
    monkeypatch.setattr(operations, "PAGE", 2)
    monkeypatch.setattr(operations, "WAIT_JOBS_MAX", 2)
    jobs = [farm.submit(blend(), frames=frames, output="/render/shot_####")
            for frames in ("1", "2", "3", "4", "5-11")]
    assert farm.jobs() == jobs
    ended = threading.Event()
    working(ended.is_set)
    assert [info["job"] for info in farm.wait(jobs, timeout=60)] == [1, 2, 3, 4, 5]
    ended.set()
    assert [frame["frame"] for frame in jobs[4].frames()] == list(range(5, 12))
    events = list(farm.events(after=0, follow=False))
    assert sorted({event["id"] for event in events}) == [event["id"] for event in events]


def test_the_time_of_a_wait_is_over(farm, blend):
    job = farm.submit(blend(), frames="1-2")
    with pytest.raises(dblend.TimeIsOver) as over:
        job.wait(timeout=0.3)
    assert "job 1" in str(over.value) and isinstance(over.value, TimeoutError)
    with pytest.raises(dblend.TimeIsOver):
        job.wait(timeout=0)


def test_what_a_submit_is_refused_for(farm, blend, tmp_path):
    path = blend()
    first = farm.submit(path, frames="1-3")
    with pytest.raises(dblend.SubmitRefused) as same:
        farm.submit(path, frames="3")
    assert (same.value.code, same.value.job) == ("already-queued", first.number)
    with pytest.raises(dblend.FileRefused) as missing:
        farm.submit(tmp_path / "nothing.blend")
    assert missing.value.code == "file-missing"
    with pytest.raises(dblend.UsageError):
        farm.submit(path, frames="3-1", again=True)
    with pytest.raises(dblend.UsageError):
        farm.submit(path, sample=3)
    with pytest.raises(dblend.UsageError):
        farm.submit(path, key="k" * 129)
    with pytest.raises(dblend.UsageError):
        farm.submit(path, name="x" * 5000)
    assert len(farm.jobs()) == 1


def test_many_in_few_messages_each_with_its_own_result(farm, blend, broker):
    path = blend()
    before = farm.hello()["last_job"]
    many = [{"file": path, "frames": "1-3", "output": f"/render/{number}/####"}
            for number in range(600)]
    many[300] = {"file": path, "samples": "many"}
    many[301] = str(path.with_name("nothing.blend"))
    many[302] = {"frames": "1"}
    results = farm.submit_many(iter(many))
    assert [type(result) for result in results[300:303]] == [
        dblend.UsageError, dblend.FileRefused, dblend.UsageError]
    jobs = [result for result in results if isinstance(result, dblend.Job)]
    assert [job.number for job in jobs] == list(range(before + 1, before + 598))
    assert jobs[-1].details()["spec"]["options"]["output"] == "/render/599/####"
    assert farm.submit_many([]) == []
    assert farm.cancel(jobs) == [None] * 597
    assert isinstance(farm.cancel([9999])[0], dblend.NoSuchJob)


def test_specs_of_thousands_of_frames_are_cut_by_their_size(farm, blend):
    path = blend()
    frames = ",".join(str(number) for number in range(0, 8000, 2))  # 4,000 ranges: 12,000 values
    results = farm.submit_many({"file": path, "frames": frames, "output": f"/render/{number}/####"}
                               for number in range(5))
    assert [result.number for result in results] == [1, 2, 3, 4, 5]


def test_events_are_told_once_and_in_order(farm, blend):
    farm.submit(blend("a"))
    now_on = farm.events()
    seen = []
    reader = threading.Thread(target=lambda: seen.append(next(now_on)["event"]))
    reader.start()
    later = farm.submit(blend("b"))
    later.cancel()
    reader.join(30)
    assert seen == ["job-added"]
    everything = list(farm.events(after=0, follow=False))
    assert words(everything) == ["broker-started", "job-added", "job-added", "job-cancelled"]
    assert [event["id"] for event in everything] == [1, 2, 3, 4]
    assert words(farm.events(after=3, follow=False)) == ["job-cancelled"]
    assert words(farm.events(after=0, job=later, follow=False)) == ["job-added", "job-cancelled"]


def test_threads_share_a_farm(farm, blend, working):
    jobs = [farm.submit(blend(), frames=frame, output="/render/shot_####")
            for frame in ("1", "2", "3", "4")]
    states = []
    waiting = [threading.Thread(target=lambda job=job: states.append(job.wait(60)["state"]))
               for job in jobs]
    for thread in waiting:
        thread.start()
    ended = threading.Event()
    working(ended.is_set)
    for thread in waiting:
        thread.join()
    ended.set()
    assert states == ["done"] * 4


def test_a_child_after_fork_has_connections_of_its_own(farm, blend):
    job = farm.submit(blend(), frames="1")
    child = os.fork()
    if not child:
        os._exit(0 if job.refresh()["state"] == "queued" else 1)
    _, status = os.waitpid(child, 0)
    assert status == 0 and job.refresh()["state"] == "queued"


def test_a_closed_farm_says_so(broker):
    farm = dblend.Farm.connect(broker.home)
    assert farm.address == broker.submitters_endpoint
    farm.close()
    farm.close()
    with pytest.raises(ValueError, match="closed"):
        farm.hello()
