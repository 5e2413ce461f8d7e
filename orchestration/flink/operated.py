"""A job that Flink's Kubernetes operator runs, as a Dagster resource."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from orchestration.flink.kubernetes import SERVICE_ACCOUNT, ConfigMaps, CustomResource
from orchestration.flink.operator import OperatedClient
from orchestration.flink.resource import FlinkResource

RESOURCES: Final = "/apis/flink.apache.org/v1beta1/namespaces/{namespace}/flinkdeployments/{name}"


@dataclass(frozen=True)
class OperatedFlinkResource(FlinkResource):
    """A cluster that is one job's own, and comes and goes with it: the same verbs as for a session cluster.

    `deployment` is the name of the `FlinkDeployment`, and of its job; `account_dir` the folder with the pod's `token`
    and `ca.crt`.
    """

    kubernetes_url: str = "https://kubernetes.default.svc"
    namespace: str = "pi3"
    deployment: str = ""
    account_dir: Path = SERVICE_ACCOUNT

    @property
    def client(self) -> OperatedClient:
        """The operator's resource, and the JobManager's REST API."""
        path = RESOURCES.format(namespace=self.namespace, name=self.deployment)
        resource = CustomResource(path, self.kubernetes_url, self.account_dir, timeout_s=self.timeout_s)
        return OperatedClient(resource, self.rest_url, self.timeout_s, self.access)

    @property
    def config_maps(self) -> ConfigMaps:
        """Those of the namespace."""
        path = f"/api/v1/namespaces/{self.namespace}/configmaps"
        return ConfigMaps(path, self.kubernetes_url, self.account_dir, timeout_s=self.timeout_s)
