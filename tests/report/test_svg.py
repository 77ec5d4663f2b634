"""A drawing as part of a page: smaller, with ids of its own, and still the same drawing."""

import io
import re
from xml.etree import ElementTree

import pytest

from partflow.report.style import drawing, new_figure, stamp
from partflow.report.svg import FontFace, svg_drawing, text_by_font

EVIL = "</text><script>alert(1)</script>"


@pytest.fixture(scope="module")
def drawn():
    """A drawing by matplotlib: a curve with markers, a legend, formulas, a name from a user."""
    with drawing():
        figure = new_figure()
        axes = figure.subplots()
        axes.plot([1, 2, 3], [0.1, 0.3, 0.2], marker="o", gid="set-0", label=f"{EVIL}  0.5")
        axes.set_xlabel(r"$p_\mathrm{T}^\mathrm{miss}$ reco $-$ gen [GeV]")
        axes.legend()
        stamp(axes, "ww: 3 events")
        stream = io.StringIO()
        figure.savefig(stream, format="svg")
    return stream.getvalue()


@pytest.fixture(scope="module")
def shown(drawn):
    return svg_drawing(drawn, "f7", 'A "curve"')


def test_a_drawing_is_a_quarter_of_its_size(drawn, shown):
    assert len(shown) < len(drawn) / 4


def test_its_ids_have_its_prefix_and_are_all_used(shown):
    names = re.findall(r'\bid="([^"]*)"', shown)
    used = re.findall(r'href="#([^"]*)"|url\(#([^)]*)\)', shown)
    assert set(names) == {"".join(pair) for pair in used}
    assert len(names) == len(set(names)) >= 2
    assert all(re.fullmatch(r"f7-\d+", name) for name in names)


def test_sets_and_legends_are_classes(shown):
    root = ElementTree.fromstring(shown)
    classes = [one.get("class") for one in root.iter() if one.get("class")]
    assert sorted(set(classes)) == ["legend", "set set-0"]
    points = root.findall(".//g[@class='set set-0']//use")
    assert len(points) == 3  # a script reads the values at them
    assert root.get("aria-label") == 'A "curve"'


def test_text_stays_text_and_formulas_become_words(shown):
    root = ElementTree.fromstring(shown)
    texts = ["".join(text.itertext()).replace("\xa0", " ") for text in root.iter("text")]
    assert f"{EVIL}  0.5" in texts
    assert "partflow Simulation" in texts
    assert any("reco" in words and "gen [GeV]" in words for words in texts)
    assert "<script" not in shown
    assert "font-family" not in shown


def test_text_is_found_with_its_font(shown):
    texts = list(text_by_font(shown))
    assert (FontFace(700), "partflow") in texts
    assert (FontFace(style="italic"), "Simulation") in texts
    assert (FontFace(), f"{EVIL}  0.5") in texts


def test_positions_are_those_of_the_drawing(drawn, shown):
    def positions(svg):
        return [
            (float(one.get("x")), float(one.get("y")))
            for one in ElementTree.fromstring(svg).iter()
            if one.tag.endswith("use") and one.get("style", "").startswith("fill")
        ]

    before, after = positions(drawn), positions(shown)
    assert len(after) >= 3
    for (x, y), (shown_x, shown_y) in zip(before, after, strict=True):
        assert shown_x == pytest.approx(x, abs=0.005)
        assert shown_y == pytest.approx(y, abs=0.005)


def test_every_tick_is_still_there(drawn, shown):
    root = ElementTree.fromstring(drawn)
    shapes = {
        f"#{one.get('id')}" for one in root.iter()
        if re.fullmatch(r"M 0 0\s+L \S+ \S+\s*", one.get("d", "")) and one.get("id")
    }  # fmt: skip
    before = [one for one in root.iter() if set(one.attrib.values()) & shapes]
    after = [
        stroke for one in ElementTree.fromstring(shown).iter("path")
        for stroke in re.findall(r"M[^Ml]*l", one.get("d", ""))
    ]  # fmt: skip
    assert len(after) == len(before) > 50


@pytest.mark.parametrize("name", ["ww", "cld_mumuh_240_nohits_10ev_of_a_long_name"])
def test_the_stamp_leaves_room_for_the_name_of_a_sample(name):
    with drawing():
        figure = new_figure()
        axes = figure.subplots()
        stamp(axes, f"{name}, {name}: 300 events")
        figure.draw_without_rendering()
        left, right = axes._left_title, axes._right_title
        assert right.get_text().endswith(f"{name[-3:]}: 300 events")
        assert left.get_window_extent().x1 < right.get_window_extent().x0
