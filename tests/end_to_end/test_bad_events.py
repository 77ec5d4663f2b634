"""Impossible and extreme events through all stages: nothing fails, nothing becomes infinite."""

from pathlib import Path

import numpy as np
import pytest

from partflow import pipeline
from partflow.core.particles import PION_MASS
from partflow.core.records import Collection, Events
from partflow.core.schemas import PARTICLES
from partflow.core.store import read_events, write_events
from partflow.evaluate import EvaluationConfig
from partflow.simulate import SimulationConfig, realistic

HELIUM, LEAD, UNKNOWN = 1000020040, 1000822080, 9999999
MASS = {22: 0.0, 11: 0.000511, 12: 0.0, 13: 0.10566, 130: 0.4976, HELIUM: 3.727, LEAD: 193.7}
CHARGE = {22: 0, 11: -1, 12: 0, 13: -1, 130: 0, HELIUM: 2, LEAD: 82}
TEV = (2000.0, 1000.0, 2000.0)  # GeV: 3 TeV in all

EVENTS = {
    "nothing": [],
    "neutrinos": [(12, (5.0, 0.0, 1.0))] * 2,
    "at rest": [(kind, (0.0, 0.0, 0.0)) for kind in (211, 11, 22, 130, 13)],
    "along the beam": [(kind, (0.0, 0.0, 50.0)) for kind in (211, 11, 22, 130, 13)],
    "3 TeV": [(kind, TEV) for kind in (211, 11, 22, 130, 13)],
    "unknown": [(UNKNOWN, (6.0, 1.0, 2.0)), (-UNKNOWN, (-6.0, 1.0, 2.0)), (0, (0.0, 9.0, 1.0))],
    "ions": [(HELIUM, (5.0, 1.0, 2.0)), (LEAD, (500.0, 1.0, 20.0))],
}


def generated() -> Events:
    """The events above, and a crowded one with more than fifty thousand hits."""
    rng = np.random.default_rng(4)
    kinds = rng.choice([22, 130, 211, 11, 13], 1800)
    momenta = rng.normal(size=(len(kinds), 3))
    momenta *= (rng.uniform(2, 20, len(kinds)) / np.linalg.norm(momenta, axis=1))[:, None]
    crowd = list(zip(kinds.tolist(), momenta.tolist(), strict=True))
    rows = [
        [
            {
                "pdg_id": kind,
                "charge": CHARGE.get(kind, 1),
                **dict(zip(("px", "py", "pz"), momentum, strict=True)),
                "energy": np.hypot(np.linalg.norm(momentum), MASS.get(kind, PION_MASS)),
                "mass": MASS.get(kind, PION_MASS),
                **dict.fromkeys(("vx", "vy", "vz"), 0.0),
            }
            for kind, momentum in event
        ]
        for event in [*EVENTS.values(), crowd]
    ]
    needed = [name for name in PARTICLES.names if name in PARTICLES.needed]
    particles = Collection.from_events(
        PARTICLES, [{name: [row[name] for row in event] for name in needed} for event in rows]
    )
    return Events(np.arange(len(rows)), np.array([*EVENTS, "crowd"]), {"particles": particles})


def assert_finite(events: Events) -> None:
    for name, collection in events.collections.items():
        for column, values in collection.columns.items():
            assert np.isfinite(values).all(), f"{name}.{column}"


@pytest.mark.parametrize("config", [SimulationConfig(), realistic()], ids=["plain", "realistic"])
def test_bad_events_pass_all_stages(config: SimulationConfig, tmp_path: Path) -> None:
    write_events(tmp_path / "gen.parquet", generated(), "generated")
    pipeline.simulate([tmp_path / "gen.parquet"], tmp_path / "events", config=config)
    events = read_events(tmp_path / "events", "events")
    assert len(events) == len(EVENTS) + 1
    assert events.hits.counts[-1] > 50_000
    assert_finite(events)
    for definition in ("closed", "mlpf-2.5"):
        pipeline.label(events=tmp_path / "events", output=tmp_path / definition,
                       definition=definition)  # fmt: skip
        assert_finite(read_events(tmp_path / definition, "labelled"))
    evaluator = pipeline.judge(tmp_path / "events", {}, EvaluationConfig())
    assert evaluator.num_events == len(events)
    jets = evaluator.metrics()["jets"]["baseline"]
    assert 0 < jets["matched_fraction"] <= 1
