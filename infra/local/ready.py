"""When is a server ready? Each question is asked of the server itself, as a client would."""

from __future__ import annotations

from infra.local.errors import SetupError
from infra.local.paths import StackPaths
from infra.local.ports import LOOPBACK, Ports
from infra.local.postgres import superuser


def kafka(ports: Ports) -> bool:
    """The broker answers a metadata request."""
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import AdminClient

    client = AdminClient({"bootstrap.servers": f"{LOOPBACK}:{ports.kafka}", "log_level": 0, "socket.timeout.ms": 2000})
    try:
        return bool(client.list_topics(timeout=2).brokers)
    except KafkaException:
        return False


def postgres(paths: StackPaths, ports: Ports) -> bool:
    """The server accepts a session."""
    import psycopg2

    try:
        superuser(paths, ports, connect_timeout_s=2).close()
    except psycopg2.OperationalError as error:
        # A wrong password will not mend by waiting; what does mend is a server that is still starting.
        if "password authentication failed" in str(error):
            raise SetupError(
                f"Postgres refuses the password in {paths.secrets / 'postgres_superuser_password'}: bring back the "
                f"secrets that belong to {paths.data / 'postgres'}, or `make clean` to begin with an empty database"
            ) from error
        return False
    return True


def flink(ports: Ports) -> bool:
    """The JobManager knows a TaskManager with slots."""
    return int(_json(f"http://{LOOPBACK}:{ports.flink_rest}/overview").get("slots-total", 0)) > 0


def dagster(ports: Ports) -> bool:
    """The webserver answers."""
    return "dagster_version" in _json(f"http://{LOOPBACK}:{ports.dagster}/server_info")


def _json(url: str) -> dict[str, str]:
    import requests

    with requests.Session() as session:
        session.trust_env = False  # a proxy of the environment knows nothing of this machine's loopback
        try:
            return dict(session.get(url, timeout=2).json())
        except (requests.RequestException, ValueError):
            return {}
