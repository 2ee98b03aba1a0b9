"""What is measured of gRPC."""

from prometheus_client import Counter, Gauge, Histogram

CALL_SECONDS = Histogram(
    "talas_grpc_call_seconds",
    "Time from the beginning of a call to its end",
    ["method"],
    buckets=(0.001, 0.005, 0.025, 0.1, 0.5, 1, 5, 60, 600),
)
CALLS = Counter("talas_grpc_calls_total", "Calls that ended", ["method", "status"])
OPEN_STREAMS = Gauge("talas_grpc_open_streams", "Streams under way", multiprocess_mode="livesum")
SENT_BYTES = Counter("talas_grpc_sent_bytes_total", "Bytes of sound that were sent")
