"""Which cards get a worker: dblend-worker lists a described machine, scripted workers work."""

import json
import subprocess

import pytest

from clitools import BIN, ROOT, SCRIPTED, until

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


def test_how_hot_a_card_may_be_is_told_to_every_worker(home, machine):
    machine("four-cards")
    said = home.bin / "said"
    worker = home.bin / "dblend-worker"
    worker.write_text(worker.read_text().replace("*) exec", f"*) echo \"$@\" >>'{said}'; exec"))
    farm_of(home, 4, "--max-temperature", "85")
    lines = [line for line in said.read_text().splitlines() if "--device none" not in line]
    assert len(lines) == 4 and all(line.endswith("--max-temperature 85") for line in lines)
    assert "--max-temperature" not in "".join(
        line for line in said.read_text().splitlines() if "--device none" in line)


@pytest.mark.parametrize("text", ["hot", "29", "151", "85C"])
def test_how_hot_is_a_number_of_degrees(home, text):
    done = home.run("farm", "--max-temperature", text)
    assert done.returncode == 2 and "a number from 30 to 150" in done.stderr
