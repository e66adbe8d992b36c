"""python -m dblend.batch: queue a table of jobs.

A row whose job is queued already, by an earlier run that was killed say, is not queued again: its
key is made from what it says, and from the bytes of its file.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
import textwrap
import warnings
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import BinaryIO, TextIO

from dblend import table
from dblend.errors import FarmError, FileRefused, UsageError
from dblend.farm import Farm, Job
from dblend.objects import JobInfo
from dblend.options import OPTIONS
from dblend.spec import BY_CONTENT, check_file
from dblend.text import clean

DONE, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130
CHUNK = 256  # rows of a request
PROBLEMS_TOLD = 50
SECONDS_MAX = 31536000

DESCRIPTION = """\
Queue a table of jobs: a CSV file with a line of column names, or JSON lines, an object a line.
The column `file' names the .blend; the others are options of `dblend add', with the same names and
values: frames, output, samples ... An empty cell leaves an option out; options without a value
take yes or no. Relative paths count from the present folder."""

EPILOG = f"""\
{textwrap.fill("Columns: file, key, " + ", ".join(OPTIONS) + ".", 96)}

A row that is queued already is not queued again, so a batch that was interrupted is simply run
again: a row stands for one job for as long as that is listed, whatever became of it (see `dblend
retry', `dblend remove'), and a .blend that was saved again is another one. `key' may name the job
instead: another row under the same key is refused.

The whole table is looked at first: when a row is wrong nothing is queued.

Exit status: 0 if every row is queued (with --wait: done), 1 if one was refused (is held, failed,
was cancelled, or the time is over) or there is no broker, 2 for wrong usage or a wrong table,
nothing was sent then; 130 when it was interrupted."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program with these arguments, those of the command line if there are none."""
    parser = _parser()
    given = parser.parse_args(arguments)
    if given.timeout is not None and not given.wait:
        parser.error("--timeout is of use with --wait only")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that cannot show a name
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("always", UserWarning)
            warnings.showwarning = _show
            return _run(given, sys.stdin.buffer)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # whoever read the table has left; nor is there a place for the rest
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m dblend.batch",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("table", help="CSV or JSON lines; - is standard input")
    parser.add_argument(
        "-n",
        "--dry-run",
        action="store_true",
        help="look at the table and the files only; no farm is needed",
    )
    parser.add_argument("-w", "--wait", action="store_true", help="wait until the jobs have ended")
    parser.add_argument(
        "-t",
        "--timeout",
        type=_seconds,
        metavar="SECONDS",
        help="with --wait: give up after so long, with exit status 1",
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="print job numbers only")
    parser.add_argument(
        "--farm",
        metavar="ADDRESS",
        help="another farm than that of this user: its DBLEND_HOME, or an endpoint",
    )
    return parser


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 <= seconds <= SECONDS_MAX:
        raise ValueError(text)
    return seconds


def _run(given: argparse.Namespace, stdin: BinaryIO) -> int:
    try:
        rows = table.load(given.table, stdin)
    except OSError as error:
        _say(f"{given.table}: {error.strerror or error}")
        return USAGE
    with rows:
        count = _check(rows, given.table)
        if count < 0:
            return USAGE
        if count == 0:
            _say(f"{given.table}: no rows")
            return DONE
        return _go_through(rows, given)


def _go_through(rows: table.Table, given: argparse.Namespace) -> int:
    report = _Report(sys.stdout, given.quiet)
    try:
        if given.dry_run:
            return _look(rows, report)
        with Farm.connect(given.farm) as farm:
            return _queue(farm, rows, report, given)
    except FarmError as error:
        report.end()
        _say(str(error))
        return USAGE if isinstance(error, UsageError) else FAILED


def _say(text: str) -> None:
    print(f"dblend.batch: {clean(text)}", file=sys.stderr, flush=True)


def _show(  # noqa: PLR0917  (what warnings.showwarning is given)
    message: Warning | str,
    category: object,
    filename: object,
    lineno: object,
    file: object = None,
    line: object = None,
) -> None:
    _say(str(message))


def _check(rows: table.Table, name: str) -> int:
    """How many rows there are; -1 when there are wrong ones, which are told."""
    count = problems = 0
    for row in rows.rows():
        count += isinstance(row, table.Row)
        if isinstance(row, table.Problem):
            problems += 1
            if problems <= PROBLEMS_TOLD:
                _say(f"{name}: {row}")
    if problems > PROBLEMS_TOLD:
        _say(f"{name}: {problems - PROBLEMS_TOLD} more rows are wrong")
    if problems:
        _say("nothing was queued")
    return -1 if problems else count


def _good(rows: table.Table) -> Iterator[table.Row]:
    return (row for row in rows.rows() if isinstance(row, table.Row))


class _Report:
    """The table of what came of each row: on standard output, a line when it is known."""

    def __init__(self, out: TextIO, quiet: bool) -> None:
        self._out, self._quiet = out, quiet
        self._counts: dict[str, int] = {}
        self._headed = quiet

    def tell(self, row: table.Row, job: int | None, what: str, why: str = "") -> None:
        self._counts[what] = self._counts.get(what, 0) + 1
        if self._quiet:
            if job is not None and not why:
                print(job, file=self._out)
            elif why:
                _say(f"line {row.line}: {row.file}: {why}")
            return
        if not self._headed:
            self._headed = True
            print(f"{'LINE':>6} {'JOB':>7}  FILE", file=self._out)
        number = "-" if job is None else str(job)
        print(clean(f"{row.line:>6} {number:>7}  {row.file}: {why or what}"), file=self._out)

    def end(self) -> None:
        """The sums, on standard error."""
        self._out.flush()
        if self._counts and not self._quiet:
            sums = ", ".join(f"{count} {what}" for what, count in self._counts.items())
            print(sums, file=sys.stderr, flush=True)
        self._counts.clear()


def _look(rows: table.Table, report: _Report) -> int:
    status = DONE
    for row in _good(rows):
        try:
            check_file(row.file)
        except FileRefused as error:
            status = FAILED
            report.tell(row, None, "refused", _why(error))
        else:
            report.tell(row, None, "would be queued")
    report.end()
    return status


def _queue(farm: Farm, rows: table.Table, report: _Report, given: argparse.Namespace) -> int:
    status = DONE
    numbers: list[int] = []
    left = _good(rows)
    while chunk := list(islice(left, CHUNK)):
        items = [
            {**row.options, "file": row.file, "key": BY_CONTENT if row.key is None else row.key}
            for row in chunk
        ]
        for row, result in zip(chunk, farm.submit_many(items)):
            if isinstance(result, Job):
                numbers.append(result.number)
                report.tell(row, result.number, "queued before" if result.repeated else "queued")
            else:
                status = FAILED
                report.tell(row, result.job, "refused", _why(result))
    report.end()
    if given.wait and numbers:
        status = max(status, _wait(farm, numbers, given.timeout))
    return status


def _why(error: FarmError) -> str:
    """The file is named already."""
    return _hinted(error.text, error.hint)


def _hinted(text: str, hint: str | None) -> str:
    return f"{text}; {hint}" if hint else text


def _wait(farm: Farm, numbers: list[int], timeout: float | None) -> int:
    infos = farm.wait(dict.fromkeys(numbers), timeout, check=False)
    for info in infos:
        if info["state"] != "done" and not _goes_on(info):
            error = info["error"]
            why = f": {_hinted(error['text'], error['hint'])}" if error else ""
            _say(f"job {info['job']} ({info['name']}): {info['state']}{why}")
    done = sum(info["state"] == "done" for info in infos)
    print(f"{done} of {len(infos)} jobs are done", file=sys.stderr, flush=True)
    return DONE if done == len(infos) else FAILED


def _goes_on(info: JobInfo) -> bool:
    """It has not ended: wait ended for another one that asks something."""
    return info["error"] is None and info["state"] in ("queued", "inspecting", "active", "paused")


if __name__ == "__main__":
    sys.exit(main())
