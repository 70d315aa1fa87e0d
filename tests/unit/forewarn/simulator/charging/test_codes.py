"""Codes are those of the standards, and codes of nobody's list among them."""

from collections import Counter

import numpy as np

from forewarn.simulator.charging.codes import (
    CITY_CODES,
    DANGER_FAULTS,
    EVERYDAY_FAULTS,
    OCPP_16_CODES,
    START_FAULTS,
    code_of,
    draw_everyday,
)
from forewarn.simulator.charging.stations import OPERATORS

EVERY_FAULT = (*DANGER_FAULTS.values(), *EVERYDAY_FAULTS, *START_FAULTS)


def test_names_of_ocpp_are_in_its_list():
    assert len(OCPP_16_CODES) == 16
    for fault in EVERY_FAULT:
        assert set(fault.codes["ocpp16"]) <= OCPP_16_CODES


def test_what_is_dangerous_has_the_level_of_the_platform():
    for fault in EVERY_FAULT:
        for code in set(fault.codes["cec"]) & set(CITY_CODES):
            assert CITY_CODES[code].level == fault.severity


def test_some_codes_are_in_no_list():
    sent = {code for fault in EVERY_FAULT for codes in fault.codes.values() for code in codes}
    assert sent - OCPP_16_CODES - set(CITY_CODES)


def test_operators_mostly_speak_their_own_dialect():
    rng = np.random.default_rng(1)
    fault = DANGER_FAULTS["gun_hot"]
    for operator in OPERATORS:
        codes = Counter(code_of(fault, operator, rng) for _ in range(2_000))
        own = sum(codes[code] for code in fault.codes[operator.dialect])
        assert 0.93 < own / 2_000 < 1


def test_everyday_faults_come_at_their_rates():
    rng = np.random.default_rng(2)
    found = Counter(fault.name for _ in range(20_000) for fault, _ in draw_everyday(OPERATORS[1], 1_800, rng))
    for fault in EVERYDAY_FAULTS:
        mean = fault.rate * 20_000
        assert abs(found[fault.name] - mean) < 4 * mean**0.5 + 3
