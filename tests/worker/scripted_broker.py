"""A broker in a test's hands: a ROUTER that gives what the test says and notes what it hears.

It keeps to proto/PROTOCOL.md in what it sends: orders are numbered state, reports are settled,
a SYNC is parked until there is something to say. Nothing runs by itself: until() polls.
"""

import os
import pathlib
import sys
import time

import msgpack
import zmq

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "python"))

from dblend import messages  # noqa: E402

FARM = "0123456789abcdef"

# What is slow anyway, a sanitized build on a busy machine, may take this much longer.
PATIENCE = float(os.environ.get("DBLEND_TEST_PATIENCE", "1"))


class Broker:
    def __init__(self, endpoint, park_ms=1000):
        self.context = zmq.Context()
        self.endpoint = endpoint
        self.park_ms = park_ms
        self.socket = None
        self.session = 0        # of the last READY; 0: none
        self.known = True       # does it know its session?
        self.mute = False       # hears, but does not answer
        self.address = None     # of the parked request
        self.parked = None
        self.parked_at = 0.0
        self.last = {}          # the last SYNC
        self.ready = []         # every READY
        self.syncs = []         # every SYNC
        self.reports = []       # each once, in the order in which they came
        self.blobs = {}         # claim -> what came with its last report
        self.left = False
        self.orders = {"n": 0, "pause": False, "drain": "", "return": False, "stop": []}
        self.settled = []
        self.stale = []
        self.grants = []        # to be given
        self.live = {}          # claim -> grant
        self.job = None         # description of the assignment
        self.next_claim = 1
        self.worker = ""        # worker id of the last READY
        self.seq = 0            # of the last message
        self.settle_as = "accepted"
        self.open()

    def open(self):
        self.socket = self.context.socket(zmq.ROUTER)
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.bind(self.endpoint)

    def close(self):
        """As if it were killed: parked requests are never answered."""
        self.socket.close(0)
        self.parked = None

    def destroy(self):
        self.close()
        self.context.destroy(0)

    # -- what a test says -----------------------------------------------------------------------

    def give(self, kind="render", **keys):
        """A claim for the worker; returns its number."""
        claim = self.next_claim
        self.next_claim += 1
        grant = {"claim": claim, "kind": kind, "attempt": 1, **keys}
        if kind == "render":
            grant = {"job": self.job["job"], "again": False, **grant}
        elif "about" in keys:
            grant["job"] = keys["about"]["job"]
        self.grants.append(grant)
        return claim

    def frames(self, *numbers):
        return [self.give(frame=number) for number in numbers]

    def order(self, **changes):
        self.orders = {**self.orders, "n": self.orders["n"] + 1, **changes}

    # -- what it hears --------------------------------------------------------------------------

    def of(self, claim):
        """Words of the reports about a claim."""
        return [report["what"] for report in self.reports if report["claim"] == claim]

    def report(self, claim, what):
        for report in self.reports:
            if report["claim"] == claim and report["what"] == what:
                return report
        return None

    def ended(self, claim):
        return any(word != "started" for word in self.of(claim))

    def all_ended(self, claims):
        return all(self.ended(claim) for claim in claims)

    def holding(self, claim):
        """Phase of a claim in the last SYNC."""
        for entry in self.last.get("holding", []):
            if entry["claim"] == claim:
                return entry["phase"]
        return None

    # -- the talk -------------------------------------------------------------------------------

    def until(self, condition, timeout=60.0, why=""):
        """Serve until condition() holds."""
        timeout *= PATIENCE
        end = time.monotonic() + timeout
        while not condition():
            left = end - time.monotonic()
            assert left > 0, f"not within {timeout} s: {why or condition}; reports: {self.reports}"
            if self.socket.poll(min(50, max(1, left * 1000))):
                self.receive()
            self.answer()
        return True

    def receive(self):
        frames = self.socket.recv_multipart()
        empty = frames.index(b"")
        body = msgpack.unpackb(frames[empty + 1])
        blobs = frames[empty + 2:]
        self.check(body)
        self.address = frames[:empty + 1]
        self.parked = body
        self.parked_at = time.monotonic()
        if body["t"] == "READY":
            self.ready.append(body)
        else:
            self.sync(body, blobs)

    def check(self, body):
        """What holds for every message."""
        messages.check(body, "from-worker")
        if body["t"] == "READY" and body["worker"] != self.worker:
            self.worker, self.seq = body["worker"], 0
        assert body["seq"] > self.seq, "seq must rise"
        self.seq = body["seq"]
        assert body["v"] == 1
        ended = {r["claim"] for r in body["reports"] if r["what"] != "started"}
        held = {entry["claim"] for entry in body["holding"]}
        assert not ended & held, "what has ended is not held"
        if body["t"] == "SYNC":
            assert body["want"] + len(held) <= 4

    def sync(self, body, blobs):
        if body["session"] != self.session or not self.known:
            return
        self.last = body
        self.syncs.append(body)
        blobs = list(blobs)
        for report in body["reports"]:
            entry = {"claim": report["claim"], "what": report["what"]}
            if report.get("log"):
                self.blobs[report["claim"]] = blobs.pop(0)
            if not self.report(**entry):
                self.reports.append(report)
            self.settled.append({**entry, "st": self.settle_as})
            if report["what"] != "started":
                self.live.pop(report["claim"], None)
                if report["claim"] in self.orders["stop"]:
                    self.order(stop=[c for c in self.orders["stop"] if c != report["claim"]])
        assert not blobs, "every blob belongs to a report"
        # A grant whose answer was superseded on its way: given again, first.
        named = {entry["claim"] for entry in body["holding"]}
        lost = [claim for claim in self.live if claim not in named]
        self.grants[:0] = [self.live.pop(claim) for claim in lost]

    def answer(self):
        """Answer the parked request, if there is something to say."""
        if self.mute or self.parked is None:
            return
        body = self.parked
        if body["t"] == "READY":
            self.session = body["worker"] and self.session + 1
            self.known = True
            self.send(body, grants=[], settled=[])
            return
        if body["session"] != self.session or not self.known:
            self.parked = None
            self.reply({"v": 1, "t": "READY-AGAIN", "seq": body["seq"]})
            return
        want = body["want"]
        other = [g for g in self.grants if g["kind"] != "render"]
        grants = (other + [g for g in self.grants if g["kind"] == "render"])[:want]
        over = time.monotonic() - self.parked_at >= self.park_ms / 1000
        news = self.orders["n"] > body["seen"]
        if not (grants or self.settled or self.stale or news or over or body.get("leave")):
            return
        for grant in grants:
            self.grants.remove(grant)
            self.live[grant["claim"]] = grant
        settled, self.settled = self.settled, []
        self.left = self.left or bool(body.get("leave"))
        self.send(body, grants, settled)

    def send(self, body, grants, settled):
        answer = {"v": 1, "t": "ANSWER", "seq": body["seq"], "session": self.session, "farm": FARM,
                  "park_ms": self.park_ms, "orders": self.orders, "settled": settled,
                  "stale": self.stale, "grants": grants}
        render = any(grant["kind"] == "render" for grant in grants)
        if render and body.get("job") != self.job["job"]:
            answer["job"] = self.job
        self.stale = []
        self.parked = None
        self.reply(answer)

    def reply(self, answer):
        messages.check(answer, "to-worker")
        self.socket.send_multipart([*self.address, msgpack.packb(answer)])
