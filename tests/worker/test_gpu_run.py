"""tests/gpu/run on described machines: all its steps, and that its report can fail.

The stand-in renders; what NVML would see of it a thread writes into the machine's file.
"""

import json
import os
import re
import subprocess
import sys
import threading

import pytest

from gpumachine import FAKE, Machine
from workertools import BIN, HERE, ROOT, STAND_IN, make_found

SECOND, FOURTH = "0000:31:00.0", "0000:ca:00.0"
LOOKS = 12  # of ours while the card is busy: then the report has had some, too


class Player(threading.Thread):
    """Puts each Blender that begins on a card, and lets frame 3 end when that has been seen."""

    def __init__(self, machine, faults, work, card, until):
        super().__init__(daemon=True)
        self.machine, self.faults, self.work, self.card = machine, faults, work, card
        self.until = until
        self.over = threading.Event()

    def run(self):
        begun = looks = 0
        while not self.over.wait(0.1):
            starts = [one for one in self.faults.starts()
                      if one["env"].get("CUDA_VISIBLE_DEVICES", "").startswith("GPU-")]
            if len(starts) > begun and not (self.faults.path / "full-card").exists():
                begun = len(starts)
                self.machine.set(self.card, "process", f"{starts[-1]['pid']} 2048 compute")
                self.machine.set(SECOND, "load", 93)
            looks = looks + 1 if self.faults.lines("slow") and self.until in self.told() else 0
            if looks == LOOKS:
                self.faults("go-3")

    def told(self):
        """The newest state of the workers, and what they have logged."""
        homes = sorted(self.work.glob("home*"))
        env = {**os.environ, "DBLEND_HOME": str(homes[-1])}
        done = subprocess.run([BIN / "dblend", "workers", "--json"], env=env, capture_output=True,
                              text=True, timeout=60, check=False)
        return done.stdout + "".join(file.read_text(errors="replace")
                                     for file in homes[-1].glob("programs/*.log"))

    def end(self):
        self.over.set()
        self.join()


@pytest.fixture
def gpu_run(home, faults, scene, out):
    """gpu_run("four-cards", "--device", "gpu:1") gives (exit code, rows of the report, output)."""
    (faults.path / "found.json").write_text(json.dumps(make_found(out)))
    players = []

    def run(name, *options, renderer=STAND_IN, card=SECOND, until='"gpu_load_percent":93'):
        folder = home / "described"
        folder.mkdir()
        machine, work, report = Machine(folder, name), home / "w", home / "report.json"
        if card:
            players.append(Player(machine, faults, work, card, until))
            players[-1].start()
        done = subprocess.run(
            [FAKE / "with", machine.file, sys.executable, ROOT / "tests" / "gpu" / "run",
             "--blender", renderer, "--scene", scene, "--json", report, "--work", work,
             "--holder", HERE / "described_holder.py", *options],
            env=machine.environment(STAND_IN=str(faults.path)), capture_output=True, text=True,
            timeout=300, check=False)
        assert report.exists(), done.stdout + done.stderr
        return done.returncode, json.loads(report.read_text())["steps"], done.stdout

    yield run
    for player in players:
        player.end()


def result(rows, step):
    return [row["result"] for row in rows if row["step"] == step]


def text(rows, step):
    return " ".join(row["text"] for row in rows if row["step"] == step and row["result"] == "FAIL")


def test_every_step_passes_on_a_machine_that_works(gpu_run, faults):
    faults("slow-3")
    code, rows, said = gpu_run("four-cards", "--device", "gpu:1", "--timeout", "120")
    assert code == 0, said + json.dumps(rows[-1], indent=1)
    assert {row["result"] for row in rows} == {"PASS"}
    steps = {row["step"]: row for row in rows}
    assert set(steps) == {"programs", "discovery", "pinning", "cycles", "nvml", "memory"}
    assert steps["pinning"]["figures"]["environment"]["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"
    assert steps["cycles"]["figures"]["uses"] == \
        "OPTIX (CUDA_NVIDIA RTX A6000_0000:31:00_OptiX)"
    assert steps["nvml"]["figures"]["load_percent"] == 93
    memory = steps["memory"]["figures"]
    assert memory["holder_named"] and memory["went_to"][-1].startswith("cpu")
    assert re.search(r"ran out of memory.*holds 39\.1 GiB", memory["said"])
    assert f"{len(rows)} passed, 0 failed" in said


def test_a_blender_on_another_card_fails(gpu_run, faults):
    faults("slow-3")
    code, rows, said = gpu_run("four-cards", "--device", "gpu:1", "--only", "nvml", card=FOURTH,
                               until="blender is on another card")
    assert code == 1 and result(rows, "nvml") == ["FAIL"], said
    assert f"pci:{FOURTH}" in text(rows, "nvml")


@pytest.mark.parametrize("machine, words", [
    ("one-broken", ["0000:02:00.0", "disabled: no driver", "NVML error 999"]),
    ("card-lost", ["GPU is lost", "nvidia-smi: Unable to determine the device handle"])])
def test_a_card_with_a_fault_fails_and_the_others_go_on(gpu_run, machine, words):
    code, rows, said = gpu_run(machine, "--only", "pinning", card=None)
    assert code == 1, said
    told = text(rows, "discovery") + said
    assert all(word in told for word in words)
    assert result(rows, "pinning") == ["PASS"], said


def test_a_machine_without_a_card_claims_nothing(gpu_run):
    code, rows, said = gpu_run("no-gpu", card=None)
    assert code == 77 and "there is no GPU here" in said
    assert [(row["step"], row["result"]) for row in rows] == [
        ("programs", "PASS"), ("discovery", "PASS")]


def test_a_wrong_environment_and_a_wrong_card_in_cycles_fail(gpu_run, faults, home):
    wrapper = home / "blender"
    wrapper.write_text(f'#!/bin/sh\nCUDA_VISIBLE_DEVICES=0 exec "{STAND_IN}" "$@"\n')
    wrapper.chmod(0o755)
    (faults.path / "used").write_text(json.dumps({
        "cycles": True, "type": "OPTIX", "warnings": [],
        "used": [{"id": "CUDA_x_0000:17:00_OptiX", "name": "x", "type": "OPTIX",
                  "pci": "0000:17:00"}]}))
    code, rows, said = gpu_run("four-cards", "--device", "gpu:1", "--only", "pinning", "--only",
                               "cycles", "--timeout", "90", renderer=wrapper, card=None)
    assert code == 1, said
    assert "CUDA_VISIBLE_DEVICES=0 instead of GPU-8932f001" in text(rows, "pinning")
    assert "device-mismatch" in text(rows, "cycles")
