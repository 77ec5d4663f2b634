"""Every constant of the baseline, by step, with its unit: what a tuning varies.

Values: our own tuning on uds events at 91, 200 and 380 GeV together (one energy alone pulls the
absorption of fragments to one side); what concerns photons near tracks also on ttbar and ww. For
people a step's constants are a frozen dataclass; `BaselineConfig.record` packs the same names for
the compiled kernels.
"""

from __future__ import annotations

import math
from dataclasses import astuple, dataclass, field, fields
from typing import Any

import numpy as np

from partflow.core.errors import ConfigError


@dataclass(frozen=True)
class SecondaryConfig:
    """Tracks of daughters and of converted photons."""

    kink_significance: float = 4.0
    """Largest distance of a daughter's helix from its parent's [standard deviations]."""
    kink_error: float = 0.1
    """Error of that distance which is the daughter's [mm]."""
    kink_reach: float = 800.0
    """Largest difference of radius between a parent's last and a daughter's first hit [mm]."""
    kink_min_momentum: float = 0.2
    """Least momentum of a parent [GeV]."""
    leg_significance: float = 5.0
    """Impact parameters from which on a track is displaced, and up to which it points back, in
    standard deviations."""
    leg_min_radius: float = 15.0
    """Least radius of a conversion [mm]."""
    leg_alone_radius: float = 45.0
    """Below this radius a leg needs a partner [mm] ..."""
    pair_momentum: float = 0.008
    """... whose direction differs by this over the smaller momentum at most [GeV]."""
    leg_min_missing: float = 2.0
    """A leg whose own cluster lacks so much of its momentum is looked for in others [GeV]."""
    leg_distance: float = 25.0
    """Energy within this distance of a leg's line may be the leg's [mm] ..."""
    leg_depth: float = 300.0
    """... up to this depth along the line [mm]."""
    leg_beyond_hit: float = 5.0
    """So far behind the first hit may the conversion seem to be [mm]."""
    leg_reach: float = 3.0
    """The first hit is at most this times the radius of the conversion away from the beam ..."""
    leg_margin: float = 30.0
    """... plus this [mm]."""


@dataclass(frozen=True)
class PeakConfig:
    """Density peaks in the ECAL; distances are projective: angle times the smaller radius."""

    density_radius: float = 22.5
    """Hits within this distance add to a hit's density, with weight 1 - (d/radius)^2 [mm]."""
    follow_distance: float = 32.0
    """A hit follows the nearest denser hit within this distance [mm]."""
    seed_distance: float = 22.0
    """A hit without a denser one within this distance starts a peak ... [mm]."""
    min_density: float = 0.08
    """... if its density is above this [GeV]."""


@dataclass(frozen=True)
class PhotonConfig:
    """Which peaks are photons, which are electrons."""

    min_energy: float = 0.25
    """Least EM-scale energy of a peak [GeV]."""
    min_hits: int = 3
    """Least number of hits."""
    depth_window: float = 2.5
    """Largest distance of the mean depth from a shower's [layer groups]."""
    max_width: float = 24.0
    """Largest transverse rms [mm]."""
    max_length: float = 2.6
    """Largest longitudinal rms [layer groups]."""
    core_radius: float = 20.0
    """Radius of the core about the axis [mm]."""
    min_core: float = 0.55
    """Least fraction of the energy in the core."""
    soft_energy: float = 0.6
    """Below this energy, some of it must lie in the front [GeV]."""
    front_layers: int = 3
    """Layer groups that make the front."""
    min_front: float = 0.15
    """Least fraction of a soft peak's energy in the front."""
    track_distance: float = 16.0
    """A peak nearer to a track's line than this is no photon [mm]."""
    isolation_distance: float = 35.0
    """A peak nearer than this must also pass the next two [mm]."""
    near_track_core: float = 0.65
    """Least core fraction of a peak that is not isolated."""
    near_track_energy: float = 0.4
    """Least energy of a peak that is not isolated [GeV]."""
    electron_max_deviation: float = 2.5
    """Largest abs(E - p) of an electron, in units of its resolution."""
    electron_stochastic_term: float = 0.18
    """Resolution of an electron's energy: this times sqrt(p) ... [sqrt(GeV)]."""
    electron_constant_term: float = 0.02
    """... plus this times p."""
    electron_min_core: float = 0.7
    """Least core fraction of an electron."""
    electron_max_width: float = 20.0
    """Largest transverse rms of an electron [mm]."""
    electron_depth_window: float = 1.4
    """Largest distance of an electron's mean depth from a shower's [layer groups]."""
    electron_min_momentum: float = 1.0
    """Least momentum of an electron's track [GeV]."""


