"""Holds a certificate to its key, to today's date and to the names that it is to serve.

`check_certificate.py NAME…` reads both from standard input, as PEM: the key, and the certificate
before those that it is signed by. Exit status 1 and the first thing that is wrong where nginx would
not start with them, or a browser would not take them.
"""

import re
import sys
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

BLOCK = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----.+?-----END \1-----\n?", re.DOTALL)


def covers(pattern: str, name: str) -> bool:
    """Whether a certificate's name is for this one; a star is for one label (RFC 6125, 6.4.3)."""
    _, _, rest = name.partition(".")
    return pattern.lower() in (name.lower(), f"*.{rest.lower()}")


def held(certificate: x509.Certificate) -> list[str]:
    """The names and addresses that it is for: browsers read no others."""
    try:
        kinds = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    addresses = kinds.get_values_for_type(x509.IPAddress)
    return [*kinds.get_values_for_type(x509.DNSName), *map(str, addresses)]


def problem(text: str, names: list[str]) -> str:
    """What is wrong; nothing where all is well."""
    blocks = [(each[1], each[0].encode()) for each in BLOCK.finditer(text)]
    keys = [block for kind, block in blocks if kind.endswith("PRIVATE KEY")]
    found = [block for kind, block in blocks if kind == "CERTIFICATE"]
    if len(keys) != 1 or not found:
        return "expected a private key and a certificate, as PEM."
    try:
        key = load_pem_private_key(keys[0], password=None)
        certificate = x509.load_pem_x509_certificate(found[0])
    except (TypeError, ValueError) as error:
        return f"they cannot be read ({error}); expected PEM, the key without a passphrase."
    if certificate.public_key() != key.public_key():
        return (
            "the certificate is not this key's; expected two that belong together,"
            " and the certificate before those that it is signed by."
        )
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if not begins <= datetime.now(UTC) <= ends:
        return (
            f"the certificate is good from {begins:%d %B %Y} to {ends:%d %B %Y};"
            " expected one that is good today."
        )
    missing = [name for name in names if not any(covers(each, name) for each in held(certificate))]
    if missing:
        return (
            f"the certificate is for {', '.join(held(certificate)) or 'no name'},"
            f" not for {', '.join(missing)}; expected all names of the chat."
        )
    return ""


if __name__ == "__main__":
    sys.exit(problem(sys.stdin.read(), sys.argv[1:]) or 0)
