"""python -m dblend.batch: tables of jobs, good ones, wrong ones, and what is left when it is killed."""

import io
import json
import os
import signal
import subprocess
import sys
import threading

import pytest
from brokertools import DEADLINE_S, SOURCE, until
from dblend.table import Problem, Row, Table


def rows_of(text):
    with Table(io.BytesIO(text if isinstance(text, bytes) else text.encode())) as table:
        return list(table.rows())


class Batch:
    """The program, in a folder with tables and .blend files."""

    def __init__(self, folder, farm):
        self.folder, self.farm = folder, farm
        self.env = dict(os.environ, PYTHONPATH=str(SOURCE / "python"), DBLEND_HOME=str(farm),
                        PYTHONUNBUFFERED="1", PYTHONDONTWRITEBYTECODE="1", LC_ALL="C.UTF-8")

    def start(self, *words, **how):
        return subprocess.Popen([sys.executable, "-m", "dblend.batch", *words], cwd=self.folder,
                                env=self.env, **how)

    def run(self, table, *words, name="shots.csv"):
        """Exit status, lines of standard output, standard error."""
        if name != "-":
            (self.folder / name).write_bytes(table if isinstance(table, bytes) else table.encode())
        done = subprocess.run([sys.executable, "-m", "dblend.batch", name, *words], cwd=self.folder,
                              env=self.env, input=table.encode() if name == "-" else b"",
                              capture_output=True, timeout=DEADLINE_S)
        return done.returncode, done.stdout.decode().splitlines(), done.stderr.decode()


@pytest.fixture
def batch(tmp_path, broker):
    return Batch(tmp_path, broker.home)


@pytest.fixture
def shots(blend):
    for name in "abc":
        blend(name)


TABLE = """\
file,frames,samples,no-denoise,output
a.blend,"1-3,5",4,yes,a/####

# the second is as the scene says
b.blend,,,,
"""


def test_a_table_is_queued_and_a_second_time_it_is_not(batch, shots, farm):
    status, lines, err = batch.run(TABLE)
    assert (status, err) == (0, "2 queued\n")
    assert lines == ["  LINE     JOB  FILE", "     2       1  a.blend: queued", "     5       2  b.blend: queued"]
    spec = farm.job(1).details()["spec"]
    assert spec["options"] == {"frames": [1, 3, 1, 5, 5, 1], "samples": 4, "denoise": False,
                               "output": f"{batch.folder}/a/####"}
    assert farm.job(2).details()["spec"]["options"] == {}
    status, lines, err = batch.run(TABLE)
    assert (status, err) == (0, "2 queued before\n")
    assert lines[1:] == ["     2       1  a.blend: queued before", "     5       2  b.blend: queued before"]
    farm.job(1).cancel()
    assert batch.run(TABLE, "-q")[:2] == (0, ["1", "2"])
    assert len(farm.jobs(all=True)) == 2


@pytest.mark.parametrize("change", [
    lambda text: b"\xef\xbb\xbf" + text.encode(),
    lambda text: text.replace("\n", "\r\n").encode(),
    lambda text: text.encode() + b" , ,,,\n,,,,\n",
    lambda text: b"\r\n\r\n" + text.rstrip("\n").encode(),
    lambda text: text.replace("file,frames", " File , Frames ").replace("no-denoise", "no_denoise").encode(),
    lambda text: text.replace(",", ";").replace('"1-3;5"', "1-3,5").encode(),
    lambda text: text.replace('"1-3,5"', "5 1-3").replace(",", "\t").replace("5 1-3", '"5,\t1-3"').encode(),
    lambda text: text.replace("yes", "TRUE").replace(",,,,", ",,, no,").encode(),
])
def test_as_other_programs_write_it(change):
    rows = rows_of(change(TABLE))
    lines = [row.line for row in rows]
    plain = rows_of(TABLE)
    assert all(isinstance(row, Row) for row in rows), rows
    assert [row.file for row in rows] == [row.file for row in plain]
    assert lines[1] - lines[0] == 3
    assert rows[0].options["no_denoise"] is True and rows[0].options["samples"] == "4"


