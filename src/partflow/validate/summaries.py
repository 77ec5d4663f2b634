"""Summaries of simulated events: small tables, saved for each chunk of events.

A table is a subclass of `evaluate.sample.Sample`; a summary is a few tables by name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from partflow.core.outputs import replacing
from partflow.core.records import Array, offsets_from_counts
from partflow.evaluate.jets import JetSample
from partflow.evaluate.met import MetSample
from partflow.evaluate.sample import Sample, join


@dataclass(frozen=True)
class ShowerSample(Sample):
    """Single particles in the calorimeters, one row each."""

    energy: Array
    """True energy [GeV]."""
    cos_theta: Array
    ecal: Array
    """EM-scale energy of the hits in the ECAL [GeV]."""
    hcal: Array
    """EM-scale energy of the hits in the HCAL [GeV]."""
    hadronic: Array
    """Energy of all hits on the hadronic scale [GeV]."""
    num_hits: Array
    longitudinal: Array
    """EM-scale energy by layer group, ECAL then HCAL, [row, group] (GeV)."""
    radial: Array
    """EM-scale energy by distance from the axis, [row, bin] (GeV); NaN for charged particles."""


@dataclass(frozen=True)
class ShapeSample(Sample):
    """Showers of single particles with all that a comparison of two engines needs, one row each.

    Depth is that of the middle of a hit's layer group behind the calorimeter's face; energies are
    those of hits on the EM scale.
    """

    pdg_id: Array
    energy: Array
    """True energy [GeV]."""
    cos_theta: Array
    ecal: Array
    """Energy in the ECAL [GeV]."""
    hcal: Array
    """Energy in the HCAL [GeV]."""
    num_ecal_hits: Array
    num_hcal_hits: Array
    depth_sum: Array
    """Sum of energy times depth [GeV mm]."""
    depth_square_sum: Array
    """Sum of energy times squared depth [GeV mm2]."""
    interaction_length_sum: Array
    """Sum of energy times depth in interaction lengths [GeV]."""
    centroid_square_sum: Array
    """Sum of energy times squared distance from the energy-weighted centroid [GeV mm2]."""
    first_interaction: Array
    """Depth of the first interaction [interaction lengths]; NaN where none was seen."""
    longitudinal: Array
    """Energy by layer group, ECAL then HCAL, [row, group] (GeV)."""
    radial: Array
    """Energy by distance from the axis, [row, bin] (GeV); NaN for charged particles."""
    ecal_spectrum: Array
    """Number of ECAL hits by their energy, [row, bin]."""
    hcal_spectrum: Array
    """Number of HCAL hits by their energy, [row, bin]."""


@dataclass(frozen=True)
class TrackSample(Sample):
    """Single charged particles in the tracker, one row each; NaN where no track was found."""

    pt: Array
    """True transverse momentum [GeV]."""
    cos_theta: Array
    inverse_pt_error: Array
    """Measured 1/pt minus 1/pt [1/GeV]."""
    relative_pt_error: Array
    """Measured pt over pt, minus 1."""
    d0: Array
    """Measured d0 [mm], which is its error: the particles come from the origin."""
    z0: Array
    """Measured z0 [mm]."""
    phi_error: Array
    """Measured azimuth minus azimuth [rad]."""

    @property
    def is_found(self) -> Array:
        """Whether there is a track, [row]."""
        return np.isfinite(self.d0)


@dataclass(frozen=True)
class ParticleSample(Sample):
    """Single particles taken through the whole chain, one row each."""

    energy: Array
    """True energy [GeV]."""
    charged: Array
    """Energy of the charged candidates [GeV]."""
    photon: Array
    """Energy of the photon candidates [GeV]."""
    neutral: Array
    """Energy of the neutral-hadron candidates [GeV]."""
    num_candidates: Array

    @property
    def total(self) -> Array:
        """Energy of all candidates [GeV]."""
        return self.charged + self.photon + self.neutral


@dataclass(frozen=True)
class EventSample(Sample):
    """Collisions, one row each."""

    num_particles: Array
    num_hits: Array
    num_tracks: Array
    num_clusters: Array
    num_contributions: Array
    abs_cos_theta: Array
    """abs(cos theta) of the leading generator jet; NaN in events without a jet."""
    gen_energy: Array
    """Energy of all generator particles but neutrinos [GeV]."""
    baseline: Array
    """Energy of the baseline's candidates [GeV]."""
    calorimeter: Array
    """Energy of all clusters, each at its calibrated energy [GeV]."""
    perfect: Array
    """Energy of perfect particle flow [GeV]."""
    closure: Array
    """Largest abs(sum of contributions - hit energy) / hit energy in the event."""
    perigee_miss: Array
    """Largest distance of a charged particle's vertex from its perigee's helix [mm]."""
    energy_flow: Array
    """Energy flow of the baseline, [row, EnergyOrigin, EnergyDestination] (GeV, EM scale)."""
    energy_absorbed: Array
    """EM-scale energy of neutral particles in clusters of the tracks of other particles [GeV]."""
    energy_counted_twice: Array
    """EM-scale energy of charged particles with track in clusters of neutral candidates [GeV]."""


@dataclass(frozen=True)
class ClusterSample(Sample):
    """Clusters, one row each."""

    energy: Array
    """EM scale [GeV]."""
    purity: Array
    """Largest fraction of the energy that comes from one particle."""
    num_particles: Array
    """Particles with more than a tenth of the energy."""


@dataclass(frozen=True)
class SplitSample(Sample):
    """Particles that left energy in clusters, one row each."""

    energy: Array
    """EM-scale energy in clusters [GeV]."""
    completeness: Array
    """Largest fraction of it that is in one cluster."""
    num_clusters: Array
    """Clusters with more than a tenth of it."""


TABLES: dict[str, type[Sample]] = {
    kind.__name__: kind
    for kind in (
        ShowerSample, ShapeSample, TrackSample, ParticleSample, EventSample, ClusterSample,
        SplitSample, JetSample, MetSample,
    )
}  # fmt: skip


@dataclass(frozen=True)
class Summary:
    """Tables of some events; in every table the events are numbered from 0."""

    num_events: int
    tables: Mapping[str, Sample]

    def __getitem__(self, name: str) -> Any:
        """The table `name`."""
        return self.tables[name]


def concatenate(parts: Sequence[Summary]) -> Summary:
    """The events of several summaries of the same tables, one after the other."""
    first = offsets_from_counts(np.array([part.num_events for part in parts], dtype=np.int64))
    return Summary(
        int(first[-1]),
        {
            name: join(
                [
                    replace(part.tables[name], event=part.tables[name].event + start)
                    for part, start in zip(parts, first, strict=False)
                ]
            )
            for name, table in parts[0].tables.items()
        },
    )


def save(path: Path, summary: Summary) -> None:
    """Write a summary into one compressed numpy file, whole or not at all."""
    columns = {
        f"{name}/{type(table).__name__}/{column.name}": getattr(table, column.name)
        for name, table in summary.tables.items()
        for column in fields(table)
    }
    with replacing(path) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(stream, num_events=np.array(summary.num_events), **columns)


def load(path: Path) -> Summary:
    """Read the summary that `save` wrote."""
    tables: dict[tuple[str, str], dict[str, Array]] = {}
    with np.load(path) as columns:
        num_events = int(columns["num_events"])
        for key in columns.files:
            if key != "num_events":
                name, kind, column = key.split("/")
                tables.setdefault((name, kind), {})[column] = columns[key]
    return Summary(
        num_events, {name: TABLES[kind](**values) for (name, kind), values in tables.items()}
    )
