"""Whether this process lives, and whether it can serve."""

from __future__ import annotations

from django.db import Error, connection
from django.db.migrations.executor import MigrationExecutor
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

# Once all migrations are found applied they stay so while this process lives: a release that
# brings new ones comes with a new process. Until then every probe looks again.
_migrated = False

STATUS_SCHEMA = {
    "type": "object",
    "properties": {"status": {"type": "string", "enum": ["ok"]}},
    "required": ["status"],
}


class HealthView(APIView):
    """The process lives."""

    authentication_classes = ()
    permission_classes = ()

    @extend_schema(operation_id="healthz", responses={200: OpenApiResponse(STATUS_SCHEMA)})
    def get(self, request: Request) -> Response:
        """Asks nobody else, so that no outage elsewhere gets a live process restarted."""
        return Response({"status": "ok"})


class ReadyView(APIView):
    """The process can serve."""

    authentication_classes = ()
    permission_classes = ()

    @extend_schema(operation_id="readyz", responses={200: OpenApiResponse(STATUS_SCHEMA)})
    def get(self, request: Request) -> Response:
        """The database takes writes and has this release's tables; else 503 with the reason."""
        reason = not_ready()
        if reason is None:
            return Response({"status": "ok"})
        return Response(
            {"status": "unready", "detail": reason, "code": "unready"},
            status=status.HTTP_503_SERVICE_UNAVAILABLE,
            headers={"Retry-After": "1"},
        )


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
