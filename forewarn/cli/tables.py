"""The console that tables are printed on."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

# Piped output has no width of its own; at rich's 80 columns every cell of the call list would fold.
_PIPED_WIDTH = 160


def console() -> "Console":
    """Return a console for standard output, as wide as the terminal."""
    from rich.console import Console

    terminal = Console()
    return terminal if terminal.is_terminal else Console(width=_PIPED_WIDTH)
