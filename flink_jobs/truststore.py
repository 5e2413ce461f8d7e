"""The authorities that Flink's own client trusts: it reads Java's key stores alone, so one is made of them."""

from __future__ import annotations

from pathlib import Path
from typing import Final

# It guards against nothing: what is in the store is public.
STORE_PASSWORD: Final = "changeit"  # noqa: S105

CIPHERS: Final = (
    "TLS_AES_256_GCM_SHA384",
    "TLS_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
)


def trusting(ca_file: str | None, folder: Path) -> dict[str, str]:
    """Flink's settings to trust the authorities of a PEM file, or those that the Java runtime trusts.

    Raises: Py4JJavaError for a file that cannot be read.
    """
    store = _java_authorities() if ca_file is None else _store(ca_file, folder / "truststore.p12")
    return {
        "security.ssl.rest.truststore": str(store),
        "security.ssl.rest.truststore-password": STORE_PASSWORD,
        # Flink's defaults are TLS 1.2 with RSA keys alone, which many a proxy does not speak.
        "security.ssl.protocol": "TLSv1.3,TLSv1.2",
        "security.ssl.algorithms": ",".join(CIPHERS),
        # Of a client; that of the cluster among its own is `security.ssl.internal`.
        "security.ssl.verify-hostname": "true",
    }


def _java_authorities() -> Path:
    from pyflink.java_gateway import get_gateway

    return Path(get_gateway().jvm.System.getProperty("java.home")) / "lib" / "security" / "cacerts"


def _store(ca_file: str, path: Path) -> Path:
    from pyflink.java_gateway import get_gateway

    jvm = get_gateway().jvm
    password = get_gateway().new_array(jvm.char, len(STORE_PASSWORD))
    for position, letter in enumerate(STORE_PASSWORD):
        password[position] = letter
    store = jvm.java.security.KeyStore.getInstance("PKCS12")
    store.load(None, None)
    certificates = jvm.java.security.cert.CertificateFactory.getInstance("X.509").generateCertificates(
        jvm.java.io.FileInputStream(ca_file)
    )
    for number, certificate in enumerate(certificates):
        store.setCertificateEntry(f"ca-{number}", certificate)
    store.store(jvm.java.io.FileOutputStream(str(path)), password)
    return path
