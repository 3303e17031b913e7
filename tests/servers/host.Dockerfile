# A bare server to be provisioned: Debian with systemd as PID 1, an SSH server and Python, as an
# debian gets one. Nothing of the chat is in it.
ARG BASE=chatire/base:trixie
FROM ${BASE}
RUN --mount=type=secret,id=apt_sources,target=/etc/apt/sources.list.d/debian.sources \
    --mount=type=secret,id=apt_conf,target=/etc/apt/apt.conf.d/99build \
    --mount=type=secret,id=ca \
    apt-get update -qq \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        systemd-sysv dbus openssh-server python3 python3-apt sudo iproute2 ca-certificates \
    && rm -rf /var/lib/apt/lists/* /etc/ssh/ssh_host_* /etc/machine-id \
    # What only a machine has, and what would fail in a container.
    && systemctl mask -q systemd-networkd-wait-online.service systemd-resolved.service \
        getty@tty1.service console-getty.service systemd-logind.service systemd-firstboot.service \
    && useradd --create-home --shell /bin/bash debian \
    && echo 'debian ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/debian
COPY --chmod=0755 tests/servers/host-init /usr/local/sbin/host-init
STOPSIGNAL SIGRTMIN+3
CMD ["/usr/local/sbin/host-init"]
