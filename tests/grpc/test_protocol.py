"""The generated modules are what ``audio_stream.proto`` says."""

import subprocess
import sys
from pathlib import Path

import pytest
from tests.ports import free_port

import talas.v1

FOLDER = Path(talas.v1.__file__).parent
GENERATED = ["audio_stream_pb2.py", "audio_stream_pb2.pyi", "audio_stream_pb2_grpc.py"]


def test_they_are_all_there() -> None:
    assert sorted(path.name for path in FOLDER.glob("*_pb2*")) == GENERATED


def test_generated_anew_they_are_the_same(tmp_path: Path) -> None:
    subprocess.run(
        [
            *(sys.executable, "-m", "grpc_tools.protoc", "-I", str(FOLDER.parents[1])),
            *(f"--python_out={tmp_path}", f"--pyi_out={tmp_path}", f"--grpc_python_out={tmp_path}"),
            "talas/v1/audio_stream.proto",
        ],
        check=True,
        timeout=60,
    )
    for name in GENERATED:
        made = (tmp_path / "talas" / "v1" / name).read_text()
        assert made == (FOLDER / name).read_text(), name


@pytest.mark.parametrize("name", ["grpc", "grpc_health", "google"])
def test_without_the_extra_a_sentence_says_what_to_install(
    tmp_path: Path, database_url: str, name: str
) -> None:
    """The packages are hidden from the process as if they were not installed."""
    hide = f"import sys\nsys.modules[{name!r}] = None\nfrom talas.cli import app\napp(['stream'])"
    done = subprocess.run(
        [sys.executable, "-c", hide],
        cwd=tmp_path,
        env={"DATABASE_URL": database_url, "GRPC_BIND_ADDR": f"127.0.0.1:{free_port()}"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert done.stderr == (
        "talas: gRPC needs packages that are not installed; install talas[grpc]\n"
    )