def test_json_lines_from_standard_input(batch, shots, farm):
    text = "\n".join(json.dumps(row) for row in [
        {"file": "a.blend", "frames": [1, 2, 3, 7], "no_denoise": True, "min-frame-time": 0.5},
        {"file": "b.blend", "frames": 7, "keep": False, "scene": None, "key": "b of today"}])
    status, lines, _ = batch.run("\ufeff" + text + "\n\n", name="-")
    assert status == 0 and len(lines) == 3
    assert farm.job(1).details()["spec"]["options"] == {
        "frames": [1, 3, 1, 7, 7, 1], "denoise": False, "min_frame_time_ms": 500}
    assert farm.job(2).details()["spec"]["options"] == {"frames": [7, 7, 1]}
    assert farm.job(2).details()["spec"]["key"] == "b of today"
    other = text.replace('"frames": 7', '"frames": 8')
    status, lines, err = batch.run(other, name="-")
    assert (status, err) == (1, "1 queued before, 1 refused\n")
    assert lines[2] == ('     2       2  b.blend: the key "b of today" was used for job 2, which is '
                        "another; choose a new key for each job")


def test_what_is_refused_stops_no_other(batch, shots, farm):
    farm.submit(batch.folder / "b.blend")
    (batch.folder / "no.blend").write_text("something else")
    status, lines, err = batch.run("file\nnone.blend\nno.blend\nb.blend\nc.blend\n")
    assert (status, err) == (1, "3 refused, 1 queued\n")
    assert lines[1:] == [
        "     2       -  none.blend: no such file; check the name and the folder",
        "     3       -  no.blend: not a .blend file (by its content); name a file that Blender has saved",
        f'     4       1  b.blend: "{batch.folder}/b.blend" is already queued as job 1; '
        "--again queues it all the same",
        "     5       2  c.blend: queued"]
    status, lines, err = batch.run("file\nnone.blend\nc.blend\n", "-q")
    assert (status, lines) == (1, ["2"])
    assert err == "dblend.batch: line 2: none.blend: no such file; check the name and the folder\n"


