"""dblend render, with the real broker and scripted workers."""

import signal

from clitools import begun, frames_of, go, left_by_themselves, number_of, until


def test_render_does_everything_and_leaves_nothing_running(home):
    home.blend()
    home.blend("movie")
    ended = home.run("render", "--devices", "cpu/2", "plain.blend", "movie.blend")
    assert ended.returncode == 0, ended.stderr
    lines = ended.stdout.splitlines()
    assert lines[0] == f"plain: done, 6 frames rendered, in {home.work}/plain"
    assert lines[1] == f"movie: done, 6 frames rendered, in {home.work}/movie"
    assert lines[2].endswith(f"-i '{home.work}/movie/movie-%04d.png' -frames:v 6 -c:v libx264 "
                             f"-pix_fmt yuv420p -crf 18 '{home.work}/movie.mp4'")
    assert len(frames_of(home)) == len(frames_of(home, "movie")) == 6
    assert home.processes() == []


def test_render_again_goes_on_and_looks_at_every_picture(home):
    home.blend()
    home.ok("render", "plain.blend")
    (home.work / "plain" / "plain-0003.png").unlink()
    out = home.ok("render", "plain.blend")
    assert "1 frame rendered, 5 were there" in out
    assert len(frames_of(home)) == 6
    home.start("farm").says("the farm runs on")
    assert [job["job"] for job in home.json("list")] == [1]


def test_render_uses_a_farm_that_runs(home):
    home.farm()
    home.blend()
    ended = home.run("render", "plain.blend")
    assert ended.returncode == 0
    assert "starting" not in ended.stderr
    assert len(home.json("workers")) == 2


def test_render_goes_on_without_the_bad_ones(home):
    home.blend()
    home.blend("held")
    home.blend("bad2")
    home.blend("nocamera")
    ended = home.run("render", "held.blend", "plain.blend", "nix.blend", "bad2.blend",
                     "nocamera.blend")
    assert ended.returncode == 1
    assert len(frames_of(home)) == 6 and len(frames_of(home, "bad2")) == 5
    assert "--keep or --overwrite" in ended.stderr
    assert "frame 2: Blender crashed" in ended.stderr  # also if it failed before it was looked at
    assert "no such file" in ended.stderr and "no camera" in ended.stderr


def test_jobs_of_others_that_stay_behind_are_told(home):
    (home.work / "theirs").mkdir()
    home.blend("theirs/slow")
    home.blend("held")
    home.blend("slow")
    job = number_of(home, "theirs/slow.blend")
    assert home.run("add", "held.blend").returncode == 1  # no farm would render it
    home.ok("pause", job)
    render = home.start("render", "--devices", "cpu:0", "slow.blend")
    begun(home, 1)
    home.ok("resume", job)
    go(home)
    render.says("1 other job stays on the list without a worker; `dblend farm' renders it")
    (home.work / "theirs" / "go").touch()  # its worker may have begun a frame of that job
    assert render.end() == 0
    assert home.state(job) == "active"


def test_no_job_stays_behind_where_a_worker_stays(home):
    home.farm()
    home.blend("slow")
    home.blend()
    number_of(home, "slow.blend", "-f", "1")
    ended = home.run("render", "--devices", "cpu:2", "plain.blend")
    assert ended.returncode == 0
    assert "starting 1 worker" in ended.stderr and "without a worker" not in ended.stderr


def test_render_prints_objects(home):
    home.blend()
    lines = home.json("render", "plain.blend", "nix.blend", status=1)
    assert [line["type"] for line in lines] == ["error", "job"]
    assert lines[1]["state"] == "done" and lines[1]["frames"]["done"] == 6


def test_interrupted_render_finishes_its_frames_and_goes_on(home):
    home.blend("slow")
    render = home.start("render", "--devices", "cpu/2", "slow.blend")
    begun(home, 2)
    render.send(signal.SIGINT)
    until(lambda: home.state(1) == "paused")
    go(home)
    assert render.end() == 130
    assert "the same command goes on" in render.stderr()
    assert len(frames_of(home, "slow")) == 2
    assert home.processes() == []
    assert "4 frames rendered" in home.ok("render", "slow.blend") or len(frames_of(home, "slow")) == 6


