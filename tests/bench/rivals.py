"""The queues that a user would take instead, as Debian has them, each on a disk of the same kind."""

import shutil
import socket
import subprocess
import tempfile

from frame import PATIENCE_S, spawn, until

PATHS = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def free_port():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return server.getsockname()[1]


def answers(where):
    family = socket.AF_UNIX if where.startswith("unix:") else socket.AF_INET
    with socket.socket(family) as client:
        return client.connect_ex(where[5:] if family == socket.AF_UNIX
                                 else ("127.0.0.1", int(where))) == 0


class Rival:
    """One that runs; where is what bench_load connects to."""

    def __init__(self, name, command, where, durable):
        self.name, self.where, self.durable = name, where, durable
        self.process = spawn(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL)
        until(lambda: self.process.poll() is not None or answers(where), f"{name} to listen", 20)

    def runs(self):
        return self.process.poll() is None

    def stop(self):
        self.process.terminate()
        self.process.wait(PATIENCE_S)


def beanstalkd(program, folder):
    """Every write is synced; a socket file, as the broker's."""
    path = f"unix:{folder}/socket"
    return [program, "-l", path, "-b", folder, "-f0"], path, "-b -f0"


def redis(program, folder):
    path = f"{folder}/socket"
    return [program, "--port", "0", "--unixsocket", path, "--dir", folder, "--save", "",
            "--appendonly", "yes", "--appendfsync", "always"], f"unix:{path}", "appendfsync always"


def gearmand(program, folder):
    """It knows TCP only."""
    port = str(free_port())
    return [program, "-L", "127.0.0.1", "-p", port, "-l", f"{folder}/log", "-q", "libsqlite3",
            "--libsqlite3-db", f"{folder}/queue.db"], port, "SQLite"


KNOWN = {"beanstalkd": (beanstalkd, "beanstalkd", "beanstalkd"),
         "redis": (redis, "redis-server", "redis-server"),
         "gearmand": (gearmand, "gearmand", "gearman-job-server")}


def start_all(folder, result):
    """Those that are installed and run; the others are named in a note."""
    running = []
    for name, (command, program, package) in KNOWN.items():
        path = shutil.which(program, path=PATHS)
        if not path:
            result.note(f"{name} is left out: not installed (Debian: {package})")
            continue
        rival = Rival(name, *command(path, tempfile.mkdtemp(dir=folder)))
        if rival.runs():
            running.append(rival)
        else:
            result.note(f"{name} is left out: it ended with {rival.process.returncode}")
    return running
