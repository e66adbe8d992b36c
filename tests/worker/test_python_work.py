"""The order of things in the Python worker: its Blender and its prover are in the test's hands."""

import sys

import pytest

from workertools import ROOT, make_found

sys.path.insert(0, str(ROOT / "python"))

from dblend.worker import source, warm  # noqa: E402
from dblend.worker.blenders import Blender  # noqa: E402
from dblend.worker.child import End  # noqa: E402
from dblend.worker.device import NONE, Device  # noqa: E402
from dblend.worker.opening import Setup  # noqa: E402
from dblend.worker.reports import Reports  # noqa: E402
from dblend.worker.warm import Warm  # noqa: E402
from dblend.worker.work import Ports, Work  # noqa: E402

CPU = {"cycles": True, "used": [{"id": "CPU", "type": "CPU", "pci": ""}]}
ORDERS = {"n": 1, "pause": False, "drain": "", "return": False, "stop": []}
FILE = {"path": "/out/a.png", "bytes": 1, "width": 1, "height": 1, "view": "", "mtime_ns": 1,
        "inode": 1}


class Child:
    """A started Blender."""

    def __init__(self):
        self.commands, self.terminated = [], False

    def send(self, command):
        self.commands.append(command)

    def terminate(self):
        self.terminated = True


class FakeProver:
    ready, missing = True, False

    def __init__(self):
        self.requests = []

    def ask(self, request, _stall_ms):
        self.requests.append(request)
        return len(self.requests)


class Bench:
    def __init__(self, device=Device("cpu:0", "cpu", (0,)), **setup):
        self.now = 1000
        self.children = []
        self.prover = FakeProver()
        self.reports = Reports()
        self.looks = []
        self.file = source.Answer("/a.blend", 5)
        self.warm = Warm(self._launch, lambda: None, lambda: self.now)
        self.setup = Setup([Blender("/blender", "3.4.1", False, False)], device, **setup)
        ports = Ports(self.warm, self.prover, self._look, lambda: None, lambda: self.now)
        self.work = Work(self.setup, ports, self.reports)
        self.warm.owner = self.work
        self.work.joined("f" * 16)
        self.about = {"job": 1, "file": "/a.blend", "size": 1, "mtime_ns": 5, "hash": "0" * 64,
                      "options": {}, "found": make_found("/out")}
        self.work.assigned(self.about)
        self.claims = 0

    def _launch(self, _blender, _owner):
        self.children.append(Child())
        return self.children[-1]

    def _look(self, ask, hear):
        self.looks.append((ask, hear))

    def step(self):
        """Do what can be done, and answer the looks at files, which are all well."""
        for _ in range(4):
            self.work.step()
            self.warm.tick(self.now)
            looks, self.looks = self.looks, []
            for _, hear in looks:
                hear(self.file)

    def ready(self):
        self.step()
        self.warm.said({"event": "ready", "blender": "3.4.1", "pid": 1})
        self.step()

    def give(self, kind="render", **keys):
        self.claims += 1
        self.work.granted({"claim": self.claims, "kind": kind, "job": 1, "frame": self.claims,
                           **keys})
        self.step()
        return self.claims

    @property
    def command(self):
        return self.children[-1].commands[-1] if self.children[-1].commands else None

    def blender(self, **answer):
        """Blender's answer to its command."""
        self.warm.said({"id": 0, **answer})
        self.step()

    def prove(self, do, claim, **answer):
        """The prover's answer to its last request of this kind about a claim."""
        number = max(index for index, request in enumerate(self.prover.requests, 1)
                     if (request["do"], request["claim"]) == (do, claim))
        self.work.prover_said(number, answer)
        self.step()

    def take(self, claim):
        self.prove("look", claim, **{"is": "render"})
        if self.command is None or self.command["do"] == "open" and self.warm.state == warm.BUSY:
            self.blender(event="opened", device=CPU)

    def mine(self, claim):
        self.prove("take", claim, **{"is": "mine", "path": "/t", "paths": ["/t"]})

    def asked(self):
        return [(request["do"], request["claim"]) for request in self.prover.requests]

    def held(self):
        return {one["claim"]: one["phase"] for one in self.work.describe()["holding"]}

    def told(self):
        return [(one["claim"], one["what"]) for one in self.reports.outgoing()[0]]


@pytest.fixture
def bench():
    made = Bench()
    made.ready()
    return made


def render(bench, claim):
    bench.take(claim)
    bench.mine(claim)
    bench.blender(event="rendered", ms=5)


