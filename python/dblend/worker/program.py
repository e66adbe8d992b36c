"""program - one worker: its talk, its work, its Blender and its prover in one loop."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any, Callable, NamedTuple

import zmq

from dblend import envelope, messages, paths, wire
from dblend.errors import Malformed
from dblend.worker import log, scratch, source, system, warm
from dblend.worker.blenders import Blender
from dblend.worker.cards import Gauge
from dblend.worker.child import Child, Spec
from dblend.worker.device import Device
from dblend.worker.heat import Heat
from dblend.worker.loop import Loop
from dblend.worker.opening import Setup
from dblend.worker.pipe import Pipe
from dblend.worker.prover import Prover
from dblend.worker.reports import Reports
from dblend.worker.talk import Message, Talk
from dblend.worker.warm import Warm
from dblend.worker.work import Ports, Work

LEAVE_MS = 5000  # for the last answer; for what is given up at once; for the children
SILENCE_MS = 60_000  # an inspector leaves so long after the last answer
NICE = 10
NEVER = 1 << 62
_SOFT_GL = "LIBGL_ALWAYS_SOFTWARE"
# Of drivers and of Mesa: what a Blender that shall see no card is told.
_NO_CARD = {
    "CUDA_VISIBLE_DEVICES": "",
    "ROCR_VISIBLE_DEVICES": "",
    "HIP_VISIBLE_DEVICES": "-1",
    "ONEAPI_DEVICE_SELECTOR": "!level_zero:*",
    _SOFT_GL: "1",
}
_NOT_HANDED_ON = ("CUDA_DEVICE_ORDER", "ZE_AFFINITY_MASK", "DRI_PRIME", "DBLEND_THREADS")


class Choices(NamedTuple):
    """What the command line says, beyond the setup of the work."""

    endpoint: str
    factory: bool
    exit_when_idle_ms: int | None
    owner_fd: int | None
    gauge: Gauge | None = None  # of the card
    max_celsius: int | None = None


def now_ms() -> int:
    """Monotonic milliseconds."""
    return time.monotonic_ns() // 1_000_000


def host_name() -> str:
    """The first half of a worker's name."""
    return socket.gethostname() or "localhost"


