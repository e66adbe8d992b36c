#!/usr/bin/env python3
"""A progress bar of jobs: with rich or tqdm where they are installed, else a line when it moves.

    python3 progress.py            all jobs that have not ended
    python3 progress.py 12 13

In a notebook:

    import dblend, progress
    farm = dblend.Farm.connect()
    progress.watch(farm, farm.submit_many(["a.blend", "b.blend"]))
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import dblend

LOOK_S = 1.0


class Lines:
    """Needs nothing."""

    def __init__(self) -> None:
        self._last = ""

    def show(self, done: int, total: int, text: str) -> None:
        line = f"{done} of {total} frames, {text}"
        if line != self._last:
            print(line, flush=True)
        self._last = line

    def close(self) -> None:
        pass


class Tqdm:
    """https://tqdm.github.io; in a notebook it is a widget."""

    def __init__(self) -> None:
        self._bar: Any = import_module("tqdm.auto").tqdm(total=0, unit="frame")

    def show(self, done: int, total: int, text: str) -> None:
        self._bar.total, self._bar.n = total, done
        self._bar.set_postfix_str(text)

    def close(self) -> None:
        self._bar.close()


class Rich:
    """https://rich.readthedocs.io; in a notebook it draws itself in the cell."""

    def __init__(self) -> None:
        self._bars: Any = import_module("rich.progress").Progress()
        self._bar = self._bars.add_task("frames", total=None)
        self._bars.start()

    def show(self, done: int, total: int, text: str) -> None:
        self._bars.update(self._bar, completed=done, total=total or None, description=text)

    def close(self) -> None:
        self._bars.stop()


def best() -> Any:
    """The finest bar that is installed."""
    for kind in (Rich, Tqdm):
        try:
            return kind()
        except ImportError:
            pass
    return Lines()


def watch(
    farm: dblend.Farm, jobs: Sequence[dblend.Job | dblend.FarmError], bar: Any = None
) -> bool:
    """Show how far these jobs are until they have ended or one asks something. Are all done?"""
    numbers = [job.number for job in jobs if isinstance(job, dblend.Job)]
    bar = best() if bar is None else bar
    try:
        ended = False
        while not ended:
            try:
                farm.wait(numbers, timeout=LOOK_S, check=False)
                ended = True  # or a person is needed: there is nothing more to wait for
            except dblend.TimeIsOver:
                pass
            parts = [farm.job(number).progress() for number in numbers]
            text = f"{sum(part.ended for part in parts)} of {len(parts)} jobs have ended"
            bar.show(sum(part.done for part in parts), sum(part.total for part in parts), text)
    finally:
        bar.close()
    return all(part.state == "done" for part in parts)


def main() -> int:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("jobs", type=int, nargs="*", metavar="JOB")
    given = parser.parse_args()
    with dblend.Farm.connect() as farm:
        jobs = [farm.job(number) for number in given.jobs] or farm.jobs()
        if not jobs:
            print("nothing is to be rendered")
            return 0
        return 0 if watch(farm, jobs) else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except dblend.FarmError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit(130)
