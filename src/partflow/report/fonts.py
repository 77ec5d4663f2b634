"""The fonts of the drawings as part of a page.

Matplotlib places each text by the metrics of a font that few readers have. The page therefore
contains the characters that its drawings use of this very font. Text remains text: it can be
selected, searched and read aloud, which outlines cannot.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from fontTools import subset
from markupsafe import Markup
from matplotlib.font_manager import FontProperties, findfont

from partflow.report.style import drawing
from partflow.report.svg import FontFace, text_by_font

FAMILY = "partflow drawings"
"""Name of the embedded fonts, used by no other font, which the style sheet refers to."""


def font_faces(drawings: Iterable[Markup]) -> Markup:
    """The `@font-face` rules with the fonts that some drawings need, as text of a style sheet."""
    characters: dict[FontFace, set[str]] = {}
    for svg in drawings:
        for face, text in text_by_font(svg):
            characters.setdefault(face, set()).update(text)
    return Markup("\n").join(
        _font_face(face, "".join(sorted(used))) for face, used in sorted(characters.items())
    )


def font_file(face: FontFace) -> Path:
    """The font that matplotlib lays text of this face out with, in the style of our plots."""
    with drawing():
        return Path(findfont(FontProperties(**face._asdict())))


def embedded_font(file: Path, characters: str) -> bytes:
    """A font with the given characters alone, as WOFF; the same input gives the same bytes.

    Ligatures are left out: matplotlib places the letters of formulas one by one. A character that
    the font lacks is shown in another font.
    """
    options: Any = subset.Options(
        flavor="woff",  # needs no further package, unlike WOFF2; the page is 10 kB larger
        layout_features=["kern"],
        hinting=False,
        ignore_missing_unicodes=True,
        notdef_outline=True,
    )
    subsetter = subset.Subsetter(options)
    subsetter.populate(text=characters)
    stream = io.BytesIO()
    with subset.load_font(str(file), options) as font:
        subsetter.subset(font)
        subset.save_font(font, stream, options)
    return stream.getvalue()


def _font_face(face: FontFace, characters: str) -> Markup:
    """The rule of a style sheet with one font."""
    data = base64.b64encode(embedded_font(font_file(face), characters)).decode()
    return Markup(
        f'@font-face {{ font-family: "{FAMILY}"; font-weight: {face.weight}; '
        f"font-style: {face.style}; src: url(data:font/woff;base64,{data}); }}"
    )
