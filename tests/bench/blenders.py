"""What a user would do without a farm: Blenders of his own, a core each."""

import os
import subprocess
import time

from frame import CORES


def settings(samples, folder, more=""):
    return ("import bpy; S = bpy.context.scene; "
            f"S.cycles.samples = {samples}; S.cycles.use_denoising = False; "
            f"S.render.filepath = {str(folder / '####')!r}; {more}")


def plain_blender(file, frames, samples, folder):
    """`blender -a` with all cores."""
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
    """Two that share the folder by placeholders."""
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
