"""The Python worker's talk with the broker, without a socket and with a clock of our own."""

import sys

import pytest

from workertools import ROOT

sys.path.insert(0, str(ROOT / "python"))

from dblend.worker.reports import Reports  # noqa: E402
from dblend.worker.talk import Talk  # noqa: E402

ORDERS = {"n": 1, "pause": False, "drain": "", "return": False, "stop": []}


class Owner:
    """What the talk says and asks, noted."""

    def __init__(self):
        self.now = {"holding": [], "want": 2, "state": "idle"}
        self.sent, self.renewed, self.events = [], [], []

    def describe(self):
        return dict(self.now)

    def send(self, message, blobs, renew):
        self.sent.append((message, blobs))
        self.renewed.append(renew)

    def __getattr__(self, name):
        return lambda *arguments: self.events.append((name, *arguments))


class Bench:
    def __init__(self):
        self.owner, self.reports = Owner(), Reports()
        self.talk = Talk({"worker": "a" * 32}, self.owner, self.reports, 0)

    @property
    def last(self):
        return self.owner.sent[-1][0]

    def answer(self, now_ms, **keys):
        self.talk.receive({"t": "ANSWER", "seq": self.last["seq"], "session": 7, "farm": "f" * 16,
                           "park_ms": 1000, "orders": ORDERS, "settled": [], "stale": [],
                           "grants": [], **keys}, now_ms)
        return self.talk.tick(now_ms)


@pytest.fixture
def bench():
    made = Bench()
    made.talk.tick(0)
    return made


def words(bench):
    return [message["t"] for message, _ in bench.owner.sent]


def test_ready_comes_first_and_a_sync_follows_every_answer(bench):
    assert words(bench) == ["READY"]
    assert bench.answer(10) == 3010
    assert words(bench) == ["READY", "SYNC"]
    assert (bench.last["session"], bench.last["seen"]) == (7, 1)
    assert [message["seq"] for message, _ in bench.owner.sent] == [1, 2]
    assert ("joined", "f" * 16) in bench.owner.events


def test_what_happens_meanwhile_supersedes_what_is_parked(bench):
    bench.answer(10)
    bench.talk.touch()
    bench.talk.tick(500)
    assert bench.last["seq"] == 3
    bench.talk.receive({"t": "ANSWER", "seq": 2}, 600)  # the answer to what was superseded
    assert bench.talk.heard_ms == 10


def test_the_order_within_an_answer(bench):
    bench.answer(10)
    bench.owner.events.clear()
    bench.answer(20, stale=[3], job={"job": 9}, grants=[{"claim": 5}])
    assert [event[0] for event in bench.owner.events] == ["lost", "assigned", "granted", "ordered",
                                                          "answered"]
    assert bench.owner.events[-1] == ("answered", 2, 1)


def test_an_overdue_answer_is_asked_for_on_a_timer_and_on_nothing_else(bench):
    due = bench.answer(0)
    assert due == 3000 and bench.talk.tick(2999) == 3000
    pauses = []
    for _ in range(8):
        now = due
        due = bench.talk.tick(now)
        pauses.append(due - now)
        sent = len(bench.owner.sent)
        bench.talk.touch()
        bench.talk.tick(due - 1)
        assert len(bench.owner.sent) == sent, "only the timer sends"
    for pause, middle in zip(pauses, [1000, 2000, 4000, 8000, 10000, 10000]):
        assert 0.8 * middle <= pause <= 1.2 * middle
    assert bench.owner.renewed[2:] == [False, False, True] * 2 + [False, False]
    assert bench.answer(due) == due + 3000
    bench.talk.touch()
    bench.talk.tick(due + 1)
    assert bench.last["seq"] == len(bench.owner.sent), "each send has the next number"


def test_a_broker_that_does_not_know_us_hears_ready_with_what_is_held(bench):
    bench.answer(0)
    bench.owner.now.update(job=4, holding=[{"claim": 8, "phase": "rendering"}])
    bench.reports.add(6, "finished", log=b"Fra:1", ms=5)
    bench.talk.touch()
    bench.talk.tick(1)
    assert bench.owner.sent[-1][1] == [b"Fra:1"]
    bench.talk.receive({"t": "READY-AGAIN", "seq": bench.last["seq"]}, 2)
    bench.talk.tick(2)
    assert bench.last["t"] == "READY" and bench.owner.sent[-1][1] == []
    assert bench.last["job"] == 4 and bench.last["holding"] == [{"claim": 8, "phase": "rendering"}]
    assert [(report["claim"], report["log"]) for report in bench.last["reports"]] == [(6, None)]
    bench.answer(3, orders={**ORDERS, "n": 0})
    assert bench.last["seen"] == 0, "orders of another session are counted anew"


def test_a_report_goes_into_every_message_until_it_is_settled(bench):
    bench.answer(0)
    bench.reports.add(6, "started")
    bench.reports.add(6, "finished")
    for now in (1, 2):
        bench.answer(now)
        assert [report["what"] for report in bench.last["reports"]] == ["started", "finished"]
    bench.answer(3, settled=[{"claim": 6, "what": "finished", "st": "accepted"}])
    assert [report["what"] for report in bench.last["reports"]] == ["started"]


def test_the_last_message_and_its_answer(bench):
    bench.answer(0)
    bench.owner.now["leave"] = True
    bench.talk.touch()
    bench.talk.tick(1)
    assert ("left",) not in bench.owner.events
    bench.answer(2)
    assert ("left",) in bench.owner.events


def test_a_refusal_is_told(bench):
    bench.talk.receive({"t": "REFUSED", "seq": 1, "code": "version", "text": "no", "hint": "go"}, 1)
    assert bench.owner.events == [("refused", "no; go")]


def test_one_message_has_eight_reports_and_four_logs():
    reports = Reports()
    for claim in range(1, 13):
        reports.add(claim, "finished", log=b"x" if claim > 2 else b"")
    chosen, logs = reports.outgoing()
    assert ([report["claim"] for report in chosen], len(logs)) == ([1, 2, 3, 4, 5, 6], 4)
    for claim in range(1, 9):
        reports.settle(claim, "finished")
    assert len(reports) == 4 and not reports.ended(3) and reports.ended(9)


def test_what_would_be_dropped_is_shortened():
    reports = Reports()
    questions = [{"code": "x", "text": "ä" * 5000, "hint": None}] * 100
    reports.add(1, "inspected", questions=questions, found={"camera": "a\0b"})
    reports.add(2, "error", text="\udcff", code="crashed")
    (first, second), _ = reports.outgoing()
    assert len(first["questions"]) == 60
    assert len(first["questions"][0]["text"].encode()) < 4096
    assert first["found"]["camera"] == "a?b" and second["text"] == "?"


def test_large_reports_go_one_by_one():
    reports = Reports()
    for claim in (1, 2):
        reports.add(claim, "kept", files=[{"path": "/" + "x" * 3000}] * 30)
    assert [report["claim"] for report in reports.outgoing()[0]] == [1]
