"""The same farm for asyncio: :class:`Farm` and :class:`Job` with methods to await.

Names, arguments, results and errors are those of :class:`dblend.Farm` and :class:`dblend.Job`;
look there for what each does. Any number of tasks may share a farm of one event loop; whoever
waits for a job holds nobody up, and a task that is cancelled leaves nothing behind. What looks at
files does so in the loop's executor.

    async with await dblend.aio.Farm.connect() as farm:
        jobs = await farm.submit_many(["a.blend", "b.blend"])
        await farm.wait(jobs)
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar, cast

import zmq.asyncio

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
    """A farm: its jobs, workers and events, for one event loop.

    >>> farm = await dblend.aio.Farm.connect()
    >>> job = await farm.submit("shot1.blend", frames="1-250")
    >>> await job.wait()
    """

    def __init__(self, operations: Operations) -> None:
        """Use :meth:`connect`."""
        super().__init__(operations, zmq.asyncio.Context)

    @classmethod
    async def connect(
        cls,
        address: Path | None = None,
        *,
        timeout: float | None = None,
        times: Times | None = None,
    ) -> Farm:
        """See :meth:`dblend.Farm.connect`.

        >>> farm = await dblend.aio.Farm.connect("/srv/farm2")
        """
        talk = Talk(paths.submitters_endpoint(address), times)
        farm = cls(Operations(talk, timeout))
        try:
            await farm.hello()
        except BaseException:
            farm.close()
            raise
        return farm

    async def __aenter__(self) -> Farm:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    async def submit(
        self, path: Path, *, key: str | None = None, **options: Unpack[JobOptions]
    ) -> Job:
        """See :meth:`dblend.Farm.submit`.

        >>> job = await farm.submit("shot1.blend", frames="1-250", key="shot1-v3")
        """
        return self._submitted(await self._run(self._operations.submit(path, key, options)))

    async def submit_many(self, items: Iterable[Item]) -> list[Job | FarmError]:
        """See :meth:`dblend.Farm.submit_many`.

        >>> jobs = await farm.submit_many({"file": "a.blend", "samples": n} for n in (8, 16))
        """
        results = await self._run(self._operations.submit_many(items))
        return [
            self._submitted(entry) if isinstance(entry, Submitted) else entry for entry in results
        ]

    def job(self, number: int) -> Job:
        """The job of that number; nothing is asked yet.

        >>> (await farm.job(12).progress()).fraction
        0.4
        """
        return Job(self, number)

    async def jobs(self, *, all: bool = False) -> list[Job]:
        """See :meth:`dblend.Farm.jobs`.

        >>> [job.info["name"] for job in await farm.jobs()]
        ['shot1', 'shot2']
        """
        infos = await self._run(self._operations.jobs(all))
        return [Job(self, info["job"], info) for info in infos]

    async def wait(
        self, jobs: Iterable[Job | int], timeout: float | None = None, *, check: bool = True
    ) -> list[JobInfo]:
        """See :meth:`dblend.Farm.wait`; ``timeout`` in seconds.

        >>> await farm.wait(await farm.jobs(), timeout=3600)
        """
        return await self._run(self._operations.wait(numbers_of(jobs), timeout, check))

    async def cancel(self, jobs: Iterable[Job | int]) -> list[FarmError | None]:
        """See :meth:`dblend.Farm.cancel`."""
        return await self._run(self._operations.on_jobs("CANCEL", numbers_of(jobs)))

    async def hello(self) -> dict[str, Any]:
        """See :meth:`dblend.Farm.hello`."""
        return await self._run(self._operations.hello())

    async def workers(self) -> list[WorkerInfo]:
        """See :meth:`dblend.Farm.workers`."""
        return await self._run(self._operations.workers())

    async def events(
        self,
        *,
        after: int = -1,
        job: Job | int | None = None,
        frame: int | None = None,
        follow: bool = True,
    ) -> AsyncIterator[EventInfo]:
        """See :meth:`dblend.Farm.events`.

        >>> async for event in farm.events():
        ...     print(event["time"], event["event"], event["job"], event["frame"])
        """
        number = None if job is None else numbers_of([job])[0]
        if after < 0:
            _, after = await self._run(self._operations.events(-1, None, None, follow=False))
        while True:
            page = self._operations.events(after, number, frame, follow)
            events, after = await self._run(page)
            for event in events:
                yield event
            if not events and not follow:
                return

    async def pause(self, *, key: str | None = None) -> None:
        """See :meth:`dblend.Farm.pause`."""
        await self._run(self._operations.change("PAUSE", key, jobs=[]))

    async def resume(self, *, key: str | None = None) -> None:
        """See :meth:`dblend.Farm.resume`."""
        await self._run(self._operations.change("RESUME", key, jobs=[]))

    async def clear(self, *, key: str | None = None) -> int:
        """See :meth:`dblend.Farm.clear`."""
        return int((await self._run(self._operations.change("CLEAR", key)))["cleared"])

    async def drain(self, worker: str, *, key: str | None = None) -> None:
        """See :meth:`dblend.Farm.drain`."""
        await self._run(self._operations.change_one("DRAIN", key, worker=worker))

    async def rest(self, worker: str, *, now: bool = False, key: str | None = None) -> None:
        """See :meth:`dblend.Farm.rest`."""
        keys = {"workers": [worker], "rest": True, "now": now}
        await self._run(self._operations.change_one("REST", key, **keys))

    async def wake(self, worker: str, *, key: str | None = None) -> None:
        """See :meth:`dblend.Farm.wake`."""
        await self._run(self._operations.change_one("REST", key, workers=[worker], rest=False))

    async def stop(self, *, now: bool = False, key: str | None = None) -> None:
        """See :meth:`dblend.Farm.stop`."""
        await self._run(self._operations.change("STOP", key, now=now))

    def _submitted(self, entry: Submitted) -> Job:
        job = Job(self, entry.job)
        job.repeated = entry.repeated
        return job

    async def _run(self, operation: Operation[T]) -> T:
        """Do what an operation yields, until it returns."""
        link = self._links.take()
        try:
            result = await _drive(operation, link)
        except FarmError:
            self._links.give(link)
            raise
        except BaseException:
            link.close()  # an answer may still come to it
            raise
        self._links.give(link)
        return result


async def _drive(operation: Operation[T], link: Link) -> T:
    result: Any = None
    loop = asyncio.get_running_loop()
    try:
        while True:
            action = operation.send(result)
            if isinstance(action, Send):
                result = await _exchange(link, action)
            else:
                result = await loop.run_in_executor(None, action.call)
    except StopIteration as end:
        return cast(T, end.value)


async def _exchange(link: Link, action: Send) -> bytes | None:
    if action.renew:
        link.renew()
    socket = cast("zmq.asyncio.Socket", link.socket)
    await socket.send_multipart(envelope.request(action.body))
    if not await socket.poll(round(action.wait_s * 1000)):
        return None
    return envelope.answer_body(await socket.recv_multipart())


class Job(JobBase):
    """One job of a farm; see :class:`dblend.Job`.

    >>> job = await farm.submit("shot1.blend")
    >>> job.number
    12
    """

    def __init__(self, farm: Farm, number: int, info: JobInfo | None = None) -> None:
        super().__init__(farm, number)
        self.farm = farm
        #: The job as of the last look, None before the first; see :meth:`refresh`.
        self.info = info

    async def refresh(self) -> JobInfo:
        """See :meth:`dblend.Job.refresh`.

        >>> (await job.refresh())["state"]
        'active'
        """
        info = await self._run(self._ops.info(self.number))
        self.info = info
        return info

    async def details(self) -> JobDetails:
        """See :meth:`dblend.Job.details`."""
        return await self._run(self._ops.details(self.number))

    async def wait(self, timeout: float | None = None, *, check: bool = True) -> JobInfo:
        """See :meth:`dblend.Job.wait`; ``timeout`` in seconds.

        >>> (await job.wait(timeout=600))["state"]
        'done'
        """
        info = (await self._run(self._ops.wait([self.number], timeout, check)))[0]
        self.info = info
        return info

    async def progress(self) -> Progress:
        """See :meth:`dblend.Job.progress`."""
        return progress_of(await self.refresh())

    async def frames(self) -> list[FrameInfo]:
        """See :meth:`dblend.Job.frames`."""
        return await self._run(self._ops.frames(self.number))

    async def log(self, frame: int) -> str:
        """See :meth:`dblend.Job.log`."""
        lines = await self._run(self._ops.output(self.number, frame))
        return "".join(line + "\n" for line in lines)

    def events(
        self, *, after: int = 0, frame: int | None = None, follow: bool = False
    ) -> AsyncIterator[EventInfo]:
        """See :meth:`dblend.Job.events`.

        >>> [event["event"] async for event in job.events()][0]
        'job-added'
        """
        return self.farm.events(after=after, job=self.number, frame=frame, follow=follow)

    async def cancel(self, *, key: str | None = None) -> None:
        """See :meth:`dblend.Job.cancel`."""
        await self._run(self._ops.on_job("CANCEL", self.number, key))

    async def pause(self, *, key: str | None = None) -> None:
        """See :meth:`dblend.Job.pause`."""
        await self._run(self._ops.on_job("PAUSE", self.number, key))

    async def resume(self, *, accept_change: bool = False, key: str | None = None) -> None:
        """See :meth:`dblend.Job.resume`."""
        await self._run(self._ops.resume(self.number, accept_change, key))

    async def retry(self, *, all: bool = False, key: str | None = None) -> None:
        """See :meth:`dblend.Job.retry`."""
        await self._run(self._ops.on_job("RETRY", self.number, key, all=all))

    async def remove(self, *, key: str | None = None) -> None:
        """See :meth:`dblend.Job.remove`."""
        await self._run(self._ops.on_job("REMOVE", self.number, key))

    async def verify(self, *, requeue: bool = False, key: str | None = None) -> None:
        """See :meth:`dblend.Job.verify`."""
        await self._run(self._ops.on_job("VERIFY", self.number, key, requeue=requeue))

    async def priority(self, priority: int, *, key: str | None = None) -> None:
        """See :meth:`dblend.Job.priority`."""
        keys = {"job": self.number, "priority": priority}
        await self._run(self._ops.change_one("PRIORITY", key, **keys))

    async def accept(self, *, key: str | None = None, **options: Unpack[JobOptions]) -> None:
        """See :meth:`dblend.Job.accept`."""
        await self._run(self._ops.accept(self.number, key, options))

    def _run(self, operation: Operation[T]) -> Coroutine[Any, Any, T]:
        return self.farm._run(operation)
