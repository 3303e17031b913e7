"""A description is read from JSON or the environment, and what is wrong with it is named."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from nginxgen import Description, DescriptionError, from_environment, from_json, generate
from nginxgen.description import HttpTier, WsTier, sections, settings
from nginxgen.reading import variables
from nginxgen.reference import reference

LEAST = {"http": {"servers": ["unix:/1.sock"]}, "ws": {"servers": ["unix:/2.sock"]}}
LEAST_VARIABLES = {"CHATIRE_HTTP_SERVERS": "unix:/1.sock", "CHATIRE_WS_SERVERS": "unix:/2.sock"}
README = Path(__file__).parent.parent / "README.md"
# What ends a directive, a block or a quote, names a variable, starts a comment or a line.
DANGEROUS = [*";{}\"'#$\\ \n\r\t\x00é", "a;b", "a b", "a\n", "\na", "$host", "a{b", "a}b"]


def with_field(name: str, value: Any) -> str:
    """The least description with one more field, as JSON."""
    description: dict[str, Any] = json.loads(json.dumps(LEAST))
    *section, field = name.split(".")
    owner = description.setdefault(section[0], {}) if section else description
    owner[field] = value
    return json.dumps(description)


def all_fields() -> list[str]:
    """Every field, as an error names it."""
    return [".".join(path) for _, path, _ in variables()]


def test_two_lists_of_servers_are_enough() -> None:
    description = from_json(json.dumps(LEAST))
    assert description.http.servers == ("unix:/1.sock",)
    assert description.listen == ("8080",)
    assert description == from_environment(LEAST_VARIABLES)
    assert description == Description(
        http=HttpTier(servers=("unix:/1.sock",)), ws=WsTier(servers=("unix:/2.sock",))
    )


def test_lists_from_python_become_tuples_so_that_it_stays_frozen() -> None:
    tier = HttpTier(servers=["unix:/1.sock"])  # type: ignore[arg-type]
    assert tier.servers == ("unix:/1.sock",)
    with pytest.raises(dataclasses.FrozenInstanceError):
        tier.tries = 3  # type: ignore[misc]


def test_the_environment_reaches_every_field() -> None:
    environment = LEAST_VARIABLES | {
        "CHATIRE_HTTP_SERVERS": "unix:/run/1.sock, host_1:8000",
        "CHATIRE_LISTEN": "8081,[::]:8081",
        "CHATIRE_SERVER_NAMES": "chat.example.org,*.example.net",
        "CHATIRE_NGINX_LIMITS_SIGN_INS_BURST": "7",
        "CHATIRE_NGINX_TLS_CERTIFICATE": "/tls/cert.pem",
        "CHATIRE_NGINX_TLS_KEY": "/tls/key.pem",
        "CHATIRE_NGINX_LOG_FORMAT": "json",
        "CHATIRE_NGINX_PROCESS_WORKERS": "auto",
        "CHATIRE_NGINX_TRUSTED_PROXIES": "10.0.0.0/8",
    }
    description = from_environment(environment)
    assert description.http.servers == ("unix:/run/1.sock", "host_1:8000")
    assert description.listen == ("8081", "[::]:8081")
    assert description.server_names == ("chat.example.org", "*.example.net")
    assert description.limits.sign_ins_burst == 7
    assert description.tls.on
    assert description.log.format == "json"
    assert description.process.workers == "auto"
    assert description.trusted_proxies == ("10.0.0.0/8",)


def test_every_field_has_a_variable_of_its_own() -> None:
    names = [variable for variable, _, _ in variables()]
    count = len(list(settings(Description)))
    count += sum(len(list(settings(owner))) for _, owner in sections(Description))
    assert len(set(names)) == len(names) == count > 50


def test_an_empty_variable_is_one_that_is_not_set() -> None:
    assert (
        from_environment(LEAST_VARIABLES | {"CHATIRE_NGINX_LOG_FORMAT": ""}).log.format == "plain"
    )


def test_variables_of_others_are_left_alone() -> None:
    from_environment(LEAST_VARIABLES | {"CHATIRE_HTTP_THREADS": "8", "PATH": "/bin"})


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("http.servers", [], "at least 1"),
        ("http.servers", ["unix:/a.sock", "unix:/a.sock"], "no value twice"),
        ("http.servers", "unix:/a.sock", "a list"),
        ("http.servers", ["unix:relative.sock"], "unix:/path"),
        ("http.servers", ["unix:/" + "x" * 107], "unix:/path"),
        ("http.servers", ["host"], "host:port"),
        ("http.servers", ["host:0"], "host:port"),
        ("http.servers", ["host:65536"], "host:port"),
        ("http.servers", ["http://host:80"], "host:port"),
        ("ws.servers", ["::1:80"], "host:port"),
        ("ws.servers", [8000], "host:port"),
        ("ws.idle_seconds", 44, "from 45 to"),
        ("ws.buffer_kib", "4", "a whole number"),
        ("listen", ["0"], "a port"),
        ("listen", ["localhost:80"], "a port"),
        ("listen", [":80"], "a port"),
        ("listen", [], "at least one address"),
        ("server_names", ["_"], "a host name"),
        ("server_names", ["a..b"], "a host name"),
        ("server_names", ["*"], "a host name"),
        ("server_names", ["a.*.b"], "a host name"),
        ("server_names", ["~^x"], "a host name"),
        ("server_names", ["fe80::1"], "[IPv6]"),
        ("server_names", ["[fe80::1%25eth0]"], "[IPv6]"),
        ("trusted_proxies", ["10.0.0.1/8"], "without host bits"),
        ("trusted_proxies", ["everywhere"], "a network"),
        ("ui_root", "relative", "an absolute path"),
        ("ui_root", "/srv/../etc", "without .."),
        ("nginx_version", "newest", "a version"),
        ("limits.api_burst", 0, "from 1 to"),
        ("limits.api_burst", -1, "from 1 to"),
        ("limits.api_burst", 1.5, "a whole number"),
        ("limits.api_burst", True, "a whole number"),
        ("limits.api_burst", None, "a whole number"),
        ("limits.api_burst", 10**12, "from 1 to"),
        ("log.format", "xml", "plain or json"),
        ("log.level", "debug", "warn or error or crit"),
        ("log.access", "syslog:server=x", "off or an absolute path"),
        ("process.workers", "0", "auto or"),
        ("process.workers", "many", "auto or"),
        ("process.open_files", 1024, "at least 16896"),
        ("process.user", "Root User", "a system user"),
        ("tls.certificate", "/cert.pem", "certificate and key, or neither"),
        ("tls.hsts_seconds", -1, "from 0 to"),
        ("acme_webroot", "", "an absolute path"),
    ],
)
def test_a_bad_value_is_named_with_what_is_expected(name: str, value: Any, expected: str) -> None:
    with pytest.raises(DescriptionError) as refused:
        from_json(with_field(name, value))
    message = str(refused.value)
    # Of a pair of which one is missing, the missing one is named.
    assert message.startswith("tls.key: found nothing" if name == "tls.certificate" else name)
    assert expected in message
    assert "\n" not in message


@pytest.mark.parametrize("field", all_fields())
def test_no_field_takes_what_nginx_would_read_as_more(field: str) -> None:
    shapes = ("{}", "/{}", "unix:/{}", "{}:80")
    texts = [shape.replace("{}", text) for shape in shapes for text in DANGEROUS]
    for value in [*texts, *([text] for text in texts)]:
        with pytest.raises(DescriptionError) as refused:
            from_json(with_field(field, value))
        assert refused.value.name == field


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "description: found"),
        ("[]", "description: found [], expected a JSON object"),
        ('{"http": 3}', "http: found 3, expected a JSON object"),
        ("{}", "http.servers: found nothing, expected"),
        ('{"a": 1, "a": 2}', "a: found"),
        (with_field("htpp", {}), "htpp: found {}, expected a known field; did you mean http?"),
        (
            with_field("limits.api_burts", 3),
            "limits.api_burts: found 3, expected a known field; did you mean api_burst?",
        ),
    ],
)
def test_what_is_no_description_is_named(text: str, message: str) -> None:
    with pytest.raises(DescriptionError) as refused:
        from_json(text)
    assert str(refused.value).startswith(message)


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({}, "CHATIRE_HTTP_SERVERS: found nothing, expected a list (at least 1"),
        (
            LEAST_VARIABLES | {"CHATIRE_NGINX_LIMITS_API_BRUST": "3"},
            'CHATIRE_NGINX_LIMITS_API_BRUST: found "3", expected a known field; '
            "did you mean CHATIRE_NGINX_LIMITS_API_BURST?",
        ),
        (
            LEAST_VARIABLES | {"CHATIRE_NGINX_LIMITS_API_BURST": "many"},
            'CHATIRE_NGINX_LIMITS_API_BURST: found "many", expected a whole number from 1',
        ),
        (
            LEAST_VARIABLES | {"CHATIRE_NGINX_LIMITS_API_BURST": "٣"},
            "CHATIRE_NGINX_LIMITS_API_BURST: found",
        ),
        (
            LEAST_VARIABLES | {"CHATIRE_NGINX_TLS_KEY": "/key.pem"},
            "CHATIRE_NGINX_TLS_CERTIFICATE: found nothing, expected certificate and key",
        ),
        (
            LEAST_VARIABLES | {"CHATIRE_LISTEN": "8080,"},
            'CHATIRE_LISTEN: found "8080,", expected a port',
        ),
    ],
)
def test_a_bad_variable_is_named(environment: dict[str, str], message: str) -> None:
    with pytest.raises(DescriptionError) as refused:
        from_environment(environment)
    assert str(refused.value).startswith(message)


def test_tls_wants_names_and_ports_of_its_own() -> None:
    tls = {"certificate": "/c.pem", "key": "/k.pem", "listen": ["8080"]}
    with pytest.raises(DescriptionError, match=r"^server_names: found nothing"):
        from_json(json.dumps(LEAST | {"tls": tls}))
    named = LEAST | {"tls": tls, "server_names": ["a.example"]}
    with pytest.raises(DescriptionError, match=r"^tls\.listen: "):
        from_json(json.dumps(named))
    only = named | {"listen": [], "acme_webroot": "/acme"}
    with pytest.raises(DescriptionError, match=r"^listen: found nothing"):
        from_json(json.dumps(only))


def test_https_alone_is_a_site_without_redirect() -> None:
    tls = {"certificate": "/c.pem", "key": "/k.pem", "listen": ["443"]}
    only = LEAST | {"tls": tls, "server_names": ["a.example"], "listen": []}
    assert "https_required" not in generate(from_json(json.dumps(only)))


def test_the_readme_has_the_table_of_all_fields() -> None:
    assert reference() in README.read_text(), (
        "put the output of `python -m nginxgen --fields` there"
    )


def test_the_readmes_example_runs() -> None:
    example = README.read_text().split("```python\n")[1].split("```")[0]
    scope: dict[str, Any] = {}
    exec(example, scope)  # noqa: S102
    assert "server 127.0.0.1:8102 " in scope["text"]
