"""The event display shows what the event holds, and marks the mistakes of candidates."""

import io
import json
import re
import shutil
import subprocess
from dataclasses import replace
from importlib import resources
from itertools import pairwise

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from PIL import Image

from partflow import pipeline
from partflow.core.detector import FACE_NONE
from partflow.core.errors import ConfigError, DataError, InputError, OutputError
from partflow.core.kinematics import eta_from_momentum
from partflow.core.known_detectors import CLD, CLIC
from partflow.core.provenance import Provenance
from partflow.core.records import Collection, Events, concatenate_events
from partflow.core.schemas import (
    CANDIDATES,
    PARTICLES,
    SHARES,
    TARGETS,
)
from partflow.core.store import STAGES, write_events
from partflow.evaluate.config import EvaluationConfig
from partflow.evaluate.jets import JetSample
from partflow.evaluate.particles import RateCount, judge_particles
from partflow.generate import GenerationConfig, generate
from partflow.report.display.marks import Mark, TargetMark, mark_mistakes
from partflow.report.display.page import build_display_page
from partflow.report.display.payload import (
    QUANTUM,
    payload,
    to_json,
    unpacked_energies,
    unpacked_positions,
)
from partflow.report.display.places import detector_parts, toward_face, track_paths
from partflow.report.display.scene import CandidateSets, DisplayedSet, build_scene
from partflow.report.display.selection import select_events
from partflow.report.display.still import CLASS_LOOKS, draw_still
from partflow.simulate import SimulationConfig

EVIL = '</script><script>alert("1")</script>'


def scene_of(event, name="mine", detector=CLIC, number=3):
    """A scene of the baseline's particles under two names, and of the target."""
    references = pipeline.reference_candidates(event, detector)
    candidates = {
        name: event.baseline,
        "baseline": event.baseline,
        "target": references.candidates["target"],
    }
    return build_scene(event, number, CandidateSets(candidates, references.targets), detector)


@pytest.fixture(scope="module")
def event():
    (generated,) = generate(GenerationConfig("ww", 1, 11_002))
    return pipeline.simulate_events(generated, CLIC, SimulationConfig())


@pytest.fixture(scope="module")
def scene(event):
    return scene_of(event)


@pytest.fixture(scope="module")
def nothing():
    particles = Collection.empty(PARTICLES, 1)
    empty = Events(np.zeros(1), np.array(["none"], dtype=object), {"particles": particles})
    return pipeline.simulate_events(empty, CLIC, SimulationConfig())


def test_the_page_contains_the_position_and_energy_of_every_hit(event, scene):
    packed = payload(scene)["hits"]
    hits = event.hits
    assert len(hits) > 500
    position = np.stack([hits.x, hits.y, hits.z], axis=1)
    assert unpacked_positions(packed["position"]) == pytest.approx(position, abs=QUANTUM / 2 + 1e-3)
    assert unpacked_energies(packed["energy"]) == pytest.approx(hits.energy_em, rel=2e-4)


def test_the_page_contains_the_particles_of_every_set(event, scene):
    sets = {one["name"]: one for one in payload(scene)["sets"]}
    assert list(sets) == ["mine", "baseline", "target"]
    assert sets["mine"]["energy"] == pytest.approx(event.baseline.energy, rel=1e-3)
    assert sets["mine"]["class"] == event.baseline.pdg_id.tolist()
    assert sets["mine"]["track"] == event.baseline.track_index.tolist()
    assert len(unpacked_positions(sets["mine"]["position"])) == len(event.baseline)


def test_tracks_end_at_the_calorimeter_face(event):
    tracks = event.tracks
    ends = track_paths(tracks)[:, -1]
    face = np.stack([tracks.face_x, tracks.face_y, tracks.face_z], axis=1)
    reaches = tracks.face_region != FACE_NONE
    assert reaches.sum() > 5
    assert ends[reaches, :2] == pytest.approx(face[reaches, :2], abs=1.0)


@pytest.mark.parametrize("detector", [CLIC, CLD], ids=lambda d: d.name)
def test_a_neutral_particle_is_drawn_on_the_face_in_its_direction(detector):
    eta, phi = np.array([0.0, 1.0, -2.5, 20.0]), np.array([0.1, -2.0, 3.0, 0.5])
    x, y, z = toward_face(eta, phi, detector).T
    at_barrel = np.isclose(np.hypot(x, y), detector.ecal.inner_radius)
    assert np.all(at_barrel | np.isclose(np.abs(z), detector.ecal.endcap_z))
    assert eta_from_momentum(x, y, z) == pytest.approx(eta)
    assert np.arctan2(y, x) == pytest.approx(phi)


