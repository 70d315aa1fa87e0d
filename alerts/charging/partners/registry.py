"""Partners in memory, read anew every few seconds. A danger does not wait for a database, nor does a message's key."""

import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime

import msgspec
import psycopg
import structlog
from psycopg_pool import PoolTimeout

from alerts.charging.partners.partner import Key, KeyKind, Partner
from alerts.charging.partners.sealing import digest
from alerts.charging.stopping import PileStopper, Policy

_log = structlog.get_logger(__name__)


class _Snapshot(msgspec.Struct, frozen=True):
    partners: dict[str, Partner]
    by_operator: dict[str, Partner]
    by_token: dict[bytes, tuple[Partner, Key]]


class Registry:
    """Who the partners are. Fits ``alerts.charging.stopping.Partners``. For several threads.

    load         : reads all partners with their keys opened; may raise what a database that is away raises
    make_stopper : what stops the piles of a partner, None where it has no interface for that
    policy       : of operators that no partner speaks for
    """

    def __init__(
        self,
        load: Callable[[], Sequence[Partner]],
        make_stopper: Callable[[Partner], PileStopper | None],
        *,
        policy: Policy = "stop",
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._policy: Policy = policy
        self._load, self._make_stopper, self._clock = load, make_stopper, clock
        self._snapshot = _Snapshot({}, {}, {})
        self._stoppers: dict[str, tuple[Partner, PileStopper | None]] = {}
        self._lock = threading.Lock()
        # One at a time: what was read before a key was made must not take the place of what was read after it.
        self._refreshing = threading.Lock()
        self._is_behind = False

    def refresh(self) -> None:
        """Read partners and keys anew."""
        with self._refreshing:
            self._snapshot = self._read()

    def _read(self) -> _Snapshot:
        partners = [partner for partner in self._load() if partner.revoked_at is None and partner.operators]
        tokens = {key.digest: (partner, key) for partner in partners for key in partner.keys if key.digest}
        return _Snapshot(
            {partner.partner_id: partner for partner in partners},
            {operator: partner for partner in partners for operator in partner.operators},
            tokens,
        )

    def refresh_patiently(self) -> None:
        """Read them anew; whatever comes in between, the ones known go on."""
        try:
            self.refresh()
            self._is_behind = False
        except (psycopg.OperationalError, PoolTimeout) as error:
            if not self._is_behind:
                _log.warning("partners cannot be read, the ones known go on", error=str(error).strip())
            self._is_behind = True
        except Exception:  # noqa: BLE001
            # Whatever it was, the keys that are known are better than none.
            _log.exception("partners cannot be read, the ones known go on")

    def partner(self, partner_id: str) -> Partner | None:
        return self._snapshot.partners.get(partner_id)

    def of_operator(self, operator: str) -> Partner | None:
        return self._snapshot.by_operator.get(operator)

    def by_token(self, tokens: Sequence[str], kind: KeyKind) -> Partner | None:
        """Return the partner that one of these tokens, of this kind, belongs to and is valid now."""
        found = self.key_of_token(tokens, (kind,))
        return None if found is None else found[0]

    def key_of_token(self, tokens: Sequence[str], kinds: Sequence[KeyKind]) -> tuple[Partner, Key] | None:
        """Return the partner and the key that one of these tokens is, of one of these kinds and valid now."""
        now = self._clock()
        for token in tokens:
            found = self._snapshot.by_token.get(digest(token))
            if found is not None and found[1].kind in kinds and found[1].is_valid(now):
                return found
        return None

    def stopper(self, operator: str) -> PileStopper | None:
        """Return what stops this operator's piles, None where it has no such interface."""
        partner = self.of_operator(operator)
        if partner is None:
            return None
        with self._lock:
            known = self._stoppers.get(partner.partner_id)
            # It holds keys and tokens: another one when those change.
            if known is None or known[0] != partner:
                known = (partner, self._make_stopper(partner))
                self._stoppers[partner.partner_id] = known
            return known[1]

    def policy(self, operator: str) -> Policy:
        """Return whether its piles are stopped at once or a person is asked first."""
        partner = self.of_operator(operator)
        return partner.policy if partner is not None else self._policy

    def __iter__(self) -> Iterator[Partner]:
        return iter(self._snapshot.partners.values())
