"""What lies in storage."""

from pathlib import Path

from tests.servers import ApiProcess


def stored_files(api: ApiProcess) -> set[Path]:
    """Everything below the folders for uploads and documents, half-written files included."""
    folders = (api.data_dir / "uploads", api.data_dir / "internal_docs")
    return {path for folder in folders for path in folder.rglob("*") if path.is_file()}
