"""What encoding costs, and how often the cache spares it."""

from prometheus_client import Counter, Gauge

ENCODERS = Gauge("talas_encoders", "Encoders that run", ["kind"], multiprocess_mode="livesum")
WAITING = Gauge(
    "talas_encoders_waiting",
    "Encodings that wait for a free place",
    ["kind"],
    multiprocess_mode="livesum",
)
ENCODINGS = Counter("talas_encodings_total", "Encoders started and ended", ["kind", "outcome"])
ENCODING_SECONDS = Counter("talas_encoding_seconds_total", "Time that encoders ran", ["kind"])
CACHE_HITS = Counter("talas_cache_hits_total", "Found in the cache", ["kind"])
CACHE_MISSES = Counter("talas_cache_misses_total", "Not found in the cache", ["kind"])
CACHE_BYTES = Gauge(
    "talas_cache_bytes", "What the cache on disk holds", multiprocess_mode="livemax"
)
