"""inspection - what is in a file, what is missing from it, and what a person must decide."""

import fractions

import bpy

from . import digest, engines, names, opening, rendering


def inspect(job):
    """The `inspected` event. JobError when every frame would fail."""
    scene, naming, warnings = rendering.prepare(job)
    outputs = names.outputs(scene)
    names.check_folder(outputs[0])
    questions = []
    found = _found(scene, job, naming, outputs)
    found["ordered"] = False
    found["digest"] = digest.of_job(scene, job, found)
    return {"event": "inspected", "found": found, "questions": questions, "warnings": warnings,
            "scripts": opening.runs_scripts(job)}


def _found(scene, job, naming, outputs):
    """`found` of proto/PROTOCOL.md 3.4, but for the digest and the order."""
    width, height = names.size(scene)
    found = {
        "scene": scene.name,
        "scenes": [one.name for one in bpy.data.scenes if one.library is None],
        "frame_start": scene.frame_start,
        "frame_end": scene.frame_end,
        "frame_step": scene.frame_step,
        "frame_current": scene.frame_current,
        "fps": _fps(scene.render),
        "width": width,
        "height": height,
        "engine": scene.render.engine,
        "format": scene.render.image_settings.file_format,
        "camera": scene.camera.name if scene.camera else "",
        "outputs": outputs,
        "stamped": rendering.carries_stamp(scene),
        "blender": ".".join(str(part) for part in bpy.app.version),
        "file_version": bpy.data.version[0] * 100 + bpy.data.version[1],
        "denoise": engines.denoises(scene),
        "engine_cpu_only": engines.is_cpu_only(scene),
    }
    if naming.movie:
        found["movie"] = naming.movie
    return found


def _fps(render):
    """Frames a second as "24" or "30000/1001"; fps_base is a 32 bit float of few digits."""
    base = fractions.Fraction(str(round(render.fps_base, 6)))
    return str(fractions.Fraction(render.fps) / base) if base else str(render.fps)
