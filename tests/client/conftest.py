"""The Python client's tests: python/dblend as it lies in the checkout, against a real broker."""

import os
import pathlib
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("DBLEND_BIN", ROOT / "build" / "bin"))
for folder in ("tests/broker", "python"):
    sys.path.insert(0, str(ROOT / folder))

from brokertools import Broker  # noqa: E402


def pytest_collection_modifyitems(items):
    if not (BIN / "dblend-broker").exists():
        here = pathlib.Path(__file__).parent
        for item in items:
            if here in pathlib.Path(item.fspath).parents and "broker" in item.fixturenames:
                item.add_marker(pytest.mark.skip(reason=f"no dblend-broker in {BIN}"))


@pytest.fixture
def broker(tmp_path):
    """A broker of this test alone; what it said is shown when the test fails."""
    broker = Broker(tmp_path / "home").start()
    yield broker
    broker.close()
    print(broker.told())
