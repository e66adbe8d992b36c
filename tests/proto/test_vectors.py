"""The byte vectors of proto/vectors, read by another language than C.

What a worker in Python would do: python3-msgpack packs every message to the very bytes, and a
strict reader written from PROTOCOL.md alone refuses every malformed body for the same reason
as the C one. To add a vector: `hex` is `msgpack.packb(value).hex()`.
"""

import json
import math
import struct
from pathlib import Path

import pytest

msgpack = pytest.importorskip("msgpack")

VECTORS = Path(__file__).resolve().parents[2] / "proto" / "vectors"
BODY_BYTES = {"from-worker": 131072, "to-worker": 8388608, "from-submitter": 1048576,
              "to-submitter": 8388608}
VALUES = {"to-submitter": 131072, "to-worker": 131072}


def load(folder):
    vectors = [json.loads(path.read_text()) for path in sorted((VECTORS / folder).glob("*.json"))]
    assert vectors, f"no vectors in {VECTORS / folder}"
    return vectors


def name_of(vector):
    return vector["name"]


def bytes_of(hexes):
    if isinstance(hexes, str):
        return bytes.fromhex(hexes)
    return b"".join(bytes.fromhex(digits) * times for digits, times in hexes)


class Reject(Exception):
    pass


class Reader:
    """A strict reader of one body: the limits of PROTOCOL.md, section 1."""

    def __init__(self, data, side):
        self.data, self.at, self.count = data, 0, 0
        self.values = VALUES.get(side, 16384)
        if len(data) > BODY_BYTES[side]:
            raise Reject("too-large")
        if data and not (data[0] & 0xF0 == 0x80 or data[0] in (0xDE, 0xDF)):
            raise Reject("not-a-map")

    def body(self):
        value = self.value(1)
        if self.at != len(self.data):
            raise Reject("trailing")
        return value

    def take(self, size):
        if len(self.data) - self.at < size:
            raise Reject("truncated")
        self.at += size
        return self.data[self.at - size:self.at]

    def number(self, form):
        return struct.unpack(">" + form, self.take(struct.calcsize(form)))[0]

    def value(self, depth, is_key=False):
        tag = self.take(1)[0]
        self.count += 1
        if self.count > self.values:
            raise Reject("many")
        if is_key and not (tag & 0xE0 == 0xA0 or 0xD9 <= tag <= 0xDB):
            raise Reject("bad-key")
        if tag <= 0x7F:
            return tag
        if tag >= 0xE0:
            return tag - 256
        if tag in (0xC0, 0xC2, 0xC3):
            return {0xC0: None, 0xC2: False, 0xC3: True}[tag]
        if tag <= 0x8F:
            return self.map(tag & 15, depth)
        if tag <= 0x9F:
            return self.array(tag & 15, depth)
        if tag <= 0xBF:
            return self.text(tag & 31)
        if 0xCC <= tag <= 0xD3:
            number = self.number("BHIQbhiq"[tag - 0xCC])
            if number > 2**63 - 1:
                raise Reject("bad-integer")
            return number
        if tag in (0xCA, 0xCB):
            number = self.number("fd"[tag - 0xCA])
            if not math.isfinite(number):
                raise Reject("bad-float")
            return number
        if 0xD9 <= tag <= 0xDB:
            return self.text(self.number("BHI"[tag - 0xD9]))
        if tag in (0xDC, 0xDD):
            return self.array(self.number("HI"[tag - 0xDC]), depth)
        if tag in (0xDE, 0xDF):
            return self.map(self.number("HI"[tag - 0xDE]), depth)
        raise Reject("bad-type")

    def text(self, size):
        if size > 4096:
            raise Reject("long-string")
        raw = self.take(size)
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError:
            raise Reject("bad-text") from None
        if "\0" in text:
            raise Reject("bad-text")
        return text

    def room(self, values, depth, keys=0):
        if depth > 8:
            raise Reject("deep")
        if values > len(self.data) - self.at:
            raise Reject("truncated")
        if keys > 256 or values > self.values:
            raise Reject("many")

    def array(self, count, depth):
        self.room(count, depth)
        return [self.value(depth + 1) for _ in range(count)]

    def map(self, count, depth):
        self.room(2 * count, depth, count)
        result = {}
        for _ in range(count):
            key = self.value(depth + 1, is_key=True)
            if not 1 <= len(key.encode()) <= 64:
                raise Reject("bad-key")
            if key in result:
                raise Reject("duplicate-key")
            result[key] = self.value(depth + 1)
        return result


@pytest.mark.parametrize("vector", load("messages"), ids=name_of)
def test_messages_are_read_and_packed_to_the_same_bytes(vector):
    data = bytes_of(vector["hex"])
    assert msgpack.unpackb(data, raw=False) == vector["value"]
    assert Reader(data, vector["side"]).body() == vector["value"]
    if vector.get("canonical", True):
        assert msgpack.packb(vector["value"], use_bin_type=True) == data
    assert vector["value"]["v"] == 1


@pytest.mark.parametrize("vector", load("malformed"), ids=name_of)
def test_malformed_bodies_are_refused_for_the_reason_given(vector):
    data = bytes_of(vector["hex"])
    if "value" in vector:  # well-formed MessagePack, but no message of the protocol
        assert Reader(data, vector["side"]).body() == vector["value"]
        assert msgpack.packb(vector["value"], use_bin_type=True) == data
        assert vector["reject"] in ("version", "unknown-type", "malformed")
        assert vector["fault"]
        return
    with pytest.raises(Reject) as rejected:
        Reader(data, vector["side"]).body()
    assert str(rejected.value) == vector["reject"]


@pytest.mark.parametrize("vector", load("envelopes"), ids=name_of)
def test_envelopes_follow_the_one_shape(vector):
    frames = [bytes_of(frame) for frame in vector["frames"]]
    blobs, body_bytes, blob_bytes = 4, 131072, 262144
    if vector["side"] == "from-submitter":
        blobs, body_bytes = 0, 1048576
    good = ("identity" not in vector and 3 <= len(frames) <= 3 + blobs
            and len(frames[0]) == 4 and frames[1] == b"" and len(frames[2]) <= body_bytes
            and all(len(blob) <= blob_bytes for blob in frames[3:]))
    assert good == vector["good"]


def test_every_file_carries_the_name_of_its_vector():
    for folder in ("messages", "malformed", "envelopes"):
        for path in (VECTORS / folder).glob("*.json"):
            assert json.loads(path.read_text())["name"] == path.stem