@pytest.mark.parametrize("detector", [CLIC, CLD], ids=lambda d: d.name)
def test_the_outline_is_that_of_the_detector(detector):
    parts = detector_parts(detector)
    assert [p.name for p in parts] == ["Tracker", "ECAL", "ECAL", "HCAL", "HCAL", "Yoke", "Yoke"]
    barrels = [p for p in parts if not p.is_endcap]
    for inside, outside in pairwise(barrels):
        assert inside.outer_radius <= outside.inner_radius
    assert parts[1].inner_radius == detector.ecal.inner_radius


def test_marks_agree_with_the_counts_of_efficiency_and_fake_rate(event, scene):
    displayed = scene.sets[0]
    counts = judge_particles(
        displayed.targets, event.tracks.counts, displayed.candidates, 0, EvaluationConfig()
    )[0].by_pt.sum(axis=(0, 2, 3))
    reconstructed = displayed.targets_with(TargetMark.RECONSTRUCTED).number
    fakes = sum(displayed.candidates_with(m).number for m in (Mark.FAKE, Mark.WRONG_CLASS))
    assert reconstructed == counts[RateCount.RECONSTRUCTED] > 0
    assert fakes == counts[RateCount.FAKES] > 0
    others = sum(
        displayed.targets_with(m).number for m in (TargetMark.MISSED, TargetMark.WRONG_CLASS)
    )
    assert others == counts[RateCount.TARGETS] - reconstructed


def test_the_target_has_no_mistakes(scene):
    marks = scene.sets[2].marks
    assert np.all(marks.of_candidate == Mark.RIGHT)
    assert not np.any(np.isin(marks.of_target, (TargetMark.MISSED, TargetMark.WRONG_CLASS)))


def test_each_kind_of_mistake_has_its_mark(fill):
    targets = fill(
        TARGETS, [0, 6], pdg_id=np.array([211, 22, 130, 22, 0, 22]),
        energy=np.array([9.0, 9, 9, 9, 0, 9]),
    )  # fmt: skip
    candidates = fill(
        CANDIDATES, [0, 6], pdg_id=np.array([211, 130, 130, 22, 22, 22]),
        energy=np.array([9.0, 9, 4, 9.9, 2, 1]), track_index=np.array([0, -1, -1, -1, -1, -1]),
        cluster_index=np.array([-1, 0, 1, 2, 3, -1]),
    )  # fmt: skip
    marks = mark_mistakes(targets, np.array([1]), candidates)
    of_candidates = ["RIGHT", "WRONG_CLASS", "ENERGY", "RIGHT", "FAKE", "WITHOUT_ELEMENT"]
    assert [Mark(m).name for m in marks.of_candidate] == of_candidates
    of_targets = [
        "RECONSTRUCTED", "WRONG_CLASS", "RECONSTRUCTED", "RECONSTRUCTED", "NO_TARGET", "MISSED"
    ]  # fmt: skip
    assert [TargetMark(m).name for m in marks.of_target] == of_targets


def test_a_fake_misplaces_the_clusters_that_its_energy_is_from(fill):
    """No tracks, three clusters of 10 GeV. The fake at the first cluster has 1 GeV of the first and
    8 GeV of the second; the third belongs to a particle."""
    targets = fill(TARGETS, np.array([0, 3]), pdg_id=np.array([0, 0, 22]), energy=np.full(3, 10.0))
    candidates = fill(
        CANDIDATES, np.array([0, 2]), pdg_id=np.array([130, 22]), energy=np.array([9.0, 10.0]),
        track_index=np.array([-1, -1]), cluster_index=np.array([0, 2]),
    )  # fmt: skip
    shares = fill(
        SHARES, np.array([0, 5]), cluster_element=np.array([0, 0, 1, 1, 2]),
        owner_element=np.array([-1, 0, 0, -1, 2]), energy_em=np.array([9.0, 1.0, 8.0, 2.0, 10.0]),
    )  # fmt: skip
    position = np.zeros((3, 3))
    plain = DisplayedSet(
        "mine", "final", candidates, targets,
        mark_mistakes(targets, np.array([0]), candidates),
        position[:2], position, np.zeros(0), True,
    )  # fmt: skip
    energy = np.full(3, 10.0)
    assert plain.misplaced_clusters(0, energy).tolist() == [0]
    assert replace(plain, shares=shares).misplaced_clusters(0, energy).tolist() == [1]


def test_candidates_of_another_event_are_rejected(event, fill):
    beyond = fill(CANDIDATES, [0, 1], pdg_id=np.array([211]), track_index=np.array([10_000]))
    references = pipeline.reference_candidates(event, CLIC)
    with pytest.raises(DataError, match=r"mine: .* made from these events"):
        build_scene(event, 0, CandidateSets({"mine": beyond}, references.targets), CLIC)


