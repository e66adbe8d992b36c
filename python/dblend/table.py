"""A table of jobs: CSV with a line of column names, or JSON lines, an object a line.

The columns are `file`, `key`, and the options of a job (see `dblend.options`). A table is read
twice, row by row: once to find all that is wrong with it before anything is queued, then to queue
it. So it may be as large as it likes, and may come through a pipe.
"""

from __future__ import annotations

import csv
import difflib
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO, NamedTuple, NoReturn, Union

from dblend.errors import UsageError
from dblend.options import OPTIONS, read

SPOOL_BYTES = 16 << 20  # of a table from a pipe that are held in memory
LINE_BYTES = 1 << 20
KEY_BYTES = 128
PATH_BYTES = 4096
_YES = {"yes", "y", "true", "1", "on", "x"}
_NO = {"no", "n", "false", "0", "off"}


class Row(NamedTuple):
    """One job that is to be queued."""

    line: int
    file: str
    key: str | None  #: None: by what it says
    options: dict[str, Any]


class Problem(NamedTuple):
    """What is wrong with a row, or with the table if nothing after it can be read."""

    line: int
    column: str  #: "column 3 (samples)", or "" for the whole line
    text: str

    def __str__(self) -> str:
        place = f"line {self.line}" + (f", {self.column}" if self.column else "")
        return f"{place}: {self.text}"


class _Unreadable(Exception):
    """The table ends here, with a problem."""

    def __init__(self, line: int, column: str, text: str) -> None:
        super().__init__(text)
        self.problem = Problem(line, column, text)


Cells = Iterator[Union["_Named", Problem]]


class _Named(NamedTuple):
    """The values of a row, with their places for people."""

    line: int
    values: Mapping[str, tuple[str, Any]]  # name -> (place, value)


class Table:
    """The table in a file, which is read from its beginning each time.

    >>> with open("shots.csv", "rb") as file, Table(file) as table:
    ...     rows = list(table.rows())
    """

    def __init__(self, file: BinaryIO) -> None:
        """`file` is read to its end now; it may be a pipe."""
        self._spool = tempfile.SpooledTemporaryFile(max_size=SPOOL_BYTES)  # noqa: SIM115
        shutil.copyfileobj(file, self._spool)

    def __enter__(self) -> Table:
        return self

    def __exit__(self, *_: object) -> None:
        self._spool.close()

    def rows(self) -> Iterator[Row | Problem]:
        """Each row, or what is wrong with it; empty lines and those that begin with # are none."""
        keys: dict[str, int] = {}
        try:
            for cells in self._cells():
                row = cells if isinstance(cells, Problem) else _row_of(cells)
                if isinstance(row, Row) and row.key is not None:
                    first = keys.setdefault(row.key, row.line)
                    if first != row.line:
                        row = Problem(row.line, "", f"its key is that of line {first}: '{row.key}'")
                yield row
        except _Unreadable as error:
            yield error.problem

    def _cells(self) -> Cells:
        self._spool.seek(0)
        lines = _Lines(self._spool)
        first = lines.first()
        if not first:
            raise _Unreadable(1, "", "there is nothing in it; a line of column names comes first")
        return _json_cells(lines) if first.startswith("{") else _csv_cells(lines, first)


