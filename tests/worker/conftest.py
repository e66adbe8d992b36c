"""Fixtures: the real worker, in C and in Python, against a broker in the test's hands."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import threading

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from described_cycles import machine_env  # noqa: E402
from scripted_broker import Broker  # noqa: E402
from workertools import (  # noqa: E402
    BIN, HERE, KINDS, STAND_IN, TESTED, describe, make_found)

MAKE_SCENE = """
import bpy
scene = bpy.context.scene
scene.render.engine = 'CYCLES'
scene.cycles.samples = 1
scene.cycles.use_denoising = False
scene.render.resolution_x, scene.render.resolution_y = 32, 24
scene.render.resolution_percentage = 100
scene.render.filepath = '//out/frame_####'
scene.render.image_settings.file_format = 'PNG'
scene.frame_start, scene.frame_end = 1, 40
cube = bpy.data.objects['Cube']
for frame in (1, 40):
    cube.location.x = frame / 20
    cube.keyframe_insert('location', frame=frame)
bpy.ops.wm.save_as_mainfile(filepath={path!r})
"""


def pytest_configure(config):
    config.addinivalue_line("markers", "one_card: on a described machine, for both workers")


def pytest_collection_modifyitems(items):
    if not (BIN / "dblend-worker").exists():
        missing = pytest.mark.skip(reason=f"no dblend-worker in {BIN}: ./farm.sh build makes it")
        for item in items:
            if HERE in pathlib.Path(item.fspath).parents:
                item.add_marker(missing)


def pytest_generate_tests(metafunc):
    """Every test that runs a worker runs each make of it, but for what cards the one cannot."""
    if "worker_kind" in metafunc.fixturenames:
        cards = "on_machine" in metafunc.fixturenames and \
            not metafunc.definition.get_closest_marker("one_card")
        skip = pytest.mark.skip(reason="the worker in Python takes one NVIDIA card and no more")
        kinds = [pytest.param(kind, marks=skip if cards and kind == "python" else ())
                 for kind in TESTED]
        metafunc.parametrize("worker_kind", kinds)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        for worker in getattr(item, "workers", []):
            report.sections.append((f"worker {worker.process.args}", worker.told()))


class Worker:
    """One worker and its log."""

    def __init__(self, kind, home, arguments, env, pass_fds=()):
        program, its_env = KINDS[kind]
        self.log = home / f"worker-{len(list(home.glob('worker-*.log')))}.log"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [*program, "-v", *arguments], stdout=subprocess.PIPE, stderr=log, text=True,
                env={**os.environ, **its_env, "DBLEND_HOME": str(home / "home"), **env},
                pass_fds=pass_fds)
        self.lines = []
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    def told(self):
        return self.log.read_text(errors="replace")

    def term(self, signum=signal.SIGTERM):
        self.process.send_signal(signum)

    def ended(self):
        return self.process.poll() is not None

    def stop(self):
        if not self.ended():
            self.process.kill()
        self.process.wait()
        self.reader.join()
        self.process.stdout.close()


@pytest.fixture
def home():
    """Short, whatever the test is called: a longer socket path would move to another folder."""
    with tempfile.TemporaryDirectory(prefix="a home ", ignore_cleanup_errors=True) as folder:
        yield pathlib.Path(folder)


@pytest.fixture
def broker(home):
    (home / "home" / "run").mkdir(parents=True, mode=0o700)
    made = Broker(f"ipc://{home}/home/run/workers.sock")
    yield made
    made.destroy()


@pytest.fixture
def start(request, home, worker_kind):
    """start("--device", "cpu:0", env={}) runs one more worker; all are ended with the test."""
    request.node.workers = []

    def run(*arguments, pass_fds=(), **env):
        worker = Worker(worker_kind, home, arguments, env, pass_fds)
        request.node.workers.append(worker)
        return worker

    yield run
    for worker in request.node.workers:
        worker.stop()


@pytest.fixture
def lines_of(home, worker_kind):
    """lines_of("--list", "blenders") is (status, the JSON lines it printed, what it said)."""
    def run(*arguments, **env):
        program, its_env = KINDS[worker_kind]
        done = subprocess.run([*program, *arguments], capture_output=True, text=True, check=False,
                              env={**os.environ, **its_env, "DBLEND_HOME": str(home / "home"),
                                   **env})
        return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr

    return run


@pytest.fixture
def faults(home):
    """The folder of the stand-in's faults: faults("crash-2") plans one."""
    folder = home / "faults"
    folder.mkdir()

    class Faults:
        path = folder

        def __call__(self, *names):
            for name in names:
                (folder / name).write_text("")

        def lines(self, name):
            file = folder / name
            return file.read_text().splitlines() if file.exists() else []

        def starts(self):
            return [json.loads(line) for line in self.lines("starts")]

        def commands(self):
            return [json.loads(line) for line in self.lines("commands")]

    return Faults()


@pytest.fixture
def start_stand_in(start, faults):
    """A worker whose Blender is the stand-in."""

    def run(*arguments, **env):
        arguments = arguments if "--device" in arguments else ("--device", "cpu:0", *arguments)
        renderer = () if "--bpy" in arguments else ("--blender", str(STAND_IN))
        return start(*renderer, *arguments,
                     **{"STAND_IN": str(faults.path), **env})

    return run


@pytest.fixture
def on_machine(start_stand_in, home):
    """on_machine("mig", "--device", "gpu:0") is a worker on a machine of tests/fake-gpu."""
    folders = []

    def run(name, *arguments, **env):
        folders.append(home / f"machine-{len(folders)}")
        machine = machine_env(name, folders[-1])
        return start_stand_in(*arguments, **{**machine, **env})

    return run


@pytest.fixture(scope="session")
def made_scene(tmp_path_factory):
    path = tmp_path_factory.mktemp("made") / "scene.blend"
    subprocess.run(["blender", "--background", "--factory-startup", "--python-exit-code", "9",
                    "--python-expr", MAKE_SCENE.format(path=str(path))], check=True,
                   capture_output=True)
    return path


@pytest.fixture
def scene(made_scene, home):
    """A copy of the small scene, of an age as people's files have."""
    path = home / "a scene.blend"
    path.write_bytes(made_scene.read_bytes())
    os.utime(path, ns=(10**18, 10**18))
    return path


@pytest.fixture
def out(home):
    return home / "out"


@pytest.fixture
def job(scene, out):
    """A job that needs no inspection, for the stand-in."""
    return describe(scene, found=make_found(out))
