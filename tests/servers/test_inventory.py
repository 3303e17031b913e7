"""Whose word counts: an inventory's, before the defaults that stand beside the playbooks."""

from __future__ import annotations

from lab import ANSIBLE, PLAYBOOKS, Lab, must


def test_a_variable_for_all_hosts_wins_over_the_default(lab: Lab) -> None:
    """As Ansible comes, group_vars/all.yml beside a playbook wins over an inventory's variables."""
    groups = {group: ["nobody.test"] for group in ("nginx", "http", "ws", "postgresql")}
    inventory = lab.inventory("variables", groups, chatire_log_level="DEBUG")
    asked = ["ansible", "-i", str(inventory), "--playbook-dir", str(PLAYBOOKS), "nobody.test"]
    told = ["-m", "ansible.builtin.debug", "-a", "var=chatire_log_level"]
    said = must([*asked, *told], environment=ANSIBLE)
    assert "chatire_log_level: DEBUG" in said
