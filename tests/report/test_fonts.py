"""The page contains all characters of its drawings in the font that they are laid out with."""

import base64
import io
import re

import pytest
from fontTools.ttLib import TTFont
from matplotlib.font_manager import get_font

from partflow.report.fonts import FAMILY, embedded_font, font_faces, font_file
from partflow.report.style import drawing, new_figure, stamp
from partflow.report.svg import FontFace, svg_drawing, text_by_font

FACES = (FontFace(), FontFace(700), FontFace(style="italic"))


@pytest.fixture(scope="module")
def drawings():
    """Two drawings with Greek letters, signs and a name from a user."""
    made = []
    with drawing():
        for i, label in enumerate(["fl – 0.5", "my_net Δ"]):
            figure = new_figure()
            axes = figure.subplots()
            axes.set_xlabel(r"$p_\mathrm{T}$ [GeV], $|\eta|$, $\Delta\phi$, $\sum E$")
            axes.text(0.5, 0.5, label)
            stamp(axes, "ttbar: 3 events")
            stream = io.StringIO()
            figure.savefig(stream, format="svg")
            made.append(svg_drawing(stream.getvalue(), f"f{i}", label))
    return made


def decoded(style):
    """The embedded fonts of a style sheet by weight and style."""
    rule = re.compile(
        rf'@font-face {{ font-family: "{FAMILY}"; font-weight: (\d+); font-style: (\w+); '
        r"src: url\(data:font/woff;base64,([\w+/=]+)\); }"
    )
    return {
        FontFace(int(weight), slant): TTFont(io.BytesIO(base64.b64decode(data)))
        for weight, slant, data in rule.findall(style)
    }


def test_every_character_of_the_drawings_is_in_the_embedded_fonts(drawings):
    fonts = decoded(font_faces(drawings))
    assert set(fonts) == set(FACES)
    used = {face: set() for face in FACES}
    for svg in drawings:
        for face, text in text_by_font(svg):
            used[face] |= set(text)
    assert used[FontFace(700)] == set("partflow")
    for face, characters in used.items():
        in_font = {chr(code) for code in fonts[face].getBestCmap()}
        assert characters == in_font


@pytest.mark.parametrize("face", FACES)
def test_embedded_characters_have_the_widths_of_the_original_font(face):
    file, characters = font_file(face), "pT [GeV] 0.5 fl –η"
    with TTFont(io.BytesIO(embedded_font(file, characters))) as embedded, TTFont(file) as original:
        for character in characters:
            widths = [
                font["hmtx"][font.getBestCmap()[ord(character)]][0] / font["head"].unitsPerEm
                for font in (embedded, original)
            ]
            assert widths[0] == widths[1]


@pytest.mark.parametrize("face", FACES)
def test_the_font_is_that_of_the_layout(face):
    font = get_font(str(font_file(face)))
    assert font.family_name == "TeX Gyre Heros"
    assert ("Bold" in font.style_name, "Italic" in font.style_name) == (
        face.weight == 700, face.style == "italic"
    )  # fmt: skip


def test_a_character_that_the_font_lacks_is_left_to_other_fonts():
    embedded = TTFont(io.BytesIO(embedded_font(font_file(FontFace()), "a中")))
    assert set(embedded.getBestCmap()) == {ord("a")}


def test_the_same_drawings_give_the_same_fonts(drawings):
    assert font_faces(drawings) == font_faces(reversed(drawings))
    assert len(font_faces(drawings)) < 40_000


def test_a_page_without_drawings_contains_no_font():
    assert font_faces([]) == ""
