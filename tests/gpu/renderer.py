"""What renders in this run: a Blender, the module bpy of a Python, or nothing but a stand-in."""

import json
import os
import pathlib
import shutil
import stat
import sys

import sources

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
STAND_IN = ROOT / "tests" / "worker" / "stand_in_blender.py"

LIST = """
import bpy, json, _cycles
found = []
for kind in ("OPTIX", "CUDA", "HIP", "ONEAPI"):
    try:
        found += [list(row[:3]) for row in _cycles.available_devices(kind) if row[1] == kind]
    except ValueError:
        pass  # this Blender does not know it
print("LISTED " + json.dumps(found))
"""


def can(python, *modules, env=None):
    """Does that Python import them?"""
    if not python or not shutil.which(python):
        return False
    return sources.output(python, "-c", f"import {','.join(modules)}", env=env)[0] == 0


class Renderer:
    """words: the options of our programs that name it; with real False it is the stand-in."""

    def __init__(self, options, folder, environment):
        self.environment = environment
        self.path, self.module = self._choose(options)
        self.real = self.path is not None
        self.scene = pathlib.Path(options.scene).resolve() if options.scene else None
        self.prover = self._prover(folder)
        self.words = ["--bpy" if self.module else "--blender", self.path or str(STAND_IN)]
        self.told = self.path or "none was found (--blender PATH, --bpy PYTHON)"

    def _choose(self, options):
        """(path, is it a Python with bpy?); (None, False): there is none."""
        if options.blender or options.bpy:
            return options.blender or options.bpy, bool(options.bpy)
        for python in (os.environ.get("DBLEND_BPY"), os.environ.get("DBLEND_TEST_BPY"),
                       str(ROOT / "build" / "bpy" / "bin" / "python"), sys.executable):
            if can(python, "bpy", env=self.environment):
                return python, True
        return shutil.which("blender"), False

    def _prover(self, folder):
        """A Python with OpenImageIO, where none is in its usual places: bpy brings one."""
        for python in (os.environ.get("DBLEND_PYTHON"), "/usr/bin/python3", "python3"):
            if can(python, "OpenImageIO", "numpy", env=self.environment):
                return None
        if not self.module:
            return None
        code = "import bpy, os; print(os.path.dirname(bpy.__file__))"
        _, text, _ = sources.output(self.path, "-c", code, env=self.environment)
        lines = text.split("\n")
        found = sorted(pathlib.Path(lines[0]).glob("*/python/lib/python3*/site-packages"))
        for packages in found:
            script = folder / "python-with-openimageio"
            script.write_text(f"#!/bin/sh\nPYTHONPATH='{packages}' exec '{self.path}' \"$@\"\n",
                              encoding="utf-8")
            script.chmod(script.stat().st_mode | stat.S_IXUSR)
            if can(str(script), "OpenImageIO", "numpy", env=self.environment):
                return str(script)
        return None

    def run(self, code, *words, env=None):
        """Python statements inside the renderer; (status, output, complaint)."""
        command = [self.path, "-c", code] if self.module else \
            [self.path, "--background", "--factory-startup", "--python-exit-code", "9",
             "--python-expr", code, "--"]
        return sources.output(*command, *words, env=env or self.environment, timeout=300)

    def prepare(self, folder):
        """Makes the scene; None, or why there is none."""
        if self.scene:
            return None
        folder.mkdir(parents=True, exist_ok=True)
        self.scene = folder / "scene.blend"
        if not self.real:
            self._prepare_stand_in(folder)
            return None
        code = (HERE / "make_scene.py").read_text(encoding="utf-8")
        status, text, said = self.run(code, str(self.scene))
        return None if status == 0 and self.scene.is_file() else (said or text)[-600:]

    def _prepare_stand_in(self, folder):
        """A file with nothing in it, and what an inspection of it shall find."""
        sys.path.insert(0, str(STAND_IN.parent))
        from workertools import make_found
        self.scene.write_bytes(b"BLENDER-v304" + b"".join(
            block + bytes(20) for block in (b"DNA1", b"ENDB")))
        (folder / "found.json").write_text(json.dumps(make_found(folder / "frames")),
                                           encoding="utf-8")
        self.environment["STAND_IN"] = str(folder)

    def listed(self, env):
        """Cycles' own list in that environment: [[name, type, id]]; None: it tells none."""
        status, text, _ = self.run(LIST, env=env) if env else (None, "", "")
        _, mark, rest = text.partition("LISTED ")
        return json.loads(rest.partition("\n")[0]) if status == 0 and mark else None
