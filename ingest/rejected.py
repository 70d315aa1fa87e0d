"""What a decoder raises for bytes it cannot use."""


class FrameRejected(ValueError):
    """The message cannot be used; ``reason`` is a short stable word, ``detail`` says it to a person."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
