"""The last look and `verify` on the wire: what a sweep is told, and what comes of its report."""

import pathlib

from brokertools import found_of, picture_files, real_spec_of, spec_of, until


def grants_of(worker, kind):
    return [held["grant"] for held in worker.holding.values() if held["grant"]["kind"] == kind]


def rendered(broker, submitter, *specs):
    """A worker that has rendered all frames of a job and holds the first look; the job."""
    [answer] = submitter.submit(*(specs or [spec_of()]))
    worker = broker.worker()
    worker.ready()
    number = answer["job"]
    worker.work(lambda: len(worker.done) >= 3 and
                any(grant["look"] for grant in grants_of(worker, "sweep")))
    return worker, number


def look_of(worker):
    [grant] = grants_of(worker, "sweep")
    return grant


def test_a_look_brings_the_proofs_and_the_end_the_kept_file(broker, submitter):
    worker, number = rendered(broker, submitter)
    grant = look_of(worker)
    assert grant["look"] == [{"frame": frame, "files": picture_files(frame)}
                             for frame in (1, 2, 3)]
    assert grant["live"] == [] and grant["ends"] is False
    assert grant["about"]["found"]["digest"] == "d" * 32
    worker.report(grant["claim"], "swept", wrong=[], last=3)
    until(lambda: worker.sync(want=1) and not worker.reports, "the look is settled")
    grant = look_of(worker)
    assert grant["look"] == [] and grant["ends"] is True
    assert submitter.state(number) == "active"
    worker.work(lambda: submitter.state(number) == "done")


def test_a_wrong_frame_comes_back_and_keeps_no_proof(broker, submitter):
    worker, number = rendered(broker, submitter)
    worker.report(look_of(worker)["claim"], "swept",
                  wrong=[{"frame": 2, "code": "gone", "text": "/render/shot_0002.png: no file"}])
    until(lambda: worker.sync(want=1) and grants_of(worker, "render"), "frame 2 comes back")
    assert [grant["frame"] for grant in grants_of(worker, "render")] == [2]
    assert submitter.frames(number)[2]["files"] is None
    [event] = [one for one in submitter.events(job=number) if one["event"] == "frame-wrong"]
    assert (event["frame"], event["text"]) == (2, "gone: /render/shot_0002.png: no file")
    worker.work(lambda: submitter.state(number) == "done")
    assert sorted(worker.done) == [1, 2, 2, 3]
    assert f"picture is wrong: job={number} frame=2: gone: /render" in broker.told()


def test_a_look_after_a_restart_has_all_proofs_again(broker, submitter):
    worker, number = rendered(broker, submitter)
    broker.restart()
    other = broker.submitter()
    worker.connect()
    assert worker.sync()["t"] == "READY-AGAIN"
    worker.ready()
    seen = []

    def ended():
        seen.extend(grant["look"] for grant in grants_of(worker, "sweep"))
        return other.state(number) == "done"

    worker.work(ended)
    assert [entry["frame"] for entry in next(look for look in seen[1:] if look)] == [1, 2, 3]


def test_verify_puts_back_and_makes_the_kept_file_anew(broker, submitter, tmp_path):
    (tmp_path / "shot.blend").write_bytes(b"BLENDER and more")
    worker, number = rendered(broker, submitter, real_spec_of(tmp_path / "shot.blend"))
    worker.work(lambda: submitter.state(number) == "done")
    [result] = submitter.change("VERIFY", jobs=[number], requeue=True)["results"]
    assert result["ok"]
    until(lambda: worker.sync(want=1) and grants_of(worker, "sweep"), "a look")
    kept = submitter.ask("SHOW", job=number)["spec"]["kept"]
    assert pathlib.Path(kept).read_bytes() == b"BLENDER and more"
    worker.report(look_of(worker)["claim"], "swept",
                  wrong=[{"frame": 1, "code": "broken", "text": "cut"}])
    worker.work(lambda: submitter.state(number) == "done" and len(worker.done) == 4)
    assert submitter.words(job=number).count("job-verified") == 1
    [result] = submitter.change("VERIFY", jobs=[999])["results"]
    assert not result["ok"] and result["error"]["code"] == "no-such-job"


def test_without_a_proof_the_names_are_looked_at(broker, submitter):
    """A report of `kept` without files leaves none; nothing may pass for looked at because of it."""
    [answer] = submitter.submit(spec_of())
    worker = broker.worker()
    worker.ready()
    found = found_of(1, 1)

    def handle(grant, _):
        if grant["kind"] == "inspect":
            worker.report(grant["claim"], "inspected", found=found, questions=[], warnings=[])
        elif grant["kind"] == "render":
            worker.report(grant["claim"], "kept", files=[])
        elif not grant["look"]:
            worker.report(grant["claim"], "swept")

    worker.handle = handle
    worker.work(lambda: any(grant["look"] for grant in grants_of(worker, "sweep")))
    [entry] = look_of(worker)["look"]
    assert entry["frame"] == 1
    assert [(file["path"], file["bytes"], file["width"]) for file in entry["files"]] == [
        ("/render/shot_0001.png", 0, 64)]
    assert submitter.state(answer["job"]) == "active"
