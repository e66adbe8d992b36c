"""A benchmark that is interrupted leaves nothing behind, and says nothing of it."""

import os
import pathlib
import signal
import subprocess
import sys
import time
import uuid

import pytest

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE))

import frame  # noqa: E402


def marked(mark):
    """Programs that live and were started with that in their environment: {pid: name}."""
    found = {}
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (entry / "environ").read_bytes():
                found[int(entry.name)] = (entry / "comm").read_text().strip()
        except OSError:
            pass  # it has ended, or is not ours
    return found


def becomes_true(condition, what, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, what()
        time.sleep(0.01)


@pytest.mark.skipif(not (frame.TESTS / "bench_load").exists(), reason="bench_load is not built")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_run_that_is_interrupted_ends_what_it_started(number, tmp_path):
    mark = str(uuid.uuid4())
    run = subprocess.Popen([sys.executable, HERE / "run", "ledger"], text=True,
                           env={**os.environ, "DBLEND_TEST_MARK": mark, "TMPDIR": str(tmp_path)},
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    wanted = {"dblend-broker", "bench_load", "bench_echo"}
    becomes_true(lambda: wanted <= set(marked(mark).values()) or run.poll() is not None,
                 lambda: marked(mark))
    assert run.poll() is None, run.communicate()
    run.send_signal(number)
    _, errors = run.communicate(timeout=30)
    assert errors == ""
    becomes_true(lambda: not marked(mark), lambda: marked(mark))
    if number != signal.SIGKILL:
        assert run.returncode == 128 + number and not list(tmp_path.iterdir())
