"""The talk by itself: no socket, no broker, and a clock that the test turns."""

import doctest

import dblend
import pytest
from dblend import messages, objects, paths, wire
from dblend.errors import BrokerLost, NoBroker, TimeIsOver
from dblend.operations import Operations
from dblend.talk import Send, Talk, Times

OK = wire.encode({"t": "OK", "farm": "0" * 16}, wire.TO_SUBMITTER)


class Driven:
    """An operation, and what it did so far: the test says what comes back."""

    def __init__(self, heard=True, listening=True, **times):
        self.now = 100.0
        self.talk = Talk("ipc:///nowhere", Times(**times), lambda: self.now)
        self.talk.heard = heard
        self.listening = listening
        self.sent = []

    def silent(self, operation, times=1000):
        """Nothing answers, so often."""
        result = None
        for _ in range(times):
            action = operation.send(result)
            if isinstance(action, Send):
                self.sent.append(action)
                self.now += action.wait_s
                result = None
            else:
                result = self.listening
        return operation


def test_it_is_sent_again_byte_for_byte_each_third_time_through_a_new_socket():
    driven = Driven()
    driven.silent(driven.talk.ask({"t": "HELLO"}), times=8)
    assert len({action.body for action in driven.sent}) == 1
    assert [action.renew for action in driven.sent] == [False] * 3 + [True] + [False] * 2 + [True, False]
    assert {action.wait_s for action in driven.sent} == {2.0}


def test_a_change_keeps_its_key_when_it_is_sent_again():
    driven = Driven()
    driven.silent(Operations(driven.talk).change("CLEAR"), times=3)
    keys = [wire.decode(action.body, wire.FROM_SUBMITTER)["key"] for action in driven.sent]
    assert len(keys) == 3 and len(set(keys)) == 1
    driven.silent(Operations(driven.talk).change("CLEAR"), times=1)
    assert wire.decode(driven.sent[-1].body, wire.FROM_SUBMITTER)["key"] not in keys


def test_the_answer_ends_it():
    driven = Driven()
    asking = driven.silent(driven.talk.ask({"t": "HELLO"}), times=2)
    with pytest.raises(StopIteration) as end:
        asking.send(OK)
    assert end.value.value["farm"] == "0" * 16


def test_what_waits_with_the_broker_is_waited_for_longer():
    driven = Driven()
    operations = Operations(driven.talk)
    driven.silent(operations.events(7, None, None, follow=True), times=1)
    driven.silent(operations.wait([1], None, check=True), times=1)
    driven.silent(operations.wait([1], 0.5, check=True), times=1)
    driven.silent(operations.events(7, None, None, follow=False), times=1)
    waits = [wire.decode(action.body, wire.FROM_SUBMITTER)["wait_ms"] for action in driven.sent]
    assert waits == [2000, 2000, 500, 0]
    assert [action.wait_s for action in driven.sent] == [4.0, 4.0, 1.5, 2.0]


def test_nobody_there_is_no_broker_at_once():
    driven = Driven(heard=False, listening=False)
    with pytest.raises(NoBroker):
        driven.silent(driven.talk.ask({"t": "HELLO"}))
    assert driven.now - 100.0 < 1 and len(driven.sent) == 1


def test_somebody_deaf_is_no_broker_after_a_while():
    driven = Driven(heard=False)
    with pytest.raises(NoBroker, match="does not answer"):
        driven.silent(driven.talk.ask({"t": "HELLO"}))
    assert 10 <= driven.now - 100.0 < 11


def test_a_broker_that_is_away_is_waited_for_ten_minutes():
    driven = Driven()
    with pytest.raises(BrokerLost):
        driven.silent(driven.talk.ask({"t": "HELLO"}))
    assert 600 <= driven.now - 100.0 < 603


def test_the_callers_time_goes_before():
    driven = Driven()
    with pytest.raises(TimeIsOver):
        driven.silent(driven.talk.ask({"t": "HELLO"}, until=driven.now + 5))
    assert driven.now - 100.0 == 5 and [action.wait_s for action in driven.sent] == [2, 2, 1]


@pytest.mark.parametrize("module", [messages, objects, paths, wire], ids=lambda module: module.__name__)
def test_the_examples_of_the_docstrings_are_so(module):
    names = {name: getattr(module, name) for name in dir(module)}
    failed, tried = doctest.testmod(module, extraglobs={**names, "dblend": dblend})
    assert tried > 0 and failed == 0
