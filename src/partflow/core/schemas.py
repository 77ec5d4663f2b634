"""The schema of every collection that packages exchange: columns, types, units and meaning."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class Field(NamedTuple):
    """One column of a collection."""

    name: str
    dtype: str
    """Type of the values, as numpy names it."""
    unit: str
    doc: str
    """Meaning; it is stored in files, too."""
    default: int | None = None
    """Value in collections and files that lack the column; None: every collection needs it."""


@dataclass(frozen=True)
class Schema:
    """The columns of one kind of object."""

    name: str
    fields: tuple[Field, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Column names, in order."""
        return tuple(f.name for f in self.fields)

    @property
    def needed(self) -> frozenset[str]:
        """Names of the columns without a default."""
        return frozenset(f.name for f in self.fields if f.default is None)


PARTICLES = Schema(
    "particles",
    (
        Field("pdg_id", "i4", "", "PDG Monte Carlo number"),
        Field("charge", "i1", "e", "electric charge"),
        Field("px", "f8", "GeV", "momentum at production"),
        Field("py", "f8", "GeV", "momentum at production"),
        Field("pz", "f8", "GeV", "momentum at production"),
        Field("energy", "f8", "GeV", "total energy"),
        Field("mass", "f8", "GeV", "mass"),
        Field("vx", "f8", "mm", "production vertex"),
        Field("vy", "f8", "mm", "production vertex"),
        Field("vz", "f8", "mm", "production vertex"),
        Field("is_overlay", "i1", "", "1 if from a background event laid over the signal", 0),
        Field("collision_time", "f4", "ns", "time of its collision, relative to the signal's", 0),
    ),
)
"""Stable generator particles (status 1, after decays in flight), neutrinos included."""

HITS = Schema(
    "hits",
    (
        Field("x", "f4", "mm", "cell centre"),
        Field("y", "f4", "mm", "cell centre"),
        Field("z", "f4", "mm", "cell centre"),
        Field("energy_em", "f4", "GeV", "EM-scale energy"),
        Field("subdetector", "i1", "", "0 ECAL, 1 HCAL, 2 muon system"),
        Field("region", "i1", "", "0 barrel, 1 endcap"),
        Field("layer", "i2", "", "layer group, counted outwards within its subdetector"),
        Field(
            "time", "f4", "ns", "first deposit, relative to the collision; 0 where not simulated"
        ),
    ),
)
"""Calorimeter cells above threshold, and hits of the muon system."""

TRACKS = Schema(
    "tracks",
    (
        Field("charge", "i1", "e", "charge from the curvature"),
        Field("pt", "f8", "GeV", "transverse momentum"),
        Field("phi", "f8", "rad", "azimuth of the momentum at the perigee"),
        Field("tan_lambda", "f8", "", "pz/pt"),
        Field("d0", "f8", "mm", "signed transverse distance of the perigee (LCIO sign)"),
        Field("z0", "f8", "mm", "z of the perigee"),
        Field("omega", "f8", "1/mm", "signed curvature (LCIO sign)"),
        Field("chi2", "f8", "", "chi2 of the fit; 0 where it is not simulated"),
        Field("ndf", "f8", "", "degrees of freedom; 0 where not simulated"),
        Field("dedx", "f8", "GeV/mm", "specific ionisation; 0 where not simulated"),
        Field("dedx_error", "f8", "GeV/mm", "its uncertainty; 0 where not simulated"),
        Field("radius_of_innermost_hit", "f8", "mm", "radius of the first layer hit"),
        Field("time", "f8", "ns", "time; 0 where not simulated"),
        Field(
            "radius_of_outermost_hit", "f8", "mm", "radius of the last layer hit; 0: not known", 0
        ),
        Field("face_region", "i1", "", "calorimeter reached: 0 none, 1 barrel, 2 endcap"),
        Field("face_x", "f8", "mm", "position at the calorimeter face, or where the helix ends"),
        Field("face_y", "f8", "mm", "position at the calorimeter face, or where the helix ends"),
        Field("face_z", "f8", "mm", "position at the calorimeter face, or where the helix ends"),
        Field("face_dx", "f8", "", "unit direction there"),
        Field("face_dy", "f8", "", "unit direction there"),
        Field("face_dz", "f8", "", "unit direction there"),
        Field("num_yoke_hits", "i1", "", "hits of the muon system on this track"),
    ),
)
"""Reconstructed tracks; perigee parameters with respect to the origin. Position and direction at
the face follow from the perigee parameters alone, see `core.helix.follow_track`."""

