"""What browsers send: forms, where they come from, and where they may be sent on to."""

from urllib.parse import parse_qsl, urlsplit

from fastapi import Request

CSRF_FIELD = "csrf"
CSRF_HEADER = "x-csrf-token"
# Of one form. What is larger is none of ours.
MOST_FIELDS = 100
# Of a text in an address or in JSON: the database has none with a NUL.
NO_NUL = r"^[^\x00]*$"
_FORM = "application/x-www-form-urlencoded"


async def read_form(request: Request) -> dict[str, str]:
    """Return the fields of a form, the last of each name; none, when the body is of another kind or unreadable.

    Only the one content type that our forms have is read: what else a foreign page may send without asking, as
    text/plain, is no form.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
        return {}
    body = await request.body()
    try:
        fields = parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=MOST_FIELDS)
    except ValueError:
        return {}
    # No key makes a NUL, and the database has no text with one.
    return {} if any("\0" in name + value for name, value in fields) else dict(fields)


def check_origin(request: Request) -> bool:
    """Tell whether a request that changes something was made by a page of this server, as far as the browser says.

    A program that is no browser says nothing of it; the token of the form then decides alone.
    """
    if request.headers.get("sec-fetch-site", "same-origin") != "same-origin":
        return False
    origin = request.headers.get("origin")
    if origin is None:
        return True
    ours = (request.url.scheme, request.url.netloc.lower())
    given = urlsplit(origin)
    return (given.scheme, given.netloc.lower()) == ours


def own_path(back: str) -> str:
    """Return ``back`` if it is a path of this server, else the front page: a link may not lead people elsewhere."""
    # "//host" and "/\host" are other servers to a browser.
    return back if back.startswith("/") and not back.startswith(("//", "/\\")) and back.isprintable() else "/"
