"""The constants of the rule-based particle flow, step by step: what a tuning varies.

The values come from our own tuning on uds events at 91, 200 and 380 GeV together (a single energy
biases the removal of fragments); those of photons near tracks also on ttbar and ww events. What
neutrons leave far from their shower makes many clusters of few hits: the constants of soft clusters
and the limits of fragments were tuned again with showers fitted to Geant4, on uds and ttbar events.
Each step has a frozen dataclass; `kernel_constants` gives compiled kernels the same names. In
parentheses: the parameter of Pandora's LCContent with the same or a similar meaning, where there
is one; the values differ.
"""

from __future__ import annotations

import math
from dataclasses import astuple, dataclass, field, fields
from typing import Any

import numpy as np

from partflow.core.errors import ConfigError


@dataclass(frozen=True)
class SecondaryConfig:
    """Recognition of kink daughters and of converted photons."""

    kink_significance: float = 4.0
    """Largest distance of a daughter's helix from that of its parent [standard deviations]."""
    kink_error: float = 0.1
    """Contribution of the daughter's helix to the error of this distance [mm]."""
    kink_reach: float = 800.0
    """Largest difference in radius of a parent's last and a daughter's first hit [mm]."""
    kink_min_momentum: float = 0.2
    """Smallest momentum of a parent [GeV]."""
    conversion_significance: float = 5.0
    """Smallest d0 of a conversion track, and its largest distance in z from the direction of a
    photon [standard deviations]."""
    conversion_min_radius: float = 15.0
    """Smallest radius of a conversion [mm]."""
    conversion_single_radius: float = 45.0
    """Radius above which a single track is enough; below it a pair is required [mm]."""
    pair_momentum: float = 0.008
    """Largest angle between the tracks of a pair times the smaller momentum [GeV rad]."""
    conversion_min_missing: float = 2.0
    """Smallest p - E of a conversion track for which energy is subtracted elsewhere [GeV]."""
    conversion_distance: float = 25.0
    """Largest distance of this energy from the line of the track [mm]."""
    conversion_depth: float = 300.0
    """Largest depth of this energy along the line of the track [mm]."""
    conversion_beyond_hit: float = 5.0
    """Largest radius of a conversion beyond that of the first hit [mm]."""
    conversion_reach: float = 3.0
    """Largest radius of the first hit: this times the radius of the conversion plus the margin."""
    conversion_margin: float = 30.0
    """Margin of the largest radius of the first hit [mm]."""


@dataclass(frozen=True)
class PeakConfig:
    """Density peaks in the ECAL; distances are projective: angle times the smaller radius."""

    density_radius: float = 22.5
    """Radius of the density: a hit at distance d counts with the weight 1 - (d/radius)^2 [mm]."""
    follow_distance: float = 32.0
    """Largest distance at which a hit follows the nearest denser hit [mm]."""
    seed_distance: float = 22.0
    """Smallest distance of a peak's first hit from a denser hit [mm]."""
    min_density: float = 0.08
    """Smallest density of a peak's first hit [GeV]."""


@dataclass(frozen=True)
class PhotonConfig:
    """Identification of photons and electrons among the peaks."""

    min_energy: float = 0.25
    """Smallest EM-scale energy of a peak [GeV] (MinClusterEnergy)."""
    min_hits: int = 3
    """Smallest number of hits."""
    depth_window: float = 2.5
    """Largest deviation of the mean depth from that of a photon's shower [layer groups]."""
    max_width: float = 24.0
    """Largest transverse rms [mm]."""
    max_length: float = 2.6
    """Largest longitudinal rms [layer groups]."""
    core_radius: float = 20.0
    """Radius of the core about the axis [mm]."""
    min_core: float = 0.55
    """Smallest fraction of the energy in the core."""
    soft_energy: float = 0.6
    """EM-scale energy below which energy in the front layers is required [GeV]."""
    front_layers: int = 3
    """Number of front layers [layer groups]."""
    min_front: float = 0.15
    """Smallest fraction of a soft peak's energy in the front layers."""
    track_distance: float = 16.0
    """Smallest distance of a photon from the line of a track [mm]."""
    isolation_distance: float = 35.0
    """Distance from the line of a track below which a photon must pass the next two cuts [mm]."""
    near_track_core: float = 0.65
    """Smallest fraction of the energy in the core of a photon near a track."""
    near_track_energy: float = 0.4
    """Smallest EM-scale energy of a photon near a track [GeV]."""
    electron_max_deviation: float = 2.5
    """Largest abs(E - p) of an electron [standard deviations]."""
    electron_stochastic_term: float = 0.18
    """Resolution of an electron's energy: this times sqrt(p) [sqrt(GeV)] plus the next term."""
    electron_constant_term: float = 0.02
    """Resolution of an electron's energy: this times p."""
    electron_min_core: float = 0.7
    """Smallest fraction of an electron's energy in the core."""
    electron_max_width: float = 20.0
    """Largest transverse rms of an electron [mm]."""
    electron_depth_window: float = 1.4
    """Largest deviation of the mean depth from that of an electron's shower [layer groups]."""
    electron_min_momentum: float = 1.0
    """Smallest momentum of an electron's track [GeV]."""


