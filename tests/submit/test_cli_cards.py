"""Which cards get a worker: dblend-worker lists a described machine, scripted workers work."""

import json
import subprocess

import pytest

from clitools import BIN, ROOT, SCRIPTED, done, go, number_of, until

WITH = ROOT / "tests" / "fake-gpu" / "with"
FOUR = ["pci:0000:17:00.0", "pci:0000:31:00.0", "pci:0000:b1:00.0", "pci:0000:ca:00.0"]


@pytest.fixture
def machine(home):
    """machine(NAME): from now on this home's machine is that one."""
    if not (BIN / "dblend-worker").exists():
        pytest.skip(f"no dblend-worker in {BIN}")
    home.env["DBLEND_BIN"] = str(BIN)

    def take(name):
        worker = home.bin / "dblend-worker"
        worker.write_text(f"""#!/bin/sh
case $1 in
--list) exec '{WITH}' {name} '{BIN}/dblend-worker' "$@" ;;
*) exec /usr/bin/python3 '{SCRIPTED}' "$@" ;;
esac
""")

    return take


def devices(home):
    return sorted(one["device"] for one in home.json("workers"))


def listed(home, text):
    """What dblend-worker makes of a device list."""
    done = subprocess.run([home.bin / "dblend-worker", "--list", "devices", text], check=True,
                          env=home.env, stdout=subprocess.PIPE, text=True)
    return [json.loads(line)["device"] for line in done.stdout.splitlines()]


def farm_of(home, count, *words):
    farm = home.start("farm", *words)
    farm.says(f"the farm runs on {count} device")
    until(lambda: len(home.json("workers")) == count, why=farm.stderr())
    return farm


def test_one_worker_for_every_card(home, machine):
    machine("four-cards")
    farm = farm_of(home, 4)
    assert devices(home) == FOUR
    assert "left out" not in farm.stderr()


def test_a_card_that_cannot_be_used_is_told_of_and_the_others_work(home, machine):
    machine("one-broken")
    farm = home.start("farm")
    farm.says("the farm runs on")
    told = [line for line in farm.stderr().splitlines() if line.startswith("left out: gpu:")]
    used = devices(home)
    assert told and used and all(line.split(": ", 3)[3] for line in told)
    assert not [line for line in told for device in used if device in line]
    assert len(told) + len(used) == 4


def test_without_a_card_all_cores_are_one_worker(home, machine):
    machine("no-gpu")
    farm_of(home, 1)
    assert devices(home)[0].startswith("cpu:")


def test_low_impact_leaves_the_card_with_the_display_out(home, machine):
    machine("four-cards")
    farm = farm_of(home, 3, "--low-impact")
    assert devices(home) == FOUR[1:]
    assert f"left out: gpu:0 {FOUR[0]} (NVIDIA GeForce RTX 3090): a display is on it" in farm.stderr()


def test_low_impact_without_a_card_is_half_of_the_cores(home, machine):
    machine("no-gpu")
    farm_of(home, 1, "--low-impact")
    one, = home.json("workers")
    assert one["device"] == listed(home, "cpu/2")[0] != listed(home, "cpu")[0]


def test_low_impact_and_devices_exclude_each_other(home, machine):
    machine("four-cards")
    done = home.run("farm", "--low-impact", "--devices", "gpu:1")
    assert done.returncode == 2 and "--low-impact" in done.stderr


def test_a_still_is_rendered_by_all_cards_together(home, machine):
    machine("four-cards")
    home.blend()
    done = home.run("render", "-f", "1", "plain.blend")
    assert done.returncode == 0, done.stderr
    assert "fewer frames than cards: groups of 4" in done.stderr
    assert f"starting 1 worker: {'+'.join(FOUR)}" in done.stderr


def test_two_frames_are_rendered_by_two_groups(home, machine):
    machine("eight-equal")
    home.blend()
    done = home.run("render", "-f", "1-2", "plain.blend")
    assert "groups of 4" in done.stderr and "starting 2 workers: " in done.stderr


def test_as_many_frames_as_cards_need_no_groups(home, machine):
    machine("four-cards")
    home.blend()
    done = home.run("render", "-f", "1-4", "plain.blend")
    assert done.returncode == 0
    assert "groups of" not in done.stderr and "starting 4 workers: " in done.stderr


