"""What nginxgen.builder works around in nginx-config-builder 1.0.1, each with what it would cost.

Every test first shows the trap in the library itself: one that is mended there can go here.
"""

from importlib.metadata import requires
from pathlib import Path

import pytest
from nginx.config.api.blocks import Block, EmptyBlock
from nginx.config.api.options import Comment as LibraryComment
from nginx.config.api.options import KeyMultiValueOption

from nginxgen.builder import BuilderError, Comment, Node, Quoted, block, directive, render

REQUIREMENTS = Path(__file__).parent.parent / "requirements.txt"


def server(port: int) -> Node:
    return block("server", children=[directive("listen", port)])


def test_two_sections_of_one_name_are_both_written() -> None:
    alike = EmptyBlock(Block("server", listen=1), Block("server", listen=2))
    assert str(alike).count("server") == 1

    assert render([server(1), server(2)]).count("server {") == 2
    inside = block("http", children=[server(1), server(2)])
    assert render([inside]).count("server {") == 2


def test_a_directive_may_stand_several_times() -> None:
    options = [KeyMultiValueOption("add_header", ["A", "1"]) for _ in range(2)]
    assert str(EmptyBlock(*options)).count("add_header") == 1

    text = render([directive("add_header", "A", 1), directive("add_header", "B", 2)])
    assert text == "add_header A 1;\nadd_header B 2;\n"


def test_what_is_written_keeps_its_order() -> None:
    mixed = Block("http", Block("server"), gzip="on")
    assert str(mixed).index("gzip") < str(mixed).index("server")

    text = render([block("http", children=[server(1), directive("gzip", "on"), server(2)])])
    assert text.index("listen 1") < text.index("gzip") < text.index("listen 2")


def test_spaces_inside_a_text_are_kept() -> None:
    assert '"a  b"' not in str(EmptyBlock(log_format='"a  b"'))

    assert render([directive("log_format", "x", Quoted("a  b"))]) == 'log_format x "a  b";\n'


def test_an_empty_text_is_written_as_one() -> None:
    assert str(EmptyBlock(default="")).strip() == "default;"

    assert render([directive("default", Quoted(""))]) == 'default "";\n'


def test_every_line_of_a_comment_is_one() -> None:
    assert "\nroot /;" in str(EmptyBlock(LibraryComment(comment="a\nroot /;")))

    assert render([Comment("a\nroot /;")]) == "# a\n# root /;\n"


@pytest.mark.parametrize("word", ["a;b", "a}", "{", "a b", 'a"', "a'", "a\\", "#a", "a\nb", ""])
def test_a_word_that_would_change_what_follows_is_refused(word: str) -> None:
    assert word in str(EmptyBlock(KeyMultiValueOption("root", [word])))

    with pytest.raises(BuilderError):
        render([directive("root", word)])
    with pytest.raises(BuilderError):
        render([block("location", word, children=[])])
    with pytest.raises(BuilderError):
        render([directive(word, "x")])


def test_a_text_starts_at_its_first_line_and_ends_with_a_line_feed() -> None:
    assert str(EmptyBlock(gzip="on")) == "\ngzip on;"

    assert render([directive("gzip", "on")]) == "gzip on;\n"


def test_names_are_not_imported_by_star() -> None:
    with pytest.raises(AttributeError):
        exec("from nginx.config.api import *", {})  # noqa: S102


def test_the_dependency_that_must_not_be_installed_is_not_locked() -> None:
    assert any("enum34" in wanted for wanted in requires("nginx-config-builder") or [])

    assert "enum34" not in REQUIREMENTS.read_text()


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("plain", '"plain"'),
        ('{"a": 1}', "'{\"a\": 1}'"),
        ("it's", '"it\'s"'),
        ('"it\'s"', '"\\"it\'s\\""'),
        ("a\\b", '"a\\\\b"'),
    ],
)
def test_a_text_is_quoted_so_that_nginx_reads_it_back(text: str, written: str) -> None:
    assert render([directive("x", Quoted(text))]) == f"x {written};\n"


def test_a_text_with_a_line_feed_is_refused() -> None:
    with pytest.raises(BuilderError):
        render([directive("x", Quoted("a\nb"))])


def test_blocks_are_indented_by_their_depth() -> None:
    text = render([block("a", children=[block("b", "c", children=[directive("d")])])])
    assert text == "a {\n    b c {\n        d;\n    }\n}\n"
