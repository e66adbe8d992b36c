"""Where the local farm is: the same places as the programs', and only private ones."""

import os

import pytest
from dblend import paths
from dblend.errors import NotPrivate, UsageError


def test_one_folder_for_everything(tmp_path):
    place = paths.find({"DBLEND_HOME": str(tmp_path)})
    assert place.home == place.state == str(tmp_path)
    assert place.submitters_endpoint == f"ipc://{tmp_path}/run/submitters.sock"
    assert place.config == f"{tmp_path}/config"


def test_a_home_that_is_given_goes_before_the_environment(tmp_path):
    link = tmp_path / "link"
    (tmp_path / "farm").mkdir()
    link.symlink_to(tmp_path / "farm")
    assert paths.find({"DBLEND_HOME": "/nowhere"}, link).home == str(tmp_path / "farm")


def test_xdg_folders(tmp_path):
    env = {"HOME": "/home/ann", "XDG_RUNTIME_DIR": "/nowhere", "XDG_CONFIG_HOME": "relative"}
    place = paths.find(env)
    assert place.run == f"/tmp/dblend-{os.geteuid()}"
    assert place.state == "/home/ann/.local/state/dblend"
    assert place.config == "/home/ann/.config/dblend"
    assert paths.find(dict(env, XDG_STATE_HOME="/data")).state == "/data/dblend"


def test_the_broker_is_where_we_look(broker):
    """A home whose sockets fit, and one that is too long for them."""
    assert paths.find({"DBLEND_HOME": str(broker.home)}).submitters_endpoint == \
        broker.submitters_endpoint
    assert paths.find({"DBLEND_HOME": str(broker.home)}).workers_endpoint == \
        broker.workers_endpoint
    broker.stop()
    broker.home = broker.home / ("long" * 25)
    broker.home.mkdir()
    broker.start()
    found = paths.find(dict(os.environ, DBLEND_HOME=str(broker.home))).submitters_endpoint
    assert found == broker.submitters_endpoint
    assert "long" not in found
    assert paths.is_listening(found)


@pytest.mark.parametrize("mode", [0o755, 0o701, 0o1700])
def test_a_folder_that_is_open_to_others_is_refused(tmp_path, mode):
    (tmp_path / "run").mkdir()
    (tmp_path / "run").chmod(mode)
    with pytest.raises(NotPrivate, match=r"is not private: mode .*chmod 700"):
        paths.submitters_endpoint(tmp_path)


def test_a_symlink_in_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "theirs").mkdir(mode=0o700)
    (tmp_path / "run").symlink_to(tmp_path / "theirs")
    with pytest.raises(NotPrivate, match="remove it"):
        paths.submitters_endpoint(tmp_path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives folders away")
def test_a_folder_of_somebody_else_is_refused(tmp_path):
    (tmp_path / "run").mkdir(mode=0o700)
    os.chown(tmp_path / "run", 12345, 12345)
    with pytest.raises(NotPrivate, match="belongs to user 12345"):
        paths.submitters_endpoint(tmp_path)


def test_addresses():
    assert paths.submitters_endpoint("ipc:///a/b.sock") == "ipc:///a/b.sock"
    assert paths.submitters_endpoint("tcp://farm:5680") == "tcp://farm:5680"
    with pytest.raises(UsageError, match="http"):
        paths.submitters_endpoint("http://farm")


def test_nobody_listens_where_nothing_is(tmp_path):
    assert not paths.is_listening(f"ipc://{tmp_path}/submitters.sock")
    (tmp_path / "file").touch()
    assert not paths.is_listening(f"ipc://{tmp_path}/file")
    assert not paths.is_listening("tcp://127.0.0.1:1")
    assert paths.is_listening("tcp://127.0.0.1")  # no port: not to be found out


def test_what_the_worker_shares_is_found():
    for name in ("autorender.py", "prove.py"):
        assert os.path.isfile(paths.data_file(name))
    with pytest.raises(FileNotFoundError):
        paths.data_file("nothing.py")
