"""The render itself: the same frames by the farm, and by what a user would do instead.

Three jobs: `short`, 240 frames of some 30 ms; `usual`, 48 frames of about 0.5 s; `heavy`, 40 frames
of 0.1 to 0.2 s in a Blender that has prepared their 200,000 polygons, seconds in one that has not.

    a  the farm with `cpu/2`, its workers warm; from the first frame started to the last one done
    b  autorender's own loop without a farm, one core, Blender warm, file open: halved, it is what
       two cores could do at most, the limit
    c  `blender -a` with all cores
    d  two Blenders, a core each, sharing the folder by placeholders as the origin did
    e  a Blender for each frame, two at a time, a core each (what Flamenco, OpenCue and Afanasy do)
    f  autorender's own loop twice, side by side: what b leaves out, two Blenders that share a
       memory and a last-level cache
    g  a Blender for each ten frames, two at a time

Efficiency of the farm: time of b / (2 x time of a). b is measured before and after a and the
shorter time counts, so that a busy moment of the machine does not flatter the farm. c, d, e and g
are what a user would wait for, Blender's start included; of e only a few frames are rendered, the
others would take as long.
"""

import concurrent.futures
import datetime
import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time

from frame import CORES, ROOT

sys.path.insert(0, str(ROOT / "tests" / "integration"))

from farmtools import Farm, blender, make_scenes, wait_until  # noqa: E402

AUTORENDER = ROOT / "python" / "autorender.py"
CHUNK = 10

# name: frames, samples
CASES = {"short": (240, 30), "usual": (48, 480), "heavy": (40, 4)}
TINY = {"short": (4, 2)}
# how many frames of side e are rendered
PER_FRAME = {"short": 12, "usual": 12, "heavy": 4}
EFFICIENCY = {"short": 0.90, "usual": 0.97, "heavy": 0.97}
AGAINST_PER_FRAME = {"short": 10, "heavy": 10}

HEAVY = """
import bpy, math
bpy.ops.mesh.primitive_grid_add(x_subdivisions=450, y_subdivisions=450, size=8)
grid = bpy.context.object
for vertex in grid.data.vertices:
    vertex.co.z = 0.1 * math.sin(9 * vertex.co.x) * math.cos(7 * vertex.co.y)
smooth = grid.modifiers.new("smooth", "SMOOTH")
smooth.iterations = 60
bpy.ops.wm.save_mainfile()
"""


