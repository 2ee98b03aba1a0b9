"""Why something cannot be heard that is there."""

from talas.core.errors import Unavailable


class EncodersBusy(Unavailable):
    code = "encoders_busy"

    def __init__(self, *, with_yours: bool = False) -> None:
        """``with_yours``: with as many as the user may have at a time."""
        super().__init__(
            "As many transcodes of yours are being made as one may have; try again in a moment"
            if with_yours
            else "All encoders are busy; try again in a moment"
        )


class EncodingFailed(Unavailable):
    """The original can be had all the same."""

    code = "encoding_failed"

    def __init__(self) -> None:
        super().__init__("The track could not be encoded; its original can still be heard")


class StreamCut(Exception):
    """What was being sent cannot be completed: whoever gets it must not take it for whole."""
