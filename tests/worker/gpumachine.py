"""A machine with graphics cards for one test, by tests/fake-gpu: described, and changed as it runs."""

import json
import os
import subprocess

from workertools import BIN, ROOT

FAKE = ROOT / "tests" / "fake-gpu"
PROBE = BIN.parent / "tests" / "fake-gpu" / "card_probe"
VARIABLES = ("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "ROCR_VISIBLE_DEVICES",
             "HIP_VISIBLE_DEVICES", "ZE_AFFINITY_MASK", "ONEAPI_DEVICE_SELECTOR")


def change(file, card, key, value):
    """Change or add a line of a card (by its address), or of the machine itself (None)."""
    head, *parts = file.read_text().split("\n[")
    parts = [head, *parts]
    at = 0 if card is None else next(
        i for i, part in enumerate(parts) if part.startswith(f"{card}]"))
    lines = [line for line in parts[at].splitlines() if line.split("=")[0].strip() != key]
    parts[at] = "\n".join([*lines, f"{key} = {value}\n"])
    swap = file.with_suffix(".new")
    swap.write_text("\n[".join(parts))
    swap.rename(file)  # whole, whenever it is read


class Machine:
    """A copy of a machine file; what is run on it sees no real card."""

    def __init__(self, folder, name):
        self.file = folder / name
        self.file.write_text((FAKE / "machines" / name).read_text())
        self.home = folder / "home"
        self.probe = None

    def set(self, card, key, value):
        """As change()."""
        change(self.file, card, key, value)
        return self

    def environment(self, **more):
        env = {key: value for key, value in os.environ.items() if key not in VARIABLES}
        return {**env, "DBLEND_HOME": str(self.home), "DBLEND_BIN": str(BIN), **more}

    def run(self, *words, **env):
        return subprocess.run([FAKE / "with", self.file, *words], env=self.environment(**env),
                              capture_output=True, text=True, timeout=60, check=False)

    def worker(self, *words, **env):
        """Status, lines of JSON and what was said by dblend-worker."""
        done = self.run(BIN / "dblend-worker", *words, **env)
        return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr

    def cards(self, **env):
        status, lines, said = self.worker("--list", "cards", **env)
        assert status == 0, said
        return lines

    def devices(self, *text, **env):
        status, lines, said = self.worker("--list", "devices", *text, **env)
        assert status == 0, said
        return lines

    def ids(self, **env):
        return [card["device"] for card in self.cards(**env)]

    def start_probe(self, **env):
        self.probe = subprocess.Popen([FAKE / "with", self.file, PROBE], text=True,
                                      env=self.environment(**env), stdin=subprocess.PIPE,
                                      stdout=subprocess.PIPE)
        return self

    def ask(self, question):
        self.probe.stdin.write(f"{question}\n")
        self.probe.stdin.flush()
        return json.loads(self.probe.stdout.readline())

    def close(self):
        if self.probe:
            self.probe.stdin.close()
            self.probe.wait(30)
            self.probe.stdout.close()
