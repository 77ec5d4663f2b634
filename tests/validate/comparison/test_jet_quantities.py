"""Quantities of collisions, on tables that were filled by hand."""

from dataclasses import fields

import numpy as np
import pytest

from partflow.core.records import Collection, Events
from partflow.core.schemas import CANDIDATES, PARTICLES
from partflow.evaluate.jets import JetSample
from partflow.evaluate.met import MetSample
from partflow.validate.comparison import jet_quantities as quantities
from partflow.validate.measure import estimate
from partflow.validate.measure.collisions import SETS, jet_table
from partflow.validate.summaries import ClusterSample, EventSample, SplitSample

BOOTSTRAP = estimate.resampling(2)


def of_events(**columns):
    """Two events in which all other columns are zero."""
    zeros = {field.name: np.zeros(2) for field in fields(EventSample)}
    return EventSample(**{**zeros, "event": np.arange(2), **columns})


@pytest.fixture
def tables():
    """Two events with three generator jets, of which the second has no reconstructed one."""
    response = {"baseline": [0.9, np.nan, 1.1], "perfect": [0.95, np.nan, 1.05]}
    jets = {
        jet_table(name): JetSample(
            np.array([0, 0, 1]), np.full(3, 20.0), np.zeros(3),
            np.array(response.get(name, [1.0, 1.0, 1.0])),
        )
        for name in SETS
    }  # fmt: skip
    return {
        **jets,
        "events": of_events(
            num_hits=np.array([10, 20]), gen_energy=np.array([100.0, 300.0]),
            baseline=np.array([90.0, 290.0]), energy_absorbed=np.array([1.0, 2.0]),
        ),
        "clusters": ClusterSample(
            np.array([0, 0, 1]), np.ones(3), np.array([1.0, 0.5, 0.9]), np.ones(3)
        ),
        "split": SplitSample(np.array([0, 1]), np.ones(2), np.array([1.0, 0.5]), np.ones(2)),
        "met": MetSample(np.arange(2), np.array([10.0, 20.0]), np.array([11.0, 24.0])),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("measure", "options", "expected"),
    [
        (quantities.jet_median, {"name": "baseline"}, 1.0),
        (quantities.jet_width, {"name": "baseline"}, 0.1),  # quartiles 0.95 and 1.05
        (quantities.confusion_factor, {}, 2.0),
        (quantities.matched_fraction, {}, 2 / 3),
        (quantities.met_width, {}, 1.5),  # of 1 and 4 GeV: quartiles 1.75 and 3.25
        (quantities.energy_response, {}, 380 / 400),
        (quantities.number_per_event, {"name": "hits"}, 15.0),
        (quantities.energy_per_event, {"column": "energy_absorbed"}, 1.5),
        (quantities.table_mean, {"table": "clusters", "column": "purity"}, 0.8),
        (quantities.table_mean, {"table": "split", "column": "completeness"}, 0.75),
    ],
)
def test_a_quantity_has_the_value_computed_by_hand(measure, options, expected, tables):
    value = measure(tables, BOOTSTRAP, **options)
    assert value.shape == (estimate.REPLICAS + 1,)
    assert value[0] == pytest.approx(expected)


def test_every_quantity_can_be_measured(tables):
    values = [quantity.measure(tables, BOOTSTRAP)[0] for quantity in quantities.jet_quantities()]
    assert np.isfinite(values).all()


def test_missing_momentum_is_that_of_visible_particles_and_of_the_baseline():
    zeros = {"vx": 0.0, "vy": 0.0, "vz": 0.0, "mass": 0.0, "pz": 0.0}
    particles = Collection.from_events(
        PARTICLES,
        [{"pdg_id": [211, 12], "charge": [1, 0], "px": [3.0, -3.0], "py": [4.0, -4.0],
          "energy": [5.0, 5.0], **{name: [value] * 2 for name, value in zeros.items()}}],
    )  # fmt: skip
    columns = {field.name: [0.0] for field in CANDIDATES.fields}
    candidates = Collection.from_events(CANDIDATES, [{**columns, "pt": [4.0], "phi": [1.0]}])
    events = Events(
        np.array([1]), np.array(["made_up"], dtype=object),
        {"particles": particles, "baseline": candidates},
    )  # fmt: skip
    met = quantities.baseline_met(events)
    assert met.gen == pytest.approx([5.0])
    assert met.reco == pytest.approx([4.0])
