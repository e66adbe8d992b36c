"""inspection - what is in a file, what is missing from it, and what a person must decide."""

import fractions

import bpy

from . import checks, digest, engines, names, opening, rendering
from .opening import options_of
from .references import collect, dependencies


def inspect(job):
    """The `inspected` event. JobError when every frame would fail."""
    opening.open_file(job)
    scene = opening.scene_of(job)
    questions = checks.engine_questions(scene, job)
    if questions:
        job = _without_engine(job)
    references = collect(scene)
    warnings = checks.warnings(scene, references)
    naming = rendering.prepare(scene, job)
    outputs = names.outputs(scene)
    checks.fatal_camera(scene)
    checks.fatal_denoiser(scene)
    names.check_folder(outputs[0])
    ordered, asked, told = checks.physics_of(scene, job)
    questions.extend(asked)
    warnings.extend(told)
    _sort_missing(checks.add_on_questions(scene) + checks.file_questions(references), job,
                  questions, warnings)
    questions.extend(checks.script_questions(scene, job))
    found = _found(scene, naming, outputs)
    found["ordered"] = ordered
    found["digest"] = digest.of_job(scene, job, found, dependencies(references))
    return {"event": "inspected", "found": found, "questions": questions, "warnings": warnings,
            "scripts": opening.runs_scripts(job)}


def _without_engine(job):
    """The job without an override that this Blender cannot apply; its answer is inspected anew."""
    options = {key: value for key, value in options_of(job).items() if key != "engine"}
    return dict(job, options=options)


def _sort_missing(missing, job, questions, warnings):
    """What --allow-missing answers is a question without it, a warning with it."""
    (warnings if options_of(job).get("allow_missing") else questions).extend(missing)


def _found(scene, naming, outputs):
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
        "engine_cpu_only": checks.is_cpu_only(scene),
    }
    if naming.movie:
        found["movie"] = naming.movie
    return found


def _fps(render):
    """Frames a second as "24" or "30000/1001"; fps_base is a 32 bit float of few digits."""
    base = fractions.Fraction(str(round(render.fps_base, 6)))
    return str(fractions.Fraction(render.fps) / base) if base else str(render.fps)
