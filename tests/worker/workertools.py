"""What the tests of the worker share: programs, job descriptions, looks at a folder."""

import hashlib
import os
import pathlib
import sys

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parent.parent
BIN = pathlib.Path(os.environ.get("DBLEND_BIN", ROOT / "build" / "bin"))
STAND_IN = HERE / "stand_in_blender.py"

# The two makes of the worker; DBLEND_TEST_WORKER=c or =python tests one of them, and
# DBLEND_TEST_PYTHON names another Python for the second (with pyzmq and msgpack).
KINDS = {
    "c": ([str(BIN / "dblend-worker")], {}),
    "python": ([os.environ.get("DBLEND_TEST_PYTHON", sys.executable), "-m", "dblend.worker"], {"PYTHONPATH": str(ROOT / "python")}),
}
TESTED = os.environ.get("DBLEND_TEST_WORKER", ",".join(KINDS)).split(",")


def describe(path, job=1, options=None, found=None, **more):
    """A job description as a broker would send it."""
    stat = path.stat()
    return {"job": job, "file": str(path), "size": stat.st_size, "mtime_ns": stat.st_mtime_ns,
            "hash": hashlib.blake2b(path.read_bytes(), digest_size=32).hexdigest(),
            "name": path.stem, "options": options or {}, **({"found": found} if found else {}),
            **more}


def make_found(folder, **more):
    """What an inspection of a small PNG scene finds."""
    return {"scene": "Scene", "scenes": ["Scene"], "frame_start": 1, "frame_end": 40,
            "frame_step": 1, "frame_current": 1, "fps": "24", "width": 32, "height": 24,
            "engine": "CYCLES", "format": "PNG", "camera": "Camera",
            "outputs": [{"view": "", "head": f"{folder}/frame_", "digits": 4, "tail": ".png"}],
            "stamped": True, "digest": "0" * 32, "blender": "3.4.1", "file_version": 304,
            "ordered": False, "denoise": False, "engine_cpu_only": False, **more}


def temporary(folder):
    """What the farm left in an output folder that is no picture."""
    return [path for path in (sorted(folder.iterdir()) if folder.exists() else [])
            if path.name.startswith(".") or path.stat().st_size == 0]


def gone(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def children(pid, word):
    """Pids below pid whose command line has the word."""
    found = []
    for child in map(int, _tasks(pid)):
        with open(f"/proc/{child}/cmdline", "rb") as file:
            if word.encode() in file.read():
                found.append(child)
        found += children(child, word)
    return found


def _tasks(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            return file.read().split()
    except OSError:
        return []