def test_the_page_needs_nothing_from_elsewhere_and_a_name_is_only_text(event):
    scene = scene_of(event, EVIL)
    page = build_display_page([scene], [draw_still(scene)])
    assert EVIL not in page
    assert re.search(r"https?:", page) is None
    assert page.count("<script") == page.count("</script") == 3
    assert len(re.findall(r"'sha256-[\w+/]+=*'", page)) == 2
    data = re.search(r'<script type="application/json">(.*?)</script>', page, re.DOTALL)
    assert json.loads(data[1])["sets"][0]["name"] == EVIL
    assert json.loads(data[1]) == json.loads(to_json(scene))


def test_the_picture_keeps_the_colours_of_the_classes(scene):
    picture = np.asarray(Image.open(io.BytesIO(draw_still(scene))).convert("RGB")).astype(int)
    for colour, _ in CLASS_LOOKS.values():
        distance = np.abs(picture - 255 * np.array(to_rgb(colour))).max(axis=2)
        assert (distance < 12).sum() > 20, colour


def test_an_empty_event_can_be_displayed(nothing):
    scene = scene_of(nothing)
    assert draw_still(scene).startswith(b"\x89PNG")
    page = build_display_page([scene], [b""])
    assert "0 hits, 0 tracks, 0 clusters, 0 generator jets" in page


def test_typical_best_and_worst_event_are_selected_by_their_jets():
    event = np.array([0, 0, 1, 1, 2, 2, 3, 4, 4])
    response = np.array([1.1, 0.9, 1.0, 1.0, 1.3, np.nan, 1.0, 0.8, 1.2])
    jets = JetSample(event, np.full(9, 20.0), np.zeros(9), response)
    selected = select_events(jets, 5, "mine")
    assert [e.number for e in selected] == [0, 1, 2]  # event 3 has one jet only
    assert selected[0].remark == "Typical for jets of mine: mean error 10.0 %"
    assert select_events(JetSample(*[np.empty(0, dtype=int)] * 4), 0, "mine") == []


@pytest.mark.parametrize("script", ["display.js", "page.js"])
def test_the_scripts_are_valid_javascript(script):
    node = shutil.which("node")
    if node is None:
        pytest.skip("no node on this machine to check JavaScript with")
    file = resources.files("partflow.report") / "template" / script
    checked = subprocess.run([node, "--check", str(file)], capture_output=True, check=False)
    assert checked.returncode == 0, checked.stderr.decode()


# --- the command --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(event, nothing, tmp_path_factory):
    """A folder with two events, the second empty, and candidates of them."""
    folder = tmp_path_factory.mktemp("shown")
    record = Provenance("events", {"detector": "clic"}, 1)
    collections = {name: event.collections[name] for name in STAGES["events"]}
    events = concatenate_events([Events(event.event_id, event.process, collections), nothing])
    (folder / "events").mkdir()
    write_events(folder / "events" / "events-00000.parquet", events, "events", record)
    mine = Events(events.event_id, events.process, {"candidates": events.baseline})
    write_events(folder / "mine.parquet", mine, "candidates", Provenance("candidates", {}, 1))
    write_events(folder / "none.parquet", events[0:0], "events", record)
    other = Events(events.event_id + 1, mine.process, mine.collections)
    write_events(folder / "other.parquet", other, "candidates", Provenance("candidates", {}, 1))
    return folder


def test_events_become_a_page_and_a_picture_of_each(folder, tmp_path):
    candidates = {"mine": folder / "mine.parquet"}
    page = tmp_path / "show.html"
    written = pipeline.display(folder / "events", [0, 1], candidates, page)
    assert written == [page, tmp_path / "show-0.png", tmp_path / "show-1.png"]
    assert page.read_text(encoding="utf-8").count('class="display"') == 2
    assert all(file.read_bytes().startswith(b"\x89PNG") for file in written[1:])
    with pytest.raises(OutputError, match="exists"):
        pipeline.display(folder / "events", [0], candidates, page)


@pytest.mark.parametrize(
    ("source", "numbers", "candidates", "error", "words"),
    [
        ("events", [2], None, ConfigError, r"--event 2: .* holds 2 events; give 0 to 1"),
        ("events", [-1], None, ConfigError, r"--event -1: .* give 0 to 1"),
        ("events", [], None, ConfigError, "give the number of an event, from 0 to 1"),
        ("none.parquet", [0], None, InputError, "holds no event"),
        ("events", [0], "other.parquet", InputError, "mine .* belongs to other events"),
    ],
)
def test_impossible_displays_are_errors(
    folder, tmp_path, source, numbers, candidates, error, words
):
    given = {"mine": folder / candidates} if candidates else {}
    with pytest.raises(error, match=words):
        pipeline.display(folder / source, numbers, given, tmp_path / "show.html")
    assert list(tmp_path.iterdir()) == []
