"""Why a partner's message is not taken. Each reason is one class, answered by each protocol in its own words."""

from typing import ClassVar


class Refused(Exception):
    """The message is not taken.

    ``status`` is that of HTTP, ``reason`` what a program reads, ``detail`` what a person at the partner reads.
    """

    status: ClassVar[int] = 400
    reason: ClassVar[str] = "refused"

    def __init__(self, detail: str, *, retry_after_s: int | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.retry_after_s = retry_after_s


class NotAuthentic(Refused):
    """No key of the partner made this signature or token. Who asks is not told what was wrong with it."""

    status = 401
    reason = "not_authentic"


class TokenExpired(Refused):
    """The token is not, or no longer, valid."""

    status = 401
    reason = "token"


class Stale(Refused):
    """The message's time is too far from ours."""

    status = 401
    reason = "stale"


class Replayed(Refused):
    """This very message was received before."""

    status = 409
    reason = "replayed"


class IdReused(Refused):
    """The message id was received with other content."""

    status = 409
    reason = "id_reused"


class NotYours(Refused):
    """The message speaks of what belongs to another partner."""

    status = 403
    reason = "not_yours"


class TooLarge(Refused):
    """The message is larger than any message needs to be."""

    status = 413
    reason = "too_large"


class WrongMediaType(Refused):
    """The message is of a media type that is not read here."""

    status = 415
    reason = "media_type"


class NotUnderstood(Refused):
    """The message is authentic but cannot be read."""

    status = 400
    reason = "not_understood"


class Incomplete(NotUnderstood):
    """The message is of the right form, and a part of it is missing."""

    reason = "incomplete"


class WronglyEncrypted(Refused):
    """The message is authentic but what it carries cannot be decrypted."""

    status = 400
    reason = "wrongly_encrypted"


class TooMany(Refused):
    """More messages than agreed, and none of them says anything new."""

    status = 429
    reason = "too_many"


class NotCharging(Refused):
    """No car is known to charge there now."""

    status = 404
    reason = "not_charging"


class NotForNow(Refused):
    """What is asked is not done in the state things are in: who is registered does not register again."""

    status = 405
    reason = "not_for_now"

    def __init__(self, detail: str, *, allowed: tuple[str, ...]) -> None:
        super().__init__(detail)
        self.allowed = allowed


class PartnerUnusable(Refused):
    """The partner's own interface, which we need in turn, does not answer as it should."""

    reason = "your_interface"


class NoCommonVersion(Refused):
    """The partner's own interface has no version that we speak."""

    reason = "no_common_version"


class EndpointsMissing(Refused):
    """The partner's own interface lacks what we need of it."""

    reason = "endpoints_missing"


class NotRecorded(Refused):
    """What was to be done at once is done, but the database is away: the message has to be sent again."""

    status = 503
    reason = "not_recorded"
