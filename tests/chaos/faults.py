"""What goes wrong in a night, by chance: deaths, standstills, full disks, a cut network.

Each fault begins at once; what does not end by itself is mended after a while.
"""

import signal
import time

from programs import send

KINDS = ("broker", "worker", "blender", "prover")

# Weights: the whole farm lives on only if most faults hit one process of many.
CHOICES = {
    **{f"kill {kind}": weight for kind, weight in zip(KINDS, (2, 3, 4, 2))},
    **{f"stop {kind}": weight for kind, weight in zip(KINDS, (1, 2, 2, 1))},
    "network cut": 2, "network reset": 2, "disk full": 1, "ledger disk full": 1,
}

LEASE_S = 15.0  # the longest standstills outlive it, so that claims are given away meanwhile


class Faults:
    """Injects faults chosen by `random` and counts them by kind."""

    def __init__(self, random, programs, disks):
        """disks: {"disk full": folder, "ledger disk full": folder} on small file systems."""
        self._random = random
        self._programs = programs
        self._disks = disks
        self._mending = []  # (when, what to do)
        self.counts = {}

    def step(self, now):
        """Mend what is due, inject one fault; seconds until the next call."""
        self.mend(now)
        kind = self._random.choices(list(CHOICES), list(CHOICES.values()))[0]
        if self._inject(kind, now):
            self.counts[kind] = self.counts.get(kind, 0) + 1
        return self._random.uniform(0.3, 4.0)

    def mend(self, now=float("inf")):
        """End the faults that are over; without a time all of them."""
        due = [item for item in self._mending if item[0] <= now]
        self._mending = [item for item in self._mending if item[0] > now]
        for _, what in due:
            what()

    def _inject(self, kind, now):
        """True if there was something to hit."""
        word, _, target = kind.partition(" ")
        if kind in self._disks:
            return self._fill(self._disks[kind], now)
        if word == "network":
            return self._cut(now) if target == "cut" else self._reset()
        if word not in ("kill", "stop"):
            return False  # a disk that could not be mounted
        pids = self._programs.pids(target)
        if not pids:
            return False
        pid = self._random.choice(pids)
        if word == "kill":
            return send(pid, signal.SIGKILL)
        self._later(now, self._random.choice((1.0, 5.0, 1.5 * LEASE_S)),
                    lambda: send(pid, signal.SIGCONT))
        return send(pid, signal.SIGSTOP)

    def _later(self, now, most, what):
        self._mending.append((now + self._random.uniform(0.2, 1.0) * most, what))

    def _cut(self, now):
        self._programs.proxy.cut()
        self._later(now, self._random.choice((2.0, 1.5 * LEASE_S)), self._programs.proxy.heal)
        return True

    def _reset(self):
        self._programs.proxy.reset()
        return True

    def _fill(self, folder, now):
        filler = folder / f"filler-{time.monotonic_ns()}"
        with open(filler, "wb", buffering=0) as file:
            try:
                while True:
                    file.write(b"\0" * 4096)
            except OSError:
                pass
        self._later(now, 5.0, lambda: filler.unlink(missing_ok=True))
        return True
