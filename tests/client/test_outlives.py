"""The talk with a broker that is away, starts anew, loses answers, or is none."""

import asyncio
import socket
import threading
import time

import dblend
import msgpack
import pytest
import zmq
from brokertools import PATIENCE, Broker, until
from dblend import aio
from dblend.talk import Times

HASTY = Times(overdue_s=0.2)


class Front:
    """Stands in front of a broker, or for one: what it answers is the test's."""

    def __init__(self, folder, answer):
        self.endpoint = f"ipc://{folder}/front.sock"
        self.answer = answer
        self.bodies = []
        self.context = zmq.Context()
        self.router = self.context.socket(zmq.ROUTER)
        self.router.bind(self.endpoint)
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def serve(self):
        while not self.ended.is_set():
            if self.router.poll(20):
                *envelope, body = self.router.recv_multipart()
                self.bodies.append(body)
                frames = self.answer(len(self.bodies), body)
                if frames is not None:
                    self.router.send_multipart([*envelope, *frames])

    def close(self):
        self.ended.set()
        self.thread.join()
        self.context.destroy(linger=0)


@pytest.fixture
def front(tmp_path):
    """front(answer): answer(number of the request, its body) is the frames to send, or None."""
    made = []

    def make(answer):
        made.append(Front(tmp_path, answer))
        return made[-1]

    yield make
    for one in made:
        one.close()


def relay(broker, loses):
    """Answers as the broker does, but those of these numbers get lost after it has acted."""
    peer = broker.submitter()

    def answer(number, body):
        peer.send_parts([body])
        assert peer.socket.poll(10_000)
        frames = peer.socket.recv_multipart()
        return None if number in loses else frames

    return answer


def test_no_farm_is_said_within_a_second_and_how_to_start_one(tmp_path):
    begun = time.monotonic()
    with pytest.raises(dblend.NoBroker) as none:
        dblend.Farm.connect(tmp_path)
    assert time.monotonic() - begun < PATIENCE
    assert none.value.code == "no-broker" and "dblend farm" in none.value.hint
    with pytest.raises(dblend.NoBroker):
        asyncio.run(aio.Farm.connect(tmp_path))


def test_a_socket_that_a_killed_broker_left_is_no_farm(broker):
    broker.kill()
    with pytest.raises(dblend.NoBroker):
        dblend.Farm.connect(broker.home)


def test_whoever_listens_and_never_answers_is_no_broker(front):
    deaf = front(lambda number, body: None)
    with pytest.raises(dblend.NoBroker, match="does not answer"):
        dblend.Farm.connect(deaf.endpoint, times=Times(first_s=0.1, deaf_s=0.4))
    assert len(deaf.bodies) > 1 and set(deaf.bodies) == {deaf.bodies[0]}


def test_a_lost_answer_changes_nothing_twice(front, broker, blend):
    lossy = front(relay(broker, loses={2, 3, 4, 5}))
    with dblend.Farm.connect(lossy.endpoint, times=HASTY) as farm:
        job = farm.submit(blend(), frames="1-3")  # HELLO for the farm's id, then SUBMIT
        assert job.number == 1 and len(lossy.bodies) >= 5
        assert len(farm.jobs()) == 1
        job.cancel()
    assert broker.submitter().words().count("job-added") == 1


def test_an_answer_of_another_kind_is_malformed(front):
    answers = {1: [msgpack.packb({"v": 1, "t": "OK", "farm": "0" * 16})], 2: [b"\xc1"],
               3: [msgpack.packb({"v": 1, "t": "GRANT"})], 4: [b"", b""],
               5: [msgpack.packb({"v": 1, "t": "OK"})],
               6: [msgpack.packb({"v": 2, "t": "ERROR", "code": "version", "text": "no"})]}
    odd = front(lambda number, body: answers[number])
    with dblend.Farm.connect(odd.endpoint) as farm:
        for _ in range(4):
            with pytest.raises(dblend.Malformed):
                farm.hello()
        with pytest.raises(dblend.VersionRefused):
            farm.hello()


def test_a_wait_outlives_the_broker(broker, blend, working):
    with dblend.Farm.connect(broker.home, times=HASTY) as farm:
        job = farm.submit(blend(), frames="1-3", output="/render/shot_####")
        states = []
        waiting = threading.Thread(target=lambda: states.append(job.wait(60)["state"]))
        waiting.start()
        broker.restart()
        ended = threading.Event()
        working(ended.is_set)
        waiting.join()
        ended.set()
        assert states == ["done"]


