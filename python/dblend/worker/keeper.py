"""keeper - stands between the worker and its Blender: when the worker is gone, so is Blender.

    PYTHON -I -S keeper.py CONTROL FD NICE CPUS PROGRAM [ARGUMENT]...

CONTROL is one end of a socketpair, FD what the program gets as its descriptor 3, CPUS a list of
numbers with commas, or "-". The program runs in a process group of its own. When CONTROL ends, or
brings an `e`, the group gets TERM and half a second later KILL; a `k` is KILL at once. Once the
program has ended and its group is killed, CONTROL gets "signal N" or "exit N". POSIX only; the
other systems have their own means (system.py). Standard library only, for a quick start.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import sys
import time

GRACE_S = 0.5
CHILD_FD = 3


def run(given: int, nice: int, cpus: str, argv: list[str]) -> None:
    """The program's side of the fork; comes back never."""
    try:
        os.setpgid(0, 0)
        if hasattr(os, "sched_setaffinity") and cpus != "-":
            os.sched_setaffinity(0, {int(cpu) for cpu in cpus.split(",")})
        os.nice(nice)
        os.dup2(given, CHILD_FD)
        if given != CHILD_FD:
            os.close(given)
        for number in (signal.SIGCHLD, signal.SIGPIPE, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        os.execvp(argv[0], argv)
    except OSError as error:
        os.write(2, f"{argv[0]}: {error.strerror}\n".encode())
    os._exit(127)


def end_group(pid: int, number: int) -> None:
    """Signals the program and all that it started in its group."""
    # Nothing is left of it; or, for a moment, nothing but a zombie (macOS).
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def keep(pid: int, control: socket.socket, wakeup: socket.socket) -> int:
    """Waits until the program has ended; its wait status."""
    kill_at = None
    watched = [control, wakeup]
    while True:
        left = None if kill_at is None else max(0.0, kill_at - time.monotonic())
        ready, _, _ = select.select(watched, [], [], left)
        if wakeup in ready:
            wakeup.recv(4096)
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                return status
        if control in ready:
            word = control.recv(1)
            if word == b"k":
                end_group(pid, signal.SIGKILL)
                continue
            if not word:
                watched.remove(control)
            if kill_at is None:
                end_group(pid, signal.SIGTERM)
                kill_at = time.monotonic() + GRACE_S
        if kill_at is not None and time.monotonic() >= kill_at:
            end_group(pid, signal.SIGKILL)
            kill_at = time.monotonic() + GRACE_S


def main() -> None:
    """Starts the program and keeps it."""
    control_fd, given, nice = (int(word) for word in sys.argv[1:4])
    os.set_inheritable(control_fd, False)
    control = socket.socket(fileno=control_fd)
    wakeup, theirs = socket.socketpair()
    theirs.setblocking(False)
    signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # the worker says what happens
    pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        run(given, nice, sys.argv[4], sys.argv[5:])
    os.close(given)
    status = keep(pid, control, wakeup)
    end_group(pid, signal.SIGKILL)
    signalled = os.WIFSIGNALED(status)
    code = os.WTERMSIG(status) if signalled else os.WEXITSTATUS(status)
    with contextlib.suppress(OSError):  # the worker is gone
        control.sendall(f"{'signal' if signalled else 'exit'} {code}\n".encode())


if __name__ == "__main__":
    main()
