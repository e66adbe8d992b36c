"""A real dblend-broker, scripted workers and submitters that talk to it over its sockets."""

import hashlib
import itertools
import os
import pathlib
import random
import re
import select
import signal
import subprocess
import time

import msgpack
import zmq

SOURCE = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("DBLEND_BIN", SOURCE / "build" / "bin"))
# What is slow anyway, a sanitized build on a busy machine, may take this much longer.
PATIENCE = float(os.environ.get("DBLEND_TEST_PATIENCE", "1"))
DEADLINE_S = 15 * PATIENCE
SOON_S = min(3 * PATIENCE, 9)  # waiting for nobody: a park is up to 10 s, a lease 15 s


class NoAnswer(Exception):
    pass


class Refused(Exception):
    """An ERROR answer."""

    def __init__(self, answer):
        super().__init__(f"{answer['code']}: {answer['text']}")
        self.code = answer["code"]
        self.answer = answer


def until(condition, what="condition", seconds=DEADLINE_S):
    """Ask again until it is true; whatever it waits for is something that will happen."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not in {seconds} s: {what}")
        time.sleep(0.01)


class Broker:
    """dblend-broker in a home of its own; start, kill and start again."""

    def __init__(self, home, *options):
        self.home = pathlib.Path(home)
        self.options = list(options)
        self.log_path = self.home.with_name(self.home.name + ".stderr")
        self.process = None
        self.context = zmq.Context()
        self.peers = []

    @property
    def environment(self):
        return dict(os.environ, DBLEND_HOME=str(self.home))

    def run(self, *options, **more):
        """Run the program to its end."""
        return subprocess.run([BIN / "dblend-broker", *options], env=self.environment, text=True,
                              errors="replace", capture_output=True, timeout=DEADLINE_S, **more)

    def start(self, *options, **more):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [BIN / "dblend-broker", *self.options, *options], env=self.environment,
                stdout=subprocess.PIPE, stderr=log, **more)
        self.ready = self.read_ready()
        (self.workers_endpoint, self.submitters_endpoint, self.tcp_endpoint) = re.fullmatch(
            r"ready workers=(.*?) submitters=(.*?)(?: tcp=(.*))?\n", self.ready).groups()
        return self

    def read_ready(self):
        readable, _, _ = select.select([self.process.stdout], [], [], DEADLINE_S)
        line = self.process.stdout.readline().decode() if readable else ""
        assert line.startswith("ready "), f"no ready line but {line!r}: {self.told()}"
        return line

    def told(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def kill(self):
        self.process.kill()
        self.process.wait()

    def restart(self, *options):
        self.kill()
        return self.start(*options)

    def stop(self):
        """TERM; the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(DEADLINE_S)

    def close(self):
        for peer in self.peers:
            peer.close()
        if self.process and self.process.poll() is None:
            self.kill()
        if self.process:
            self.process.stdout.close()
        self.context.destroy(linger=0)

    def submitter(self):
        return Submitter(self)

    def worker(self, *args, **more):
        return Worker(self, *args, **more)


class Peer:
    def __init__(self, broker):
        self.broker = broker
        self.socket = None
        broker.peers.append(self)

    def endpoint(self):
        raise NotImplementedError

    def connect(self):
        self.close()
        self.socket = self.broker.context.socket(zmq.REQ)
        self.socket.setsockopt(zmq.REQ_RELAXED, 1)
        self.socket.setsockopt(zmq.REQ_CORRELATE, 1)
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.connect(self.endpoint())

    def close(self):
        if self.socket:
            self.socket.close()
            self.socket = None

    def send_parts(self, parts):
        if not self.socket:
            self.connect()
        self.socket.send_multipart(parts)

    def send(self, body, *blobs):
        self.send_parts([msgpack.packb({"v": 1, **body}), *blobs])

    def receive(self, seconds=DEADLINE_S):
        if not self.socket.poll(int(seconds * 1000)):
            raise NoAnswer
        parts = self.socket.recv_multipart()
        assert len(parts) == 1
        answer = msgpack.unpackb(parts[0])
        assert answer["v"] == 1
        return answer


