"""Tools that nobody here wrote look at a freshly provisioned host.

Each test keeps what its tool told in dist/audit/ before it judges, so that a failure can be read.
"""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Mapping
from types import MappingProxyType

import pytest
from findings import RESULTS, WAIVERS, Findings, Verdict, held_against, keep, waivers

from authority import Authority
from lab import REPOSITORY, Host, must, run

LYNIS_AT_LEAST = 80
GRADES = ("A+", "A")
EXPOSURE_AT_MOST = 2.5
# testssl.sh tries several hundred handshakes, lynis asks dpkg about each package.
TOOL_SECONDS = 900


def configured(host: Host) -> dict[str, str]:
    """What the host's files set of the kernel, by key; the last one wins."""
    text = host.shell("systemd-analyze cat-config --no-pager sysctl.d").output
    return {
        key.strip().lstrip("-").replace("/", "."): value.strip()
        for key, found, value in (line.partition("=") for line in text.splitlines())
        if found and not key.startswith(("#", ";"))
    }


def lynis_findings(report: str, kernel: Mapping[str, str] = MappingProxyType({})) -> list[str]:
    """The names of a lynis report's findings: a test's, with its detail where it has several.

    A setting of the kernel is one only where `kernel`, what the files set, is not as wanted: a test
    host has its machine's kernel and cannot set it.
    """
    found = []
    for line in report.splitlines():
        kind, _, told = line.partition("[]=")
        if kind in ("warning", "suggestion"):
            test, text, detail = told.split("|")[:3]
            # Of a test with several findings each has a name of its own.
            several = {
                "SSH-7408": detail.split(" ")[0],
                "NETW-3200": text.split("'")[1] if "'" in text else "",
                "FILE-6310": text.split("place ")[-1].split(" ")[0],
            }.get(test)
            found.append(f"{test}:{several}" if several else test)
        if kind == "details" and told.startswith("KRNL-6000|sysctl|"):
            match = re.search(r"field:([\w.-]+);prefval:([^;]*);", told)
            if match and kernel.get(match[1]) != match[2]:
                found.append(f"KRNL-6000:{match[1]}")
    # It only says that there are such.
    return [name for name in found if name != "KRNL-6000"]


def test_lynis_finds_nothing_that_is_not_waived(host: Host, findings: Findings) -> None:
    installed = host.shell(
        "DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends lynis"
    )
    assert installed.status == 0, installed.output
    host.shell(
        "timeout 600 lynis audit system --quick --quiet --no-colors"
        " --report-file /root/lynis.dat --log-file /root/lynis.log"
    )
    report = host.shell("cat /root/lynis.dat").output
    keep("lynis.dat", report)
    keep("lynis.log", host.shell("cat /root/lynis.log").output)
    match = re.search(r"^hardening_index=(\d+)$", report, re.MULTILINE)
    assert match, f"lynis told no hardening index:\n{report[-2000:]}"
    index = int(match[1])
    found = lynis_findings(report, configured(host))
    left, outlived = held_against(found, waivers("lynis"))
    waived = len(waivers("lynis"))
    findings.add(
        Verdict(
            "lynis",
            f"index {LYNIS_AT_LEAST}, or each finding waived",
            f"index {index}; {waived} waived, {len(left)} not",
            holds=index >= LYNIS_AT_LEAST or not left,
            next=f"mend, or waive in {WAIVERS.name}: {', '.join(left)}" if left else "",
        )
    )
    assert index >= LYNIS_AT_LEAST or not left, left
    # Which settings a machine's kernel has wrong differs.
    outlived = [name for name in outlived if not name.startswith("KRNL-6000:")]
    assert not outlived, f"lynis no longer finds these; take their waivers out: {outlived}"


def test_testssl_grades_the_address_a_or_better(
    host: Host, ca: Authority, findings: Findings
) -> None:
    told = RESULTS / "testssl.json"
    told.unlink(missing_ok=True)
    ran = run(
        ["testssl", "--quiet", "--color", "0", "--warnings", "batch", "--nodns", "none"]
        + ["--ip", socket.gethostbyname(host.name), "--add-ca", str(ca.root)]
        + ["--jsonfile", str(told), f"https://{host.name}:443/"],
        seconds=TOOL_SECONDS,
    )
    keep("testssl.txt", ran.output)
    told_of = {each["id"]: each for each in json.loads(told.read_text())}
    grade = told_of["overall_grade"]["finding"]
    bad = [
        f"{name} ({each['severity']}): {each['finding']}"
        for name, each in told_of.items()
        if each["severity"] in ("HIGH", "CRITICAL")
    ]
    caps = [each["finding"] for name, each in told_of.items() if name.startswith("grade_cap_")]
    findings.add(
        Verdict(
            "testssl.sh",
            f"grade {' or '.join(GRADES)}, nothing high or critical",
            f"grade {grade}, {len(bad)} high or critical",
            holds=grade in GRADES and not bad,
            next="; ".join(bad + caps),
        )
    )
    assert told_of["cert_chain_of_trust"]["finding"].startswith("passed"), ran.output
    assert grade in GRADES, caps
    assert not bad


