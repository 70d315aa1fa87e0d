import re
from pathlib import Path

import pytest

from config.faults import fault_modes
from forewarn.feature_table import page
from models.watched import features_of

DOCUMENT = Path(__file__).parents[3] / "docs" / "models-features.md"


def test_the_page_is_what_the_code_says():
    assert DOCUMENT.read_text(encoding="utf-8") == page(), (
        "run: python -m forewarn.feature_table > docs/models-features.md"
    )


@pytest.mark.parametrize("mode", fault_modes().values(), ids=lambda mode: mode.key)
def test_every_feature_is_told_in_both_languages_and_has_a_unit(mode):
    rows = [line.split(" | ") for line in page().splitlines() if line.startswith("| `")]
    told = {row[0].strip("|` "): row for row in rows}
    for feature in features_of(mode):
        _, unit, _, english, chinese = told[feature.name]
        assert unit
        assert not re.search(r"[\u4e00-\u9fff]", english)
        assert re.search(r"[\u4e00-\u9fff]", chinese)
        # What is not in the catalogue of translations would be English words.
        assert not re.search(r"mean of|lowest in|highest in|against|trend|scatter|while|at rest", chinese)
