"""The monthly report: a page and the same as JSON."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from config.i18n import translator
from models import monthly
from models.drift import measure
from models.monthly import write_report
from models.promotion import promote
from models.scoring import score
from tests.integration.models.conftest import END
from tests.integration.models.versions import another

# The horizon of what is said at END, 30 days, ends in May.
AFTER = datetime(2026, 6, 3, 5, tzinfo=UTC)


@pytest.fixture
def reported(models_conn, trained, database):
    score(models_conn, as_of=END, data_dir=trained)
    with psycopg.connect(database) as conn:
        conn.execute(
            "INSERT INTO telemetry.vehicle_state (vehicle_id, ts, received_at, readings)"
            " SELECT vehicle_id, %(at)s, %(at)s, 1 FROM telemetry.vehicle",
            {"at": END + timedelta(days=31)},
        )
        conn.execute(
            "INSERT INTO prediction.label (vehicle_id, fault_mode, occurred_at, known_at, source)"
            " SELECT vehicle_id, 'lv_battery', %(at)s, %(at)s, 'lamp' FROM prediction.prediction"
            " WHERE probability >= threshold ORDER BY 1 LIMIT 2",
            {"at": END + timedelta(days=13, hours=12)},
        )
    may = datetime(2026, 5, 20, tzinfo=UTC)
    measure(models_conn, as_of=may, data_dir=trained, clock=lambda: may)
    another(trained, "20260418-b")
    promote(
        models_conn, "lv_battery", "20260418-b", by="李娜", reason="<b>better</b>", data_dir=trained, clock=lambda: may
    )
    return trained


def test_a_month_is_told_as_page_and_as_json(models_conn, reported):
    written = write_report(models_conn, month_before=AFTER, data_dir=reported)
    assert (written.month, written.html.parent) == ("2026-05", reported / "reports")
    facts = json.loads(written.json.read_text(encoding="utf-8"))
    [precision] = facts["precision"]
    assert precision["true"] == 2
    assert precision["lead_time_d"] == [13.5, 13.5, 13.5]
    assert facts["labels"] == {"lamp": 2}
    assert facts["calibration"][0]["n"] == 18
    assert facts["foretold"] == [{"fault_mode": "lv_battery", "lamps": 2, "foretold": 2}]
    # Nobody has sent anything for a month: of the inputs there is nothing to say.
    assert {one["kind"] for one in facts["drift"]} >= {"precision", "calibration"}
    assert [one["decided_by"] for one in facts["decisions"]] == ["李娜"]
    page = written.html.read_text(encoding="utf-8")
    assert "Models in 2026-05" in page
    assert page.count("<svg") == 2
    assert "12 V battery failing" in page
    assert "&lt;b&gt;better&lt;/b&gt;" in page
    assert "<b>better" not in page
    # A file of its own: it opens where there is no network.
    assert not re.findall(r"""(?:src|href)=["']https?://""", page)


def test_the_page_is_also_chinese(models_conn, reported):
    page = write_report(models_conn, month_before=AFTER, data_dir=reported, language="zh_CN").html.read_text("utf-8")
    assert 'lang="zh-CN"' in page
    assert "12 V 蓄电池老化" in page
    assert "Lead time" not in page


def test_a_month_without_anything_says_so(models_conn, database, tmp_path):
    written = write_report(models_conn, month_before=AFTER, data_dir=tmp_path)
    page = written.html.read_text(encoding="utf-8")
    assert "No car was flagged" in page
    assert "<svg" not in page
    assert models_conn.execute("SELECT job, outcome FROM prediction.run").fetchall() == [("report", "done")]


def test_the_same_month_again_replaces_its_files(models_conn, database, tmp_path):
    first = write_report(models_conn, month_before=AFTER, data_dir=tmp_path)
    second = write_report(models_conn, month_before=AFTER + timedelta(days=9), data_dir=tmp_path)
    assert (first.html, first.json) == (second.html, second.json)
    assert sorted(file.name for file in (tmp_path / "reports").iterdir()) == [
        "models-2026-05.html",
        "models-2026-05.json",
    ]


def test_every_text_of_the_report_is_translated():
    folder = Path(monthly.__file__).parent
    texts = set()
    for file in [folder / "monthly_page.py", *folder.glob("templates/*.html")]:
        texts.update(re.findall(r"""\bt\(\s*"([^"]+)"\s*[,)]""", file.read_text(encoding="utf-8")))
    assert len(texts) > 30
    chinese = translator("zh_CN")
    assert [text for text in sorted(texts) if chinese(text) == text] == []
