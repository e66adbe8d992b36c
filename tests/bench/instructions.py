"""Instructions of the broker for a frame: counted by callgrind, so that growth is seen at once.

A frame claimed, started and finished by one worker, a message each: what 800 frames take more than
400. The count is the same on every run to a per cent or so, whatever else the machine does. The
last one is recorded in instructions.json; `record` in the environment's DBLEND_INSTRUCTIONS writes
it anew, after a change that is worth it.
"""

import json
import os
import pathlib
import re
import shutil

from frame import BIN, ROOT, Broker, drive, submit

RECORD = pathlib.Path(__file__).with_suffix(".json")
FRAMES, FEW = 400, 50
MOST_GROWTH = 1.10


def why_not():
    """Why nothing can be counted here, or None."""
    if not shutil.which("valgrind"):
        return "no valgrind here: apt-get install valgrind"
    cache = BIN.parent / "CMakeCache.txt"
    text = cache.read_text() if cache.exists() else ""
    if "DBLEND_SANITIZE:STRING=\n" not in text or "CMAKE_BUILD_TYPE:STRING=RelWithDebInfo" not in text:
        return "the recorded count is that of a plain build"
    return None


def count(folder, frames):
    """All instructions of a broker that sees so many frames done."""
    out = folder / f"callgrind.{frames}"
    broker = Broker(folder / f"home{frames}")
    broker.wrapper = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}"]
    broker.start()
    submit(broker, 1, 1000000)
    drive(broker.pid, "workers", broker.workers, 1, 0, "--depth", 1, "--frames", 1000000,
          "--until", frames)
    broker.stop()
    return int(re.search(r"^(?:summary|totals): (\d+)", out.read_text(), re.MULTILINE)[1])


def measure(folder, frames=FRAMES):
    return round((count(folder, 2 * frames) - count(folder, frames)) / frames)


def recorded():
    return json.loads(RECORD.read_text())["instructions_a_frame"]


def run(result, options, folder):
    reason = why_not()
    if reason:
        result.note(f"left out: {reason}")
        return
    now = measure(folder, FEW if options.quick else FRAMES)
    if os.environ.get("DBLEND_INSTRUCTIONS") == "record" and not options.quick:
        RECORD.write_text(json.dumps({"instructions_a_frame": now}, indent=2) + "\n")
    result.row("instructions of the broker, a frame", [now], "")
    result.ratio("of those recorded", [now], [recorded()], MOST_GROWTH, least=False)
    result.note(f"recorded in {RECORD.relative_to(ROOT)}")
