"""The report path takes no more instructions than were recorded; see instructions.py."""

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import instructions  # noqa: E402

REASON = instructions.why_not()


@pytest.mark.skipif(bool(REASON), reason=str(REASON))
def test_a_frame_takes_no_more_instructions(tmp_path):
    now, before = instructions.measure(tmp_path), instructions.recorded()
    assert now <= before * instructions.MOST_GROWTH, (
        f"a frame takes {now:,} instructions of the broker, {before:,} when it was last recorded;"
        " if that is worth it: DBLEND_INSTRUCTIONS=record tests/bench/run instructions")
