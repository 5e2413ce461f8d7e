"""A certificate authority of the tests' own, and what it signs, in the forms that the servers read."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Final

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs12

from infra.local.secrets import write_private

HOST: Final = "localhost"
STORE_PASSWORD: Final = "store-password"  # noqa: S105 - of files that live as long as a test


class Authority:
    """Signs for the servers on loopback, and for clients by their names; `file` is what trusts it (PEM)."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ca = trustme.CA(organization_name="pi3 tests")
        self._server = self._ca.issue_cert(HOST)
        folder.mkdir(parents=True, exist_ok=True)
        self.file = folder / "ca.pem"
        self._ca.cert_pem.write_to_path(self.file)

    def server(self) -> ssl.SSLContext:
        """For a server in Python."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._server.configure_cert(context)
        return context

    def client(self) -> ssl.SSLContext:
        """For a client in Python."""
        return ssl.create_default_context(cafile=str(self.file))

    def server_pem(self) -> Path:
        """Key and chain in one file, as Kafka reads them."""
        return _pem(self._server, self._folder / "server.pem")

    def server_files(self, folder: Path) -> tuple[Path, Path]:
        """Chain and key apart, as PostgreSQL reads them, in a folder that the server may read."""
        chain, key = folder / "server.crt", folder / "server.key"
        chain.write_bytes(b"".join(blob.bytes() for blob in self._server.cert_chain_pems))
        write_private(key, self._server.private_key_pem.bytes().decode())
        return chain, key

    def server_store(self) -> Path:
        """A PKCS#12 store, as Flink reads it."""
        path = self._folder / "server.p12"
        key = serialization.load_pem_private_key(self._server.private_key_pem.bytes(), None)
        certificate = x509.load_pem_x509_certificate(self._server.cert_chain_pems[0].bytes())
        encryption = serialization.BestAvailableEncryption(STORE_PASSWORD.encode())
        path.write_bytes(pkcs12.serialize_key_and_certificates(b"server", key, certificate, None, encryption))  # type: ignore[arg-type]
        return path

    def person(self, name: str) -> Path:
        """Key and chain of a client of this common name, in one file."""
        # With an identity too: Java takes no certificate whose list of them is empty.
        return _pem(self._ca.issue_cert(f"{name}.test", common_name=name), self._folder / f"{name}.pem")


def _pem(certificate: trustme.LeafCert, path: Path) -> Path:
    key = serialization.load_pem_private_key(certificate.private_key_pem.bytes(), None)
    pkcs8 = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    chain = b"".join(blob.bytes() for blob in certificate.cert_chain_pems)
    write_private(path, (pkcs8 + chain).decode())
    return path
