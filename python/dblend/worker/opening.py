"""opening - which file is open in Blender, and how the next one gets there.

Which Blender, which file (source), is it the submitted one; open; is it still? A file that changes
meanwhile is opened again, three times at most.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Callable, NamedTuple, Protocol

from dblend.worker import log, source, warm
from dblend.worker.blenders import Blender, Need, NoBlender, choose
from dblend.worker.complaint import Trouble
from dblend.worker.device import Device
from dblend.worker.task import State, Task
from dblend.worker.warm import Warm

CLOSED, LOOKING, WAITING, RUNNING, CHECKING, OPEN = range(6)
OPENS_MAX = 3
_SAME = ("job", "file", "size", "mtime_ns", "hash", "options", "found")

Look = Callable[[source.Ask, Callable[[source.Answer], None]], None]


class Setup(NamedTuple):
    """What a worker is; the same for its whole life."""

    blenders: Sequence[Blender]
    device: Device
    recycle: int = 0  #: a new Blender after so many frames; 0: never for that
    stall_ms: int = 300_000
    memory_bytes: int = 0  #: a Blender that grew by more is ended between frames
    types: Sequence[str] = ()  #: of Cycles, by which the card may be used, the preferred one first

    @property
    def inspector(self) -> bool:
        return self.device.kind == "none"


class Owner(Protocol):
    """Who wants files opened."""

    def task_of(self, claim: int) -> Task | None:
        """It is still ours?"""

    def fail(self, task: Task, trouble: Trouble) -> None:
        """Its file cannot be opened."""

    def inspected(self, task: Task, answer: dict[str, Any], remark: str) -> None:
        """Blender's answer to `inspect`."""

    def stepped(self) -> None:
        """Something can be done now."""


