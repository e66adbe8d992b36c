"""The programs of one farm, started again whenever they die, as a service manager would do."""

import os
import pathlib
import signal
import socket
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))

from farmtools import wait_until  # noqa: E402


class Programs:
    """A broker, an inspector, a worker on its socket and one over TCP through the proxy."""

    def __init__(self, farm, proxy_of):
        """proxy_of(port) makes the proxy to the broker's TCP port."""
        self.farm = farm
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.proxy = proxy_of(port)
        first, last = cores()
        self._arguments = {
            "broker": ("dblend-broker", "--insecure-listen", f"tcp://127.0.0.1:{port}"),
            "inspector": ("dblend-worker", "--device", "none"),
            "worker": ("dblend-worker", "--device", f"cpu:{first}"),
            "far worker": ("dblend-worker", "--device", f"cpu:{last}", "--connect",
                           f"tcp://127.0.0.1:{self.proxy.port}"),
        }
        self._running = {}

    def keep_up(self):
        """Start what does not run."""
        for name, (program, *arguments) in self._arguments.items():
            process = self._running.get(name)
            if process is None or process.poll() is not None:
                self._running[name] = self.farm.start(program, *arguments)
                if name == "broker":
                    self._wait_for_broker()

    def _wait_for_broker(self):
        broker = self._running["broker"]
        wait_until(lambda: "ready" in broker.out.read_text() or broker.poll() is not None, 30,
                   "the broker to serve")

    def pids(self, kind):
        """Process ids of `broker`, `worker` (inspector included), `blender` or `prover`."""
        if kind == "blender":
            return self.farm.child_pids("autorender.py")
        if kind == "prover":
            return self.farm.child_pids("prove.py")
        return [process.pid for name, process in self._running.items()
                if process.poll() is None and (name == "broker") == (kind == "broker")]

    def end(self):
        self.proxy.close()
        for pid in self.farm.pids():
            send(pid, signal.SIGCONT)
        self.farm.stop()


def cores():
    """The first and the last core that we may use; the same one twice on a machine of one."""
    allowed = sorted(os.sched_getaffinity(0))
    return allowed[0], allowed[-1]


def send(pid, number):
    """Send a signal to a process that may be gone; True if it was there."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True
