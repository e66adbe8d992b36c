"""The talk with workers when messages are lost, doubled, late or wrong, and when brokers die."""

import os
import subprocess
import sys

import msgpack
import pytest
import zmq

from brokertools import SOON_S, NoAnswer, found_of, real_spec_of, spec_of, until


@pytest.fixture
def worker(broker):
    worker = broker.worker()
    worker.ready()
    return worker


def test_a_killed_broker_has_lost_nothing_that_it_acknowledged(broker, submitter):
    """kill -9 after each answer; the worker says READY and goes on with what it holds."""
    [answer] = submitter.submit(spec_of())
    number = answer["job"]
    worker = broker.worker()
    other = submitter
    worker.ready()
    done = set()
    for _ in range(60):
        broker.restart()
        other = broker.submitter()
        assert {frame for frame, state in (other.states(number) if done else {}).items()
                if state == "done"} >= done
        worker.connect()
        again = worker.sync()
        assert again["t"] == "READY-AGAIN"
        held = set(worker.holding)
        answer = worker.ready()
        assert answer["stale"] == []
        assert held <= set(worker.holding)
        for claim in list(worker.holding):
            grant = worker.holding[claim]["grant"]
            worker.handle(grant, found_of())
            if grant["kind"] == "render":
                done.add(grant["frame"])
            break
        if not worker.holding and not worker.reports:
            worker.job = None
        worker.sync(want=2)
        if len(done) == 3 and not worker.reports:
            break  # the last look begins again in each life, so that one has to be long enough
    else:
        raise AssertionError("60 lives of the broker were not enough")
    worker.work(lambda: other.state(number) == "done")
    words = other.words(job=number)
    assert words.count("frame-done") == 3
    assert words.count("job-done") == 1
    assert sorted(worker.done) == [1, 2, 3]


def test_a_report_whose_answer_was_lost_counts_once(broker, submitter, worker):
    [answer] = submitter.submit(spec_of())
    worker.inspect()
    claim = worker.claim_of("render", want=1)
    worker.finish(claim)
    worker.send(worker.sync_body())
    until(lambda: "done" in submitter.states(answer["job"]).values(), "the frame is done")
    worker.connect()  # the answer is lost, the report goes out again
    answer_again = worker.sync()
    assert [(s["claim"], s["st"]) for s in answer_again["settled"]] == [(claim, "accepted")]
    assert submitter.words(job=answer["job"]).count("frame-done") == 1


def test_a_doubled_message_is_ignored(broker, submitter, worker):
    submitter.submit(spec_of())
    worker.inspect()
    body = worker.sync_body(want=2)
    worker.send(body)
    first = worker.take(worker.receive())
    worker.send(body)
    with pytest.raises(NoAnswer):
        worker.receive(0.3)
    assert first["grants"]
    worker.sync()


def test_a_late_message_is_ignored(worker):
    old = worker.sync_body(want=4)
    worker.sync()
    worker.send(old)
    with pytest.raises(NoAnswer):
        worker.receive(0.3)
    assert worker.sync()["t"] == "ANSWER"


def test_a_lost_grant_is_granted_again(broker, submitter, worker):
    submitter.submit(spec_of())
    worker.inspect()
    worker.send(worker.sync_body(want=1))
    lost = worker.receive()
    assert len(lost["grants"]) == 1 and lost["grants"][0]["kind"] == "render"
    worker.job = None
    again = worker.sync(want=1)
    assert [g["claim"] for g in again["grants"]] == [g["claim"] for g in lost["grants"]]
    assert again["job"]["job"] == lost["job"]["job"]


def test_a_worker_that_died_gives_back_what_it_held(broker, submitter, worker):
    [answer] = submitter.submit(spec_of())
    worker.inspect()
    worker.claim_of("render", want=2)
    frames = set(worker.frames_held())
    worker.send(worker.sync_body())
    worker.close()
    until(lambda: "claimed" not in submitter.states(answer["job"]).values(), "all are waiting")
    assert "worker-lost" in submitter.words()
    second = broker.worker()
    second.ready()
    second.work(lambda: submitter.state(answer["job"]) == "done")
    assert set(second.done) >= frames


WORKER_BY_ITSELF = """
import signal, sys, types
sys.path.insert(0, sys.argv[1])
import zmq
from brokertools import Worker
worker = Worker(types.SimpleNamespace(context=zmq.Context(), peers=[], workers_endpoint=sys.argv[2]))
worker.ready()
worker.inspect()
worker.claim_of("render", want=2)
print(worker.frames_held(), flush=True)
signal.pause()
"""