WRONG = [
    ("", "line 1: there is nothing in it; a line of column names comes first"),
    ("# a remark\n\n", "line 1: there is nothing in it; a line of column names comes first"),
    ("frames\n1\n", "line 1: no column is called 'file'"),
    ("\nfile,sampels\na,1\n", "line 2, column 2: unknown column 'sampels'; did you mean 'samples'?"),
    ("file,zzz\n", "line 1, column 2: unknown column 'zzz'"),
    ("file,frames,File\n", "line 1, column 3: 'file' is column 1, too"),
    ("file,max-frame-time,max_frame_time\n", "line 1, column 3: 'max_frame_time' is column 2, too"),
    ("file,\na,b\n", "line 2, column 2: the column has no name"),
    ("file,frames\na,1,5\n", "line 2: 3 fields, but there are 2 columns (a field with a comma in it is "
                             "put in quotes)"),
    ("file,frames\n\na\n", "line 3: 1 fields, but there are 2 columns (a field with a comma in it is "
                           "put in quotes)"),
    ("file,samples\n\na,4\nb,0\n", "line 4, column 2 (samples): --samples: a whole number from 1 to "
                                   "16777216, not '0'"),
    ('file,frames\n"a\nb",1\nc,9-1\n', 'line 4, column 2 (frames): --frames: "9-1" ends before it begins'),
    ('file,frames\na,1\n"b\nc",9-1\n', 'line 3, column 2 (frames): --frames: "9-1" ends before it begins'),
    ("file,keep\na,maybe\n", "line 2, column 2 (keep): yes or no, not 'maybe'"),
    ("file,keep,overwrite\na,1,1\n", "line 2: --keep and --overwrite contradict each other"),
    ("file,frames\n,1\n", "line 2: no file is named"),
    ("file,key\na,k\n\nb,k\n", "line 4: its key is that of line 2: 'k'"),
    ("file,key\na," + "k" * 129 + "\n", "line 2, column 2 (key): longer than 128 bytes"),
    ('file,frames\na,"1\nb,2\n', "line 2: a quote is not closed"),
    ('file,frames\na,"1"2\n', "line 2: ',' expected after '\"'"),
    ("file\ra\r", "line 1: a line end inside a line; save it with those of Unix or Windows"),
    ("file\n" + "a" * 140000 + "\n", "line 2: field larger than field limit (131072)"),
    (b"file\na\xe4\xb6.blend\ngr\xc3\xbc\xfc\n", "line 2, character 2: it is not UTF-8"),
    (b"file\na\ngr\xc3\xbc\xfc\n", "line 3, character 4: it is not UTF-8"),
    (b"file\na\0b\n", "line 2, character 2: a zero byte"),
    ("file\na\n".encode("utf-16"), "line 1: it is UTF-16; save it as UTF-8"),
    (b"file," + b"a" * (1 << 20), "line 1: it is longer than 1048576 bytes"),
    ('{"file": "a"}\n{"file": "b"', "line 2, character 13: no JSON: Expecting ',' delimiter"),
    ('{"file": "a", "samples": 1.5}', "line 1, 'samples': --samples: a whole number from 1 to 16777216, "
                                      "not '1.5'"),
    ('{"file": "a", "file": "b"}', "line 1: 'file' is there twice"),
    ('{"file": "a", "max-frame-time": 1, "max_frame_time": 1}', "line 1: 'max_frame_time' is there twice"),
    ('{"file": "a", "min-frame-time": NaN}', "line 1: NaN is no number"),
    ('{"file": "a", "sampels": 1}', "line 1: unknown key 'sampels'; did you mean 'samples'?"),
    ('{"file": ["a"]}', "line 1, 'file': not a text"),
    ('{"file": "a\\u0000"}', "line 1, 'file': not a text"),
    ('{"file": "a", "key": "\\ud800"}', "line 1, 'key': not a text"),
    ("file\n" + "a" * 4097 + "\n", "line 2, column 1 (file): longer than 4096 bytes"),
    ('{"frames": 1}', "line 1: no file is named"),
    ('{"file": "a", "keep": "yes"}', "line 1, 'keep': --keep: True or False, not 'yes'"),
    ('{"file": "a"}\n["b"]\n', "line 2: not a JSON object"),
    ('{"file": "a", "scene": "\\ud800"}', "line 1, 'scene': --scene: not a text: '?'"),
]


@pytest.mark.parametrize(("text", "said"), WRONG, ids=lambda value: repr(value)[:30])
def test_a_wrong_table_is_told_by_line_and_column(text, said):
    problems = [row for row in rows_of(text) if isinstance(row, Problem)]
    assert str(problems[0]) == said


def test_deep_json_is_only_wrong():
    problem, good = rows_of('{"file": ' + "[" * 100000 + "\n" + '{"file": "b"}\n')
    assert isinstance(problem, Problem) and problem.line == 1 and good.file == "b"


def test_when_a_row_is_wrong_nothing_is_queued(batch, shots, farm):
    many = "".join(f"a.blend,{number}x\n" for number in range(60))
    status, lines, err = batch.run("file,samples\na.blend,4\n" + many + "b.blend,\n")
    assert (status, lines) == (2, [])
    told = err.splitlines()
    assert told[0] == ("dblend.batch: shots.csv: line 3, column 2 (samples): --samples: a whole number "
                       "from 1 to 16777216, not '0x'")
    assert told[50:] == ["dblend.batch: shots.csv: 10 more rows are wrong", "dblend.batch: nothing was queued"]
    assert farm.jobs(all=True) == []


@pytest.mark.parametrize("words", [[], ["a", "b"], ["--sampels", "a"], ["none.csv"], ["-w", "-t", "x", "a"],
                                   ["."], ["-w", "-t", "-1", "a"], ["-w", "-t", "nan", "a"], ["-t", "1", "a"],
                                   ["--farm", "gopher://a", "a"]])
def test_wrong_usage(tmp_path, blend, words):
    (tmp_path / "a").write_text(f"file\n{blend()}\n")
    process = Batch(tmp_path, tmp_path).start(*words, stderr=subprocess.PIPE, stdout=subprocess.PIPE)
    out, err = process.communicate(timeout=DEADLINE_S)
    assert (process.returncode, out) == (2, b"") and err


