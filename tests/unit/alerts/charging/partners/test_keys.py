import os
import stat
from datetime import UTC, datetime, timedelta

import pytest

from alerts.charging.partners.partner import Key, Partner, new_cec_keys
from alerts.charging.partners.refusals import NotYours
from alerts.charging.partners.sealing import MasterKeyUnfit, Sealer, digest, load, load_or_make, new_token
from alerts.charging.partners.tokens import LASTS_S, is_valid, issue

NOW = datetime(2026, 11, 26, 6, 30, tzinfo=UTC)
SEALER = Sealer(bytes(32))


def _partner(*keys: Key, **fields: object) -> Partner:
    values = {"partner_id": "star", "name": "Star", "operators": ("star", "nova"), "created_at": NOW, "keys": keys}
    return Partner(**{**values, **fields})


def _key(number: int = 1, kind: str = "tcec102", **fields: object) -> Key:
    return Key(key_id=number, kind=kind, created_at=NOW, **fields)


def test_what_is_sealed_opens_in_its_place_alone():
    sealed = SEALER.seal(b"secret", about="star webhook 1")
    assert b"secret" not in sealed
    assert SEALER.open(sealed, about="star webhook 1") == b"secret"
    for sealer, about in ((SEALER, "moon webhook 1"), (Sealer(b"\1" * 32), "star webhook 1")):
        with pytest.raises(MasterKeyUnfit):
            sealer.open(sealed, about=about)
    with pytest.raises(MasterKeyUnfit):
        SEALER.open(sealed[:-1], about="star webhook 1")
    assert SEALER.seal(b"secret", about="a") != SEALER.seal(b"secret", about="a")


def test_the_master_key_is_made_once_and_for_its_owner_alone(tmp_path):
    file = tmp_path / "new" / "partners.key"
    first = load_or_make(file)
    sealed = first.seal(b"x", about="a")
    assert load_or_make(file).open(sealed, about="a") == b"x"
    assert stat.S_IMODE(os.stat(file).st_mode) == 0o600
    assert os.listdir(file.parent) == ["partners.key"]


@pytest.mark.parametrize("written", ["", "xyz", "00" * 31, "中文"])
def test_a_file_that_is_no_master_key_is_one_line(tmp_path, written):
    file = tmp_path / "partners.key"
    with pytest.raises(MasterKeyUnfit, match="there is no"):
        load(file)
    file.write_text(written, encoding="utf-8")
    with pytest.raises(MasterKeyUnfit, match="hexadecimal"):
        load_or_make(file)


def test_tokens_end_with_their_time_their_key_and_their_partner():
    partner = _partner(_key(1), _key(2))
    token = issue(SEALER, partner, _key(1), now=NOW)
    later = NOW + timedelta(seconds=LASTS_S - 1)
    assert is_valid(SEALER, token, partner, now=later)
    assert not is_valid(SEALER, token, partner, now=NOW + timedelta(seconds=LASTS_S))
    assert not is_valid(SEALER, token, _partner(_key(2)), now=NOW)
    assert not is_valid(SEALER, token, _partner(_key(1, revoked_at=NOW)), now=NOW)
    assert not is_valid(SEALER, token, _partner(_key(1), partner_id="moon"), now=NOW)
    assert not is_valid(Sealer(b"\1" * 32), token, partner, now=NOW)
    for wrong in ("", ".", "a.b.c.d.e", token[:-2], token.replace("star", "moon"), "é.é"):
        assert not is_valid(SEALER, wrong, partner, now=NOW)


def test_a_rotated_key_ends_when_it_should():
    old, new = _key(1, "webhook", expires_at=NOW + timedelta(hours=1)), _key(2, "webhook")
    partner = _partner(old, new, _key(3, "read"))
    assert [key.key_id for key in partner.valid("webhook", NOW)] == [2, 1]
    assert [key.key_id for key in partner.valid("webhook", NOW + timedelta(hours=1))] == [2]
    assert _partner(new, revoked_at=NOW).valid("webhook", NOW) == ()


def test_a_partner_speaks_for_its_operators_and_stations():
    partner = _partner(stations=("SH-*", "BJ-1"))
    assert partner.operator_of(None) == "star"
    assert partner.operator_of("nova") == "nova"
    with pytest.raises(NotYours):
        partner.operator_of("moon")
    for station in ("SH-1", "BJ-1", None):
        partner.check_station(station)
    for station in ("BJ-11", "sh-1", ""):
        with pytest.raises(NotYours):
            partner.check_station(station)


def test_keys_are_drawn_anew_and_long_enough():
    drawn = {new_cec_keys() for _ in range(50)}
    assert len(drawn) == 50
    keys = drawn.pop()
    assert {len(part) for part in (keys.operator_secret, keys.data_secret, keys.data_secret_iv, keys.sig_secret)} == {
        16
    }
    token = new_token("fwr_")
    assert token.startswith("fwr_")
    assert len(token) > 40
    assert digest(token) != digest(new_token("fwr_"))
