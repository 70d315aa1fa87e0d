"""The pages that call-centre agents look at all day."""

from alerts.web.app import create_app

__all__ = ["create_app"]
