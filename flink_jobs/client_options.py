"""How the job's Java clients are let in, said by the names of librdkafka and libpq. Pure.

https://github.com/confluentinc/librdkafka/blob/master/CONFIGURATION.md
https://kafka.apache.org/documentation/#security_configclients
https://www.postgresql.org/docs/18/libpq-connect.html#LIBPQ-PARAMKEYWORDS
https://jdbc.postgresql.org/documentation/use/#connection-parameters
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

__all__ = ["PASSWORD", "OptionError", "jdbc_options", "kafka_options"]

PASSWORD: Final = "sasl.password"  # noqa: S105 - a name
USERNAME: Final = "sasl.username"

# Flink's connector carries Kafka's classes under another name, those of the logins among them.
_MODULES: Final = "org.apache.flink.kafka.shaded.org.apache.kafka.common.security"
SCRAM: Final = f"{_MODULES}.scram.ScramLoginModule"
LOGINS: Final = {"PLAIN": f"{_MODULES}.plain.PlainLoginModule", "SCRAM-SHA-256": SCRAM, "SCRAM-SHA-512": SCRAM}

# What of the options that are meant for all clients says how one is let in; the rest tunes librdkafka alone.
KAFKA_SECURITY: Final = ("security.", "sasl.", "ssl.", "enable.ssl.")
RENAMED: Final = {
    "sasl.mechanisms": "sasl.mechanism",
    "ssl.ca.pem": "ssl.truststore.certificates",
    "ssl.certificate.pem": "ssl.keystore.certificate.chain",
    "ssl.key.pem": "ssl.keystore.key",
}
# Options of which several make one of the Java client's.
COMPOSED: Final = frozenset({USERNAME, PASSWORD, "ssl.ca.location", "ssl.certificate.location", "ssl.key.location"})
JDBC_SECURITY: Final = {
    "channel_binding": "channelBinding",
    "gssencmode": "gssEncMode",
    "sslcert": "sslcert",
    "sslkey": "sslkey",
    "sslmode": "sslmode",
    "sslnegotiation": "sslNegotiation",
    "sslrootcert": "sslrootcert",
    "target_session_attrs": "targetServerType",
}
SERVER_TYPES: Final = {
    "any": "any",
    "prefer-standby": "preferSecondary",
    "primary": "primary",
    "read-only": "secondary",
    "read-write": "primary",
    "standby": "secondary",
}
# To leave these out in silence would be less security than was asked for.
WITHOUT_COUNTERPART: Final = frozenset({
    "ssl.ca.certificate.stores", "ssl.cipher.suites", "ssl.crl.location", "ssl.curves.list", "ssl.engine.location",
    "ssl.providers", "ssl.sigalgs.list", "sslcrl", "sslcrldir", "sslpassword",
})  # fmt: skip


class OptionError(ValueError):
    """An option cannot be said to the Java client; the message names it and what to do, and no value."""


def kafka_options(shared: Mapping[str, str], own: Mapping[str, str]) -> dict[str, str]:
    """Properties of Kafka's Java client: of `shared` what concerns security, and all of `own`, which wins.

    `own` may use the client's own names too; an empty value takes an option away.

    Raises:
        OptionError: an option cannot be said there.
    """
    given = _joined({name: value for name, value in shared.items() if name.startswith(KAFKA_SECURITY)}, own)
    if given.pop("enable.ssl.certificate.verification", "true") != "true":
        raise OptionError("the Java client always verifies: instead of enable.ssl.certificate.verification=false, name "
                          "the CA in ssl.ca.location")  # fmt: skip
    found = {RENAMED.get(name, name): value for name, value in given.items() if name not in COMPOSED}
    for name in found.keys() & {"security.protocol", "sasl.mechanism"}:
        found[name] = found[name].upper()
    if found.get("ssl.endpoint.identification.algorithm") == "none":
        found["ssl.endpoint.identification.algorithm"] = ""
    return {**_stores(given), **_login(given, found.get("sasl.mechanism", "")), **found}


def jdbc_options(shared: Mapping[str, str], own: Mapping[str, str]) -> dict[str, str]:
    """Properties of PostgreSQL's JDBC driver: of `shared` what concerns security, and all of `own`, which wins.

    `own` may use the driver's own names too; an empty value takes an option away.

    Raises:
        OptionError: an option cannot be said there.
    """
    known = JDBC_SECURITY.keys() | WITHOUT_COUNTERPART
    given = _joined({name: value for name, value in shared.items() if name in known}, own)
    if "sslpassword" in given:
        raise OptionError("sslpassword would stand in the job's JDBC address: give the sink a key without a password")
    if (attributes := given.get("target_session_attrs", "any")) not in SERVER_TYPES:
        raise OptionError(f"target_session_attrs should be one of {', '.join(SERVER_TYPES)}")
    if "target_session_attrs" in given:
        given["target_session_attrs"] = SERVER_TYPES[attributes]
    found = {JDBC_SECURITY.get(name, name): value for name, value in given.items()}
    if found.get("sslrootcert") == "system":
        del found["sslrootcert"]
        found = {"sslfactory": "org.postgresql.ssl.DefaultJavaSSLFactory", **found}
    return found


def _joined(shared: Mapping[str, str], own: Mapping[str, str]) -> dict[str, str]:
    if found := sorted((WITHOUT_COUNTERPART & shared.keys()) - own.keys()):
        raise OptionError(
            f"{', '.join(found)} cannot be said to the Java client: leave it out, or say for Flink what it shall have "
            "instead, with an empty value for nothing"
        )
    return {name: value for name, value in {**shared, **own}.items() if value}


def _stores(given: Mapping[str, str]) -> dict[str, str]:
    """Certificates and keys by their paths, so the files have to lie there on Flink's hosts too."""
    stores = {}
    if "ssl.ca.location" in given or "ssl.ca.pem" in given:
        stores["ssl.truststore.type"] = "PEM"
    if "ssl.ca.location" in given:
        stores["ssl.truststore.location"] = given["ssl.ca.location"]
    chain, key = given.get("ssl.certificate.location"), given.get("ssl.key.location")
    if chain != key:
        raise OptionError(
            "Kafka's Java client reads key and certificate from one file: put both into one PEM file, the key as "
            "PKCS#8, and name it in ssl.key.location and in ssl.certificate.location"
        )
    if chain or "ssl.key.pem" in given:
        stores["ssl.keystore.type"] = "PEM"
    elif "ssl.keystore.location" in given:
        stores["ssl.keystore.type"] = "PKCS12"
    return {**stores, "ssl.keystore.location": chain} if chain else stores


def _login(given: Mapping[str, str], mechanism: str) -> dict[str, str]:
    if USERNAME not in given or PASSWORD not in given:
        return {}
    if mechanism not in LOGINS:
        raise OptionError(f"sasl.mechanism should be one of {', '.join(LOGINS)} for a user name and a password")
    user, password = (_quoted(given[name]) for name in (USERNAME, PASSWORD))
    return {"sasl.jaas.config": f"{LOGINS[mechanism]} required username={user} password={password};"}


def _quoted(text: str) -> str:
    """A value of a JAAS configuration."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
