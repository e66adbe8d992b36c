"""What can be asked of a farm, each as a generator over :class:`dblend.talk.Talk`.

Nothing here waits, opens a socket or looks at a clock other than the talk's: see
:mod:`dblend.talk`. ``timeout`` is seconds for the whole operation, None for no limit.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Any, NamedTuple, Union, cast

from dblend import wire
from dblend.errors import (
    FarmError,
    JobNotDone,
    Malformed,
    SubmitRefused,
    TimeIsOver,
    UsageError,
    refusal,
)
from dblend.messages import SPEC
from dblend.objects import ENDED, EventInfo, FrameInfo, JobDetails, JobInfo, WorkerInfo
from dblend.options import read
from dblend.spec import BY_CONTENT, SpecMaker, content_key
from dblend.talk import Operation, Talk, Work

__all__ = ["Item", "Operations", "Submitted", "numbers_of"]

Path = Union[str, "os.PathLike[str]"]
Item = Union[Path, Mapping[str, Any]]
"""Of submit_many: a path, or a mapping with ``file``, job options and, if wanted, ``key``."""


class Submitted(NamedTuple):
    """What became of an item: its job, and whether that was there before, by its key."""

    job: int
    repeated: bool


PARK_S = 2.0  # short, so that a restart of the broker is noticed soon
SUBMIT_JOBS_MAX = 256
SUBMIT_VALUES_MAX = wire.FROM_SUBMITTER.values - 16
SUBMIT_BYTES_MAX = wire.FROM_SUBMITTER.body_bytes - 512
JOBS_MAX = 4096
ONE_SPEC = wire.Limits(SUBMIT_BYTES_MAX, SUBMIT_VALUES_MAX)
NOTHING = wire.Size(0, 0)
WAIT_JOBS_MAX = 1000
PAGE = 4000
KEY_BYTES_MAX = 128


class Operations:
    """The operations on one farm."""

    def __init__(self, talk: Talk, timeout: float | None = None) -> None:
        self.talk = talk
        self.timeout = timeout
        self._specs: SpecMaker | None = None

    def until(self, timeout: float | None) -> float | None:
        """The end of a time that begins now, on the talk's clock."""
        seconds = self.timeout if timeout is None else timeout
        return None if seconds is None else self.talk.clock() + seconds

    # ---- the farm ----

    def hello(self) -> Operation[dict[str, Any]]:
        """Facts about the broker: version, pid, workers ..."""
        answer = yield from self.talk.ask({"t": "HELLO"}, until=self.until(None))
        return without_envelope(answer)

    def workers(self) -> Operation[list[WorkerInfo]]:
        answer = yield from self.talk.ask({"t": "WORKERS"}, until=self.until(None))
        return cast("list[WorkerInfo]", answer["workers"])

    def change(self, kind: str, key: str | None = None, **keys: Any) -> Operation[dict[str, Any]]:
        """A request that changes something, with a key: however often it is sent, done once."""
        request = {"t": kind, "key": key_or_new(key), **present(keys)}
        return (yield from self.talk.ask(request, until=self.until(None)))

    # ---- submit ----

    def submit(
        self, path: Path, key: str | None, options: Mapping[str, Any]
    ) -> Operation[Submitted]:
        """Queue one file. Raises what is in the way."""
        results = yield from self.submit_many([{**options, "file": path, "key": key}])
        result = results[0]
        if isinstance(result, FarmError):
            raise result
        return result

    def submit_many(self, items: Iterable[Item]) -> Operation[list[Submitted | FarmError]]:
        """Queue many, in as few messages as hold them; for each its job or its error."""
        maker = yield from self._spec_maker()
        results: list[Submitted | FarmError] = []
        batch = _Batch()
        for part in _parts(items):
            entries: list[_Entry] = yield Work(partial(_entries_of, maker, part))
            for entry, size in entries:
                if not batch.takes(size):
                    results += yield from self._send_batch(batch)
                    batch = _Batch()
                batch.add(entry, size)
        results += yield from self._send_batch(batch)
        return results

    def _spec_maker(self) -> Operation[SpecMaker]:
        """For each submit anew, as it carries the time; what it knows of files it keeps."""
        if self._specs is None:
            self._specs = SpecMaker((yield from self.hello())["farm"])
        return self._specs.anew()

    def _send_batch(self, batch: _Batch) -> Operation[list[Submitted | FarmError]]:
        answers: list[Any] = []
        if batch.specs:
            answers = (yield from self.change("SUBMIT", jobs=batch.specs))["jobs"]
        if len(answers) != len(batch.specs):
            raise Malformed("an answer to SUBMIT with more or fewer jobs than were asked for")
        told = iter(answers)
        return [
            entry if isinstance(entry, FarmError) else _submitted(next(told))
            for entry in batch.entries
        ]

    # ---- jobs ----

    def jobs(self, all: bool) -> Operation[list[JobInfo]]:
        found: list[JobInfo] = []
        after: int | None = None
        until = self.until(None)
        while True:
            request = present({"t": "LIST", "all": all, "after": after, "limit": PAGE})
            answer = yield from self.talk.ask(request, until=until)
            found += answer["jobs"]
            if not answer["more"] or not answer["jobs"]:
                return found
            after = found[-1]["job"]

    def details(self, job: int) -> Operation[JobDetails]:
        answer = yield from self.talk.ask({"t": "SHOW", "job": job}, until=self.until(None))
        return cast(JobDetails, without_envelope(answer))

    def info(self, job: int) -> Operation[JobInfo]:
        request = {"t": "WAIT", "jobs": [job], "wait_ms": 0}
        answer = yield from self.talk.ask(request, until=self.until(None))
        return cast(JobInfo, answer["jobs"][0])

    def frames(self, job: int) -> Operation[list[FrameInfo]]:
        found: list[FrameInfo] = []
        after: int | None = None
        until = self.until(None)
        while True:
            request = present({"t": "FRAMES", "job": job, "after": after, "limit": PAGE})
            answer = yield from self.talk.ask(request, until=until)
            found += answer["frames"]
            if not answer["more"] or not answer["frames"]:
                return found
            after = found[-1]["frame"]

    def output(self, job: int, frame: int) -> Operation[list[str]]:
        """Lines of Blender's output."""
        lines: list[str] = []
        offset: int | None = None
        until = self.until(None)
        while True:
            request = present({"t": "OUTPUT", "job": job, "frame": frame, "offset": offset})
            answer = yield from self.talk.ask(request, until=until)
            lines += answer["lines"]
            offset = answer.get("next")
            if offset is None:
                return lines

    def on_jobs(
        self, kind: str, jobs: Sequence[int], **keys: Any
    ) -> Operation[list[FarmError | None]]:
        """PAUSE, CANCEL and their like: for each job None, or why not."""
        results: list[FarmError | None] = []
        for begin in range(0, len(jobs), JOBS_MAX):
            part = list(jobs[begin : begin + JOBS_MAX])
            answer = yield from self.change(kind, jobs=part, **keys)
            results += [_outcome(result) for result in answer["results"]]
        return results

    def on_job(self, kind: str, job: int, key: str | None = None, **keys: Any) -> Operation[None]:
        """The same of one; raises why not."""
        answer = yield from self.change(kind, key, jobs=[job], **keys)
        _raise_first([_outcome(result) for result in answer["results"]])

    def resume(self, job: int, accept_change: bool, key: str | None) -> Operation[None]:
        """Let one go on."""
        change = {"accept_change": True} if accept_change else {}
        yield from self.on_job("RESUME", job, key, **change)

    def change_one(self, kind: str, key: str | None = None, **keys: Any) -> Operation[None]:
        """A change that answers with results of its own: PRIORITY, ACCEPT, DRAIN, REST."""
        answer = yield from self.change(kind, key, **keys)
        _raise_first([_outcome(result) for result in answer.get("results") or []])

    def accept(self, job: int, key: str | None, options: Mapping[str, Any]) -> Operation[None]:
        """Answer a held job's questions."""
        given, _ = read(options)
        yield from self.change_one("ACCEPT", key, job=job, options=given)

    def wait(
        self, jobs: Sequence[int], timeout: float | None, check: bool
    ) -> Operation[list[JobInfo]]:
        """Until all have ended, or one of them needs a person; see Farm.wait."""
        until = self.until(timeout)
        found: dict[int, JobInfo] = {}
        for begin in range(0, len(jobs), WAIT_JOBS_MAX):
            part = list(dict.fromkeys(jobs[begin : begin + WAIT_JOBS_MAX]))
            yield from self._wait_part(part, until, found)
            if any(_needs_person(info) for info in found.values()):
                break
        missing = [job for job in dict.fromkeys(jobs) if job not in found]
        for job in missing:
            found[job] = yield from self.info(job)
        infos = [found[job] for job in jobs]
        if check:
            yield from self._check_done(infos)
        return infos

    def _wait_part(
        self, jobs: list[int], until: float | None, found: dict[int, JobInfo]
    ) -> Operation[None]:
        left = jobs
        while left:
            park_s = PARK_S
            if until is not None:
                park_s = min(park_s, max(until - self.talk.clock(), 0.0))
            request = {"t": "WAIT", "jobs": left, "wait_ms": int(park_s * 1000)}
            # The broker's own answer is what ends the time, so it gets a little longer.
            patience = None if until is None else until + 1.0
            try:
                answer = yield from self.talk.ask(request, park_s=park_s, until=patience)
            except TimeIsOver:
                raise _too_late(left) from None
            infos: list[JobInfo] = answer["jobs"]
            found.update({info["job"]: info for info in infos})
            left = [job for job in left if job not in found or found[job]["state"] not in ENDED]
            if any(_needs_person(info) for info in infos):
                return
            if left and until is not None and self.talk.clock() >= until:
                raise _too_late(left)

    def _check_done(self, infos: Sequence[JobInfo]) -> Operation[None]:
        for info in sorted(infos, key=lambda info: info["state"] in ENDED):
            if info["state"] == "done":
                continue
            if info["state"] not in ENDED and not _needs_person(info):
                continue  # another one needs a person; this one is on its way
            questions: list[Any] = []
            if info["state"] == "held":
                questions = list((yield from self.details(info["job"]))["questions"])
            raise _not_done(info, questions)

    # ---- events ----

    def events(
        self, after: int, job: int | None, frame: int | None, follow: bool
    ) -> Operation[tuple[list[EventInfo], int]]:
        """The next events and the id to go on from. With follow it may take a moment."""
        park_s = PARK_S if follow else 0.0
        request = present({
            "t": "LOG", "after": after, "job": job, "frame": frame, "limit": 1000,
            "wait_ms": int(park_s * 1000),
        })  # fmt: skip
        answer = yield from self.talk.ask(request, park_s=park_s)
        return answer["events"], answer["last"]


