"""The render itself: the same frames by the farm, and by what a user would do instead.

Three jobs: `short`, 240 frames of some 30 ms; `usual`, 48 frames of about 0.5 s; `heavy`, 40 frames
of 0.1 to 0.2 s in a Blender that has prepared their 200,000 polygons, and 5 s and more for that in
one that has not.

    a  the farm with `cpu/2`, its workers warm, from the submit to the job's end: the clock begins
       before `dblend add` is started
    b  autorender's own loop without a farm, one core, Blender warm, file open: halved, it is what
       two cores could do at most, the limit. Of `heavy` the file is not open, and the limit is
       its preparation once a worker + half of the frames
    c  `blender -a` with all cores
    d  two Blenders, a core each, sharing the folder by placeholders as the origin did
    e  a Blender for each frame, two at a time, a core each (what Flamenco, OpenCue and Afanasy do)
    f  autorender's own loop twice, side by side: what b leaves out, two Blenders that share a
       memory and a last-level cache
    g  a Blender for each ten frames, two at a time

Efficiency of the farm: time of b / time of a. b is measured before and after a and the shorter time
counts, so that a busy moment of the machine does not flatter the farm. c, d, e and g are what a
user would wait for, Blender's start included; of e only a few frames are rendered, the others would
take as long. Where the farm's time goes: where.py.
"""

import pathlib
import shutil
import subprocess
import sys
import time

from blenders import blender_per_chunk, plain_blender, sharing_blenders
from frame import CORES
import jobs
from warm_loop import side_by_side, two_loops
import where
from where import stamp
from farmtools import Farm, wait_until  # jobs.py has said where it lies

CHUNK = 10


def seconds_to_save(file, folder, quick):
    """Of one picture; pictures of all jobs are alike."""
    program = pathlib.Path(__file__).with_name("saving.py")
    done = subprocess.run(["taskset", "-c", str(CORES[0]), "blender", "-b", file, "-t", "1",
                           "--python-exit-code", "9", "--python", program, "--", folder,
                           "5" if quick else "60"], check=True, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True)
    return float(done.stdout.rpartition("seconds to write:")[2].split()[0])


def warm(farm, file):
    """Workers and inspector are warm when each of them has worked."""
    farm.up("cpu/2")
    wait_until(lambda: farm.rendered("--samples", "50", "--no-denoise", "-f", "1-12", "--again",
                                     "--overwrite", "-o", farm.work / "warm" / "####", file)
               and len({row["worker"] for row in farm.events("frame-done")}) == 2, 120,
               "two warm workers")


def run_farm(farm, scene, frames, samples, saving):
    """Seconds from the submit to the job's end; from the first frame started to the last one done;
    where they went."""
    file, known = scene
    warm(farm, known)
    programs = where.Programs(farm)
    programs.debug()
    submitted = time.time()
    number, = farm.add("--no-wait", "--samples", samples, "--no-denoise", "-f", f"1-{frames}",
                       "-o", farm.work / "a" / "####", file)
    farm.dblend("wait", number, timeout=3600)
    ran = programs.ran()
    ours = [row for row in farm.events() if row["job"] == number]
    times = {word: [stamp(row["time"]) for row in ours if row["event"] == word]
             for word in ("frame-started", "frame-done", "job-done")}
    if len(times["frame-done"]) != frames:
        sys.exit(f"the farm rendered {len(times['frame-done'])} of {frames} frames")
    farm.dblend("stop")
    wait_until(lambda: not farm.pids(), 60, "the farm to leave")
    ended = times["job-done"][0]
    text = farm.started[0].err.read_text("utf-8", "replace").splitlines()
    return (ended - submitted, max(times["frame-done"]) - min(times["frame-started"]),
            where.spent(text, number, frames, (submitted, ended), ran, saving))


def measure_farm(folder, *words):
    farm = Farm(folder / "farm")
    try:
        return run_farm(farm, *words)
    finally:
        farm.stop()


