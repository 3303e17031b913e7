"""Versions of everything that is compared, asked of what runs."""

from __future__ import annotations

from targets.pod import Pod

# Prints a line for each package that is there.
PACKAGES = """
from importlib.metadata import PackageNotFoundError, version
from platform import python_version
print("Python", python_version())
for name in ("django", "channels", "djangorestframework", "uvicorn", "gunicorn", "uvloop",
             "httptools", "websockets", "wsproto", "psycopg", "channels-postgres", "channels-redis",
             "redis"):
    try:
        print("redis-py" if name == "redis" else name, version(name))
    except PackageNotFoundError:
        pass
"""
# The packages of the compared designs, and of Socket.IO, in the bench's image.
DESIGNS = "/opt/designs/bin/python"
NODE = """
const of = (name) => require("/opt/socketio/node_modules/" + name + "/package.json").version;
["Node\\t" + process.version, "Socket.IO\\t" + of("socket.io"),
 "its PostgreSQL adapter\\t" + of("@socket.io/postgres-adapter")].join("\\n")
"""


def versions(pod: Pod) -> list[tuple[str, str]]:
    """Name and version of each part, and how PostgreSQL is set. Raises PodError.

    The Python designs have the application's own packages; where one differs, both are there.
    """
    found = [("PostgreSQL", pod.sql("SHOW server_version")[0][0].split()[0])]
    found += [(name, pod.sql(f"SHOW {name}")[0][0]) for name in ("fsync", "synchronous_commit")]
    of_python = "-c", PACKAGES
    application = _lines(pod, "app", *of_python, options=("--entrypoint", "python"))
    designs = _lines(pod, "bench", DESIGNS, *of_python)
    found += application.items()
    for name, version in designs.items():
        if name not in application:
            found.append((name, version))
        elif application[name] != version:
            found.append((f"{name} of the designs", version))
    nginx = pod.once("nginx", "sh", "-c", "nginx -v 2>&1", env={}, options=())
    redis = pod.once("bench", "redis-server", "--version", env={}, options=())
    found.append(("nginx", nginx.rpartition("/")[2].strip()))
    found.append(("Redis", redis.partition("v=")[2].split()[0]))
    return found + list(_lines(pod, "bench", "node", "-p", NODE, separator="\t").items())


def _lines(
    pod: Pod, image: str, *command: str, options: tuple[str, ...] = (), separator: str = " "
) -> dict[str, str]:
    """What a command says: a name and a version a line."""
    printed = pod.once(image, *command, env={}, options=options)
    return {
        name: version for name, _, version in (x.partition(separator) for x in printed.splitlines())
    }
