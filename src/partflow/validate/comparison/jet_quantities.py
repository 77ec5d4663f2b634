"""The quantities of collisions that are compared, from the tables of one engine.

Jets, missing momentum and their intervals are those of `evaluate`; clusters are those of the
validation. Each function takes the tables by name and the bootstrap, and returns the value and its
replicas, [1 + replica].
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from partflow.core.candidate_sets import BASELINE, PERFECT
from partflow.core.detector import Detector
from partflow.core.hadron_scale import HadronScale
from partflow.core.kinematics import momentum_from_pt_eta_phi
from partflow.core.records import Array, Events
from partflow.evaluate.bootstrap import Bootstrap
from partflow.evaluate.evaluator import visible_particles
from partflow.evaluate.jets import JetSample
from partflow.evaluate.met import MetSample, missing_pt
from partflow.evaluate.response import Width, width
from partflow.evaluate.sample import Sample
from partflow.validate.comparison.lines import Quantity, ratio_of_sums
from partflow.validate.measure.collisions import (
    CALORIMETER,
    EVALUATION,
    jet_table,
    summarise_collisions,
)
from partflow.validate.summaries import EventSample
from partflow.validate.table.criterion import COUNT, FINE, GEV_PER_EVENT, PERCENT, ROUGH, Unit

Tables = Mapping[str, Any]
"""The tables of one engine by their names in a summary."""
MET = "met"
"""Name of the table of missing transverse momentum."""
TOLERANCE, SCALE_TOLERANCE = 0.10, 0.02
"""Relative difference that agrees: of widths and multiplicities, and of medians and fractions."""


def measure_collisions(events: Events, detector: Detector, scale: HadronScale) -> dict[str, Sample]:
    """The tables of one engine, by name, of simulated and reconstructed collisions."""
    return {
        **summarise_collisions(events, detector, scale),
        MET: baseline_met(events),
    }


def baseline_met(events: Events) -> MetSample:
    """Missing transverse momentum of the generator particles and of the baseline."""
    visible, candidates = visible_particles(events.particles, EVALUATION), events.baseline
    px, py, _ = momentum_from_pt_eta_phi(candidates.pt, candidates.eta, candidates.phi)
    num = len(events)
    return MetSample(
        np.arange(num),
        missing_pt(visible.event_index, visible.px, visible.py, num),
        missing_pt(candidates.event_index, px, py, num),
    )


def jet_quantities() -> list[Quantity]:
    """The quantities of collisions that are compared."""
    of_jets = [
        quantity
        for name in (BASELINE, CALORIMETER, PERFECT)
        for quantity in (
            Quantity(
                f"jets, median response, {name}", partial(jet_median, name=name), FINE,
                tolerance=SCALE_TOLERANCE,
            ),
            Quantity(
                f"jets, IQR/median, {name}", partial(jet_width, name=name), PERCENT
            ),
        )
    ]  # fmt: skip
    return [
        *of_jets,
        Quantity(f"jets, IQR/median, {BASELINE} / {PERFECT}", confusion_factor, ROUGH),
        Quantity("jets, matched to the baseline", matched_fraction, PERCENT,
                 tolerance=SCALE_TOLERANCE),
        Quantity("missing pT, IQR of reconstructed - generated, baseline", met_width,
                 Unit("GeV", 1.0, 2)),
        Quantity("energy of the baseline / generated", energy_response, FINE,
                 tolerance=SCALE_TOLERANCE),
        *(
            Quantity(f"{name} per event", partial(number_per_event, name=name), COUNT)
            for name in ("hits", "tracks", "clusters")
        ),
        Quantity("purity of clusters", partial(table_mean, table="clusters", column="purity")),
        Quantity("completeness of particles in clusters",
                 partial(table_mean, table="split", column="completeness")),
        Quantity("neutral energy absorbed by tracks",
                 partial(energy_per_event, column="energy_absorbed"), GEV_PER_EVENT),
        Quantity("energy of tracks counted twice",
                 partial(energy_per_event, column="energy_counted_twice"), GEV_PER_EVENT),
    ]  # fmt: skip


DEFINITIONS = {
    "jets": "generator jets matched to jets of a candidate set, response and matching as in "
    "`partflow evaluate`; baseline is the rule-based reconstruction, calorimeter takes each "
    "cluster at its calibrated energy and no track, perfect measures each particle as well as "
    "this detector can",
    "purity and completeness": "means over clusters and particles above 0.5 GeV of the largest "
    "share of a cluster's energy from one particle, and of a particle's energy in one cluster",
}
"""Definitions of the quantities, for the page."""


def jet_response(tables: Tables, name: str, bootstrap: Bootstrap) -> Width:
    """Median and width of the response of the matched jets of the candidate set `name`."""
    sample: JetSample = tables[jet_table(name)]
    matched = sample.is_matched
    return width(sample.response[matched], sample.event[matched], bootstrap)


def jet_median(tables: Tables, bootstrap: Bootstrap, name: str) -> Array:
    """Median response of the jets of the candidate set `name`."""
    return jet_response(tables, name, bootstrap).median


def jet_width(tables: Tables, bootstrap: Bootstrap, name: str) -> Array:
    """IQR over median of the response of the jets of the candidate set `name`."""
    return jet_response(tables, name, bootstrap).iqr_over_median


def confusion_factor(tables: Tables, bootstrap: Bootstrap) -> Array:
    """IQR/median of the baseline over that of perfect particle flow."""
    baseline, perfect = (jet_width(tables, bootstrap, name) for name in (BASELINE, PERFECT))
    return np.divide(baseline, perfect, out=np.full(len(perfect), np.nan), where=perfect > 0)


def matched_fraction(tables: Tables, bootstrap: Bootstrap) -> Array:
    """Fraction of the generator jets that have a jet of the baseline."""
    sample: JetSample = tables[jet_table(BASELINE)]
    return _mean_of_rows(sample.event, sample.is_matched, bootstrap)


def met_width(tables: Tables, bootstrap: Bootstrap) -> Array:
    """IQR of reconstructed minus generated missing transverse momentum [GeV]."""
    sample: MetSample = tables[MET]
    return width(sample.reco - sample.gen, sample.event, bootstrap).iqr


def energy_response(tables: Tables, bootstrap: Bootstrap) -> Array:
    """Energy of all candidates of the baseline over that of all visible generator particles."""
    events: EventSample = tables["events"]
    return ratio_of_sums(events.baseline, events.gen_energy, bootstrap)


def number_per_event(tables: Tables, bootstrap: Bootstrap, name: str) -> Array:
    """Mean number of `name` (hits, tracks or clusters) per event."""
    return _mean_per_event(getattr(tables["events"], f"num_{name}"), bootstrap)


def energy_per_event(tables: Tables, bootstrap: Bootstrap, column: str) -> Array:
    """Mean of an energy of the table of events [GeV]."""
    return _mean_per_event(getattr(tables["events"], column), bootstrap)


def table_mean(tables: Tables, bootstrap: Bootstrap, table: str, column: str) -> Array:
    """Mean of a column over the rows of a table, such as clusters."""
    return _mean_of_rows(tables[table].event, getattr(tables[table], column), bootstrap)


def _mean_per_event(values: Array, bootstrap: Bootstrap) -> Array:
    """Mean of `values` [event]."""
    return ratio_of_sums(values, np.ones(len(values)), bootstrap)


def _mean_of_rows(event: Array, values: Array, bootstrap: Bootstrap) -> Array:
    """Mean of `values` [row] of objects in the events `event` [row]."""
    num = bootstrap.weights.shape[1]
    return ratio_of_sums(
        np.bincount(event, values, num), np.bincount(event, minlength=num), bootstrap
    )
