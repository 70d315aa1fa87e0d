"""Reads what is posted, no more of it than a message needs."""

from fastapi import Request

from alerts.charging.partners.refusals import TooLarge, WrongMediaType

_JSON = frozenset({"application/json", "application/cloudevents+json", "text/json"})


async def read_body(request: Request, *, most_bytes: int, check_type: bool = True) -> bytes:
    """Return the body.

    Raises : TooLarge, WrongMediaType
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().casefold()
    # T/CEC's clients are known to forget it.
    if check_type and media_type not in _JSON:
        raise WrongMediaType(f"the media type is {media_type or 'not said'}: send application/json")
    said = request.headers.get("content-length", "")
    too_large = TooLarge(f"the message is larger than {most_bytes // 1024} KiB: send several")
    if said.isdigit() and int(said) > most_bytes:
        raise too_large
    taken = bytearray()
    async for part in request.stream():
        taken += part
        if len(taken) > most_bytes:
            raise too_large
    return bytes(taken)
