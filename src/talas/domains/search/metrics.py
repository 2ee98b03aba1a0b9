"""How far the index is behind, and what it holds."""

from prometheus_client import Counter, Gauge

CHANGES_BEHIND = Gauge(
    "talas_search_changes_behind",
    "Changes that the index has not taken in yet",
    multiprocess_mode="livemax",
)
SECONDS_BEHIND = Gauge(
    "talas_search_seconds_behind",
    "Age of the oldest change that the index has not taken in yet",
    multiprocess_mode="livemax",
)
DOCUMENTS = Gauge("talas_search_documents", "Documents in the index", multiprocess_mode="livemax")
REBUILDS = Counter("talas_search_rebuilds_total", "Times the index was built anew")
