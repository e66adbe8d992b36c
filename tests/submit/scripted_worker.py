"""A worker by the protocol alone: no Blender, pictures are a few bytes, the script is the name.

Words in the name of the .blend say what happens: `held` asks about pictures, `nocamera` fails at
inspection, `warn` has a warning, `movie` a movie path, `bad2` fails at frame 2, `slow` waits
before each frame until a file `go` lies beside the .blend, `full` has a full disk, `large` takes
much memory, `lost` loses a card of a group, `picky` fails at once on the device cpu:0. Words in the file DBLEND_HOME/script:
`die` ends a worker with 1 at its start, `busy` with 4, `gone` with 5, `one` an inspector with 4. While DBLEND_HOME/hold is there no sweep
comes to its end; `held` beside it says that one was begun.
"""

import argparse
import json
import os
import pathlib
import re
import signal
import socket
import sys
import time
import uuid

import msgpack
import zmq

CPUS = 4
LAST_ANSWER_S = 5  # as dblend-worker: a broker on a busy machine may need some of it


def home():
    return pathlib.Path(os.environ["DBLEND_HOME"])


def list_devices(words):
    """cpu, cpu/N and cpu:0,1: as much of the grammar as the tests need."""
    words = words or "cpu"
    match = re.fullmatch(r"cpu(?:/(\d+)|:([\d,]+))?", words)
    if not match or (match[1] and not 1 <= int(match[1]) <= CPUS):
        print(f"dblend-worker: no such device: {words}", file=sys.stderr)
        return 2
    if match[1]:
        names = [f"cpu:{i}" for i in range(int(match[1]))]
    else:
        names = [f"cpu:{i}" for i in match[2].split(",")] if match[2] else ["cpu:0-3"]
    for name in names:
        print(json.dumps({"device": name, "kind": "cpu"}))
    return 0


def list_blenders():
    print(json.dumps({"version": "3.4.1", "path": "/opt/blender/blender", "denoiser": True}))
    print(json.dumps({"version": "2.93.0", "path": "/usr/bin/blender", "denoiser": False}))
    return 0


