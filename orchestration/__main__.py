"""`python -m orchestration COMMAND`: what the Makefile calls."""

from __future__ import annotations

import argparse
import sys

from infra.local.errors import SetupError
from orchestration.cli import commands, containers
from orchestration.errors import Pi3Error
from orchestration.text import one_line

COMMANDS = {**commands.COMMANDS, **containers.COMMANDS}


def main() -> int:
    """Run one command; an error that has a remedy is one line, without a traceback."""
    parser = argparse.ArgumentParser(prog="python -m orchestration", description="Run the pipeline on this machine.")
    subparsers = parser.add_subparsers(dest="command", required=True)
    for name, command in COMMANDS.items():
        subparsers.add_parser(name, help=(command.__doc__ or "").splitlines()[0])
    name = parser.parse_args().command
    try:
        return COMMANDS[name]()
    except (SetupError, Pi3Error) as error:
        print(f"error: {one_line(error)}", file=sys.stderr)
    except OSError as error:
        print(f"error: {error}: check the permissions of the folder and its free space", file=sys.stderr)
    except KeyboardInterrupt:
        print(f"\ninterrupted; `make {name}` may be run again, `make stop` ends what was started", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