def test_gixy_finds_nothing_in_the_deployed_configuration(host: Host, findings: Findings) -> None:
    deployed = host.shell("cat /etc/chatire/nginx/nginx.conf")
    assert deployed.status == 0, deployed.output
    conf = keep("nginx.conf", deployed.output)
    ran = run(
        ["/opt/gixy/bin/gixy", "-c", str(REPOSITORY / "deploy" / "nginx" / "gixy.cfg")]
        + ["-f", "json", str(conf)]
    )
    told = keep("gixy.json", ran.output)
    issues = json.loads(told.read_text())
    findings.add(
        Verdict(
            "gixy-ng",
            "no issue",
            f"{len(issues)} issues",
            holds=not issues and ran.status == 0,
            next="; ".join(f"{each['plugin']}: {each['summary']}" for each in issues),
        )
    )
    assert ran.status == 0, ran.output
    assert issues == []


@pytest.mark.parametrize(("set_to", "left"), [("2", []), ("1", ["KRNL-6000:kernel.kptr_restrict"])])
def test_a_kernel_setting_is_judged_by_the_hosts_files(set_to: str, left: list[str]) -> None:
    line = "details[]=KRNL-6000|sysctl|desc:x;field:kernel.kptr_restrict;prefval:2;value:0;|"
    assert lynis_findings(line, {"kernel.kptr_restrict": set_to}) == left


def units_of_ours(host: Host) -> list[str]:
    """The services that a file of the roles describes or changes, each instance by its name."""
    written = host.shell(
        "cd /etc/systemd/system && find . -mindepth 1 -maxdepth 1"
        r" \( -type f -name '*.service' -o -type d -name '*.service.d' \) -printf '%f\n'"
    ).output.split()
    units: list[str] = []
    for name in sorted(each.removesuffix(".d") for each in written):
        pattern = name.replace("@.", "@*.")
        listed = host.shell(
            f"systemctl list-units --all --plain --no-legend '{pattern}' | cut -d ' ' -f 1"
        ).output.split()
        assert listed, f"no unit of {name} is there"
        units += listed
    return units


def test_each_unit_of_ours_is_sandboxed(host: Host, findings: Findings) -> None:
    exposures = {}
    told = {}
    for unit in units_of_ours(host):
        text = host.shell(f"systemd-analyze security --no-pager '{unit}'").output
        match = re.search(r"Overall exposure level for \S+: ([\d.]+)", text)
        assert match, text
        exposures[unit] = float(match[1])
        told[unit] = json.loads(
            must(
                ["docker", "exec", host.container, "systemd-analyze", "security", "--no-pager"]
                + ["--json=short", unit]
            )
        )
    keep("systemd.json", json.dumps({"exposure": exposures, "checks": told}, indent=1))
    worst = max(exposures, key=lambda unit: exposures[unit])
    over = [unit for unit, exposure in exposures.items() if exposure > EXPOSURE_AT_MOST]
    findings.add(
        Verdict(
            "systemd-analyze",
            f"exposure {EXPOSURE_AT_MOST} at most",
            f"{exposures[worst]} at most ({worst}), {len(exposures)} units",
            holds=not over,
            next=f"see systemd.json and mend the units: {', '.join(over)}" if over else "",
        )
    )
    tiers = {unit.split("@")[0] for unit in exposures}
    assert {"chatire-http", "chatire-ws", "nginx.service", "postgresql"} <= tiers
    assert not over, exposures


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("suggestion[]=SSH-7408|Consider hardening SSH|Port (set 22 to )|-|", "SSH-7408:Port"),
        ("suggestion[]=NETW-3200|Determine if protocol 'rds' is needed|-|-|", "NETW-3200:rds"),
        ("warning[]=PKGS-7392|Found one or more vulnerable packages.|-|-|", "PKGS-7392"),
    ],
)
def test_a_finding_is_waived_by_its_own_name(line: str, name: str) -> None:
    assert lynis_findings(line) == [name]
    assert held_against([name], {}) == ([name], [])
    assert held_against([], {name: "a reason"}) == ([], [name])
