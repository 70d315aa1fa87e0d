from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest

from alerts.charging.anomaly import danger_id, report_id
from alerts.charging.journal import Entry, Journal, JournalInUse, Place, Seen, Wanted
from tests.unit.alerts.charging.test_anomaly import sighting

NOW = datetime(2026, 11, 26, 6, 0, tzinfo=UTC)
_BEGINNING = Place(0, 0)


def seen(number: int) -> Seen:
    said = sighting(source_id=f"A{number}", text="烟雾 line\nbreak", measures={"Temperature": 95.5})
    danger = danger_id(said)
    return Seen(
        at=NOW, danger_id=danger, report_id=report_id(said), case_id=danger, opens=True, worsens=False, sighting=said
    )


def wanted(number: int) -> Wanted:
    return Wanted(at=NOW, task_id=uuid4(), case_id=uuid4(), kind="stop_by_phone", due_at=NOW, detail=str(number))


def entries(journal: Journal, since: Place = _BEGINNING) -> list[Entry]:
    return [entry for entry, _ in journal.read(since)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "journal"


def test_entries_come_back_as_they_were_in_their_order_also_after_a_restart(folder: Path) -> None:
    written: list[Entry] = [seen(1), wanted(2), seen(3)]
    journal = Journal(folder)
    for entry in written:
        journal.append(entry)
    assert entries(journal) == written
    journal.close()
    again = Journal(folder)
    assert entries(again) == written
    again.append(seen(4))
    assert entries(again) == [*written, seen(4)]
    again.close()


def test_reading_goes_on_from_any_place(folder: Path) -> None:
    journal = Journal(folder, file_bytes=600)
    places = [journal.append(seen(number)) for number in range(10)]
    assert len({place.file for place in places}) > 1, "several files"
    for done, place in enumerate(places, start=1):
        assert entries(journal, place) == [seen(number) for number in range(done, 10)]
    journal.close()


@pytest.mark.parametrize("cut", [1, 5, 30])
def test_half_a_line_of_a_writer_that_was_killed_is_cut_off(folder: Path, cut: int) -> None:
    journal = Journal(folder)
    journal.append(seen(1))
    whole = journal.append(seen(2))
    journal.close()
    file = folder / f"{whole.file:010}.journal"
    file.write_bytes(file.read_bytes()[:-cut])
    again = Journal(folder)
    again.append(seen(3))
    assert entries(again) == [seen(1), seen(3)]
    again.close()


def test_a_damaged_line_costs_no_other(folder: Path) -> None:
    journal = Journal(folder)
    places = [journal.append(seen(number)) for number in range(3)]
    journal.close()
    file = folder / f"{places[0].file:010}.journal"
    content = bytearray(file.read_bytes())
    content[places[0].offset + 20] ^= 1
    file.write_bytes(content)
    again = Journal(folder)
    assert entries(again) == [seen(0), seen(2)]
    again.close()


def test_what_is_recorded_is_remembered_and_whole_files_of_it_go(folder: Path) -> None:
    journal = Journal(folder, file_bytes=600)
    places = [journal.append(seen(number)) for number in range(10)]
    journal.mark_recorded(places[6])
    assert entries(journal) == entries(journal, Place(places[6].file, 0)), "the files before are gone"
    journal.close()
    again = Journal(folder)
    assert again.recorded == places[6]
    assert entries(again, again.recorded) == [seen(7), seen(8), seen(9)]
    again.close()


def test_a_mark_that_cannot_be_read_has_everything_recorded_again(folder: Path) -> None:
    journal = Journal(folder)
    journal.mark_recorded(journal.append(seen(1)))
    journal.close()
    (folder / "recorded").write_bytes(b"{")
    again = Journal(folder)
    assert entries(again, again.recorded) == [seen(1)]
    again.close()


def test_two_processes_do_not_write_one_journal(folder: Path) -> None:
    journal = Journal(folder)
    with pytest.raises(JournalInUse, match="end that first"):
        Journal(folder)
    journal.close()
    Journal(folder).close()
