"""frames - what is asked of the prover for one frame, or for the look of an inspection."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from dblend.worker.blenders import Blender
from dblend.worker.task import Task


def stamp(found: Mapping[str, Any], blender: Blender) -> str:
    """What a picture is stamped with."""
    series = blender.series
    return f"dblend:{found.get('digest', '')}:{series // 100}.{series % 100}"


def path_of(output: Mapping[str, Any], frame: int) -> str:
    """The file of a frame: head, the number as C's %.*d writes it, tail."""
    digits = f"{abs(frame):0{output['digits']}d}"
    return f"{output['head']}{'-' if frame < 0 else ''}{digits}{output['tail']}"


def folder_of(task: Task) -> str:
    """Where its pictures go, for people."""
    outputs = task.of_found("outputs") or task.found.get("found", {}).get("outputs") or []
    return os.path.dirname(str(outputs[0]["head"])) if outputs else "?"


def look(task: Task, word: str) -> dict[str, Any]:
    """`look`, or `take`: the same again before the frame is ours."""
    size = {"width": task.of_found("width", 0), "height": task.of_found("height", 0)}
    frame = task.grant.get("frame", 0)
    files = [
        {"path": path_of(output, frame), "view": output["view"], **size}
        for output in task.of_found("outputs", [])
    ]
    return {
        "do": word,
        "claim": task.claim,
        "files": files,
        "digest": task.digest,
        "stamped": task.of_found("stamped", False),
        "blend_mtime_ns": task.about["mtime_ns"],
        "keep": bool(task.option("keep")),
        "overwrite": bool(task.grant.get("again") or task.option("overwrite")),
        "sighting": task.grant.get("sighting"),
        "known": task.grant.get("known") or [],
    }


def survey(task: Task) -> dict[str, Any]:
    """How many pictures of unknown origin lie where the job's will be?"""
    found = task.found["found"]
    return {
        "do": "survey",
        "outputs": found["outputs"],
        "frames": resolve(task, found),
        "digest": task.digest,
        "stamped": found.get("stamped", False),
        "blend_mtime_ns": task.about["mtime_ns"],
        "width": found.get("width", 0),
        "height": found.get("height", 0),
    }


def resolve(task: Task, found: Mapping[str, Any]) -> list[int]:
    """The frames of the job as the broker resolves them: first, last, step, first ..."""
    flat = list(task.option("frames") or [])
    words = task.option("frame_words") or []
    if not flat and not words:
        return [found["frame_start"], found["frame_end"], found["frame_step"]]
    triples = list(zip(flat[::3], flat[1::3], flat[2::3]))
    for word in words:
        frame = found[f"frame_{word}"]
        if not any(a <= frame <= b and (frame - a) % step == 0 for a, b, step in triples):
            triples.append((frame, frame, 1))
    return [number for triple in sorted(triples) for number in triple]


def sweep(task: Task, farm: str) -> dict[str, Any]:
    """A look over finished frames, or the removal of what dead claims left."""
    if task.grant.get("look"):
        digest = task.of_found("digest", "")
        bound = task.about.get("blender") or ""  # not bound: of any Blender
        return {
            "do": "sweep",
            "claim": task.claim,
            "look": task.grant["look"],
            "digest": f"dblend:{digest}:{bound}",
        }
    kept = (task.about.get("kept") or None) if task.grant.get("ends") else None
    request = {
        "do": "sweep",
        "claim": task.claim,
        "farm": farm,
        "outputs": task.of_found("outputs", []),
        "kept": kept,
        "cache_link": cache_link(kept) if kept else None,
    }
    live = task.grant.get("live")
    return {**request, "live": live} if live is not None else request


def cache_link(kept: str) -> str:
    """The symlink to its caches that may lie beside a kept file."""
    folder, name = os.path.split(kept)
    stem = name[: -len(".blend")] if name.lower().endswith(".blend") else name
    return os.path.join(folder, f"blendcache_{stem}")
