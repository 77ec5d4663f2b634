"""The quantities of showers that are compared, one function each.

Each function takes the showers of single particles, one row for each event, and the bootstrap, and
returns the value and its replicas, [1 + replica]. "Energy" without more is that of hits on the EM
scale; sums are over all events unless the docstring says otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np

from partflow.core.detector import ECAL, HCAL, Detector
from partflow.core.particles import (
    CHARGED_HADRON,
    ELECTRON,
    MUON,
    NEUTRAL_HADRON,
    PHOTON,
)
from partflow.core.records import Array
from partflow.evaluate.bootstrap import Bootstrap
from partflow.evaluate.response import width
from partflow.validate.comparison.lines import (
    Quantity,
    deviation_of,
    mean_of,
    ratio_of_sums,
    weighted_sums,
)
from partflow.validate.comparison.shapes import (
    CHARGED_INTERACTION_MIPS,
    NEUTRAL_INTERACTION_MIPS,
    RADIAL_EDGES,
    SPECTRUM_EDGES,
    group_edges,
)
from partflow.validate.measure.estimate import IQR_OF_GAUSSIAN
from partflow.validate.summaries import ShapeSample
from partflow.validate.table.criterion import PERCENT, Unit

MIN_RESPONSE = 0.2
"""A shower below this response is not counted in lengths and depths of single events."""
MIN_HITS = 30
"""Fewer hits in all events have no mean or median energy."""
NUM_LAST_GROUPS = 3
"""Layer groups at the end of the HCAL whose energy measures the leakage."""
EM_TOLERANCE, TOLERANCE = 0.10, 0.20
"""Relative difference that agrees: for photons and electrons, and for all other particles."""
MILLIMETRES, HITS_PER_GEV, MIPS = Unit("mm", 1.0, 1), Unit("/GeV", 1.0, 2), Unit("MIP", 1.0, 2)
INTERACTION_LENGTHS = Unit("λ", 1.0, 3)

_EM, _HADRONS = (PHOTON, ELECTRON), (CHARGED_HADRON, NEUTRAL_HADRON)
_SHOWERING = (*_EM, *_HADRONS)
_ALL = (*_SHOWERING, MUON)

ComparedFor = tuple[Sequence[int], Quantity]
"""Classes of particles, and a quantity that is compared for them."""


def shower_quantities(particle_class: int, detector: Detector) -> list[Quantity]:
    """The quantities that are compared for particles of a class (see `core.particles.CLASSES`)."""
    quantities = [*_energies(), *_shapes(detector), *_hit_energies(detector), *_leakage()]
    return [quantity for classes, quantity in quantities if particle_class in classes]


def _energies() -> Iterator[ComparedFor]:
    """Response and numbers of hits."""
    yield from (
        (_ALL, Quantity("mean response", mean_response)),
        (_ALL, Quantity("median response", median_response)),
        (_SHOWERING, Quantity("IQR/1.349/median of the response", resolution, PERCENT)),
        ((MUON,), Quantity("RMS/mean of the deposit", deposit_rms, PERCENT)),
        (_ALL, Quantity("ECAL share of the energy", ecal_share, negligible=0.005)),
        (_ALL, Quantity("ECAL hits", ecal_hits, HITS_PER_GEV, 0.05)),
        (_ALL, Quantity("HCAL hits", hcal_hits, HITS_PER_GEV, 0.05)),
    )


def _shapes(detector: Detector) -> Iterator[ComparedFor]:
    """Depths and widths."""
    depth_90 = partial(depth_of_90_percent, detector=detector)
    with_axis, without_axis = (PHOTON, NEUTRAL_HADRON), (CHARGED_HADRON, ELECTRON, MUON)
    yield from (
        (_ALL, Quantity("mean depth", mean_depth, MILLIMETRES)),
        ((*_HADRONS, MUON), Quantity("mean depth", mean_interaction_lengths, INTERACTION_LENGTHS)),
        (_ALL, Quantity("depth with 90 % of the energy", depth_90, MILLIMETRES)),
        (_ALL, Quantity("length of a shower, RMS", event_length, MILLIMETRES)),
        (_SHOWERING, Quantity("spread of the showers' depths", depth_spread, MILLIMETRES)),
        (_HADRONS, Quantity("first interaction", first_interaction, INTERACTION_LENGTHS)),
        (_EM, Quantity("energy in the first layer group", first_group_share, PERCENT, 0.001)),
        *(
            (with_axis, Quantity(
                f"radius with {100 * level:g} % of the energy", partial(radius, level=level),
                MILLIMETRES,
            ))
            for level in (0.5, 0.9)
        ),
        (without_axis, Quantity("RMS distance from the centroid", centroid_distance, MILLIMETRES)),
    )  # fmt: skip


def _hit_energies(detector: Detector) -> Iterator[ComparedFor]:
    """Energies of single hits."""
    mips = {ECAL: detector.ecal.mip_energy, HCAL: detector.hcal.mip_energy}
    for subdetector, name in ((ECAL, "ECAL"), (HCAL, "HCAL")):
        mean = partial(mean_hit_energy, subdetector=subdetector, mip_energy=mips[subdetector])
        median = partial(median_hit_energy, subdetector=subdetector)
        yield _ALL, Quantity(f"mean energy of a hit, {name}", mean, MIPS)
        yield _ALL, Quantity(f"median energy of a hit, {name}", median, MIPS)


def _leakage() -> Iterator[ComparedFor]:
    """Energy that is not, or hardly, in the calorimeters."""
    last = f"energy in the last {NUM_LAST_GROUPS} layer groups"
    weak = f"showers with a response below {100 * MIN_RESPONSE:g} %"
    yield (*_HADRONS, MUON), Quantity(last, last_groups_share, PERCENT, 0.002)
    yield _HADRONS, Quantity(weak, weak_showers, PERCENT, 0.01)


DEFINITIONS = {
    "response": "energy of all hits of ECAL and HCAL on the EM scale over the particle's energy",
    "depth": "of the middle of the hit's layer group behind the calorimeter's face, at right "
    "angles to the layers; in interaction lengths (λ) without the gap between ECAL and HCAL",
    "length and spread of depths": "of the showers with a response above "
    f"{100 * MIN_RESPONSE:g} %, of muons all: mean over showers of the energy-weighted standard "
    "deviation of the depth, and standard deviation of the showers' energy-weighted mean depths",
    "first interaction": "mean depth of the first layer group with a hit above "
    f"{NEUTRAL_INTERACTION_MIPS:g} (neutral) or {CHARGED_INTERACTION_MIPS:g} (charged) times the "
    "energy of a minimum ionising particle in one layer (MIP), of the showers with such a hit",
    "radius": "distance of the hits from the straight line along the particle's momentum",
    "distance from the centroid": "in space, from the energy-weighted mean position of the "
    "shower's hits",
    "last layer groups": f"the {NUM_LAST_GROUPS} at the end of the HCAL",
}
"""Definitions of the quantities, for the page."""


def total_energy(sample: ShapeSample) -> Array:
    """Energy of the hits of each event [GeV], [event]."""
    return np.asarray(sample.ecal + sample.hcal)


def is_counted(sample: ShapeSample) -> Array:
    """Whether the depth of a single shower is counted: response above MIN_RESPONSE, or a muon."""
    total = total_energy(sample)
    is_muon = np.abs(sample.pdg_id) == MUON
    return np.asarray(np.where(is_muon, total > 0, total > MIN_RESPONSE * sample.energy))


def mean_response(sample: ShapeSample, bootstrap: Bootstrap) -> Array:
    """Mean of energy over the particle's energy."""
    response = total_energy(sample) / sample.energy
    return mean_of(response, np.ones(len(response), dtype=bool), bootstrap)


