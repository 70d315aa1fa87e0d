"""Runs the web server of the work list."""

import errno
import signal
import socket
import sys
import threading
from typing import TYPE_CHECKING

from config.errors import UserMistake
from forewarn.cli.opening import dsn_of, say

if TYPE_CHECKING:
    from config.settings import Settings

# Queries of pages join up to seventeen tables by their keys, in an order that is good as it is written: to weigh every
# other order took two thirds of a page's time.
_SESSION = {"join_collapse_limit": "4"}
_SWITCH_EVERY_S = 0.0005
# Longer than proxies keep a connection that nobody uses: else one is closed just as a request goes out on it.
_KEEP_ALIVE_S = 75


def check_free(settings: "Settings") -> None:
    """Find out early that the work list could not be served.

    Raises : UserMistake, when its address is in use or not of this machine, or not safe to serve on
    """
    from alerts.web.app import check_safe

    check_safe(settings.web)
    _bind(settings).close()


def serve_list(settings: "Settings", *, child: bool = False) -> None:
    """Serve the work list until SIGINT, SIGTERM or, for a child, until its parent ends."""
    import uvicorn

    from alerts.web.app import check_safe, create_app
    from config.settings import listed
    from forewarn.supervisor import stop_when_parent_ends
    from ingest.store.connection import open_pool

    check_safe(settings.web)
    # A page waits for the interpreter after each of its queries, behind whatever else is being rendered: in turns of
    # 5 ms, as Python has them, that was half of its time.
    sys.setswitchinterval(_SWITCH_EVERY_S)
    with _bind(settings) as listening, open_pool(dsn_of(settings), role="alerts", session=_SESSION) as pool:
        config = uvicorn.Config(
            create_app(settings, pool),
            log_level=settings.log_level.lower(),
            server_header=False,
            access_log=False,
            ssl_certfile=settings.web.cert_file,
            ssl_keyfile=settings.web.key_file,
            # Only the stated proxy is believed when it says that a browser came by TLS.
            proxy_headers=bool(listed(settings.web.proxy)),
            forwarded_allow_ips=listed(settings.web.proxy),
            # The safety desk's pages listen for ever.
            timeout_graceful_shutdown=2,
            timeout_keep_alive=_KEEP_ALIVE_S,
        )
        server = uvicorn.Server(config)
        if child:
            parent_ended = threading.Event()
            stop_when_parent_ends(parent_ended)

            def end() -> None:
                parent_ended.wait()
                server.should_exit = True

            threading.Thread(target=end, name="end", daemon=True).start()
        else:
            say(f"The work list: {settings.web.address} (Ctrl-C ends it)")
            say_who_may_sign_in(settings)
        # When it has shut down, uvicorn raises the signal that made it once more; by then there is nothing to end.
        before = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            server.run(sockets=[listening])
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def say_who_may_sign_in(settings: "Settings") -> None:
    """Say how to make the first account, while there is none."""
    from alerts.access.accounts import list_accounts
    from forewarn.cli.clock import utc_now
    from ingest.store.connection import DatabaseAway, connect

    try:
        with connect(dsn_of(settings), role="alerts") as conn:
            accounts = list_accounts(conn, now=utc_now())
    except DatabaseAway:
        return
    if not accounts:
        say("Nobody can sign in yet: forewarn accounts add NAME --role supervisor")


def _bind(settings: "Settings") -> socket.socket:
    host, port = settings.web.host, settings.web.port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Only of a socket that says it is TCP does asyncio turn off Nagle's wait, which holds an answer back for 40 ms.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        if error.errno == errno.EADDRINUSE:
            raise UserMistake(
                f"port {port} is in use: stop what listens there or set FOREWARN_WEB__PORT to another"
            ) from error
        raise UserMistake(f"cannot listen on {host}:{port} ({error.strerror}): correct FOREWARN_WEB__HOST") from error
    return listening
