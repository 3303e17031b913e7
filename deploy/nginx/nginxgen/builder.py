"""nginx.conf as a tree of nodes, and its text: the one door to nginx-config-builder.

Everything else in this package builds `Directive`, `Block` and `Comment` nodes and knows nothing
of the library. What the library (1.0.1) gets wrong is worked around here and nowhere else; each
work-around has a test in `tests/test_builder.py` that fails without it:

1. Sections are kept in a dict by name, so a second `server`, or a second `location` of one path,
   silently replaces the first. Every node is wrapped in an `EmptyBlock` of its own, which has no
   name (`_wrapped`).
2. Options are kept in a dict too (a repeated `add_header` keeps the last only), and are written
   before all sections whatever the order asked for. No option is ever used: a directive is a
   section like any other (`_library_node`).
3. A value with a space in it is split and joined again, so that repeated spaces inside a quoted
   text collapse. Arguments are quoted here and given as a list of ready words
   (`KeyMultiValueOption`).
4. An empty value is written as no value. An empty text is written as `""` (`_word`).
5. A comment of several lines has only its first line commented out; the second is live
   configuration. Each line becomes a comment of its own (`_library_node`).
6. Values are not looked at: `;` or `}` in one ends the directive or the block. A word that would
   need quotes and was not marked `Quoted` is refused (`_word`).
7. The text starts with an empty line and ends without a line feed (`render`).
8. `from nginx.config.api import *` fails (its `__all__` names something it does not import):
   names are imported one by one, from the submodules.

Its metadata also asks for `enum34`, which must not be installed on a modern Python: it is
installed without dependencies (see `requirements.txt`).
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from nginx.config.api.blocks import Block as LibraryBlock
from nginx.config.api.blocks import EmptyBlock
from nginx.config.api.options import Comment as LibraryComment
from nginx.config.api.options import KeyMultiValueOption, KeyOption

# What nginx reads as one word without quotes. A leading # would start a comment; the others end
# a word, a directive or a block.
_BARE_WORD = re.compile(r"[^\s;{}\"'\\#]+")


class BuilderError(ValueError):
    """A node that cannot be written down: a mistake in this package, not in a description."""


@dataclass(frozen=True)
class Quoted:
    """An argument to be written in quotes. nginx still puts in the variables it names."""

    text: str


Word = str | int | Quoted


@dataclass(frozen=True)
class Comment:
    """A comment of one or more lines."""

    text: str


@dataclass(frozen=True)
class Directive:
    """One directive, closed by a semicolon."""

    name: Word
    words: tuple[Word, ...]


@dataclass(frozen=True)
class Block:
    """A directive with braces: `http`, `server`, `location = /healthz`, `map $a $b`."""

    name: str
    words: tuple[Word, ...]
    children: tuple["Node", ...]


Node = Comment | Directive | Block


def directive(name: Word, *words: Word) -> Directive:
    """A directive of this name with these arguments."""
    return Directive(name, words)


def block(name: str, *words: Word, children: Iterable[Node]) -> Block:
    """A block of this name with these arguments and what stands between its braces."""
    return Block(name, words, tuple(children))


def render(nodes: Iterable[Node]) -> str:
    """The text of these nodes, one after another, ending with a line feed.

    Raises BuilderError for a word that would change the meaning of what surrounds it.
    """
    text = str(EmptyBlock(*(_wrapped(node) for node in nodes)))
    return text.lstrip("\n") + "\n"


def _wrapped(node: Node) -> Any:
    """The node inside a nameless block, so that no other replaces it."""
    return EmptyBlock(_library_node(node))


def _library_node(node: Node) -> Any:
    """The library's object for a node."""
    if isinstance(node, Comment):
        return EmptyBlock(*(LibraryComment(comment=line) for line in node.text.splitlines()))
    if isinstance(node, Directive):
        words = [_word(word) for word in node.words]
        name = _word(node.name)
        return KeyMultiValueOption(name, words) if words else KeyOption(name)
    heading = " ".join([_word(node.name), *(_word(word) for word in node.words)])
    return LibraryBlock(heading, *(_wrapped(child) for child in node.children))


def _word(word: Word) -> str:
    """One argument as nginx reads it back."""
    if isinstance(word, Quoted):
        return _quoted(word.text)
    text = str(word)
    if not _BARE_WORD.fullmatch(text):
        raise BuilderError(f"{text!r} needs quotes: wrap it in Quoted")
    return text


def _quoted(text: str) -> str:
    """The text in quotes, the kind that needs the fewer escapes."""
    if any(ord(character) < ord(" ") for character in text):
        raise BuilderError(f"{text!r} holds a control character")
    escaped = text.replace("\\", "\\\\")
    if '"' in text and "'" not in text:
        return f"'{escaped}'"
    return '"' + escaped.replace('"', '\\"') + '"'