class Submitter(Peer):
    keys = itertools.count(1)

    def endpoint(self):
        return self.broker.submitters_endpoint

    def ask(self, kind, seconds=DEADLINE_S, **keys):
        """The OK answer; ERROR is raised."""
        self.send({"t": kind, **keys})
        answer = self.receive(seconds)
        if answer["t"] == "ERROR":
            raise Refused(answer)
        assert answer["t"] == "OK"
        return answer

    def change(self, kind, **keys):
        keys.setdefault("key", f"{os.getpid()}-{next(self.keys)}-{random.random()}")
        return self.ask(kind, **keys)

    def submit(self, *specs, **more):
        return self.change("SUBMIT", jobs=list(specs), **more)["jobs"]

    def job(self, number):
        return self.ask("SHOW", job=number)["job"]

    def state(self, number):
        return self.job(number)["state"]

    def frames(self, number):
        """All frames of a job by their number."""
        found = {}
        keys = {}
        while True:
            answer = self.ask("FRAMES", job=number, **keys)
            found.update({frame["frame"]: frame for frame in answer["frames"]})
            if not answer["more"]:
                return found
            keys["after"] = answer["frames"][-1]["frame"]

    def states(self, number):
        return {number: frame["state"] for number, frame in self.frames(number).items()}

    def events(self, **keys):
        return self.ask("LOG", after=0, **keys)["events"]

    def words(self, **keys):
        return [event["event"] for event in self.events(**keys)]


class Worker(Peer):
    """A worker by script: every message is the test's own."""

    numbers = itertools.count(1)

    def __init__(self, broker, name=None, kinds=("render", "inspect", "sweep"), **more):
        super().__init__(broker)
        self.number = next(self.numbers)
        self.name = name or f"host/cpu:{self.number}"
        self.id = "%032x" % random.getrandbits(128)
        self.kinds = list(kinds)
        self.device_kind = more.get("device_kind", "cpu")
        self.memory = more.get("memory")
        self.remote = more.get("remote", False)
        self.pid = more.get("pid", os.getpid())
        self.seq = 0
        self.session = 0
        self.seen = 0
        self.job = None
        self.jobs = {}
        self.holding = {}
        self.reports = []
        self.done = []

    def endpoint(self):
        return self.broker.tcp_endpoint if self.remote else self.broker.workers_endpoint

    def next_seq(self):
        self.seq += 1
        return self.seq

    def ready_body(self):
        return {
            "t": "READY", "seq": self.next_seq(), "worker": self.id, "name": self.name,
            "host": self.name.split("/")[0], "pid": self.pid,
            "device": self.name.split("/")[1], "device_kind": self.device_kind,
            "kinds": self.kinds,
            "blenders": [{"version": "3.4.1", "path": "/usr/bin/blender", "denoiser": True}],
            **({"job": self.job} if self.job else {}),
            **({"memory_bytes": self.memory} if self.memory else {}),
            "holding": self.holding_list(), "reports": self.reports,
        }

    def holding_list(self):
        return [{"claim": claim, "phase": held["phase"]} for claim, held in self.holding.items()]

    def sync_body(self, want=0, state="idle", **more):
        body = {
            "t": "SYNC", "session": self.session, "seq": self.next_seq(), "seen": self.seen,
            "holding": self.holding_list(), "reports": self.reports, "want": want,
            "state": state, **more,
        }
        if self.job:
            body.setdefault("job", self.job)
        return body

    def ready(self):
        self.send(self.ready_body())
        return self.take(self.receive())

    def sync(self, want=0, seconds=DEADLINE_S, blobs=(), **more):
        self.send(self.sync_body(want, **more), *blobs)
        return self.take(self.receive(seconds))

    def take(self, answer):
        """Note what the answer says, as a worker must."""
        if answer["t"] != "ANSWER":
            return answer
        assert answer["seq"] == self.seq
        self.session = answer["session"]
        self.seen = answer["orders"]["n"]
        for settled in answer["settled"]:
            self.reports = [report for report in self.reports
                            if (report["claim"], report["what"]) !=
                            (settled["claim"], settled["what"])]
        for claim in answer["stale"] + answer["orders"]["stop"]:
            self.holding.pop(claim, None)
        if answer.get("job"):
            self.job = answer["job"]["job"]
            self.jobs[self.job] = answer["job"]
        for grant in answer["grants"]:
            self.holding[grant["claim"]] = {"phase": self.phase_of(grant), "grant": grant}
        return answer

    @staticmethod
    def phase_of(grant):
        return {"render": "ahead", "inspect": "inspecting", "sweep": "sweeping"}[grant["kind"]]

    def report(self, claim, what, ends=True, **more):
        self.reports.append({"claim": claim, "what": what, **more})
        if ends:
            self.holding.pop(claim, None)

    def finish(self, claim, **more):
        """Reports of a frame that went well."""
        frame = self.holding[claim]["grant"]["frame"]
        self.report(claim, "finished", ms=40, files=picture_files(frame),
                    digest="dblend:%s:3.4" % ("d" * 32), **more)
        self.done.append(frame)

    def handle(self, grant, found):
        claim = grant["claim"]
        if grant["kind"] == "inspect":
            self.report(claim, "inspected", found=found, questions=[], warnings=[])
        elif grant["kind"] == "sweep":
            self.report(claim, "swept")
        else:
            self.report(claim, "started", ends=False, blender="3.4.1")
            self.finish(claim)

    def work(self, enough, found=None, seconds=DEADLINE_S):
        """Do whatever is given out until enough() is true."""
        end = time.monotonic() + seconds
        while not enough():
            assert time.monotonic() < end, f"not enough in {seconds} s"
            for held in list(self.holding.values()):
                self.handle(held["grant"], found or found_of())
            if self.job and not self.holding and not self.reports:
                self.job = None
            answer = self.sync(want=2)
            if answer["t"] == "READY-AGAIN":
                self.ready()

    def inspect(self, found=None, questions=(), warnings=()):
        """Take the next inspection and report it."""
        claim = self.claim_of("inspect")
        self.report(claim, "inspected", found=found or found_of(), questions=list(questions),
                    warnings=list(warnings))
        until(lambda: not self.sync().get("grants") and not self.reports, "inspection is settled")

    def claim_of(self, kind, want=1):
        """Ask until a claim of this kind is held; its number."""
        def held():
            claims = [claim for claim, held in self.holding.items()
                      if held["grant"]["kind"] == kind]
            if claims:
                return claims[0]
            self.sync(want=want)
            return None
        return until(held, f"a claim of kind {kind}")

    def frames_held(self):
        return {held["grant"]["frame"]: claim for claim, held in self.holding.items()
                if held["grant"]["kind"] == "render"}


