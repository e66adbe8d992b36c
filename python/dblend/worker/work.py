"""work - which claims this worker holds, and what is done next for them.

One frame renders, the next one is looked at meanwhile, up to two are in proof. A job's file is
opened when the first of its frames has to be rendered, not before. Blender and the prover are
reached through their objects, so that the order of things can be tested without them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any, Callable, NamedTuple, Protocol

from dblend.worker import complaint, frames, log, warm
from dblend.worker.blenders import Need, NoBlender, choose
from dblend.worker.complaint import Trouble
from dblend.worker.opening import Look, Opening, Setup, trouble_of
from dblend.worker.reports import Reports
from dblend.worker.task import End, State, Task, error_keys
from dblend.worker.warm import Warm

HOLD_MAX = 4
UNPROVEN_MAX = 2  # one rendering, one ahead
PROOFS_MAX = 2  # with two in proof Blender waits
RECENT_MAX = 16
IDLE_MS = 60_000  # an inspector's Blender ends so long after its last work
NEVER = 1 << 62


class ProverPort(Protocol):
    """What work needs of the prover."""

    ready: bool
    missing: bool

    def ask(self, request: Mapping[str, Any], stall_ms: int) -> int: ...


class Ports(NamedTuple):
    """What work is done with."""

    blender: Warm
    prover: ProverPort
    look: Look
    tell: Callable[[], None]  #: the broker must hear something at once
    clock: Callable[[], int]


class Work:
    """Of one worker."""

    def __init__(self, setup: Setup, ports: Ports, reports: Reports) -> None:
        self._setup = setup
        self._ports = ports
        self._warm = ports.blender
        self._prover = ports.prover
        self._reports = reports
        self._opening = Opening(setup, ports.blender, ports.look, self)
        self._tasks: dict[int, Task] = {}  # in the order of their grants
        self._about: Mapping[str, Any] | None = None  # of the assignment
        self._farm = ""
        self._asked_idle = False
        self._paused = False
        self._give_back = False
        self._draining = False
        self._resting = False
        self._blender_fails = False
        self._recent: deque[int] = deque(maxlen=RECENT_MAX)
        self._recent_job = 0
        self.busy_ms = ports.clock()  #: when something was last held

    # -- what the broker is told ------------------------------------------------------------------

    @property
    def empty(self) -> bool:
        """Nothing is held."""
        return not self._tasks

    @property
    def rests(self) -> bool:
        """Nothing of ours is on the device."""
        return self._resting and self.empty and self._warm.state == warm.OFF

    def describe(self) -> dict[str, Any]:
        """Keys of a SYNC that goes out now."""
        tasks = list(self._tasks.values())
        job = {} if self._about is None else {"job": self._about["job"]}
        self._asked_idle = bool(job) and not self._unproven()
        progress = self._progress()
        return {
            **job,
            "holding": [{"claim": task.claim, "phase": task.phase} for task in tasks],
            "want": self._want(),
            "state": self._state(),
            **({"progress": progress} if progress else {}),
        }

    def _unproven(self) -> int:
        return sum(task.unproven for task in self._tasks.values())

    def _want(self) -> int:
        if self._draining or self._resting or self._give_back or self._blender_fails:
            return 0
        held = len(self._tasks)
        if self._setup.inspector:
            return max(0, 1 - held)
        for_blender = sum(task.unproven or task.kind == "inspect" for task in self._tasks.values())
        return max(0, min(UNPROVEN_MAX - for_blender, HOLD_MAX - held))

    def _state(self) -> str:
        if self._draining:
            return "draining"
        if self.rests:
            return "resting"
        if self._in(State.RENDERING, State.TAKING):
            return "rendering"
        if self._opening.busy:
            return "opening"
        warming = self._warm.state in (warm.OFF, warm.STARTING) and not self._setup.inspector
        return "starting" if warming else "idle"

    def _progress(self) -> dict[str, Any] | None:
        """Whose phase Blender's is, and the phase."""
        task = self._in(State.RENDERING) or self._tasks.get(self._opening.claim)
        now = self._warm.phase
        if self._warm.state != warm.BUSY or task is None or not now.text:
            return None
        return {"claim": task.claim, "text": now.text, "done": now.done, "total": now.total}

    def _in(self, *states: State) -> Task | None:
        return next((task for task in self._tasks.values() if task.state in states), None)

    # -- what the broker says ---------------------------------------------------------------------

    def joined(self, farm: str) -> None:
        """Whose work it is."""
        self._farm = farm

    def assigned(self, about: Mapping[str, Any]) -> None:
        """From now on frames of this job."""
        self._about = about
        log.info(f'take job {about["job"]}: file="{about["file"]}"')

    def granted(self, grant: Mapping[str, Any]) -> None:
        """One more claim; what cannot be taken goes back."""
        claim = grant["claim"]
        if claim in self._tasks or self._reports.ended(claim):
            return  # granted again: the answer crossed our message
        about = grant.get("about")
        render = grant["kind"] == "render"
        if render and about is None and self._about and self._about["job"] == grant["job"]:
            about = self._about
        known = grant["kind"] in ("render", "inspect", "sweep")
        if not about or not known or (render and self._setup.inspector) or self._stopped():
            self._reports.add(claim, "returned")
            self._ports.tell()
            return
        self._tasks[claim] = Task(grant, about)
        log.debug(f"claim {claim} is ours: kind={grant['kind']} frame={grant.get('frame')}")

    def _stopped(self) -> bool:
        return self._draining or self._resting

    def lost(self, claim: int) -> None:
        """Not ours any more: no report."""
        self._reports.forget(claim)
        task = self._tasks.get(claim)
        if task is not None:
            self._give_up(task, None)

    def ordered(self, orders: Mapping[str, Any]) -> None:
        """The broker's orders, but drain and rest."""
        self._paused, self._give_back = orders["pause"], orders["return"]
        if self._paused or self._give_back:
            self._return_ahead(inspections=False)
        for claim in orders["stop"]:
            if claim in self._tasks:
                self._give_up(self._tasks[claim], End("returned", {}))

    def answered(self, want: int, grants: int) -> None:
        """Only the answer to "I have nothing to render" that brings nothing ends a job."""
        none_left = self._give_back or self._paused or (want > 0 and grants == 0)
        if self._asked_idle and self._about and none_left and not self._unproven():
            log.info(f"return job {self._about['job']}")
            self._about = None
            self._ports.tell()
        self._asked_idle = False

    def drain(self, now: bool) -> None:
        """Nothing new; what is ahead goes back. now: all of it, at once."""
        self._draining = True
        self._stop(now)

    def rest(self, resting: bool, now: bool) -> None:
        """The device goes back to its owner: nothing new, and Blender ends; or all goes on."""
        self._resting = resting
        if resting:
            self._stop(now)

    def _stop(self, now: bool) -> None:
        self._return_ahead(inspections=True)
        if now:
            for task in list(self._tasks.values()):
                self._give_up(task, End("returned", {}))
        self._ports.tell()

    def _return_ahead(self, inspections: bool) -> None:
        for task in list(self._tasks.values()):
            idle = inspections and task.state is State.NEW and task.claim != self._opening.claim
            if task.ahead or idle:
                self._give_up(task, End("returned", {}))

    # -- the end of a claim -----------------------------------------------------------------------

    def _finish(self, task: Task, end: End | None) -> None:
        """Nothing of it is left."""
        self._tasks.pop(task.claim, None)
        if end is not None:
            with_log = end.what in ("finished", "error")
            self._reports.add(task.claim, end.what, task.log if with_log else b"", **end.keys)
        self.busy_ms = self._ports.clock()
        self._ports.tell()

    def _give_up(self, task: Task, end: End | None) -> None:
        """Remove its files; then the report, None: a claim that is not ours any more."""
        if task.state is State.GIVING_UP:
            task.end = task.end if end else None  # what it came to stands
            return
        if not task.has_files:
            self._finish(task, end)
            return
        task.stopping = task.state is State.RENDERING and self._warm.state == warm.BUSY
        if task.stopping:
            self._warm.restart("its frame is given up")
            self._opening.forget()
        proving = task.state is State.PROVING and end is not None
        task.state = State.GIVING_UP
        task.end = end
        if not proving:  # what is being proven ends by itself: published in time, it counts
            task.request = 0

    def fail(self, task: Task, trouble: Trouble) -> None:
        """It ends with an error."""
        frame = task.grant.get("frame")
        log.warning(f"claim {task.claim} fails: frame={frame} {trouble.code}: {trouble.text}")
        self._give_up(task, End("error", error_keys(trouble)))

    # -- Blender ----------------------------------------------------------------------------------

    def task_of(self, claim: int) -> Task | None:
        """A claim that is ours."""
        return self._tasks.get(claim)

    def stepped(self) -> None:
        """Something can be done."""
        self.step()

    def blender_said(self, answer: dict[str, Any]) -> None:
        """The answer to its command."""
        rendering = self._in(State.RENDERING)
        if rendering is not None:
            self._rendered(rendering, answer)
        else:
            self._opening.said(answer)

    def _rendered(self, task: Task, answer: Mapping[str, Any]) -> None:
        text = self._warm.output.text()
        task.log = text
        spoiled = complaint.spoiling(text.decode("utf-8"))
        if answer.get("event") == "error":
            self._opening.dirty = "an error"
            self.fail(task, _by_own_words(trouble_of(answer)))
        elif spoiled:
            self._opening.dirty = "its device failed"
            what = f"frame {task.grant['frame']} is not whole: its device failed"
            self.fail(task, Trouble(spoiled[0], what, spoiled[1]))
        else:
            task.ms = int(answer.get("ms") or 0)
            task.rss_peak = self._warm.take_peak()
            task.state = State.PROVING
            self._opening.frames += 1
            self._opening.rss_first = self._opening.rss_first or self._warm.rss_bytes()
            self._note(task)

    def _note(self, task: Task) -> None:
        if self._recent_job != task.grant["job"]:
            self._recent_job = task.grant["job"]
            self._recent.clear()
        self._recent.append(task.ms)

    def blender_ended(self, trouble: Trouble | None, was_ready: bool) -> None:
        """trouble: nobody wished that."""
        if not was_ready and trouble is not None:
            self._blender_fails = True
        rendering = self._in(State.RENDERING)
        if rendering is not None:
            rendering.log = self._warm.output.text()
            unknown = Trouble("crashed", "Blender has ended", complaint.LOOK)
            self.fail(rendering, trouble or unknown)
        self._opening.blender_ended(trouble)
        for task in self._tasks.values():
            task.stopping = False
        if self._blender_fails:
            self._return_ahead(inspections=True)  # others may be able to
            waiting = self._tasks.get(self._opening.claim)
            if waiting is not None:
                self._give_up(waiting, End("returned", {}))

    def inspected(self, task: Task, answer: dict[str, Any], remark: str) -> None:
        """Blender's answer to `inspect`; then the prover looks for old pictures."""
        if answer.get("event") == "error":
            able = any(one.denoiser for one in self._setup.blenders)
            if answer.get("code") == "denoiser-missing" and able and not task.need_denoiser:
                task.need_denoiser = True
                task.state = State.NEW
                return
            self.fail(task, trouble_of(answer))
            return
        task.found = {
            key: list(answer.get(key) or []) if key != "found" else dict(answer["found"])
            for key in ("found", "questions", "warnings")
        }
        if remark:
            warning = {"code": "blender-version", "text": remark, "hint": None}
            task.found["warnings"].append(warning)
        answered = task.option("keep") or task.option("overwrite")
        if answered or not task.found["found"].get("outputs") or task.chosen is None:
            self._finish(task, End("inspected", task.found))
            return
        task.digest = frames.stamp(task.found["found"], task.chosen)
        task.state = State.SURVEYING
        task.request = 0

    # -- the prover -------------------------------------------------------------------------------

    def prover_said(self, request: int, answer: dict[str, Any]) -> None:
        """The answer to what was asked; that to a request given up meanwhile counts no more."""
        task = next((one for one in self._tasks.values() if one.request == request), None)
        if task is None:
            return
        task.request = 0
        word = answer.get("is")
        if task.state is State.GIVING_UP:
            self._gave_up(task, answer)
        elif task.state is State.SURVEYING:
            self._surveyed(task, answer)
        elif task.state is State.SWEEPING:
            self._swept(task, answer)
        elif task.state is State.LOOKING and word == "render":
            task.state = State.LOOKED
        elif task.state is State.TAKING and word == "mine":
            self._taken_by_us(task, answer)
        elif task.state is State.PROVING and word == "done":
            self._warm.praise()
            self._finish(task, self._finished(task, answer))
        else:
            self._settle(task, answer)

    def _settle(self, task: Task, answer: Mapping[str, Any]) -> None:
        """What came of a claim, whoever asked."""
        word = answer.get("is")
        if word == "kept":
            self._finish(task, End("kept", {"files": answer["files"]}))
        elif word == "taken":
            keys = {key: answer.get(key, 0) for key in ("size", "mtime_ns", "inode")}
            self._finish(task, End("taken", keys))
        elif word == "error":
            trouble = trouble_of(answer)._replace(fatal=False)
            if task.state is State.PROVING:
                self._opening.dirty = "a frame was not proven"
            if trouble.code in ("no-picture", "bad-picture"):
                known = complaint.find(task.log.decode("utf-8"))
                trouble = trouble.named(*known) if known else trouble
            self.fail(task, trouble)
        else:  # fenced
            self._give_up(task, End("returned", {}))

    def _taken_by_us(self, task: Task, answer: Mapping[str, Any]) -> None:
        """Its files are there: render."""
        if not self._opening.has(task):
            self._give_up(task, End("returned", {}))  # Blender went away in this very moment
            return
        assert task.chosen is not None
        task.path = answer["path"]
        task.paths = answer.get("paths") or [task.path]
        task.state = State.RENDERING
        task.notes = self._opening.notes
        if not self._opening.fresh:
            self._warm.mark()  # the first attempt's output begins with the open
        self._opening.fresh = False
        command = {
            "do": "render",
            "id": task.claim,
            "job": task.grant["job"],
            "frame": task.grant["frame"],
            "path": task.path,
            "paths": task.paths,
            "digest": task.digest,
        }
        self._warm.command(command, self._limits(task))
        self._reports.add(task.claim, "started", blender=task.chosen.version)
        self._ports.tell()

    def _limits(self, task: Task) -> Any:
        """What the broker knows of a job's median may be old: our own last frames count, too."""
        ours = sorted(self._recent) if self._recent_job == task.grant["job"] else []
        usual = 4 * ours[len(ours) // 2] if ours else 0
        return task.limits(max(usual, self._setup.stall_ms))

    def _finished(self, task: Task, answer: Mapping[str, Any]) -> End:
        warnings = list(answer.get("warnings") or []) + task.notes
        least_ms = task.option("min_frame_time_ms") or 0
        if task.ms < least_ms:
            text = (
                f"frame {task.grant['frame']} took {task.ms / 1000:g} s, "
                f"less than the {least_ms / 1000:g} s of --min-frame-time"
            )
            hint = "look at the picture: is everything in it?"
            warnings.append({"code": "too-fast", "text": text, "hint": hint})
        keys = {"ms": task.ms, "files": answer["files"], "digest": task.digest}
        more = {"warnings": warnings, "rss_peak_bytes": task.rss_peak}
        return End("finished", {**keys, **{key: value for key, value in more.items() if value}})

    def _gave_up(self, task: Task, answer: Mapping[str, Any]) -> None:
        if answer.get("is") == "done" and task.end is not None:
            task.end = self._finished(task, answer)  # published before we could stop it: it counts
        self._finish(task, task.end)

    def _surveyed(self, task: Task, answer: Mapping[str, Any]) -> None:
        if answer.get("is") == "error":
            self.fail(task, trouble_of(answer)._replace(fatal=True))
            return
        unknown = answer.get("unknown") or 0
        if unknown:
            first = str(answer.get("first"))[:1000]
            text = f"{unknown} pictures of unknown origin are there already, the first is {first}"
            hint = "--keep takes them as they are, --overwrite renders over them"
            task.found["questions"].append({"code": "pictures", "text": text, "hint": hint})
        self._finish(task, End("inspected", task.found))

    def _swept(self, task: Task, answer: Mapping[str, Any]) -> None:
        if answer.get("is") == "error":
            self.fail(task, trouble_of(answer)._replace(fatal=False))
            return
        for warning in answer.get("warnings") or []:
            log.warning(f"sweep job {task.grant['job']}: {warning.get('text')}")
        keys = {key: answer[key] for key in ("wrong", "last") if answer.get(key) is not None}
        self._finish(task, End("swept", keys))

    def prover_died(self, hung: set[int]) -> None:
        """What it held is lost with it; what was only looked at is looked at again."""
        for task in list(self._tasks.values()):
            waited = task.request in hung and task.request
            task.request = 0
            if task.state is State.GIVING_UP:
                self._finish(task, task.end)
            elif waited:
                what = f"{frames.folder_of(task)}: the output folder does not answer"
                hint = "look at the disk or network that it is on"
                self._fail_at_once(task, Trouble("output-unwritable", what, hint))
            elif task.has_files:
                if task.state is State.RENDERING:
                    self._warm.restart("the prover has ended, which held its frame")
                    self._opening.forget()
                self._finish(task, End("returned", {}))
            elif task.state in (State.LOOKING, State.SWEEPING):
                task.state = State.NEW

    def _fail_at_once(self, task: Task, trouble: Trouble) -> None:
        """There is no prover that holds anything of it."""
        log.warning(f"claim {task.claim} fails: {trouble.code}: {trouble.text}")
        self._finish(task, End("error", error_keys(trouble)))

    # -- what is next -----------------------------------------------------------------------------

    def step(self) -> None:
        """Do whatever can be done now. After every event."""
        if self._warm.state == warm.IDLE:
            self._blender_fails = False
        self._opening.step()
        self._feed_blender()
        self._feed_prover()
        self._keep_warm()
        if self._tasks:
            self.busy_ms = self._ports.clock()

    def _feed_blender(self) -> None:
        """The next frame is taken before the last one is proven: Blender shall not wait."""
        working = self._in(State.TAKING, State.RENDERING)
        if self._opening.busy or working or self._warm.state == warm.BUSY:
            return
        for task in list(self._tasks.values()):
            if task.kind == "inspect" and task.state is State.NEW:
                task.state = State.INSPECTING
                self._opening.begin(task)
                return
            if task.state is State.LOOKED:
                proofs = sum(one.state is State.PROVING for one in self._tasks.values())
                if proofs >= PROOFS_MAX:
                    return
                if not self._opening.is_open_for(task):
                    self._opening.begin(task)
                elif self._prover.ready:
                    task.state = State.TAKING
                    self._ask(task, frames.look(task, "take"))
                return

    def _feed_prover(self) -> None:
        for task in list(self._tasks.values()):
            new = task.state is State.NEW and task.kind != "inspect"
            if new and self._prover.missing and not self._prover.ready:
                text = "no Python here can import OpenImageIO and numpy"
                hint = "install python3-openimageio, or name a Python in DBLEND_PYTHON"
                self.fail(task, Trouble("prover-missing", text, hint))
            elif self._prover.ready and not task.request:
                self._next_request(task, new)

    def _next_request(self, task: Task, new: bool) -> None:
        if new and task.kind == "render":
            self._look(task)
        elif new:
            task.state = State.SWEEPING
            self._ask(task, frames.sweep(task, self._farm))
        elif task.state is State.PROVING:
            self._ask(task, {"do": "prove", "claim": task.claim})
        elif task.state is State.SURVEYING:
            self._ask(task, frames.survey(task))
        elif task.state is State.GIVING_UP and not task.stopping:
            self._ask(task, {"do": "give-up", "claim": task.claim})

    def _look(self, task: Task) -> None:
        need = Need(
            task.of_found("file_version", 0),
            task.about.get("blender") or "",
            bool(task.of_found("denoise", False)),
        )
        try:
            task.chosen, _ = choose(self._setup.blenders, need)
        except NoBlender as error:
            self.fail(task, Trouble(error.code, str(error), error.hint))
            return
        task.digest = frames.stamp(task.about.get("found") or {}, task.chosen)
        task.state = State.LOOKING
        self._ask(task, frames.look(task, "look"))

    def _ask(self, task: Task, request: Mapping[str, Any]) -> None:
        task.request = self._prover.ask(request, task.limits(self._setup.stall_ms).stall_ms)

    def _keep_warm(self) -> None:
        """A device's Blender runs before there is work; an inspector's only while there is."""
        idle = self.empty and self._warm.state == warm.IDLE
        if self._draining:
            if self.empty:
                self._warm.close()
        elif self._resting:
            if self.empty and self._warm.state != warm.OFF:
                self._opening.forget()
                self._warm.close()
        elif self._setup.inspector:
            if idle and self._ports.clock() >= self.busy_ms + IDLE_MS:
                self._warm.close()
        elif self._warm.state == warm.OFF and not self._opening.busy:
            self._warm.want(self._warm.blender or self._setup.blenders[0])
        elif self._warm.state == warm.IDLE and self._opening.dirty and self.empty:
            self._warm.restart(self._opening.dirty)

    def due_ms(self) -> int:
        """When step() is due at the latest."""
        if self._setup.inspector and self._warm.state == warm.IDLE:
            return self.busy_ms + IDLE_MS
        return NEVER


def _by_own_words(trouble: Trouble) -> Trouble:
    """Blender's words may say better what is wrong."""
    known = complaint.find(trouble.text)
    if known and trouble.code in ("script-error", "out-of-memory"):
        return trouble.named(*known)
    return trouble
