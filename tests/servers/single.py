"""One host with everything on it, and what is asked of it."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

from lab import Host, Lab


@dataclass
class Single:
    """One host for everything, and the release it was provisioned with."""

    lab: Lab
    host: Host
    inventory: Path
    bundle: Path

    @property
    def url(self) -> str:
        return f"https://{self.host.name}"

    def current(self) -> str:
        return self.host.shell("basename $(readlink /opt/chatire/current)").output.strip()

    def kept(self) -> set[str]:
        """The releases on the host's disk."""
        return set(self.host.shell("ls /opt/chatire/releases").output.split())

    def running(self) -> set[str]:
        """The releases that processes of the tiers run."""
        units = "chatire-http@1 chatire-http@2 chatire-ws@1 chatire-ws@2"
        pids = f"systemctl show --property=MainPID --value {units} | grep ."
        found = self.host.shell(f"for pid in $({pids}); do readlink /proc/$pid/cwd; done").output
        return {line.split("/")[4] for line in found.split()}

    def nginx_files(self) -> str:
        """What nginx runs by, byte for byte, and whatever else lies there."""
        return self.host.shell("cd /etc/chatire/nginx && sha256sum $(ls -A)").output

    def answers(self) -> bool:
        """Whether nginx does, at the address that people know."""
        certificate = self.host.shell("cat /etc/chatire/tls/site.pem").output
        return ssl.get_server_certificate((self.host.name, 443)) == certificate
