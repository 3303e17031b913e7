"""Certificates as an operator brings them: made by nobody but this test."""

from __future__ import annotations

from pathlib import Path

from lab import must


def pair(
    folder: Path, name: str, *names: str, good: tuple[str, str] = ("20200101", "20991231")
) -> tuple[Path, Path]:
    """A certificate for these names, good from one day to another, and its key."""
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    held = ",".join(f"DNS:{each}" for each in names)
    must(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
        + ["-nodes", "-subj", f"/CN={names[0]}", "-addext", f"subjectAltName={held}"]
        + ["-not_before", f"{good[0]}000000Z", "-not_after", f"{good[1]}000000Z"]
        + ["-keyout", str(key), "-out", str(certificate)]
    )
    return certificate, key