@dataclass(frozen=True)
class ConeConfig:
    """Clusters that grow outwards, layer by layer, in cones about their direction."""

    tangent_ecal: float = 0.3
    """Tangent of the cone's half opening, ECAL."""
    pad_ecal: float = 1.3
    """Half width of the cone at its apex, ECAL [cells]."""
    same_layer_ecal: float = 1.5
    """Distance at which a hit joins a neighbour in its own layer, ECAL [cells]."""
    tangent_hcal: float = 0.5
    """Tangent of the cone's half opening, HCAL."""
    pad_hcal: float = 2.0
    """Half width of the cone at its apex, HCAL [cells]."""
    same_layer_hcal: float = 1.8
    """Distance at which a hit joins a neighbour in its own layer, HCAL [cells]."""
    max_distance: float = 400.0
    """Largest distance of a hit from the one it is joined to [mm]."""
    layers_back: int = 2
    """A hit looks for clusters in so many layers before its own."""
    direction_inertia: float = 120.0
    """Weight of the initial direction in a cluster's direction [mm of path]."""
    track_tangent: float = 0.15
    """Tangent of the cone about a track's line."""
    track_pad: float = 1.5
    """Half width of that cone at the calorimeter face [cells]."""
    track_backwards: float = 30.0
    """The track's cone begins so far before the calorimeter face [mm]."""
    track_front_layer: int = 2
    """Up to this layer the line of a track competes even if its cluster has hits."""
    track_last_layer: int = 12
    """Up to this layer the line of a track without hits looks for the first."""


@dataclass(frozen=True)
class AssociationConfig:
    """Energy against momentum, tracks without hits, and the smallest clusters."""

    stochastic_term: float = 0.5
    """Resolution of a hadron's energy: this times sqrt(p) [sqrt(GeV)]."""
    min_momentum: float = 0.5
    """Momentum below which that resolution no longer shrinks [GeV]."""
    max_chi: float = 0.7
    """A track absorbs a cluster only if (E - p)/sigma stays below this."""
    late_max_fraction: float = 0.3
    """A track looks for a cluster if it has less than this times its momentum ..."""
    late_max_momentum: float = 1.0
    """... counted no higher than this [GeV]."""
    late_distance: float = 80.0
    """Largest distance of that cluster's nearest hit from the track's line [mm]."""
    late_depth: float = 150.0
    """Largest distance of that hit along the line [mm]."""
    late_last_layer: int = 4
    """Last layer such a hit may lie in."""
    late_max_chi: float = 2.0
    """Largest (E - p)/sigma after it."""
    soft_max_hits: int = 4
    """A neutral cluster of so many hits or fewer is soft."""
    soft_max_energy: float = 0.35
    """So is one of this hadronic energy or less [GeV]."""
    soft_distance: float = 120.0
    """A soft cluster joins the nearest one within this distance [mm]."""


