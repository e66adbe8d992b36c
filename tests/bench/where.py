"""Where the time of the farm's workers goes, from the submit of a job to its end: a stacked bar.

The debug log of the workers says in which state each of their claims was at each moment. Its stamps
are whole milliseconds; as each interval begins where the last one ends, their errors cancel out.

    s  no claim yet: submit, inspection
    o  Blender opens the file
    R  Blender renders
    w  Blender writes the picture: as long as it took for one picture, see saving.py
    p  the proof: Blender waits for the prover to take the next frame or to prove the last one, or
       for its core while the prover has it
    f  Blender waits for its core while worker or broker have it
    c  no frame to render is claimed: wait for a claim, or none is left

While it renders Blender has its core, but for what the others of the farm take of it: that is the
time in which it did not run by Linux's own count (schedstat), shared out by the CPU that they took.
"""

import datetime
import os
import pathlib
import re
import signal
import sys

LETTERS = {"s": "submit and inspection", "o": "open", "R": "render", "w": "write", "p": "proof",
           "f": "worker and broker", "c": "wait for a claim"}
COLUMNS = 72

MOVED = re.compile(r"(\S+) dblend-worker debug claim (\d+): \S+ -> (\S+) ")
ENDED = re.compile(r"(\S+) dblend-worker debug claim (\d+) ends: finished ")
OURS = re.compile(r"(\S+) dblend-worker debug claim (\d+) is ours: ")
GIVEN = re.compile(r"\S+ dblend-broker info frame .* -> claimed job=(\d+) claim=(\d+) worker=(\S+)")


def stamp(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


# -- processes -------------------------------------------------------------------------------------


def parent(pid):
    return int(pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def on_cores(pids):
    """{thread: seconds that it ran}."""
    found = {}
    for pid in pids:
        for file in pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat"):
            try:
                found[file.parent.name] = int(file.read_text().split()[0]) / 1e9
            except OSError:
                continue  # a thread that is just ending
    return found


class Programs:
    """The processes of a warm farm, and what their cores did for them since this was made."""

    def __init__(self, farm):
        self.workers = {row["pid"] for row in farm.json("workers")}
        blenders, provers = farm.child_pids("autorender.py"), farm.child_pids("prove.py")
        # a keeper stands between the two; an inspector's Blender is on no worker's core
        mine = [pid for pid in blenders if parent(parent(pid)) in self.workers]
        rest = [pid for pid in farm.pids() if pid not in {*blenders, *provers}]
        self.pids = {"blender": mine, "proof": provers, "farm": rest}
        self.before = {name: on_cores(pids) for name, pids in self.pids.items()}

    def ran(self):
        """{blender, proof, farm: seconds that they ran}."""
        seconds = {}
        for name, pids in self.pids.items():
            before = self.before[name]
            seconds[name] = sum(after - before.get(thread, 0)
                                for thread, after in on_cores(pids).items())
        return seconds

    def debug(self):
        """Switch the workers' debug log on."""
        for pid in self.workers:
            os.kill(pid, signal.SIGUSR2)


# -- the log ---------------------------------------------------------------------------------------


class Worker:
    """Its claims, moment by moment."""

    def __init__(self):
        self.moves = []  # (time, claim, state; None: it ends)

    def intervals(self, began, ended):
        """[(seconds, what Blender did or waited for), ...] from beginning to end."""
        states, at, found = {}, began, []
        for when, claim, state in sorted(self.moves, key=lambda move: move[0]):
            found.append((when - at, doing(set(states.values()), found)))
            at = max(at, when)
            states[claim] = state
            if state is None:
                del states[claim]
        found.append((ended - at, "c"))
        return after_last(found)


def doing(states, before):
    """The letter of one moment."""
    rendered = any(letter == "R" for _, letter in before)
    if "rendering" in states:
        return "R"
    if "looked" in states and not rendered and not states & {"taking", "taken"}:
        return "o"
    if states - {"proving"}:
        return "p"
    return "c" if rendered else "s"


def after_last(intervals):
    """After the worker's last frame nothing is to claim: until it is proven, that is proof."""
    last = max(place for place, (_, letter) in enumerate(intervals) if letter == "R")
    tail = [(seconds, "p") for seconds, _ in intervals[last + 1:-1]]
    return intervals[:last + 1] + tail + intervals[-1:]


def read(text, job, frames):
    """{worker: its claims of the job}."""
    given = [match for match in map(GIVEN.match, text) if match and match[1] == str(job)]
    owner = {match[2]: match[3] for match in given}
    workers, finished = {}, 0
    for line in text:
        moved, ended, ours = MOVED.match(line), ENDED.match(line), OURS.match(line)
        match = moved or ended or ours
        if not match or match[2] not in owner:
            continue
        state = moved[3] if moved else "new" if ours else None
        finished += state is None
        worker = workers.setdefault(owner[match[2]], Worker())
        worker.moves.append((stamp(match[1]), match[2], state))
    if finished != frames:
        sys.exit(f"the workers' log has the end of {finished} of {frames} frames")
    return workers


def spent(text, job, frames, span, ran, saving):
    """Seconds by letter, of all workers together: the sum is workers x the span.

    span: when it began and ended; ran: of Programs; saving: seconds to write one picture.
    """
    sums = dict.fromkeys(LETTERS, 0.0)
    for worker in read(text, job, frames).values():
        for seconds, letter in worker.intervals(*span):
            sums[letter] += seconds
    ours = ran["proof"] + ran["farm"]
    rendering = max(ran["blender"] - sums["o"], 0)  # it opens the file, too
    share = min(max(sums["R"] - rendering, 0), ours) / ours if ours > 0 else 0
    taken = {"p": share * ran["proof"], "f": share * ran["farm"], "w": saving * frames}
    for letter, seconds in taken.items():
        sums[letter] += seconds
        sums["R"] -= seconds
    return sums


# -- the bar ---------------------------------------------------------------------------------------


def bar(sums):
    """One line of letters, each as wide as its part; what is left by rounding goes to the largest
    remainders."""
    scale = COLUMNS / sum(sums.values())
    widths = {letter: int(seconds * scale) for letter, seconds in sums.items()}
    rest = sorted(sums, key=lambda letter: widths[letter] - sums[letter] * scale)
    for letter in rest[:COLUMNS - sum(widths.values())]:
        widths[letter] += 1
    return "".join(letter * widths[letter] for letter in LETTERS)


def show(result, name, frames, turns):
    """Rows for the numbers, and the bar of all turns together."""
    sums = {letter: sum(turn[letter] for turn in turns) for letter in LETTERS}
    whole = sum(sums.values())
    for letter, words in LETTERS.items():
        result.row(f"{name}: a worker's time: {words}",
                   [1000 * turn[letter] / frames for turn in turns], "ms/frame")
    result.row(f"{name}: a worker's time: Blender's own (open, render, write)",
               [100 * sum(turn[letter] for letter in "oRw") / sum(turn.values())
                for turn in turns], "%")
    result.note(f"{name:5} |{bar(sums)}|")
    result.note("      " + ", ".join(f"{letter} {words} {100 * sums[letter] / whole:.1f} %"
                                     for letter, words in LETTERS.items()))
