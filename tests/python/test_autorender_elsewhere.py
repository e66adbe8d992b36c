"""autorender_parts.system as it is on Windows - on Linux, where Python's ntpath is the same."""

import ntpath
import os
import sys

import pytest

from python_side import REPO

sys.path.insert(0, str(REPO / "python"))

from autorender_parts import system  # noqa: E402


@pytest.fixture
def windows(monkeypatch):
    monkeypatch.setattr(system, "WINDOWS", True)
    monkeypatch.setattr(os, "path", ntpath)


@pytest.mark.parametrize("folder, told", [
    ("C:\\mnt\\films\\shot 1", "/mnt/films/shot 1"),  # what Blender makes of the farm's path
    ("/mnt/films", "/mnt/films"), ("D:/films", "/films"), ("C:\\", "/"),
])
def test_on_windows_folders_are_told_as_the_farm_names_them(windows, folder, told):
    assert system.shared(folder) == told


def test_on_linux_folders_are_told_without_links(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    assert system.shared(str(tmp_path / "link")) == str(tmp_path / "real")


@pytest.mark.parametrize("path, has", [
    ("C:\\textures\\wood.png", True), ("c:/textures/wood.png", True),
    ("\\\\server\\share\\wood.png", True), ("//textures/wood.png", False),
    ("/mnt/textures/wood.png", False), ("", False),
])
def test_on_windows_drives_and_servers_are_read(windows, path, has):
    assert system.has_drive(path) == has


def test_on_linux_nothing_has_a_drive():
    assert not system.has_drive("C:\\textures\\wood.png")


def test_on_windows_blender_may_write_the_opened_path_otherwise(windows):
    assert system.is_same("C:\\mnt\\Shot.blend", "c:/mnt/./shot.blend")
    assert not system.is_same("C:\\mnt\\shot.blend", "C:\\mnt\\other.blend")


def test_on_linux_case_counts():
    assert system.is_same("/mnt/shot.blend", "/mnt/a/../shot.blend")
    assert not system.is_same("/mnt/Shot.blend", "/mnt/shot.blend")