@dataclass(frozen=True)
class ReclusteringConfig:
    """Track clusters with more energy than momentum are grown again, more narrowly."""

    min_chi: float = 2.0
    """(E - p)/sigma from which a cluster is grown again."""
    min_hits: int = 6
    """A cluster with fewer hits is left alone."""
    scales: tuple[float, ...] = (0.80, 0.67, 0.54, 0.41, 0.28)
    """Factors on the opening and width of the cones, one trial each."""
    piece_energy: float = 0.8
    """A piece of less hadronic energy returns to the track ... [GeV]."""
    piece_max_chi: float = 1.0
    """... while (E - p)/sigma stays below this."""
    min_gain: float = 0.5
    """A trial is better than the last one if abs(chi) falls by this."""
    split_width: float = 40.0
    """If none helps, hits are given to the track by distance/(width + slope x depth) [mm]."""
    split_slope: float = 0.12
    """The slope therein."""


@dataclass(frozen=True)
class FragmentConfig:
    """Neutral clusters that look like a piece of a charged shower."""

    sweeps: int = 3
    """Passes over all clusters."""
    min_score: float = 1.1
    """Score from which a neutral cluster is absorbed; a photon is where the odds are even."""
    max_distance: float = 2000.0
    """A cluster farther from the track's entry point is not considered [mm]."""
    contact_distances: tuple[float, float, float] = (50.0, 100.0, 200.0)
    """Distances between nearest hits, each with its score below [mm]."""
    contact_scores: tuple[float, float, float] = (0.9, 0.6, 0.2)
    """Score of a neutral cluster within them."""
    apart_distance: float = 400.0
    """Beyond this distance ... [mm]."""
    apart_score: float = -0.7
    """... a neutral cluster gets this."""
    cone_width: float = 60.0
    """Half width at the face of a cone about the track's line [mm]."""
    cone_slope: float = 0.35
    """Tangent of its half opening."""
    cone_score: float = 0.9
    """Score times the fraction of the energy inside that cone."""
    min_cone_fraction: float = 0.05
    """With less than this inside it ..."""
    max_axis_distance: float = 400.0
    """... and a mean distance from the line above this, the track is not considered [mm]."""
    hcal_score: float = 0.4
    """Score of a cluster that begins in the HCAL."""
    deep_layers: int = 3
    """One that begins so many layers into the HCAL ..."""
    deep_score: float = 0.2
    """... gets this on top."""
    aside_distance: float = 250.0
    """With a mean distance from the line above this ... [mm]."""
    aside_score: float = -0.4
    """... this is added."""
    soft_energy: float = 0.8
    """Below this hadronic energy ... [GeV]."""
    soft_score: float = 0.3
    """... this is added."""
    chi_score: float = 0.8
    """Score times the fall of chi^2 ..."""
    max_chi_fall: float = 3.0
    """... clipped at this on both sides."""
    photon_distance: float = 31.0
    """At this mean distance from the line, plus the radius, a photon of 1 GeV is as likely a
    fragment as not, before energy and momentum are compared [mm]."""
    photon_radius: float = 10.0
    """The radius therein: within it distances make no difference [mm]."""
    photon_distance_power: float = 1.7
    """The odds fall with this power of the distance."""


@dataclass(frozen=True)
class NeutralConfig:
    """Leakage of photons, merging of neutral clusters, photons among them."""

    leakage_distance: float = 45.0
    """Projective distance of a cluster behind a photon [mm]."""
    leakage_min_energy: float = 5.0
    """Least energy of that photon [GeV]."""
    leakage_max_fraction: float = 0.12
    """Largest energy of what leaked, relative to the photon."""
    merge_distance_ecal: float = 60.0
    """A neutral cluster joins a larger one within this distance [mm] ..."""
    merge_distance_hcal: float = 130.0
    """... or this, if it begins in the HCAL [mm]."""
    photon_min_energy: float = 0.2
    """A neutral cluster of at least this EM-scale energy becomes a photon if ... [GeV]."""
    photon_min_ecal_fraction: float = 0.95
    """... more than this of it lies in the ECAL,"""
    photon_depth_window: float = 1.7
    """its mean depth is within this of a shower's [layer groups],"""
    photon_core_radius: float = 25.0
    """and within this radius of its axis [mm]"""
    photon_min_core: float = 0.6
    """lies more than this of it."""


