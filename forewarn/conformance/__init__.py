"""Plays a charging partner's side against a server, and says what fits."""

from forewarn.conformance.checking import check_server, read_keys, to_json, to_lines
from forewarn.conformance.session import Check

__all__ = ["Check", "check_server", "read_keys", "to_json", "to_lines"]
