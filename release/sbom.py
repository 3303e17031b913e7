"""The bill of materials in CycloneDX 1.6: every Python distribution and npm package of a release.

Pure functions from what lies in the bundle to a document; nothing in it depends on when or where
it was made, so that two builds of one commit are alike.
"""

import hashlib
import json
import uuid
import zipfile
from collections.abc import Iterable, Iterator
from email.parser import HeaderParser
from pathlib import Path
from typing import Any
from urllib.parse import quote

# Of this project's own: serial numbers are made from it and the version.
NAMESPACE = uuid.UUID("6f6ad0a4-4f0c-5d1e-9a37-3d6c0a1f6c11")

Component = dict[str, Any]


def python_component(wheel: Path) -> Component:
    """A wheel as a component, from its own metadata. Raises ValueError where it has none."""
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        if len(names) != 1:
            raise ValueError(f"{wheel.name} has {len(names)} METADATA files; expected one")
        metadata = HeaderParser().parsestr(archive.read(names[0]).decode("utf-8", "replace"))
    name, version = metadata["Name"], metadata["Version"]
    normal = name.lower().replace("_", "-").replace(".", "-")
    component: Component = {
        "type": "library",
        "bom-ref": f"wheel:{wheel.name}",
        "name": name,
        "version": version,
        "hashes": [{"alg": "SHA-256", "content": hashlib.sha256(wheel.read_bytes()).hexdigest()}],
        "purl": f"pkg:pypi/{normal}@{quote(version)}",
    }
    expression, text = metadata["License-Expression"], metadata["License"]
    if expression:
        component["licenses"] = [{"expression": expression}]
    elif text and "\n" not in text.strip():
        component["licenses"] = [{"license": {"name": text.strip()}}]
    return component


def npm_components(lock: str) -> Iterator[Component]:
    """The packages of a package-lock.json that end up in the page, not those that build it."""
    for path, package in sorted(json.loads(lock)["packages"].items()):
        if not path or package.get("dev") or package.get("optional") or package.get("peer"):
            continue
        name = path.rpartition("node_modules/")[2]
        component: Component = {
            "type": "library",
            "bom-ref": f"npm:{path}",
            "name": name,
            "version": package["version"],
            "purl": f"pkg:npm/{quote(name, safe='/')}@{package['version']}",
        }
        if "license" in package:
            component["licenses"] = [{"expression": package["license"]}]
        yield component


def document(name: str, version: str, time: str, components: Iterable[Component]) -> dict[str, Any]:
    """The whole document; `time` is the commit's."""
    root = f"pkg:generic/{name}@{quote(version)}"
    listed = sorted(components, key=lambda component: component["bom-ref"])
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(NAMESPACE, version)}",
        "version": 1,
        "metadata": {
            "timestamp": time,
            "component": {
                "type": "application",
                "bom-ref": root,
                "name": name,
                "version": version,
                "purl": root,
            },
        },
        "components": listed,
        "dependencies": [{"ref": root, "dependsOn": [each["bom-ref"] for each in listed]}],
    }
