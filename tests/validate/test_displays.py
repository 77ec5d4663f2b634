"""Event displays: lines end where tracks do, mistakes are what they are called."""

import numpy as np
import pytest

from partflow import pipeline
from partflow.core.known_detectors import CLIC
from partflow.core.records import Collection, Events
from partflow.core.schemas import PARTICLES
from partflow.generate import GenerationConfig, generate
from partflow.simulate import SimulationConfig
from partflow.validate.displays import draw_display, prepare


@pytest.fixture(scope="module")
def event():
    (generated,) = generate(GenerationConfig("uds", 1, 10_002, 380.0))
    return pipeline.simulate_events(generated, CLIC, SimulationConfig())


def test_mistakes_hold_the_energy_of_the_confusion_matrix(event):
    """By the largest contribution of each hit, so equal to the matrix but for shared hits."""
    from partflow.evaluate.energy_flow import EnergyOrigin
    from partflow.validate.measure.confusion import Found, confusion

    matrix = confusion(event)[0]
    absorbed, twice = prepare(event, CLIC).mistakes
    neutral = matrix[[EnergyOrigin.PHOTON, EnergyOrigin.NEUTRAL_HADRON]]
    assert absorbed.energy == pytest.approx(neutral[:, Found.OTHER_CHARGED].sum(), rel=0.15)
    double = matrix[EnergyOrigin.WITH_TRACK, [Found.PHOTON, Found.NEUTRAL_HADRON]].sum()
    assert twice.energy == pytest.approx(double, rel=0.15)


def test_an_empty_event_can_be_drawn(tmp_path):
    particles = Collection.empty(PARTICLES, 1)
    nothing = Events(np.zeros(1), np.array(["none"], dtype=object), {"particles": particles})
    event = pipeline.simulate_events(nothing, CLIC, SimulationConfig())
    draw_display(event, CLIC, "nothing", tmp_path / "empty.png")
    assert (tmp_path / "empty.png").read_bytes().startswith(b"\x89PNG")