@dataclass(frozen=True)
class ConeConfig:
    """Cone clustering, layer by layer outwards."""

    tangent_ecal: float = 0.3
    """Tangent of the cone's half opening angle in the ECAL (TanConeAngleFine)."""
    pad_ecal: float = 1.3
    """Half width of the cone at its apex in the ECAL [cells] (AdditionalPadWidthsFine)."""
    same_layer_ecal: float = 1.5
    """Largest distance of neighbours in one ECAL layer [cells] (SameLayerPadWidthsFine)."""
    tangent_hcal: float = 0.5
    """Tangent of the cone's half opening angle in the HCAL (TanConeAngleCoarse)."""
    pad_hcal: float = 2.0
    """Half width of the cone at its apex in the HCAL [cells] (AdditionalPadWidthsCoarse)."""
    same_layer_hcal: float = 1.8
    """Largest distance of neighbours in one HCAL layer [cells] (SameLayerPadWidthsCoarse)."""
    max_distance: float = 400.0
    """Largest distance of a hit from the apex of its cone [mm] (ConeApproachMaxSeparation)."""
    layers_back: int = 2
    """Layers before its own in which a hit looks for clusters (LayersToStepBackFine, -Coarse)."""
    direction_inertia: float = 120.0
    """Weight of the initial direction in a cluster's direction [mm of path]."""
    track_tangent: float = 0.15
    """Tangent of the half opening angle of the cone about the line of a track."""
    track_pad: float = 1.5
    """Half width of this cone at the calorimeter face [cells] (TrackPathWidth)."""
    track_backwards: float = 30.0
    """Distance by which this cone begins before the calorimeter face [mm]."""
    track_front_layer: int = 2
    """Last layer in which the line of a track with hits competes (TrackSeedCutOffLayer)."""
    track_last_layer: int = 12
    """Last layer in which the line of a track without hits competes."""


@dataclass(frozen=True)
class AssociationConfig:
    """Energy against momentum, recovery of tracks without hits, soft clusters.

    chi = (E - p)/sigma is the deviation of a charged hadron's energy from its momentum.
    """

    stochastic_term: float = 0.5
    """sigma: this times sqrt(p) [sqrt(GeV)] (HadronicEnergyResolution)."""
    min_momentum: float = 0.5
    """Momentum below which sigma is constant [GeV]."""
    max_chi: float = 0.7
    """Largest chi of a track's cluster after it absorbs a soft cluster or a fragment."""
    recovery_max_fraction: float = 0.3
    """A track with less EM-scale energy than this fraction of its momentum is recovered."""
    recovery_max_momentum: float = 1.0
    """Momentum above which this limit is constant [GeV]."""
    recovery_distance: float = 80.0
    """Largest distance of the recovered cluster's nearest hit from the line of the track [mm]
    (BarrelMaxTrackClusterDistance, EndCapMaxTrackClusterDistance1)."""
    recovery_depth: float = 150.0
    """Largest depth of this hit along the line of the track [mm] (ParallelDistanceCut)."""
    recovery_last_layer: int = 4
    """Last layer of this hit (MaxSearchLayer)."""
    recovery_max_chi: float = 2.0
    """Largest chi of the track's cluster after recovery (MaxAbsoluteTrackClusterChi)."""
    soft_max_hits: int = 8
    """A neutral cluster of at most so many hits is soft (MaxHitsInSoftCluster)."""
    soft_max_energy: float = 1.0
    """A neutral cluster of at most this hadronic energy is soft [GeV]
    (MaxHadEnergyForSoftClusterNoTrack)."""
    soft_distance: float = 300.0
    """Largest distance of a soft cluster from the one that it joins [mm]
    (MaxClusterDistanceFine, MaxClusterDistanceCoarse)."""


