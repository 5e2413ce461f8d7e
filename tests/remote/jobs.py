"""Runs Dagster jobs on the settings of PI3_STACK_DIR, one after the other: `python -m tests.remote.jobs JOB...`.

Prints a JSON line for each: whether it succeeded, and its checks that did not pass, by severity.
"""

from __future__ import annotations

import json
import sys

import dagster as dg

from orchestration.definitions import defs


def main() -> int:
    """Run the jobs until one fails; returns the exit code."""
    loaded = dg.Definitions.merge(defs())
    with dg.DagsterInstance.ephemeral() as instance:
        for name in sys.argv[1:]:
            result = loaded.resolve_job_def(name).execute_in_process(instance=instance, raise_on_error=False)
            checks = result.get_asset_check_evaluations()
            failed = {
                f"{check.asset_key.to_user_string()}.{check.check_name}": f"{check.severity.value}: {check.description}"
                for check in checks
                if not check.passed
            }
            told = {"job": name, "success": result.success, "checks": len(checks), "failed": failed}
            sys.stdout.write(json.dumps(told) + "\n")
            sys.stdout.flush()
            if not result.success:
                return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