class Program:
    """One worker, from its first message to its last."""

    def __init__(self, setup: Setup, choices: Choices) -> None:
        self._setup = setup
        self._choices = choices
        self.status = 0
        self._told = 0  # signals
        self._leaving = False
        self._at_once = False
        self._leave_by_ms = NEVER
        self._over = False
        self._announced = False
        self._scratch = ""
        self._loop = Loop(self._signalled)
        names = ("SIGTERM", "SIGINT", "SIGBREAK")
        self._signals = [getattr(signal, name) for name in names if hasattr(signal, name)]
        self._loop.catch(*self._signals)
        self._context = zmq.Context()
        self._socket: zmq.Socket[bytes] | None = None
        self._heat = Heat(choices.max_celsius)
        self._reports = Reports()
        self._warm = Warm(self._launch_blender, self._tidy, now_ms)
        pid = os.getpid()
        hello = {"host": host_name(), "pid": pid, "start": system.process_start(pid)}
        self._prover = Prover(self._launch_prover, _pythons(), hello, now_ms)
        ports = Ports(self._warm, self._prover, self._look, self._tell, now_ms)
        self._work = Work(setup, ports, self._reports)
        self._warm.owner = self._prover.owner = self._work
        self._talk = Talk(_identity(setup), self, self._reports, now_ms())
        self._watch_owner()

    def run(self) -> int:
        """Until it leaves; the exit status."""
        while not self._over:
            self._work.step()
            now = now_ms()
            dues = [
                self._warm.tick(now),
                self._prover.tick(now),
                self._work.due_ms(),
                self._check(now),
                self._talk.tick(now),
            ]
            if not self._over:
                self._loop.turn(min(dues) - now_ms())
        self._end()
        return self.status

    # -- leaving ----------------------------------------------------------------------------------

    def _check(self, now: int) -> int:
        """What depends on the time alone; the next deadline."""
        if now >= self._leave_by_ms:
            self._over = True
        idle_ms = self._choices.exit_when_idle_ms
        dues = [self._leave_by_ms]
        if idle_ms is not None and self._announced and self._work.empty and not self._leaving:
            if now >= self._work.busy_ms + idle_ms:
                self._drain("there is no work", False)
            dues.append(self._work.busy_ms + idle_ms)
        silent_ms = self._talk.heard_ms + SILENCE_MS
        if self._setup.inspector and not self._leaving:
            if now >= silent_ms:
                self._drain("no broker answers", True)
            dues.append(silent_ms)
        if self._leaving and self._work.empty and self._leave_by_ms == NEVER:
            self._leave_by_ms = now + LEAVE_MS
            self._talk.touch()
            dues.append(self._leave_by_ms)
        return min(dues)

    def _drain(self, reason: str, at_once: bool) -> None:
        if self._leaving and (self._at_once or not at_once):
            return
        log.info(f"leave{' at once' if at_once else ''}: {reason}")
        self._leaving = True
        self._at_once = at_once
        self._work.drain(at_once)
        if at_once:
            self._leave_by_ms = min(self._leave_by_ms, now_ms() + LEAVE_MS)
            self._talk.touch()

    def _signalled(self, number: int) -> None:
        self._told += 1
        self._drain(f"signal {number}", self._told > 1)

    def _watch_owner(self) -> None:
        fd = self._choices.owner_fd
        if fd is None:
            return
        owner = Pipe(os.fdopen(fd, "rb", buffering=0))

        def read() -> None:
            said = owner.read()
            if said:
                log.info("our owner has gone without us")
            else:
                self._drain("our owner has ended", True)
            self._loop.forget(owner.fileno())
            owner.close()

        self._loop.watch(owner.fileno(), read)

    def _end(self) -> None:
        """The children leave, or have to; then nothing of us is left."""
        end_by = now_ms() + LEAVE_MS
        self._warm.close()
        self._prover.leave()
        while now_ms() < end_by and (self._warm.state != warm.OFF or not self._prover.gone):
            now = now_ms()
            due = min(self._warm.tick(now), self._prover.tick(now), end_by)
            self._loop.turn(due - now_ms())
        if self._socket is not None:
            self._socket.close(0)
        self._context.destroy(0)
        self._tidy()
        for number in self._signals:
            signal.signal(number, signal.SIG_IGN)  # Python's own end must not become a death

    # -- children ---------------------------------------------------------------------------------

    def _launch_blender(self, blender: Blender, owner: Warm) -> warm.Running:
        self._scratch = scratch.make()
        threads = str(len(self._setup.device.cpus) or len(system.cpus()))
        env = {name: value for name, value in os.environ.items() if name not in _NOT_HANDED_ON}
        env.update(_shown(self._setup.device), OMP_NUM_THREADS=threads)
        env.update(dict.fromkeys(("TMPDIR", "TEMP", "TMP"), self._scratch))
        tail = [paths.data_file("autorender.py"), "--", "--fd"]
        if blender.module:
            argv = [blender.path, *tail]
            env["DBLEND_THREADS"] = threads
        else:
            factory = ["--factory-startup"] if self._choices.factory else []
            safe = ["--disable-autoexec", "--python-exit-code", "9", "-t", threads]
            argv = [blender.path, "--background", *factory, *safe, "--python", *tail]
        cpus = self._setup.device.cpus if system.can_pin() else ()
        return Child(self._loop, Spec(argv, env, True, cpus, NICE), owner)

    def _tidy(self) -> None:
        """Blender's own temporary folder goes with it."""
        if self._scratch:
            scratch.remove(self._scratch)
            self._scratch = ""

    def _launch_prover(self, python: str, owner: Prover) -> Child:
        argv = [python, paths.data_file("prove.py"), "--fd"]
        return Child(self._loop, Spec(argv, os.environ), owner)

    def _look(self, ask: source.Ask, hear: Callable[[source.Answer], None]) -> None:
        """In a thread: a network disk may hang."""

        def look() -> None:
            answer = source.look(ask)
            self._loop.post(lambda: hear(answer))

        threading.Thread(target=look, name="source", daemon=True).start()

    def _tell(self) -> None:
        self._talk.touch()

    # -- the talk (talk.Owner) --------------------------------------------------------------------

    def describe(self) -> Message:
        """Keys of a SYNC that goes out now."""
        leave = {"leave": True} if self._leaving and self._work.empty else {}
        told = {
            "blender_rss_bytes": self._warm.rss_bytes(),
            "host_available_bytes": system.memory_available(),
        }
        telemetry = {name: value for name, value in told.items() if value > 0}
        gauge = self._choices.gauge.now() if self._choices.gauge else {}
        rest = self._heat.check(gauge.get("gpu_temperature_c"))
        more = {"rest": rest} if rest else {}
        return {**self._work.describe(), **leave, **more, "telemetry": {**telemetry, **gauge}}

    def send(self, message: Message, blobs: Sequence[bytes], renew: bool) -> None:
        """To the broker, as far as it can be had."""
        if renew or self._socket is None:
            self._connect()
        assert self._socket is not None
        try:
            body = wire.encode(message, wire.FROM_WORKER)
            frames = envelope.request(body, blobs, wire.FROM_WORKER)
            self._socket.send_multipart(frames, zmq.NOBLOCK)
        except zmq.Again:
            pass  # nobody is there; it is sent again when it is overdue
        except Malformed as error:
            log.error(f"send {message['t']}: {error}")
        log.debug(f"send {message['t']} seq={message['seq']} want={message.get('want')}")

    def _connect(self) -> None:
        if self._socket is not None:
            self._loop.forget(self._socket)
            self._socket.close(0)
        self._socket = self._context.socket(zmq.REQ)
        envelope.prepare(self._socket, self._choices.endpoint)
        self._loop.watch(self._socket, self._receive)

    def _receive(self) -> None:
        assert self._socket is not None
        try:
            frames = self._socket.recv_multipart(zmq.NOBLOCK)
            answer = wire.decode(envelope.answer_body(frames), wire.TO_WORKER)
            messages.check(answer, "to-worker")
        except zmq.Again:
            return
        except Malformed as error:
            log.warning(f"drop an answer: {error}")
            return
        self._talk.receive(answer, now_ms())

    def joined(self, farm: str) -> None:
        """READY was answered."""
        self._work.joined(farm)
        self._prover.start(farm)
        if not self._announced:
            self._announced = True
            print(f"ready name={host_name()}/{self._setup.device.id}", flush=True)

    def assigned(self, about: Mapping[str, Any]) -> None:
        self._work.assigned(about)

    def granted(self, grant: Mapping[str, Any]) -> None:
        self._work.granted(grant)

    def lost(self, claim: int) -> None:
        self._work.lost(claim)

    def ordered(self, orders: Mapping[str, Any]) -> None:
        """Drain and rest are ours, the rest is the work's."""
        self._work.ordered(orders)
        if orders["drain"]:
            self._drain("the broker says so", orders["drain"] == "now")
        rest = orders.get("rest") or ""
        self._work.rest(bool(rest), rest == "now")

    def answered(self, want: int, grants: int) -> None:
        self._work.answered(want, grants)

    def left(self) -> None:
        """The last SYNC was answered."""
        self._over = self._work.empty

    def refused(self, text: str) -> None:
        """The broker will not have us."""
        log.error(text)
        self.status = 1
        self._over = True


