"""dblend.aio against a real broker: the same, awaited."""

import asyncio
import inspect
import threading

import dblend
import pytest
from brokertools import found_of
from dblend import aio


def run(broker, body):
    async def go():
        async with await aio.Farm.connect(broker.home) as farm:
            return await asyncio.wait_for(body(farm), 60)

    return asyncio.run(go())


def names_of(kind):
    return {name: list(inspect.signature(member).parameters)
            for name, member in vars(kind).items()
            if inspect.isfunction(member) and not name.startswith("_")}


@pytest.mark.parametrize("kind", ["Farm", "Job"])
def test_it_has_the_same_methods_with_the_same_arguments(kind):
    assert names_of(getattr(aio, kind)) == names_of(getattr(dblend, kind))


def test_a_job_from_its_submit_to_its_pictures(broker, blend, working):
    ended = threading.Event()

    async def body(farm):
        job = await farm.submit(blend(), frames="1-3", output="/render/shot_####", key="k")
        assert (await farm.submit(blend(), frames="1-3", output="/render/shot_####",
                                  key="k")).repeated
        working(ended.is_set)
        assert (await job.wait(timeout=60))["state"] == job.info["state"] == "done"
        ended.set()
        assert (await job.progress()).fraction == 1.0
        assert [frame["state"] for frame in await job.frames()] == ["done"] * 3
        assert "job-done" in [event["event"] async for event in job.events()]
        assert (await job.details())["found"]["engine"] == "CYCLES"
        assert await job.log(1) == ""
        assert await farm.jobs() == [job]
        assert [worker["done"] for worker in await farm.workers()] == [3]
        await job.retry(all=True)
        await job.cancel()
        await job.remove()
        with pytest.raises(dblend.NoSuchJob):
            await job.refresh()

    run(broker, body)


def test_what_can_be_said(broker, blend):
    worker = broker.worker("box/cpu:0")
    worker.ready()

    async def body(farm):
        job = await farm.submit(blend(), frames="1-3")
        await job.priority(7)
        await job.pause()
        assert (await job.refresh())["state"] == "paused" and job.info["priority"] == 7
        await job.resume()
        await farm.pause()
        assert (await farm.hello())["paused"]
        await farm.resume()
        await farm.rest("box/cpu:0", now=True)
        assert worker.sync()["orders"]["rest"] == "now"
        await farm.wake("box/cpu:0")
        await farm.drain("box/cpu:0")
        assert worker.sync()["orders"]["drain"] == "soft"
        with pytest.raises(dblend.Refused):
            await job.verify()
        assert await farm.cancel([job]) == [None]
        assert await farm.clear() == 1

    run(broker, body)


def test_a_held_job_takes_its_answer(broker, blend):
    worker = broker.worker()
    worker.ready()

    async def body(farm):
        job = await farm.submit(blend())
        await asyncio.get_running_loop().run_in_executor(None, lambda: worker.inspect(
            found_of(), [{"code": "pictures", "text": "old pictures", "hint": "--keep"}]))
        with pytest.raises(dblend.JobNotDone) as held:
            await farm.wait([job])
        assert held.value.questions[0]["code"] == "pictures"
        await job.accept(keep=True)
        assert (await job.refresh())["state"] == "active"

    run(broker, body)


def test_a_task_that_is_cancelled_leaves_the_farm_usable(broker, blend):
    async def body(farm):
        job = await farm.submit(blend())
        task = asyncio.create_task(job.wait())
        follow = asyncio.create_task(farm.events().__anext__())
        for _ in range(3):
            await farm.hello()
        for one in (task, follow):
            one.cancel()
            with pytest.raises(asyncio.CancelledError):
                await one
        assert (await job.refresh())["state"] == "queued"

    run(broker, body)


def test_many_and_their_errors(broker, blend):
    path = blend()

    async def body(farm):
        results = await farm.submit_many(
            {"file": path, "output": f"/render/{number}_####"} if number % 2 else "nothing.blend"
            for number in range(10))
        assert [type(result) for result in results] == [dblend.FileRefused, aio.Job] * 5
        await farm.stop(now=True)

    run(broker, body)
    assert broker.process.wait(20) == 0
