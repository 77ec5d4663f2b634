"""Settings of an evaluation: jets, bins, acceptance, intervals."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from partflow.core.errors import ConfigError

MIN_PT_OF_RADIUS = {0.4: 5.0, 0.7: 15.0}
"""Lowest pt [GeV] of jets by radius, as in the published papers."""


@dataclass(frozen=True)
class EvaluationConfig:
    """Definitions of the metrics of an evaluation."""

    jet_radius: float = 0.4
    """Radius R of the jets; 0.7 (with jet_min_pt 15) is the older published definition."""
    jet_min_pt: float = 5.0
    """Jets below this transverse momentum do not count, generated or reconstructed [GeV]."""
    max_delta_r: float = 0.1
    """A generator jet is matched to its nearest reconstructed jet if that is closer than this."""
    pt_edges: tuple[float, ...] = (5.0, 10.0, 20.0, 40.0, 60.0, 80.0, 100.0, 200.0, 400.0, 800.0)
    """Edges of the bins in the generator jet's pt [GeV]."""
    abs_eta_edges: tuple[float, ...] = (0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0)
    """Edges of the bins in abs(eta), for jets and for particles."""
    particle_pt_edges: tuple[float, ...] = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 200.0)
    """Edges of the bins in a particle's pt [GeV]."""
    min_gen_met: float = 5.0
    """The MET response is taken in events with more generated MET than this [GeV]."""
    min_theta: float = 0.0
    """Generator particles nearer to the beam than this polar angle are left out of gen jets and
    gen MET [deg]. 0 keeps all; 6.4 is the edge of CLIC's endcaps, atan(260 mm / 2307 mm), and
    removes jets of photons radiated into the beam pipe, which no detector can reconstruct."""
    num_replicas: int = 200
    """Bootstrap replicas of the sample behind each interval."""
    confidence: float = 0.68
    """Probability content of the intervals."""
    seed: int = 0
    """Seed of the bootstrap."""
    correct: bool = False
    """Jet metrics are also given with corrected energies, see `corrections`."""

    @classmethod
    def with_radius(cls, radius: float, min_pt: float | None = None) -> EvaluationConfig:
        """Settings with another jet radius, and the lowest pt [GeV] that is usual with it.

        Raises ConfigError for a radius in neither published definition unless `min_pt` is given.
        """
        if min_pt is None:
            min_pt = MIN_PT_OF_RADIUS.get(radius)
        if min_pt is None:
            raise ConfigError(
                f"--jet-radius {radius:g}: no usual lowest pt with it; give --jet-min-pt too"
            )
        return cls(jet_radius=radius, jet_min_pt=min_pt)

    def __post_init__(self) -> None:
        """Raise ConfigError for an impossible setting."""
        for name in ("jet_radius", "max_delta_r", "num_replicas"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name} = {getattr(self, name)}; it must be positive")
        for name in ("pt_edges", "abs_eta_edges", "particle_pt_edges"):
            edges = getattr(self, name)
            if len(edges) < 2 or any(low >= high for low, high in pairwise(edges)):
                raise ConfigError(f"{name} = {edges}; give at least two edges that increase")
        if not 0 < self.confidence < 1:
            raise ConfigError(f"confidence = {self.confidence}; give a number between 0 and 1")
        if not 0 <= self.min_theta < 90:
            raise ConfigError(f"min_theta = {self.min_theta}; give degrees from 0 up to 90")