def test_a_worker_killed_between_two_requests_costs_no_lease(broker, submitter):
    """No answer is on its way that could not be delivered: only the kernel knows."""
    [answer] = submitter.submit(spec_of())
    folder = os.path.dirname(__file__)
    with subprocess.Popen([sys.executable, "-c", WORKER_BY_ITSELF, folder, broker.workers_endpoint],
                          stdout=subprocess.PIPE, text=True) as victim:
        assert "1" in victim.stdout.readline()
        victim.kill()
    until(lambda: "claimed" not in submitter.states(answer["job"]).values(), "all are waiting",
          SOON_S)
    assert "worker-lost" in submitter.words()


def test_a_claim_that_went_to_another_is_stale(broker, submitter, worker):
    [answer] = submitter.submit(spec_of(frames=[1, 1, 1]))
    worker.inspect()
    claim = worker.claim_of("render", want=1)
    worker.send(worker.sync_body())
    worker.close()
    until(lambda: submitter.states(answer["job"]) == {1: "waiting"}, "the frame is back")
    second = broker.worker()
    second.ready()
    second.work(lambda: submitter.state(answer["job"]) == "done")

    worker.finish(claim)
    worker.connect()
    assert worker.sync()["t"] == "READY-AGAIN"
    ready = worker.ready()
    settled = ready["settled"] or worker.sync()["settled"]
    assert [(s["claim"], s["st"]) for s in settled] == [(claim, "stale")]
    assert submitter.frames(answer["job"])[1]["worker"] == second.name


def test_a_ready_ends_the_older_session(broker, submitter, worker):
    submitter.submit(spec_of())
    worker.inspect()
    worker.claim_of("render", want=2)
    old = worker.session
    held = set(worker.holding)
    worker.holding.clear()
    answer = worker.ready()
    assert answer["session"] != old
    again = worker.sync(want=2)
    assert held <= set(worker.holding), again
    body = worker.sync_body()
    body["session"] = old
    worker.send(body)
    assert worker.receive()["t"] == "READY-AGAIN"


def test_a_parked_worker_is_told_at_once_when_a_job_comes(broker, submitter, worker):
    worker.send(worker.sync_body(want=1))
    submitter.submit(spec_of())
    answer = worker.take(worker.receive(0.9))
    assert [grant["kind"] for grant in answer["grants"]] == ["inspect"]


def test_who_leaves_is_stopped_and_not_lost(broker, submitter, worker):
    answer = worker.sync(leave=True)
    assert answer["t"] == "ANSWER"
    until(lambda: "worker-stopped" in submitter.words(), "it has stopped")
    assert "worker-lost" not in submitter.words()
    assert submitter.ask("WORKERS")["workers"] == []


def test_a_drained_worker_is_told_so(broker, submitter, worker):
    [result] = submitter.change("DRAIN", worker=worker.name)["results"]
    assert result["ok"]
    until(lambda: worker.sync()["orders"]["drain"] == "soft", "it is told to leave")
    [result] = submitter.change("DRAIN", worker="host/none-such")["results"]
    assert not result["ok"]


def test_another_version_is_refused(broker, submitter):
    worker = broker.worker()
    worker.send({**worker.ready_body(), "v": 2})
    answer = worker.receive()
    assert answer["t"] == "REFUSED" and answer["code"] == "version"
    submitter.send({"t": "HELLO", "v": 2})
    answer = submitter.receive()
    assert answer["t"] == "ERROR" and answer["code"] == "version"


def test_phases_are_shown(broker, submitter, worker):
    submitter.submit(spec_of())
    worker.inspect()
    claim = worker.claim_of("render", want=1)
    worker.report(claim, "started", ends=False, blender="3.4.1")
    worker.holding[claim]["phase"] = "rendering"
    worker.send(worker.sync_body(state="rendering", progress={
        "claim": claim, "text": "sample 128/512", "done": 128, "total": 512}))
    worker.take(worker.receive())
    [row] = submitter.ask("WORKERS")["workers"]
    assert row["phase"] == "sample 128/512" and row["phase_total"] == 512
    assert row["state"] == "rendering" and row["job"] == worker.job
    assert row["frames"] == [1] and row["blender"] == ["3.4.1"]