def median_response(sample: ShapeSample, bootstrap: Bootstrap) -> Array:
    """Median of energy over the particle's energy."""
    response = total_energy(sample) / sample.energy
    return width(response, np.arange(len(response)), bootstrap).median


def resolution(sample: ShapeSample, bootstrap: Bootstrap) -> Array:
    """Interquartile range over 1.349 and over the median of the response: sigma of a Gaussian."""
    response = total_energy(sample) / sample.energy
    of_response = width(response, np.arange(len(response)), bootstrap)
    return np.asarray(of_response.iqr_over_median / IQR_OF_GAUSSIAN)


def deposit_rms(sample: ShapeSample, bootstrap: Bootstrap) -> Array:
    """Standard deviation over mean of the response."""
    response = total_energy(sample) / sample.energy
    every = np.ones(len(response), dtype=bool)
    mean = mean_of(response, every, bootstrap)
    return np.divide(
        deviation_of(response, every, bootstrap), mean,
        out=np.full(len(mean), np.nan), where=mean != 0,
    )  # fmt: skip


def ecal_share(sample: ShapeSample, bootstrap: Bootstrap) -> Array:
    """Energy in the ECAL over all energy."""
    return ratio_of_sums(sample.ecal, total_energy(sample), bootstrap)


def ecal_hits(sample: ShapeSample, bootstrap: Bootstrap) -> Array:
    """Hits of the ECAL per GeV of the particle's energy."""
    return ratio_of_sums(sample.num_ecal_hits, sample.energy, bootstrap)


def hcal_hits(sample: ShapeSample, bootstrap: Bootstrap) -> Array:
    """Hits of the HCAL per GeV of the particle's energy."""
    return ratio_of_sums(sample.num_hcal_hits, sample.energy, bootstrap)


def mean_depth(sample: ShapeSample, bootstrap: Bootstrap) -> Array:
    """Energy-weighted mean depth of all hits of all events [mm]."""
    return ratio_of_sums(sample.depth_sum, total_energy(sample), bootstrap)


def mean_interaction_lengths(sample: ShapeSample, bootstrap: Bootstrap) -> Array:
    """Energy-weighted mean depth of all hits of all events [interaction lengths]."""
    return ratio_of_sums(sample.interaction_length_sum, total_energy(sample), bootstrap)


def depth_of_90_percent(sample: ShapeSample, bootstrap: Bootstrap, detector: Detector) -> Array:
    """Depth within which 90 % of the energy of all events is [mm], interpolated in its group."""
    low, high = group_edges(detector).T
    return histogram_quantile(weighted_sums(sample.longitudinal, bootstrap), low, high, 0.9)


