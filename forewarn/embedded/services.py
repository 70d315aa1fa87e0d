"""The servers that the settings leave to us, started and shared."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from config.errors import UserMistake
from config.settings import Settings


@contextmanager
def services(settings: Settings, *, broker: bool) -> Iterator[Settings]:
    """Yield the settings with ``database.dsn`` (and, when ``broker``, ``mqtt.host`` and ``port``) filled in.

    What the settings name is used as it is; what they leave open runs embedded, for as long as a process needs it.
    Raises : UserMistake, when a server cannot start
    """
    with ExitStack() as stack:
        # Imported here: a production set-up with its own servers needs neither wheel.
        if settings.database.dsn is None:
            from forewarn.embedded.postgres import shared_cluster

            cluster = stack.enter_context(
                shared_cluster(settings.data_dir / "postgres", run_as=settings.embedded.run_as)
            )
            database = settings.database.model_copy(update={"dsn": cluster.dsn})
            settings = settings.model_copy(update={"database": database})
        if broker and settings.mqtt.host is None:
            if settings.ingest.workers > 1:
                # Its shared subscriptions fail for good when a member leaves (measured: rumqttd 0.20).
                raise UserMistake(
                    "the embedded broker serves one ingest worker: "
                    "set FOREWARN_INGEST__WORKERS to 1, or FOREWARN_MQTT__HOST to your own broker"
                )
            from forewarn.embedded.broker import USUAL_PORT, WINDOW_MESSAGES, shared_broker

            # The usual port is a wish, any other one is the user's.
            wanted = settings.mqtt.port if settings.mqtt.port != USUAL_PORT else None
            listening = stack.enter_context(shared_broker(settings.data_dir / "broker", port=wanted))
            # rumqttd listens for one version on one port; ours is 3.1.1.
            reached = {"host": "127.0.0.1", "port": listening.port, "protocol": "3.1.1"}
            mqtt = settings.mqtt.model_copy(update=reached)
            # It sends no more than a window ahead of the acknowledgements: a larger batch would only wait for its age.
            ingest = settings.ingest.model_copy(update={"batch_rows": min(settings.ingest.batch_rows, WINDOW_MESSAGES)})
            settings = settings.model_copy(update={"mqtt": mqtt, "ingest": ingest})
        yield settings
