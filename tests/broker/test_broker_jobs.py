"""Jobs from their submit to their end, by a scripted worker and a scripted submitter."""

import pytest

from brokertools import Refused, found_of, real_spec_of, spec_of, until


def test_a_job_goes_from_submit_to_done(broker, submitter):
    [answer] = submitter.submit(spec_of())
    number = answer["job"]
    assert submitter.state(number) == "queued"

    worker = broker.worker()
    worker.ready()
    worker.work(lambda: submitter.state(number) == "done")

    job = submitter.job(number)
    assert job["type"] == "job" and job["name"] == "shot" and job["error"] is None
    assert job["frames"] == {"total": 3, "waiting": 0, "claimed": 0, "done": 3, "kept": 0,
                             "taken": 0, "failed": 0, "cancelled": 0}
    assert sorted(worker.done) == [1, 2, 3]
    frame = submitter.frames(number)[2]
    assert frame == {"type": "frame", "job": number, "frame": 2, "state": "done", "attempts": 1,
                     "worker": worker.name, "ms": 40, "error": None,
                     "files": [{"path": "/render/shot_0002.png", "bytes": 1002, "width": 64,
                                "height": 36, "view": None}]}
    words = submitter.words(job=number)
    assert words.count("frame-done") == 3 and words.count("job-done") == 1
    assert words[0] == "job-added"


def test_keys_of_objects_are_those_of_the_issue(broker, submitter):
    [answer] = submitter.submit(spec_of())
    worker = broker.worker()
    worker.ready()
    job = submitter.job(answer["job"])
    assert list(job) == ["type", "job", "name", "file", "scene", "state", "priority", "output",
                         "frames", "warnings", "submitted", "finished", "eta_s",
                         "memory", "error"]
    assert list(job["frames"]) == ["total", "waiting", "claimed", "done", "kept", "taken",
                                   "failed", "cancelled"]
    assert set(job["frames"].values()) == {None}
    assert job["scene"] is None and job["output"] is None and job["finished"] is None
    [row] = submitter.ask("WORKERS")["workers"]
    assert list(row)[:10] == ["type", "worker", "device", "host", "pid", "state", "job", "frames",
                              "blender", "done"]
    event = submitter.events()[0]
    assert list(event)[:7] == ["type", "time", "event", "job", "frame", "worker", "text"]
    assert event["event"] == "broker-started"
    assert event["time"].endswith("Z") and len(event["time"]) == 24


def test_sent_twice_is_done_once(broker, submitter):
    first = submitter.submit(spec_of(), key="the key")
    again = submitter.submit(spec_of(), key="the key")
    assert first == again
    assert len(submitter.ask("LIST", all=True)["jobs"]) == 1
    with pytest.raises(Refused, match="key-used"):
        submitter.submit(spec_of("/scenes/other.blend"), key="the key")
    broker.restart()
    other = broker.submitter()
    assert other.submit(spec_of(), key="the key") == first
    assert len(other.ask("LIST", all=True)["jobs"]) == 1


def test_what_is_queued_already_is_refused_and_the_rest_is_queued(submitter):
    [one] = submitter.submit(spec_of())
    jobs = submitter.submit(spec_of(), spec_of("/scenes/other.blend"), spec_of(again=True))
    assert jobs[0]["error"]["code"] == "already-queued" and jobs[0]["job"] == one["job"]
    assert jobs[1]["job"] == one["job"] + 1
    assert jobs[2]["job"] == one["job"] + 2


def test_a_spec_with_a_key_is_queued_once(broker, submitter):
    shot = spec_of(key="shot 1 v3")
    assert submitter.submit(shot) == [{"job": 1, "went_on": False, "answered": False}]
    again = {"job": 1, "went_on": False, "answered": False, "repeated": True}
    later = dict(shot, submitted_at=shot["submitted_at"] + 1, cwd="/elsewhere")
    assert submitter.submit(later, spec_of("/scenes/other.blend", key="other"), later) == [
        again, {"job": 2, "went_on": False, "answered": False}, again]
    submitter.change("CANCEL", jobs=[1])
    assert submitter.submit(later) == [again]
    broker.restart()
    assert broker.submitter().submit(later) == [again]


@pytest.mark.parametrize("other", [{"hash": "cd" * 32}, {"name": "another"}, {"file": "/scenes/b.blend"},
                                   {"options": {"samples": 4}}])
def test_the_key_of_a_spec_stands_for_one_content(submitter, other):
    shot = spec_of(key="shot 1 v3")
    submitter.submit(shot)
    [refused] = submitter.submit(dict(shot, **other))
    assert refused["job"] == 1 and refused["error"]["code"] == "key-used"
    assert "shot 1 v3" in refused["error"]["text"]


def test_a_key_is_free_when_its_job_is_gone_or_was_none(submitter):
    submitter.submit(spec_of())
    [refused] = submitter.submit(spec_of(key="mine"))
    assert refused["error"]["code"] == "already-queued"
    assert submitter.submit(spec_of(key="mine", again=True))[0]["job"] == 2
    submitter.change("REMOVE", jobs=[2])
    assert submitter.submit(spec_of(key="mine", samples=3))[0] == {
        "job": 3, "went_on": False, "answered": False}


