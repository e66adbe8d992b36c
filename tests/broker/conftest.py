"""Fixtures of the broker's black-box tests; the broker's log is shown when a test fails."""

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from brokertools import BIN, Broker  # noqa: E402


def pytest_collection_modifyitems(items):
    if not (BIN / "dblend-broker").exists():
        here = pathlib.Path(__file__).parent
        for item in items:
            if here in pathlib.Path(item.fspath).parents:
                item.add_marker(pytest.mark.skip(reason=f"no dblend-broker in {BIN}"))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        for broker in getattr(item, "brokers", []):
            report.sections.append((f"broker in {broker.home}", broker.told()))


@pytest.fixture
def make_broker(request, tmp_path):
    """make_broker() is one more broker, not started; all are ended with the test."""
    request.node.brokers = []

    def make(*options, home=None):
        broker = Broker(home or tmp_path / f"home {len(request.node.brokers) + 1}", *options)
        request.node.brokers.append(broker)
        return broker

    yield make
    for broker in request.node.brokers:
        broker.close()


@pytest.fixture
def broker(make_broker):
    return make_broker().start()


@pytest.fixture
def submitter(broker):
    return broker.submitter()
