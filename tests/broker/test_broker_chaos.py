"""Random histories: answers lost, messages doubled, workers and brokers killed, at any moment."""

import collections
import random

import pytest

from brokertools import NoAnswer, Worker, found_of, spec_of

WORKERS = 4
STEPS = 120


class Chaos:
    def __init__(self, broker, seed):
        self.broker = broker
        self.random = random.Random(seed)
        self.workers = [self.new_worker() for _ in range(WORKERS)]

    def new_worker(self):
        worker = Worker(self.broker)
        worker.begun = False
        return worker

    def do_some(self, worker):
        """Go on with some of what the worker holds."""
        for claim, held in list(worker.holding.items()):
            grant = held["grant"]
            if self.random.random() < 0.3 or len(worker.reports) >= 6:
                continue
            if grant["kind"] != "render":
                worker.handle(grant, found_of_job(grant["job"]))
            elif self.random.random() < 0.1:
                worker.report(claim, "returned")
            else:
                worker.report(claim, "started", ends=False, blender="3.4.1")
                worker.finish(claim)
        if worker.job and not any(held["grant"]["kind"] == "render"
                                  for held in worker.holding.values()):
            if self.random.random() < 0.3:
                worker.job = None

    def step(self):
        worker = self.random.choice(self.workers)
        chance = self.random.random()
        if chance < 0.04:
            self.broker.kill()
            self.broker.start()
        elif chance < 0.07:
            worker.close()
            self.workers[self.workers.index(worker)] = self.new_worker()
            return
        if worker.begun:
            self.do_some(worker)
            body = worker.sync_body(want=self.random.randint(0, 3), state="rendering")
        else:
            body = worker.ready_body()
        self.talk(worker, body)

    def talk(self, worker, body):
        chance = self.random.random()
        worker.send(body)
        if chance < 0.1:
            worker.connect()  # the answer is lost
            return
        if chance < 0.15:
            worker.send(body)  # doubled: the second one is never answered
            worker.connect()
            return
        if chance < 0.2:
            self.broker.kill()
            self.broker.start()
            worker.connect()
            return
        try:
            self.note(worker, worker.receive(0.3))
        except NoAnswer:
            worker.connect()  # it is parked, and the next message supersedes it

    def note(self, worker, answer):
        worker.begun = answer["t"] != "READY-AGAIN"
        if worker.begun:
            worker.take(answer)

    def end(self, submitter):
        """No more trouble: everything is worked to its end."""
        survivors = self.workers
        for _ in range(2000):
            if all(job["state"] == "done" for job in submitter.ask("LIST", all=True)["jobs"]):
                return
            for worker in survivors:
                body = worker.ready_body() if not worker.begun else None
                if body is None:
                    for held in list(worker.holding.values()):
                        if len(worker.reports) < 7:
                            worker.handle(held["grant"], found_of_job(held["grant"]["job"]))
                    if worker.job and not worker.holding and not worker.reports:
                        worker.job = None
                    body = worker.sync_body(want=2)
                worker.send(body)
                try:
                    self.note(worker, worker.receive(3))
                except NoAnswer:
                    worker.connect()
        raise AssertionError("the jobs never were done")


def found_of_job(number):
    return found_of(1, 12, outputs=[{"view": "", "head": f"/render/{number}_", "digits": 4,
                                     "tail": ".png"}])


@pytest.mark.parametrize("seed", range(2))
def test_nothing_is_lost_and_nothing_is_done_twice(make_broker, seed):
    broker = make_broker().start()
    broker.submitter().submit(*[spec_of(f"/scenes/{i}.blend") for i in range(3)])
    chaos = Chaos(broker, seed)
    for _ in range(STEPS):
        chaos.step()
    submitter = broker.submitter()
    chaos.end(submitter)

    events = collections.Counter((event["job"], event["frame"]) for event in submitter.events()
                                 if event["event"] == "frame-done")
    assert sorted(events) == [(job, frame) for job in (1, 2, 3) for frame in range(1, 13)]
    assert set(events.values()) == {1}
    assert submitter.words().count("job-done") == 3
    assert broker.stop() == 0
    assert broker.run("--check").returncode == 0
