"""Where the processes keep their figures for one another."""

import os
from pathlib import Path

import pytest

from talas.entrypoints import preflight


def test_it_is_empty_private_and_gone_afterwards(tmp_path: Path) -> None:
    with preflight.metrics_folder(tmp_path) as folder:
        assert folder.stat().st_mode & 0o777 == 0o700
        (folder / "counter_1.db").touch()
        # As after a server that was killed.
        with preflight.metrics_folder(tmp_path) as again:
            assert again == folder
            assert list(again.iterdir()) == []
    assert not folder.exists()


def test_it_takes_nothing_of_a_disk_that_may_be_full(tmp_path: Path) -> None:
    if not Path("/dev/shm").is_dir():
        pytest.skip("this system has no place in memory")
    with preflight.metrics_folder(tmp_path) as folder:
        assert folder.stat().st_dev == Path("/dev/shm").stat().st_dev
        assert list(tmp_path.iterdir()) == []


def test_a_name_that_somebody_else_took_is_done_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory, data = tmp_path / "memory", tmp_path / "data"
    memory.mkdir()
    data.mkdir()
    monkeypatch.setattr(preflight, "_MEMORY", memory)
    with preflight.metrics_folder(data) as folder:
        assert folder.parent == memory
    folder.write_text("not a folder, and not to be removed")
    with preflight.metrics_folder(data) as instead:
        assert instead == data / "metrics"


def test_processes_without_a_data_folder_have_one_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preflight, "_MEMORY", tmp_path)
    with preflight.own_metrics_folder() as one, preflight.own_metrics_folder() as other:
        assert one != other
        assert {one.parent, other.parent} == {tmp_path}
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(preflight, "_MEMORY", tmp_path / "missing")
    with preflight.own_metrics_folder() as elsewhere:
        assert elsewhere.is_dir()


def test_a_name_that_somebody_else_takes_later_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    somebody_else = os.getuid() + 1
    monkeypatch.setattr(preflight, "_MEMORY", tmp_path)
    monkeypatch.setattr(os, "getuid", lambda: somebody_else)
    with pytest.raises(PermissionError):
        preflight.keep_folder(tmp_path / "metrics")
