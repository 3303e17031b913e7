"""Hosts to provision: containers with systemd as PID 1, and Ansible run against them over SSH.

The tests run in the controller's container (see `run`), beside the hosts on a network of their own,
where each finds the other by name. What a host is made of stands in host.Dockerfile.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ledger.beside import Beside, Count, counting

REPOSITORY = Path(__file__).resolve().parents[2]
PLAYBOOKS = REPOSITORY / "deploy" / "ansible"

# Network, beginning of the containers' names, and the images' tag: this checkout's own (names.sh).
PREFIX = os.environ.get("CHATIRE_SERVERS", "chatire-servers")
TAG = os.environ.get("CHATIRE_SERVERS_TAG", "local")
# How these machines are fetched for: apt's sources and settings, made by `run`.
FETCH = Path(os.environ.get("CHATIRE_FETCH", "/fetch"))

# What systemd needs of a container, and ptrace, without which the suite could not look
# into the units' namespaces as root does on a server.
HOST_OPTIONS = (
    "--cgroupns=private",
    "--cap-add=SYS_ADMIN",
    "--cap-add=NET_ADMIN",
    "--cap-add=SYS_PTRACE",
    "--security-opt=seccomp=unconfined",
    "--security-opt=apparmor=unconfined",
    "--tmpfs=/run",
    "--tmpfs=/run/lock",
    "--tmpfs=/tmp",
    "--env=container=docker",
    "--env=SYSTEMD_PROC_CMDLINE=systemd.unified_cgroup_hierarchy=0"
    " SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1",
    # A reboot ends the container; this brings it back as a power button would.
    "--restart=always",
)
# A host is up in half a second; a loaded machine takes longer.
UP_SECONDS = 60.0
# A reader whose process restarts is back within this, at the 95th percentile.
RECONNECT_SECONDS = 2.0
# One room; of twenty messages a second twelve are posts. Whoever is away at the end has 15 s.
TRAFFIC = ("--rooms=1", "--clients=20", "--people=2", "--rate=20", "--settle=15")
# A post that takes longer than this has failed.
PATIENCE_SECONDS = 30.0
# Longer than the slowest playbook on two busy cores.
PLAYBOOK_SECONDS = 1200


@dataclass(frozen=True)
class Ran:
    """A command that ended."""

    status: int
    output: str
    seconds: float

    @property
    def recap(self) -> Mapping[str, Mapping[str, int]]:
        """What Ansible counted, by host."""
        found = {}
        for line in self.output.splitlines():
            match = re.match(r"(\S+)\s+: (ok=\d.*)$", line)
            if match:
                found[match[1]] = {
                    name: int(count)
                    for name, count in (pair.split("=") for pair in match[2].split())
                }
        return found

    @property
    def changed(self) -> int:
        return sum(host["changed"] for host in self.recap.values())


def run(
    command: Sequence[str], *, seconds: float = 120, environment: Mapping[str, str] = os.environ
) -> Ran:
    """Run a command to its end; its output is both streams. Raises subprocess.TimeoutExpired."""
    began = time.monotonic()
    done = subprocess.run(
        list(command),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=seconds,
        check=False,
        env=dict(environment),
    )
    return Ran(done.returncode, done.stdout, time.monotonic() - began)


def must(command: Sequence[str], **options: Any) -> str:
    """The output of a command that has to succeed."""
    done = run(command, **options)
    assert done.status == 0, f"$ {shlex.join(command)}\n(exit status {done.status})\n{done.output}"
    return done.output


def wait_until(true: Callable[[], object], what: str, within: float) -> None:
    """Ask again until the answer is truthy. Raises AssertionError after `within` seconds."""
    deadline = time.monotonic() + within
    while not true():
        assert time.monotonic() < deadline, f"{what}: not within {within:g} s"
        time.sleep(0.2)


ANSIBLE = {
    **os.environ,
    "ANSIBLE_CONFIG": str(PLAYBOOKS / "ansible.cfg"),
    "ANSIBLE_NOCOLOR": "1",
}


def playing(playbook: str, inventory: Path, *options: str, **variables: object) -> list[str]:
    """The command that runs a playbook."""
    given = [f"--extra-vars={json.dumps(variables, default=str)}"] if variables else []
    return ["ansible-playbook", "-i", str(inventory), *options, *given, str(PLAYBOOKS / playbook)]


class Host:
    """One server of the lab."""

    def __init__(self, lab: Lab, name: str, release: str) -> None:
        self.lab = lab
        self.name = name
        self.container = f"{PREFIX}-{name}"
        must(["docker", "rm", "--force", "--volumes", self.container])
        must(
            ["docker", "create", "--name", self.container, "--hostname", name]
            + ["--network", lab.network, "--network-alias", name, *HOST_OPTIONS]
            + [f"chatire-servers/{release}:{TAG}"]
        )
        with tempfile.TemporaryDirectory() as folder:
            given = Path(folder) / "host"
            given.mkdir(mode=0o755)
            (given / "authorized_keys").write_text(lab.key.with_suffix(".pub").read_text())
            sources = re.sub("trixie|bookworm", release, (FETCH / "apt_sources").read_text())
            (given / "apt_sources").write_text(sources)
            conf = (FETCH / "apt_conf").read_text().replace("/run/secrets/ca", "/host/ca")
            (given / "apt_conf").write_text(conf)
            if (FETCH / "ca").exists():
                (given / "ca").write_bytes((FETCH / "ca").read_bytes())
            for path in given.iterdir():
                path.chmod(0o644)
            must(["docker", "cp", str(given), f"{self.container}:/host"])
        must(["docker", "start", self.container])
        self.wait()

    def shell(self, command: str) -> Ran:
        """Run a command as root, past SSH."""
        return run(["docker", "exec", self.container, "sh", "-c", command])

    def sql(self, statement: str) -> str:
        """What PostgreSQL answers to its superuser."""
        asked = self.shell(f'cd / && runuser -u postgres -- psql -d chatire -Atc "{statement}"')
        assert asked.status == 0, asked.output
        return asked.output.strip()

    def wait(self) -> None:
        """Until systemd has started what there is to start."""
        state = ("running", "degraded")
        wait_until(
            lambda: self.shell("systemctl is-system-running").output.strip() in state,
            f"{self.name} is up",
            UP_SECONDS,
        )

    @contextmanager
    def full(self, path: str) -> Iterator[None]:
        """For so long the disk of this folder holds next to nothing."""
        small = f"mkdir -p {path} && mount -t tmpfs -o size=4m tmpfs {path}"
        assert self.shell(small).status == 0
        try:
            yield
        finally:
            assert self.shell(f"umount {path}").status == 0

    @contextmanager
    def without_ssh(self) -> Iterator[Callable[[], object]]:
        """What is given hangs up every SSH session and lets no new one in, until the end."""
        cut = "systemctl stop ssh.socket ssh.service; pkill -KILL sshd"
        try:
            yield lambda: self.shell(cut)
        finally:
            self.shell("systemctl start ssh.service")

    def boot_time(self) -> str:
        return must(["docker", "inspect", "--format", "{{.State.StartedAt}}", self.container])

    def reboot(self) -> None:
        """As an operator would, from inside; returns when it is up again."""
        before = self.boot_time()
        self.shell("systemctl reboot")
        wait_until(lambda: self.boot_time() != before, f"{self.name} went down", UP_SECONDS)
        wait_until(lambda: self.shell("true").status == 0, f"{self.name} came back", UP_SECONDS)
        self.wait()

    def lose_power(self) -> None:
        """All that runs ends without a word. What was not yet on the disk is not lost."""
        must(["docker", "kill", self.container])

    def power_up(self) -> None:
        must(["docker", "start", self.container])
        self.wait()

    def remove(self) -> None:
        run(["docker", "rm", "--force", "--volumes", self.container])


def _network() -> str:
    """The controller's network, or this process's own, which the controller then is in as well.

    A host that reboots gives its address back for a moment, and a new host of another process's
    topology would be given it.
    """
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    if not worker:
        return PREFIX
    network = f"{PREFIX}-{worker}"
    must(["docker", "network", "create", network])
    must(["docker", "network", "connect", network, f"{PREFIX}-controller"])
    return network


class Lab:
    """The network, the operator's key, and Ansible."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.network = _network()
        self.key = folder / "key"
        if not self.key.exists():
            must(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.key)])

    def inventory(self, name: str, groups: Mapping[str, Sequence[str]], **variables: Any) -> Path:
        """An inventory's folder; without groups the hosts are all there is.

        A variable that is None is left to the playbooks' default.
        """
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        given = {
            "ansible_user": "debian",
            "ansible_ssh_private_key_file": str(self.key),
            # The hosts are new, and so are their keys.
            "ansible_ssh_common_args": f"-o UserKnownHostsFile={folder}/known_hosts"
            " -o StrictHostKeyChecking=accept-new",
            # The machine's memory is not a test host's.
            "postgresql_memory_mb": 512,
            **variables,
        }
        described: dict[str, Any] = {
            group: {"hosts": dict.fromkeys(hosts)} for group, hosts in groups.items()
        }
        described.setdefault("all", {})["vars"] = {
            name: value for name, value in given.items() if value is not None
        }
        (folder / "hosts.json").write_text(json.dumps(described, indent=1))
        return folder / "hosts.json"

    def play(self, playbook: str, inventory: Path, *options: str, **variables: object) -> Ran:
        """Run a playbook to its end."""
        return run(
            playing(playbook, inventory, *options, **variables),
            seconds=PLAYBOOK_SECONDS,
            environment=ANSIBLE,
        )

    def interrupted(
        self,
        playbook: str,
        inventory: Path,
        at: str,
        accident: Callable[[], object],
        *options: str,
        **variables: object,
    ) -> Ran:
        """The same, with an accident once `at` is printed: a task is with its first result."""
        log = self.folder / "interrupted.log"
        began = time.monotonic()
        with (
            log.open("w") as written,
            subprocess.Popen(
                playing(playbook, inventory, *options, **variables),
                stdout=written,
                stderr=subprocess.STDOUT,
                env=ANSIBLE,
            ) as process,
        ):
            try:
                wait_until(
                    lambda: at in log.read_text() or process.poll() is not None,
                    at,
                    PLAYBOOK_SECONDS,
                )
                assert process.poll() is None, log.read_text()
                accident()
                process.wait(PLAYBOOK_SECONDS)
            finally:
                process.kill()
        return Ran(process.returncode, log.read_text(), time.monotonic() - began)

    def trust(self, host: Host) -> dict[str, str]:
        """The environment of a client that trusts the host's own certificate."""
        kept = self.folder / f"{host.name}.pem"
        kept.write_text(host.shell("cat /etc/chatire/tls/site.pem").output)
        return {**os.environ, "SSL_CERT_FILE": str(kept)}

    def vaulted(self, inventory: Path) -> tuple[Path, Path]:
        """The same inventory with its secrets in an encrypted file, and the password's file."""
        folder = self.folder / f"vault-{inventory.parent.name}"
        secrets = folder / "group_vars" / "all" / "vault.json"
        secrets.parent.mkdir(parents=True, exist_ok=True)
        (folder / "hosts.json").write_text(inventory.read_text())
        made = {
            f"chatire_{path.name}": path.read_text().strip()
            for path in (inventory.parent / ".secrets").iterdir()
        }
        secrets.write_text(json.dumps(made))
        password = self.folder / "vault-password"
        password.write_text("long enough for a test\n")
        must(["ansible-vault", "encrypt", f"--vault-password-file={password}", str(secrets)])
        return folder / "hosts.json", password

    def smoke(self, inventory: Path, front: Host, **variables: object) -> Ran:
        """The suite of tests/infra against the hosts, as `make smoke` runs it.

        Its report follows the output. Raises FileNotFoundError where it wrote none.
        """
        report = self.folder / "smoke.xml"
        report.unlink(missing_ok=True)
        ran = run(
            playing("smoke.yml", inventory, smoke_report=report, **variables),
            seconds=PLAYBOOK_SECONDS,
            environment={**ANSIBLE, **self.trust(front)},
        )
        return replace(ran, output=ran.output + report.read_text())

    @contextmanager
    def traffic(self, url: str, front: Host) -> Iterator[Beside]:
        """Steady traffic as long as the block lasts; its ledger is there afterwards."""
        ca = self.trust(front)["SSL_CERT_FILE"]
        with counting(self.folder, f"--url={url}", f"--ca={ca}", *TRAFFIC) as ledger:
            yield ledger


def expect_clean(count: Count) -> None:
    """Nothing failed or wrong by the history that a member is told, and readers soon back."""
    # The database answers the tiers only.
    count.expect_clean("api", PATIENCE_SECONDS)
    assert count.away["p95"] <= RECONNECT_SECONDS, count
