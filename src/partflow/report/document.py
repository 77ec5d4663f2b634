"""A page as one file: style and scripts inside it, and nothing else allowed to run."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from importlib import resources
from string import Template
from typing import NamedTuple

from partflow.report.html import Markup, element, join, text


class Section(NamedTuple):
    """A part of a page; without a title it has no heading."""

    title: str
    content: Markup

    @property
    def anchor(self) -> str:
        """What a link to the section ends with."""
        return self.title.lower().replace(" ", "-")


def build_document(
    title: str,
    kind: str,
    sample: str,
    sections: Sequence[Section],
    footer: object = "",
    tools: object = "",
) -> str:
    """The whole page as HTML; `tools` stay in sight while the page scrolls.

    It needs nothing beside it. Its policy lets run the scripts of this package alone, by their
    hashes: whatever a name in the data holds, it is text.
    """
    scripts = [_template("display.js"), _template("page.js")]
    return Template(_template("page.html")).substitute(
        title=text(title),
        kind=text(kind),
        sample=text(sample),
        policy=" ".join(f"'sha256-{_hash(script)}'" for script in scripts),
        style=_template("style.css") + _template("display.css"),
        navigation=_navigation([s for s in sections if s.title]),
        tools=text(tools),
        sections=join(
            element("section", element("h2", s.title), s.content, id=s.anchor)
            if s.title
            else element("section", s.content)
            for s in sections
        ),
        footer=text(footer),
        scripts=join(Markup(f"<script>{script}</script>") for script in scripts),
    )


def _navigation(sections: Sequence[Section]) -> Markup:
    if not sections:
        return Markup()
    links = (element("a", s.title, href=f"#{s.anchor}") for s in sections)
    return element("nav", *links, aria_label="Sections")


def _template(name: str) -> str:
    folder = resources.files("partflow.report") / "template"
    return (folder / name).read_text(encoding="utf-8")


def _hash(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
