"""Where the processes keep their figures for one another."""

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
