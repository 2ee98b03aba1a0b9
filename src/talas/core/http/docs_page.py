"""``/docs``: one page that shows ``/openapi.json``, with nothing fetched from elsewhere."""

import base64
import hashlib
from importlib.resources import files


def _read(name: str) -> str:
    return files("talas.core.http").joinpath(name).read_text(encoding="utf-8")


def _source(text: str) -> str:
    """What Content-Security-Policy calls this very script or style."""
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


_STYLE = _read("docs_page.css")
_SCRIPT = _read("docs_page.js")

DOCS_PAGE = _read("docs_page.html").replace("/* style */", _STYLE).replace("/* script */", _SCRIPT)
DOCS_HEADERS = {
    "Content-Security-Policy": "; ".join(
        (
            "default-src 'none'",
            f"script-src {_source(_SCRIPT)}",
            f"style-src {_source(_STYLE)}",
            "connect-src 'self'",
            "img-src blob: data:",
            "media-src blob:",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
