"""Keys of jobs: what is queued twice is queued once."""

import os

import dblend
import pytest
from dblend.spec import BY_CONTENT, SpecMaker, content_key


def test_a_key_has_one_job(farm, blend, broker):
    first = farm.submit(blend(), key="shot 1 v3", samples=4)
    assert not first.repeated
    again = farm.submit(blend(), key="shot 1 v3", samples=4)
    assert again == first and again.repeated
    with pytest.raises(dblend.KeyUsed) as raised:
        farm.submit(blend(), key="shot 1 v3", samples=8)
    assert raised.value.job == first.number
    broker.restart()
    assert farm.submit(blend(), key="shot 1 v3", samples=4).repeated
    assert len(farm.jobs(all=True)) == 1


def test_a_key_by_content(farm, blend):
    def submit():
        items = [{"file": blend(), "key": BY_CONTENT, "frames": f"1-{last}"} for last in range(1, 40)]
        return farm.submit_many(items + items[:1])

    first, again = submit(), submit()
    # frames 1-2 are part of 1-39: that is refused, and not by its key
    queued = [job for job in first if isinstance(job, dblend.Job)]
    assert queued[-1] == queued[0] and queued[-1].repeated and not queued[0].repeated
    assert [job.repeated for job in again if isinstance(job, dblend.Job)] == [True] * len(queued)


def test_what_a_key_by_content_says(blend):
    path = blend()
    early, late = SpecMaker("0" * 16, submitted_at=1), SpecMaker("0" * 16, submitted_at=10**12)

    def key(specs=early, **options):
        return content_key(specs.spec(path, **options))

    assert key() == key(late) == key(SpecMaker("0" * 16, cwd="/elsewhere"))
    assert key(render_folder="/out") == key(late, render_folder="/out")
    others = [key(samples=4), key(samples=5), key(name="b"), key(output="/x"), key(render_folder="/y")]
    assert len({key(), *others}) == 6
    before = key()
    os.utime(path, ns=(1, 1))
    assert key() == before
    blend(content=path.read_bytes() + b"saved again")
    assert key() != before
