"""The Python client's tests: python/dblend as it lies in the checkout, against a real broker."""

import os
import pathlib
import shutil
import sys
import tempfile
import threading

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Otherwise hypothesis makes a folder in the checkout.
os.environ.setdefault("HYPOTHESIS_STORAGE_DIRECTORY", str(ROOT / "build" / "hypothesis"))
for folder in ("tests/broker", "tests/submit", "python"):
    sys.path.insert(0, str(ROOT / folder))

import dblend  # noqa: E402
from brokertools import BIN, PATIENCE, Broker, found_of  # noqa: E402
from clitools import TINY_BLEND, Home  # noqa: E402


def pytest_collection_modifyitems(items):
    missing = [name for name in ("dblend", "dblend-broker") if not (BIN / name).exists()]
    here = pathlib.Path(__file__).parent
    for item in items:
        if missing and here in pathlib.Path(item.fspath).parents and \
                {"broker", "home"} & set(item.fixturenames):
            item.add_marker(pytest.mark.skip(reason=f"no {missing[0]} in {BIN}"))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if report.failed and getattr(item, "told", None):
        report.sections.append(("programs", item.told()))


@pytest.fixture
def broker(request, tmp_path):
    """A broker of this test alone."""
    broker = Broker(tmp_path / "home")
    request.node.told = broker.told
    yield broker.start()
    broker.close()


@pytest.fixture
def home(request):
    """A farm's home with all programs, as the tests of dblend have it: short, for its sockets."""
    folder = tempfile.mkdtemp(prefix="dblend ")
    made = Home(pathlib.Path(folder) / "a farm")
    request.node.told = made.told
    yield made
    made.close()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def farm(broker):
    """That broker's farm."""
    with dblend.Farm.connect(broker.submitters_endpoint) as farm:
        yield farm


@pytest.fixture
def blend(tmp_path):
    """blend(name) makes a .blend that is whole as far as the header goes."""
    def make(name="shot", content=TINY_BLEND):
        path = tmp_path / f"{name}.blend"
        path.write_bytes(content)
        return path
    return make


@pytest.fixture
def working(broker):
    """working(enough): a scripted worker renders, in a thread, until enough() is true."""
    threads = []

    def start(enough, **found):
        worker = broker.worker()
        worker.ready()
        threads.append(threading.Thread(target=worker.work,
                                        args=(enough, found_of(**found), 60 * PATIENCE)))
        threads[-1].start()
        return worker

    yield start
    for thread in threads:
        thread.join()
