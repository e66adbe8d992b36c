"""temps - temporary files beside a final name: whose they are, and whether their maker lives.

A frame is rendered into `.<name>.<farm id>.<claim><view suffix>.<ext>` beside its final name
`<name><view suffix>.<ext>` (one a view; Blender itself adds the suffix before the extension). Until
Blender writes its picture over it, the file holds one owner line:

    dblend <farm id> <host> <pid> <start time of the pid> <claim>
"""

import hashlib
import os
import re

from . import system

_OWNER = re.compile(rb"dblend ([0-9a-f]{16}) (\S+) (\d+) (\d+) (\d+)\n")
_MAKER = re.compile(r"([0-9a-f]{16})\.(\d+)")  # farm id and claim, in a name
_OWNER_BYTES = 512  # more than any owner line: a host name has at most 64 bytes
_NAME_BYTES = 255  # NAME_MAX
_SPARE_BYTES = 80  # what we add to a name: dots, farm id, claim, view suffix, `.aside`
_NO_EXTENSION = ".tmp"  # Blender would put a view suffix before the claim if there were none


class Me:
    """Who writes here: the farm, and the worker process for which this prover works."""

    def __init__(self, farm, host, pid, start):
        self.farm = farm
        self.host = re.sub(r"\s", "_", host) or "-"
        self.pid = int(pid)
        self.start = int(start)

    def owner_line(self, claim):
        """The line that says in a temporary file whose it is."""
        parts = (self.farm, self.host, self.pid, self.start, claim)
        return ("dblend %s %s %d %d %d\n" % parts).encode("utf-8", "surrogateescape")


class Temp:
    """One temporary file found beside a final name."""

    def __init__(self, path, farm, claim):
        self.path = path
        self.farm = farm
        self.claim = claim


def parts_of(path, view):
    """(folder, name, view suffix, extension) of a final name; long names are shortened.

    The name is the same for all views, and for all provers that look at this file.
    """
    folder, base = os.path.split(path)
    name, extension = os.path.splitext(base)
    if view and name.endswith(view):
        name = name[: -len(view)]
    if len(os.fsencode(base)) + _SPARE_BYTES > _NAME_BYTES:
        mark = hashlib.blake2b(os.fsencode(name), digest_size=8).hexdigest()
        name = os.fsencode(name)[:80].decode("utf-8", "ignore") + "~" + mark
    return folder, name, view, extension or _NO_EXTENSION


def paths(path, view, farm, claim):
    """(what Blender is given to render to, the temporary file of the view: what it makes of it)."""
    folder, name, view, extension = parts_of(path, view)
    stem = system.join(folder, ".%s.%s.%d" % (name, farm, claim))
    return stem + extension, stem + view + extension


def beside(path, view):
    """The temporary files of every farm for one final name; [] when the folder is not there.

    Reads the whole folder: some milliseconds for 10,000 files, so ask only when it matters.
    """
    folder, name, view, extension = parts_of(path, view)
    # Plain text first: a pattern would have to be compiled for every name.
    head, tail = ".%s." % name, view + extension
    try:
        entries = os.listdir(folder or ".")
    except FileNotFoundError:
        return []
    found = []
    for entry in entries:
        if not (entry.startswith(head) and entry.endswith(tail)):
            continue
        match = _MAKER.fullmatch(entry, len(head), len(entry) - len(tail))
        if match:
            found.append(Temp(system.join(folder, entry), match.group(1), int(match.group(2))))
    return sorted(found, key=lambda temp: temp.path)


def is_dead(temp, me, claim):
    """True when nobody will ever publish this file.

    This farm's claims only rise, so a lower one is dead. Of another farm we know it only when its
    process ran on this host and is gone; once Blender has written over the line we cannot know.
    """
    if temp.farm == me.farm:
        return temp.claim < claim
    owner = owner_of(temp.path)
    return owner is not None and owner[0] == me.host and not system.is_running(*owner[1:])


def owner_of(path):
    """(host, pid, start time) of the owner line; None once Blender has written over it."""
    try:
        with open(path, "rb") as stream:
            owner = _OWNER.match(stream.read(_OWNER_BYTES))
    except OSError:
        return None
    if not owner:
        return None
    host = owner.group(2).decode("utf-8", "surrogateescape")
    return host, int(owner.group(3)), int(owner.group(4))


def is_of_live_worker(path, me):
    """True when the owner line names another worker process of this host that lives."""
    owner = owner_of(path)
    if owner is None or owner[0] != me.host or owner[1:] == (me.pid, me.start):
        return False
    return system.is_running(*owner[1:])
