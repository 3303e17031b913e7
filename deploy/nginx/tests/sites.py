"""A site: nginx with both tiers behind it, and the built page of a small UI."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from running import Nginx, described
from tiers import HttpTier, WsTier

PAGE = b"<!doctype html><title>chatire</title><div id=app></div>"
# Large enough to be worth compressing.
SCRIPT = b"export const words = 'the same words again and again';\n" * 100


@dataclass(frozen=True)
class Site:
    """What runs, and what a test looks at."""

    nginx: Nginx
    http: HttpTier
    ws: WsTier


Opened = Callable[..., AbstractContextManager[Site]]


def build_ui(folder: Path) -> None:
    """A built page as Vite leaves it."""
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_bytes(PAGE)
    (folder / "favicon.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    (folder / "robots.txt").write_text("User-agent: *\nDisallow: /\n")
    (folder / "manifest.webmanifest").write_text("{}")
    (folder / "assets" / "index-3f9a1c.js").write_bytes(SCRIPT)


@contextmanager
def open_site(folder: Path, **more: Any) -> Iterator[Site]:
    """A running site; `more` are fields of the description."""
    build_ui(folder / "ui")
    with ExitStack() as stack:
        http = stack.enter_context(HttpTier(folder / "http.sock"))
        ws = stack.enter_context(WsTier(folder / "ws.sock"))
        description = described(folder, (http.address,), (ws.address,), **more)
        nginx = stack.enter_context(Nginx(description, folder))
        yield Site(nginx, http, ws)