def test_render_interrupted_twice_gives_back_at_once(home):
    home.blend("slow")
    render = home.start("render", "--devices", "cpu/2", "slow.blend")
    begun(home, 2)
    render.send(signal.SIGINT)
    until(lambda: home.state(1) == "paused")
    render.send(signal.SIGINT)
    assert render.end() == 130
    assert frames_of(home, "slow") == []
    assert left_by_themselves(home) == ["cpu:0", "cpu:1"]
    assert home.processes() == []


def test_an_interrupt_that_finds_all_done_pauses_nothing(home):
    """A list of no jobs would be the whole farm. Each hears of the end and of Ctrl-C at once, and it
    is a matter of chance which of them first: hence so many."""
    home.farm()
    home.blend("slow")
    for frame in range(1, 9):
        (home.work / "go").unlink(missing_ok=True)
        render = home.start("render", "slow.blend", "-f", str(frame))
        begun(home, frame)
        render.send(signal.SIGSTOP)
        go(home)
        until(lambda: home.state(frame) == "done")
        render.send(signal.SIGINT)
        render.send(signal.SIGCONT)
        assert render.end() in (0, 130)
        assert "job-paused" not in [line["event"] for line in home.json("log")]


def test_killed_render_leaves_no_process(home):
    home.blend("slow")
    render = home.start("render", "--devices", "cpu/2", "slow.blend")
    begun(home, 1)
    render.process.kill()
    render.end()
    until(lambda: not home.processes(), why="something is left")
    go(home)
    assert home.run("render", "slow.blend").returncode == 0
    assert len(frames_of(home, "slow")) == 6


def test_stop_ends_a_render_too(home):
    home.blend("slow")
    render = home.start("render", "--devices", "cpu/2", "slow.blend")
    begun(home, 1)
    stop = home.start("stop")
    until(lambda: home.state(1) == "paused")
    go(home)
    assert render.end() == 1
    assert "same command" in render.stderr()
    assert stop.end() == 0
    assert home.processes() == []


def test_second_render_takes_over_when_the_first_ends(home):
    home.blend()
    home.blend("slow")
    first = home.start("render", "--devices", "cpu:0", "plain.blend", "slow.blend", "-f", "1-2")
    begun(home, 3)
    second = home.start("render", "slow.blend", "-f", "5-6")
    until(lambda: len(home.json("list")) == 3)
    first.send(signal.SIGINT)
    until(lambda: home.state(2) == "paused")
    first.send(signal.SIGINT)
    assert first.end() == 130
    go(home)
    assert second.end() == 0, second.stderr()
    assert {"slow-0005.png", "slow-0006.png"} <= set(frames_of(home, "slow"))
    until(lambda: not [one for one in home.processes() if "--device cpu" in one[1]])


def test_render_that_ends_leaves_its_broker_to_another(home):
    home.blend("slow")
    (home.work / "theirs").mkdir()
    home.blend("theirs/slow")
    first = home.start("render", "--devices", "cpu:0", "slow.blend", "-f", "1")
    begun(home, 1)
    second = home.start("render", "--devices", "cpu:1", "theirs/slow.blend", "-f", "1")
    begun(home, 2)
    (broker,) = [pid for pid, words in home.processes() if "dblend-broker" in words]
    go(home)
    assert first.end() == 0
    assert broker in [pid for pid, _ in home.processes()]
    (home.work / "theirs" / "go").touch()
    assert second.end() == 0, second.stderr()
    assert "died" not in second.stderr()
    until(lambda: not home.processes(), why="something is left")


def test_an_inspector_that_is_there_already_is_enough(home):
    (home.home / "run").mkdir(parents=True, mode=0o700)
    (home.home / "script").write_text("one")
    home.blend()
    ended = home.run("render", "--devices", "cpu:0", "plain.blend")  # its worker inspects
    assert ended.returncode == 0
    assert "inspector" not in ended.stderr


def test_render_folder_is_made_new_or_gone_on_with(home):
    home.blend()
    home.ok("render", "--render-folder", "out", "plain.blend")
    (folder,) = (home.work / "out" / "my work").iterdir()
    assert folder.name.startswith("plain_")
    assert len(list(folder.glob("plain-000?.png"))) == 6
    assert "6 were there" in home.ok("render", "--render-folder", "out", "plain.blend")
    assert len(list((home.work / "out" / "my work").iterdir())) == 1
