"""Where the farm of this user is, as ``dblend`` finds it (proto/PROTOCOL.md, "Where a farm is").

With ``DBLEND_HOME`` everything is in that one folder, else in the XDG folders. Nothing is made
here: a folder that is not there means that no farm runs.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import socket
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from dblend.errors import NotPrivate, UsageError

__all__ = ["Place", "data_file", "find", "is_listening", "require_private", "submitters_endpoint"]

SOCKET_PATH_MAX = 100
_LONGEST_NAME = "dblend/0123456789abcdef-submitters.sock"


@dataclass(frozen=True)
class Place:
    """The folders and endpoints of one farm; all paths absolute."""

    home: str | None
    run: str
    runtime: str
    state: str
    config: str
    workers_endpoint: str
    submitters_endpoint: str


def find(
    environ: Mapping[str, str] | None = None, home: str | os.PathLike[str] | None = None
) -> Place:
    """The farm of this user. ``home`` is used instead of ``DBLEND_HOME``.

    >>> find({"DBLEND_HOME": "/tmp/farm2"}).submitters_endpoint
    'ipc:///tmp/farm2/run/submitters.sock'
    """
    env = os.environ if environ is None else environ
    runtime = _runtime_folder(env)
    chosen = os.fspath(home) if home is not None else env.get("DBLEND_HOME", "")
    if chosen:
        chosen = os.path.realpath(chosen)
        run, state, config = f"{chosen}/run", chosen, f"{chosen}/config"
    else:
        run = runtime
        state = _xdg_folder(env, "XDG_STATE_HOME", ".local/state")
        config = _xdg_folder(env, "XDG_CONFIG_HOME", ".config")
    return Place(
        home=chosen or None,
        run=run,
        runtime=runtime,
        state=state,
        config=config,
        workers_endpoint="ipc://" + _socket_path(run, runtime, "workers.sock"),
        submitters_endpoint="ipc://" + _socket_path(run, runtime, "submitters.sock"),
    )


def submitters_endpoint(
    address: str | os.PathLike[str] | None = None, environ: Mapping[str, str] | None = None
) -> str:
    """The endpoint to ask: ``address`` may be an endpoint, the home folder of a farm, or None.

    Raises NotPrivate when the folder of a local farm's sockets is not ours alone, UsageError for
    an address of another kind.
    """
    if isinstance(address, str) and "://" in address:
        if not address.startswith(("ipc://", "tcp://")):
            raise UsageError(f"an address is ipc://... or tcp://..., not {address!r}")
        return address
    place = find(environ, address)
    endpoint = place.submitters_endpoint
    require_private(os.path.dirname(endpoint[len("ipc://") :]))
    return endpoint


def require_private(folder: str) -> None:
    """Whoever can open the sockets in it owns the farm: a folder, ours, 0700, no symlink.

    One that is not there is nobody's, and fine.
    """
    try:
        info = os.lstat(folder)
    except FileNotFoundError:
        return
    except OSError as error:
        raise NotPrivate(f"cannot open the folder {folder}: {error.strerror}") from None
    if not stat.S_ISDIR(info.st_mode):
        raise NotPrivate(
            f"{folder} is not a folder but a symlink or a file",
            hint="whoever made it could take over the farm; remove it",
        )
    if info.st_uid != _user():
        raise NotPrivate(
            f"the folder {folder} belongs to user {info.st_uid}, not to you",
            hint="remove it, or set DBLEND_HOME to a folder of your own",
        )
    mode = stat.S_IMODE(info.st_mode)
    if mode != 0o700:
        raise NotPrivate(
            f"the folder {folder} is not private: mode {mode:04o} instead of 0700",
            hint=f"chmod 700 '{folder}'",
        )


def data_file(name: str) -> str:
    """A file that the programs share with this package: ``autorender.py`` or ``prove.py``.

    Looked for in ``$DBLEND_DATA``, in the package (a wheel carries them), and beside it (a
    checkout). Raises FileNotFoundError.
    """
    here = os.path.dirname(os.path.abspath(__file__))
    folders = [os.environ.get("DBLEND_DATA", ""), os.path.join(here, "data"), os.path.dirname(here)]
    for folder in filter(None, folders):
        path = os.path.join(folder, name)
        if os.path.isfile(path):
            return path
    raise FileNotFoundError(f"{name} is in none of {', '.join(filter(None, folders))}")


def is_listening(endpoint: str, timeout_s: float = 0.5) -> bool:
    """Does a program listen there now? True also where that cannot be found out."""
    try:
        with _connected(endpoint, timeout_s):
            return True
    except (ConnectionError, FileNotFoundError, socket.timeout, socket.gaierror):
        return False
    except (OSError, ValueError):
        return True


def _connected(endpoint: str, timeout_s: float) -> socket.socket:
    if endpoint.startswith("tcp://"):
        host, port = _host_and_port(endpoint)
        return socket.create_connection((host, port), timeout_s)
    peer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        peer.settimeout(timeout_s)
        peer.connect(endpoint[len("ipc://") :])
    except BaseException:
        peer.close()
        raise
    return peer


def _host_and_port(endpoint: str) -> tuple[str, int]:
    parts = urlsplit(endpoint)
    if not parts.hostname or not parts.port:
        raise ValueError(endpoint)
    return parts.hostname, parts.port


def _absolute(env: Mapping[str, str], name: str) -> str | None:
    """XDG says: a relative path in these variables counts as not set."""
    value = env.get(name, "")
    return value if value.startswith("/") else None


def _home_folder(env: Mapping[str, str]) -> str:
    home = _absolute(env, "HOME")
    if home:
        return home
    entry = ""
    with contextlib.suppress(ImportError, KeyError):
        import pwd  # noqa: PLC0415  # not there on Windows

        entry = pwd.getpwuid(_user()).pw_dir
    return entry if entry.startswith("/") else "/"


def _user() -> int:
    """Whose we are; 0 on Windows (untested), where files have no such owner."""
    return os.geteuid() if hasattr(os, "geteuid") else 0


def _xdg_folder(env: Mapping[str, str], name: str, fallback: str) -> str:
    value = _absolute(env, name)
    if value:
        return f"{value}/dblend"
    home = _home_folder(env)
    return f"{'' if home == '/' else home}/{fallback}/dblend"


def _runtime_folder(env: Mapping[str, str]) -> str:
    xdg = _absolute(env, "XDG_RUNTIME_DIR")
    if xdg and _is_folder_of_ours(xdg) and _fits(xdg, _LONGEST_NAME):
        return f"{xdg}/dblend"
    return f"/tmp/dblend-{_user()}"


def _is_folder_of_ours(path: str) -> bool:
    try:
        info = os.stat(path)
    except OSError:
        return False
    return stat.S_ISDIR(info.st_mode) and info.st_uid == _user()


def _fits(folder: str, name: str) -> bool:
    return len(os.fsencode(folder)) + 1 + len(name) <= SOCKET_PATH_MAX


def _socket_path(run: str, runtime: str, name: str) -> str:
    if _fits(run, name):
        return f"{run}/{name}"
    digest = hashlib.blake2b(os.fsencode(run), digest_size=32).hexdigest()[:16]
    return f"{runtime}/{digest}-{name}"
