"""The manifests against the schemas of their kinds, against the settings, and against each other."""

from __future__ import annotations

import copy
import re
from typing import Any

import pytest
import yaml

from flink_jobs.spec import JobSpec
from infra.local.dagster import INSTANCE
from orchestration.settings import Settings
from tests.fixtures.kubernetes import KUBERNETES, OVERLAYS, Manifest, faults, one, rendered, settings_of, values

SECRET_NAMES = {f"pi3-postgres-{role}" for role in ("owner", "writer", "reader", "auditor")}
SECRET_NAMES |= {"pi3-object-store", "pi3-dagster-postgres"}
VALUES = yaml.safe_load((KUBERNETES / "dagster-values.yaml").read_text())


@pytest.fixture(params=OVERLAYS)
def overlay(request: pytest.FixtureRequest) -> str:
    """A folder that kustomize renders."""
    return str(request.param)


@pytest.fixture
def manifests(overlay: str) -> list[Manifest]:
    """What it renders."""
    return rendered(overlay)


@pytest.fixture
def settings(overlay: str) -> Settings:
    """What Dagster's pods are told; raises for a setting that there is none of."""
    return Settings(**{name.removeprefix("PI3_").lower(): value for name, value in settings_of(overlay).items()})  # type: ignore[arg-type]


@pytest.fixture
def spec(overlay: str) -> JobSpec:
    """The job's spec, which the pods of Flink mount."""
    return JobSpec.read(KUBERNETES / overlay / "job.json")


def test_every_manifest_satisfies_its_schema(manifests: list[Manifest]) -> None:
    assert [fault for manifest in manifests for fault in faults(manifest)] == []


@pytest.mark.parametrize(
    ("kind", "path", "value", "complaint"),
    [
        ("FlinkDeployment", "spec.job.upgrademode", "savepoint", "Additional properties"),
        ("FlinkDeployment", "spec.job.state", "stopped", "is not one of"),
        ("FlinkDeployment", "spec.flinkVersion", "2.3", "is not one of"),
        ("FlinkDeployment", "spec.podTemplate.spec.securityContext.runAsUser", 0, "less than the minimum"),
        ("KafkaTopic", "spec.partitions", "12", "is not of type 'integer'"),
        ("Cluster", "spec.postgresql.parameters.max_connections", 200, "is not of type 'string'"),
    ],
)
def test_a_wrong_field_is_refused(kind: str, path: str, value: object, complaint: str) -> None:
    manifest = copy.deepcopy(one(rendered("base"), kind))
    *parents, last = path.split(".")
    parent: Any = manifest
    for name in parents:
        parent = parent[name]
    parent[last] = value
    assert [fault for fault in faults(manifest) if complaint in fault]


def test_kafka_is_what_the_settings_say(manifests: list[Manifest], settings: Settings) -> None:
    topic, kafka = one(manifests, "KafkaTopic")["spec"], one(manifests, "Kafka")
    brokers = next(pool for pool in manifests if pool["metadata"]["name"] == "broker")["spec"]["replicas"]
    (listener,) = kafka["spec"]["kafka"]["listeners"]
    assert topic["topicName"] == settings.kafka_topic
    assert topic["partitions"] == settings.kafka_partitions
    assert topic["replicas"] == settings.kafka_replication_factor <= brokers
    assert topic["config"]["retention.ms"] == settings.kafka_retention_ms
    assert topic["config"]["min.insync.replicas"] < topic["replicas"], "one broker may be away"
    bootstrap = f"{kafka['metadata']['name']}-kafka-bootstrap:{listener['port']}"
    assert settings.kafka_bootstrap_servers == bootstrap


def test_every_part_of_kafka_belongs_to_the_cluster(manifests: list[Manifest]) -> None:
    cluster = one(manifests, "Kafka")["metadata"]["name"]
    parts = [part for part in manifests if part["kind"] in ("KafkaNodePool", "KafkaTopic")]
    assert {part["metadata"]["labels"]["strimzi.io/cluster"] for part in parts} == {cluster}


