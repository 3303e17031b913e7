"""Whether this process lives, and whether it can serve."""

from __future__ import annotations

from django.db import Error, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, JsonResponse

from ops.errors import problem

# Once all migrations are found applied they stay so while this process lives: a release that
# brings new ones comes with a new process. Until then every probe looks again.
_migrated = False


def healthz(request: HttpRequest) -> JsonResponse:
    """200: the process lives. Asks nobody else, so that no outage gets a live process restarted."""
    if request.method not in ("GET", "HEAD"):
        return _not_allowed()
    return JsonResponse({"status": "ok"})


def readyz(request: HttpRequest) -> JsonResponse:
    """200: the database answers and has this release's tables; else 503 with the reason."""
    if request.method not in ("GET", "HEAD"):
        return _not_allowed()
    reason = not_ready()
    if reason is None:
        return JsonResponse({"status": "ok"})
    return JsonResponse(
        {"status": "unready", "detail": reason, "code": "unready"},
        status=503,
        headers={"Retry-After": "1"},
    )


def _not_allowed() -> JsonResponse:
    return problem(405, "Only GET and HEAD.", "method_not_allowed", Allow="GET, HEAD")


def not_ready() -> str | None:
    """Why this process cannot serve, or None."""
    global _migrated
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_is_in_recovery()")
            if cursor.fetchone()[0]:
                return "the database is a read-only standby"
        if not _migrated:
            missing = unapplied_migrations()
            if missing:
                return f"migrations are not applied: {', '.join(missing)}"
            _migrated = True
    except Error as error:
        # The error's text names hosts and roles, which is nobody's business out there.
        return f"the database cannot be reached ({type(error).__name__})"
    return None


def unapplied_migrations() -> list[str]:
    """The migrations of this release that the database does not have yet."""
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return [f"{migration.app_label}.{migration.name}" for migration, _ in plan]