def test_the_time_in_a_render_folder_is_no_content(submitter):
    first = spec_of(key="a", render_folder="/out", output="/out/shot_20260101-000000/shot-####")
    second = spec_of(key="a", render_folder="/out", output="/out/shot_20260102-000000/shot-####")
    submitter.submit(first)
    assert submitter.submit(second)[0]["repeated"]


def test_a_job_that_goes_on_takes_the_key(submitter):
    submitter.submit(spec_of())
    going = spec_of(key="mine", go_on=True)
    assert submitter.submit(going)[0] == {"job": 1, "went_on": True, "answered": False}
    assert submitter.submit(going)[0]["repeated"]


def test_frames_that_do_not_overlap_are_another_job(submitter):
    jobs = submitter.submit(spec_of(frames=[1, 5, 1]), spec_of(frames=[6, 9, 1]),
                            spec_of(frames=[5, 7, 1]))
    assert "error" not in jobs[0] and "error" not in jobs[1]
    assert jobs[2]["error"]["code"] == "already-queued"


def test_list_leaves_out_nothing_that_is_unfinished_and_pages(submitter):
    specs = [spec_of(f"/scenes/{i}.blend") for i in range(7)]
    submitter.submit(*specs)
    seen = []
    after = 0
    while True:
        answer = submitter.ask("LIST", all=False, after=after, limit=3)
        seen += [job["name"] for job in answer["jobs"]]
        after = answer["jobs"][-1]["job"]
        if not answer["more"]:
            break
    assert seen == [str(i) for i in range(7)]


def test_cancelled_jobs_give_nothing_out_and_their_claims_are_told_to_stop(broker, submitter):
    [answer] = submitter.submit(spec_of())
    number = answer["job"]
    worker = broker.worker()
    worker.ready()
    worker.inspect()
    claim = worker.claim_of("render", want=2)
    [result] = submitter.change("CANCEL", jobs=[number])["results"]
    assert result == {"job": number, "ok": True}
    assert submitter.state(number) == "cancelled"
    answer = until(lambda: [a for a in [worker.sync()] if a["orders"]["stop"] or a["stale"]],
                   "the claim is to be stopped")[0]
    assert claim in answer["orders"]["stop"] + answer["stale"]
    again = submitter.change("CANCEL", jobs=[number, 99])["results"]
    assert again[0]["ok"] and not again[1]["ok"] and again[1]["error"]["code"] == "no-such-job"


def test_a_paused_job_waits_and_goes_on(broker, submitter):
    [answer] = submitter.submit(spec_of())
    number = answer["job"]
    submitter.change("PAUSE", jobs=[number])
    assert submitter.state(number) == "paused"
    worker = broker.worker()
    worker.ready()
    assert worker.sync(want=2)["grants"] == []
    submitter.change("RESUME", jobs=[number])
    worker.work(lambda: submitter.state(number) == "done")
    [result] = submitter.change("PAUSE", jobs=[number])["results"]
    assert not result["ok"] and result["error"] == {"code": "ended", "hint": "",
                                                    "text": f"job {number} is done"}


def test_what_has_ended_otherwise_says_how_it_goes_on(submitter):
    [answer] = submitter.submit(spec_of())
    number = answer["job"]
    submitter.change("CANCEL", jobs=[number])
    [result] = submitter.change("PAUSE", jobs=[number])["results"]
    assert result["error"]["hint"] == f"dblend retry {number} takes it up again"


def test_a_paused_farm_inspects_but_renders_nothing(broker, submitter):
    [answer] = submitter.submit(spec_of())
    submitter.change("PAUSE", jobs=[])
    worker = broker.worker()
    worker.ready()
    worker.inspect()
    assert [grant["kind"] for grant in worker.sync(want=2)["grants"]] == ["sweep"]
    broker.restart()
    worker.connect()
    assert worker.sync()["t"] == "READY-AGAIN"
    worker.ready()
    assert worker.sync(want=2)["grants"] == []
    other = broker.submitter()
    assert other.ask("HELLO")["paused"]
    other.change("RESUME", jobs=[])
    worker.work(lambda: other.state(answer["job"]) == "done")


def test_failed_frames_are_retried_and_only_those(broker, submitter, tmp_path):
    [answer] = submitter.submit(real_spec_of(tmp_path / "shot.blend", attempts=1))
    number = answer["job"]
    worker = broker.worker()
    worker.ready()
    worker.inspect()
    claim = worker.claim_of("render", want=1)
    frame = worker.holding[claim]["grant"]["frame"]
    worker.report(claim, "error", code="crashed", text="Blender crashed", hint="", log=True)
    worker.sync(blobs=[b"Fra:1 Mem:8M\nSegmentation fault\n"])
    worker.work(lambda: submitter.state(number) == "failed")
    failed = submitter.frames(number)[frame]
    assert failed["state"] == "failed" and failed["error"]["code"] == "crashed"
    assert submitter.job(number)["error"]["hint"] == f"dblend retry {number} puts them back"
    output = "".join(submitter.ask("OUTPUT", job=number, frame=frame)["lines"])
    assert "Segmentation fault" in output and worker.name in output

    worker.done.clear()
    [result] = submitter.change("RETRY", jobs=[number])["results"]
    assert result["ok"]
    worker.work(lambda: submitter.state(number) == "done")
    assert worker.done == [frame]
    output_file = broker.home / "blender" / str(number)
    assert output_file.exists()
    [result] = submitter.change("RETRY", jobs=[number])["results"]
    assert result["ok"], "nothing to retry is what was asked"
    submitter.change("REMOVE", jobs=[number])
    worker.work(lambda: not output_file.exists())