def test_postgres_is_what_the_settings_say(manifests: list[Manifest], settings: Settings) -> None:
    cluster = one(manifests, "Cluster")
    initdb = cluster["spec"]["bootstrap"]["initdb"]
    roles = {role["name"]: role["passwordSecret"]["name"] for role in cluster["spec"]["managed"]["roles"]}
    assert settings.postgres_host == f"{cluster['metadata']['name']}-rw"
    assert (initdb["database"], initdb["owner"]) == (settings.postgres_database, settings.postgres_owner)
    assert roles == {
        settings.postgres_writer: "pi3-postgres-writer",
        settings.postgres_reader: "pi3-postgres-reader",
        settings.postgres_auditor: "pi3-postgres-auditor",
        VALUES["postgresql"]["postgresqlUsername"]: VALUES["global"]["postgresqlSecretName"],
    }
    assert [f"CREATE ROLE {role} LOGIN" for role in roles if role.startswith("pi3_")] == initdb[
        "postInitApplicationSQL"
    ][:3]
    assert f"GRANT {settings.postgres_writer} TO {settings.postgres_owner}" in initdb["postInitApplicationSQL"]


def test_dagster_has_a_database_of_its_own(manifests: list[Manifest]) -> None:
    found, chart = one(manifests, "Database")["spec"], VALUES["postgresql"]
    assert (found["name"], found["owner"]) == (chart["postgresqlDatabase"], chart["postgresqlUsername"])
    assert chart["postgresqlHost"] == f"{found['cluster']['name']}-rw"
    assert found["cluster"]["name"] == one(manifests, "Cluster")["metadata"]["name"]


def test_dagster_runs_as_it_does_on_one_machine() -> None:
    local = INSTANCE["retention"], INSTANCE["concurrency"]
    sensor = VALUES["retention"]["sensor"]["purgeAfterDays"]
    assert local[0] == {
        "schedule": {"purge_after_days": VALUES["retention"]["schedule"]["purgeAfterDays"]},
        "sensor": {"purge_after_days": {kind: days for kind, days in sensor.items() if days > 0}},
    }
    runs, pools = VALUES["concurrency"]["runs"], VALUES["concurrency"]["pools"]
    assert local[1] == {
        "runs": {"max_concurrent_runs": runs["maxConcurrentRuns"]},
        "pools": {"granularity": pools["granularity"], "default_limit": pools["defaultLimit"]},
    }


def test_the_job_is_what_the_settings_say(manifests: list[Manifest], settings: Settings, spec: JobSpec) -> None:
    deployment = one(manifests, "FlinkDeployment")
    assert deployment["metadata"]["name"] == spec.job_name == settings.flink_job_name
    assert settings.flink_rest_url == f"http://{settings.flink_job_name}-rest:8081"
    assert spec.parallelism == deployment["spec"]["job"]["parallelism"] == settings.flink_parallelism
    assert (spec.bootstrap_servers, spec.topic) == (settings.kafka_bootstrap_servers, settings.kafka_topic)
    assert (spec.consumer_group, spec.jdbc_user) == (settings.kafka_consumer_group, settings.postgres_writer)
    address = f"{settings.postgres_host}:{settings.postgres_port}/{settings.postgres_database}"
    assert spec.jdbc_url == f"jdbc:postgresql://{address}"
    assert spec.checkpoint_interval_ms == settings.checkpoint_interval_ms
    assert (spec.sink_flush_rows, spec.sink_flush_interval_ms) == (
        settings.sink_flush_rows,
        settings.sink_flush_interval_ms,
    )


def test_the_state_of_the_job_lies_in_one_place(manifests: list[Manifest], settings: Settings, spec: JobSpec) -> None:
    flink = one(manifests, "FlinkDeployment")["spec"]["flinkConfiguration"]
    assert spec.state_uri == settings.flink_state_uri
    assert flink["high-availability.storageDir"] == f"{spec.state_uri}/ha"
    assert flink["execution.checkpointing.dir"] == f"{spec.state_uri}/checkpoints"
    assert flink["execution.checkpointing.savepoint-dir"] == f"{spec.state_uri}/savepoints"