def event_length(sample: ShapeSample, bootstrap: Bootstrap) -> Array:
    """Mean over showers of the energy-weighted standard deviation of the depth [mm]."""
    total = np.maximum(total_energy(sample), 1e-12)
    variance = sample.depth_square_sum / total - (sample.depth_sum / total) ** 2
    return mean_of(np.sqrt(np.maximum(variance, 0.0)), is_counted(sample), bootstrap)


def depth_spread(sample: ShapeSample, bootstrap: Bootstrap) -> Array:
    """Standard deviation, over showers, of the energy-weighted mean depth [mm]."""
    depth = sample.depth_sum / np.maximum(total_energy(sample), 1e-12)
    return deviation_of(depth, is_counted(sample), bootstrap)


def first_interaction(sample: ShapeSample, bootstrap: Bootstrap) -> Array:
    """Mean depth of the first interaction [interaction lengths], see `shapes`."""
    is_seen = np.isfinite(sample.first_interaction)
    return mean_of(sample.first_interaction, is_seen, bootstrap)


def first_group_share(sample: ShapeSample, bootstrap: Bootstrap) -> Array:
    """Energy in the first layer group of the ECAL over all energy."""
    return ratio_of_sums(sample.longitudinal[:, 0], total_energy(sample), bootstrap)


def radius(sample: ShapeSample, bootstrap: Bootstrap, level: float) -> Array:
    """Distance from the axis within which a share `level` of the energy of all events is [mm]."""
    radial = weighted_sums(sample.radial, bootstrap)
    return histogram_quantile(radial, RADIAL_EDGES[:-1], RADIAL_EDGES[1:], level)


def centroid_distance(sample: ShapeSample, bootstrap: Bootstrap) -> Array:
    """Energy-weighted RMS distance of all hits from their event's centroid [mm]."""
    square = ratio_of_sums(sample.centroid_square_sum, total_energy(sample), bootstrap)
    return np.asarray(np.sqrt(square))


def mean_hit_energy(
    sample: ShapeSample, bootstrap: Bootstrap, subdetector: int, mip_energy: float
) -> Array:
    """Mean energy of a hit of the ECAL or HCAL [MIP]; NaN for fewer than MIN_HITS hits."""
    is_ecal = subdetector == ECAL
    number = sample.num_ecal_hits if is_ecal else sample.num_hcal_hits
    if number.sum() < MIN_HITS:
        return np.full(len(bootstrap.weights) + 1, np.nan)
    return ratio_of_sums(sample.ecal if is_ecal else sample.hcal, number, bootstrap) / mip_energy


def median_hit_energy(sample: ShapeSample, bootstrap: Bootstrap, subdetector: int) -> Array:
    """Median energy of a hit of the ECAL or HCAL [MIP]; NaN for fewer than MIN_HITS hits."""
    spectrum = sample.ecal_spectrum if subdetector == ECAL else sample.hcal_spectrum
    if spectrum.sum() < MIN_HITS:
        return np.full(len(bootstrap.weights) + 1, np.nan)
    edges = np.log(SPECTRUM_EDGES)  # bins are narrow in the logarithm
    counts = weighted_sums(spectrum, bootstrap)
    return np.asarray(np.exp(histogram_quantile(counts, edges[:-1], edges[1:], 0.5)))


def last_groups_share(sample: ShapeSample, bootstrap: Bootstrap) -> Array:
    """Energy in the last NUM_LAST_GROUPS layer groups of the HCAL over all energy."""
    last = sample.longitudinal[:, -NUM_LAST_GROUPS:].sum(axis=1)
    return ratio_of_sums(last, total_energy(sample), bootstrap)


def weak_showers(sample: ShapeSample, bootstrap: Bootstrap) -> Array:
    """Fraction of the events with a response below MIN_RESPONSE."""
    is_weak = total_energy(sample) < MIN_RESPONSE * sample.energy
    return mean_of(is_weak, np.ones(len(is_weak), dtype=bool), bootstrap)


def histogram_quantile(content: Array, low: Array, high: Array, level: float) -> Array:
    """Quantiles of histograms `content` [histogram, bin], linear inside a bin, [histogram].

    `low` and `high` are the edges of the bins [bin]. NaN for an empty histogram.

    >>> content, edges = np.array([[1.0, 3.0], [0.0, 0.0]]), np.array([0.0, 10.0, 20.0])
    >>> histogram_quantile(content, edges[:-1], edges[1:], 0.5).round(3).tolist()
    [13.333, nan]
    """
    cumulated = np.cumsum(content, axis=1)
    target = level * cumulated[:, -1]
    row = np.arange(len(content))
    index = np.minimum((cumulated < target[:, None]).sum(axis=1), content.shape[1] - 1)
    inside = content[row, index]
    missing = target - (cumulated[row, index] - inside)
    share = np.divide(missing, inside, out=np.full(len(content), np.nan), where=inside > 0)
    return np.asarray(low[index] + share * (high[index] - low[index]))
