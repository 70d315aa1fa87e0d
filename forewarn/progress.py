"""Progress bars of long work, on standard error so that output stays clean."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

Advance = Callable[[int], None]


@contextmanager
def progress_bar(text: str, *, total: int | None) -> Iterator[Advance]:
    """Show a bar and yield the function that is told how far the work is; total : None when nobody knows."""
    # Rich is slow to import and only long work needs it.
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=False, disable=not console.is_terminal) as progress:
        task = progress.add_task(text, total=total)
        if not console.is_terminal:
            console.print(text, highlight=False)
        yield lambda done: progress.update(task, completed=done)
