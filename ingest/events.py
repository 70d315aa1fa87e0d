"""Decodes events (lamps, trouble codes, the help button) and the owner's choice of consent."""

from typing import Annotated, Literal, TypeVar

import msgspec

from ingest.rejected import FrameRejected

_T = TypeVar("_T")

# A clock may be a year ahead and a car may be silent for a year; beyond that the time says nothing. The bound also
# keeps the daily partitions that messages can bring about well below the locks a query over all of them may take.
LONGEST_AHEAD_MS = 400 * 86_400_000
LONGEST_BEHIND_MS = 400 * 86_400_000

EpochMs = Annotated[int, msgspec.Meta(ge=0, lt=2**62)]


class Event(msgspec.Struct, frozen=True):
    """What a car says happened. Level 0 to 3 is the car's own."""

    ts: EpochMs
    kind: Literal["lamp", "dtc", "help"]
    code: Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern=r"^[^\x00]*$")]
    state: Literal["on", "off"] = "on"
    level: Annotated[int, msgspec.Meta(ge=0, le=3)] = 0


class Purposes(msgspec.Struct, frozen=True, omit_defaults=True):
    """The owner's choice per purpose; None leaves a purpose as it was, and what is said of others changes nothing."""

    safety: bool | None = None
    care: bool | None = None
    marketing: bool | None = None


class ConsentChoice(msgspec.Struct, frozen=True):
    """The owner's choice in the car's menu. ``ts`` is what the car's clock said, which may be anything."""

    ts: int
    purposes: Purposes
    policy_version: Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern=r"^[^\x00]*$")]


_event_decoder = msgspec.json.Decoder(Event)
_consent_decoder = msgspec.json.Decoder(ConsentChoice)


def decode_event(payload: bytes) -> Event:
    """Return the event in ``payload``.

    Raises : FrameRejected
    """
    return decode_json(_event_decoder, payload, "bad_event")


def decode_consent(payload: bytes) -> ConsentChoice:
    """Return the consent choice in ``payload``.

    Raises : FrameRejected, also for a choice of nothing
    """
    choice = decode_json(_consent_decoder, payload, "bad_consent")
    if choice.purposes == Purposes():
        raise FrameRejected("bad_consent", "none of safety, care and marketing is chosen")
    return choice


def chosen_ms(ts_ms: int, *, received_ms: int) -> int:
    """Return when an owner chose, which no clock puts later than it was received.

    ts_ms : what the car's clock said; too long ago it says nothing, and the choice counts as made when received
    """
    return ts_ms if received_ms - LONGEST_BEHIND_MS <= ts_ms <= received_ms else received_ms


def decode_json(decoder: msgspec.json.Decoder[_T], payload: bytes, reason: str) -> _T:
    """Return what ``decoder`` makes of ``payload``.

    Raises : FrameRejected, for ``reason`` when it is JSON of another shape, else "not_json"
    """
    try:
        return decoder.decode(payload)
    except msgspec.ValidationError as error:
        raise FrameRejected(reason, str(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise FrameRejected("not_json", str(error)) from error
