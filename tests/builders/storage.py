"""What lies in storage."""

import os
from pathlib import Path

from tests.servers import ApiProcess


def stored_files(api: ApiProcess) -> set[Path]:
    """Everything below the folders for uploads and documents, half-written files included. A folder
    may go while this looks."""
    return {
        Path(folder, name)
        for place in ("uploads", "internal_docs")
        for folder, _, names in os.walk(api.data_dir / place)
        for name in names
    }
