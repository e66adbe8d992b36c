"""loop - the talk with the worker: one command, one answer, until the socket ends."""

import ctypes
import os
import sys
import time
import traceback

import bpy

from . import engines, inspection, opening, progress, rendering
from .failure import JobError, one_line
from .wire import Wire

_LIBC = ctypes.CDLL("ucrtbase" if os.name == "nt" else None)  # Windows: untested


def _descriptor(argv):
    """The number of the inherited socket, from `-- --fd N` or DBLEND_FD."""
    own = argv[argv.index("--") + 1:] if "--" in argv else []
    if "--fd" in own[:-1]:
        return int(own[own.index("--fd") + 1])
    return int(os.environ["DBLEND_FD"])


def _version():
    """Blender's version as people write it: 3.4.1."""
    return ".".join(str(part) for part in bpy.app.version)


class Session:
    """What lives between two commands: the job that is open."""

    def __init__(self):
        self.opened = None

    def inspect(self, command):
        """`inspect`: opens the file and says what is in it, missing and to be asked."""
        self.opened = None
        return inspection.inspect(command["job"])

    def open(self, command):
        """`open`: opens the file with its overrides, ready to render."""
        started = time.perf_counter()
        self.opened = None
        self.opened = rendering.open_job(command["job"], command.get("device"),
                                         command.get("fresh", False))
        scripts = opening.runs_scripts(command["job"])
        return {"event": "opened", "ms": _ms_since(started), "scripts": scripts,
                "device": self.opened.device}

    def render(self, command):
        """`render`: one frame of the open job into one file (one a view)."""
        if self.opened is None or self.opened.job != command["job"]:
            raise JobError("script-error", "render: job %s is not open" % command["job"])
        started = time.perf_counter()
        self.opened.render(command)
        return {"event": "rendered", "ms": _ms_since(started)}

    def close(self, _command):
        """`close`: forgets the open file and gives its memory back."""
        self.opened = None
        opening.close()
        return {"event": "closed"}


def _flush():
    """Hands on what was printed, so that a command's output comes before its answer.

    Into a pipe C holds back the last lines; Python has a buffer of its own.
    """
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):
            pass  # a script may have closed it
    _LIBC.fflush(None)


def _ms_since(started):
    """Whole milliseconds since a time.perf_counter() value."""
    return int((time.perf_counter() - started) * 1000)


def _answer(session, command):
    """The answer to one command; an error event whatever goes wrong."""
    verbs = {
        "inspect": session.inspect,
        "open": session.open,
        "render": session.render,
        "close": session.close,
    }
    try:
        verb = verbs.get(command.get("do"))
        if verb is None:
            raise JobError("script-error", "unknown command %r" % command.get("do"))
        return verb(command)
    except JobError as error:
        return error.as_event()
    except MemoryError as error:
        return JobError("out-of-memory", one_line(error)).as_event()
    except BaseException as error:  # a script of the file may raise anything at all
        traceback.print_exc()
        text = "%s: %s" % (type(error).__name__, one_line(error))
        return JobError("script-error", text).as_event()


def main(argv):
    """Serves the worker until `quit` or the end of the socket."""
    wire = Wire(_descriptor(argv))
    engines.calibrate()
    progress.start()
    session = Session()
    denoiser = engines.has_denoiser()
    ready = {"event": "ready", "blender": _version(), "denoiser": denoiser, "pid": os.getpid()}
    try:
        wire.send(ready)
        while True:
            try:
                command = wire.receive()
            except ValueError as error:
                wire.send(JobError("script-error", "not a command: %s" % error).as_event())
                continue
            if command is None or command.get("do") == "quit":
                return
            answer = _answer(session, command)
            answer["id"] = command.get("id")
            _flush()
            wire.send(answer)
    except OSError:
        return  # the worker is gone, and with it whoever could want a picture