def test_formats_without_a_stamp_come_with_what_is_known(broker, submitter, worker, tmp_path):
    found = found_of(stamped=False, format="BMP", outputs=[
        {"view": "", "head": "/render/shot_", "digits": 4, "tail": ".png"}])
    [answer] = submitter.submit(real_spec_of(tmp_path / "shot.blend", frames=[1, 2, 1]))
    worker.inspect(found=found)
    worker.work(lambda: submitter.state(answer["job"]) == "done", found)
    submitter.change("RETRY", jobs=[answer["job"]], all=True)
    claim = worker.claim_of("render", want=1)
    grant = worker.holding[claim]["grant"]
    [known] = grant["known"]
    assert known["path"] == "/render/shot_%04d.png" % grant["frame"]
    assert known["digest"] == "dblend:" + "d" * 32 + ":3.4"


# ---- wrong bytes ----

def wrong_bodies():
    good = {"v": 1, "t": "HELLO"}
    deep = {"v": 1, "t": "HELLO", "x": 0}
    for _ in range(20):
        deep = {"v": 1, "t": "HELLO", "x": deep}
    return {
        "nothing": b"",
        "never-used byte": b"\xc1",
        "array of 4 billion": b"\xdd\xff\xff\xff\xff",
        "map of 4 billion": b"\xdf\xff\xff\xff\xff",
        "array of 268 million": b"\xdd\x10\x00\x00\x00",
        "nested arrays": b"\xdd\x08\x00\x00\x00" * 31,
        "deep": msgpack.packb(deep),
        "no map": msgpack.packb([1, 2, 3]),
        "two maps": msgpack.packb(good) * 2,
        "cut": msgpack.packb(good)[:-1],
        "extension": b"\x82\xa1v\x01\xa1t\xd4\x01\x00",
        "binary": msgpack.packb({"v": 1, "t": b"HELLO"}),
        "no UTF-8": b"\x82\xa1v\x01\xa1t\xa5H\xff\xfe\xfdO",
        "NUL in a string": msgpack.packb({"v": 1, "t": "HEL\0O"}),
        "key twice": b"\x82\xa1v\x01\xa1v\x01",
        "key that is no string": msgpack.packb({1: 1}, use_bin_type=True),
        "not finite": msgpack.packb({"v": 1, "t": "HELLO", "x": float("nan")}),
        "too large an integer": msgpack.packb({"v": 1, "t": "HELLO", "x": 2 ** 63}),
        "long string": msgpack.packb({"v": 1, "t": "HELLO", "x": "x" * 5000}),
        "many values": msgpack.packb({"v": 1, "t": "HELLO", "x": [0] * 20000}),
        "random": os.urandom(200),
    }


WRONG = wrong_bodies()


@pytest.mark.parametrize("name", WRONG)
def test_wrong_bodies_are_dropped_and_others_keep_working(broker, submitter, worker, name):
    for peer in (broker.worker(), broker.submitter()):
        peer.send_parts([WRONG[name]])
        with pytest.raises(NoAnswer):
            peer.receive(0.1)
    dropped = submitter.ask("HELLO")["dropped"]
    assert dropped == {"workers": 1, "submitters": 1}
    assert worker.sync()["t"] == "ANSWER"


@pytest.mark.parametrize("parts", [
    [b""], [b"", b"", b""], [b"abc"], [b"abcd"], [b"abcd", b""],
    [b"abcd", b""] + [b"x"] * 7, [b"abcd", b"x", b""], [b"", b"body"],
], ids=repr)
def test_wrong_envelopes_are_dropped(broker, submitter, worker, parts):
    for endpoint in (broker.workers_endpoint, broker.submitters_endpoint):
        dealer = broker.context.socket(zmq.DEALER)
        dealer.setsockopt(zmq.LINGER, 1000)
        dealer.connect(endpoint)
        dealer.send_multipart(parts)
        dealer.close()
    until(lambda: sum(submitter.ask("HELLO")["dropped"].values()) == 2, "both are counted")
    assert worker.sync()["t"] == "ANSWER"


def test_a_chosen_routing_id_is_dropped(broker, submitter):
    peer = broker.context.socket(zmq.REQ)
    peer.setsockopt(zmq.REQ_RELAXED, 1)
    peer.setsockopt(zmq.REQ_CORRELATE, 1)
    peer.setsockopt(zmq.LINGER, 0)
    peer.setsockopt(zmq.IDENTITY, b"chosen")
    peer.connect(broker.submitters_endpoint)
    peer.send(msgpack.packb({"v": 1, "t": "HELLO"}))
    until(lambda: submitter.ask("HELLO")["dropped"]["submitters"] == 1, "it is counted")
    peer.close()


