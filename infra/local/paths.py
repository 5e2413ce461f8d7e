"""Where the local stack keeps things: everything below one folder, `.stack/` by default."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from infra.local.errors import SetupError

REPOSITORY = Path(__file__).resolve().parents[2]
# A class path splits at a colon, Kafka's list of folders at a comma; Dagster's migrations expand a percent sign; the
# others quote, comment, escape or expand elsewhere.
UNFIT = frozenset(":,%;#\\\"'$\r\n")


@dataclass(frozen=True)
class StackPaths:
    """Folders and files of one stack, all below `root`."""

    root: Path

    @property
    def data(self) -> Path:
        """State of the servers: what a backup would take."""
        return self.root / "data"

    @property
    def conf(self) -> Path:
        """Generated configuration; written anew at each start."""
        return self.root / "conf"

    @property
    def log(self) -> Path:
        """One log file per server."""
        return self.root / "log"

    @property
    def secrets(self) -> Path:
        """One password per file, mode 0600."""
        return self.root / "secrets"

    @property
    def run(self) -> Path:
        """Job specs, producers' reports and pid files."""
        return self.root / "run"

    @property
    def lib(self) -> Path:
        """Links to jars, a folder per server."""
        return self.root / "lib"

    @property
    def flink_state(self) -> Path:
        """Checkpoints and savepoints."""
        return self.data / "flink"

    @property
    def dagster_home(self) -> Path:
        """DAGSTER_HOME: the history of runs, materializations and checks."""
        return self.data / "dagster"

    @property
    def environment_file(self) -> Path:
        """The settings this stack was started with, for whoever connects to it."""
        return self.root / "stack.env"

    @property
    def maven(self) -> Path:
        """Downloaded jars; shared by every stack of this clone."""
        return REPOSITORY / ".stack" / "maven"

    @property
    def built(self) -> Path:
        """Jars that set-up compiled; shared like the downloaded ones."""
        return REPOSITORY / ".stack" / "built"

    @property
    def class_archives(self) -> Path:
        """Archives of loaded classes, which make the JVMs start faster; shared like the jars."""
        return REPOSITORY / ".stack" / "cds"

    @property
    def python(self) -> Path:
        """The interpreter of the environment that set-up made."""
        return Path(sys.executable)

    def check(self) -> None:
        """Refuse a path that the servers could not be told of.

        Raises:
            SetupError: it holds a character that ends, splits or alters a value in one of their configurations.
        """
        for path in (REPOSITORY, self.root):
            if found := sorted(UNFIT & set(str(path))):
                raise SetupError(
                    f"the path {str(path)!r} contains {' '.join(map(repr, found))}, which the servers' configuration "
                    "cannot hold: move the clone, or set PI3_STACK_DIR to another folder"
                )

    def make(self) -> None:
        """Create the folders; only the owner may look into the secrets."""
        for folder in (self.data, self.conf, self.log, self.run, self.lib, self.flink_state, self.dagster_home):
            folder.mkdir(parents=True, exist_ok=True)
        self.secrets.mkdir(mode=0o700, exist_ok=True)
