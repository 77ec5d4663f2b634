"""Groups of events that are compared: particles by kind, region and energy; collisions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from particle import Particle, ParticleNotFound

from partflow.core.detector import Detector
from partflow.core.particles import ELECTRON, PHOTON, charges, classes
from partflow.core.records import Array
from partflow.evaluate.sample import select
from partflow.validate.comparison import jet_quantities, shower_quantities
from partflow.validate.comparison.lines import Group, compare_quantities
from partflow.validate.comparison.simulation import (
    FAST,
    REFERENCE,
    SHOWERS,
    ComparedSample,
    tables_of,
)
from partflow.validate.measure import estimate
from partflow.validate.samples import CENTRAL, ENDCAP
from partflow.validate.summaries import ShapeSample, Summary

REGIONS = {"barrel": (0.0, CENTRAL[1]), "endcap": ENDCAP}
"""Ranges of abs(cos theta) in which showers are compared, well inside one region."""
NAMES = {22: "photon", 11: "electron", -11: "positron", 13: "muon", -13: "antimuon", 130: "K0L",
         211: "pi+", -211: "pi-", 2112: "neutron", 2212: "proton"}  # fmt: skip
"""Names of common particles; others have that of package `particle`."""
MAX_ENERGIES = 12
"""A gun with more energies than this has a continuous spectrum, which is divided into bins."""
ENERGY_EDGES = (0.0, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, np.inf)
"""Edges of these bins [GeV]."""
JETS_SECTION = "Collisions"


class ShowerGroup(NamedTuple):
    """Showers of particles of one kind and energy in one region, the same in both engines."""

    pdg_id: int
    particle: str
    """Name of the particle."""
    region: str
    setting: str
    """`Reference.setting_label`."""
    energy_label: str
    reference: ShapeSample
    fast: ShapeSample

    @property
    def particle_class(self) -> int:
        """Class of the particle, see `core.particles.CLASSES`."""
        code = np.array([self.pdg_id])
        return int(classes(code, charges(code))[0])

    @property
    def section(self) -> str:
        """The table that the group belongs to."""
        return ", ".join(filter(None, [self.particle, self.region, self.setting]))


def shower_groups(summaries: Mapping[ComparedSample, Summary]) -> list[ShowerGroup]:
    """The showers of all guns by particle, region and energy."""
    groups: list[ShowerGroup] = []
    for sample, summary in summaries.items():
        if sample.is_gun:
            reference: ShapeSample = tables_of(summary, REFERENCE)[SHOWERS]
            fast: ShapeSample = tables_of(summary, FAST)[SHOWERS]
            groups += _groups_of_gun(sample.setting, reference, fast)
    return groups


def _groups_of_gun(
    setting: str, reference: ShapeSample, fast: ShapeSample
) -> Iterator[ShowerGroup]:
    """The showers of one sample by particle, region and energy, without empty groups."""
    abs_cos_theta = np.abs(reference.cos_theta)
    for pdg_id in _in_order(reference.pdg_id):
        for region, (low, high) in REGIONS.items():
            in_region = (reference.pdg_id == pdg_id) & (abs_cos_theta >= low)
            in_region &= abs_cos_theta <= high
            for label, has_energy in energy_groups(reference.energy, in_region):
                rows = in_region & has_energy
                yield ShowerGroup(
                    pdg_id, particle_name(pdg_id), region, setting, label,
                    select(reference, rows), select(fast, rows),
                )  # fmt: skip


def energy_groups(energy: Array, selected: Array) -> Iterator[tuple[str, Array]]:
    """Name and members [event] of the groups in energy [GeV] of the `selected` events [event].

    Events of a gun of few energies are grouped by energy, others by ENERGY_EDGES.
    """
    rounded = np.array([float(f"{value:.4g}") for value in energy.tolist()])
    energies = np.unique(rounded[selected])
    if len(energies) <= MAX_ENERGIES:
        for value in energies.tolist():
            yield f"{value:g} GeV", rounded == value
        return
    for low, high in pairwise(ENERGY_EDGES):
        inside = (energy >= low) & (energy < high)
        if np.any(inside & selected):
            bounds = f"above {low:g}" if np.isinf(high) else f"{low:g}-{high:g}"
            yield f"{bounds} GeV", inside


def particle_name(pdg_id: int) -> str:
    """Name of a particle.

    >>> particle_name(130), particle_name(321)
    ('K0L', 'K+')
    """
    if pdg_id in NAMES:
        return NAMES[pdg_id]
    try:
        return str(Particle.from_pdgid(pdg_id).name)
    except ParticleNotFound:
        return f"PDG {pdg_id}"


def compare_showers(group: ShowerGroup, detector: Detector) -> Group:
    """All quantities of one group of showers in both engines."""
    num = len(group.reference.event)
    bootstrap = estimate.resampling(num)
    kind = group.particle_class
    is_em = kind in (PHOTON, ELECTRON)
    tolerance = shower_quantities.EM_TOLERANCE if is_em else shower_quantities.TOLERANCE
    quantities = shower_quantities.shower_quantities(kind, detector)
    lines = compare_quantities(quantities, group.reference, group.fast, bootstrap, tolerance)
    return Group(group.section, group.energy_label, num, list(lines))


def compare_collisions(sample: ComparedSample, summary: Summary) -> Group:
    """All quantities of one sample of collisions in both engines."""
    lines = compare_quantities(
        jet_quantities.jet_quantities(),
        tables_of(summary, REFERENCE),
        tables_of(summary, FAST),
        estimate.resampling(summary.num_events),
        jet_quantities.TOLERANCE,
    )
    return Group(JETS_SECTION, sample.label, summary.num_events, list(lines))


def num_between_regions(summaries: Mapping[ComparedSample, Summary]) -> int:
    """Number of single particles outside of all REGIONS, which are not compared."""
    between = 0
    for sample, summary in summaries.items():
        if sample.is_gun:
            showers: ShapeSample = tables_of(summary, REFERENCE)[SHOWERS]
            abs_cos_theta = np.abs(showers.cos_theta)
            inside = [
                (abs_cos_theta >= low) & (abs_cos_theta <= high) for low, high in REGIONS.values()
            ]
            between += int(np.sum(~np.any(inside, axis=0)))
    return between


def _in_order(values: Array) -> list[int]:
    """The different values in the order in which they first occur."""
    return list(dict.fromkeys(values.tolist()))
