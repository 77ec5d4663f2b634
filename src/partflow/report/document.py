"""Pages as single files: templates filled with data, with style, fonts and scripts inside.

The templates are in the folder `template`. They escape whatever is not `Markup`, so that a name
from a file is shown as text, whatever it contains. Nothing but the scripts of this package may
run: the page's content security policy allows them by their hashes.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib import resources
from typing import NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

STYLE_SHEETS = ("style.css", "display.css")
SCRIPTS = ("display.js", "page.js")


class Script(NamedTuple):
    """A script of this package."""

    text: Markup
    digest: str
    """SHA-256 in base64, as a content security policy names it."""


def render_page(template: str, warning: str = "", **data: object) -> str:
    """Fill a page template, which extends `document.html.jinja`, with data.

    A `warning` about the events is shown at the top.

    The result is one file that needs no other. The same data gives the same text.
    """
    style = Markup("").join(_read(name) for name in STYLE_SHEETS)
    scripts = [_script(name) for name in SCRIPTS]
    return (
        _environment()
        .get_template(template)
        .render(style=style, scripts=scripts, warning=warning, **data)
    )


@cache
def _environment() -> Environment:
    """The templates of this package, with autoescape on."""
    return Environment(
        loader=PackageLoader("partflow.report", "template"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _script(name: str) -> Script:
    """A script of this package with its hash."""
    text = _read(name)
    digest = hashlib.sha256(text.encode()).digest()
    return Script(text, base64.b64encode(digest).decode())


def _read(name: str) -> Markup:
    """A style sheet or script of this package."""
    folder = resources.files("partflow.report") / "template"
    return Markup((folder / name).read_text(encoding="utf-8"))
