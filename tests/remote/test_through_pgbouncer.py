"""A pooler between the pipeline and Postgres, TLS on both sides; only where a PgBouncer is installed."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import psycopg2
import pytest

from infra.local.ports import LOOPBACK, any_free_port
from infra.local.postgres import as_ordinary_user
from infra.local.secrets import ROLES, write_private
from orchestration.cli.counts import read_counts
from orchestration.defs.resources import resources
from orchestration.errors import Pi3Error
from orchestration.resources.postgres import PostgresResource
from tests.acceptance.pipeline import wait_until
from tests.fixtures.remote import Launched, is_read, run
from tests.remote.site import Site

START_S = 20.0
CONFIGURATION = """\
[databases]
* = host=localhost port={target}
[pgbouncer]
listen_addr = {host}
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {folder}/users
# A transaction's or a statement's pool would hand the job's lock, and the search path, to somebody else.
pool_mode = session
# Of the JDBC driver, which sends it when a session begins.
ignore_startup_parameters = extra_float_digits
client_tls_sslmode = require
client_tls_cert_file = {folder}/server.crt
client_tls_key_file = {folder}/server.key
server_tls_sslmode = verify-full
server_tls_ca_file = {ca}
"""


@pytest.fixture(scope="module")
def port(launched: Launched) -> Iterator[int]:
    """The port of a PgBouncer before the site's server."""
    program = shutil.which("pgbouncer")
    if program is None:
        pytest.skip("no pgbouncer is installed on this machine, so what docs/remote.md says of it is not tried here")
    site, port = launched.site, any_free_port()
    folder = site.paths.root / "pgbouncer"
    folder.mkdir()
    _write(site, folder, port)
    command = (*as_ordinary_user(site.paths), program, "-q", str(folder / "pgbouncer.ini"))
    with (folder / "log").open("w") as log, subprocess.Popen(command, stderr=log) as pooler:
        try:
            through = through_pooler(site, port)
            wait_until(lambda: _answers(through), "PgBouncer", START_S)
            yield port
        finally:
            pooler.terminate()


def _write(site: Site, folder: Path, port: int) -> None:
    settings = site.settings
    site.authority.server_files(folder)
    logins = [(getattr(settings, f"postgres_{role}"), getattr(settings, f"postgres_{role}_password")) for role in ROLES]
    write_private(folder / "users", "".join(f'"{name}" "{word.get_secret_value()}"\n' for name, word in logins))
    names = {"host": LOOPBACK, "port": port, "target": site.ports.postgres, "folder": folder}
    (folder / "pgbouncer.ini").write_text(CONFIGURATION.format(ca=site.authority.file, **names))


def through_pooler(site: Site, port: int) -> PostgresResource:
    """The site's database, but by the pooler."""
    found: PostgresResource = resources(site.settings)["postgres"]
    return replace(found, port=port)


def _answers(postgres: PostgresResource) -> bool:
    try:
        postgres.encryption()
    except Pi3Error:
        return False
    return True


def test_each_session_has_its_limits_and_its_name(launched: Launched, port: int) -> None:
    postgres = replace(through_pooler(launched.site, port), statement_timeout_s=7)
    names = ("statement_timeout", "search_path", "application_name")
    asked = f"SELECT {', '.join(f'current_setting({name!r})' for name in names)}"
    for _ in range(3):  # the second has what the first left behind
        with postgres.connect("reader") as connection, connection.cursor() as cursor:
            cursor.execute(asked)
            assert cursor.fetchone() == ("7s", "public", "pi3 reader")
            connection.rollback()
            cursor.execute(asked)
            assert cursor.fetchone() == ("7s", "public", "pi3 reader")


def test_the_whole_pipeline_goes_on_through_it(launched: Launched, port: int) -> None:
    site, through = launched.site, {"PI3_POSTGRES_PORT": str(port)}
    before = sum(read_counts(site.settings).ends.values())
    upgraded = run(site, "tests.remote.jobs", "start_pipeline", **through)
    wait_until(lambda: is_read(site), "the job has read all")
    proved = run(site, "tests.remote.jobs", "ledger_pass", "health_check", "deep_audit", **through)
    jobs = [json.loads(line) for done in (upgraded, proved) for line in done.stdout.splitlines()]
    assert [job["success"] for job in jobs] == [True] * 4, (upgraded.stderr + proved.stderr)[-5_000:]
    assert [job["failed"] for job in jobs[1:]] == [{}] * 3
    assert sum(read_counts(site.settings).ends.values()) > before
    assert _sink_ports(site) <= {
        connection.laddr.port
        for process in psutil.process_iter()
        if process.name() == "pgbouncer"
        for connection in process.net_connections(kind="tcp")
    }


def _sink_ports(site: Site) -> set[int]:
    """Where the sink's sessions come from, as the server sees them."""
    asked = "SELECT client_port FROM pg_stat_activity WHERE application_name LIKE %s"
    socket = str(site.paths.data / "postgres")
    connection = psycopg2.connect(host=socket, port=site.ports.postgres, user="postgres", dbname="postgres")
    with connection.cursor() as cursor:
        cursor.execute(asked, (f"{site.settings.flink_job_name}#%",))
        found = {port for (port,) in cursor.fetchall()}
    connection.close()
    assert len(found) == site.settings.flink_parallelism
    return found
