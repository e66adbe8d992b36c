#!/usr/bin/env python3
"""One scene, 50 sets of overrides, 50 folders: which samples, which size are enough for each cut?

    python3 overrides.py shot.blend
    python3 overrides.py shot.blend --into looks --wait

Run it again and nothing is queued twice, also when the first run was interrupted: the key of a job
is made from what it is. A shot that was saved again is another one.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dblend

SAMPLES = (8, 16, 32, 64, 128)
PERCENTAGES = (50, 100)
# What each camera sees, by the markers of the scene: its cut, a frame in the middle of each take.
CAMERAS = {"wide": "1,12,24", "left": "25-36x4", "right": "37-48x4", "close": "49,60", "top": "61"}


def looks(file: Path, into: Path) -> Iterator[dict[str, Any]]:
    """The jobs: 5 cameras x 5 samples x 2 sizes."""
    for (camera, frames), samples, percentage in itertools.product(
        CAMERAS.items(), SAMPLES, PERCENTAGES
    ):
        name = f"{camera}_{samples}spp_{percentage}"
        yield {
            "file": file,
            "key": dblend.BY_CONTENT,
            "name": f"{file.stem} {name}",
            "frames": frames,
            "samples": samples,
            "percentage": percentage,
            "output": into / name / "####",
            "priority": 40,
        }


def main() -> int:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--into", type=Path, default=Path("looks"), help="folder of the folders")
    parser.add_argument("--wait", action="store_true", help="until all is rendered")
    given = parser.parse_args()
    with dblend.Farm.connect() as farm:
        results = farm.submit_many(looks(given.file, given.into))
        jobs = [result for result in results if isinstance(result, dblend.Job)]
        errors = [result for result in results if isinstance(result, dblend.FarmError)]
        new = sum(not job.repeated for job in jobs)
        print(f"{new} jobs queued, {len(jobs) - new} were there, {len(errors)} refused")
        for error in errors:
            print(error, file=sys.stderr)
        if given.wait:
            farm.wait(jobs)  # JobNotDone says which one is not, and why
    return 1 if errors else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except dblend.FarmError as error:
        sys.exit(str(error))
