"""Small pieces of HTML. Whatever is not marked as HTML already is escaped."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence


class Markup(str):
    """Text that is HTML already."""


def text(content: object) -> Markup:
    """The content as HTML: escaped, unless it is Markup.

    >>> text("<b>")
    '&lt;b&gt;'
    """
    return content if isinstance(content, Markup) else Markup(html.escape(str(content)))


def element(tag: str, *content: object, **attributes: object) -> Markup:
    """`<tag attributes>content</tag>`; an attribute `class_` is written `class`.

    >>> element("p", "1 < 2", class_="fact")
    '<p class="fact">1 &lt; 2</p>'
    """
    pairs = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{html.escape(str(value))}"'
        for name, value in attributes.items()
    )
    return Markup(f"<{tag}{pairs}>{''.join(text(c) for c in content)}</{tag}>")


def join(parts: Iterable[object]) -> Markup:
    """Several pieces, one after the other."""
    return Markup("".join(text(part) for part in parts))


def table(headings: Sequence[object], rows: Iterable[Sequence[object]], caption: object) -> Markup:
    """A table that scrolls sideways where it is too wide; the first column names its row."""
    head = element("tr", *(element("th", h, scope="col") for h in headings))
    body = (
        element("tr", element("th", row[0], scope="row"), *(element("td", c) for c in row[1:]))
        for row in rows
    )
    whole = element(
        "table",
        element("caption", element("span", caption)),
        element("thead", head),
        element("tbody", *body),
    )
    return element("div", whole, class_="table")
