"""How a broker starts, stays, stops, and what it does when the disk is full."""

import os
import pathlib
import re
import signal
import sqlite3
import stat
import subprocess
import time
from datetime import datetime

import msgpack
import pytest
import zmq

from brokertools import DEADLINE_S, SOON_S, NoAnswer, found_of, spec_of, until


def exit_status(broker):
    return broker.process.wait(DEADLINE_S)


def change_ledger(broker, statement):
    ledger = sqlite3.connect(broker.home / "ledger.db", isolation_level=None)
    try:
        return ledger.execute(statement).fetchall()
    finally:
        ledger.close()


def test_sockets_and_ledger_are_private(broker):
    for name in ("run", "run/workers.sock", "run/submitters.sock", "ledger.db", "log", "blender"):
        mode = (broker.home / name).stat().st_mode
        assert stat.S_IMODE(mode) & 0o077 == 0, name


def test_a_run_folder_that_is_not_private_is_refused(make_broker, tmp_path):
    home = tmp_path / "open"
    (home / "run").mkdir(parents=True)
    (home / "run").chmod(0o755)
    refused = make_broker(home=home).run()
    assert refused.returncode == 1
    assert "chmod" in refused.stderr and str(home / "run") in refused.stderr


def test_a_second_broker_on_the_ledger_exits_3_and_the_first_serves_on(broker, submitter):
    second = broker.run()
    assert second.returncode == 3
    assert "ledger" in second.stderr and str(broker.process.pid) in second.stderr
    assert submitter.ask("HELLO")["pid"] == broker.process.pid
    checked = broker.run("--check")
    assert checked.returncode == 3
    fresh = broker.submitter()
    assert fresh.ask("HELLO")["pid"] == broker.process.pid


def test_a_newer_ledger_is_refused(make_broker):
    broker = make_broker().start()
    assert broker.stop() == 0
    change_ledger(broker, "PRAGMA user_version = 77")
    refused = broker.run()
    assert refused.returncode == 1 and "newer dblend" in refused.stderr
    assert change_ledger(broker, "PRAGMA user_version") == [(77,)]