class Worker:
    def __init__(self, device, owner, regroups):
        self.device, self.owner, self.regroups = device, owner, regroups
        self.inspector = device == "none"
        self.host = socket.gethostname()
        self.id = uuid.uuid4().hex
        self.seq = self.session = self.seen = 0
        self.job = None  # description of the assignment
        self.holding = {}  # claim -> grant with "phase" and "end"
        self.reports = []
        self.farm = ""
        self.leaving = self.left = False
        self.dry = False  # nothing more of this job
        self.stop = 0  # 1 soft, 2 now
        self.resting = ""
        self.signals = 0
        self.sent = 0.0
        self.context = zmq.Context()
        self.socket = None

    def connect(self):
        if self.socket:
            self.socket.close(0)
        self.socket = self.context.socket(zmq.REQ)
        self.socket.setsockopt(zmq.REQ_RELAXED, 1)
        self.socket.setsockopt(zmq.REQ_CORRELATE, 1)
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.connect(f"ipc://{home()}/run/workers.sock")

    def send(self, body):
        self.seq += 1
        body.update(v=1, seq=self.seq)
        self.sent = time.monotonic()
        self.socket.send(msgpack.packb(body))

    def ready(self):
        kinds = ["inspect", "sweep"] if self.inspector else ["render", "inspect", "sweep"]
        body = {"t": "READY", "worker": self.id, "name": f"{self.host}/{self.device}",
                "host": self.host, "pid": os.getpid(), "device": self.device,
                "device_kind": self.kind(), "kinds": kinds,
                "blenders": [{"version": "3.4.1", "path": "/opt/blender", "denoiser": True}],
                "holding": self.named(), "reports": self.reports[:8]}
        if self.kind() == "gpu":
            body.update(cards=self.device.count("+") + 1, regroups=self.regroups)
        if self.job:
            body["job"] = self.job["job"]
        self.send(body)

    def kind(self):
        return "none" if self.inspector else "gpu" if self.device.startswith("pci:") else "cpu"

    def named(self):
        return [{"claim": claim, "phase": held["phase"]} for claim, held in self.holding.items()]

    def sync(self):
        body = {"t": "SYNC", "session": self.session, "seen": self.seen, "holding": self.named(),
                "reports": self.reports[:8], "want": self.want(), "state": self.state()}
        if self.job:
            body["job"] = self.job["job"]
        if self.leaving:
            body["leave"] = True
        for claim, held in self.holding.items():
            if held["phase"] == "rendering":
                body["progress"] = {"claim": claim, "text": "sample 3/10", "done": 3, "total": 10}
        self.send(body)

    def want(self):
        return 0 if self.stop or self.resting else max(0, (1 if self.inspector else 2) - len(self.holding))

    def state(self):
        if self.stop:
            return "draining"
        if self.resting and not self.holding:
            return "resting"
        return "rendering" if self.holding else "idle"

    def take(self, answer):
        if answer["t"] == "READY-AGAIN":
            self.left = self.leaving  # a session that is gone need not be ended
            return None if self.left else self.ready()
        if answer["t"] == "REFUSED":
            sys.exit(f"refused: {answer}")
        if answer.get("seq") != self.seq:
            return None
        if not self.session:
            print(f"ready name={self.host}/{self.device}", flush=True)
        self.session, self.farm = answer["session"], answer["farm"]
        settled = [(one["claim"], one["what"]) for one in answer.get("settled", [])]
        self.reports = [one for one in self.reports if (one["claim"], one["what"]) not in settled]
        for claim in answer.get("stale", []):
            self.holding.pop(claim, None)
        if answer.get("job"):
            self.job = answer["job"]
        for grant in answer.get("grants", []):
            self.holding[grant["claim"]] = dict(grant, phase="ahead", end=None)
        self.obey(answer["orders"])
        if self.leaving:
            self.left = True
            return None
        renders = any(one["kind"] == "render" for one in self.holding.values())
        if self.job and not renders:
            self.job = None
        self.leaving = bool(self.stop and not self.holding)
        return self.sync()

    def obey(self, orders):
        self.seen = orders["n"]
        if orders.get("drain"):
            self.stop = max(self.stop, 2 if orders["drain"] == "now" else 1)
        self.resting = orders.get("rest", "")
        if self.resting == "now":
            for claim in list(self.holding):
                self.end(claim, "returned")
        for claim in orders.get("stop", []):
            if claim in self.holding:
                self.end(claim, "returned")
        if orders.get("return") or orders.get("pause") or self.stop:
            self.give_back()

    def give_back(self):
        for claim, held in list(self.holding.items()):
            ahead = held["phase"] == "ahead" and (held["kind"] == "render" or self.stop)
            if ahead or self.stop > 1:
                self.end(claim, "returned")

    def end(self, claim, what, **more):
        del self.holding[claim]
        self.reports.append(dict(claim=claim, what=what, **more))

    def work(self):
        """Do what is due; True if there is something to tell."""
        before = len(self.reports)
        for claim, held in list(self.holding.items()):
            if held["kind"] == "inspect":
                self.inspect(claim, held["about"])
            elif held["kind"] == "sweep":
                self.sweep(claim, held)
        busy = [one for one in self.holding.values() if one["phase"] == "rendering"]
        if not busy and not self.stop:
            for claim, held in list(self.holding.items()):
                held["phase"] = "rendering"
                self.reports.append({"claim": claim, "what": "started", "blender": "3.4.1"})
                busy = [held]
                break
        for held in busy:
            self.render(held["claim"], held)
        return len(self.reports) > before

    def sweep(self, claim, held):
        """A picture that is gone is gone, one of another size is broken; more is not looked at."""
        if (home() / "hold").exists():
            (home() / "held").touch()
            return
        if held.get("ends"):
            pathlib.Path(held["about"].get("kept") or "/none").unlink(missing_ok=True)
        wrong = []
        for entry in held.get("look", []):
            for file in entry["files"]:
                path = pathlib.Path(file["path"])
                if not path.exists():
                    wrong.append(dict(frame=entry["frame"], code="gone", text=f"{path}: no file"))
                elif path.stat().st_size != file["bytes"]:
                    wrong.append(dict(frame=entry["frame"], code="broken", text=f"{path}: cut"))
        self.end(claim, "swept", wrong=wrong)

    def inspect(self, claim, about):
        name, options = pathlib.Path(about["file"]).stem, about["options"]
        folder = pathlib.Path(about["file"]).parent
        if "nocamera" in name:
            return self.end(claim, "error", code="no-camera", fatal=True, hint="add a camera",
                            text=f"{name}: the scene has no camera")
        output = options.get("output", f"//{name}/{name}-####")
        output = str(folder) + "/" + output[2:] if output.startswith("//") else output
        head, _, tail = output.partition("####")
        found = {"scene": options.get("scene", "Scene"), "scenes": ["Scene"], "frame_start": 1,
                 "frame_end": 6, "frame_step": 1, "frame_current": 1, "fps": "24", "width": 64,
                 "height": 48, "engine": "CYCLES", "format": "PNG", "camera": "Camera",
                 "outputs": [{"view": "", "head": head, "digits": 4, "tail": tail + ".png"}],
                 "stamped": True, "digest": "0" * 32, "blender": "3.4.1", "file_version": 304,
                 "ordered": False, "denoise": False, "engine_cpu_only": False}
        if "movie" in name:
            found["movie"] = f"{folder}/{name}.mp4"
        questions, warnings = [], []
        if "held" in name and not ("keep" in options or "overwrite" in options):
            questions = [{"code": "pictures", "text": "6 pictures of unknown origin are there",
                          "hint": "--keep or --overwrite"}]
        if "warn" in name:
            warnings = [{"code": "time-limit", "text": "there is a time limit", "hint": ""}]
        return self.end(claim, "inspected", found=found, questions=questions, warnings=warnings)

    def render(self, claim, held):
        file = pathlib.Path(self.job["file"])
        if "full" in file.name:
            return self.end(claim, "error", code="disk-full", text=f"no room in {file.parent}",
                            hint="make room", fatal=False)
        if "lost" in file.name and "+" in self.device:
            return self.end(claim, "error", code="device-lost", text="GPU is lost", hint="",
                            fatal=False)
        if "picky" in file.name and self.device == "cpu:0":
            return self.end(claim, "error", code="crashed", text="Blender crashed", hint="",
                            fatal=False)
        if "slow" in file.name and not (file.parent / "go").exists():
            return
        frame, output = held["frame"], self.job["found"]["outputs"][0]
        if "bad2" in file.name and frame == 2:
            self.end(claim, "error", code="crashed", text="Blender crashed", fatal=False,
                     hint="look at `dblend log`")
            return
        path = pathlib.Path(f"{output['head']}{frame:0{output['digits']}d}{output['tail']}")
        there = path.exists() and not held.get("again")
        path.parent.mkdir(parents=True, exist_ok=True)
        if not there:
            path.write_bytes(b"a picture")
        about = path.stat()
        files = [{"path": str(path), "bytes": about.st_size, "width": 64, "height": 48,
                  "view": "", "mtime_ns": about.st_mtime_ns, "inode": about.st_ino}]
        if there:
            self.end(claim, "kept", files=files)
        else:
            self.end(claim, "finished", ms=20, files=files, digest="dblend:" + "0" * 32 + ":3.4",
                     **self.peaks(file.name))

    def peaks(self, name):
        card = {"gpu_peak_bytes": 12 << 30} if self.kind() == "gpu" else {}
        return {"rss_peak_bytes": 3 << 30, **card} if "large" in name else {}

    def run(self):
        self.connect()
        self.ready()
        wake, far = socket.socketpair()
        far.setblocking(False)
        signal.set_wakeup_fd(far.fileno())
        signal.signal(signal.SIGTERM, lambda *_: None)
        while not self.left:
            fds = [wake] + ([self.owner] if self.owner >= 0 else [])
            poller = zmq.Poller()
            poller.register(self.socket, zmq.POLLIN)
            for fd in fds:
                poller.register(fd, zmq.POLLIN)
            ready = dict(poller.poll(20))
            told = self.listen(ready, wake)
            if self.socket in ready:
                self.take(msgpack.unpackb(self.socket.recv()))
            if (self.work() or told) and not self.leaving:
                self.leaving = bool(self.session and self.stop and not self.holding)
                self.sync() if self.session else self.ready()
            elif self.leaving or self.stop and not self.session:
                if self.silence_s() > LAST_ANSWER_S:
                    break  # nobody answers
            elif self.silence_s() > 3:
                self.connect()
                self.sync() if self.session else self.ready()
        return 0

    def silence_s(self):
        return time.monotonic() - self.sent

    def listen(self, ready, wake):
        """Signals and the owner; True if they change something."""
        before = self.stop
        if wake.fileno() in ready:
            self.stop = min(2, self.stop + len(wake.recv(64)))
        if self.owner >= 0 and self.owner in ready:
            byte = os.read(self.owner, 1)
            self.stop = self.stop if byte else 2
            self.owner = -1
        if self.stop != before:
            self.give_back()
            return True
        return False


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--list", nargs="+")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--owner-fd", type=int, default=-1)
    parser.add_argument("--regroups", type=int, default=0)
    words, _ = parser.parse_known_args()
    if words.list and words.list[0] == "cards":
        return 0  # there are none
    if words.list:
        devices = words.list[0] == "devices"
        return list_devices(words.list[1] if len(words.list) > 1 else None) if devices \
            else list_blenders()
    script = home() / "script"
    script = script.read_text() if script.exists() else ""
    if words.device != "none" and "die" in script:
        print("2026-01-01T00:00:00.000Z dblend-worker error no Blender here", file=sys.stderr)
        return 1
    if words.device != "none" and "busy" in script:
        print("2026-01-01T00:00:00.000Z dblend-worker error pid 7 has it", file=sys.stderr)
        return 4
    if words.device != "none" and "gone" in script:
        print("2026-01-01T00:00:00.000Z dblend-worker error GPU is lost", file=sys.stderr)
        return 5
    if words.device == "none" and "one" in script.split():
        return 4
    return Worker(words.device, words.owner_fd, words.regroups).run()


if __name__ == "__main__":
    sys.exit(main())
