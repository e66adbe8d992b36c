"""digest - what makes two pictures of a frame the same, as 32 hexadecimal digits."""

import hashlib
import json

from .opening import options_of

_PIXEL_OPTIONS = ("engine", "samples", "percentage", "format", "denoise")


def of_job(scene, job, found, dependencies):
    """BLAKE2b-128 over the file's hash, what it reads, the scene and what changes pixels.

    `dependencies`: sorted (path, size, mtime_ns), see references.py. The Blender version is not in
    it: the stamp of a picture names it beside the digest.
    """
    options = options_of(job)
    told = {
        "file": job.get("hash"),
        "dependencies": list(dependencies),
        "scene": scene.name,
        "overrides": {key: options[key] for key in _PIXEL_OPTIONS if options.get(key) is not None},
        "scripts": bool(options.get("trust_scripts")) and not options.get("no_scripts"),
        "ordered": bool(found.get("ordered")),
    }
    text = json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.blake2b(text.encode("ascii"), digest_size=16).hexdigest()