def test_a_dry_run_looks_only(tmp_path, blend):
    blend("a")
    status, lines, err = Batch(tmp_path, tmp_path / "none").run("file\na.blend\nb.blend\n", "--dry-run")
    assert (status, err) == (1, "1 would be queued, 1 refused\n")
    assert lines[1:] == ["     2       -  a.blend: would be queued",
                         "     3       -  b.blend: no such file; check the name and the folder"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.blend", "shots.csv"]


def test_no_rows_and_no_farm(tmp_path, blend):
    blend("a")
    batch = Batch(tmp_path, tmp_path / "none")
    assert batch.run("file,frames\n") == (0, [], "dblend.batch: shots.csv: no rows\n")
    status, lines, err = batch.run("file\na.blend\n")
    assert (status, lines) == (1, []) and "dblend farm" in err


def test_its_reader_may_leave_and_need_not_show_everything(batch, shots, blend):
    (batch.folder / "shots.csv").write_text("file\n" + "a.blend\n" * 3000)
    process = batch.start("-n", "shots.csv", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == b"" and process.wait() == 1
    process.stderr.close()
    blend("\u00fc\u4e00")
    batch.env["PYTHONIOENCODING"] = "ascii"
    assert batch.run("file\n\u00fc\u4e00.blend\n")[:2] == (
        0, ["  LINE     JOB  FILE", "     2       1  ??.blend: queued"])


def test_it_waits_until_all_is_rendered(batch, shots, working):
    ended = threading.Event()
    working(ended.is_set)
    status, lines, err = batch.run("file,frames\na.blend,1-2\n", "--wait")
    ended.set()
    assert (status, err) == (0, "1 queued\n1 of 1 jobs are done\n")
    assert len(lines) == 2


def test_what_is_not_done_is_told(batch, shots, farm):
    assert batch.run("file\na.blend\nb.blend\n", "--wait", "--timeout", "0.1")[::2] == (
        1, "2 queued\ndblend.batch: the time is over; still to end: job 1, 2\n")
    farm.cancel(farm.jobs())
    assert batch.run("file\na.blend\nb.blend\n", "--wait")[::2] == (
        1, "2 queued before\ndblend.batch: job 1 (a): cancelled\ndblend.batch: job 2 (b): cancelled\n"
           "0 of 2 jobs are done\n")


def test_a_batch_that_was_killed_is_run_again(batch, shots, farm):
    count = 1500
    table = "file,output,frames\n" + "".join(f"a.blend,/r/{row}/####,1-3\n" for row in range(count))
    (batch.folder / "shots.csv").write_text(table)
    process = batch.start("shots.csv", stdout=subprocess.PIPE)
    process.stdout.readline()
    process.kill()
    process.communicate()
    left = len(farm.jobs(all=True))
    assert 0 < left < count
    status, lines, _ = batch.run(table)
    assert status == 0 and len(lines) == count + 1
    assert sum(line.endswith("queued before") for line in lines) == left
    outputs = [job.details()["spec"]["options"]["output"] for job in farm.jobs(all=True)[::50]]
    assert outputs == [f"/r/{row}/####" for row in range(0, count, 50)]
    assert len(farm.jobs(all=True)) == count


def test_interrupted_it_ends_with_130(batch, shots):
    (batch.folder / "shots.csv").write_text("file\na.blend\n")
    process = batch.start("shots.csv", "--wait", stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    process.stdout.readline()
    until(lambda: b"1 queued" in process.stderr.readline(), "it waits")
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 130


def test_a_table_of_any_size_comes_through_a_pipe():
    count = 20000

    class Pipe(io.RawIOBase):
        def __init__(self):
            self.lines = iter([b"file,frames\n", *(b"a.blend,%d\n" % row for row in range(count))])

        def read(self, size=-1):
            return next(self.lines, b"")

    with Table(Pipe()) as table:
        for _ in range(2):
            rows = table.rows()
            assert next(rows) == Row(2, "a.blend", None, {"frames": "0"})
            assert sum(1 for _ in rows) == count - 1
