"""dblend add and accept, with the real broker and scripted workers."""

from clitools import Terminal, until

JOB_KEYS = ["type", "job", "name", "file", "scene", "state", "priority", "output", "frames",
            "warnings", "submitted", "finished", "eta_s", "memory", "error"]


def test_add_starts_what_inspects_and_prints_a_line_a_job(home):
    home.blend()
    home.blend("other")
    ended = home.run("add", "plain.blend", "other.blend", "-f", "1-3")
    assert ended.returncode == 0, ended.stderr
    lines = ended.stdout.splitlines()
    assert lines[0] == ("job 1: plain: 3 frames (1-3), 64x48, CYCLES, Blender 3.4.1, to "
                        f"{home.work}/plain")
    assert lines[1].startswith("job 2: other: 3 frames")
    assert "dblend farm" in ended.stderr
    assert home.json("list")[0]["state"] == "active"
    assert home.run("stop").returncode == 0
    until(lambda: not home.processes(), why="something is left")


def test_add_prints_numbers_or_objects(home):
    home.blend("warn")
    assert home.ok("add", "-q", "warn.blend") == "1\n"
    home.blend("other")
    lines = home.json("add", "other.blend", "nix.blend", status=1)
    assert list(lines[0]) == JOB_KEYS
    assert lines[0]["file"] == str(home.work / "other.blend")
    assert lines[0]["frames"] == {"total": 6, "waiting": 6, "claimed": 0, "done": 0, "kept": 0,
                                  "taken": 0, "failed": 0, "cancelled": 0}
    assert lines[1]["type"] == "error" and lines[1]["code"] == "file-missing"
    (warned,) = home.json("show", 1)
    assert warned["warnings"] == [{"code": "time-limit", "text": "there is a time limit",
                                   "hint": ""}]


def test_the_same_is_refused_unless_again(home):
    home.blend()
    home.ok("add", "plain.blend", "-f", "1-3")
    (refused,) = home.json("add", "plain.blend", "-f", "3-4", status=1)
    assert (refused["code"], refused["job"]) == ("already-queued", 1)
    assert home.ok("add", "-q", "plain.blend", "-f", "4-5") == "2\n"
    assert home.ok("add", "-q", "plain.blend", "-f", "1-3", "--samples", "4", "--no-wait") == "3\n"
    assert home.ok("add", "-q", "plain.blend", "-f", "1-3", "--again", "--no-wait") == "4\n"
    home.blend(content=home.blend().read_bytes() + b"saved again")
    assert home.ok("add", "-q", "plain.blend", "-f", "1-3", "--no-wait") == "5\n"


def test_add_takes_what_drag_and_drop_writes_and_lists(home):
    path = home.blend("my shot")
    home.blend("b")
    (home.work / "jobs").write_text(f"# tonight\n'{path}' \n\nb.blend\n")
    assert home.ok("add", "-q", "--no-wait", "--from", "jobs") == "1\n2\n"
    assert home.ok("add", "-q", "--no-wait", "--again", f"'{path}' ") == "3\n"
    assert home.ok("add", "-q", "--no-wait", "--again", "--from", "-", stdin="b.blend\n") == "4\n"


def test_many_jobs_go_and_come_in_pieces(home):
    files = [home.blend(f"shot{number}").name for number in range(270)]
    numbers = home.ok("add", "-q", "--no-wait", *files).split()
    assert numbers == home.ok("list", "-q").split() == [str(i) for i in range(1, 271)]
    until(lambda: home.ok("log").count("job-inspected") == 270)
    events = [line["job"] for line in home.json("log") if line["event"] == "job-added"]
    assert events == list(range(1, 271))


def test_a_held_job_is_told_with_its_flags_and_answered(home):
    home.blend("held")
    ended = home.run("add", "held.blend")
    assert ended.returncode == 1
    assert "--keep or --overwrite" in ended.stderr and "dblend accept 1" in ended.stderr
    assert home.state(1) == "held"
    waited = home.run("wait", "1")
    assert waited.returncode == 1 and "--keep or --overwrite" in waited.stderr
    assert home.run("accept", "1", "--keep").returncode == 0
    until(lambda: home.state(1) == "active")


def test_adding_a_held_job_again_tells_what_it_waits_for(home):
    home.blend("held")
    home.run("add", "held.blend")
    again = home.run("add", "held.blend")
    assert again.returncode == 1
    assert "already queued as job 1" in again.stderr
    assert "dblend accept 1' and --keep or --overwrite" in again.stderr
    assert len(home.json("add", "held.blend", status=1)) == 1  # one object a FILE


def test_adding_again_with_the_flag_answers_the_held_job(home):
    home.blend("held")
    assert home.run("add", "held.blend").returncode == 1
    assert "job 1:" in home.ok("add", "held.blend", "--keep")
    assert [job["job"] for job in home.json("list")] == [1]


def test_a_question_is_asked_at_a_terminal(home):
    home.blend("held")
    terminal = Terminal(home, "add", "held.blend")
    terminal.says("6 pictures of unknown origin")
    terminal.type("perhaps\n")
    terminal.says("does not answer")
    terminal.type("keep\n")
    assert terminal.end() == 0
    assert home.state(1) == "active"


def test_a_question_that_is_answered_elsewhere_ends(home):
    home.blend("held")
    terminal = Terminal(home, "add", "held.blend")
    terminal.says("keep / overwrite")
    home.ok("accept", "1", "--keep")
    terminal.says("not held any more")
    assert terminal.end() == 0


def test_enter_leaves_the_job_held(home):
    home.blend("held")
    terminal = Terminal(home, "add", "held.blend")
    terminal.says("keep / overwrite")
    terminal.type("\n")
    assert terminal.end() == 1
    assert home.state(1) == "held"


def test_add_asks_for_a_file_at_a_terminal(home):
    path = home.blend("my shot")
    terminal = Terminal(home, "add")
    terminal.says("Which .blend file")
    terminal.type(f"'{path}' \n")
    assert terminal.end() == 0
    assert "job 1: my shot" in terminal.seen


def test_what_fails_at_inspection_is_told(home):
    home.blend("nocamera")
    ended = home.run("add", "nocamera.blend")
    assert ended.returncode == 1
    assert "no camera; add a camera" in ended.stderr
    (job,) = home.json("show", 1)
    assert job["state"] == "failed" and job["error"]["code"] == "no-camera"
    assert job["frames"]["total"] is None and job["frames"]["done"] is None
