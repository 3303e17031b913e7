"""A certificate from a CA that speaks ACME: the first, its renewal, and what browsers are told.

The CA is Pebble, Let's Encrypt's own for tests. It runs beside these tests and looks for its
challenges on the host's port 80, as a public one would.
"""

from __future__ import annotations

import json
import os
import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from authority import Authority
from lab import PREFIX, Host, Lab, expect_clean, must, wait_until

pytestmark = pytest.mark.slow

# The controller's name, as the hosts find it.
CA_NAME = f"{PREFIX}-controller"
DIRECTORY_PORT = 14000
MANAGEMENT_PORT = 15000
# As Let's Encrypt gives them.
VALID_SECONDS = 90 * 24 * 3600
CA_SECONDS = 30
RENEWAL_SECONDS = 120
# A cut would be noticed by the readers within this.
AFTERWARDS_SECONDS = 3
HSTS_AT_LEAST = 31536000


class Pebble:
    """The CA, from its start to its end."""

    def __init__(self, folder: Path) -> None:
        self.address = f"https://{CA_NAME}:{DIRECTORY_PORT}/dir"
        # Who speaks to it trusts this; what it issues is trusted by its root.
        self.own = Authority(folder)
        certificate, key = self.own.issue(CA_NAME, "localhost")
        config = folder / "pebble.json"
        config.write_text(
            json.dumps(
                {
                    "pebble": {
                        "listenAddress": f"0.0.0.0:{DIRECTORY_PORT}",
                        "managementListenAddress": f"127.0.0.1:{MANAGEMENT_PORT}",
                        "certificate": str(certificate),
                        "privateKey": str(key),
                        "httpPort": 80,
                        "tlsPort": 443,
                        "certificateValidityPeriod": VALID_SECONDS,
                    }
                }
            )
        )
        self.log = folder / "pebble.log"
        with self.log.open("w") as written:
            self.process = subprocess.Popen(
                ["pebble", "-config", str(config)],
                stdout=written,
                stderr=subprocess.STDOUT,
                # It would wait at random before it looks, for up to 15 s.
                env={**os.environ, "PEBBLE_VA_NOSLEEP": "1"},
            )
        wait_until(self.answers, f"Pebble answers; its log is {self.log}", CA_SECONDS)
        self.root = folder / "issued-by.pem"
        self.root.write_text(self.ask("roots/0"))

    def ask(self, what: str) -> str:
        tls = ssl.create_default_context(cafile=str(self.own.root))
        address = f"https://localhost:{MANAGEMENT_PORT}/{what}"
        return httpx.get(address, verify=tls, trust_env=False).raise_for_status().text

    def answers(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        try:
            self.ask("roots/0")
        except httpx.HTTPError:
            return False
        return True

    def end(self) -> None:
        self.process.terminate()
        self.process.wait(30)


class TrustingLab(Lab):
    """A lab whose clients trust what a CA issues, and nothing else."""

    def __init__(self, folder: Path, root: Path) -> None:
        super().__init__(folder)
        self.root = root

    def trust(self, host: Host) -> dict[str, str]:
        return {**os.environ, "SSL_CERT_FILE": str(self.root)}


@dataclass
class Site:
    """A host whose certificate is the CA's."""

    lab: TrustingLab
    host: Host
    inventory: Path
    ca: Pebble
    bundle: Path

    @property
    def url(self) -> str:
        return f"https://{self.host.name}"

    def served(self) -> str:
        """The certificate that a new connection gets, checked up to the CA's root."""
        return ssl.get_server_certificate((self.host.name, 443), ca_certs=str(self.ca.root))


@pytest.fixture(scope="module")
def site(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    ca = Pebble(tmp_path_factory.mktemp("pebble"))
    lab = TrustingLab(tmp_path_factory.mktemp("acme"), ca.root)
    host = Host(lab, "acme.test", "trixie")
    inventory = lab.inventory(
        "acme",
        {"all": [host.name]},
        nginx_tls="acme",
        nginx_acme_directory=ca.address,
        nginx_acme_ca_file=str(ca.own.root),
        nginx_acme_email="operator@acme.test",
    )
    yield Site(lab, host, inventory, ca, bundle)
    host.remove()
    ca.end()


def test_a_bare_host_gets_its_certificate_from_the_ca(site: Site) -> None:
    ran = site.lab.play("site.yml", site.inventory, chatire_bundle=site.bundle)
    assert ran.status == 0, ran.output + site.ca.log.read_text()
    assert site.served()


def test_the_second_run_asks_the_ca_for_nothing(site: Site) -> None:
    before = site.served()
    ran = site.lab.play("site.yml", site.inventory, chatire_bundle=site.bundle)
    assert ran.status == 0, ran.output
    assert ran.changed == 0, ran.output
    assert site.served() == before


def test_a_check_of_the_running_host_finds_nothing_to_do(site: Site) -> None:
    ran = site.lab.play("site.yml", site.inventory, "--check", "--diff", chatire_bundle=site.bundle)
    assert ran.status == 0, ran.output
    assert ran.changed == 0, ran.output


def test_http_goes_to_https_and_browsers_are_told_to_stay_there(site: Site) -> None:
    tls = ssl.create_default_context(cafile=str(site.ca.root))
    with httpx.Client(verify=tls, trust_env=False) as browser:
        sent_on = browser.get(f"http://{site.host.name}/chats/some?page=2")
        assert sent_on.status_code in (301, 308)
        assert sent_on.headers["Location"] == f"{site.url}/chats/some?page=2"
        page = browser.get(f"{site.url}/").raise_for_status()
    told = dict(
        part.strip().partition("=")[::2]
        for part in page.headers["Strict-Transport-Security"].split(";")
    )
    assert int(told["max-age"]) >= HSTS_AT_LEAST


def test_messages_arrive_under_the_cas_certificate(site: Site) -> None:
    ran = site.lab.smoke(site.inventory, site.host)
    assert ran.status == 0, ran.output


def test_a_renewal_reaches_nginx_and_cuts_no_socket(site: Site) -> None:
    assert site.host.shell("systemctl is-active certbot.timer").output.strip() == "active"
    before = site.served()
    # The day has come: what the timer starts every day finds the certificate due.
    due = site.host.shell(
        "sed -i '1i renew_before_expiry = 100 days' /etc/letsencrypt/renewal/chatire.conf"
    )
    assert due.status == 0, due.output
    with site.lab.traffic(site.url, site.host) as traffic:
        renewed = site.host.shell("systemctl start certbot.service")
        told = site.host.shell("journalctl --unit certbot.service --no-pager").output
        assert renewed.status == 0, told
        wait_until(lambda: site.served() != before, f"a new certificate: {told}", RENEWAL_SECONDS)
        must(["sleep", str(AFTERWARDS_SECONDS)])
    # Or every later run would find it due.
    site.host.shell("sed -i '/^renew_before_expiry/d' /etc/letsencrypt/renewal/chatire.conf")
    expect_clean(traffic.count)
    assert traffic.count.cuts == {}, traffic.count


def test_a_certificate_that_nginx_never_got_is_handed_over_by_the_next_run(site: Site) -> None:
    """As after a run that ended between the CA's answer and the reload."""
    wanted = site.served()
    must(["docker", "exec", site.host.container, "rm", "/etc/chatire/tls/site.pem"])
    ran = site.lab.play("site.yml", site.inventory, chatire_bundle=site.bundle)
    assert ran.status == 0, ran.output
    assert site.served() == wanted
    # And where it ended between the files and the reload.
    hand_over = "/usr/local/lib/chatire/certificate-renewed"
    assert site.host.shell(hand_over).output == ""
    assert site.host.shell("touch /etc/chatire/tls/being-handed-over").status == 0
    assert site.host.shell(hand_over).output == "handed to nginx\n"
    assert site.host.shell(hand_over).output == ""
