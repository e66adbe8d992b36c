#!/usr/bin/env python3
"""Render what changed since yesterday: every .blend below a folder that was saved since.

    python3 changed.py /projects/film
    python3 changed.py /projects/film --hours 8 --frames 1-250x10 --percentage 25

For cron: what it has queued once it does not queue again, until the file is saved again.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import dblend


def saved_since(folder: Path, seconds: float) -> Iterator[Path]:
    """Files saved in the last so many seconds; a name with a dot is the farm's own copy."""
    since = time.time() - seconds
    for path in sorted(folder.rglob("*.blend")):
        if not path.name.startswith(".") and path.is_file() and path.stat().st_mtime >= since:
            yield path


def main() -> int:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--hours", type=float, default=24)
    parser.add_argument("--frames", help="without: those of the scene")
    parser.add_argument("--percentage", type=int, help="of the full size")
    given = parser.parse_args()
    files = list(saved_since(given.folder, given.hours * 3600))
    with dblend.Farm.connect() as farm:
        results = farm.submit_many(
            {
                "file": file,
                "key": dblend.BY_CONTENT,
                "frames": given.frames,
                "percentage": given.percentage,
                "overwrite": True,  # the pictures that are there are yesterday's
            }
            for file in files
        )
    status = 0
    for file, result in zip(files, results):
        if isinstance(result, dblend.Job):
            print(f"{file}: job {result.number}" + (", as before" if result.repeated else ""))
        elif result.code == "already-queued":
            print(f"{file}: job {result.job} renders it already")
        else:
            print(result, file=sys.stderr)
            status = 1
    return status


if __name__ == "__main__":
    try:
        sys.exit(main())
    except dblend.FarmError as error:
        sys.exit(str(error))
