"""The pages in a browser: opened from disk, on a desktop and on a phone."""

import json

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.font_manager import get_font
from matplotlib.ft2font import LoadFlags

from partflow.core.known_detectors import CLIC
from partflow.core.records import Events
from partflow.core.schemas import (
    CANDIDATES,
    CLUSTERS,
    CONTRIBUTIONS,
    HIT_CLUSTERS,
    HITS,
    PARTICLES,
    TARGETS,
    TRACKS,
)
from partflow.evaluate import EvaluationConfig, Evaluator
from partflow.report.display.scene import CandidateSets, build_scene
from partflow.report.evaluation import write_evaluation
from partflow.report.fonts import font_file
from partflow.report.svg import FontFace
from tests.report.chromium import Chromium, find_chromium

DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 375, "height": 760, "mobile": True}
EVIL = '<img src=x onerror="console.error(1)">'


def toy_scene(fill):
    """Four particles and their hits; one photon is missed, one candidate is a fake."""
    rng = np.random.default_rng(5)
    number, one = 300, np.array
    eta, phi = one([0.3, -0.5, 0.8, 0.1]), one([0.2, 2.0, -2.2, 1.0])
    towards = np.stack([np.cos(phi), np.sin(phi), np.sinh(eta)], axis=1)
    near = np.arange(number) % 4
    position = towards[near] * rng.uniform(1500, 1900, (number, 1)) + rng.normal(0, 30, (number, 3))
    energy = one([20.0, 9.0, 5.0, 3.0])
    pt = energy / np.cosh(eta)
    centroid = {axis: 1600 * towards[1:, i] for i, axis in enumerate("xyz")}
    event = Events(one([7]), one(["toy"], dtype=object), {
        "particles": fill(
            PARTICLES, [0, 4], pdg_id=one([211, 22, 130, 22]), charge=one([1, 0, 0, 0]),
            px=pt * towards[:, 0], py=pt * towards[:, 1], pz=pt * towards[:, 2], energy=energy,
        ),
        "hits": fill(HITS, [0, number], x=position[:, 0], y=position[:, 1], z=position[:, 2],
                     energy_em=rng.exponential(0.1, number)),
        "hit_clusters": fill(HIT_CLUSTERS, [0, number], cluster_index=near - 1),
        "contributions": fill(CONTRIBUTIONS, [0, number], hit_index=np.arange(number),
                              particle_index=near, energy_em=np.ones(number)),
        "tracks": fill(TRACKS, [0, 1], pt=pt[:1], phi=phi[:1], tan_lambda=np.sinh(eta[:1]),
                       omega=one([6e-5]), charge=one([1])),
        "clusters": fill(CLUSTERS, [0, 3], energy_em=energy[1:], **centroid),
    })  # fmt: skip
    columns = {"pt": pt, "eta": eta, "energy": energy}
    targets = fill(TARGETS, [0, 4], pdg_id=one([211, 22, 130, 0]), sin_phi=np.sin(phi),
                   cos_phi=np.cos(phi), **columns)  # fmt: skip
    everything = fill(
        CANDIDATES, [0, 4], pdg_id=one([211, 22, 130, 22]), phi=phi, **columns,
        track_index=one([0, -1, -1, -1]), cluster_index=one([-1, 0, 1, 2]),
    )  # fmt: skip
    sets = {
        EVIL: everything.select(one([True, False, True, True])),
        "baseline": everything.select(one([True, True, False, False])),
        "target": everything.select(one([True, True, True, False])),
    }
    return build_scene(event, 0, CandidateSets(sets, {"final": targets}), CLIC)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    executable = find_chromium()
    if executable is None:
        pytest.skip("no Chromium on this machine to open the pages in")
    with Chromium(executable, tmp_path_factory.mktemp("profile")) as running:
        yield running