@dataclass(frozen=True)
class EnergyFlowConfig:
    """Neutral hadrons among tracks, by the balance of energy and momentum around them."""

    width: float = 130.0
    """A neutral hadron at this distance from a track's cluster weighs exp(-1/2) [mm]."""
    neutral_uncertainty: float = 1.0
    """Uncertainty of a neutral hadron's energy among tracks, relative to it; 0: no energy flow."""
    photon_width: float = 25.0
    """A photon at this distance from a track's line weighs exp(-1/2) [mm]."""
    photon_uncertainty: float = 0.3
    """Uncertainty of a photon's energy on a track's line, relative to it: a charged shower may lie
    on top of it; 0: no energy flow of photons."""


@dataclass(frozen=True)
class ClusterConfig:
    """What is written as a cluster in the end."""

    min_hits: int = 1
    """Least number of hits of a cluster without a track; hits of a smaller one are in none.

    Noise makes clusters of one hit: where it is simulated, 2 is what to use (`for_noise`)."""


@dataclass(frozen=True)
class CandidateConfig:
    """From tracks and clusters to particles."""

    min_neutral_energy: float = 0.2
    """A neutral candidate has more energy than this [GeV]."""
    massless_below: float = 0.6
    """A neutral hadron of less energy has no mass: E >= m would raise it [GeV]."""
    muon_min_yoke_hits: int = 4
    """A track with so many hits in the muon system is a muon."""


@dataclass(frozen=True)
class BaselineConfig:
    """All constants of the rule-based chain, step by step."""

    secondaries: SecondaryConfig = field(default_factory=SecondaryConfig)
    peaks: PeakConfig = field(default_factory=PeakConfig)
    photons: PhotonConfig = field(default_factory=PhotonConfig)
    cones: ConeConfig = field(default_factory=ConeConfig)
    association: AssociationConfig = field(default_factory=AssociationConfig)
    reclustering: ReclusteringConfig = field(default_factory=ReclusteringConfig)
    fragments: FragmentConfig = field(default_factory=FragmentConfig)
    neutrals: NeutralConfig = field(default_factory=NeutralConfig)
    clusters: ClusterConfig = field(default_factory=ClusterConfig)
    energy_flow: EnergyFlowConfig = field(default_factory=EnergyFlowConfig)
    candidates: CandidateConfig = field(default_factory=CandidateConfig)

    def __post_init__(self) -> None:
        for step in fields(self):
            part = getattr(self, step.name)
            for constant in fields(part):
                _check(f"{step.name}.{constant.name}", getattr(part, constant.name))

    def record(self) -> np.void:
        """The constants as kernels take them: a structured scalar, `record.cones.pad_ecal`."""
        values = tuple(astuple(getattr(self, step.name)) for step in fields(self))
        layout = [(step.name, _layout(getattr(self, step.name))) for step in fields(self)]
        record: np.void = np.array([values], dtype=np.dtype(layout, align=True))[0]
        return record


def record_of(step: Any) -> np.void:
    """The constants of one step as kernels take them."""
    record: np.void = np.array([astuple(step)], dtype=_layout(step))[0]
    return record


def for_noise() -> BaselineConfig:
    """The chain for calorimeters with noise: a lone hit is no cluster."""
    return BaselineConfig(clusters=ClusterConfig(min_hits=2))


def _check(name: str, value: float | tuple[float, ...]) -> None:
    """Distances, energies and counts are not negative; only a score may be."""
    for number in value if isinstance(value, tuple) else (value,):
        if not math.isfinite(number) or (number < 0 and "score" not in name):
            raise ConfigError(f"baseline: {name} = {value}; give a finite number, not negative")


def _layout(constants: Any) -> np.dtype[np.void]:
    """The fields of a step's constants as a structured dtype; a tuple is a small array."""
    layout = []
    for constant in fields(constants):
        value = np.asarray(getattr(constants, constant.name))
        layout.append((constant.name, value.dtype, value.shape))
    return np.dtype(layout, align=True)