def test_events_go_on_where_they_were(broker, blend):
    with dblend.Farm.connect(broker.home, times=HASTY) as farm:
        events = farm.events(after=0)
        assert [next(events)["event"], farm.submit(blend("a")) and next(events)["event"]] == [
            "broker-started", "job-added"]
        broker.restart()
        farm.submit(blend("b"))
        later = [next(events) for _ in range(2)]
        assert [event["event"] for event in later] == ["broker-started", "job-added"]
        assert [event["id"] for event in later] == [3, 4]


def test_a_submit_waits_for_the_broker_to_come_back(broker, blend):
    path = blend()
    with dblend.Farm.connect(broker.home, times=HASTY) as farm:
        broker.kill()
        results = []
        many = [{"file": path, "output": f"/render/{number}_####"} for number in range(300)]
        submitting = threading.Thread(target=lambda: results.extend(farm.submit_many(many)))
        submitting.start()
        broker.start()
        submitting.join()
        assert [job.number for job in results] == list(range(1, 301))


def test_a_broker_that_dies_between_two_messages_loses_and_doubles_nothing(broker, blend):
    path = blend()
    with dblend.Farm.connect(broker.home, times=HASTY) as farm, \
            dblend.Farm.connect(broker.home) as other:

        def items():
            for number in range(1500):
                if number in (600, 1100):  # some messages are answered, one is being made
                    until(lambda: other.hello()["last_job"] >= 256, "the first ones are queued")
                    broker.restart()
                yield {"file": path, "output": f"/render/{number}_####"}

        results = farm.submit_many(items())
        assert [job.number for job in results] == list(range(1, 1501))
        assert other.jobs() == results


def test_a_broker_that_stays_away_is_lost(broker):
    gone = Times(overdue_s=0.1, outlive_s=0.5)
    with dblend.Farm.connect(broker.home, times=gone) as farm:
        broker.kill()
        with pytest.raises(dblend.BrokerLost) as lost:
            farm.hello()
        assert "dblend farm" in lost.value.hint
        broker.start()
        assert farm.hello()["workers"] == 0


def test_a_request_has_its_time(broker):
    with dblend.Farm.connect(broker.home, timeout=0.3) as farm:
        broker.kill()
        with pytest.raises(dblend.TimeIsOver):
            farm.hello()


def test_the_same_key_makes_one_job_also_for_another_process(broker, blend):
    path = blend()
    with dblend.Farm.connect(broker.home) as farm:
        first = farm.submit(path, key="shot42-v3", frames="1-250")
    broker.restart()
    with dblend.Farm.connect(broker.home) as farm:
        again = farm.submit(path, key="shot42-v3", frames="1-250")
        assert (again.number, first.repeated, again.repeated) == (1, False, True)
        with pytest.raises(dblend.KeyUsed) as used:
            farm.submit(path, key="shot42-v3", frames="1-251")
        assert (used.value.code, used.value.job) == ("key-used", 1)
        assert len(farm.jobs()) == 1


def test_over_tcp_nobody_is_nobody_too():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(dblend.NoBroker):
        dblend.Farm.connect(f"tcp://127.0.0.1:{port}")


def test_tasks_wait_side_by_side_through_a_restart(broker, blend, working):
    path = blend()

    async def go():
        async with await aio.Farm.connect(broker.home, times=HASTY) as farm:
            jobs = await farm.submit_many(
                {"file": path, "frames": str(number), "output": "/render/shot_####"}
                for number in range(1, 9))
            waiting = [asyncio.create_task(job.wait(60)) for job in jobs]
            await asyncio.get_running_loop().run_in_executor(None, broker.restart)
            begun = time.monotonic()
            await farm.hello()  # is not held up by those who wait
            assert time.monotonic() - begun < 10
            ended = threading.Event()
            working(ended.is_set)
            infos = await asyncio.gather(*waiting)
            ended.set()
            return [info["state"] for info in infos]

    assert asyncio.run(go()) == ["done"] * 8


def test_a_second_broker_is_another_farm(broker, tmp_path, blend):
    other = Broker(tmp_path / "second").start()
    try:
        with dblend.Farm.connect(other.home) as two, dblend.Farm.connect(broker.home) as one:
            job = one.submit(blend())
            assert two.jobs() == [] and one.jobs() == [job] and job != two.job(job.number)
            until(lambda: two.hello()["jobs"] == 0, "nothing came to the other")
    finally:
        other.close()
