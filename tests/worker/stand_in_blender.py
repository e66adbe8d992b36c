#!/usr/bin/python3
"""A stand-in for Blender, for faults that the real one cannot be made to show.

It answers the worker's probe, speaks autorender's JSON lines and writes small, whole PNG files of
the size that the job's `found` names. Its faults lie as files in the folder $STAND_IN: each is
removed when it strikes, so that it strikes once.

    crash-N     ends by a signal in frame N, after some output
    hang-N      never answers frame N
    busy-N      never answers frame N either, but goes on to print
    junk-N      answers frame N with what is no JSON
    empty-N     says that frame N is rendered and writes nothing
    error-N     answers frame N with an error
    gpu-memory-N  says in frame N that its card has no memory left
    slow-N      waits in frame N until the file go-N is there
    endless     prints without end while a frame renders
    no-start    ends before it is ready
    mute        never says that it is ready
    crash-open  ends by a signal while it opens
    deaf        ignores TERM
    used        (stays) what it says that Cycles uses, as JSON
    full-card   (stays) each frame of a worker of a card finds no memory left there

On a described machine (tests/fake-gpu) it chooses among that machine's cards as autorender does.

Each start appends a line to the file `starts`, each command one to `commands`, each TERM one to
`terms`.
"""

import json
import os
import pathlib
import signal
import socket
import struct
import sys
import time
import zlib

FOLDER = pathlib.Path(os.environ.get("STAND_IN", "/nonexistent"))
SHOWN = ("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "ROCR_VISIBLE_DEVICES",
         "HIP_VISIBLE_DEVICES", "ZE_AFFINITY_MASK", "ONEAPI_DEVICE_SELECTOR", "DRI_PRIME",
         "LIBGL_ALWAYS_SOFTWARE")
VERSION = os.environ.get("STAND_IN_VERSION", "3.4.1")


def strikes(fault):
    try:
        (FOLDER / fault).unlink()
    except OSError:
        return False
    return True


def note(file, text):
    with open(FOLDER / file, "a", encoding="utf-8") as out:
        out.write(text + "\n")


def wait_for(name):
    while not (FOLDER / name).exists():
        time.sleep(0.01)


def told_to_go(*_):
    note("terms", str(os.getpid()))
    os._exit(0)


def used_of(wanted):
    """What Cycles uses: what is wanted, or what the file `used` says."""
    if (FOLDER / "used").exists():
        return json.loads((FOLDER / "used").read_text())
    if "DBLEND_FAKE_GPU" in os.environ:
        import described_cycles
        return described_cycles.choose(wanted)
    gpu = wanted["kind"] == "gpu"
    kind = wanted["types"][0] if gpu else "NONE"
    used = [{"id": f"{kind}_Card_{place[:10]}", "name": "Card", "type": kind, "pci": place[:10]}
            for place in wanted["pci"]]
    if not gpu or wanted["cpu"]:
        used.append({"id": "CPU", "name": "a CPU", "type": "CPU", "pci": ""})
    return {"cycles": True, "type": kind, "used": used, "warnings": []}


def png(width, height):
    def chunk(kind, data):
        return (struct.pack(">I", len(data)) + kind + data
                + struct.pack(">I", zlib.crc32(kind + data)))

    rows = b"".join(b"\0" + bytes((x * 7) & 255 for x in range(width * 3)) for _ in range(height))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


class StandIn:
    def __init__(self, fd):
        self.stream = socket.socket(fileno=fd)
        self.job = {}
        self.busy = False
        self.on_card = False

    def say(self, **answer):
        self.stream.sendall((json.dumps(answer) + "\n").encode())

    def die(self):
        print("stand-in: about to die", flush=True)
        os.kill(os.getpid(), signal.SIGSEGV)

    def render(self, command):
        frame = command["frame"]
        print(f"Fra:{frame} Mem:1.00M (Peak 1.00M) | Time:00:00.01 | Scene, ViewLayer | Sample 1/4",
              flush=True)
        if strikes(f"crash-{frame}"):
            self.die()
        if strikes(f"hang-{frame}"):
            while True:
                signal.pause()
        while strikes(f"busy-{frame}") or self.busy:
            self.busy = True
            print("still at it", flush=True)
            time.sleep(0.02)
        if strikes(f"junk-{frame}"):
            self.stream.sendall(b"Segmentation fault, or so\n")
            return
        if strikes(f"error-{frame}"):
            self.say(event="error", id=command["id"], code="no-camera", text="no camera",
                     hint="add one", fatal=True)
            return
        if strikes(f"gpu-memory-{frame}") or self.on_card and (FOLDER / "full-card").exists():
            self.say(event="error", id=command["id"], code="script-error",
                     text="System is out of GPU memory", hint="", fatal=False)
            return
        if strikes(f"slow-{frame}"):
            note("slow", str(frame))
            wait_for(f"go-{frame}")
        if strikes("endless"):
            for number in range(20000):
                print(f"line {number} of what nobody wants to read, {'x' * 40}")
        if not strikes(f"empty-{frame}"):
            found = self.job["found"]
            for path in command["paths"]:
                with open(path, "r+b") as out:
                    out.truncate(0)
                    out.write(png(found["width"], found["height"]))
        self.say(event="rendered", id=command["id"], ms=7)

    def opened(self, command):
        scripts = bool(self.job["options"].get("trust_scripts"))
        try:
            used = used_of(command["device"])
        except Exception as error:  # autorender's JobError
            note("refused", error.text)
            self.say(id=command["id"], **error.as_event())
            return
        note("used-devices", json.dumps(used))
        self.on_card = bool(used) and used["type"] != "NONE"  # None: an older autorender
        self.say(event="opened", id=command["id"], ms=1, device=used, scripts=scripts)

    def handle(self, command):
        note("commands", json.dumps(command))
        if command["do"] == "open":
            if strikes("crash-open"):
                self.die()
            self.job = command["job"]
            self.opened(command)
        elif command["do"] == "inspect":
            if strikes("crash-open"):
                self.die()
            self.say(event="inspected", id=command["id"], questions=[], warnings=[], scripts=False,
                     found=json.loads((FOLDER / "found.json").read_text()))
        elif command["do"] == "render":
            self.render(command)
        elif command["do"] == "quit":
            sys.exit(0)

    def serve(self):
        if not strikes("mute"):
            self.say(event="ready", blender=VERSION, denoiser=False, pid=os.getpid())
        rest = b""
        while True:
            more = self.stream.recv(65536)
            if not more:
                sys.exit(0)
            *lines, rest = (rest + more).split(b"\n")
            for line in lines:
                self.handle(json.loads(line))


def main():
    if "--python-expr" in sys.argv or "-c" in sys.argv:
        print("DBLEND-PROBE " + json.dumps({"version": VERSION, "denoiser": False}), flush=True)
        return
    note("starts", json.dumps({"pid": os.getpid(), "argv": sys.argv[1:],
                               "tmpdir": os.environ.get("TMPDIR", ""),
                               "threads": os.environ.get("DBLEND_THREADS", ""),
                               "omp": os.environ.get("OMP_NUM_THREADS", ""),
                               "cpus": sorted(os.sched_getaffinity(0)),
                               "nice": os.getpriority(os.PRIO_PROCESS, 0),
                               "env": {name: os.environ[name] for name in SHOWN
                                       if name in os.environ}}))
    if strikes("no-start"):
        print("stand-in: not today", flush=True)
        sys.exit(3)
    if strikes("deaf"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    else:
        signal.signal(signal.SIGTERM, told_to_go)
    StandIn(int(sys.argv[sys.argv.index("--fd") + 1])).serve()


main()
