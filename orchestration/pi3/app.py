"""The command `pi3` and its groups; what it ends with, and how an error is told.

Exit codes: 0 fine, 1 something is wrong, 2 a setting or the command line has to be changed.
"""

from __future__ import annotations

from typing import Any, Final

import typer
from typer.core import TyperGroup

from infra.local.errors import SetupError
from orchestration.errors import ConfigurationError, Pi3Error
from orchestration.pi3 import dead_letters, doctor, groups, job, ledger, logs, preflight, records, status, topics
from orchestration.pi3.output import note
from orchestration.text import one_line

WRONG: Final = 1
USAGE: Final = 2


class OneLineErrors(TyperGroup):
    """An error that has a remedy is one line on standard error, without a traceback."""

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401 - typer's own context, which it does not export
        """As a group's, but for the errors."""
        try:
            return super().invoke(ctx)
        except typer.TyperException as error:
            raise _told(f"{error.format_message()} See `pi3 --help`, or the command's", USAGE) from error
        except (ConfigurationError, SetupError) as error:
            raise _told(error, USAGE) from error
        except (Pi3Error, OSError) as error:
            raise _told(error, WRONG) from error


def _told(error: object, code: int) -> typer.Exit:
    note(f"error: {one_line(error)}")
    return typer.Exit(code)


app = typer.Typer(
    name="pi3",
    cls=OneLineErrors,
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    help="Look at the pipeline and operate it. Every command that shows something takes --json.",
    epilog="Example: pi3 status",
)
app.add_typer(topics.app)
app.add_typer(groups.app)
app.add_typer(job.app)
app.add_typer(ledger.app)
app.add_typer(dead_letters.app)
app.command("status", epilog="Example: pi3 status --json")(status.status)
app.command("consume", epilog="Example: pi3 consume --from-beginning --max 10")(records.consume)
app.command("produce", epilog=records.PRODUCE_EXAMPLE)(records.produce)
app.command("logs", epilog="Example: pi3 logs kafka -n 50 -f")(logs.logs)
app.command("preflight", epilog="Example: pi3 preflight --no-probe")(preflight.preflight)
app.command("doctor", epilog="Example: pi3 doctor")(doctor.doctor)


def main() -> None:
    """Run the command; ends the process with its exit code."""
    app(prog_name="pi3")
