"""Kubernetes' API, as far as a job needs it: a custom resource that is read and changed, and ConfigMaps beside it.

https://kubernetes.io/docs/reference/using-api/api-concepts/
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import requests

from orchestration.flink.errors import FlinkConflict, FlinkNotFound, FlinkRejected, FlinkUnreachable
from orchestration.flink.types import Json

SERVICE_ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
# By this name a server-side apply of somebody else is told whose a field is.
FIELD_MANAGER: Final = "pi3"


@dataclass(frozen=True)
class _Place:
    """A path of the API; `account` is the folder with the pod's `token` and `ca.crt`.

    The token is read anew each time: it is renewed. Every method raises FlinkUnreachable when there is no answer,
    FlinkNotFound when there is no such resource, FlinkConflict when somebody else was first, and FlinkRejected for any
    other refusal.
    """

    path: str
    url: str = "https://kubernetes.default.svc"
    account: Path = SERVICE_ACCOUNT
    timeout_s: float = field(default=3.0, kw_only=True)

    def _call(self, method: str, body: Json | None = None, below: str = "") -> Json:
        where = f"Kubernetes {method} {self.path}{below}"
        try:
            response = requests.request(
                method,
                self.url + self.path + below,
                json=body,
                params={"fieldManager": FIELD_MANAGER} if body else None,
                headers=self._headers(method),
                verify=str(self.account / "ca.crt"),
                timeout=self.timeout_s,
            )
            if not response.ok:
                raise _refusal(where, response)
            return dict(response.json())
        except (requests.ConnectionError, requests.Timeout) as error:
            raise FlinkUnreachable(f"{where}: no answer from {self.url} ({type(error).__name__})") from error
        except requests.JSONDecodeError as error:
            raise FlinkRejected(f"{where}: the answer is not JSON; is {self.url} Kubernetes' API?") from error

    def _headers(self, method: str) -> dict[str, str]:
        try:
            token = (self.account / "token").read_text().strip()
        except OSError as error:
            raise FlinkRejected(f"{error.filename}: {error.strerror}; a pod needs a service account's token") from error
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        return {"Authorization": f"Bearer {token}", "Content-Type": kind}


@dataclass(frozen=True)
class CustomResource(_Place):
    """One custom resource; `path` is `/apis/<group>/<version>/namespaces/<namespace>/<plural>/<name>`."""

    def read(self) -> Json:
        """The resource as it is."""
        return self._call("GET")

    def change(self, resource_version: str, fields: Json) -> Json:
        """Merge `fields` into the resource, if nobody has changed it since `resource_version`.

        Raises: FlinkConflict if somebody has; nothing was changed then.
        """
        metadata = {**fields.get("metadata", {}), "resourceVersion": resource_version}
        return self._call("PATCH", {**fields, "metadata": metadata})


@dataclass(frozen=True)
class ConfigMaps(_Place):
    """The ConfigMaps of a namespace; `path` is `/api/v1/namespaces/<namespace>/configmaps`."""

    def create(self, name: str, data: Mapping[str, str], owner: Json) -> None:
        """Create one that nobody can change, and that goes with its owner (`OwnerReference`)."""
        metadata = {"name": name, "ownerReferences": [owner]}
        made = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "immutable": True, "data": dict(data)}
        self._call("POST", made)

    def delete(self, name: str) -> None:
        """Delete one."""
        self._call("DELETE", below=f"/{name}")


def _refusal(where: str, response: requests.Response) -> Exception:
    code = response.status_code
    try:
        told: Any = response.json()["message"]
    except (requests.JSONDecodeError, KeyError, TypeError):
        told = response.reason
    if code == requests.codes.conflict:
        return FlinkConflict(f"{where}: somebody else has changed it meanwhile; look again")
    if code == requests.codes.too_many_requests or code >= requests.codes.server_error:
        return FlinkUnreachable(f"{where}: {code}: {told}; try again")
    if code in (requests.codes.unauthorized, requests.codes.forbidden):
        return FlinkRejected(f"{where}: {code}: {told}; see the Role in infra/kubernetes/base/dagster.yaml")
    return (FlinkNotFound if code == requests.codes.not_found else FlinkRejected)(f"{where}: {code}: {told}")
