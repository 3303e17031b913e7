"""chatire itself, from the very images that `make up` runs."""

from __future__ import annotations

import json
import secrets
import time
from typing import ClassVar

import httpx

from targets.design import FIRST, HOST, HTTP, SECOND, THIRD, Design
from targets.pod import Pod, PodError

NGINX = 8080
# Who posts and who listens; each is a member of every room.
USERS = 16
ROOMS = 100
ENVIRONMENT = {
    "CHATIRE_ENV": "production",
    "CHATIRE_DB_HOST": HOST,
    "CHATIRE_DB_NAME": "chatire",
    "CHATIRE_ALLOWED_HOSTS": "localhost,127.0.0.1",
    "CHATIRE_ORIGINS": f"http://localhost:{NGINX}",
    "CHATIRE_ACCESS_MINUTES": "1440",
    # A load posts from few sockets what many people would post.
    "CHATIRE_WS_FRAMES_PER_SECOND": "1000000",
    "CHATIRE_WS_FRAMES_BURST": "1000000",
    # Beyond the 10,000 sockets of the idle scenario there are a few that talk.
    "CHATIRE_WS_MAX_SOCKETS": "20000",
    # As many as the compared designs get: two workers of four threads.
    "CHATIRE_HTTP_WORKERS": "2",
    "CHATIRE_HTTP_THREADS": "4",
}


class Chatire(Design):
    """The tiers, each on a port of its own: nothing in front."""

    name = "chatire"
    title = "chatire"
    uris: ClassVar[list[str]] = []
    access: ClassVar[list[str]] = []
    usernames: ClassVar[list[str]] = []
    password: ClassVar[str] = secrets.token_urlsafe(12)

    def _options(self, tier: str, *more: str) -> tuple[str, ...]:
        return ("--volume", f"{self.pod.secrets}:/run/secrets:ro", *more)

    def _environment(self, tier: str, port: int) -> dict[str, str]:
        return {
            **ENVIRONMENT,
            "CHATIRE_DB_USER": "chatire_app",
            "CHATIRE_TIER": tier,
            "CHATIRE_BIND": f"{HOST}:{port}",
        }

    def start(self) -> None:
        for role, port in (("ws1", FIRST), ("ws2", SECOND)):
            self.start_worker(role, port)

    def start_worker(self, role: str, port: int) -> None:
        """Start a ws worker on a port of its own; returns when it takes handshakes."""
        self.pod.start(
            role, "app", "-m", "realtime.server",
            env=self._environment("ws", port),
            options=self._options("ws", "--user", "10012:10000", "--entrypoint", "python"),
            port=port,
        )  # fmt: skip
        self._wait_until_ready(role, port)

    def start_third(self) -> None:
        """Start one worker more than every scenario has, with nothing in front of it."""
        self.start_worker("ws3", THIRD)
        self.ws_ports = (*self.ws_ports, THIRD)

    def _wait_until_ready(self, role: str, port: int) -> None:
        """A worker that listens answers handshakes 503 until it has heard its own notification."""
        deadline = time.monotonic() + READY_SECONDS
        while not _is_ready(port):
            if time.monotonic() > deadline:
                raise PodError(f"{role} does not get ready:\n{self.pod.log(role)}")
            time.sleep(0.1)

    def start_http(self) -> None:
        self.pod.start(
            "http", "app", "-c", "chatire/gunicorn.conf.py", "chatire.wsgi",
            env=self._environment("http", HTTP),
            options=self._options("http", "--user", "10011:10000", "--entrypoint", "gunicorn"),
            port=HTTP,
        )  # fmt: skip

    def path(self, room: int) -> str:
        return f"/ws/chats/{self.uris[room]}/"

    def headers(self, user: int) -> dict[str, str]:
        token = self.access[user % len(self.access)]
        return {"Sec-WebSocket-Protocol": f"chatire, jwt.{token}"}

    def message_path(self, room: int) -> str:
        return f"/api/chats/{self.uris[room]}/messages/"

    async def tokens(self) -> list[str]:
        return self.access

    def frame(self, text: str) -> bytes:
        return json.dumps({"type": "message", "message": text}).encode()


