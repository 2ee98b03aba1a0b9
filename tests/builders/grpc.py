"""``talas stream`` beside an api process, and a client of it."""

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import grpc
from tests.builders.users import Account
from tests.ports import free_port
from tests.servers import ApiProcess, environment_of

from talas.v1 import audio_stream_pb2 as pb
from talas.v1.audio_stream_pb2_grpc import AudioStreamStub

START_S = 60.0


class StreamProcess:
    """``log`` is what it has written so far."""

    def __init__(self, api: ApiProcess, *, address: str | None = None, **variables: str) -> None:
        self.address = address or f"127.0.0.1:{free_port()}"
        self._log_path = api.data_dir.parent / f"stream-{free_port()}.log"
        more = {"GRPC_BIND_ADDR": self.address, "RATE_LIMITS": "off", **variables}
        environment = environment_of(api.database_url, api.data_dir, **more)
        with self._log_path.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "talas", "stream"],
                env=environment,
                cwd=api.data_dir.parent,
                stdout=log,
                stderr=log,
            )

    @property
    def log(self) -> str:
        return self._log_path.read_text(errors="replace")

    @contextmanager
    def channel(self, **options: int) -> Iterator[grpc.Channel]:
        """Without a token."""
        arguments = [(f"grpc.{name}", value) for name, value in options.items()]
        # Others to the same address would share the connection; and a client that does not read
        # would take megabytes all the same.
        arguments += [("grpc.use_local_subchannel_pool", 1), ("grpc.http2.bdp_probe", 0)]
        with grpc.insecure_channel(self.address, options=arguments) as channel:
            self._wait_for(grpc.channel_ready_future(channel))
            yield channel

    def _wait_for(self, ready: Any) -> None:
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            with contextlib.suppress(grpc.FutureTimeoutError):
                ready.result(0.2)
                return
            assert self.process.poll() is None, self.log
        raise AssertionError(f"the stream process does not get ready: {self.log}")

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(60)


@contextmanager
def stream_process(
    api: ApiProcess, *, address: str | None = None, **variables: str
) -> Iterator[StreamProcess]:
    process = StreamProcess(api, address=address, **variables)
    try:
        with process.channel():
            yield process
    finally:
        if process.process.poll() is None:
            process.stop()


class Listener:
    """What an account may do over a channel."""

    def __init__(self, channel: grpc.Channel, account: Account) -> None:
        self._stub = AudioStreamStub(channel)
        self._metadata = [("authorization", f"Bearer {account.token}")]

    def get_track(self, track_id: int) -> pb.Track:
        request = pb.GetTrackRequest(track_id=track_id)
        return self._stub.GetTrack(request, metadata=self._metadata, timeout=60)

    def waveform(self, track_id: int, points: int = 0) -> pb.Peaks:
        request = pb.WaveformRequest(track_id=track_id, points=points)
        return self._stub.Waveform(request, metadata=self._metadata, timeout=60)

    def stream(self, track_id: int, *, timeout: float = 60, **fields: Any) -> Any:
        """The call, to be iterated."""
        request = pb.StreamRequest(track_id=track_id, **fields)
        return self._stub.Stream(request, metadata=self._metadata, timeout=timeout)

    def read(self, track_id: int, **fields: Any) -> tuple[pb.StreamInfo, bytes]:
        """All of it, and what the first chunk says of it."""
        chunks = list(self.stream(track_id, **fields))
        assert all(len(chunk.data) <= 64 * 1024 for chunk in chunks)
        assert [chunk.HasField("info") for chunk in chunks] == [True, *[False] * (len(chunks) - 1)]
        return chunks[0].info, b"".join(chunk.data for chunk in chunks)


def refusal(error: grpc.RpcError) -> tuple[grpc.StatusCode, str, str | None]:
    """Status, sentence and stable code."""
    trailers = dict(error.trailing_metadata() or ())
    return error.code(), error.details(), trailers.get("error-code")
