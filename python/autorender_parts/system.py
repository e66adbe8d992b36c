"""system - what differs between operating systems inside Blender: paths, the C library.

Linux is tested. What is here for Windows has never run there; on macOS Linux's side is meant to do.

The farm's paths begin with a slash. Python on Windows takes them from the root of the current
drive, Blender from that of the drive that Windows is on, so both must be the same drive.
"""

import ctypes
import errno
import ntpath
import os

WINDOWS = os.name == "nt"
FULL = (errno.ENOSPC, errno.EDQUOT)
LIBC = ctypes.CDLL("ucrtbase" if WINDOWS else None)


def shared(folder):
    """A folder as every machine of the farm names it: without links, as all see the same ones.

    On Windows without Blender's drive and backslashes; what its links lead to has a drive too.
    """
    if WINDOWS:
        return ntpath.splitdrive(folder)[1].replace("\\", "/")
    return os.path.realpath(folder)


def is_same(path, other):
    """True for two ways to write an absolute path."""
    one, two = (os.path.normcase(os.path.abspath(name)) for name in (path, other))
    return one == two


def has_drive(path):
    """True for what is absolute on Windows alone: a drive or a server; `//` is Blender's own."""
    return WINDOWS and not path.startswith("//") and bool(ntpath.splitdrive(path)[0])
