"""Where each role finds its work after signing in."""

from collections.abc import Mapping

from alerts.access.roles import Role

# Whose work is the list of calls.
LIST_ROLES = frozenset({Role.AGENT, Role.SUPERVISOR})
# The pages that others begin with, by role.
HOMES: Mapping[Role, str] = {Role.SAFETY: "/safety", Role.DEALER: "/dealer"}