class Opening:
    """Of one Blender."""

    def __init__(self, setup: Setup, blender: Warm, look: Look, owner: Owner) -> None:
        self._setup = setup
        self._warm = blender
        self._look = look
        self._owner = owner
        self._looks = 0
        self.frames = 0  #: that this Blender has rendered
        self.dirty = ""  #: why it must not do anything more
        self._scripts = False
        self.rss_first = 0  #: what it had after its first frame of this file
        self.fresh = False  #: nothing was rendered since the open
        self.forget()

    def forget(self) -> None:
        """Nothing is open, and nothing is being opened."""
        self.phase = CLOSED
        self.claim = 0
        self._looks += 1  # an answer that is still on its way is not ours any more
        self._about: Mapping[str, Any] = {}
        self._fresh_claim = 0
        self._source = source.Answer()
        self._answer: dict[str, Any] = {}
        self._remark = ""
        self.notes: list[dict[str, Any]] = []  #: warnings of every frame: `on-cpu`
        self.rss_first = 0

    @property
    def busy(self) -> bool:
        return self.phase not in (CLOSED, OPEN)

    def has(self, task: Task) -> bool:
        """Is its file open?"""
        return (
            self.phase == OPEN
            and self._warm.state == warm.IDLE
            and self._warm.blender == task.chosen
            and _same(self._about, task.about)
            and self._fresh_claim == (task.claim if task.grant.get("fresh") else 0)
        )

    def is_open_for(self, task: Task) -> bool:
        """Can it be rendered in this Blender?"""
        return self.has(task) and not self._reason_to_restart(task)

    def begin(self, task: Task) -> None:
        """Open its file. The new Blender, if one must come, starts while the file is looked at."""
        reason = self._reason_to_restart(task)
        if reason:
            self._warm.restart(reason)
        if reason or self._warm.state in (warm.OFF, warm.CLOSING):
            self.frames = 0
            self._scripts = False
        self.dirty = ""
        self.forget()
        self.claim = task.claim
        self._about = task.about
        self._fresh_claim = task.claim if task.grant.get("fresh") else 0
        self._start_look(task, None)

    def _reason_to_restart(self, task: Task) -> str:
        other = self.phase == OPEN and not _same(self._about, task.about)
        if self.dirty:
            return self.dirty
        if task.grant.get("fresh") and self._fresh_claim != task.claim:
            return "the frame ran out of memory in one that had rendered before"
        if self._scripts and (other or task.kind == "inspect" or self.phase == CLOSED):
            return "it ran scripts of another job"
        if 0 < self._setup.recycle <= self.frames:
            return "it has rendered as many frames as it shall"
        most = 2 * self.rss_first + self._setup.memory_bytes
        if self.rss_first and self._setup.memory_bytes and self._warm.rss_bytes() > most:
            return "its memory has grown past the limit"
        return ""

    # -- the file ---------------------------------------------------------------------------------

    def _start_look(self, task: Task, opened: source.Answer | None) -> None:
        self.phase = LOOKING if opened is None else CHECKING
        self._looks += 1
        number = self._looks

        def hear(answer: source.Answer) -> None:
            if number == self._looks:
                self._looked(answer)
                self._owner.stepped()

        self._look(source.ask_for(task.about, task.kind == "inspect", opened), hear)

    def _looked(self, answer: source.Answer) -> None:
        task = self._owner.task_of(self.claim)
        if task is None:
            self.forget()
        elif self.phase == CHECKING:
            self._look_again(task, answer)
        elif answer.trouble:
            self.forget()
            self._owner.fail(task, answer.trouble)
        else:
            self._choose(task, answer)

    def _choose(self, task: Task, answer: source.Answer) -> None:
        version = answer.file_version or task.of_found("file_version", 0)
        denoise = task.need_denoiser or bool(task.of_found("denoise", False))
        need = Need(version, task.about.get("blender") or "", denoise)
        try:
            task.chosen, self._remark = choose(self._setup.blenders, need)
        except NoBlender as error:
            self.forget()
            fatal = task.kind == "inspect"
            self._owner.fail(task, Trouble(error.code, _about_file(task, error), error.hint, fatal))
            return
        self._source = answer
        self.phase = WAITING

    def step(self) -> None:
        """Give Blender its command, once it is there."""
        task = self._owner.task_of(self.claim)
        if self.busy and (task is None or task.state is State.GIVING_UP):
            if self.phase == RUNNING:
                self._warm.restart("what it opens is not wanted any more")
            self.forget()
        elif self.phase == WAITING and task is not None and task.chosen is not None:
            self._warm.want(task.chosen)
            if self._warm.state == warm.IDLE and self._warm.blender == task.chosen:
                self._send(task)

    def _send(self, task: Task) -> None:
        options = dict(task.about.get("options") or {})
        options.pop("frames", None)  # up to 12,288 numbers that Blender does not need
        word = "inspect" if task.kind == "inspect" else "open"
        job = {**task.about, "options": options, "use": self._source.use}
        command: dict[str, Any] = {"do": word, "id": task.claim, "job": job}
        if word == "open":
            command["device"] = _device_request(self._setup, task)
            if task.grant.get("fresh"):
                command["fresh"] = True
        self._warm.mark()
        self.fresh = True
        self.phase = RUNNING
        limits = task.limits(self._setup.stall_ms)._replace(most_ms=0)  # that is for frames
        self._warm.command(command, limits)

    # -- Blender's answer -------------------------------------------------------------------------

    def said(self, answer: dict[str, Any]) -> None:
        """To `open` or `inspect`; it counts once the file is still the same."""
        task = self._owner.task_of(self.claim)
        if task is None:
            self.forget()
            return
        self._answer = answer
        self._start_look(task, self._source)

    def _look_again(self, task: Task, answer: source.Answer) -> None:
        if not answer.trouble:
            self._finish(task, self._answer)
            return
        task.opens += 1
        if task.opens < OPENS_MAX:
            log.info(f'open again: file="{self._source.use}": it changed meanwhile')
            self._start_look(task, None)
            return
        self.forget()
        self._owner.fail(task, answer.trouble)

    def _finish(self, task: Task, answer: dict[str, Any]) -> None:
        remark = self._remark
        error = answer.get("event") == "error"
        self._scripts = bool(answer.get("scripts"))
        if error:
            self.dirty = "an error"
            task.log = self._warm.output.text()
        if task.kind == "inspect":
            self.forget()
            self._owner.inspected(task, answer, remark)
            return
        trouble = trouble_of(answer) if error else _device_trouble(self._setup.device, task, answer)
        if trouble:
            task.log = self._warm.output.text()
            self.dirty = self.dirty or "it would render on another device"
            self.forget()
            self._owner.fail(task, trouble)
            return
        self.phase = OPEN
        self.notes = list(answer["device"].get("warnings") or [])
        log.debug(f'job {task.grant["job"]} is open: file="{self._source.use}"')

    def blender_ended(self, trouble: Trouble | None) -> None:
        """With the file that it had, or was about to open."""
        task = self._owner.task_of(self.claim)
        running = self.phase == RUNNING
        self.dirty = ""
        self._scripts = False
        self.frames = 0
        if self.phase in (LOOKING, WAITING):
            return  # for the next one
        self.forget()
        if task is not None and running and trouble is not None:
            task.log = self._warm.output.text()
            self._owner.fail(task, trouble)
        elif task is not None and task.state is State.INSPECTING:
            task.state = State.NEW


