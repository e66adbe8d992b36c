#!/usr/bin/env python3
"""Stands in for tests/gpu/hold_memory.py on a described machine: hold PCI MIB."""

import json
import os
import pathlib
import sys

from gpumachine import change

HELD_MIB = 40000


def main():
    pci = sys.argv[2]
    full = pathlib.Path(os.environ["STAND_IN"]) / "full-card"
    full.write_text("")  # the player writes nothing of processes any more
    change(pathlib.Path(os.environ["DBLEND_FAKE_GPU"]), pci, "process",
           f"{os.getpid()} {HELD_MIB} compute")
    print(json.dumps({"held_bytes": HELD_MIB << 20, "free_bytes": 500 << 20}), flush=True)
    sys.stdin.read()
    full.unlink()


main()
