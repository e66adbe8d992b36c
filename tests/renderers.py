"""What renders in a test: the Blender program in PATH, or the module bpy of a Python."""

import os
import shutil
import subprocess

BLENDER = shutil.which("blender")
BPY = os.environ.get("DBLEND_TEST_BPY")  # a Python that can import bpy

_OPEN = """
import sys
import bpy
bpy.ops.wm.open_mainfile(filepath=sys.argv[1], load_ui=False, use_scripts=False)
"""


def run_script(python, file, script, *words):
    """Runs Python statements in plain Blender (python: in its bpy) that has opened the file.

    The words are the last ones of sys.argv there. What was printed comes back.
    """
    words = [str(word) for word in words]
    if python:
        command = [python, "-c", _OPEN + script, str(file), *words]
    else:
        command = [BLENDER, "--background", "--factory-startup", "--disable-autoexec", "-t", "1",
                   "--python-exit-code", "9", str(file), "--python-expr", script, "--", *words]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace", check=False,
                          timeout=600)
    assert done.returncode == 0, done.stdout[-4000:]
    return done.stdout
