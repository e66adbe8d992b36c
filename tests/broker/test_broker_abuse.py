"""Peers that break every rule: the others are served all the same, and what was wrong is counted."""

import os
import pathlib
import random
import resource
import socket
import struct
import threading
import time

import msgpack
import pytest
import zmq

from brokertools import PATIENCE, found_of, spec_of, until

# for an answer to somebody who did nothing wrong
PATIENCE_S = 2 * PATIENCE

# ZMTP 3.1, mechanism NULL: what libzmq itself says first
GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x01" + b"NULL".ljust(20, b"\0") + b"\0" + bytes(31)
READY = b"\x05READY\x0bSocket-Type\0\0\0\x06DEALER\x08Identity\0\0\0\0"
HELLO = struct.pack("BB", 4, len(READY)) + READY
MORE, LAST, LONG = 1, 0, 2


@pytest.fixture(autouse=True)
def small_quarantine(monkeypatch):
    """What a sanitizer holds back of freed memory is not what the broker needs."""
    options = os.environ.get("ASAN_OPTIONS", "")
    monkeypatch.setenv("ASAN_OPTIONS", f"{options}:quarantine_size_mb=16")


def frame(flags, data=b""):
    if len(data) > 255:
        return struct.pack(">BQ", flags | LONG, len(data)) + data
    return struct.pack("BB", flags, len(data)) + data


class Raw:
    """A connection below ZeroMQ: every byte is ours."""

    def __init__(self, endpoint, greet=True):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(endpoint.removeprefix("ipc://"))
        self.socket.settimeout(10)
        if greet:
            self.send(GREETING + HELLO)
            got = b""
            while len(got) < len(GREETING) + len(HELLO):
                piece = self.socket.recv(4096)
                assert piece, "the broker hung up"
                got += piece

    def send(self, data):
        """False: the broker has closed it, which is its right."""
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            return False
        return True

    def is_closed(self):
        try:
            while self.socket.recv(65536):
                pass
        except TimeoutError:
            return False
        except ConnectionResetError:
            pass
        return True

    def close(self):
        self.socket.close()


@pytest.fixture
def worker(broker):
    worker = broker.worker()
    worker.ready()
    return worker


def dropped(submitter):
    return submitter.ask("HELLO", seconds=PATIENCE_S)["dropped"]