class _Lines:
    """Lines of text, with the number of the last one: bytes that are no text are told by place."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self._next: str | None = None
        self.number = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if self._next is not None:
            line, self._next = self._next, None
        else:
            line = self._read()
        if not line:
            raise StopIteration
        self.number += 1
        return line

    def first(self) -> str:
        """The first line that says something, which comes again as the next; "" at the end."""
        while True:
            line = self._read()
            if not line or is_said(line):
                self._next = line
                return line.strip()
            self.number += 1

    def _read(self) -> str:
        data: bytes = self._file.readline(LINE_BYTES + 1)
        number = self.number + 1
        if number == 1:
            if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
                raise _Unreadable(1, "", "it is UTF-16; save it as UTF-8")
            data = data[3:] if data.startswith(b"\xef\xbb\xbf") else data
        if len(data) > LINE_BYTES:
            raise _Unreadable(number, "", f"it is longer than {LINE_BYTES} bytes")
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError as error:
            place = len(data[: error.start].decode("utf-8", "replace")) + 1
            raise _Unreadable(number, f"character {place}", "it is not UTF-8") from None
        if "\0" in text:
            raise _Unreadable(number, f"character {text.index(chr(0)) + 1}", "a zero byte")
        return text


def is_said(line: str) -> bool:
    """Is it neither empty nor a remark?"""
    text = line.strip()
    return bool(text) and not text.startswith("#")


# ---- CSV ----


def _csv_cells(lines: _Lines, first: str) -> Cells:
    reader = csv.reader(lines, delimiter=_delimiter(first), strict=True)
    before = lines.number
    names: list[str] = []
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            _refuse_csv(before + 1, error)
        line, before = before + 1, lines.number
        if not any(cell.strip() for cell in cells) or (cells[0].lstrip().startswith("#")):
            continue
        if not names:
            names = _names_of(line, cells)
        elif len(cells) != len(names):
            yield Problem(
                line,
                "",
                f"{len(cells)} fields, but there are {len(names)} columns "
                "(a field with a comma in it is put in quotes)",
            )
        else:
            yield _named(line, names, cells)


def _refuse_csv(line: int, error: csv.Error) -> NoReturn:
    text = str(error)
    if "new-line" in text:
        text = "a line end inside a line; save it with those of Unix or Windows"
    elif "unexpected end" in text:
        text = "a quote is not closed"
    raise _Unreadable(line, "", text)


def _delimiter(first: str) -> str:
    """Spreadsheets write what their country uses."""
    return next((mark for mark in ",;\t" if mark in first), ",")


def _names_of(line: int, cells: list[str]) -> list[str]:
    names: list[str] = []
    for number, cell in enumerate(cells, 1):
        name = _known(cell) if cell.strip() else ""
        if name is None:
            raise _Unreadable(line, f"column {number}", _unknown("column", cell.strip()))
        if name and name in names:
            first = names.index(name) + 1
            raise _Unreadable(line, f"column {number}", f"'{name}' is column {first}, too")
        names.append(name)
    if "file" not in names:
        raise _Unreadable(line, "", "no column is called 'file'")
    return names


def _named(line: int, names: list[str], cells: list[str]) -> _Named | Problem:
    values: dict[str, tuple[str, Any]] = {}
    for number, (name, cell) in enumerate(zip(names, cells), 1):
        text = cell.strip()
        if not text:
            continue
        if not name:
            return Problem(line, f"column {number}", "the column has no name")
        place = f"column {number} ({name})"
        value = _flag(text) if name in OPTIONS and OPTIONS[name].flag else text
        if value is None:
            return Problem(line, place, f"yes or no, not '{text}'")
        values[name] = (place, value)
    return _Named(line, values)


def _flag(text: str) -> bool | None:
    word = text.lower()
    return True if word in _YES else False if word in _NO else None


# ---- JSON lines ----


class _Twice(ValueError):
    pass


def _json_cells(lines: _Lines) -> Cells:
    for text in lines:
        if is_said(text):
            yield _json_row(lines.number, text)


def _json_row(line: int, text: str) -> _Named | Problem:
    try:
        value = json.loads(text, object_pairs_hook=_once, parse_constant=_no_number)
    except json.JSONDecodeError as error:
        return Problem(line, f"character {error.colno}", f"no JSON: {error.msg}")
    except (_Twice, RecursionError) as error:
        return Problem(line, "", str(error))
    if not isinstance(value, dict):
        return Problem(line, "", "not a JSON object")
    values: dict[str, tuple[str, Any]] = {}
    for word, one in value.items():
        name = _known(word)
        if name is None:
            return Problem(line, "", _unknown("key", word))
        if name in values:
            return Problem(line, "", f"'{name}' is there twice")
        if one is not None:
            values[name] = (f"'{name}'", one)
    return _Named(line, values)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        raise _Twice(f"'{next(name for name in names if names.count(name) > 1)}' is there twice")
    return found


def _no_number(word: str) -> NoReturn:
    raise _Twice(f"{word} is no number")


# ---- both ----


def _known(word: str) -> str | None:
    """The name of a column; None if there is none of that name."""
    name = word.strip().lower().replace("-", "_").replace(" ", "_")
    return name if name in OPTIONS or name in ("file", "key") else None


def _unknown(what: str, word: str) -> str:
    near = difflib.get_close_matches(word.lower().replace("-", "_"), ["file", "key", *OPTIONS], 1)
    meant = f"; did you mean '{near[0]}'?" if near else ""
    return f"unknown {what} '{word}'{meant}"


def _row_of(cells: _Named) -> Row | Problem:
    options: dict[str, Any] = {}
    for name, (place, value) in cells.values.items():
        if name in ("file", "key"):
            why = _no_text(value, KEY_BYTES if name == "key" else PATH_BYTES)
            if why:
                return Problem(cells.line, place, why)
            continue
        try:
            read({name: value})
        except UsageError as error:
            return Problem(cells.line, place, str(error))
        options[name] = value
    if "file" not in cells.values:
        return Problem(cells.line, "", "no file is named")
    try:
        read(options)
    except UsageError as error:
        return Problem(cells.line, "", str(error))
    key = cells.values["key"][1] if "key" in cells.values else None
    return Row(cells.line, cells.values["file"][1], key, options)


def _no_text(value: object, most: int) -> str:
    """Why it can be no key and no path; "" if it can."""
    if not isinstance(value, str) or not value or "\0" in value:
        return "not a text"
    try:
        size = len(value.encode("utf-8"))
    except UnicodeEncodeError:
        return "not a text"
    return f"longer than {most} bytes" if size > most else ""


def load(path: str, stdin: BinaryIO) -> Table:
    """The table at path, `-` is standard input. OSError."""
    if path == "-":
        return Table(stdin)
    with open(path, "rb") as file:
        return Table(file)