@pytest.fixture(scope="module")
def page(browser, toy_events, fill, tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    evaluator = Evaluator(EvaluationConfig(num_replicas=10))
    toy = toy_events(12, 31)
    toy.candidates = {EVIL: toy.candidates["mlpf"], "baseline": toy.candidates["baseline"]}
    toy.add_to(evaluator)
    scene = toy_scene(fill)
    write_evaluation(evaluator, folder, make_scene=lambda number, remark: scene)
    return folder / "index.html"


STATE = "({...document.querySelector('figure.display').dataset})"
PIXELS = "document.querySelector('figure.display canvas').toDataURL()"


@pytest.fixture
def display(browser, page):
    """The page with its first display in the window; returns the centre of its canvas."""
    browser.open(page, **DESKTOP)
    box = json.loads(browser.run(
        "(() => { const c = document.querySelector('figure.display canvas');"
        "c.scrollIntoView({block: 'center', behavior: 'instant'}); c.focus();"
        "return JSON.stringify(c.getBoundingClientRect()); })()"
    ))  # fmt: skip
    browser.settle()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_the_page_opens_without_errors_and_fits_the_window(browser, page, size, dark):
    browser.open(page, **size, dark=dark)
    assert browser.errors == []
    assert browser.run("document.documentElement.scrollWidth") == size["width"]
    drawn = browser.run("[...document.querySelectorAll('svg[role=img]')].map(s => s.clientWidth)")
    assert len(drawn) >= 15
    assert min(drawn) > 0.6 * min(size["width"], 500)
    assert browser.run("document.querySelectorAll('figure.display.live canvas').length") >= 1
    assert browser.run("document.querySelector('img.still').checkVisibility()") is False


def test_the_display_rotates_by_mouse_and_by_key(browser, display):
    before, pixels = browser.run(STATE), browser.run(PIXELS)
    x, y = display
    browser.drag((x, y), (x + 90, y + 40))
    dragged, moved = browser.run(STATE), browser.run(PIXELS)
    assert float(dragged["yaw"]) == pytest.approx(float(before["yaw"]) + 90 * 0.008)
    assert moved != pixels
    browser.press("ArrowLeft")
    assert browser.run(PIXELS) != moved
    browser.press("0")
    browser.press("Escape")
    assert browser.run(PIXELS) == pixels
    browser.press("+")
    assert float(browser.run(STATE)["zoom"]) > 1


def test_selecting_another_candidate_set_changes_the_drawing(browser, display):
    assert browser.errors == []
    first, pixels = browser.run(STATE), browser.run(PIXELS)
    assert first["set"] == EVIL
    assert (first["particles"], first["marked"], first["missed"]) == ("3", "1", "1")
    browser.press("2")
    second = browser.run(STATE)
    assert second["set"] == "baseline"
    assert (second["particles"], second["marked"], second["missed"]) == ("2", "0", "1")
    assert browser.run(PIXELS) != pixels
    browser.run("document.querySelector('figure.display input[type=radio][value=\"2\"]').click()")
    browser.settle()
    third = browser.run(STATE)
    assert (third["set"], third["particles"], third["missed"]) == ("target", "3", "0")


def test_pointing_at_a_particle_describes_it(browser, display):
    browser.press("n")
    text = browser.run("document.querySelector('figure.display .tip').textContent")
    assert text.startswith("charged hadron, 20.0 GeV")
    browser.press("p")
    text = browser.run("document.querySelector('figure.display .tip').textContent")
    assert "Fake: this element has no target" in text
    x, y = browser.run(
        "(() => { const d = document.querySelector('figure.display').display,"
        "b = d.canvas.getBoundingClientRect(), l = d.pickable.at(-1).shown;"
        "return [b.x + l[0], b.y + l[1]]; })()"
    )
    browser.move(x, y)
    text = browser.run("document.querySelector('figure.display .tip').textContent")
    assert text.startswith("Missed: photon, 9.0 GeV")


def test_a_switch_hides_its_set_in_every_plot(browser, page):
    browser.open(page, **DESKTOP)
    visible = (
        "[...document.querySelectorAll('svg .set-1')].filter(p => !p.closest('.legend')"
        " && getComputedStyle(p).display !== 'none').length"
    )
    assert browser.run(visible) > 20
    browser.run("document.querySelector('.switches input[value=set-1]').click()")
    assert browser.run(visible) == 0
    assert browser.run(visible.replace("set-1", "set-0")) > 20


def test_pointing_at_a_point_shows_its_value(browser, page):
    browser.open(page, **DESKTOP)
    browser.run("document.querySelector('.switches input[value=set-0]').click()")
    x, y = browser.run(
        "(() => { const u = [...document.querySelectorAll('.lead svg .set-1 use')]"
        ".find(one => one.x.baseVal.value > 0);"
        "u.scrollIntoView({block: 'center', behavior: 'instant'});"
        "const b = u.getBoundingClientRect();"
        "return [b.x + b.width / 2, b.y + b.height / 2]; })()"
    )
    browser.settle()
    browser.move(x, y)
    text = browser.run("document.querySelector('.value').textContent")
    first = json.loads((page.parent / "metrics.json").read_text())["jets"]["baseline"]["bins"]
    known = next(b for b in first if b["iqr_over_median"] is not None)
    name, _, rest = text.partition(": ")
    value, _, pt = rest.partition(" at ")
    assert name == "baseline"
    assert float(value) == pytest.approx(known["iqr_over_median"], rel=0.01)
    assert float(pt) == pytest.approx(np.sqrt(known["low"] * known["high"]), rel=0.01)


def test_plots_can_be_enlarged_and_tables_sorted(browser, page):
    browser.open(page, **DESKTOP)
    width = "document.querySelector('dialog[open] svg')?.clientWidth"
    browser.run("document.querySelector('.enlarge').click()")
    assert browser.run(width) > 500
    browser.press("Escape")
    browser.run("document.querySelector('dialog button').click()")
    browser.settle()
    assert browser.run("document.querySelectorAll('dialog[open]').length") == 0
    assert browser.errors == []
    column = (
        "[...document.querySelectorAll('#particles table')[0].tBodies[0].rows]"
        ".map(r => parseFloat(r.cells[1].textContent)).filter(v => !isNaN(v))"
    )
    browser.run(
        "document.querySelectorAll('#particles table')[0].querySelectorAll('.sort')[0].click()"
    )
    values = browser.run(column)
    assert len(values) > 1
    assert values == sorted(values, reverse=True)


# --- fonts ------------------------------------------------------------------------------------

FONTCONFIG = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir>{fonts}</dir><cachedir>{cache}</cachedir></fontconfig>
"""
TEXTS = """document.fonts.ready.then(() =>
  [...document.querySelectorAll('.card text')].flatMap((text) => {
    const parts = text.children.length ? [...text.children] : [text];
    return parts.filter((part) => part.textContent.trim()).map((part) => {
        const style = getComputedStyle(part);
        return [part.textContent, parseFloat(style.fontSize), parseInt(style.fontWeight),
                style.fontStyle, part.getComputedTextLength()];
    });
}))"""
CUT_OFF = """document.fonts.ready.then(() =>
  [...document.querySelectorAll('.card text')].filter((text) => {
    const end = text.getBoundingClientRect().right;
    return !text.closest('.legend') && end > text.ownerSVGElement.getBoundingClientRect().right;
  }).map((text) => text.textContent))"""


@pytest.fixture(scope="module")
def browser_without_the_font(tmp_path_factory):
    """A browser that has DejaVu alone, whose letters are wider than those of the plots."""
    executable = find_chromium()
    if executable is None:
        pytest.skip("no Chromium on this machine to open the pages in")
    folder = tmp_path_factory.mktemp("fonts")
    fonts = f"{mpl.get_data_path()}/fonts/ttf"
    config = FONTCONFIG.format(fonts=fonts, cache=folder / "cache")
    (folder / "fonts.conf").write_text(config, encoding="utf-8")
    environment = {"FONTCONFIG_FILE": str(folder / "fonts.conf")}
    with Chromium(executable, folder / "profile", environment) as running:
        yield running


def layout_width(text, size, face):
    """Width of a text [px] as matplotlib lays it out."""
    font = get_font(str(font_file(face)))
    font.set_size(size, 72)
    font.set_text(text.replace("\xa0", " "), 0.0, flags=LoadFlags.NO_HINTING)
    return font.get_width_height()[0] / 64


def test_text_of_plots_has_the_width_of_their_layout_in_a_browser_without_the_font(
    browser_without_the_font, page
):
    browser = browser_without_the_font
    browser.open(page, **DESKTOP)
    texts = browser.run(TEXTS)
    assert len(texts) > 300
    for text, size, weight, style, length in texts:
        expected = layout_width(text, size, FontFace(weight, style))
        assert length == pytest.approx(expected, rel=0.02, abs=0.5), text


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_no_text_of_plots_is_cut_off_in_a_browser_without_the_font(
    browser_without_the_font, page, size
):
    browser_without_the_font.open(page, **size)
    assert browser_without_the_font.errors == []
    assert browser_without_the_font.run(CUT_OFF) == []  # a long name may leave a legend