def test_a_held_job_says_its_question_and_is_answered(broker, submitter):
    [answer] = submitter.submit(spec_of())
    number = answer["job"]
    worker = broker.worker()
    worker.ready()
    question = {"code": "files-missing", "text": "wood.png is missing", "hint": "--allow-missing"}
    worker.inspect(questions=[question])
    shown = submitter.ask("SHOW", job=number)
    assert shown["job"]["state"] == "held" and shown["job"]["error"] == question
    assert shown["questions"] == [question]
    waited = submitter.ask("WAIT", jobs=[number], wait_ms=10000)
    assert waited["jobs"][0]["state"] == "held"
    [result] = submitter.change("ACCEPT", job=number, options={"allow_missing": True})["results"]
    assert result["ok"]
    worker.work(lambda: submitter.state(number) == "done")


def test_wait_is_answered_when_the_job_ends(broker, submitter):
    [answer] = submitter.submit(spec_of())
    number = answer["job"]
    waiter = broker.submitter()
    waiter.send({"t": "WAIT", "jobs": [number], "wait_ms": 10000})
    worker = broker.worker()
    worker.ready()
    worker.work(lambda: submitter.state(number) == "done")
    assert waiter.receive(2)["jobs"][0]["state"] == "done"
    assert submitter.ask("WAIT", jobs=[number], wait_ms=0)["jobs"][0]["state"] == "done"


def test_log_waits_for_the_next_event(broker, submitter):
    last = submitter.ask("LOG", after=-1)["last"]
    follower = broker.submitter()
    follower.send({"t": "LOG", "after": last, "wait_ms": 10000})
    submitter.submit(spec_of())
    answer = follower.receive(2)
    assert [event["event"] for event in answer["events"]] == ["job-added"]
    assert answer["last"] == last + 1


def test_the_event_log_has_a_line_for_each_event(broker, submitter):
    submitter.submit(spec_of())
    lines = until(lambda: [line for line in (broker.home / "log").read_text().splitlines()
                           if "job-added" in line], "a line in the log")
    time, event, what = lines[0].split(" | ")
    assert event == "job-added" and what.startswith("job=1")


def test_removed_jobs_are_forgotten(broker, submitter):
    [answer] = submitter.submit(spec_of())
    number = answer["job"]
    assert submitter.change("REMOVE", jobs=[number])["results"][0]["ok"]
    with pytest.raises(Refused, match="no-such-job"):
        submitter.job(number)
    broker.restart()
    assert broker.submitter().ask("LIST", all=True)["jobs"] == []


def test_clear_forgets_what_has_ended(broker, submitter):
    [one, two] = submitter.submit(spec_of(), spec_of("/scenes/other.blend"))
    submitter.change("CANCEL", jobs=[one["job"]])
    worker = broker.worker()
    worker.ready()
    worker.work(lambda: not worker.holding and submitter.change("CLEAR")["cleared"] >= 0 and
                len(submitter.ask("LIST", all=True)["jobs"]) <= 1)
    jobs = submitter.ask("LIST", all=True)["jobs"]
    assert [job["job"] for job in jobs] in ([two["job"]], [])


def test_higher_priority_goes_first(broker, submitter):
    [low, high] = submitter.submit(spec_of(), spec_of("/scenes/urgent.blend"))
    submitter.change("PRIORITY", job=high["job"], priority=90)
    worker = broker.worker()
    worker.ready()
    claim = worker.claim_of("inspect")
    assert worker.holding[claim]["grant"]["job"] == high["job"]
    assert submitter.job(high["job"])["priority"] == 90


def test_an_inspection_that_fails_for_good_fails_the_job(broker, submitter):
    [answer] = submitter.submit(spec_of())
    worker = broker.worker()
    worker.ready()
    claim = worker.claim_of("inspect")
    worker.report(claim, "error", code="no-camera", text="no camera", hint="add one", fatal=True)
    worker.sync()
    worker.work(lambda: submitter.state(answer["job"]) == "failed")
    assert submitter.job(answer["job"])["error"]["code"] == "no-camera"


def test_frames_without_a_row_are_listed_as_waiting(broker, submitter):
    [answer] = submitter.submit(spec_of(frames=[1, 2500, 1]))
    worker = broker.worker()
    worker.ready()
    worker.inspect(found_of(1, 5))
    states = submitter.states(answer["job"])
    assert len(states) == 2500 and set(states.values()) == {"waiting"}
