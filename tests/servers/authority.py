"""A certificate authority for one run of the tests."""

from __future__ import annotations

from pathlib import Path

from lab import must

NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
# As public CAs give them.
DAYS = "90"
# Where a public CA would tell which of its certificates no longer hold; nobody asks there.
REVOKED_AT = "http://revoked.ca.test/root.crl"


class Authority:
    """A root in `folder`; `root` is its certificate, to be trusted."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / "root.pem"
        self.key = folder / "root.key"
        must(
            ["openssl", "req", "-x509", *NEW_KEY, "-days", DAYS, "-subj", "/CN=chatire's test CA"]
            + ["-addext", "keyUsage=critical,keyCertSign,cRLSign"]
            + ["-keyout", str(self.key), "-out", str(self.root)]
        )

    def issue(self, name: str, *more: str) -> tuple[Path, Path]:
        """A server's certificate for DNS names, with its key; returns both paths."""
        certificate, key = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        names = ",".join(f"DNS:{each}" for each in (name, *more))
        must(
            ["openssl", "req", "-x509", "-CA", str(self.root), "-CAkey", str(self.key)]
            + [*NEW_KEY, "-days", DAYS, "-subj", f"/CN={name}"]
            + ["-addext", f"subjectAltName={names}"]
            + ["-addext", "basicConstraints=critical,CA:FALSE"]
            + ["-addext", "keyUsage=critical,digitalSignature"]
            + ["-addext", "extendedKeyUsage=serverAuth"]
            + ["-addext", f"crlDistributionPoints=URI:{REVOKED_AT}"]
            + ["-keyout", str(key), "-out", str(certificate)]
        )
        return certificate, key
