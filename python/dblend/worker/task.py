"""task - one claim in our hands."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dblend.worker.blenders import Blender
from dblend.worker.complaint import Trouble
from dblend.worker.pulse import Limits

STALL_MEDIANS = 4  # without a sign of life, where that is longer than what was given


class State(enum.Enum):
    """What is done for it."""

    NEW = enum.auto()
    LOOKING = enum.auto()  #: the prover looks whether there is a picture
    LOOKED = enum.auto()  #: it is to be rendered
    TAKING = enum.auto()  #: the prover makes its files
    RENDERING = enum.auto()
    PROVING = enum.auto()
    INSPECTING = enum.auto()
    SURVEYING = enum.auto()
    SWEEPING = enum.auto()
    GIVING_UP = enum.auto()  #: the prover removes its files


_AHEAD = (State.NEW, State.LOOKING, State.LOOKED)


@dataclass
class End:
    """The report that ends a claim, once nothing of it is left."""

    what: str
    keys: dict[str, Any]


@dataclass
class Task:
    """One claim; grant is the broker's, about the description of its job."""

    grant: Mapping[str, Any]
    about: Mapping[str, Any]
    state: State = State.NEW
    request: int = 0  #: of the prover; 0: none is out
    chosen: Blender | None = None
    digest: str = ""
    opens: int = 0
    need_denoiser: bool = False
    path: str = ""
    paths: list[str] = field(default_factory=list)
    log: bytes = b""
    ms: int = 0
    rss_peak: int = 0
    notes: list[dict[str, Any]] = field(default_factory=list)  # warnings of its device
    found: dict[str, Any] = field(default_factory=dict)
    stopping: bool = False  #: Blender is being ended, which has its file open
    end: End | None = None

    @property
    def claim(self) -> int:
        return int(self.grant["claim"])

    @property
    def kind(self) -> str:
        return str(self.grant["kind"])

    @property
    def ahead(self) -> bool:
        """Nothing of it is begun that anybody could see."""
        return self.kind == "render" and self.state in _AHEAD

    @property
    def unproven(self) -> bool:
        """Blender is not through with it."""
        return self.kind == "render" and (self.ahead or self.state in (_TAKING, _RENDERING))

    @property
    def has_files(self) -> bool:
        """The prover has made, or may have made, something for it."""
        return self.state in (_TAKING, _RENDERING, State.PROVING)

    @property
    def phase(self) -> str:
        """As holding says it."""
        if self.kind != "render":
            return "inspecting" if self.kind == "inspect" else "sweeping"
        if self.ahead or self.state is _TAKING:
            return "ahead"
        return "proof" if self.state is State.PROVING else "rendering"

    def option(self, name: str) -> Any:
        """An option of its job; None: not given."""
        return (self.about.get("options") or {}).get(name)

    def of_found(self, name: str, default: Any = None) -> Any:
        """What inspection found."""
        value = (self.about.get("found") or {}).get(name)
        return default if value is None else value

    def limits(self, least_stall_ms: int) -> Limits:
        """How long its Blender may take."""
        given = 1000 * (self.option("stall_s") or 0)
        usual = STALL_MEDIANS * (self.about.get("median_ms") or 0)
        most = 1000 * (self.option("max_frame_time_s") or 0)
        return Limits(given or max(usual, least_stall_ms), most)


_TAKING, _RENDERING = State.TAKING, State.RENDERING


def error_keys(trouble: Trouble) -> dict[str, Any]:
    """Keys of an `error` report."""
    return trouble._asdict()