@dataclass(frozen=True)
class ReclusteringConfig:
    """Reclustering of track clusters with more energy than momentum; chi as in association."""

    min_chi: float = 2.0
    """Smallest chi of a cluster that is reclustered (ChiToAttemptReclustering)."""
    min_hits: int = 6
    """Smallest number of hits of a cluster that is reclustered."""
    scales: tuple[float, ...] = (0.80, 0.67, 0.54, 0.41, 0.28)
    """Factors on the opening and width of the cones, one trial each."""
    piece_energy: float = 0.8
    """Hadronic energy below which a piece may return to the track [GeV]."""
    piece_max_chi: float = 1.0
    """Largest chi of the track's cluster after a piece returned."""
    min_gain: float = 0.5
    """Smallest decrease of abs(chi) by which a trial replaces the best so far."""
    split_width: float = 40.0
    """If chi stays too large, hits are split by distance/(width + slope depth) [mm]."""
    split_slope: float = 0.12
    """Slope in this formula."""


@dataclass(frozen=True)
class FragmentConfig:
    """Removal of fragments: scores of neutral clusters, odds of photons."""

    sweeps: int = 3
    """Number of passes over all clusters (NMaxPasses)."""
    min_score: float = 0.9
    """Smallest score of a neutral fragment (MinRequiredEvidence). A photon is one at even odds."""
    max_distance: float = 2000.0
    """Largest distance of a fragment's centroid from the track at the calorimeter face [mm]."""
    contact_distances: tuple[float, float, float] = (50.0, 100.0, 200.0)
    """Limits of the distance between the nearest hits for the contact scores [mm]."""
    contact_scores: tuple[float, float, float] = (0.9, 0.6, 0.2)
    """Score within each of these distances (ContactEvidence1 to 3)."""
    apart_distance: float = 400.0
    """Distance between the nearest hits above which the next score is used [mm]."""
    apart_score: float = -0.7
    """Score above this distance."""
    cone_width: float = 60.0
    """Half width of a cone about the line of the track at the calorimeter face [mm]."""
    cone_slope: float = 0.35
    """Tangent of the half opening angle of this cone (ConeCosineHalfAngle)."""
    cone_score: float = 0.9
    """Score times the fraction of the energy in this cone (ConeWeight)."""
    min_cone_fraction: float = 0.05
    """Fraction of the energy in this cone below which the mean distance is limited."""
    max_axis_distance: float = 400.0
    """Largest mean distance from the line of the track for such a fraction [mm]."""
    hcal_score: float = 0.4
    """Score of a cluster that begins in the HCAL (LayerCorrection)."""
    deep_layers: int = 3
    """Number of HCAL layers behind which a cluster is deep [layer groups]."""
    deep_score: float = 0.2
    """Additional score of a deep cluster."""
    aside_distance: float = 250.0
    """Mean distance from the line of the track above which the next score is used [mm]."""
    aside_score: float = -0.4
    """Score above this mean distance."""
    soft_energy: float = 0.8
    """Hadronic energy below which a cluster is soft [GeV] (LowEnergyCorrectionThreshold)."""
    soft_score: float = 0.3
    """Score of a soft cluster (LowEnergyCorrection)."""
    chi_score: float = 0.8
    """Score times the decrease of chi^2 by merging."""
    max_chi_fall: float = 3.0
    """Largest decrease or increase of chi^2 that counts."""
    photon_distance: float = 38.0
    """d_0: mean distance from the line plus r at which a photon of 1 GeV is a fragment with even
    odds if chi^2 is unchanged [mm]."""
    photon_radius: float = 10.0
    """r: scale below which the distance of a photon hardly matters [mm]."""
    photon_distance_power: float = 1.7
    """n: power of the distance with which the odds fall."""


@dataclass(frozen=True)
class NeutralConfig:
    """Leakage of photons, merging of neutral clusters, photons among them."""

    leakage_distance: float = 45.0
    """Largest projective distance of leakage from the photon [mm]."""
    leakage_min_energy: float = 5.0
    """Smallest EM-scale energy of a photon with leakage [GeV]."""
    leakage_max_fraction: float = 0.12
    """Largest energy of the leakage relative to that of the photon (EnergyRatioCut)."""
    merge_distance_ecal: float = 60.0
    """Largest distance of a neutral cluster that begins in the ECAL from a larger one [mm]."""
    merge_distance_hcal: float = 130.0
    """Largest distance of a neutral cluster that begins in the HCAL from a larger one [mm]."""
    photon_min_energy: float = 0.2
    """Smallest EM-scale energy of a photon [GeV] (MinElectromagneticEnergy)."""
    photon_min_ecal_fraction: float = 0.95
    """Smallest fraction of a photon's energy in the ECAL."""
    photon_depth_window: float = 1.7
    """Largest deviation of the mean depth from that of a photon's shower [layer groups]."""
    photon_core_radius: float = 25.0
    """Radius of the core about the axis [mm]."""
    photon_min_core: float = 0.6
    """Smallest fraction of a photon's energy in the core."""