WRONG_MESSAGES = {
    "unknown type": {"t": "FORMAT-DISK"},
    "type of the other socket": {"t": "LIST", "all": True},
    "no session": {"session": None},
    "seq of a wrong type": {"t": "SYNC", "seq": "5"},
    "negative want": {"want": -1},
    "want too much": {"want": 5},
    "unknown phase": {"holding": [{"claim": 1, "phase": "sleeping"}]},
    "too many held": {"holding": [{"claim": i, "phase": "ahead"} for i in range(1, 10)]},
    "unknown report": {"reports": [{"claim": 1, "what": "exploded"}]},
    "report without its keys": {"reports": [{"claim": 1, "what": "finished"}]},
    "claim 0": {"reports": [{"claim": 0, "what": "started", "blender": "3.4.1"}]},
    "a state of the broker's": {"state": "lost"},
    "session of a wrong type": {"session": [1]},
    "job is a map": {"job": {}},
}


@pytest.mark.parametrize("name", WRONG_MESSAGES)
def test_malformed_syncs_are_dropped(broker, submitter, worker, name):
    worker.send({**worker.sync_body(), **WRONG_MESSAGES[name]})
    with pytest.raises(NoAnswer):
        worker.receive(0.1)
    assert submitter.ask("HELLO")["dropped"]["workers"] == 1
    assert worker.sync()["t"] == "ANSWER"


def test_a_malformed_ready_is_refused(broker):
    worker = broker.worker()
    worker.send({**worker.ready_body(), "worker": "short"})
    answer = worker.receive()
    assert answer["t"] == "REFUSED" and answer["code"] == "malformed"


@pytest.mark.parametrize("request_body", [
    {"t": "SUBMIT", "jobs": []},
    {"t": "SUBMIT", "key": "", "jobs": []},
    {"t": "SUBMIT", "key": "k", "jobs": [{}]},
    {"t": "SHOW"},
    {"t": "SHOW", "job": -1},
    {"t": "WAIT", "jobs": ["1"], "wait_ms": 0},
    {"t": "PRIORITY", "key": "k", "job": 1, "priority": 101},
    {"t": "NO-SUCH-REQUEST"},
    {"t": "READY"},
], ids=str)
def test_malformed_requests_are_told_so(submitter, request_body):
    submitter.send(request_body)
    answer = submitter.receive()
    assert answer["t"] == "ERROR" and answer["text"]
    assert submitter.ask("HELLO")["t"] == "OK"


def test_output_that_is_promised_and_missing_is_counted(broker, submitter, worker):
    submitter.submit(spec_of())
    worker.inspect()
    claim = worker.claim_of("render", want=1)
    worker.report(claim, "error", code="crashed", text="x", log=True)
    worker.sync()
    assert submitter.ask("HELLO")["dropped"]["workers"] == 1
    assert worker.reports == []


def test_output_that_is_no_text_can_be_read(broker, submitter, worker):
    [answer] = submitter.submit(spec_of(frames=[1, 1, 1]))
    worker.inspect()
    claim = worker.claim_of("render", want=1)
    worker.report(claim, "error", code="crashed", text="x", log=True)
    worker.sync(blobs=[bytes(range(256)) * 700 + "ä".encode() * 1000])
    text = ""
    offset = 0
    while offset is not None:
        page = submitter.ask("OUTPUT", job=answer["job"], frame=1, offset=offset)
        text += "\n".join(page["lines"])
        offset = page["next"]
    assert text.count("ä") == 1000
    assert len(text) > 170000


def test_tcp_is_for_this_machine_only(make_broker):
    broker = make_broker()
    assert broker.run("--listen", "tcp://*:5680").returncode == 2
    refused = broker.run("--insecure-listen", "tcp://0.0.0.0:5680")
    assert refused.returncode == 2 and "127.0.0.1" in refused.stderr
    broker.start("--insecure-listen", "tcp://127.0.0.1:*")
    worker = broker.worker(remote=True)
    assert worker.ready()["t"] == "ANSWER"
    submitter = broker.submitter()
    submitter.submit(spec_of())
    worker.work(lambda: submitter.state(1) == "done")
