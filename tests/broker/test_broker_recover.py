"""dblend-broker --recover: what can be read of a ledger that was damaged on purpose."""

import random
import resource
import shutil
import sqlite3

import pytest

from brokertools import Broker, found_of, spec_of

PAGE = 4096
JOBS = 30
FRAMES = 250
TABLES = {"job": "id", "frame": "job, number", "event": "id", "request": "key", "meta": "key"}


def rows(path):
    """Of each table the rows by their key."""
    ledger = sqlite3.connect(f"file:{path}?immutable=1", uri=True)
    try:
        ledger.row_factory = sqlite3.Row
        ledger.text_factory = lambda data: data.decode(errors="replace")  # damaged, too
        ledger.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")  # damaged on purpose
        return {table: {tuple(row[part] for part in key.split(", ")): tuple(row)
                        for row in ledger.execute(f"SELECT * FROM {table}")}
                for table, key in TABLES.items()}
    finally:
        ledger.close()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A ledger with thirty jobs, one of them half rendered, and its rows."""
    home = tmp_path_factory.mktemp("whole") / "home"
    broker = Broker(home).start()
    try:
        submitter = broker.submitter()
        for number in range(JOBS):
            submitter.submit({**spec_of(f"/scenes/{number}.blend", frames=[1, FRAMES, 1],
                                        output="//" + "x" * 400),
                              "kept": "/scenes/.%d.%s.%s.blend" % (
                                  number, submitter.ask("HELLO")["farm"], "5" * 64)})
        worker = broker.worker()
        worker.ready()
        worker.work(lambda: len(worker.done) >= FRAMES // 2, found=found_of(1, FRAMES))
        worker.sync(leave=True)
        assert broker.stop() == 0
    finally:
        broker.close()
    path = home / "ledger.db"
    assert path.stat().st_size // PAGE > 20
    return path, rows(path)


@pytest.fixture
def damaged(whole, make_broker):
    """damage(change) is a broker on a copy of the ledger that change(bytes) has been at."""
    def make(change):
        broker = make_broker()
        broker.home.mkdir()
        data = bytearray(whole[0].read_bytes())
        change(data)
        (broker.home / "ledger.db").write_bytes(data)
        return broker
    return make


def kept_aside(home):
    return [path for path in home.iterdir() if ".damaged-" in path.name]


def recovered(broker, original):
    """Recover, and see that nothing is there that was not there before; the rows."""
    before = (broker.home / "ledger.db").read_bytes()
    told = broker.run("--recover")
    assert told.returncode == 0, told.stderr + told.stdout
    now = rows(broker.home / "ledger.db")
    if "nothing to recover" in told.stdout:
        assert now == original and not kept_aside(broker.home)
        return now
    [aside] = kept_aside(broker.home)
    assert aside.read_bytes() == before
    for table in ("job", "frame", "event", "request"):
        assert now[table].items() <= original[table].items(), table
        assert f"{len(now[table])} saved" in told.stdout
    assert sorted(path.name for path in broker.home.iterdir() if "ledger" in path.name) == \
        sorted(["ledger.db", aside.name])
    assert broker.run("--check").returncode == 0
    return now


def lost(now, original):
    return {table: len(original[table]) - len(now[table]) for table in original}


def page_count(path):
    return path.stat().st_size // PAGE


def test_a_whole_ledger_is_left_alone(damaged, whole):
    broker = damaged(lambda data: None)
    assert lost(recovered(broker, whole[1]), whole[1]) == dict.fromkeys(TABLES, 0)


@pytest.mark.parametrize("part", range(4))
def test_each_page_in_turn_costs_only_what_was_on_it(whole, damaged, part):
    """Some pages hold rows, some the ways to them; none of them takes everything along."""
    path, original = whole
    for page in range(part, page_count(path), 4):
        def change(data, page=page):
            data[page * PAGE:(page + 1) * PAGE] = b"\xa5" * PAGE
        broker = damaged(change)
        now = recovered(broker, original)
        shutil.rmtree(broker.home)
        missing = lost(now, original)
        kinds = [table for table in ("job", "frame", "event", "request") if missing[table] > 0]
        assert len(kinds) <= 2, (page, missing)  # a lost job takes its frames along
        assert missing["job"] <= JOBS // 2 or missing["job"] == JOBS, (page, missing)
        claims = max(row[3] for row in original["frame"].values())
        assert now["meta"][("claim",)][1] > claims, page


def test_the_first_page_and_some_others(whole, damaged):
    path, original = whole
    def change(data):
        data[:PAGE] = b"\0" * PAGE
        data[-PAGE:] = b"\xff" * PAGE
    broker = damaged(change)
    refused = broker.run()
    assert refused.returncode == 1
    now = recovered(broker, original)
    assert len(now["job"]) > JOBS // 2 and len(now["frame"]) > 0


@pytest.mark.parametrize("seed", range(6))
def test_damage_anywhere(whole, damaged, seed):
    """Bits, holes, and an end that is missing: never a crash, never a row that was not there
    in its place, always a ledger that a broker serves."""
    path, original = whole
    chance = random.Random(seed)
    def change(data):
        for _ in range(chance.choice([1, 5, 40])):
            at = chance.randrange(len(data))
            size = chance.choice([1, 16, 5000])
            data[at:at + size] = chance.randbytes(min(size, len(data) - at))
        if chance.random() < 0.5:
            del data[chance.randrange(len(data) // 2, len(data)):]
    broker = damaged(change)
    told = broker.run("--recover")
    assert told.returncode == 0, told.stderr + told.stdout
    now = rows(broker.home / "ledger.db")
    assert now["job"].keys() <= original["job"].keys()
    assert now["frame"].keys() <= original["frame"].keys()
    broker.start()
    jobs = broker.submitter().ask("LIST", all=True)["jobs"]
    assert [job["job"] for job in jobs] == sorted(key[0] for key in now["job"])


def test_the_farm_goes_on_as_the_same_farm(whole, damaged):
    """The id of the farm and the counters are on one page; kept files have the id in their names."""
    path, original = whole
    farm = original["meta"][("farm",)][1]
    def change(data):
        page = data.index(farm.encode(), PAGE) // PAGE
        while b"paused" not in data[page * PAGE:(page + 1) * PAGE] and \
                b"claim" not in data[page * PAGE:page * PAGE + PAGE]:
            page = data.index(farm.encode(), (page + 1) * PAGE) // PAGE
        data[page * PAGE:(page + 1) * PAGE] = b"\0" * PAGE
    broker = damaged(change)
    now = recovered(broker, original)
    assert now["meta"][("farm",)][1] == farm
    assert now["meta"][("claim",)][1] >= original["meta"][("claim",)][1]
    assert now["meta"][("job",)][1] >= original["meta"][("job",)][1]
    broker.start()
    assert broker.submitter().ask("HELLO")["farm"] == farm


def test_frames_whose_row_is_lost_are_given_out_again(whole, damaged):
    path, original = whole
    def change(data):
        at = data.index(b"/render/shot_0005.png") // PAGE * PAGE
        data[at:at + PAGE] = b"\0" * PAGE
    broker = damaged(change)
    recovered(broker, original)
    broker.start()
    submitter = broker.submitter()
    job = min(key[0] for key in original["frame"])
    counts = submitter.job(job)["frames"]
    assert 0 < counts["done"] < FRAMES // 2 and counts["total"] == FRAMES
    worker = broker.worker()
    worker.ready()
    worker.work(lambda: submitter.job(job)["frames"]["done"] == FRAMES,
                found=found_of(1, FRAMES), seconds=60)


def test_a_ledger_that_a_broker_has_is_not_touched(broker):
    told = broker.run("--recover")
    assert told.returncode == 3 and str(broker.process.pid) in told.stderr
    assert not kept_aside(broker.home)


def test_without_a_ledger_there_is_nothing_to_recover(make_broker):
    broker = make_broker()
    told = broker.run("--recover")
    assert told.returncode == 1 and "ledger.db" in told.stderr
    assert not (broker.home / "ledger.db").exists()


def test_a_full_disk_leaves_everything_as_it_was(damaged):
    def change(data):
        data[5 * PAGE:6 * PAGE] = b"\0" * PAGE
    broker = damaged(change)
    before = (broker.home / "ledger.db").read_bytes()
    # a limit on the size of files stands for a full disk
    told = broker.run("--recover", preexec_fn=lambda: resource.setrlimit(
        resource.RLIMIT_FSIZE, (3 * PAGE, 3 * PAGE)))
    assert told.returncode != 0
    assert (broker.home / "ledger.db").read_bytes() == before
    assert not kept_aside(broker.home)
