"""What an op does after an error: which are retried, and what is shown of the others."""

import dagster as dg
import pytest

from orchestration.cli import dagster_api
from orchestration.definitions import defs
from orchestration.errors import ConfigurationError, Pi3Error, TransientError
from orchestration.flink.errors import FlinkUnreachable, SubmitRejected
from orchestration.lifecycle.upgrade import UpgradeRolledBack
from orchestration.ops import op

RETRIES = 2


def failed(error: Exception) -> tuple[int, str]:
    """How often an op that meets this error is begun, and what the command line says of it."""
    begun: list[int] = []

    @op(retry_policy=dg.RetryPolicy(max_retries=RETRIES))
    def verb(context: dg.OpExecutionContext) -> None:
        begun.append(context.retry_number)
        raise error

    @dg.job
    def only() -> None:
        verb()

    with dg.DagsterInstance.ephemeral() as instance:
        result = only.execute_in_process(instance=instance, raise_on_error=False)
    (event,) = [event for event in result.all_events if event.is_step_failure]
    found, messages = event.step_failure_data.error, []
    while found:
        messages.append({"message": found.message})
        found = found.cause
    told = dagster_api._failures([{"stepKey": "verb", "error": {**messages[0], "causes": messages[1:]}}])
    return len(begun), "; ".join(told)


@pytest.mark.parametrize(
    ("error", "begun"),
    [
        (TransientError("a server is away"), 1 + RETRIES),
        (FlinkUnreachable("no answer"), 1 + RETRIES),
        (ConfigurationError("set PI3_X"), 1),
        (SubmitRejected("the spec is wrong"), 1),
        (UpgradeRolledBack("it did not prove itself"), 1),
        (Pi3Error("neither"), 1),
    ],
)
def test_only_what_may_pass_is_retried_and_every_error_is_told_in_its_own_words(error: Exception, begun: int) -> None:
    assert failed(error) == (begun, f"verb: {error}")


def test_an_error_that_is_not_ours_is_retried() -> None:
    assert failed(ValueError("who knows"))[0] == 1 + RETRIES


def test_every_op_that_is_retried_is_one_of_ours() -> None:
    repository = dg.Definitions.merge(defs()).get_repository_def()
    retried = {
        node
        for job in repository.get_all_jobs()
        for node in job.all_node_defs
        if isinstance(node, dg.OpDefinition) and node.retry_policy
    }
    assert {node.name for node in retried} >= {"ensure_streaming_job", "replay_hours", "audit_offsets"}
    verbs = {node.name: getattr(node.compute_fn, "decorated_fn", None) for node in retried}
    assert [name for name, verb in verbs.items() if not hasattr(verb, "__wrapped__")] == []
