# The operator's side of the tests: Ansible as locked, the suite's own needs, an SSH client and the
# engine's client, with which the tests make, reboot and break the hosts.
ARG BASE=chatire/base:trixie
FROM ${BASE}
RUN --mount=type=secret,id=apt_sources,target=/etc/apt/sources.list.d/debian.sources \
    --mount=type=secret,id=apt_conf,target=/etc/apt/apt.conf.d/99build \
    --mount=type=secret,id=ca \
    apt-get update -qq \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        ca-certificates docker-cli git make nmap openssh-client openssl procps python3-venv \
    && rm -rf /var/lib/apt/lists/*
COPY deploy/ansible/requirements.txt /tmp/ansible.txt
COPY deploy/ansible/requirements-lint.txt /tmp/lint.txt
COPY tests/infra/requirements.txt /tmp/infra.txt
# The ledger that counts messages while a playbook runs.
COPY bench/requirements.txt /tmp/bench.txt
RUN --mount=type=secret,id=pip_conf,target=/etc/pip.conf --mount=type=secret,id=ca \
    python3 -m venv /opt/ansible \
    && /opt/ansible/bin/pip install --quiet --require-hashes --no-deps -r /tmp/ansible.txt \
    && python3 -m venv /opt/lint \
    && /opt/lint/bin/pip install --quiet --require-hashes --no-deps -r /tmp/ansible.txt -r /tmp/lint.txt \
    && python3 -m venv /opt/infra \
    && /opt/infra/bin/pip install --quiet --require-hashes --no-deps -r /tmp/infra.txt \
    && python3 -m venv /opt/bench \
    && /opt/bench/bin/pip install --quiet --require-hashes --no-deps -r /tmp/bench.txt
# The audits (make audit) and the CA of test_acme.py.
COPY deploy/nginx/requirements-dev.txt /tmp/gixy.txt
RUN --mount=type=secret,id=apt_sources,target=/etc/apt/sources.list.d/debian.sources \
    --mount=type=secret,id=apt_conf,target=/etc/apt/apt.conf.d/99build \
    --mount=type=secret,id=pip_conf,target=/etc/pip.conf --mount=type=secret,id=ca \
    apt-get update -qq \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        bsdextrautils dnsutils pebble testssl.sh \
    && rm -rf /var/lib/apt/lists/* \
    && python3 -m venv /opt/gixy \
    && /opt/gixy/bin/pip install --quiet --require-hashes --no-deps -r /tmp/gixy.txt
ENV LANG=C.UTF-8 PYTHONDONTWRITEBYTECODE=1 PATH=/opt/infra/bin:/opt/ansible/bin:$PATH
