"""The Python client's tests: python/dblend as it lies in the checkout, against a real broker."""

import os
import pathlib
import shutil
import sys
import tempfile

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("DBLEND_BIN", ROOT / "build" / "bin"))
for folder in ("tests/broker", "tests/submit", "python"):
    sys.path.insert(0, str(ROOT / folder))

from brokertools import Broker  # noqa: E402
from clitools import Home  # noqa: E402


def pytest_collection_modifyitems(items):
    if not (BIN / "dblend-broker").exists():
        here = pathlib.Path(__file__).parent
        for item in items:
            if here in pathlib.Path(item.fspath).parents and (
                    {"broker", "home"} & set(item.fixturenames)):
                item.add_marker(pytest.mark.skip(reason=f"no dblend-broker in {BIN}"))


@pytest.fixture
def broker(tmp_path):
    """A broker of this test alone; what it said is shown when the test fails."""
    broker = Broker(tmp_path / "home").start()
    yield broker
    broker.close()
    print(broker.told())


@pytest.fixture
def home():
    """A farm of the command line, with scripted workers, in a folder of this test alone."""
    folder = tempfile.mkdtemp(prefix="dblend ")
    home = Home(pathlib.Path(folder) / "a farm")
    yield home
    home.close()
    print(home.told())
    shutil.rmtree(folder, ignore_errors=True)