def test_a_damaged_ledger_is_refused_and_says_what_to_do(make_broker):
    broker = make_broker().start()
    broker.submitter().submit(*[spec_of(f"/scenes/{i}.blend") for i in range(100)])
    assert broker.stop() == 0
    path = broker.home / "ledger.db"
    data = bytearray(path.read_bytes())
    for page in range(1, len(data) // 4096):
        data[page * 4096:page * 4096 + 2000] = b"\x5a" * 2000
    path.write_bytes(data)
    refused = broker.run()
    assert refused.returncode == 1
    assert "damaged" in refused.stderr and str(path) in refused.stderr
    checked = broker.run("--check")
    assert checked.returncode == 1


def test_a_row_that_cannot_be_is_refused(make_broker):
    broker = make_broker().start()
    broker.submitter().submit(spec_of())
    assert broker.stop() == 0
    change_ledger(broker, "UPDATE job SET spec = '{}'")
    refused = broker.run()
    assert refused.returncode == 1 and "job 1" in refused.stderr
    checked = broker.run("--check")
    assert checked.returncode == 1 and "fault: job 1" in checked.stdout


def test_check_prints_what_is_in_a_ledger(make_broker):
    broker = make_broker()
    missing = broker.run("--check")
    assert missing.returncode == 1 and not (broker.home / "ledger.db").exists()
    broker.start()
    submitter = broker.submitter()
    submitter.submit(spec_of(), spec_of("/scenes/other.blend"))
    worker = broker.worker()
    worker.ready()
    worker.work(lambda: submitter.state(1) == "done")
    submitter.change("CANCEL", jobs=[2])
    assert broker.stop() == 0
    checked = broker.run("--check")
    assert checked.returncode == 0
    assert "whole" in checked.stdout and "jobs: 2" in checked.stdout
    lines = [line.split() for line in checked.stdout.splitlines()]
    assert ["cancelled", "1"] in lines and ["done", "1"] in lines


def test_usage_errors_exit_2(make_broker):
    broker = make_broker()
    for options in (["--no-such"], ["file"], ["--idle-exit", "soon"], ["--owner-fd", "-1"],
                    ["--insecure-listen", "ipc:///tmp/x"]):
        assert broker.run(*options).returncode == 2, options
    assert broker.run("--help").returncode == 0
    assert broker.run("--version").stdout.startswith("dblend-broker ")


def test_term_ends_it_with_0_and_the_socket_files_go(broker, submitter):
    submitter.submit(spec_of())
    assert broker.stop() == 0
    assert not (broker.home / "run/workers.sock").exists()
    broker.start()
    words = broker.submitter().words()
    assert words.count("broker-started") == 2 and words.count("broker-stopped") == 1


def test_the_log_is_reopened_on_hup(broker, submitter):
    log = broker.home / "log"
    log.rename(broker.home / "log.1")
    submitter.submit(spec_of())
    assert not log.exists()
    broker.process.send_signal(signal.SIGHUP)
    until(log.exists, "a new log")
    submitter.submit(spec_of("/scenes/other.blend"))
    until(lambda: "job-added | job=2" in log.read_text(), "a line in it")
    assert "job=2" not in (broker.home / "log.1").read_text()


def test_debug_messages_are_switched_by_usr2(broker, submitter):
    submitter.ask("HELLO")
    assert "request: HELLO" not in broker.told()
    broker.process.send_signal(signal.SIGUSR2)
    until(lambda: "dropped messages" in broker.told(), "it says so")
    submitter.ask("HELLO")
    assert "request: HELLO" in broker.told()


def test_an_idle_broker_does_not_wake_up(broker, submitter, make_broker):
    submitter.submit(spec_of())
    submitter.close()
    clock = make_broker().start().submitter()  # another one, whose parks say how long it is
    clock.submit(spec_of())

    def switches():
        status = pathlib.Path(f"/proc/{broker.process.pid}/status").read_text()
        return sum(int(line.split()[1]) for line in status.splitlines() if "ctxt_switches" in line)

    def quiet():
        before = switches()
        clock.ask("WAIT", jobs=[1], wait_ms=500)
        return switches() == before

    until(quiet, "half a second without a wake-up", 5)


def test_what_ended_long_ago_is_forgotten(make_broker):
    broker = make_broker()
    (broker.home / "config").mkdir(parents=True)
    (broker.home / "config" / "dblend.cfg").write_text("keep = 2\n")
    broker.start()
    submitter = broker.submitter()
    submitter.submit(spec_of(), spec_of("/scenes/other.blend"), spec_of("/scenes/third.blend"))
    submitter.change("CANCEL", jobs=[1, 2])
    assert broker.stop() == 0
    day_ms = 24 * 3600 * 1000
    change_ledger(broker, f"UPDATE job SET finished_at = finished_at - 3 * {day_ms},"
                          f" submitted_at = submitted_at - 9 * {day_ms}, sweep_due = 0"
                          " WHERE id <> 2")
    change_ledger(broker, f"UPDATE event SET at = at - 3 * {day_ms} WHERE job = 1")
    change_ledger(broker, f"UPDATE request SET at = at - 2 * {day_ms}")
    (broker.home / "blender" / "1").write_text("what Blender said")
    broker.start()
    submitter = broker.submitter()
    until(lambda: [job["job"] for job in submitter.ask("LIST", all=True)["jobs"]] == [2, 3],
          "the first job is forgotten")
    assert not (broker.home / "blender" / "1").exists()
    assert "job-cancelled" not in submitter.words(job=1)
    assert broker.stop() == 0
    assert change_ledger(broker, "SELECT count(*) FROM request") == [(0,)]


def test_a_flood_of_requests_does_not_keep_workers_waiting(broker, submitter):
    submitter.submit(spec_of())
    worker = broker.worker()
    worker.ready()
    flood = broker.context.socket(zmq.DEALER)
    flood.setsockopt(zmq.LINGER, 0)
    flood.setsockopt(zmq.SNDHWM, 0)
    flood.connect(broker.submitters_endpoint)
    body = msgpack.packb({"v": 1, "t": "LIST", "all": True})
    for number in range(20000):
        flood.send_multipart([b"%04x" % (number & 0xffff), b"", body])
    worker.work(lambda: len(worker.done) == 3 and not worker.reports)
    flood.close()
    worker.work(lambda: submitter.state(1) == "done")


# ---- who keeps it, who stops it ----

def test_it_leaves_when_nothing_happens_and_nobody_asks(make_broker):
    broker = make_broker().start("--idle-exit", "1")
    assert broker.submitter().ask("HELLO")["idle_exit"]
    assert exit_status(broker) == 0
    assert "nobody asked" in broker.told()


def test_it_stays_while_a_worker_is_there_and_tells_the_inspector_to_leave(make_broker):
    broker = make_broker().start("--idle-exit", "1")
    worker = broker.worker()
    inspector = broker.worker("host/none", kinds=["inspect", "sweep"], device_kind="none")
    worker.ready()
    inspector.ready()
    end = time.monotonic() + 2
    while time.monotonic() < end:
        worker.sync()
    assert broker.process.poll() is None
    worker.sync(leave=True)
    until(lambda: inspector.sync()["orders"]["drain"] == "now", "the inspector is told")
    inspector.sync(leave=True)
    assert exit_status(broker) == 0


@pytest.fixture
def owned(make_broker):
    """A broker and a file whose end is that of its owner."""
    reading, writing = os.pipe()
    broker = make_broker().start("--owner-fd", str(reading), pass_fds=[reading])
    os.close(reading)
    with os.fdopen(writing, "wb", buffering=0) as owner:
        yield broker, owner


@pytest.fixture
def process():
    """make() is one more process that can be killed; all are ended with the test."""
    processes = []

    def make():
        processes.append(subprocess.Popen(["sleep", "1000"]))
        return processes[-1]

    yield make
    for one in processes:
        one.kill()
        one.wait()


def test_the_end_of_its_owner_ends_it(owned):
    broker, owner = owned
    worker = broker.worker()
    worker.ready()
    owner.close()
    until(lambda: worker.sync()["orders"]["drain"] == "now", "workers are told to leave now")
    worker.sync(leave=True)
    assert exit_status(broker) == 0


def test_it_does_not_wait_for_an_owner_who_attends_no_more(owned, process):
    """Killed, it did not say good-bye."""
    broker, owner = owned
    render = process()
    assert broker.submitter().ask("ATTEND", role="render", pid=render.pid)["stop"] == ""
    render.kill()
    os.waitid(os.P_PID, render.pid, os.WEXITED | os.WNOWAIT)  # dead, and still in the table
    owner.close()
    assert exit_status(broker) == 0
    gone = re.search(r"(\S+Z) .*the owner is gone", broker.told()).group(1)
    stopped = re.search(r"(\S+Z) \| broker-stopped", (broker.home / "log").read_text()).group(1)
    took = datetime.fromisoformat(stopped[:-1]) - datetime.fromisoformat(gone[:-1])
    assert took.total_seconds() < 1.4, "as long as one that is only silent is waited for"


def test_the_end_of_its_owner_is_no_end_for_others_who_attend(owned, process):
    """`render' started it and was killed; a farm that came later goes on."""
    broker, owner = owned
    farm = process()
    submitter = broker.submitter()
    submitter.ask("ATTEND", role="render", pid=os.getpid())  # of whom it is a child
    submitter.ask("ATTEND", role="farm", pid=farm.pid)
    worker = broker.worker()
    worker.ready()
    owner.close()
    until(lambda: submitter.ask("HELLO")["idle_exit"], "it belongs to nobody now")
    assert submitter.ask("ATTEND", role="farm", pid=farm.pid)["stop"] == ""
    assert worker.sync()["orders"]["drain"] == ""
    worker.sync(leave=True)
    submitter.ask("ATTEND", role="farm", pid=farm.pid, leave=True)
    submitter.ask("ATTEND", role="render", pid=os.getpid(), leave=True)
    assert exit_status(broker) == 0


@pytest.mark.parametrize("who", ["the owner", "a dead one"])
def test_the_end_of_its_owner_ends_it_when_nobody_else_is_there(owned, process, who):
    broker, owner = owned
    other = process()
    pid = os.getpid() if who == "the owner" else other.pid
    broker.submitter().ask("ATTEND", role="farm", pid=pid)
    other.kill()
    other.wait()
    worker = broker.worker()
    worker.ready()
    owner.close()
    until(lambda: worker.sync()["orders"]["drain"] == "now", "workers are told to leave now")
    worker.sync(leave=True)
    assert exit_status(broker) == 0


def test_the_last_words_of_workers_are_heard_when_the_owner_is_gone(owned):
    """What was in flight when `render' was killed is given out again by the next broker at once."""
    broker, owner = owned
    broker.submitter().submit(spec_of())
    worker = broker.worker()
    worker.ready()
    worker.inspect()
    claim = worker.claim_of("render")
    worker.report(claim, "started", ends=False, blender="3.4.1")
    worker.sync()
    owner.close()
    until(lambda: "the owner is gone" in broker.told(), "the broker knows")
    worker.report(claim, "returned")
    worker.sync(leave=True)
    assert exit_status(broker) == 0
    broker.start()
    started = time.monotonic()
    other = broker.worker()
    other.ready()
    grant = other.holding[other.claim_of("render")]["grant"]
    assert grant["frame"] == 1 and time.monotonic() - started < SOON_S
    assert broker.submitter().words().count("frame-returned") == 1


def test_workers_without_claims_are_not_waited_for(broker, submitter):
    worker = broker.worker()
    worker.ready()
    worker.send(worker.sync_body())
    started = time.monotonic()
    submitter.change("STOP", now=True)
    assert exit_status(broker) == 0
    assert time.monotonic() - started < SOON_S


@pytest.mark.parametrize("when", ["before", "after"])
def test_claims_of_a_process_that_is_gone_cost_no_lease(broker, submitter, process, when):
    """Worker and broker are killed; the worker is gone when the next broker starts, or soon after."""
    submitter.submit(spec_of())
    victim = process()
    worker = broker.worker(pid=victim.pid)
    worker.ready()
    worker.inspect()
    worker.report(worker.claim_of("render"), "started", ends=False, blender="3.4.1")
    worker.sync()
    broker.kill()
    worker.close()
    if when == "before":
        victim.kill()
    broker.start()
    other = broker.worker()
    other.ready()
    if when == "after":
        assert other.sync(want=2)["grants"] == [] or 1 not in other.frames_held()
        victim.kill()
    started = time.monotonic()
    until(lambda: other.sync(want=4) and 1 in other.frames_held(), "the frame is given again")
    assert time.monotonic() - started < SOON_S
    assert "is gone since the last broker" in broker.told()


def test_claims_of_a_process_that_lives_are_waited_for(broker, submitter, process):
    submitter.submit(spec_of(frames=[1, 1, 1]))
    worker = broker.worker(pid=process().pid)
    worker.ready()
    worker.inspect(found_of(1, 1))
    claim = worker.claim_of("render")
    broker.restart()
    other = broker.worker()
    other.ready()
    for _ in range(2):
        assert other.sync(want=2)["grants"] == []
    worker.connect()
    assert worker.sync()["t"] == "READY-AGAIN"
    worker.ready()
    worker.finish(claim)
    worker.sync()
    assert broker.submitter().states(1) == {1: "done"}


def test_a_disowned_broker_leaves_soon_after_its_last_attendant(owned):
    broker, owner = owned
    submitter = broker.submitter()
    assert not submitter.ask("HELLO")["idle_exit"]
    submitter.ask("ATTEND", role="render", pid=os.getpid())
    owner.write(b"d")
    owner.close()
    until(lambda: submitter.ask("HELLO")["idle_exit"], "it leaves by itself now")
    end = time.monotonic() + 4  # that it stays while it is attended is what is measured
    while time.monotonic() < end:
        submitter.ask("ATTEND", role="render", pid=os.getpid())
    assert submitter.ask("ATTEND", role="render", pid=os.getpid(), leave=True)["stop"] == ""
    assert exit_status(broker) == 0
    assert "nobody asked" in broker.told()


def test_good_bye_is_heard_at_once(broker, submitter):
    submitter.ask("ATTEND", role="farm", pid=4711)
    assert submitter.ask("HELLO")["attendants"] == 1
    submitter.ask("ATTEND", role="farm", pid=4711, leave=True)
    assert submitter.ask("HELLO")["attendants"] == 0
    submitter.ask("ATTEND", role="farm", pid=4711, leave=True)
    assert submitter.words().count("farm-stopped") == 1


def test_stop_tells_attendants_and_workers_and_then_it_leaves(broker, submitter):
    attendant = broker.submitter()
    assert attendant.ask("ATTEND", role="farm", pid=4711)["stop"] == ""
    attendant.send({"t": "ATTEND", "role": "farm", "pid": 4711})
    until(lambda: "farm-started" in submitter.words(), "the farm is noted")
    worker = broker.worker()
    worker.ready()
    worker.send(worker.sync_body(want=1))
    answer = submitter.change("STOP", now=False)
    assert answer["workers"] == 1 and answer["attendants"] == 1
    assert attendant.receive(1)["stop"] == "soft"
    assert worker.take(worker.receive(1))["orders"]["drain"] == "soft"
    attendant.close()
    worker.sync(leave=True)
    assert exit_status(broker) == 0
    broker.start()
    words = broker.submitter().words()
    assert "farm-stopped" in words and "worker-stopped" in words


def test_a_farm_has_stopped_when_its_broker_has(broker, submitter):
    assert submitter.ask("ATTEND", role="farm", pid=4711)["stop"] == ""
    assert broker.stop() == 0
    broker.start()
    words = [word for word in broker.submitter().words() if "ed" in word]
    assert words == ["broker-started", "farm-started", "farm-stopped", "broker-stopped",
                     "broker-started"]


def test_stop_without_anybody_ends_it_at_once(broker, submitter):
    submitter.change("STOP", now=False)
    assert exit_status(broker) == 0


def test_stop_now_does_not_wait_for_ever(broker, submitter):
    worker = broker.worker()
    worker.ready()
    worker.send(worker.sync_body())
    submitter.change("STOP", now=True)
    started = time.monotonic()
    while broker.process.poll() is None and time.monotonic() - started < DEADLINE_S:
        try:
            worker.sync(seconds=0.5)  # it stays and stays
        except NoAnswer:
            pass
    assert exit_status(broker) == 0


# ---- a full disk ----

@pytest.fixture
def small_disk(tmp_path):
    """A tmpfs of one megabyte."""
    folder = tmp_path / "small disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "dblend-test", folder],
                             capture_output=True, text=True)
    if mounted.returncode != 0:
        pytest.skip(f"no tmpfs can be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def fill(path):
    """Write until the disk is full."""
    with open(path, "wb", buffering=0) as file:
        for size in (65536, 4096, 512):
            try:
                while True:
                    file.write(b"\0" * size)
            except OSError:
                pass


def test_a_full_disk_acknowledges_nothing_and_goes_on_when_there_is_room(make_broker, small_disk):
    broker = make_broker(home=small_disk / "home")
    broker.log_path = small_disk.with_name("stderr")
    broker.start()
    submitter = broker.submitter()
    submitter.submit(spec_of("/scenes/0.blend"))
    ballast = small_disk / "ballast"
    fill(ballast)

    acknowledged = 1
    numbers = iter(range(1, 2000))
    with pytest.raises(NoAnswer):
        while True:
            submitter.change("SUBMIT", seconds=2, jobs=[
                spec_of(f"/scenes/{next(numbers)}.blend", scene="x" * 3000)])
            acknowledged += 1
    waiting = broker.submitter()
    with pytest.raises(NoAnswer):
        waiting.ask("HELLO", seconds=0.5)
    assert "nothing is given out" in broker.told()

    ballast.unlink()
    answer = submitter.receive()
    assert answer["t"] == "OK" and answer["jobs"][0]["job"] == acknowledged + 1
    assert waiting.receive()["t"] == "OK"
    broker.restart()
    listed = broker.submitter().ask("LIST", all=True)["jobs"]
    assert [job["job"] for job in listed] == list(range(1, acknowledged + 2))


def test_while_nothing_can_be_written_nothing_is_read(make_broker, small_disk):
    """No turn overtakes one that is not on disk: what is asked meanwhile is not even looked at."""
    broker = make_broker(home=small_disk / "home")
    broker.log_path = small_disk.with_name("stderr")
    broker.start("-v")
    submitter = broker.submitter()
    ballast = small_disk / "ballast"
    fill(ballast)
    with pytest.raises(NoAnswer):
        while True:
            submitter.change("SUBMIT", seconds=1, again=True, jobs=[
                spec_of(scene="x" * 3000, again=True)])
    assert "nothing is given out" in broker.told()
    waiting = broker.submitter()
    with pytest.raises(NoAnswer):
        waiting.ask("HELLO", seconds=0.5)
    assert "request: HELLO" not in broker.told()
    ballast.unlink()
    assert waiting.receive()["t"] == "OK"
    assert "request: HELLO" in broker.told()


def test_a_broker_that_was_late_takes_nothing_away(make_broker, small_disk):
    """One was stopped for longer than a lease, one could not write for so long: both let their
    workers, who could not be heard, have the time again. A third one was there all the time."""
    brokers = [make_broker().start(), make_broker(home=small_disk / "home"), make_broker().start()]
    brokers[1].log_path = small_disk.with_name("stderr")
    brokers[1].start()
    claims = []
    for broker in brokers:
        broker.submitter().submit(spec_of(frames=[1, 1, 1]))
        worker = broker.worker()
        worker.ready()
        worker.inspect(found_of(1, 1))
        claims.append((worker, worker.claim_of("render")))
        worker.send(worker.sync_body())  # to be answered after a second
    ballast = small_disk / "ballast"
    fill(ballast)
    brokers[0].process.send_signal(signal.SIGSTOP)
    writer = brokers[1].submitter()
    with pytest.raises(NoAnswer):
        while True:
            writer.change("SUBMIT", seconds=1, jobs=[spec_of(scene="x" * 3000, again=True)])
    third = brokers.pop().submitter()
    until(lambda: "worker-lost" in third.words(), "a lease to go by", 30)
    ballast.unlink()
    brokers[0].process.send_signal(signal.SIGCONT)
    for broker, (worker, claim) in zip(brokers, claims):
        submitter = broker.submitter()
        end = time.monotonic() + 1.5  # nothing is to happen in this time
        while time.monotonic() < end:
            submitter.ask("HELLO")
        assert "worker-lost" not in submitter.words()
        worker.connect()
        worker.finish(claim)
        worker.sync()
        assert submitter.states(1) == {1: "done"}


def test_a_broker_killed_while_the_disk_is_full_has_kept_its_word(make_broker, small_disk):
    broker = make_broker(home=small_disk / "home")
    broker.log_path = small_disk.with_name("stderr")
    broker.start()
    submitter = broker.submitter()
    ballast = small_disk / "ballast"
    fill(ballast)
    acknowledged = 0
    with pytest.raises(NoAnswer):
        for number in range(1500):
            submitter.change("SUBMIT", seconds=2, jobs=[
                spec_of(f"/scenes/{number}.blend", scene="x" * 3000)])
            acknowledged += 1
    broker.kill()
    ballast.unlink()
    broker.start()
    listed = broker.submitter().ask("LIST", all=True)["jobs"]
    assert [job["job"] for job in listed][:acknowledged] == list(range(1, acknowledged + 1))
    assert len(listed) <= acknowledged + 1