class _Batch:
    """What goes into one SUBMIT: specs, and in their places those that cannot be sent."""

    def __init__(self) -> None:
        self.entries: list[dict[str, Any] | FarmError] = []
        self.specs: list[dict[str, Any]] = []
        self._size = NOTHING

    def takes(self, more: wire.Size) -> bool:
        size = self._size + more
        return not self.specs or (
            len(self.specs) < SUBMIT_JOBS_MAX
            and size.values <= SUBMIT_VALUES_MAX
            and size.body_bytes <= SUBMIT_BYTES_MAX
        )

    def add(self, entry: dict[str, Any] | FarmError, size: wire.Size) -> None:
        self.entries.append(entry)
        self._size += size
        if isinstance(entry, dict):
            self.specs.append(entry)


_Entry = tuple[Union[dict[str, Any], FarmError], wire.Size]


def _parts(items: Iterable[Item]) -> Iterator[list[Item]]:
    iterator = iter(items)
    while part := list(islice(iterator, SUBMIT_JOBS_MAX)):
        yield part


def _entries_of(maker: SpecMaker, items: list[Item]) -> list[_Entry]:
    """Spec or error of each, and what it takes up in a message."""
    specs = [_spec_or_error(maker, item) for item in items]
    return [(spec, wire.measure(spec) if isinstance(spec, dict) else NOTHING) for spec in specs]


