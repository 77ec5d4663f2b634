"""Text from files stays text in Markdown and in metadata, whatever it contains."""

import re
import string

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from partflow.report.front_matter import front_matter
from partflow.report.markdown import code, escape, fenced, one_line, table
from partflow.report.tables import Cell, make_table

PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
HOSTILE = [
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "&lt;b&gt;", "[a](javascript:x)",
    "![a](https://evil.example/x.png)", "<https://evil.example>", "a|b||c", "a\n\n# Heading",
    "a\r\n---\nb", "*a* **b** _c_ __d__ ~~e~~", "`code` ``x``", "- list", "+ list", "1. list",
    "7) list", "> quote", "# heading", "===", "---", "***", "\\", "a\\|b", "[a]: http://x",
    "\u2028x",
    "\u202etxt.exe", "    indented", "\tx", "\0", "a_b_c", "_a", "$x$", "&amp;", "</details>",
    "![[x]](y)", "[x][y]", "a `b\\` c", "\ud800", "<!-- comment", "```\nfence", "{{ x }}",
    "{% x %}",
]  # fmt: skip
# Characters that mean something in Markdown come often, others sometimes.
MARKED = st.text(
    st.sampled_from(string.punctuation + " \n\tab1\u2028") | st.characters(), max_size=25
)


def parsed(text):
    """Text of a paragraph or of table cells, and the kinds of tokens besides it."""
    kinds, parts = set(), []
    for token in PARSER.parse(text):
        kinds.add(token.type)
        for child in token.children or []:
            kinds.add(child.type)
            parts.append(child.content)
    return "".join(parts), kinds


PLAIN = {"inline", "text", "text_special"}


def check_is_text(value):
    expected = one_line(value)
    text, kinds = parsed(f"before {escape(value)} after")
    assert " ".join(text.split()) == " ".join(f"before {expected} after".split())
    assert kinds == {"paragraph_open", "paragraph_close", *PLAIN & kinds}
    for start, block in (("", "paragraph"), ("- ", "list_item"), ("# ", "heading")):
        text, kinds = parsed(f"{start}{escape(value)}x")
        assert text == f"{expected}x"
        assert (
            not kinds
            - PLAIN
            - {
                f"{name}_{end}"
                for name in ("paragraph", "bullet_list", "list_item", "heading")
                for end in ("open", "close")
            }
        )
        assert f"{block}_open" in kinds


@pytest.mark.parametrize("value", [*HOSTILE, "-", "+", "1.", "2)", "#", "##", "=", "--", "- - -"])
def test_a_name_alone_in_a_line_begins_nothing(value):
    tokens = [token.type for token in PARSER.parse(f"- {escape(value)}\n- y")]
    assert tokens.count("bullet_list_open") == 1 and tokens.count("list_item_open") == 2
    assert not [t for t in tokens if t.startswith(("ordered", "heading", "hr", "code", "quote"))]


@pytest.mark.parametrize("value", HOSTILE)
def test_hostile_names_are_text(value):
    check_is_text(value)


@given(MARKED)
def test_any_text_is_text(value):
    check_is_text(value)


@given(st.lists(st.lists(MARKED, min_size=3, max_size=3), min_size=1, max_size=3), MARKED)
def test_any_text_stays_in_its_cell_of_a_table(rows, heading):
    content = table(make_table([heading, "b", "c"], [[*row] for row in rows], heading))
    tokens = PARSER.parse(content)
    cells = [token for token in tokens if token.type in ("td_open", "th_open")]
    assert len(cells) == 3 * (len(rows) + 1)
    assert {t.type for t in tokens if t.type.startswith(("html", "fence", "code", "list"))} == set()
    found = [t.children for t in tokens if t.type == "inline"]
    texts = ["".join(child.content for child in children) for children in found]
    expected = [heading, heading, "b", "c", *(cell for row in rows for cell in row)]
    expected = [one_line(text) for text in expected]
    assert texts == (expected if expected[0] else expected[1:])
    assert {child.type for children in found for child in children} <= {"text", "text_special"}


@pytest.mark.parametrize("value", HOSTILE)
def test_a_code_span_holds_the_name_or_is_escaped(value):
    text, kinds = parsed(f"before {code(value)} after")
    expected = one_line(value) or "unknown"
    assert text == f"before {expected} after"
    assert not kinds - PLAIN - {"paragraph_open", "paragraph_close", "code_inline"}
    assert "|" not in code(value).replace("\\|", "")


@pytest.mark.parametrize("value", [*HOSTILE, "```", "````\n```\n# x", "a\n\n\nb"])
def test_nothing_ends_a_block_of_code(value):
    tokens = PARSER.parse(fenced(value, "toml"))
    assert [token.type for token in tokens] == ["fence"]


@pytest.mark.parametrize("value", ["see https://evil.example", "HTTP://x", "ftp://x", "www.evil.x"])
def test_an_address_becomes_no_link(value):
    assert not re.search(r"(?i)(https?|ftp)://|www\.", escape(value))
    assert parsed(escape(value))[0] == value


def test_columns_of_numbers_are_aligned_right():
    content = table(
        make_table(["name", "value", "hash"], [["a", Cell("0.1", "+0.2 −0.1"), "x1"]], "")
    )
    assert content.splitlines()[1] == "| --- | ---: | --- |"
    assert content.splitlines()[2] == "| a | 0.1 +0.2 −0.1 | x1 |"


SCALARS = st.text(st.characters(codec="utf-8"), max_size=15) | st.booleans() | st.integers()
SCALARS |= st.none() | st.floats(allow_nan=False, allow_infinity=False)
KEYS = st.sampled_from(["license", "tags", "model-index", "pipeline_tag"])
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(KEYS, VALUES, min_size=1))
def test_a_yaml_parser_reads_the_metadata_that_were_written(metadata):
    text = front_matter(metadata)
    assert text.startswith("---\n") and text.endswith("\n---\n")
    assert yaml.safe_load(text[4:-4]) == metadata


@pytest.mark.parametrize(
    "value",
    ["yes", "1.0", "2024-01-01", "---", "a: b", "# x", "null", "\n---\n", '"', "\\", "\x85"],
)
def test_text_in_the_metadata_stays_text(value):
    text = front_matter({"name": value})
    assert len(text.splitlines()) == 3
    assert yaml.safe_load(text[4:-4]) == {"name": value}


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_yaml_readers_disagree_about_is_refused(value):
    with pytest.raises(ValueError, match="in metadata"):
        front_matter({"value": value})
