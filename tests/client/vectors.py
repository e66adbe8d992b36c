"""The byte vectors of proto/vectors, as the tests of the Python package read them."""

import json
import pathlib

from dblend import wire

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "proto" / "vectors"
LIMITS = {"from-worker": wire.FROM_WORKER, "to-worker": wire.TO_WORKER,
          "from-submitter": wire.FROM_SUBMITTER, "to-submitter": wire.TO_SUBMITTER}


def load(folder):
    vectors = [json.loads(path.read_text()) for path in sorted((FOLDER / folder).glob("*.json"))]
    assert vectors, f"no vectors in {FOLDER / folder}"
    return vectors


def name_of(vector):
    return vector["name"]


def bytes_of(hexes):
    if isinstance(hexes, str):
        return bytes.fromhex(hexes)
    return b"".join(bytes.fromhex(digits) * times for digits, times in hexes)
