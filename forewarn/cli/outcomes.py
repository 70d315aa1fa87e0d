"""What became of published samples, for people."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from forewarn.delivery import Outcomes


def in_words(done: "Outcomes") -> str:
    """Return what became of samples as one line."""
    return (
        f"{done.received:,} samples received: {done.stored:,} stored, {done.duplicate:,} duplicate, "
        f"{done.dead:,} dead letters, {done.refused:,} refused"
    )
