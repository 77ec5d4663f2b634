"""Event displays: stills of the baseline with its mistakes, of the first and the worst event."""

from dataclasses import fields

import numpy as np
import pytest

from partflow import pipeline
from partflow.core.candidate_sets import BASELINE
from partflow.core.known_detectors import CLIC
from partflow.core.records import Collection, Events
from partflow.core.schemas import PARTICLES
from partflow.generate import GenerationConfig, generate
from partflow.report.display.still import draw_still
from partflow.simulate import SimulationConfig
from partflow.validate.displays import baseline_scene, worst_event
from partflow.validate.summaries import EventSample


def test_a_display_marks_the_mistakes_of_the_baseline():
    (generated,) = generate(GenerationConfig("uds", 1, 10_002, 380.0))
    event = pipeline.simulate_events(generated, CLIC, SimulationConfig())
    scene = baseline_scene(event, CLIC, "uds-380, first event")
    (displayed,) = scene.sets
    assert displayed.name == BASELINE
    assert displayed.is_judged
    assert np.array_equal(displayed.candidates.energy, event.baseline.energy)
    assert np.any(displayed.marks.of_candidate != 0)
    assert scene.title == "uds-380, first event"


def test_an_empty_event_can_be_drawn():
    particles = Collection.empty(PARTICLES, 1)
    nothing = Events(np.zeros(1), np.array(["none"], dtype=object), {"particles": particles})
    event = pipeline.simulate_events(nothing, CLIC, SimulationConfig())
    assert draw_still(baseline_scene(event, CLIC, "nothing")).startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("abs_cos_theta", "worst"),
    [([0.1, 0.2, 0.3], 1), ([0.1, 0.8, 0.3], 2), ([0.9, 0.8, np.nan], 0)],
)
def test_the_worst_event_is_the_one_in_the_barrel_farthest_from_perfect(abs_cos_theta, worst):
    columns = {column.name: np.zeros(3) for column in fields(EventSample)}
    columns |= {
        "event": np.arange(3),
        "abs_cos_theta": np.array(abs_cos_theta),
        "gen_energy": np.array([100.0, 100.0, 200.0]),
        "perfect": np.array([100.0, 100.0, 200.0]),
        "baseline": np.array([99.0, 90.0, 215.0]),
    }
    assert worst_event(EventSample(**columns)) == worst