def check_pictures(folders, counts):
    for name, there in folders.items():
        count = sum(path.stat().st_size > 0 for path in there.glob("*.png"))
        if count != counts[name]:
            sys.exit(f"({name}) left {count} of {counts[name]} frames")


def render(name, frames, samples, some, folder, quick):
    """Seconds of each side; of e as if all frames had been rendered."""
    scene = jobs.make_scene(name, folder / "scene")
    file, known = scene
    folders = {side: folder / side for side in "bcdefg"}
    for made in folders.values():
        made.mkdir()
    numbers = range(1, frames + 1)
    saving = seconds_to_save(known, folder, quick)
    loop, second = two_loops(file, known, samples, (folders["b"], folders["f"]))
    alone = loop.measure(numbers)
    loop.folder = folders["f"]
    both = side_by_side(loop, second, numbers)
    second.end()
    wall, rendering, spent = measure_farm(folder, scene, frames, samples, saving)
    loop.folder = folders["b"]
    preparation, all_frames = min(alone, loop.measure(numbers), key=lambda one: one[0] + one[1] / 2)
    loop.end()
    seconds = {
        "a": wall, "b": preparation + all_frames / 2,
        "c": plain_blender(file, frames, samples, folders["c"]),
        "d": sharing_blenders(file, frames, samples, folders["d"]),
        "e": blender_per_chunk(file, some, samples, folders["e"], 1) * frames / some, "f": both,
        "g": blender_per_chunk(file, frames, samples, folders["g"], CHUNK),
        "rendering": rendering, "preparation": preparation, "frame": all_frames / frames,
        "spent": spent,
    }
    check_pictures(folders, {side: some if side == "e" else frames for side in folders})
    return seconds


WORDS = {"a": "farm, cpu/2, from the submit on", "b": "limit: autorender's loop / 2",
         "c": "blender -a, all cores", "d": "two Blenders, placeholders",
         "e": "a Blender per frame", "f": "autorender's loop, twice",
         "g": "a Blender per ten frames"}


def show(result, name, frames, turns):
    column = {side: [turn[side] for turn in turns] for side in turns[0]}
    result.row(f"{name}: a frame in a warm Blender", [1000 * one for one in column["frame"]], "ms")
    if name == "heavy":
        least = result.row(f"{name}: preparation in a Blender that has not the file open",
                           column["preparation"], "s")
        if least < jobs.PREPARATION_S:
            result.note(f"{name}: its preparation should take {jobs.PREPARATION_S} s or more")
    for side, words in WORDS.items():
        result.row(f"{name}: {side} {words}", [60 * frames / value for value in column[side]],
                   "frames/min")
    result.ratio(f"{name}: efficiency, from the submit to the job's end", column["b"], column["a"],
                 jobs.EFFICIENCY[name])
    if name != "heavy":
        result.ratio(f"{name}: efficiency from the first frame started on", column["b"],
                     column["rendering"])
    result.ratio(f"{name}: efficiency, two loops as the limit", column["f"], column["a"])
    result.ratio(f"{name}: farm / a Blender per frame", column["e"], column["a"],
                 jobs.AGAINST_PER_FRAME.get(name))
    result.ratio(f"{name}: farm / a Blender per ten frames", column["g"], column["a"])
    where.show(result, name, frames, column["spent"])


def run(result, options, folder):
    if len(CORES) < 2:
        result.note("left out: needs two cores")
        return
    if not shutil.which("blender"):
        result.note("left out: no blender in PATH")
        return
    for name, (frames, samples) in jobs.chosen(options.quick).items():
        turns = []
        for turn in range(options.repeats):
            some = 2 if options.quick else jobs.PER_FRAME[name]
            there = folder / f"{name}{turn}"
            there.mkdir()
            turns.append(render(name, frames, samples, some, there, options.quick))
        show(result, name, frames, turns)
