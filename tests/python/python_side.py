"""Drives autorender.py (in a real Blender) and prove.py as the worker does: JSON lines."""

import hashlib
import json
import os
import pathlib
import socket
import subprocess
import sys

import numpy
import OpenImageIO as oiio

from renderers import BLENDER, run_script

REPO = pathlib.Path(__file__).resolve().parents[2]
SHARED = REPO.parent / "shared" / "scenes"
FARM = "0123456789abcdef"


class Child:
    """A program that talks JSON lines over an inherited socket."""

    def __init__(self, command, log, **env):
        ours, theirs = socket.socketpair()
        command = [part.replace("%FD%", str(theirs.fileno())) for part in command]
        self.log = pathlib.Path(log)
        with open(log, "wb") as stream:
            self.process = subprocess.Popen(command, pass_fds=[theirs.fileno()], stdout=stream,
                                            stderr=stream, stdin=subprocess.DEVNULL,
                                            env={**os.environ, **env})
        theirs.close()
        ours.settimeout(120)
        self._socket = ours
        self._lines = ours.makefile("rw")

    def send(self, **request):
        self._lines.write(json.dumps(request) + "\n")
        self._lines.flush()

    def send_line(self, line):
        self._lines.write(line + "\n")
        self._lines.flush()

    def hear(self):
        line = self._lines.readline()
        return json.loads(line) if line else None

    def ask(self, **request):
        request.setdefault("id", 7)
        self.send(**request)
        answer = self.hear()
        assert answer is not None, self.log.read_text(errors="replace")[-2000:]
        assert answer["id"] == request["id"]
        return answer

    def hang_up(self):
        """Ends the socket and waits for the child to leave; its exit status."""
        if self._socket:
            self._lines.close()
            self._socket.close()
            self._socket = None
        try:
            return self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.hang_up()


class Autorender(Child):
    """autorender.py in a warm Blender, or in a Python with bpy."""

    def __init__(self, log, python=None):
        blender = [BLENDER, "--background", "--factory-startup", "--disable-autoexec",
                   "--python-exit-code", "9", "-t", "1", "--python"]
        super().__init__([*([python] if python else blender),
                          str(REPO / "python" / "autorender.py"), "--", "--fd", "%FD%"], log,
                         **({"DBLEND_THREADS": "1"} if python else {}))
        self.ready = self.hear()
        self.opened = None

    def inspect(self, file, **options):
        return self.ask(do="inspect", job=job_of(file, **options))

    def found(self, file, **options):
        answer = self.inspect(file, **options)
        assert answer["event"] == "inspected", answer
        return answer["found"]

    def open(self, file, device=None, **options):
        """Inspects and opens; the job with `found`. The answer stays in `opened`."""
        job = job_of(file, **options)
        answer = self.ask(do="inspect", job=job)
        assert answer["event"] == "inspected", answer
        job["found"] = answer["found"]
        self.opened = self.ask(do="open", job=job, device=device)
        assert self.opened["event"] == "opened", self.opened
        return job

    def render(self, job, frame, folder, stamp=True):
        """Renders a frame under its own names, but in another folder; the paths."""
        outputs = job["found"]["outputs"]
        paths = [os.path.join(folder, os.path.basename(path_of(one, frame))) for one in outputs]
        base = paths[0]
        if outputs[0]["view"]:
            root, extension = os.path.splitext(base)
            base = root[: -len(outputs[0]["view"])] + extension
        digest = "dblend:%s:3.4" % job["found"]["digest"] if stamp else None
        answer = self.ask(do="render", job=job["job"], frame=frame, path=base, paths=paths,
                          digest=digest)
        assert answer["event"] == "rendered", answer
        return paths


def path_of(output, frame):
    """C's %.*d between head and tail."""
    sign = "-" if frame < 0 else ""
    return "%s%s%0*d%s" % (output["head"], sign, output["digits"], abs(frame), output["tail"])


def job_of(file, number=1, cwd=None, **options):
    """A job description as the worker sends it."""
    file = pathlib.Path(file)
    data = file.read_bytes() if file.is_file() else b""
    return {"job": number, "file": str(file), "hash": hashlib.blake2b(data, digest_size=32)
            .hexdigest(), "cwd": str(cwd or file.parent), "submitted_at": 1795359600000,
            "options": options}