def picture_files(frame):
    return [{"path": "/render/shot_%04d.png" % frame, "bytes": 1000 + frame, "width": 64,
             "height": 36, "view": "", "mtime_ns": 5, "inode": 6}]


def found_of(start=1, end=3, **more):
    return {
        "scene": "Scene", "scenes": ["Scene"], "frame_start": start, "frame_end": end,
        "frame_step": 1, "frame_current": start, "fps": "24", "width": 64, "height": 36,
        "engine": "CYCLES", "format": "PNG", "camera": "Camera",
        "outputs": [{"view": "", "head": "/render/shot_", "digits": 4, "tail": ".png"}],
        "stamped": True, "digest": "d" * 32, "blender": "3.4.1", "file_version": 304,
        "ordered": False, "denoise": False, "engine_cpu_only": False, **more,
    }


def spec_of(file="/scenes/shot.blend", go_on=None, key=None, **options):
    spec = {
        "file": file, "size": 1000, "mtime_ns": 1, "hash": "%064x" % abs(hash(file)),
        "name": pathlib.Path(file).stem, "cwd": "/scenes", "submitted_at": 1700000000000,
        "options": options,
    }
    if go_on is not None:
        spec["go_on"] = go_on
    if key is not None:
        spec["key"] = key
    return spec


def facts_of(path):
    """Size, mtime and hash of a file, as a submitter takes them."""
    info = os.stat(path)
    digest = hashlib.blake2b(pathlib.Path(path).read_bytes(), digest_size=32).hexdigest()
    return {"size": info.st_size, "mtime_ns": info.st_mtime_ns, "hash": digest}


def real_spec_of(path, **options):
    """The spec of a file that is there; it is made if need be."""
    path = pathlib.Path(path)
    if not path.exists():
        path.write_bytes(b"BLENDER-v304 as submitted")
    return {**spec_of(str(path), **options), **facts_of(path)}