def trouble_of(answer: Mapping[str, Any]) -> Trouble:
    """Of an `error` of autorender, or of the prover."""
    code, text = answer.get("code") or "script-error", answer.get("text") or ""
    return Trouble(code, text, answer.get("hint") or "", bool(answer.get("fatal")))


def _same(left: Mapping[str, Any], right: Mapping[str, Any]) -> bool:
    return all(left.get(key) == right.get(key) for key in _SAME)


def _about_file(task: Task, error: NoBlender) -> str:
    return f"{task.about['file']}: {error}"


def _device_request(setup: Setup, task: Task) -> dict[str, Any]:
    """On what Cycles shall render: the way that the job prefers, then those of the worker."""
    card = setup.device.card
    preferred = [word.upper() for word in (task.option("device_type") or "").split(",") if word]
    types = [kind for kind in preferred if kind in setup.types] if preferred else setup.types
    return {
        "kind": "gpu" if card else "cpu",
        "types": list(types) if card else [],
        "pci": [card.pci] if card else [],
        "cpu": False,
        "allow_cpu": bool(task.option("allow_cpu")),
    }


def _device_trouble(device: Device, task: Task, answer: Mapping[str, Any]) -> Trouble | None:
    """Cycles says on what it will render, and that is the worker's own device and nothing else."""
    said = answer.get("device")
    used = said.get("used") if isinstance(said, dict) else None
    if not isinstance(said, dict) or not isinstance(used, list):
        text = "autorender.py does not say what Cycles renders on: it is of another version"
        return Trouble("device-mismatch", text, "install autorender.py of this version")
    if not said.get("cycles"):
        return None
    shown = [one for one in used if one.get("type") != "CPU"]
    place = device.card.pci if device.card else ""
    wrong = [one for one in shown if not (one.get("pci") and place.startswith(one["pci"]))]
    on_cpu = device.card is not None and not shown and not task.option("allow_cpu")
    if not wrong and not on_cpu:
        told = ", ".join(str(one.get("id")) for one in used)
        log.info(f"cycles uses {said.get('type')} ({told})")
        return None
    names = ", ".join(str(one.get("id")) for one in wrong) or "the CPU"
    own = device.id if device.card else device.kind
    text = f"Cycles would render on {names}, but this worker is {own}"
    hint = "restart the worker; if it happens again look at the preferences of Blender"
    return Trouble("device-mismatch", text, hint)