@dataclass(frozen=True)
class EnergyBalanceConfig:
    """Corrections of neutral particles near tracks by the energy balance of these tracks."""

    width: float = 130.0
    """Distance from a track's cluster at which a neutral hadron has the weight exp(-1/2) [mm]."""
    neutral_uncertainty: float = 1.0
    """Relative uncertainty of a neutral hadron's energy near tracks; 0: no correction."""
    photon_width: float = 25.0
    """Distance from the line of a track at which a photon has the weight exp(-1/2) [mm]."""
    photon_uncertainty: float = 0.3
    """Relative uncertainty of a photon's energy on the line of a track, where a charged shower may
    lie on top of it; 0: no correction."""


@dataclass(frozen=True)
class ClusterConfig:
    """Which clusters are written."""

    min_hits: int = 1
    """Smallest number of hits of a cluster without a track; the hits of smaller ones are in no
    cluster (MinHitsInCluster). Where noise is simulated use 2 (`for_noise`)."""


@dataclass(frozen=True)
class CandidateConfig:
    """Candidates from tracks and clusters."""

    min_neutral_energy: float = 0.2
    """Smallest energy of a neutral candidate [GeV] (MinClusterElectromagneticEnergy and
    MinClusterHadronicEnergy)."""
    massless_below: float = 0.6
    """Energy below which a neutral hadron has no mass, because E >= m would raise it [GeV]."""
    muon_min_yoke_hits: int = 4
    """Smallest number of hits in the muon system on the track of a muon."""


@dataclass(frozen=True)
class BaselineConfig:
    """All constants of the rule-based particle flow, step by step."""

    secondaries: SecondaryConfig = field(default_factory=SecondaryConfig)
    peaks: PeakConfig = field(default_factory=PeakConfig)
    photons: PhotonConfig = field(default_factory=PhotonConfig)
    cones: ConeConfig = field(default_factory=ConeConfig)
    association: AssociationConfig = field(default_factory=AssociationConfig)
    reclustering: ReclusteringConfig = field(default_factory=ReclusteringConfig)
    fragments: FragmentConfig = field(default_factory=FragmentConfig)
    neutrals: NeutralConfig = field(default_factory=NeutralConfig)
    clusters: ClusterConfig = field(default_factory=ClusterConfig)
    energy_balance: EnergyBalanceConfig = field(default_factory=EnergyBalanceConfig)
    candidates: CandidateConfig = field(default_factory=CandidateConfig)

    def __post_init__(self) -> None:
        for step in fields(self):
            config = getattr(self, step.name)
            for constant in fields(config):
                _check(f"{step.name}.{constant.name}", getattr(config, constant.name))

    def kernel_constants(self) -> np.void:
        """All constants for kernels: a structured scalar, as in `constants.cones.pad_ecal`."""
        values = tuple(astuple(getattr(self, step.name)) for step in fields(self))
        layout = [(step.name, _layout(getattr(self, step.name))) for step in fields(self)]
        constants: np.void = np.array([values], dtype=np.dtype(layout, align=True))[0]
        return constants


def kernel_constants(config: Any) -> np.void:
    """The constants of one step for kernels: a structured scalar with the names of `config`."""
    constants: np.void = np.array([astuple(config)], dtype=_layout(config))[0]
    return constants


def for_noise() -> BaselineConfig:
    """Configuration for calorimeters with noise: a single hit is no cluster."""
    return BaselineConfig(clusters=ClusterConfig(min_hits=2))


def _check(name: str, value: float | tuple[float, ...]) -> None:
    """Raise ConfigError for a distance, energy or count below zero; only scores may be negative."""
    for number in value if isinstance(value, tuple) else (value,):
        if not math.isfinite(number) or (number < 0 and "score" not in name):
            raise ConfigError(f"baseline: {name} = {value}; give a finite number, not negative")


def _layout(config: Any) -> np.dtype[np.void]:
    """The fields of a step's configuration as a structured dtype; a tuple is a small array."""
    layout = []
    for constant in fields(config):
        value = np.asarray(getattr(config, constant.name))
        layout.append((constant.name, value.dtype, value.shape))
    return np.dtype(layout, align=True)
