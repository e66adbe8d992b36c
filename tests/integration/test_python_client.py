"""A pipeline's script: dblend from Python, a real farm, the real Blender, a broker that is killed."""

import os
import signal
import sys

from farmtools import ROOT
from pictures import files_under, pixels

sys.path.insert(0, str(ROOT / "python"))

import dblend  # noqa: E402


def test_a_script_does_not_notice_that_the_broker_is_killed(farm, scene):
    farm.up()
    wanted = {"key": "plain v1", "frames": "1-12", "samples": 60,
              "output": str(farm.work / "from python" / "####")}
    with dblend.Farm.connect(farm.home) as connected:
        events = connected.events()
        job = connected.submit(scene("plain"), **wanted)
        seen = []
        for event in events:
            seen.append(event["event"])
            if seen.count("frame-done") == 3 and "broker-started" not in seen:
                os.kill(connected.hello()["pid"], signal.SIGKILL)  # the farm starts another
            if event["event"] in ("job-done", "job-failed"):
                break
        assert job.wait(timeout=120)["state"] == "done"
        # a frame that was published while the broker was away is found, and kept
        assert seen.count("frame-done") + seen.count("frame-kept") == 12, seen
        assert seen.count("broker-started") == 1, seen
        assert job.progress().fraction == 1.0
        assert "Fra:1 " in job.log(1)
        paths = [file["path"] for frame in job.frames() for file in frame["files"]]
        again = connected.submit(scene("plain"), **wanted)
        assert again == job and again.repeated
    assert files_under(farm.work / "from python") == {f"{number:04d}.png" for number in range(1, 13)}
    assert [str(farm.work / "from python" / f"{number:04d}.png") for number in range(1, 13)] == paths
    assert all(len(pixels(path)) == 1 for path in paths)
