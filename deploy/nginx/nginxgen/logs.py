"""What is written down about a request, and what never is.

Neither log format has a header that holds a secret (Authorization, Sec-WebSocket-Protocol,
cookies, Referer) or a query string. nginx's error log cannot be given a format: each line ends
with the whole request line. So a request with a token in its address is refused before anything
can fail about it, and the locations choose how much they tell (`quiet_errors`).
"""

from collections.abc import Iterator
from typing import Final

from nginxgen.builder import Comment, Directive, Node, Quoted, block, directive
from nginxgen.description import Description
from nginxgen.errors import TOKEN_IN_ADDRESS_PAGE

# Two parts of a JSON web token: both are JSON objects in base64url, which begin so.
# Bounded, for strangers choose the text that is searched; no header of ours is half as long.
_SIGNED_TEXT: Final = "eyJ[A-Za-z0-9_-]{4,200}(?:[.]|%2[Ee])eyJ"

_FIELDS: Final = (
    ("time", "$time_iso8601"),
    ("client", "$remote_addr"),
    ("method", "$request_method"),
    ("host", "$host"),
    ("path", "$logged_path"),
    ("protocol", "$server_protocol"),
    # A text: a connection that broke before an answer has the status 000, which is no JSON number.
    ("status", "$status"),
    ("bytes", "$bytes_sent"),
    ("seconds", "$request_time"),
    ("upstream", "$upstream_addr"),
    ("upstream_status", "$upstream_status"),
    ("upstream_seconds", "$upstream_response_time"),
    ("limited", "$limit_req_status"),
    ("connections_limited", "$limit_conn_status"),
    ("tls", "$ssl_protocol"),
    ("request_id", "$request_id"),
    ("user_agent", "$http_user_agent"),
)
_PLAIN: Final = (
    '$remote_addr [$time_iso8601] "$request_method $logged_path $server_protocol" $status '
    "$bytes_sent $request_time upstream=$upstream_addr $upstream_status $upstream_response_time "
    'limited=$limit_req_status id=$request_id "$http_user_agent"'
)


def logging(description: Description) -> Iterator[Node]:
    """Log formats, the variables they need, and where the lines go."""
    yield Comment("A token in an address, by mistake: refused, and not written down.")
    yield block(
        "map",
        "$request_uri",
        "$token_in_address",
        children=[directive("default", 0), directive(Quoted(f"~{_SIGNED_TEXT}"), 1)],
    )
    yield Comment("What the log may know of an address: no query string, no token.")
    yield block(
        "map",
        "$token_in_address$request_uri",
        "$logged_path",
        children=[
            directive("default", Quoted("(withheld)")),
            directive(Quoted("~^0(?<path_alone>[^?#]*)"), "$path_alone"),
        ],
    )
    if description.log.format == "json":
        line = ",".join(f'"{name}":"{variable}"' for name, variable in _FIELDS)
        yield directive("log_format", "chatire", "escape=json", Quoted(f"{{{line}}}"))
    else:
        yield directive("log_format", "chatire", Quoted(_PLAIN))
    if description.log.access == "off":
        yield directive("access_log", "off")
    else:
        yield directive("access_log", description.log.access, "chatire")


def error_log(description: Description) -> Directive:
    """The error log of the whole site."""
    return directive("error_log", description.log.error, description.log.level)


def quiet_errors(description: Description) -> Iterator[Node]:
    """For /ws/: its lines would tell query strings. The access log has what is needed instead,
    which server was asked and how it answered, without them."""
    yield Comment(
        "Error lines end with the request line and its query string (crit: a socket that is not\n"
        "there); the access log tells which server failed, without it."
    )
    yield directive("error_log", description.log.error, "alert")


def refuse_token_in_address() -> Node:
    """Sends a request with a token in its address to its refusal, before any location."""
    return block(
        "if",
        "($token_in_address)",
        children=[directive("rewrite", "^", TOKEN_IN_ADDRESS_PAGE, "last")],
    )
