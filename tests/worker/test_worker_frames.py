"""Frames from grant to picture: the real worker, the real Blender, the real prover."""

from workertools import describe, temporary


def inspect(broker, scene, options=None):
    """Have the worker inspect the scene; the finished description."""
    about = describe(scene, options=options)
    claim = broker.give("inspect", about=about)
    broker.until(lambda: broker.ended(claim))
    report = broker.report(claim, "inspected")
    assert report, broker.reports
    return {**about, "found": report["found"]}, report


def test_frames_are_rendered_proven_and_published(broker, start, scene, home):
    worker = start("--device", "cpu:0")
    broker.until(lambda: worker.lines)
    assert worker.lines[0].startswith("ready name=") and worker.lines[0].endswith("/cpu:0")
    broker.job, inspected = inspect(broker, scene)
    assert inspected["questions"] == []
    assert broker.job["found"]["frame_end"] == 40
    claims = broker.frames(1, 2, 3, 4, 5)
    broker.until(lambda: broker.all_ended(claims))
    for claim, frame in zip(claims, range(1, 6)):
        assert broker.of(claim) == ["started", "finished"]
        report = broker.report(claim, "finished")
        path = home / "out" / f"frame_{frame:04d}.png"
        assert report["files"][0]["path"] == str(path)
        assert report["files"][0]["bytes"] == path.stat().st_size > 0
        assert (report["files"][0]["width"], report["files"][0]["height"]) == (32, 24)
        assert report["digest"] == f"dblend:{broker.job['found']['digest']}:3.4"
        assert b"Saved" in broker.blobs[claim] or b"Fra:" in broker.blobs[claim]
    assert temporary(home / "out") == []
    broker.until(lambda: "job" not in broker.last, why="the job is returned")
    worker.term()
    broker.until(worker.ended)
    assert worker.process.returncode == 0
    assert broker.left
