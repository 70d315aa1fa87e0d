"""PostgreSQL and an MQTT broker from wheels, on 127.0.0.1, for a machine that has neither."""

from forewarn.embedded.services import services

__all__ = ["services"]