@pytest.mark.parametrize("name", ["mixed", "mig"])
def test_what_cannot_be_joined_is_not(home, machine, name):
    machine(name)
    home.blend()
    done = home.run("render", "-f", "1", "plain.blend")
    assert done.returncode == 0 and "groups of" not in done.stderr


def at_work(home):
    """The frames of each worker that renders, by device."""
    return {one["device"]: one["frames"] for one in home.json("workers") if one["frames"]}


def test_a_farm_groups_its_cards_for_a_still_and_parts_them_for_a_film(home, machine):
    machine("four-cards")
    home.blend("slow still")
    home.blend("slow film")
    farm = farm_of(home, 4)
    still = number_of(home, "-f", "1", "slow still.blend")
    until(lambda: at_work(home) == {"+".join(FOUR): [1]}, why=farm.stderr())
    film = number_of(home, "-f", "1-40", "slow film.blend")
    assert list(at_work(home)) == ["+".join(FOUR)]  # what renders is left in peace
    go(home)
    done(home, still)
    (home.work / "go").unlink(missing_ok=True)
    until(lambda: sorted(at_work(home)) == FOUR or home.state(film) == "done", why=farm.stderr())
    go(home)
    done(home, film)
    assert devices(home) == FOUR
    said = farm.stderr()
    assert said.count("fewer frames than cards: groups of 4") == 1
    assert said.count("more frames than groups of cards: each card alone") == 1
    assert "died" not in said and "left out" not in said
    # everybody that left was told to, and left by itself
    log = (home.home / "log").read_text()
    assert log.count("worker-stopped") == 5 and "worker-lost" not in log


def test_three_frames_on_eight_cards_are_rendered_by_groups_of_two(home, machine):
    machine("eight-equal")
    home.blend("slow")
    farm = farm_of(home, 8)
    job = number_of(home, "-f", "1-3", "slow.blend")
    until(lambda: len(at_work(home)) == 3, why=farm.stderr())
    assert [len(device.split("+")) for device in at_work(home)] == [2, 2, 2]
    assert sorted(at_work(home).values()) == [[1], [2], [3]]
    go(home)
    done(home, job)
    assert "groups of 2" in farm.stderr() and "each card alone" not in farm.stderr()


def test_a_farm_that_finds_a_still_in_its_queue_groups_for_it(home, machine):
    machine("four-cards")
    home.blend("slow")
    number_of(home, "-f", "1", "slow.blend")
    farm = home.start("farm")
    until(lambda: at_work(home) == {"+".join(FOUR): [1]}, why=farm.stderr())


def test_a_group_whose_card_fails_is_taken_apart(home, machine):
    machine("four-cards")
    worker = home.bin / "dblend-worker"
    worker.write_text(worker.read_text().replace("*) exec", "*+*) exit 5 ;;\n*) exec").replace(
        "case $1 in", "case \"$1$*\" in").replace("--list)", "--list*)"))
    home.blend()
    farm = farm_of(home, 4)
    job = number_of(home, "-f", "1", "plain.blend")
    farm.says("works alone")
    until(lambda: devices(home) == FOUR, why=farm.stderr())
    done(home, job)  # and nobody waits for a group that does not come


def test_a_group_that_loses_a_card_is_taken_apart(home, machine):
    machine("four-cards")
    home.blend("lost")
    farm = farm_of(home, 4)
    job = number_of(home, "-f", "1", "lost.blend")
    farm.says("works alone")
    done(home, job)  # by one of those that are left
    assert sorted(one["device"] for one in home.json("workers") if one["state"] != "lost") == FOUR
    assert "died" not in farm.stderr()


@pytest.mark.parametrize("words", [["--devices", "gpu:0,1,2,3"], ["--windows"]])
def test_cards_that_were_named_or_are_shown_stay_as_they_are(home, machine, words):
    machine("four-cards")
    tmux = home.bin / "tmux"
    tmux.write_text("#!/bin/sh\nexit 0\n")
    tmux.chmod(0o755)
    home.env["PATH"] = f"{home.bin}:{home.env['PATH']}"
    home.blend("slow")
    farm_of(home, 4, *words)
    number_of(home, "-f", "1", "slow.blend")
    until(lambda: list(at_work(home).values()) == [[1]])
    assert devices(home) == FOUR


