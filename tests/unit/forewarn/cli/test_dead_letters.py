"""How a dead letter is shown, and which may be replayed."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forewarn import cli
from forewarn.cli.dead_letters import hex_dump, pretty_json


def test_bytes_are_shown_as_numbers_and_text():
    assert hex_dump(b'{"ts":1}\xff\x00Vehicle.') == (
        "00000000  7b 22 74 73 22 3a 31 7d ff 00 56 65 68 69 63 6c  "
        '{"ts":1}..Vehicl\n'
        "00000010  65 2e                                            e."
    )


@given(st.binary(max_size=200))
def test_every_byte_can_be_read_back(payload):
    shown = hex_dump(payload)
    assert bytes.fromhex("".join(line[10:57] for line in shown.splitlines())) == payload
    assert shown.isascii()


def test_json_is_indented_and_other_bytes_are_not_json():
    assert pretty_json('{"车":[1]}'.encode()) == '{\n  "车": [\n    1\n  ]\n}'
    for payload in (b"\xff", b"{", b"", b"[" * 100_000):
        assert pretty_json(payload) is None


@given(st.binary(max_size=50))
def test_any_bytes_can_be_looked_at(payload):
    pretty = pretty_json(payload)
    assert pretty is None or json.loads(pretty) == pytest.approx(json.loads(payload), nan_ok=True)


@pytest.mark.parametrize("arguments", [[], ["3", "--all"], ["--all", "--reason", "bad_seq"]])
def test_a_replay_needs_to_know_what(arguments, capsys):
    assert cli.run(["ingest", "dead-letters", "replay", *arguments]) == 2
    said = capsys.readouterr().err.strip()
    assert "--reason" in said
    assert "\n" not in said