def _spec_or_error(maker: SpecMaker, item: Item) -> dict[str, Any] | FarmError:
    """Something is wrong with this one item: that is its result."""
    try:
        options: dict[str, Any] = dict(item) if isinstance(item, Mapping) else {"file": item}
        path = options.pop("file", None)
        key = options.pop("key", None)
        if path is None:
            raise UsageError("an item without a file")
        spec = maker.spec(path, **options)
        if key is BY_CONTENT:
            spec["key"] = content_key(spec)
        elif key is not None:
            check_key(key)
            spec["key"] = key
        SPEC.check(spec, "")
        wire.encode({"t": "SUBMIT", "jobs": [spec]}, ONE_SPEC)
    except FarmError as error:
        return error
    return spec


def _submitted(result: Mapping[str, Any]) -> Submitted | FarmError:
    error = result.get("error")
    if error:
        return refusal({**error, "job": result.get("job")}, SubmitRefused)
    return Submitted(result["job"], result.get("repeated", False))


def _outcome(result: Mapping[str, Any]) -> FarmError | None:
    if result["ok"]:
        return None
    error = result.get("error") or {"code": "refused", "text": "the broker refused it"}
    return refusal({**error, "job": result.get("job")})


def _raise_first(outcomes: Iterable[FarmError | None]) -> None:
    for outcome in outcomes:
        if outcome is not None:
            raise outcome


