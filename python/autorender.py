"""autorender - the farm's hand inside Blender: opens, inspects and renders one frame at a time.

Started by the worker (and only by it) as

    blender --background --disable-autoexec --python-exit-code 9 --python autorender.py -- --fd N

or, where Blender is the Python module bpy, as `PYTHON autorender.py -- --fd N` with the number of
threads in DBLEND_THREADS.

N is one end of a socketpair (environment: DBLEND_FD, when no --fd is given). On it go JSON lines,
UTF-8, one object a line; standard output belongs to Blender and is read by people. One command at
a time; every answer repeats the command's `id`.

    <- {"event":"ready","blender":"3.4.1","denoiser":true,"pid":4711}          once, at the start
    -> {"do":"inspect","id":1,"job":DESCRIPTION}
    <- {"event":"inspected","id":1,"found":{},"questions":[],"warnings":[],"scripts":false}
    -> {"do":"open","id":2,"job":DESCRIPTION,"device":DEVICE}
    <- {"event":"opened","id":2,"ms":14,"scripts":false,"device":USED}
    -> {"do":"render","id":3,"job":12,"frame":31,"path":"/p/.n.F.9.png","paths":["..."],
        "digest":"dblend:<digest>:3.4"}
    <- {"event":"rendered","id":3,"ms":812}
    -> {"do":"close","id":4}            <- {"event":"closed","id":4}
    -> {"do":"quit"}                    (or the end of the socket) Blender leaves with 0

    <- {"event":"error","id":3,"code":"no-camera","text":"...","hint":"...","fatal":true}

DESCRIPTION is the job description of proto/PROTOCOL.md 2.4 with three keys from the worker: `use`
(the path to open: the original or the kept file, in the same folder; default `file`), `cwd`
(submitter's working directory) and `submitted_at` (Unix milliseconds), the last two of the job's
spec (4.1). `found` is 3.4; questions and warnings are {code, text, hint}. `fatal` says that every
frame of this job would fail in the same way. `scripts` says that scripts of the file ran here: this
Blender must not open another job. `path` of `render` is written exactly as given; with one file a
view Blender adds the view's suffix before the extension, which gives `paths`.

DEVICE is {"kind":"gpu","types":["OPTIX","CUDA"],"pci":["0000:65:00.0"],"cpu":false,
"allow_cpu":false}: the cards to render on, by PCI address, as the first of these types by which
Cycles lists them all; `cpu`: and on the CPU as well; kind "cpu": on the CPU alone. Every scene is
set to it, whatever the file says. USED is {"cycles":true,"type":"OPTIX","warnings":[],
"used":[{"id","name","type","pci"}]}, what Cycles will take by its own lists; `cycles` is false when
no scene that is rendered uses it. Errors: device-mismatch, device-type, cpu-only.

`open` may also have "fresh":true: this is the attempt after one that ran out of memory, and nothing
is kept from frame to frame.

Runs in Blender 2.93 to 5.x; tested with 3.4.1 and the bpy of 5.0.1, the others as their documentation
says.
Standard library and bpy only.
"""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from autorender_parts import loop  # noqa: E402 (the path must be set first)

if __name__ == "__main__":
    loop.main(sys.argv)
