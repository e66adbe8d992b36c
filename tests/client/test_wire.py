"""Bytes: every vector both ways, the limits, and round trips of whatever a message may hold."""

import msgpack
import pytest
from dblend import envelope, wire
from dblend.errors import Malformed
from vectors import LIMITS, bytes_of, load, name_of


@pytest.mark.parametrize("vector", load("messages"), ids=name_of)
def test_messages_are_read_and_written_to_the_same_bytes(vector):
    limits, data = LIMITS[vector["side"]], bytes_of(vector["hex"])
    assert wire.decode(data, limits) == vector["value"]
    if vector.get("canonical", True):
        assert wire.encode(vector["value"], limits) == data


@pytest.mark.parametrize("vector", load("malformed"), ids=name_of)
def test_malformed_bodies_are_refused_for_the_reason_given(vector):
    limits, data = LIMITS[vector["side"]], bytes_of(vector["hex"])
    if "value" in vector:
        assert wire.decode(data, limits) == vector["value"]
        return
    with pytest.raises(Malformed) as refused:
        wire.decode(data, limits)
    assert refused.value.fault == vector["reject"]
    assert refused.value.code == "malformed"


@pytest.mark.parametrize("vector", load("envelopes"), ids=name_of)
def test_envelopes_follow_the_one_shape(vector):
    frames = [bytes_of(frame) for frame in vector["frames"]]
    limits = LIMITS[vector["side"]]
    assert envelope.is_good_request(frames, limits, vector.get("identity")) == vector["good"]


@pytest.mark.parametrize("value, fault", [
    ("x" * 4097, "long-string"),
    ("a\0b", "bad-text"),
    ("\udcff", "bad-text"),  # a file name that is not UTF-8, as os.fsdecode gives it
    (b"bytes", "bad-type"),
    (2**63, "bad-integer"),
    (2**64, "bad-type"),
    (float("inf"), "bad-float"),
    ([0] * 16_384, "many"),
    ([[[[[[[[]]]]]]]], "deep"),
    ({"k" * 65: 1}, "bad-key"),
    ({1: 1}, "bad-key"),
    ({str(number): 0 for number in range(257)}, "many"),
    (object(), "bad-type"),
    (["x" * 4000] * 263, "too-large"),
])
def test_what_breaks_a_limit_is_never_sent(value, fault):
    with pytest.raises(Malformed) as refused:
        wire.encode({"t": "HELLO", "value": value}, wire.FROM_SUBMITTER)
    assert refused.value.fault == fault


def test_what_just_fits_is_sent():
    message = {"t": "HELLO", "value": ["x" * 4096] * 255 + [[[[[[[]]]]]], -2**63, 2**63 - 1, 0.5]}
    data = wire.encode(message, wire.FROM_SUBMITTER)
    assert wire.decode(data, wire.FROM_SUBMITTER) == {"v": 1, **message}


def test_a_count_without_its_values_allocates_nothing():
    with pytest.raises(Malformed) as refused:
        wire.decode(msgpack.packb({"v": 1})[:-1] + bytes.fromhex("ddffffffff"), wire.TO_SUBMITTER)
    assert refused.value.fault == "truncated"


def test_only_a_worker_sends_blobs_and_four_at_most():
    assert envelope.request(b"body", [b"log"] * 4, wire.FROM_WORKER) == [b"body"] + [b"log"] * 4
    for blobs, limits in (([b""] * 5, wire.FROM_WORKER), ([b""], wire.FROM_SUBMITTER),
                          ([bytes(262_145)], wire.FROM_WORKER)):
        with pytest.raises(Malformed):
            envelope.request(b"body", blobs, limits)


def test_an_answer_is_one_frame():
    assert envelope.answer_body([b"body"]) == b"body"
    for frames in ([], [b"", b"body"]):
        with pytest.raises(Malformed):
            envelope.answer_body(frames)