class Loop:
    """autorender.py in a warm Blender on one core, spoken to as a worker does."""

    def __init__(self, file, samples, core):
        ours, theirs = socket.socketpair()
        self.stream = ours.makefile("rw", encoding="utf-8")
        self.blender = subprocess.Popen(
            ["taskset", "-c", str(core), "blender", "--background", "--disable-autoexec",
             "-t", "1", "--python-exit-code", "9", "--python", str(AUTORENDER), "--",
             "--fd", str(theirs.fileno())],
            pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        theirs.close()
        ours.close()
        self.hear("ready")
        self.job = description(file, samples)
        self.job["found"] = self.ask("inspected", do="inspect", id=1, job=self.job)["found"]
        self.ask("opened", do="open", id=2, job=self.job)

    def hear(self, event):
        line = self.stream.readline()
        answer = json.loads(line) if line else {"event": "end of the talk"}
        if answer["event"] != event:
            sys.exit(f"autorender: {event} expected, got {answer}")
        return answer

    def ask(self, event, **command):
        self.stream.write(json.dumps(command) + "\n")
        self.stream.flush()
        return self.hear(event)

    def render(self, folder, numbers):
        """Seconds for the frames, one after the other."""
        digest = f"dblend:{self.job['found']['digest']}:3.4"
        began = time.monotonic()
        for number in numbers:
            path = str(folder / f"{number:04}.png")
            self.ask("rendered", do="render", id=number + 10, job=1, frame=number, path=path,
                     paths=[path], digest=digest)
        return time.monotonic() - began

    def end(self):
        self.stream.close()
        self.blender.wait(30)


def side_by_side(first, second, folder, numbers):
    """Seconds for the frames shared out over two loops at the same time."""
    second.render(folder, [numbers[0]])
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        times = list(pool.map(lambda loop, share: loop.render(folder, share),
                              (first, second), (numbers[::2], numbers[1::2])))
    second.end()
    return max(times)


def description(file, samples):
    """A job description as PROTOCOL.md 2.4 has it."""
    facts = file.stat()
    return {"job": 1, "file": str(file), "use": str(file), "size": facts.st_size,
            "mtime_ns": facts.st_mtime_ns, "name": file.stem, "cwd": str(file.parent),
            "submitted_at": int(time.time() * 1000),
            "hash": hashlib.blake2b(file.read_bytes(), digest_size=32).hexdigest(),
            "options": {"samples": samples, "denoise": False}}


def stamp(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def run_farm(farm, file, frames, samples):
    """Seconds from the first frame started to the last one done, and from the submit on."""
    farm.up("cpu/2")
    # Workers and inspector are warm when each of them has worked.
    wait_until(lambda: farm.rendered("--samples", "50", "--no-denoise", "-f", "1-12", "--again",
                                     "--overwrite", "-o", farm.work / "warm" / "####", file)
               and len({row["worker"] for row in farm.events("frame-done")}) == 2, 120,
               "two warm workers")
    submitted = time.time()
    number, = farm.add("--no-wait", "--samples", samples, "--no-denoise", "-f", f"1-{frames}",
                       "-o", farm.work / "a" / "####", file)
    farm.dblend("wait", number, timeout=3600)
    ours = [row for row in farm.events("frame-started", "frame-done") if row["job"] == number]
    started = min(stamp(row["time"]) for row in ours if row["event"] == "frame-started")
    done = [stamp(row["time"]) for row in ours if row["event"] == "frame-done"]
    if len(done) != frames:
        sys.exit(f"the farm rendered {len(done)} of {frames} frames")
    farm.dblend("stop")
    wait_until(lambda: not farm.pids(), 60, "the farm to leave")
    return max(done) - started, max(done) - submitted


def settings(samples, folder, more=""):
    return ("import bpy; S = bpy.context.scene; "
            f"S.cycles.samples = {samples}; S.cycles.use_denoising = False; "
            f"S.render.filepath = {str(folder / '####')!r}; {more}")


def plain_blender(file, frames, samples, folder):
    began = time.monotonic()
    subprocess.run(["blender", "-b", str(file), "--python-expr",
                    settings(samples, folder, f"S.frame_end = {frames}"), "-a"],
                   check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    return time.monotonic() - began


def pinned(core, *arguments):
    return subprocess.Popen(["taskset", "-c", str(core), "blender", "-b", *map(str, arguments)],
                            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                            stderr=subprocess.DEVNULL)


def sharing_blenders(file, frames, samples, folder):
    more = (f"S.frame_end = {frames}; S.render.use_placeholder = True; "
            "S.render.use_overwrite = False")
    began = time.monotonic()
    both = [pinned(core, file, "-t", "1", "--python-expr", settings(samples, folder, more), "-a")
            for core in CORES[:2]]
    for process in both:
        process.wait()
    return time.monotonic() - began


def blender_per_chunk(file, frames, samples, folder, chunk):
    """A Blender for each chunk of frames, one a core."""
    waiting, running = list(range(1, frames + 1, chunk)), {}
    began = time.monotonic()
    while waiting or running:
        for core in CORES[:2]:
            if core not in running and waiting:
                first = waiting.pop(0)
                last = min(first + chunk - 1, frames)
                running[core] = pinned(core, file, "-t", "1", "--python-expr",
                                       settings(samples, folder), "-s", first, "-e", last, "-a")
        pid, _ = os.wait()
        for core, process in list(running.items()):
            if process.pid == pid:
                process.returncode = 0  # os.wait() has collected it
                del running[core]
    return time.monotonic() - began


def make_scene(name, frames, folder):
    file = make_scenes(folder, "plain") / "plain.blend"
    blender(file, "--python-expr", "import bpy; S = bpy.context.scene; "
            f"S.frame_end = {frames}; bpy.ops.wm.save_mainfile()")
    if name == "heavy":
        blender(file, "--python-expr", HEAVY)
    return file


def measure_farm(folder, file, frames, samples):
    farm = Farm(folder / "farm")
    try:
        return run_farm(farm, file, frames, samples)
    finally:
        farm.stop()


def check_pictures(folders, counts):
    for name, there in folders.items():
        count = sum(path.stat().st_size > 0 for path in there.glob("*.png"))
        if count != counts[name]:
            sys.exit(f"({name}) left {count} of {counts[name]} frames")


def render(name, frames, samples, some, folder):
    """Seconds of each side; of e as if all frames had been rendered."""
    file = make_scene(name, frames, folder / "scene")
    folders = {side: folder / side for side in "bcdefg"}
    for made in folders.values():
        made.mkdir()
    numbers = range(1, frames + 1)
    loop = Loop(file, samples, CORES[0])
    loop.render(folders["b"], [numbers[0]])  # persistent data and kernels are there from now on
    before = loop.render(folders["b"], numbers)
    both = side_by_side(loop, Loop(file, samples, CORES[1]), folders["f"], numbers)
    wall, with_submit = measure_farm(folder, file, frames, samples)
    alone = min(before, loop.render(folders["b"], numbers))
    loop.end()
    seconds = {
        "a": wall, "b": alone / 2, "c": plain_blender(file, frames, samples, folders["c"]),
        "d": sharing_blenders(file, frames, samples, folders["d"]),
        "e": blender_per_chunk(file, some, samples, folders["e"], 1) * frames / some, "f": both,
        "g": blender_per_chunk(file, frames, samples, folders["g"], CHUNK),
        "submit": with_submit,
    }
    check_pictures(folders, {side: some if side == "e" else frames for side in folders})
    return seconds


WORDS = {"a": "farm, cpu/2", "b": "limit: autorender's loop / 2", "c": "blender -a, all cores",
         "d": "two Blenders, placeholders", "e": "a Blender per frame",
         "f": "autorender's loop, twice", "g": "a Blender per ten frames"}


def show(result, name, frames, turns):
    column = {side: [turn[side] for turn in turns] for side in turns[0]}
    result.row(f"{name}: a frame in a warm Blender",
               [2000 * value / frames for value in column["b"]], "ms")
    for side, words in WORDS.items():
        result.row(f"{name}: {side} {words}", [60 * frames / value for value in column[side]],
                   "frames/min")
    result.ratio(f"{name}: efficiency of the farm", column["b"], column["a"], EFFICIENCY[name])
    result.ratio(f"{name}: efficiency, two loops as the limit", column["f"], column["a"])
    result.ratio(f"{name}: efficiency from the submit on", column["b"], column["submit"])
    result.ratio(f"{name}: farm / a Blender per frame", column["e"], column["a"],
                 AGAINST_PER_FRAME.get(name))
    result.ratio(f"{name}: farm / a Blender per ten frames", column["g"], column["a"])


def run(result, options, folder):
    if len(CORES) < 2:
        result.note("left out: needs two cores")
        return
    if not shutil.which("blender"):
        result.note("left out: no blender in PATH")
        return
    for name, (frames, samples) in (TINY if options.quick else CASES).items():
        turns = []
        for turn in range(options.repeats):
            some = 2 if options.quick else PER_FRAME[name]
            there = folder / f"{name}{turn}"
            there.mkdir()
            turns.append(render(name, frames, samples, some, there))
        show(result, name, frames, turns)
