"""Fixtures of dblend's black-box tests; logs are shown when a test fails."""

import pathlib
import sys
import tempfile

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from clitools import BIN, Home  # noqa: E402


def pytest_collection_modifyitems(items):
    missing = [name for name in ("dblend", "dblend-broker") if not (BIN / name).exists()]
    if missing:
        here = pathlib.Path(__file__).parent
        for item in items:
            if here in pathlib.Path(item.fspath).parents:
                item.add_marker(pytest.mark.skip(reason=f"no {missing[0]} in {BIN}"))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if report.failed and getattr(item, "home", None):
        report.sections.append(("logs", item.home.told()))


@pytest.fixture
def home(request):
    """Short, whatever the test is called: a longer socket path would move to another folder."""
    with tempfile.TemporaryDirectory(prefix="dblend ", ignore_cleanup_errors=True) as folder:
        made = Home(pathlib.Path(folder) / "a farm")
        request.node.home = made
        yield made
        made.close()