def _shown(device: Device) -> dict[str, str]:
    """What Blender is told of the cards: its own, and no other."""
    if device.card is None:
        return _NO_CARD
    shown = {"CUDA_VISIBLE_DEVICES": device.card.uuid, "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    return {**{name: _NO_CARD[name] for name in _NO_CARD if name != _SOFT_GL}, **shown}


def _identity(setup: Setup) -> Message:
    device = setup.device
    card: Message = {}
    if device.card is not None:
        card = {
            "memory_bytes": device.card.memory_bytes,
            "device_types": list(setup.types),
            "device_name": device.name,
            "draws_shared": True,  # NVIDIA's OpenGL cannot be told a card
        }
    kinds = ["inspect", "sweep"] if setup.inspector else ["render", "inspect", "sweep"]
    return {
        "worker": secrets.token_hex(16),
        "name": f"{host_name()}/{device.id}",
        "host": host_name(),
        "pid": os.getpid(),
        "device": device.id,
        "device_kind": device.kind,
        "kinds": kinds,
        "blenders": [blender.as_json() for blender in setup.blenders],
        **card,
    }


def _pythons() -> list[str]:
    """Interpreters that may have OpenImageIO, each once."""
    named = os.environ.get("DBLEND_PYTHON")
    found = [named, "/usr/bin/python3", shutil.which("python3"), sys.executable]
    return list(dict.fromkeys(path for path in found if path and os.path.exists(path)))