def test_the_task_managers_have_the_slots_and_the_job_its_files(manifests: list[Manifest], spec: JobSpec) -> None:
    flink = one(manifests, "FlinkDeployment")["spec"]
    pod = flink["jobManager"]["podTemplate"]["spec"]
    mounts = {mount["name"]: mount["mountPath"] for mount in pod["containers"][0]["volumeMounts"]}
    assert spec.parallelism % int(flink["flinkConfiguration"]["taskmanager.numberOfTaskSlots"]) == 0
    assert flink["job"]["args"][-1] == f"{mounts['spec']}/job.json"
    assert spec.password_file == f"{mounts['password']}/password" == pod["initContainers"][0]["command"][-1]


def test_a_job_without_a_lease_is_not_started(manifests: list[Manifest], spec: JobSpec) -> None:
    job = one(manifests, "FlinkDeployment")["spec"]["job"]
    assert (job["state"], job["upgradeMode"], spec.writer_epoch) == ("suspended", "savepoint", None)


def test_no_image_floats(manifests: list[Manifest]) -> None:
    images = list(values(manifests, "image"))
    images += [f"{image['repository']}:{image['tag']}" for image in values(VALUES, "image")]
    assert len(images) >= 3
    assert [image for image in images if not re.search(r":[^/:]*\d[^/:]*$|@sha256:", image)] == []


def test_an_overlay_names_every_image_of_ours_anew() -> None:
    images = set(values(rendered("overlays/example"), "image"))
    assert images == {"registry.example.com/pi3-flink:0.1.0"}


def test_secrets_are_references() -> None:
    manifests = rendered("base")
    named = {*values(manifests, "secretName"), *(ref["name"] for ref in values([manifests, VALUES], "secretRef"))}
    named |= {ref["name"] for key in ("secret", "passwordSecret") for ref in values(manifests, key) if "name" in ref}
    named |= {ref["name"] for ref in values(VALUES, "secretKeyRef")}
    assert named == SECRET_NAMES
    assert "Secret" not in {manifest["kind"] for manifest in manifests}
    assert not [name for name in settings_of("overlays/example") if "PASSWORD" in name]


def test_dagster_launches_through_the_operator(manifests: list[Manifest], settings: Settings) -> None:
    deployment = one(manifests, "FlinkDeployment")
    assert settings.flink_backend == "kubernetes"
    assert deployment["metadata"].get("namespace", "pi3") == settings.kubernetes_namespace
    (role,) = (found for found in manifests if found["kind"] == "Role" and found["metadata"]["name"] == "pi3-dagster")
    verbs = {rule["resources"][0]: rule["verbs"] for rule in role["rules"]}
    assert (verbs["flinkdeployments"], verbs["configmaps"]) == (["get", "patch"], ["create", "delete"])


def test_dagster_gets_settings_that_there_are() -> None:
    (deployment,) = VALUES["dagster-user-deployments"]["deployments"]
    names = {item["name"].removeprefix("PI3_").lower() for item in deployment["env"]}
    assert names <= set(Settings.model_fields)
    assert deployment["envConfigMaps"] == [{"name": "pi3-settings"}]
    assert deployment["envSecrets"] == [{"name": "pi3-object-store"}]


def test_every_pod_of_dagster_is_let_through(manifests: list[Manifest]) -> None:
    (deployment,) = VALUES["dagster-user-deployments"]["deployments"]
    runs = VALUES["runLauncher"]["config"]["k8sRunLauncher"]
    pods = [VALUES["dagsterWebserver"], VALUES["dagsterDaemon"], deployment, runs]
    assert all(pod["labels"] == {"pi3/role": "control-plane"} and pod["resources"]["limits"] for pod in pods)
    peers = [peer.get("podSelector", {}).get("matchLabels") for found in values(manifests, "from") for peer in found]
    assert peers.count({"pi3/role": "control-plane"}) == 3
