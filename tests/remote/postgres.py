"""PostgreSQL that lets nobody in over TCP without TLS; its superuser comes by the Unix socket alone."""

from __future__ import annotations

import io
import platform
import subprocess
import tarfile
import zipfile
from pathlib import Path
from typing import Final

from infra.local import postgres
from infra.local.jars import fetch, read_lock
from infra.local.paths import StackPaths
from infra.local.ports import LOOPBACK, Ports
from infra.local.program import Program
from tests.remote.authority import Authority

LOCK: Final = Path(__file__).with_name("jars.lock")
WHO_MAY_COME: Final = """\
local all postgres trust
hostssl all all 127.0.0.1/32 scram-sha-256
"""


def programs_folder(paths: StackPaths) -> Path:
    """Where initdb and postgres are, built with OpenSSL; fetched and unpacked once a clone."""
    (locked,) = (jar for jar in read_lock(LOCK) if jar.server == platform.machine())
    folder = paths.built / f"postgres-tls-{locked.sha256[:12]}"
    if not folder.exists():
        (jar,) = fetch(paths.maven, [locked]).values()
        draft = folder.with_suffix(".new")
        with zipfile.ZipFile(jar) as archive:
            (name,) = (name for name in archive.namelist() if name.endswith(".txz"))
            with tarfile.open(fileobj=io.BytesIO(archive.read(name)), mode="r:xz") as files:
                files.extractall(draft, filter="data")
        draft.rename(folder)
    return folder / "bin"


class SecuredPostgres:
    """The server's data, its program, and the way in for the superuser."""

    def __init__(self, paths: StackPaths, ports: Ports, authority: Authority) -> None:
        self._paths = paths
        self._ports = ports
        self._authority = authority
        self._data = paths.data / "postgres"

    def prepare(self) -> None:
        """A data folder in which only a role with a password comes in over TCP, and only by TLS."""
        postgres.as_ordinary_user(self._paths)
        initdb = (str(programs_folder(self._paths) / "initdb"), "-D", str(self._data), "-U", postgres.SUPERUSER,
                  "-A", "trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync")  # fmt: skip
        subprocess.run(
            (*postgres.as_ordinary_user(self._paths), *initdb), capture_output=True, check=True, cwd=self._paths.root
        )
        (self._data / "pg_hba.conf").write_text(WHO_MAY_COME)
        self._authority.server_files(self._data)

    def program(self) -> Program:
        """The server."""
        options = {
            "listen_addresses": LOOPBACK,
            "port": self._ports.postgres,
            "unix_socket_directories": self._data,
            "ssl": "on",
            "ssl_cert_file": "server.crt",
            "ssl_key_file": "server.key",
        }
        flags = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        start = (str(programs_folder(self._paths) / "postgres"), "-D", str(self._data), *flags)
        command = (*postgres.as_ordinary_user(self._paths), *start)
        return Program("postgres", command, priority=10, stop_signal="INT", stop_wait_s=60)

    def bootstrap(self, database: str, roles: dict[str, str]) -> None:
        """As a superuser of an existing server would do it once."""
        postgres.bootstrap(self._paths, self._ports, database, roles, self._data)