DEPTH_PROFILE = tuple(f"{part}_depth_{n}" for part in ("ecal", "hcal") for n in range(1, 5))
"""Columns of a cluster: energies in four parts of the depth of each calorimeter."""
HIT_SPECTRUM = tuple(f"{part}_hits_{n}" for part in ("ecal", "hcal") for n in range(1, 5))
"""Columns of a cluster: energies in the hit-energy bins of `core.hadron_scale`."""
CLUSTER_MOMENTS = ("length", "width", "core_fraction", "first_depth", "max_hit_fraction")
"""Columns of a cluster: moments of its shape."""
CLUSTER_SHAPE = (*DEPTH_PROFILE, *HIT_SPECTRUM, *CLUSTER_MOMENTS)
"""Columns of a cluster that `core.cluster_shapes` computes; 0 where the hits are not known."""

CLUSTERS = Schema(
    "clusters",
    (
        Field("x", "f8", "mm", "energy-weighted centroid"),
        Field("y", "f8", "mm", "energy-weighted centroid"),
        Field("z", "f8", "mm", "energy-weighted centroid"),
        Field("energy_em", "f8", "GeV", "EM-scale energy"),
        Field("theta", "f8", "rad", "polar angle of the cluster's direction"),
        Field("phi", "f8", "rad", "azimuth of the cluster's direction"),
        Field("energy_em_ecal", "f8", "GeV", "EM-scale energy in the ECAL"),
        Field("energy_em_hcal", "f8", "GeV", "EM-scale energy in the HCAL"),
        Field("energy_em_other", "f8", "GeV", "EM-scale energy elsewhere (muon system)"),
        Field("num_hits", "i4", "", "number of hits"),
        Field("sigma_x", "f8", "mm", "energy-weighted standard deviation"),
        Field("sigma_y", "f8", "mm", "energy-weighted standard deviation"),
        Field("sigma_z", "f8", "mm", "energy-weighted standard deviation"),
        Field("energy_hadronic", "f8", "GeV", "hadronic-scale energy, after software compensation"),
        *(
            Field(name, "f4", "GeV", "EM-scale energy in a part of the depth; 1 is the innermost")
            for name in DEPTH_PROFILE
        ),
        *(
            Field(name, "f4", "GeV", "EM-scale energy in hits of an energy bin; 1 is the lowest")
            for name in HIT_SPECTRUM
        ),
        Field("length", "f4", "mm", "rms along the axis, the line from the origin"),
        Field("width", "f4", "mm", "rms distance from the axis"),
        Field("core_fraction", "f4", "", "energy within a Moliere radius of the axis / energy"),
        Field("first_depth", "f4", "mm", "depth of its first hit behind the calorimeter's face"),
        Field("max_hit_fraction", "f4", "", "energy of its largest hit / energy"),
    ),
)
"""Calorimeter clusters, each with at least one hit."""

HIT_CLUSTERS = Schema(
    "hit_clusters", (Field("cluster_index", "i4", "", "cluster that lists the hit, or -1"),)
)
"""Parallel to `hits`."""

CANDIDATES = Schema(
    "candidates",
    (
        Field("pdg_id", "i4", "", "class: 211, 130, 22, 11 or 13 (not a signed PDG id)"),
        Field("charge", "i1", "e", "electric charge"),
        Field("pt", "f8", "GeV", "transverse momentum"),
        Field("eta", "f8", "", "pseudorapidity"),
        Field("phi", "f8", "rad", "azimuth in (-pi, pi]"),
        Field("energy", "f8", "GeV", "energy"),
        Field("probability", "f8", "", "probability that the particle is real; 1 if by rule"),
        Field("track_index", "i4", "", "track it was made from, or -1"),
        Field("cluster_index", "i4", "", "cluster it was made from, or -1"),
    ),
)
"""Reconstructed particles of any candidate set."""

CONTRIBUTIONS = Schema(
    "contributions",
    (
        Field("hit_index", "i4", "", "hit"),
        Field("particle_index", "i4", "", "generator particle that deposited the energy"),
        Field("energy_em", "f4", "GeV", "EM-scale energy of this particle in this hit"),
    ),
)
"""Truth: the energy of each particle in each hit. The contributions of a hit sum to its energy
without noise; a hit that is only noise has none."""

TRACK_PARTICLES = Schema(
    "track_particles",
    (
        Field("particle_index", "i4", "", "generator particle the track descends from, or -1"),
        Field("is_primary", "i1", "", "1 the particle's own track, 0 any other"),
        Field("is_duplicate", "i1", "", "1 if a better track was made of the same hits", 0),
    ),
)
"""Truth, parallel to `tracks`. A track that is neither primary nor duplicate is secondary."""

