"""The frames around a body, and the socket that sends them.

A peer of the broker is a REQ socket with ``RELAXED`` and ``CORRELATE`` set: libzmq puts the
request id and the empty frame in front, matches the answer to the newest request and drops any
other. So what a program sends is ``[body, blob, blob ...]``, and what it gets is ``[body]``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import zmq

from dblend.errors import Malformed
from dblend.wire import FROM_SUBMITTER, FROM_WORKER, TO_SUBMITTER, Limits

__all__ = ["BLOBS_MAX", "BLOB_BYTES_MAX", "answer_body", "is_good_request", "prepare", "request"]

REQUEST_ID_BYTES = 4
BLOBS_MAX = 4
BLOB_BYTES_MAX = 262_144


def _blobs_allowed(limits: Limits) -> int:
    return BLOBS_MAX if limits == FROM_WORKER else 0


def request(
    body: bytes, blobs: Sequence[bytes] = (), limits: Limits = FROM_SUBMITTER
) -> list[bytes]:
    """What a REQ socket sends. Raises Malformed for more or larger blobs than are allowed."""
    if len(blobs) > _blobs_allowed(limits) or any(len(blob) > BLOB_BYTES_MAX for blob in blobs):
        raise Malformed("more or larger blobs than a message may carry", fault="too-large")
    return [body, *blobs]


def answer_body(frames: Sequence[bytes]) -> bytes:
    """The body of what a REQ socket received. Raises Malformed when it is not one frame."""
    if len(frames) != 1:
        raise Malformed(f"an answer of {len(frames)} frames")
    return frames[0]


def is_good_request(frames: Sequence[bytes], limits: Limits, identity: bytes | None = None) -> bool:
    """Would a ROUTER take this? ``frames`` are those after the routing id.

    ``identity`` is a routing id that the peer chose itself, which none may.
    """
    return (
        identity is None
        and 3 <= len(frames) <= 3 + _blobs_allowed(limits)
        and len(frames[0]) == REQUEST_ID_BYTES
        and frames[1] == b""
        and len(frames[2]) <= limits.body_bytes
        and all(len(blob) <= BLOB_BYTES_MAX for blob in frames[3:])
    )


def prepare(socket: Any, endpoint: str) -> None:
    """Give a fresh REQ socket (zmq.Socket or zmq.asyncio.Socket) our options, and connect it.

    Connecting never waits: libzmq connects in the background, and again when it was cut off.
    """
    socket.setsockopt(zmq.REQ_RELAXED, 1)
    socket.setsockopt(zmq.REQ_CORRELATE, 1)
    socket.setsockopt(zmq.LINGER, 0)
    socket.setsockopt(zmq.MAXMSGSIZE, TO_SUBMITTER.body_bytes)
    socket.setsockopt(zmq.RECONNECT_IVL, 100)
    socket.setsockopt(zmq.RECONNECT_IVL_MAX, 1000)
    socket.connect(endpoint)