class BehindNginx(Chatire):
    """The same behind nginx, as users reach it: the tiers on Unix sockets, by slot.

    The second worker stays on its port, with nothing in front: who posts there costs the same
    as without nginx, and what differs is the way to the receivers.
    """

    name = "chatire-nginx"
    title = "chatire behind nginx"
    ws_ports: tuple[int, ...] = (NGINX, SECOND)
    http_port = NGINX

    def start(self) -> None:
        self.start_all()
        self.start_worker("ws2", SECOND)
        time.sleep(HEARING_SECONDS)

    def start_http(self) -> None:
        """Nothing: `start` has."""

    def start_all(self, ws: int = 1) -> None:
        """Both tiers and nginx; by default it knows one ws worker, which so gets every socket."""
        sockets = {
            tier: self.pod.volume(
                f"{tier}-sockets", "--opt", "type=tmpfs", "--opt", "device=tmpfs",
                "--opt", f"o=uid={user},gid=10000,mode=2750,size=1m",
            )
            for tier, user in (("http", 10011), ("ws", 10012))
        }  # fmt: skip
        conf = self.pod.volume("nginx-conf")
        mounts = {tier: f"{name}:/run/chatire/{tier}" for tier, name in sockets.items()}
        roles = [("http", "http", 10011), *[(f"ws{n + 1}", "ws", 10012) for n in range(ws)]]
        for role, tier, user in roles:
            options = self._options(tier, "--user", f"{user}:10000", "--volume", mounts[tier])
            self.pod.start(role, "app", tier, env=self._environment(tier, 0), options=options)
        readers = [part for mount in mounts.values() for part in ("--volume", f"{mount}:ro")]
        site = "\n".join(f"{name}={value}" for name, value in NGINX_SETTINGS.items())
        self._configure(ws, site, (*readers, "--volume", f"{conf}:/var/lib/chatire/nginx"))
        self.pod.start(
            "nginx", "nginx",
            options=("--user", "10014:10000", *readers,
                     "--volume", f"{conf}:/var/lib/chatire/nginx:ro"),
            port=NGINX,
        )  # fmt: skip

    def _configure(self, ws: int, site: str, mounts: tuple[str, ...]) -> None:
        """Write nginx.conf as soon as every replica holds its slot. Raises PodError."""
        wanted = f"ws: slots {', '.join(str(n + 1) for n in range(ws))}\n"
        deadline = time.monotonic() + CONFIGURE_SECONDS
        while True:
            try:
                said = self.pod.once(
                    "app", "nginx-config", env={"CHATIRE_SITE": site},
                    options=("--user", "10015:10000", *mounts),
                )  # fmt: skip
            except PodError as error:
                said = str(error)
            if wanted in said:
                return
            if time.monotonic() > deadline:
                raise PodError(f"nginx was not configured: {said}")
            time.sleep(0.3)


def _is_ready(port: int) -> bool:
    try:
        return httpx.get(f"http://{HOST}:{port}/readyz", trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


# One address sends all of the load; a limit for addresses would be what is measured.
NGINX_SETTINGS = {
    f"CHATIRE_NGINX_LIMITS_{name}": "1000000"
    for name in (
        "SIGN_INS_PER_MINUTE", "SIGN_INS_BURST", "SIGN_INS_AT_ONCE", "API_PER_SECOND",
        "API_BURST", "HANDSHAKES_PER_SECOND", "HANDSHAKES_BURST",
    )
}  # fmt: skip
CONFIGURE_SECONDS = 60.0
READY_SECONDS = 30.0
# The same for the worker behind nginx, whose socket nobody here can ask.
HEARING_SECONDS = 2.0


def prepare(pod: Pod) -> None:
    """Migrate, and make the users and rooms of a run. Raises PodError, httpx.HTTPError."""
    pod.once(
        "app", "migrate",
        env={**ENVIRONMENT, "CHATIRE_DB_USER": "chatire_owner"},
        options=("--user", "10013:10000", "--volume", f"{pod.secrets}:/run/secrets:ro"),
    )  # fmt: skip
    chatire = Chatire(pod)
    chatire.start_http()
    try:
        with httpx.Client(base_url=f"http://{HOST}:{HTTP}", timeout=30, trust_env=False) as client:
            for number in range(USERS):
                body = {"username": f"bench-{number}", "password": Chatire.password}
                client.post("/auth/users/", json=body).raise_for_status()
                answer = client.post("/auth/jwt/create/", json=body).raise_for_status()
                Chatire.access.append(answer.json()["access"])
                Chatire.usernames.append(body["username"])
            owner = {"Authorization": f"JWT {Chatire.access[0]}"}
            for _ in range(ROOMS):
                answer = client.post("/api/chats/", headers=owner).raise_for_status()
                Chatire.uris.append(answer.json()["uri"])
    finally:
        chatire.stop()
    # By SQL, for 1,500 calls would only make everybody wait.
    pod.sql(
        "INSERT INTO chat_membership (chat_id, user_id) SELECT c.id, u.id"
        " FROM chat_chat c CROSS JOIN auth_user u ON CONFLICT DO NOTHING"
    )