class Prover(Child):
    """prove.py, for a worker process that lives (this one) unless told otherwise."""

    def __init__(self, log, farm=FARM, pid=None, start=None, host="test-host"):
        super().__init__([sys.executable, str(REPO / "python" / "prove.py"), "--fd", "%FD%"], log)
        pid = os.getpid() if pid is None else pid
        start = start_time(pid) if start is None else start
        answer = self.ask(do="hello", farm=farm, host=host, pid=pid, start=start)
        assert answer["is"] == "hello"

    def take(self, claim, *files, **more):
        return self.ask(do="take", claim=claim, **frame(*files, **more))

    def look(self, claim, *files, **more):
        return self.ask(do="look", claim=claim, **frame(*files, **more))

    def prove(self, claim):
        return self.ask(do="prove", claim=claim)

    def give_up(self, claim):
        return self.ask(do="give-up", claim=claim)


def start_time(pid):
    """Field 22 of /proc/PID/stat."""
    stat = pathlib.Path("/proc/%d/stat" % pid).read_text()
    return int(stat.rpartition(")")[2].split()[19])


DIGEST = "dblend:00112233445566778899aabbccddeeff:3.4"
OTHER_DIGEST = "dblend:ffeeddccbbaa99887766554433221100:3.4"


def frame(*files, width=32, height=18, **more):
    """The frame part of a look or take: paths, or (path, view) pairs."""
    listed = []
    for file in files:
        path, view = file if isinstance(file, tuple) else (file, "")
        listed.append({"path": str(path), "view": view, "width": width, "height": height})
    request = {"files": listed, "digest": DIGEST, "stamped": True, "blend_mtime_ns": 10**18}
    request.update(more)
    return request


def picture(path, digest=DIGEST, width=32, height=18, channels=4, kind="uint8", value=None,
            seed=0, subimages=1):
    """Writes a picture of noise (or of one value) in place, as Blender does."""
    extension = os.path.splitext(str(path))[1]
    folder = os.path.dirname(str(path))
    scratch = os.path.join(folder, "scratch" + (".png" if extension == ".tmp" else extension))
    out = oiio.ImageOutput.create(scratch)
    specs = []
    for _ in range(subimages):
        spec = oiio.ImageSpec(width, height, channels, kind)
        if digest:
            spec.attribute("Note", digest)
        specs.append(spec)
    if value is None:
        pixels = numpy.random.default_rng(seed).random((height, width, channels), numpy.float32)
    else:
        pixels = numpy.full((height, width, channels), value, numpy.float32)
    if subimages > 1:
        assert out.open(scratch, tuple(specs)), out.geterror()
    else:
        assert out.open(scratch, specs[0]), out.geterror()
    for index in range(subimages):
        if index:
            assert out.open(scratch, specs[index], "AppendSubimage"), out.geterror()
        assert out.write_image(pixels), out.geterror()
    out.close()
    data = pathlib.Path(scratch).read_bytes()
    os.unlink(scratch)
    with open(path, "wb") as stream:
        stream.write(data)
    return data


def pixels(path):
    """All subimages of a picture as one list of arrays; fails if it is not whole."""
    source = oiio.ImageInput.open(str(path))
    assert source, oiio.geterror()
    found = []
    while source.seek_subimage(len(found), 0):
        array = source.read_image(len(found), 0, 0, source.spec().nchannels, oiio.FLOAT)
        assert array is not None, source.geterror()
        found.append(array)
    source.close()
    return found


def same(one, other):
    """True when two pictures have equal pixels."""
    first, second = pixels(one), pixels(other)
    return len(first) == len(second) and all(
        numpy.array_equal(a, b) for a, b in zip(first, second))


def attribute(path, name):
    """A text attribute of a picture's header."""
    source = oiio.ImageInput.open(str(path))
    return source.spec().get_string_attribute(name)


def names_in(folder):
    """The names in a folder, sorted; [] when it is not there."""
    return sorted(os.listdir(folder)) if os.path.isdir(folder) else []


# What `blender -f` does, in the module.
_RENDER = """
scene = bpy.data.scenes[sys.argv[-3]] if sys.argv[-3] else bpy.context.scene
bpy.context.window_manager.windows[0].scene = scene
scene.render.filepath = sys.argv[-2]
for number in map(int, sys.argv[-1].split()):
    scene.frame_start = scene.frame_end = number
    bpy.ops.render.render(animation=True, scene=scene.name)
"""


def plain_blender(python, file, frame_numbers, folder, scene=""):
    """Renders frames with plain Blender (or bpy), in one process, names `####`; paths by frame."""
    pattern = os.path.join(str(folder), "####")
    numbers = [str(number) for number in frame_numbers]
    if python:
        run_script(python, file, _RENDER, scene, pattern, " ".join(numbers))
    else:
        command = [BLENDER, "--background", "--factory-startup", "--disable-autoexec", "-t", "1",
                   str(file), *(["-S", scene] if scene else []), "-o", pattern]
        for number in numbers:
            command += ["-f", number]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=300, check=False)
        assert done.returncode == 0, done.stdout[-2000:]
    return {int(path.stem): path for path in pathlib.Path(folder).iterdir()}