def test_who_names_devices_gets_these(home, machine):
    machine("four-cards")
    home.blend()
    done = home.run("render", "-f", "1", "--devices", "gpu:1,2", "plain.blend")
    assert "groups of" not in done.stderr
    assert f"starting 2 workers: {FOUR[1]}, {FOUR[2]}" in done.stderr


def test_a_card_of_a_group_is_rested_by_its_place(home, machine):
    machine("four-cards")
    farm_of(home, 2, "--devices", "gpu:0+1,gpu:2")
    home.ok("rest", "gpu:1")
    until(lambda: [one["device"] for one in home.json("workers") if one["state"] == "resting"] ==
          ["+".join(FOUR[:2])], why=str(home.json("workers")))


def test_show_tells_what_a_job_took_of_cards_and_hosts(home, machine):
    machine("four-cards")
    home.blend("large")
    home.blend()
    farm_of(home, 4)
    large, plain = number_of(home, "large.blend"), number_of(home, "plain.blend")
    done(home, large)
    done(home, plain)
    assert "memory     12.0 GiB of a card, 3.0 GiB of the host for a GPU worker\n" in home.ok("show", large)
    assert home.json("show", large)[0]["memory"] == {
        "gpu_peak_bytes": 12 << 30, "gpu_rss_peak_bytes": 3 << 30, "cpu_rss_peak_bytes": None}
    assert "\nmemory " not in home.ok("show", plain)
    assert set(home.json("show", plain)[0]["memory"].values()) == {None}


def told_to_workers(home, command, *words):
    """With which words a farm starts its workers, and its inspector, on four cards."""
    said = home.bin / "said"
    worker = home.bin / "dblend-worker"
    worker.write_text(worker.read_text().replace("*) exec", f"*) echo \"$@\" >>'{said}'; exec"))
    home.blend("slow")
    files = ["-f", "1-4", "slow.blend"] if command == "render" else []
    home.start(command, *words, *files)
    until(lambda: said.exists() and len(said.read_text().splitlines()) == 5)
    lines = [line.split(" --owner-fd 3") for line in said.read_text().splitlines()]
    return [rest.strip() for device, rest in lines if device != "--device none"], \
        [rest.strip() for device, rest in lines if device == "--device none"]


@pytest.mark.parametrize("command", ["farm", "render"])
def test_who_renders_and_how_is_told_to_every_worker(home, machine, command):
    machine("four-cards")
    workers, inspectors = told_to_workers(
        home, command, "--max-temperature", "85", "--blender", "/opt/a b/blender", "--bpy", "python3",
        "--factory", "--recycle", "9")
    blender = "--blender /opt/a b/blender --bpy python3 --factory"
    assert workers == [f"--max-temperature 85 {blender} --recycle 9 --regroups 4"] * 4
    assert inspectors == [blender]


def test_a_farm_says_how_workers_use_their_cards_and_when_they_hang(home, machine):
    machine("four-cards")
    workers, inspectors = told_to_workers(home, "farm", "--device-type", "cuda", "--stall", "60")
    assert workers == ["--device-type cuda --stall 60 --regroups 4"] * 4
    assert inspectors == [""]


@pytest.mark.parametrize("command", ["farm", "render"])
@pytest.mark.parametrize("option, text", [("--max-temperature", "hot"), ("--max-temperature", "29"),
                                          ("--max-temperature", "151"), ("--max-temperature", "85C"),
                                          ("--recycle", "0"), ("--recycle", "many")])
def test_how_hot_and_how_many_are_numbers(home, command, option, text):
    home.blend()
    done = home.run(command, option, text, *["plain.blend"] * (command == "render"))
    assert done.returncode == 2 and f"{option} {text}: a number from " in done.stderr


@pytest.mark.parametrize("words", [["--device-type", "gpu"], ["--stall", "0"], ["--bpy", ""],
                                   ["--blender", "b"] * 60])
def test_what_no_worker_could_use_starts_nothing(home, words):
    done = home.run("farm", *words)
    assert done.returncode == 2 and words[0] in done.stderr and home.processes() == []