def test_a_warm_blender_waits_for_work(bench):
    assert len(bench.children) == 1 and bench.warm.state == warm.IDLE
    assert bench.work.describe()["want"] == 2
    assert bench.work.describe()["state"] == "idle"


def test_no_file_is_opened_before_a_frame_must_be_rendered(bench):
    one = bench.give()
    assert bench.asked() == [("look", one)] and bench.command is None
    bench.prove("look", one, **{"is": "kept", "files": [FILE]})
    assert bench.command is None and bench.told() == [(one, "kept")]


def test_the_next_frame_is_taken_before_the_last_is_proven(bench):
    one, two = bench.give(), bench.give()
    bench.take(one)
    bench.prove("look", two, **{"is": "render"})
    bench.mine(one)
    assert bench.held() == {one: "rendering", two: "ahead"} and bench.work.describe()["want"] == 0
    bench.blender(event="rendered", ms=5)
    assert bench.asked()[-2:] == [("take", two), ("prove", one)]
    assert bench.held() == {one: "proof", two: "ahead"} and bench.work.describe()["want"] == 1


def test_with_two_in_proof_blender_waits(bench):
    for _ in range(2):
        render(bench, bench.give())
    three = bench.give()
    bench.prove("look", three, **{"is": "render"})
    assert ("take", three) not in bench.asked()
    assert bench.work.describe()["want"] == 1, "four held at most"
    bench.prove("prove", 1, **{"is": "done", "files": [FILE]})
    assert ("take", three) in bench.asked()


def test_a_job_ends_with_the_answer_to_a_message_that_had_nothing_to_render(bench):
    one = bench.give()
    bench.work.describe()
    bench.work.answered(2, 0)
    assert bench.work.describe()["job"] == 1, "one is still to be rendered"
    render(bench, one)
    bench.work.answered(2, 0)
    assert bench.work.describe()["job"] == 1, "that message named a frame"
    bench.work.answered(2, 0)
    assert "job" not in bench.work.describe() and bench.held() == {one: "proof"}


def test_a_farm_that_is_paused_gets_back_what_is_ahead(bench):
    one, two = bench.give(), bench.give()
    bench.take(one)
    bench.mine(one)
    bench.work.ordered({**ORDERS, "pause": True})
    assert bench.told() == [(one, "started"), (two, "returned")]
    assert bench.held() == {one: "rendering"}
    assert bench.work.describe()["want"] == 1, "the broker gives no frames, but looks"
    bench.work.ordered({**ORDERS, "return": True})
    assert bench.work.describe()["want"] == 0


def test_a_claim_that_is_proven_just_in_time_counts(bench):
    one = bench.give()
    render(bench, one)
    bench.work.ordered({**ORDERS, "stop": [one]})
    bench.step()
    assert ("give-up", one) not in bench.asked(), "its proof ends it"
    bench.prove("prove", one, **{"is": "done", "files": [FILE]})
    assert bench.told()[-1] == (one, "finished")


def test_a_claim_that_is_lost_is_given_up_without_a_word(bench):
    one = bench.give()
    render(bench, one)
    bench.work.lost(one)
    bench.step()
    assert bench.asked()[-1] == ("give-up", one) and bench.told() == []
    bench.prove("give-up", one, **{"is": "gone"})
    assert bench.work.empty and bench.told() == []


def test_files_are_removed_once_blender_has_let_go_of_them(bench):
    one = bench.give()
    bench.take(one)
    bench.mine(one)
    bench.work.ordered({**ORDERS, "stop": [one]})
    bench.step()
    assert bench.children[0].terminated and ("give-up", one) not in bench.asked()
    bench.warm.ended(End(15, 0))
    bench.step()
    assert bench.asked()[-1] == ("give-up", one)
    bench.prove("give-up", one, **{"is": "gone"})
    assert bench.told()[-1] == (one, "returned")
    assert len(bench.children) == 2, "and a new Blender is warmed"


def test_a_grant_that_comes_again_says_nothing_new(bench):
    one = bench.give()
    bench.work.granted({"claim": one, "kind": "render", "job": 1, "frame": 1})
    assert bench.held() == {one: "ahead"}
    bench.prove("look", one, **{"is": "kept", "files": [FILE]})
    bench.work.granted({"claim": one, "kind": "render", "job": 1, "frame": 1})
    assert bench.work.empty, "its end is not settled yet"


@pytest.mark.parametrize("grant", [
    {"kind": "render", "job": 9}, {"kind": "dance", "job": 1}])
def test_what_cannot_be_taken_goes_back(bench, grant):
    bench.work.granted({"claim": 5, "frame": 1, **grant})
    assert bench.told() == [(5, "returned")]


