"""A farm to talk to: :class:`Farm`, and :class:`Job`, one job of it.

Both may be shared by threads. Every call that asks the broker can raise BrokerLost when it has
been away for ten minutes, and TimeIsOver where a ``timeout`` was given to :meth:`Farm.connect`;
what else it raises stands with it. A broker that is started anew meanwhile costs time, no more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar, cast

import zmq

from dblend import envelope, paths
from dblend.common import FarmBase, JobBase
from dblend.errors import FarmError
from dblend.links import Link
from dblend.objects import (
    EventInfo,
    FrameInfo,
    JobDetails,
    JobInfo,
    Progress,
    WorkerInfo,
    progress_of,
)
from dblend.operations import Item, Operations, Path, Submitted, numbers_of
from dblend.talk import Operation, Send, Talk, Times

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from dblend.options import JobOptions

__all__ = ["Farm", "Job"]

T = TypeVar("T")


class Farm(FarmBase):
    """A farm: its jobs, workers and events.

    >>> with dblend.Farm.connect() as farm:
    ...     job = farm.submit("shot1.blend", frames="1-250")
    ...     job.wait()
    """

    def __init__(self, operations: Operations) -> None:
        """Use :meth:`connect`."""
        super().__init__(operations, zmq.Context)

    @classmethod
    def connect(
        cls,
        address: Path | None = None,
        *,
        timeout: float | None = None,
        times: Times | None = None,
    ) -> Farm:
        """The farm of this user, as ``dblend`` finds it, or the one at ``address``.

        ``address`` is an endpoint of a broker's submitters (``ipc:///...``, ``tcp://...``) or the
        folder that is its ``DBLEND_HOME``. ``timeout``: seconds that any one request may take;
        without, a broker that is gone is waited for for ten minutes.

        Raises NoBroker within a second when there is none, NotPrivate when somebody else could
        read or fake what is said, UsageError for an address of another kind.

        >>> farm = dblend.Farm.connect("/srv/farm2")
        """
        talk = Talk(paths.submitters_endpoint(address), times)
        farm = cls(Operations(talk, timeout))
        try:
            farm.hello()
        except BaseException:
            farm.close()
            raise
        return farm

    def __enter__(self) -> Farm:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # ---- jobs ----

    def submit(self, path: Path, *, key: str | None = None, **options: Unpack[JobOptions]) -> Job:
        """Queue a .blend file; the options are those of ``dblend add``, ``_`` for ``-``.

        The file is rendered as it is now, however often it is saved afterwards. With a ``key``
        (1 to 128 bytes) of your choice the same submit makes one job, however often and from
        however many scripts it is said; the job that it made is what it returns.

        Raises FileRefused (missing, no .blend ...), UsageError (an option), SubmitRefused (code
        ``already-queued``: the same is queued; ``error.job`` says as what), KeyUsed (the key
        belongs to a job of another content). Only what was queued, durably, is returned.

        >>> farm.submit("shot1.blend", frames="1-250", output="//out/####", priority=80)
        Job(12)
        """
        return self._submitted(self._run(self._operations.submit(path, key, options)))

    def submit_many(self, items: Iterable[Item]) -> list[Job | FarmError]:
        """Queue many at once, thousands in a few messages; a Job or an error for each, in order.

        An item is a path, or a mapping of ``file``, job options and, if wanted, ``key``. What is
        wrong with one item is in its place of the list and stops no other. Items are taken as
        they are needed: a generator may make them. Raises what concerns all (BrokerLost ...).

        >>> farm.submit_many({"file": "a.blend", "samples": n} for n in (8, 16))
        [Job(13), Job(14)]
        """
        results = self._run(self._operations.submit_many(items))
        return [
            self._submitted(entry) if isinstance(entry, Submitted) else entry for entry in results
        ]

    def job(self, number: int) -> Job:
        """The job of that number; nothing is asked yet.

        >>> farm.job(12).progress().fraction
        0.4
        """
        return Job(self, number)

    def jobs(self, *, all: bool = False) -> list[Job]:
        """The jobs that have not ended or ended within a day; with ``all`` every one; oldest first.

        Each has its ``info`` as it is now.

        >>> [job.info["name"] for job in farm.jobs()]
        ['shot1', 'shot2']
        """
        return [Job(self, info["job"], info) for info in self._run(self._operations.jobs(all))]

    def wait(
        self, jobs: Iterable[Job | int], timeout: float | None = None, *, check: bool = True
    ) -> list[JobInfo]:
        """Wait until all of these jobs have ended, or one of them needs a person.

        ``timeout`` is in seconds. Raises JobNotDone when one failed, was cancelled, is held (its
        ``questions`` say why) or paused by an error; with ``check=False`` it is returned like the
        others. TimeIsOver, NoSuchJob.

        >>> farm.wait(farm.jobs(), timeout=3600)
        """
        return self._run(self._operations.wait(numbers_of(jobs), timeout, check))

    def cancel(self, jobs: Iterable[Job | int]) -> list[FarmError | None]:
        """Cancel many jobs at once; for each None, or why not.

        >>> farm.cancel(farm.jobs())
        [None, None]
        """
        return self._run(self._operations.on_jobs("CANCEL", numbers_of(jobs)))

    # ---- the farm ----

    def hello(self) -> dict[str, Any]:
        """Facts about the broker: version, pid, workers, jobs (unfinished), paused ...

        >>> farm.hello()["workers"]
        2
        """
        return self._run(self._operations.hello())

    def workers(self) -> list[WorkerInfo]:
        """The workers, as ``dblend workers --json`` prints them.

        >>> [worker["state"] for worker in farm.workers()]
        ['rendering', 'idle']
        """
        return self._run(self._operations.workers())

    def events(
        self,
        *,
        after: int = -1,
        job: Job | int | None = None,
        frame: int | None = None,
        follow: bool = True,
    ) -> Iterator[EventInfo]:
        """What happens, as it happens; for ever with ``follow``, else what there is.

        ``after`` is the ``id`` of the last event that is known: 0 is from the beginning, -1 (the
        default) from now on. No event is left out or told twice, also when the broker is started
        anew meanwhile. Breaking out of the loop is all it takes to end it.

        >>> for event in farm.events():
        ...     print(event["time"], event["event"], event["job"], event["frame"])
        """
        number = None if job is None else numbers_of([job])[0]
        if after < 0:
            _, after = self._run(self._operations.events(-1, None, None, follow=False))
        return self._events(after, number, frame, follow)

    def _events(
        self, after: int, job: int | None, frame: int | None, follow: bool
    ) -> Iterator[EventInfo]:
        while True:
            events, after = self._run(self._operations.events(after, job, frame, follow))
            yield from events
            if not events and not follow:
                return

    def pause(self, *, key: str | None = None) -> None:
        """Pause the whole farm: what renders is finished, nothing more is given out.

        >>> farm.pause()
        """
        self._run(self._operations.change("PAUSE", key, jobs=[]))

    def resume(self, *, key: str | None = None) -> None:
        """Let it go on.

        >>> farm.resume()
        """
        self._run(self._operations.change("RESUME", key, jobs=[]))

    def clear(self, *, key: str | None = None) -> int:
        """Take all jobs that have ended off the list; how many those were.

        >>> farm.clear()
        7
        """
        return int(self._run(self._operations.change("CLEAR", key))["cleared"])

    def drain(self, worker: str, *, key: str | None = None) -> None:
        """Let a worker finish what it renders and leave. Raises Refused (``no-such-worker``).

        >>> farm.drain("box/cpu:0-3")
        """
        self._run(self._operations.change_one("DRAIN", key, worker=worker))

    def rest(self, worker: str, *, now: bool = False, key: str | None = None) -> None:
        """Give a worker's device back to its owner; ``now``: without finishing its frame.

        >>> farm.rest("box/gpu:0")
        """
        keys = {"workers": [worker], "rest": True, "now": now}
        self._run(self._operations.change_one("REST", key, **keys))

    def wake(self, worker: str, *, key: str | None = None) -> None:
        """Take the device into use again.

        >>> farm.wake("box/gpu:0")
        """
        self._run(self._operations.change_one("REST", key, workers=[worker], rest=False))

    def stop(self, *, now: bool = False, key: str | None = None) -> None:
        """End farm, broker and local workers; ``now``: without finishing what renders.

        >>> farm.stop()
        """
        self._run(self._operations.change("STOP", key, now=now))

    # ---- the transport ----

    def _submitted(self, entry: Submitted) -> Job:
        job = Job(self, entry.job)
        job.repeated = entry.repeated
        return job

    def _run(self, operation: Operation[T]) -> T:
        """Do what an operation yields, until it returns."""
        link: Link = self._links.take()
        try:
            result = _drive(operation, link)
        except FarmError:
            self._links.give(link)
            raise
        except BaseException:
            link.close()  # an answer may still come to it
            raise
        self._links.give(link)
        return result


def _drive(operation: Operation[T], link: Link) -> T:
    result: Any = None
    try:
        while True:
            action = operation.send(result)
            result = _exchange(link, action) if isinstance(action, Send) else action.call()
    except StopIteration as end:
        return cast(T, end.value)


def _exchange(link: Link, action: Send) -> bytes | None:
    if action.renew:
        link.renew()
    link.socket.send_multipart(envelope.request(action.body))
    if not link.socket.poll(round(action.wait_s * 1000)):
        return None
    return envelope.answer_body(link.socket.recv_multipart())


class Job(JobBase):
    """One job of a farm.

    >>> job = farm.submit("shot1.blend")
    >>> job.number
    12
    """

    def __init__(self, farm: Farm, number: int, info: JobInfo | None = None) -> None:
        super().__init__(farm, number)
        self.farm = farm
        self._info = info

    @property
    def info(self) -> JobInfo:
        """The job as ``dblend list --json`` prints it, as of the last look; see :meth:`refresh`.

        >>> job.info["state"]
        'active'
        """
        return self._info if self._info is not None else self.refresh()

    def refresh(self) -> JobInfo:
        """The job as it is now. Raises NoSuchJob, as all the others here do.

        >>> job.refresh()["frames"]["done"]
        17
        """
        self._info = self._run(self._ops.info(self.number))
        return self._info

    def details(self) -> JobDetails:
        """All about it: the spec, what inspection found, what it asks, who is blocked for it.

        >>> job.details()["found"]["engine"]
        'CYCLES'
        """
        return self._run(self._ops.details(self.number))

    def wait(self, timeout: float | None = None, *, check: bool = True) -> JobInfo:
        """Wait until it has ended, or needs a person; see :meth:`Farm.wait`.

        >>> job.wait(timeout=600)["state"]
        'done'
        """
        self._info = self._run(self._ops.wait([self.number], timeout, check))[0]
        return self._info

    def progress(self) -> Progress:
        """How far it is now.

        >>> job.progress().eta_s
        90
        """
        return progress_of(self.refresh())

    def frames(self) -> list[FrameInfo]:
        """All of its frames with their pictures, lowest number first.

        >>> [frame["files"][0]["path"] for frame in job.frames() if frame["state"] == "done"]
        ['/out/shot1_0001.png']
        """
        return self._run(self._ops.frames(self.number))

    def log(self, frame: int) -> str:
        """Blender's output of that frame's attempts, oldest first, lines ending in newlines.

        >>> print(job.log(17))
        """
        return "".join(line + "\n" for line in self._run(self._ops.output(self.number, frame)))

    def events(
        self, *, after: int = 0, frame: int | None = None, follow: bool = False
    ) -> Iterator[EventInfo]:
        """What happened to it, from the beginning; see :meth:`Farm.events`.

        >>> [event["event"] for event in job.events()][0]
        'job-added'
        """
        return self.farm.events(after=after, job=self.number, frame=frame, follow=follow)

    def cancel(self, *, key: str | None = None) -> None:
        """Cancel it, at once; pictures that are done stay.

        >>> job.cancel()
        """
        self._run(self._ops.on_job("CANCEL", self.number, key))

    def pause(self, *, key: str | None = None) -> None:
        """Finish what renders, give out nothing more.

        >>> job.pause()
        """
        self._run(self._ops.on_job("PAUSE", self.number, key))

    def resume(self, *, accept_change: bool = False, key: str | None = None) -> None:
        """Let it go on. ``accept_change``: with the file as it is now, where it was changed.

        >>> job.resume()
        """
        self._run(self._ops.resume(self.number, accept_change, key))

    def retry(self, *, all: bool = False, key: str | None = None) -> None:
        """Put failed and cancelled frames back; with ``all`` render every frame anew.

        >>> job.retry()
        """
        self._run(self._ops.on_job("RETRY", self.number, key, all=all))

    def remove(self, *, key: str | None = None) -> None:
        """Take it off the list; pictures stay.

        >>> job.remove()
        """
        self._run(self._ops.on_job("REMOVE", self.number, key))

    def verify(self, *, requeue: bool = False, key: str | None = None) -> None:
        """Look at all its pictures again; ``requeue``: render anew what is gone or broken.

        Each wrong one becomes an event ``frame-wrong``, the end an event ``job-verified``.

        >>> job.verify(requeue=True)
        """
        self._run(self._ops.on_job("VERIFY", self.number, key, requeue=requeue))

    def priority(self, priority: int, *, key: str | None = None) -> None:
        """0 to 100; higher goes first. Now: ``job.info["priority"]``.

        >>> job.priority(80)
        """
        keys = {"job": self.number, "priority": priority}
        self._run(self._ops.change_one("PRIORITY", key, **keys))

    def accept(self, *, key: str | None = None, **options: Unpack[JobOptions]) -> None:
        """Answer what a held job asks, with the options that its questions name.

        >>> job.accept(overwrite=True)
        """
        self._run(self._ops.accept(self.number, key, options))

    def _run(self, operation: Operation[T]) -> T:
        return self.farm._run(operation)
