"""Fixtures of the Python side: the scenes (made once), a warm Blender, provers."""

import functools
import pathlib
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from python_side import BLENDER, REPO, SHARED, Autorender, Prover, plain_blender  # noqa: E402


def pytest_configure(config):
    config.addinivalue_line("markers", "blender: needs a real Blender")


@pytest.fixture(scope="session")
def scenes(tmp_path_factory):
    """The folder of the scenes of tests/scenes/python_cases.py."""
    if BLENDER is None:
        pytest.skip("no blender in PATH")
    folder = tmp_path_factory.mktemp("made scenes")
    done = subprocess.run([BLENDER, "--background", "--factory-startup", "--python-exit-code", "9",
                           "--python", str(REPO / "tests/scenes/python_cases.py"), "--",
                           str(folder)],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    assert done.returncode == 0, done.stdout.decode(errors="replace")[-3000:]
    return folder


@pytest.fixture(scope="session")
def shared_scenes():
    """Scenes of other people."""
    if not SHARED.is_dir():
        pytest.skip(f"{SHARED} is not there")
    return SHARED


@pytest.fixture(scope="session")
def warm(tmp_path_factory, renderer):
    """One warm Blender for all tests that leave it as it was."""
    if BLENDER is None:
        pytest.skip("no blender in PATH")
    child = Autorender(tmp_path_factory.mktemp("warm") / "blender.log", renderer)
    yield child
    assert child.hang_up() == 0, "autorender did not leave cleanly"


@pytest.fixture
def fresh(tmp_path, renderer):
    """fresh() starts a Blender of the test's own."""
    if BLENDER is None:
        pytest.skip("no blender in PATH")
    children = []

    def start():
        children.append(Autorender(tmp_path / f"blender{len(children)}.log", renderer))
        return children[-1]

    yield start
    for child in children:
        child.process.kill()
        child.hang_up()


@pytest.fixture
def plain(renderer):
    """plain_blender, by what renders in this test."""
    return functools.partial(plain_blender, renderer)


@pytest.fixture
def provers(tmp_path):
    """provers() starts a prover; all are ended with the test."""
    logs = tmp_path / "prover logs"
    logs.mkdir()
    children = []

    def start(**who):
        children.append(Prover(logs / f"{len(children)}.log", **who))
        return children[-1]

    yield start
    for child in children:
        child.process.kill()
        child.hang_up()


@pytest.fixture
def prover(provers):
    return provers()


@pytest.fixture
def out(tmp_path):
    """An output folder that does not exist yet."""
    return tmp_path / "out put"