def test_a_device_that_goes_back_to_its_owner(bench):
    one, two = bench.give(), bench.give()
    bench.take(one)
    bench.mine(one)
    bench.work.rest(True, False)
    assert bench.told()[-1] == (two, "returned") and bench.work.describe()["want"] == 0
    bench.blender(event="rendered", ms=5)
    bench.prove("prove", one, **{"is": "done", "files": [FILE]})
    assert bench.command == {"do": "quit"} and bench.work.describe()["state"] != "resting"
    bench.warm.ended(End(0, 0))
    bench.step()
    assert bench.work.describe()["state"] == "resting" and len(bench.children) == 1
    bench.work.rest(False, False)
    bench.step()
    assert len(bench.children) == 2 and bench.work.describe()["want"] == 2


def test_a_file_that_changes_while_it_is_opened_is_opened_three_times(bench):
    one = bench.give()
    changed = source.Answer(trouble=source.Trouble("file-changed", "x", "y", True))
    bench.prove("look", one, **{"is": "render"})
    for attempt in range(3):
        assert [command["do"] for command in bench.children[0].commands] == ["open"] * (attempt + 1)
        bench.warm.said({"event": "opened", "device": CPU})
        (ask, hear), = bench.looks
        bench.looks.clear()
        assert ask.opened is not None
        hear(changed)
        bench.step()
    assert bench.told() == [(one, "error")] and bench.work.empty


def test_memory_that_grows_past_the_limit_costs_a_blender(monkeypatch):
    bench = Bench(memory_bytes=1000)
    bench.ready()
    used = iter([100] * 50)
    monkeypatch.setattr(bench.warm, "rss_bytes", lambda: next(used))
    render(bench, bench.give())
    bench.prove("prove", 1, **{"is": "done", "files": [FILE]})
    monkeypatch.setattr(bench.warm, "rss_bytes", lambda: 1201)
    two = bench.give()
    bench.prove("look", two, **{"is": "render"})
    assert bench.children[0].terminated
    bench.warm.ended(End(15, 0))
    bench.ready()
    assert [command["do"] for command in bench.children[1].commands] == ["open"]


def test_an_inspectors_blender_runs_while_there_is_work():
    bench = Bench(NONE)
    bench.step()
    assert bench.children == [] and bench.work.describe()["want"] == 1
    one = bench.give("inspect", about=bench.about)
    bench.ready()
    assert bench.command["do"] == "inspect" and bench.work.describe()["want"] == 0
    bench.blender(event="inspected", found={**bench.about["found"], "outputs": []})
    assert bench.told() == [(one, "inspected")]
    bench.now += 59_999
    bench.step()
    assert bench.command["do"] == "inspect"
    bench.now += 1
    bench.step()
    assert bench.command == {"do": "quit"}


def test_an_inspection_survives_a_blender_that_is_restarted_under_it():
    bench = Bench(NONE)
    bench.give("inspect", about=bench.about)
    bench.ready()
    bench.warm.said({"event": "inspected", "found": {}})  # and it ends before the file is checked
    bench.warm.ended(End(0, 0))
    bench.looks.clear()
    bench.now += 2000
    bench.ready()
    assert bench.command["do"] == "inspect" and len(bench.children) == 2


def test_a_prover_that_dies_loses_what_it_held(bench):
    one, two = bench.give(), bench.give()
    bench.take(one)
    bench.prove("look", two, **{"is": "render"})
    bench.mine(one)
    bench.work.prover_died(set())
    assert bench.told() == [(one, "started"), (one, "returned")]
    assert bench.children[0].terminated and bench.held() == {two: "ahead"}


def test_a_blender_that_dies_is_started_after_a_pause_that_doubles(bench):
    for pause in (1000, 2000, 4000):
        bench.warm.ended(End(11, 0))
        begun = len(bench.children)
        bench.now += pause - 1
        bench.step()
        assert len(bench.children) == begun
        bench.now += 1
        bench.ready()
        assert len(bench.children) == begun + 1
    bench.warm.praise()
    bench.warm.ended(End(11, 0))
    bench.now += 1000
    bench.ready()
    assert len(bench.children) == 5


def test_an_inspector_without_a_blender_tells_the_submitter():
    bench = Bench(NONE)
    bench.setup.blenders.clear()
    one = bench.give("inspect", about=bench.about)
    bench.step()
    report, = bench.reports.outgoing()[0]
    assert (report["claim"], report["code"], report["fatal"]) == (one, "blender-missing", True)