def rss_mib(broker):
    status = pathlib.Path(f"/proc/{broker.process.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) // 1024


def assert_served(worker, submitter):
    """Both kinds of peers get their answers soon."""
    begun = time.monotonic()
    dropped(submitter)
    took = {"a submitter": time.monotonic() - begun}
    begun = time.monotonic()
    # parked for a second when there is nothing to say
    assert worker.sync(seconds=PATIENCE_S + 1)["t"] == "ANSWER"
    took["a worker"] = time.monotonic() - begun - 1
    assert max(took.values()) < PATIENCE_S, f"they waited: {took}"


def random_bytes(source):
    """Some of it is noise, some of it begins well."""
    kind = source.randrange(5)
    noise = source.randbytes(source.randrange(1, 2000))
    if kind == 0:
        return noise
    if kind == 1:
        return GREETING[: source.randrange(1, len(GREETING))] + noise
    if kind == 2:
        return GREETING + noise
    whole = bytearray(GREETING + HELLO + frame(MORE, b"abcd") + frame(MORE) + frame(LAST, noise))
    if kind == 3:
        for _ in range(3):
            whole[source.randrange(len(whole))] = source.randrange(256)
    return bytes(whole)


def test_any_bytes_on_a_socket_disturb_nobody(broker, submitter, worker):
    source = random.Random(3)
    for number in range(300):
        raw = Raw((broker.workers_endpoint, broker.submitters_endpoint)[number % 2], greet=False)
        raw.send(random_bytes(source))
        raw.close()
    assert_served(worker, submitter)
    assert broker.process.poll() is None


def test_bodies_of_any_bytes_are_dropped_and_counted(broker, submitter, worker):
    source = random.Random(4)
    before = dropped(submitter)
    for kind, endpoint in (("workers", broker.workers_endpoint),
                           ("submitters", broker.submitters_endpoint)):
        raw = Raw(endpoint)
        for _ in range(500):
            # 0xc1 is never MessagePack, whatever follows
            body = b"\xc1" + source.randbytes(source.randrange(300))
            assert raw.send(frame(MORE, b"abcd") + frame(MORE) + frame(LAST, body))
        until(lambda kind=kind: dropped(submitter)[kind] == before[kind] + 500, "all are counted")
        raw.close()
    assert_served(worker, submitter)


@pytest.mark.parametrize("size", [1 << 21, 1 << 40, (1 << 63) - 1])
def test_a_frame_over_the_limit_ends_its_connection(broker, submitter, worker, size):
    for endpoint in (broker.workers_endpoint, broker.submitters_endpoint):
        raw = Raw(endpoint)
        raw.send(struct.pack(">BQ", LONG, size) + b"x" * 1000)
        assert raw.is_closed()
        raw.close()
    assert_served(worker, submitter)
    assert rss_mib(broker) < 100


def test_three_million_empty_frames_are_one_message_that_is_dropped(broker, submitter, worker):
    before = dropped(submitter)["workers"]
    raw = Raw(broker.workers_endpoint)
    piece = frame(MORE) * 100000
    for _ in range(30):
        assert raw.send(piece)
        assert dropped(submitter)["workers"] == before
    assert_served(worker, submitter)
    assert raw.send(frame(LAST))
    until(lambda: dropped(submitter)["workers"] == before + 1, "it is counted")
    assert_served(worker, submitter)
    raw.close()


def test_a_peer_that_asks_without_end_and_never_reads(broker, submitter, worker):
    submitter.submit(spec_of())
    worker.inspect(found_of(1, 1000))
    body = msgpack.packb({"v": 1, "t": "FRAMES", "job": 1, "limit": 1000})
    message = frame(MORE, b"abcd") + frame(MORE) + frame(LAST, body)
    raw = Raw(broker.submitters_endpoint)
    raw.socket.settimeout(0.2)
    ending = threading.Event()

    def flood():
        while not ending.is_set():
            try:
                raw.socket.sendall(message * 10)
            except TimeoutError:
                pass  # a part of it may have gone: what follows is noise, and that is welcome
            except OSError:
                return

    thread = threading.Thread(target=flood)
    thread.start()
    try:
        for _ in range(3):
            assert_served(worker, submitter)
    finally:
        ending.set()
        thread.join()
        raw.close()
    assert rss_mib(broker) < 300
    assert_served(worker, submitter)


def test_workers_that_only_say_ready_keep_nobody_out(broker, submitter, worker):
    """Each is a session until its lease is over; the one that works is answered all the same."""
    flood = broker.context.socket(zmq.DEALER)
    flood.setsockopt(zmq.LINGER, 0)
    flood.setsockopt(zmq.SNDHWM, 0)
    flood.connect(broker.workers_endpoint)
    for number in range(2000):
        ready = {"v": 1, **worker.ready_body(), "seq": 1, "worker": "%032x" % number,
                 "name": f"host/cpu:{number}"}
        flood.send_multipart([b"%04x" % number, b"", msgpack.packb(ready)])
    until(lambda: submitter.ask("HELLO", seconds=PATIENCE_S)["workers"] == 2001, "all are known")
    submitter.submit(spec_of())
    begun = time.monotonic()
    worker.inspect(found_of(1, 1))
    assert time.monotonic() - begun < 2 * PATIENCE_S
    flood.close()


def limit_descriptors():
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, 200))


def test_more_connections_than_descriptors(make_broker):
    """Who is connected is served; who comes later is once there is room."""
    broker = make_broker().start(preexec_fn=limit_descriptors)
    submitter, worker = broker.submitter(), broker.worker()
    worker.ready()
    dropped(submitter)
    many = []
    for number in range(400):
        try:
            many.append(Raw((broker.workers_endpoint, broker.submitters_endpoint)[number % 2],
                            greet=False))
        except (BlockingIOError, ConnectionRefusedError):
            break
    assert len(many) > 200
    assert_served(worker, submitter)
    for raw in many:
        raw.close()
    late = broker.submitter()
    until(lambda: late.ask("HELLO")["workers"] == 1, "there is room again")
    assert_served(worker, submitter)


def test_thousands_of_connections_at_once(broker, submitter, worker):
    many = [Raw(broker.workers_endpoint, greet=False) for _ in range(3000)]
    assert_served(worker, submitter)
    for raw in many:
        raw.close()
    assert_served(worker, submitter)
