"""Kubernetes' API, as far as one custom resource needs it: read it, and change what was read.

https://kubernetes.io/docs/reference/using-api/api-concepts/
"""

from __future__ import annotations

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
class CustomResource:
    """One custom resource; `path` is its own, such as `/apis/<group>/<version>/namespaces/<namespace>/<plural>/<name>`.

    `account` is the folder with the pod's `token` and `ca.crt`. The token is read anew each time: it is renewed.
    Every method raises FlinkUnreachable when there is no answer, FlinkNotFound when there is no such resource, and
    FlinkRejected for any other refusal.
    """

    path: str
    url: str = "https://kubernetes.default.svc"
    account: Path = SERVICE_ACCOUNT
    timeout_s: float = field(default=3.0, kw_only=True)

    def read(self) -> Json:
        """The resource as it is."""
        return self._call("GET")

    def change(self, resource_version: str, fields: Json) -> Json:
        """Merge `fields` into the resource, if nobody has changed it since `resource_version`.

        Raises: FlinkConflict if somebody has; nothing was changed then.
        """
        metadata = {**fields.get("metadata", {}), "resourceVersion": resource_version}
        return self._call("PATCH", {**fields, "metadata": metadata})

    def _call(self, method: str, body: Json | None = None) -> Json:
        where = f"Kubernetes {method} {self.path}"
        try:
            response = requests.request(
                method,
                self.url + self.path,
                json=body,
                params={"fieldManager": FIELD_MANAGER} if body else None,
                headers=self._headers(),
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

    def _headers(self) -> dict[str, str]:
        try:
            token = (self.account / "token").read_text().strip()
        except OSError as error:
            raise FlinkRejected(f"{error.filename}: {error.strerror}; a pod needs a service account's token") from error
        return {"Authorization": f"Bearer {token}", "Content-Type": "application/merge-patch+json"}


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
