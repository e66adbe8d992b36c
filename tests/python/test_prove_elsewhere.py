"""prove.py without what Windows, or macOS, does not have - on Linux, see elsewhere.py.

This shows that the other paths work as they are meant, not that those systems are as we think.
"""

import os
import pathlib
import sys

import pytest

from python_side import FARM, OTHER_DIGEST, REPO, Prover, frame, names_in, picture, start_time
# The cases of the other files, run again here with the provers of this one.
from test_prove_disk import (  # noqa: F401
    small_disk, test_a_disk_that_fills_up_while_the_frame_is_rendered,
    test_a_disk_that_is_full_before_the_frame,
    test_a_folder_that_is_taken_away_while_the_frame_is_rendered,
)
from test_prove_frames import (  # noqa: F401
    test_a_frame_from_take_to_done, test_a_given_up_frame_leaves_the_old_picture,
    test_a_take_sent_twice_is_the_same_frame, test_a_whole_picture_of_this_version_is_kept,
    test_an_abandoned_file_is_ours_to_take, test_another_version_stays_until_the_rename,
    test_both_placeholders_of_a_stereo_frame_can_be_abandoned,
    test_overwrite_asks_nothing_and_makes_no_placeholder, test_stereo_is_one_frame_of_two_files,
    test_what_is_no_proof,
)
from test_prove_sharing import (  # noqa: F401
    SECOND_FARM, dead_process, test_a_fenced_claim_reports_the_picture_that_is_there,
    test_a_higher_claim_fences_a_stalled_one, test_a_picture_that_came_meanwhile_is_kept,
    test_a_race_for_many_frames_has_one_winner_each,
    test_another_farm_inherits_from_a_process_of_this_host_that_is_gone,
    test_another_farm_leaves_alone_what_may_live, test_at_its_end_everything_unproven_is_given_up,
    test_giving_up_a_fenced_claim_leaves_the_other_alone,
    test_killed_anywhere_the_next_claim_ends_with_a_whole_picture,
    test_the_next_claim_inherits_what_a_killed_prover_left,
)
from test_prove_sweep import (  # noqa: F401
    test_a_survey_knows_the_ledger, test_a_sweep_puts_back_what_lies_aside,
    test_a_sweep_removes_what_dead_claims_left, test_a_sweep_spares_what_lives_and_what_is_not_ours,
)

sys.path.insert(0, str(REPO / "python"))

from prove_parts import claims, system, temps  # noqa: E402

ELSEWHERE = str(pathlib.Path(__file__).parent / "elsewhere.py")


@pytest.fixture(params=["windows", "macos"])
def elsewhere(request):
    return request.param


@pytest.fixture
def provers(tmp_path, elsewhere):
    """As conftest's, but somewhere else."""
    logs = tmp_path / "prover logs"
    logs.mkdir()
    children = []

    def start(**who):
        log = logs / f"{len(children)}.log"
        children.append(Prover(log, through=(ELSEWHERE, elsewhere), **who))
        return children[-1]

    yield start
    for child in children:
        child.process.kill()
        child.hang_up()


only_windows = pytest.mark.parametrize("elsewhere", ["windows"], indirect=True)


@only_windows
def test_without_the_features_a_picture_in_use_is_waited_for(prover, out):
    """A virus scanner has the old picture open: the rename fails until it has read it."""
    out.mkdir()
    picture(out / "a.png", digest=OTHER_DIGEST)
    answer = prover.take(1, out / "a.png")
    data = picture(answer["path"])
    with open(out / "a.png", "rb"):
        prover.send(do="prove", id=3, claim=1)
        while "denied" not in prover.log.read_text():
            assert prover.look(4, out / "b.png")["is"] == "render"
    assert prover.hear()["is"] == "done"
    assert (out / "a.png").read_bytes() == data
    assert names_in(out) == ["a.png"]


def test_on_windows_a_picture_in_use_for_long_is_no_fault_of_the_worker(monkeypatch, out):
    def denied(old, new):
        raise PermissionError(13, "in use", old)

    out.mkdir()
    data = picture(out / "a.png", digest=OTHER_DIGEST)
    monkeypatch.setattr(system, "WINDOWS", True)
    monkeypatch.setattr(system, "_PATIENCE_S", 0.0)
    me = temps.Me(FARM, "test-host", os.getpid(), 0)
    claim = claims.Claim(dict(frame(out / "a.png"), claim=1), me)
    picture(claim.take()["path"])
    monkeypatch.setattr(os, "replace", denied)
    assert claim.prove()["is"] == "taken"
    assert (out / "a.png").read_bytes() == data
    assert names_in(out) == ["a.png"]


@only_windows
def test_without_the_features_who_cannot_be_fenced_keeps_the_frame(provers, out):
    """Blender of the lower claim has the file open: it might still be published."""
    stalled, second = provers(), provers()
    first = stalled.take(1, out / "a.png")
    data = picture(first["path"])
    with open(first["path"], "rb"):
        assert second.take(2, out / "a.png")["is"] == "taken"
    assert second.take(3, out / "b.png")["is"] == "mine"
    assert names_in(out) == [f".a.{FARM}.1.png", f".b.{FARM}.3.png", "a.png", "b.png"]
    assert stalled.prove(1)["is"] == "done"
    assert (out / "a.png").read_bytes() == data


@only_windows
def test_without_the_features_an_abandoned_file_in_use_is_taken(prover, out):
    out.mkdir()
    (out / "a.png").write_bytes(b"half")
    status = os.stat(out / "a.png")
    sighting = {"size": 4, "mtime_ns": status.st_mtime_ns, "inode": status.st_ino,
                "abandoned": True}
    with open(out / "a.png", "rb"):
        assert prover.take(1, out / "a.png", sighting=sighting)["is"] == "taken"
    assert (out / "a.png").read_bytes() == b"half"
    assert prover.take(2, out / "a.png", sighting=sighting)["is"] == "mine"


def test_without_the_features_a_process_of_that_number_counts(provers, out):
    """Its start time cannot be told there: the worker says 0."""
    live = provers(pid=os.getpid(), start=0)
    live.take(1, out / "a.png")
    live.kill()
    assert provers(farm=SECOND_FARM).take(1, out / "a.png")["is"] == "taken"


def test_on_linux_a_process_is_known_by_its_start():
    pid = os.getpid()
    assert system.is_running(pid, start_time(pid))
    assert not system.is_running(pid, start_time(pid) - 1)
    assert not system.is_running(pid, 0)
