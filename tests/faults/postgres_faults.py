"""Faults of Postgres, of its roles and of the table."""

from __future__ import annotations

import contextlib
import secrets
import signal
import threading
import time
from typing import Any, Final

from psycopg2.extensions import connection as Connection  # noqa: N812

from tests.faults.fault import Fault
from tests.faults.process_faults import Down, Hit, Pause
from tests.faults.site import Site

_POSTGRES: Final = "postgres"
_RED: Final[dict[str, Any]] = {"red": "stream_healthy"}
_TERMINATE: Final = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = %s"


class SessionsTerminated(Fault):
    """An administrator ends every session of our roles, again and again."""

    name = "postgres-sessions-terminated-30s"
    group = "postgres"
    duration_s = 30.0

    def __init__(self) -> None:
        self._over = threading.Event()
        self._thread: threading.Thread | None = None
        self.terminated = 0

    def inject(self, site: Site) -> None:
        """Begin; every two seconds from now on."""
        self._over, self.terminated = threading.Event(), 0
        self._thread = threading.Thread(target=self._go_on, args=(site,), daemon=True)
        self._thread.start()

    def _go_on(self, site: Site) -> None:
        names = [getattr(site.settings, f"postgres_{role}") for role in ("owner", "writer", "reader", "auditor")]
        query = "SELECT usename, pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = ANY(%s)"
        while not self._over.wait(2.0):
            self.terminated += site.execute(query, names).count((site.settings.postgres_writer, True))

    def bit(self, site: Site) -> bool:
        """Sessions of the job's were ended. That it opens others without a restart is what its sink is for."""
        del site
        return self.terminated > 0

    def end(self, site: Site) -> None:
        """Leave them alone."""
        del site
        self._over.set()
        if self._thread is not None:
            self._thread.join()


class TableLocked(Fault):
    """A session holds the table in ACCESS EXCLUSIVE mode, as a forgotten ALTER TABLE does."""

    name = "postgres-table-locked-60s"
    group = "postgres"
    duration_s = 60.0
    red = "stream_healthy"
    causes = ("sink_blocked",)

    def __init__(self) -> None:
        self._open = contextlib.ExitStack()

    def inject(self, site: Site) -> None:
        """Lock it."""
        connection: Connection = self._open.enter_context(site.superuser())
        connection.autocommit = False
        with connection.cursor() as cursor:
            cursor.execute("LOCK TABLE events IN ACCESS EXCLUSIVE MODE")

    def bit(self, site: Site) -> bool:
        """A session of the writer waits for the lock."""
        query = "SELECT count(*) FROM pg_stat_activity WHERE usename = %s AND wait_event_type = 'Lock'"
        return bool(site.execute(query, site.settings.postgres_writer)[0][0])

    def end(self, site: Site) -> None:
        """Close the session, which rolls back."""
        del site
        self._open.close()


class PasswordChanged(Fault):
    """The writer's password is changed, and its sessions end; then it is what it was."""

    name = "postgres-password-changed-40s"
    group = "postgres"
    duration_s = 40.0
    red = "stream_healthy"
    causes = ("sink_blocked", "crash_loop")

    def inject(self, site: Site) -> None:
        """An open session does not ask for the password again, so end them."""
        self._set(site, secrets.token_hex(16))
        site.execute(_TERMINATE, site.settings.postgres_writer)

    def bit(self, site: Site) -> bool:
        """The writer is out, and no rows land."""
        query = "SELECT count(*) FROM pg_stat_activity WHERE usename = %s"
        return site.stands_still() and not site.execute(query, site.settings.postgres_writer)[0][0]

    def end(self, site: Site) -> None:
        """The settings' password again."""
        self._set(site, site.settings.postgres_writer_password.get_secret_value())

    @staticmethod
    def _set(site: Site, password: str) -> None:
        site.execute(f"ALTER ROLE {site.settings.postgres_writer} PASSWORD %s", password)


class ColumnTypeChanged(Fault):
    """A column gets a narrower type, which takes none of the values that the job brings; then it is what it was.

    A domain, so that no row is written anew, and the change back takes no longer either.
    """

    name = "postgres-column-type-changed-40s"
    group = "postgres"
    duration_s = 40.0
    red = "stream_healthy"
    causes = ("sink_blocked", "crash_loop")

    def inject(self, site: Site) -> None:
        """A domain without a rule first, and then a rule for new values only."""
        site.execute("CREATE DOMAIN narrow AS VARCHAR(50)")
        site.execute("ALTER TABLE events ALTER COLUMN user_name TYPE narrow")
        site.execute("ALTER DOMAIN narrow ADD CONSTRAINT short CHECK (length(VALUE) <= 1) NOT VALID")

    def bit(self, site: Site) -> bool:
        """No rows land."""
        return site.stands_still()

    def end(self, site: Site) -> None:
        """The column's own type again."""
        site.execute("ALTER TABLE events ALTER COLUMN user_name TYPE VARCHAR(50)")
        site.execute("DROP DOMAIN IF EXISTS narrow")


class Quit(Hit):
    """An immediate stop: no session is asked, and the next start recovers from the log."""

    def __init__(self, **traits: Any) -> None:  # noqa: ANN401
        super().__init__("postgres-immediate-stop", "postgres", _POSTGRES, signal.SIGQUIT, **traits)


class KilledUnderLoad(Hit):
    """The postmaster dies; its backends must be gone before another one can begin."""

    def between(self, site: Site) -> None:
        """Some rows land in between."""
        del site
        time.sleep(8.0)


FAULTS: Final[tuple[Fault, ...]] = (
    Quit(),
    KilledUnderLoad("postgres-kill-2", "postgres", _POSTGRES, times=2),
    SessionsTerminated(),
    Pause("postgres-pause-30s", "postgres", _POSTGRES, duration_s=30.0, **_RED, causes=("sink_blocked",)),
    Down("postgres-down-3min", "postgres", _POSTGRES, duration_s=180.0, **_RED, causes=("sink_blocked",)),
    TableLocked(),
    PasswordChanged(),
    ColumnTypeChanged(),
)