JETS = Schema(
    "jets",
    (
        Field("pt", "f8", "GeV", "transverse momentum"),
        Field("eta", "f8", "", "pseudorapidity"),
        Field("phi", "f8", "rad", "azimuth in (-pi, pi]"),
        Field("energy", "f8", "GeV", "energy"),
    ),
)
"""Jets, by decreasing pt."""

GEN_MET = Schema(
    "gen_met",
    (
        Field("px", "f8", "GeV", "sum of the visible transverse momenta"),
        Field("py", "f8", "GeV", "sum of the visible transverse momenta"),
    ),
)
"""Minus the missing transverse momentum of the generator particles: one row per event."""

EVENT_WEIGHT = Schema(
    "event_weight", (Field("weight", "f8", "", "weight of the event in sums over events"),)
)
"""Weight that a generator gave to the event: one row per event. Without it all weights are 1."""

TARGETS = Schema(
    "targets",
    (
        Field("pdg_id", "i4", "", "class: 211, 130, 22, 11, 13; 0 where there is no particle"),
        Field("charge", "i1", "e", "electric charge"),
        Field("pt", "f8", "GeV", "transverse momentum"),
        Field("eta", "f8", "", "pseudorapidity"),
        Field("sin_phi", "f8", "", "sine of the azimuth"),
        Field("cos_phi", "f8", "", "cosine of the azimuth"),
        Field("energy", "f8", "GeV", "energy"),
        Field("is_pu", "i1", "", "1 if from overlay"),
        Field("generator_status", "i4", "", "generator status of the particle"),
        Field("simulator_status", "i4", "", "simulator status of the particle"),
        Field("gp_to_track", "f8", "", "weight of the particle in its track (0-1)"),
        Field("gp_to_cluster", "f8", "GeV", "energy of the particle in all clusters"),
        Field("jet_index", "i4", "", "target jet the particle is in, or -1"),
        Field("particle_index", "i4", "", "generator particle, or -1"),
    ),
)
"""The particle each element should become; parallel to the elements (tracks, then clusters).
The first 13 columns are the published ones, in their order."""

SHARES = Schema(
    "shares",
    (
        Field("cluster_element", "i4", "", "element (a cluster) whose energy is shared out"),
        Field("owner_element", "i4", "", "element whose target the energy belongs to, or -1"),
        Field("energy_em", "f4", "GeV", "EM-scale energy of the owner's particles in the cluster"),
    ),
)
"""The energy of each cluster, divided among the elements whose particles deposited it: as it should
be, or as a network divided it. The shares of a cluster sum to its energy."""

PARTICLE_SOURCES = Schema(
    "particle_sources",
    (
        Field("mc_index", "i4", "", "place in the full list of the file's Monte Carlo particles"),
        Field("simulator_status", "i4", "", "simulator status bits of the file"),
    ),
)
"""Truth of a full simulation, parallel to `particles`: the Monte Carlo particle of each."""

PARTICLE_DAUGHTERS = Schema(
    "particle_daughters",
    (
        Field("particle_index", "i4", "", "generator particle"),
        Field("mc_index", "i4", "", "Monte Carlo particle that the file lists as its daughter"),
    ),
)
"""Truth of a full simulation: immediate daughters of stable particles, as often as listed."""

CONTRIBUTION_SOURCES = Schema(
    "contribution_sources",
    (Field("mc_index", "i4", "", "Monte Carlo particle that the file links to the hit"),),
)
"""Truth of a full simulation, parallel to `contributions`."""

TRACK_LINKS = Schema(
    "track_links",
    (
        Field("track_index", "i4", "", "track"),
        Field("mc_index", "i4", "", "Monte Carlo particle"),
        Field("weight", "f4", "", "part of the track's hits that the particle made"),
    ),
)
"""Truth of a full simulation: links of tracks and particles, with the file's repetitions."""

UNREFITTED_STATES = Schema(
    "unrefitted_states",
    (
        Field("phi", "f8", "rad", "azimuth of the momentum at the perigee"),
        Field("tan_lambda", "f8", "", "pz/pt"),
        Field("d0", "f8", "mm", "signed transverse distance of the perigee (LCIO sign)"),
        Field("z0", "f8", "mm", "z of the perigee"),
        Field("omega", "f8", "1/mm", "signed curvature (LCIO sign)"),
        Field("time", "f8", "ns", "time"),
    ),
)
"""Parallel to `tracks`: states before the last refit, which the published data sets contain."""
