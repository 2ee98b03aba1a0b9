"""What the chat measures of itself."""

from prometheus_client import Counter, Gauge

OPEN_SOCKETS = Gauge("talas_chat_open_sockets", "Open WebSockets", multiprocess_mode="livesum")
QUEUE_DEPTH = Gauge(
    "talas_chat_queue_depth",
    "Messages that wait for their transaction",
    multiprocess_mode="livesum",
)
MESSAGES = Counter("talas_chat_messages_total", "Messages kept")
COMMITS = Counter("talas_chat_commits_total", "Transactions that kept messages")
DELIVERIES = Counter("talas_chat_deliveries_total", "Messages written to sockets")
CLOSES = Counter("talas_chat_closes_total", "Sockets closed by the server", ["code"])
REFUSALS = Counter("talas_chat_refusals_total", "Requests answered by an error", ["code"])
FOLLOWED = Counter("talas_chat_followed_total", "Messages and events read from the database")
