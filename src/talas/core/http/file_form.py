"""The form by which a file comes in, with whatever fields go with it."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from talas.core.http.multipart import FormReader, read_form_head
from talas.core.http.request import Request
from talas.core.storage import Storage
from talas.core.uploads import Change, Form, Inspector, KindT, as_sent, received


def received_form(
    request: Request,
    storage: Storage,
    *,
    folder: str,
    max_size: int,
    inspect: Callable[[str], Inspector[KindT]],
    change: Change = as_sent,
) -> AbstractAsyncContextManager[Form[KindT]]:
    """As ``received``: the file is streamed into ``storage``, and removed unless it is kept.

    Raises UnsupportedMedia for a body that is no form.
    """
    headers = request.headers
    head = read_form_head(headers.get("content-type", ""), headers.get("content-length"))
    reader = FormReader(request.receive, head, max_body=max_size)
    return received(
        reader, storage, folder=folder, max_size=max_size, inspect=inspect, change=change
    )