def _needs_person(info: JobInfo) -> bool:
    return info["state"] == "held" or (info["state"] == "paused" and info["error"] is not None)


def _not_done(info: JobInfo, questions: list[Any]) -> JobNotDone:
    error = info["error"] or (questions[0] if questions else None)
    text = f"job {info['job']} ({info['name']}): {info['state']}"
    if error:
        text = f"{text}: {error['text']}"
    return JobNotDone(
        text,
        code=info["state"],
        info=info,
        questions=questions,
        hint=error["hint"] if error else None,
    )


def _too_late(left: Sequence[int]) -> TimeIsOver:
    jobs = ", ".join(str(job) for job in left[:5]) + (" ..." if len(left) > 5 else "")
    return TimeIsOver(f"the time is over; still to end: job {jobs}")


def numbers_of(jobs: Iterable[Any]) -> list[int]:
    """Job numbers of jobs or numbers."""
    return [job if isinstance(job, int) else job.number for job in jobs]


def present(keys: Mapping[str, Any]) -> dict[str, Any]:
    """Without those that are None: nil is the same as absent."""
    return {key: value for key, value in keys.items() if value is not None}


def without_envelope(answer: Mapping[str, Any]) -> dict[str, Any]:
    """What an answer says, without version and type."""
    return {key: value for key, value in answer.items() if key not in ("v", "t")}


def key_or_new(key: str | None) -> str:
    """The caller's, or 128 random bits."""
    if key is None:
        return secrets.token_hex(16)
    check_key(key)
    return key


def check_key(key: str) -> None:
    """Raises UsageError for a key that the protocol does not take."""
    size = len(key.encode("utf-8", "surrogatepass")) if isinstance(key, str) else 0
    if not 1 <= size <= KEY_BYTES_MAX:
        raise UsageError(f"a key is a text of 1 to {KEY_BYTES_MAX} bytes")
