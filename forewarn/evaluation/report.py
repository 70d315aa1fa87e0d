"""The report of an evaluation: a page that is one file, the same as JSON, and a card of the models."""

from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from config.errors import UserMistake
from config.faults import fault_modes
from forewarn.evaluation.plots import plots
from forewarn.evaluation.results import MODEL, Evaluation

REPORT, FIGURES, CARD = "evaluation.html", "evaluation.json", "model-card.md"


def write_reports(evaluation: Evaluation, folder: Path) -> dict[str, str]:
    """Write the page, the JSON and the model card; return their paths by kind.

    Raises : UserMistake, when the folder cannot be written to
    """
    texts = {
        "html": (REPORT, page(evaluation)),
        "json": (FIGURES, as_json(evaluation)),
        "card": (CARD, card(evaluation)),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.values():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserMistake(
            f"{folder} cannot be written to ({error.strerror}): name another folder with --out"
        ) from error
    return {kind: str(folder / name) for kind, (name, _) in texts.items()}


def as_json(evaluation: Evaluation) -> str:
    """Return everything that is told as JSON."""
    return msgspec.json.format(msgspec.json.encode(evaluation), indent=2).decode() + "\n"


def page(evaluation: Evaluation) -> str:
    """Return the page. It needs no other file and no network."""
    pictures = [(caption, Markup(svg)) for caption, svg in plots(evaluation)]  # noqa: S704 - made here, of figures alone
    return _render("report.html", evaluation, pictures=pictures, autoescape=True)


def card(evaluation: Evaluation) -> str:
    """Return the model card, in Markdown."""
    return _render("model-card.md", evaluation, autoescape=False)


def _render(template: str, evaluation: Evaluation, *, autoescape: bool, **values: Any) -> str:
    # Markdown is read as text, and its figures are ours.
    environment = Environment(
        loader=PackageLoader("forewarn.evaluation"),
        autoescape=autoescape,  # noqa: S701
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(share=share, number=number)
    return environment.get_template(template).render(
        evaluation=evaluation,
        found=evaluation.together[MODEL],
        model=MODEL,
        modes=fault_modes(),
        version=version("forewarn"),
        **values,
    )


def share(value: float | None) -> str:
    """Return a share as people write it."""
    return "–" if value is None else f"{value * 100:.1f} %"


def number(value: float | None, digits: int = 2) -> str:
    """Return a number as people write it."""
    return "–" if value is None else f"{value:,.{digits}f}"
