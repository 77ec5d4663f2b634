"""Every record that rooms exchange: fields, dtypes, units, in one place.

A `Collection` holds the objects of one kind for many events as flat columns plus offsets:
the objects of event `i` are rows `offsets[i]:offsets[i+1]`. Indices stored in a column
(`hit_index`, `particle_index`, ...) count from the start of their own event, so an event
means the same wherever it stands; `Collection.flat_index` turns them into rows.

Longer than a file should be: half of it is the columns of every record, which belong in one place.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from partflow.core.errors import DataError, SchemaError

Array = npt.NDArray[Any]


class Field(NamedTuple):
    """One column: its name, numpy dtype, unit and meaning."""

    name: str
    dtype: str
    unit: str
    doc: str
    default: int | None = None
    """What a collection without the column has in it; None: it cannot be without."""


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
        Field("collision_time", "f4", "ns", "time of its collision, from the signal's on", 0),
    ),
)
"""Stable generator particles (status 1, after decays in flight), neutrinos included."""

HITS = Schema(
    "hits",
    (
        Field("x", "f4", "mm", "cell centre"),
        Field("y", "f4", "mm", "cell centre"),
        Field("z", "f4", "mm", "cell centre"),
        Field("energy", "f4", "GeV", "EM-scale energy"),
        Field("subdetector", "i1", "", "0 ECAL, 1 HCAL, 2 muon system"),
        Field("region", "i1", "", "0 barrel, 1 endcap"),
        Field("layer", "i2", "", "layer group, counted outwards within its subdetector"),
        Field("time", "f4", "ns", "first deposit, from the collision on; 0 where not simulated"),
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
"""Reconstructed tracks; perigee parameters with respect to the origin. What stands at the face
follows from the perigee parameters alone, see `core.helix.follow_track`."""

DEPTH_PROFILE = tuple(f"{part}_depth_{n}" for part in ("ecal", "hcal") for n in range(1, 5))
"""Columns of a cluster: its energies in four parts of the depth of each calorimeter."""
HIT_SPECTRUM = tuple(f"{part}_hits_{n}" for part in ("ecal", "hcal") for n in range(1, 5))
"""Columns of a cluster: its energies in the hit-energy bins of `core.hadron_scale`."""
CLUSTER_MOMENTS = ("length", "width", "core_fraction", "first_depth", "max_hit_fraction")
"""Columns of a cluster: moments of its shape."""
CLUSTER_SHAPE = (*DEPTH_PROFILE, *HIT_SPECTRUM, *CLUSTER_MOMENTS)
"""What `core.cluster_shapes` makes of the hits of a cluster; 0 where they are not known."""

CLUSTERS = Schema(
    "clusters",
    (
        Field("x", "f8", "mm", "energy-weighted centroid"),
        Field("y", "f8", "mm", "energy-weighted centroid"),
        Field("z", "f8", "mm", "energy-weighted centroid"),
        Field("energy", "f8", "GeV", "EM-scale energy"),
        Field("theta", "f8", "rad", "polar angle of the cluster's direction"),
        Field("phi", "f8", "rad", "azimuth of the cluster's direction"),
        Field("energy_ecal", "f8", "GeV", "EM-scale energy in the ECAL"),
        Field("energy_hcal", "f8", "GeV", "EM-scale energy in the HCAL"),
        Field("energy_other", "f8", "GeV", "energy elsewhere (muon system)"),
        Field("num_hits", "i4", "", "number of hits"),
        Field("sigma_x", "f8", "mm", "energy-weighted standard deviation"),
        Field("sigma_y", "f8", "mm", "energy-weighted standard deviation"),
        Field("sigma_z", "f8", "mm", "energy-weighted standard deviation"),
        Field("energy_hadronic", "f8", "GeV", "energy after software compensation"),
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
"""Calorimeter clusters, the final ones of the rule-based chain; never without a hit."""

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
"""Reconstructed particles: the same record from the baseline, a network, or truth."""

CONTRIBUTIONS = Schema(
    "contributions",
    (
        Field("hit_index", "i4", "", "hit"),
        Field("particle_index", "i4", "", "generator particle that deposited the energy"),
        Field("energy", "f4", "GeV", "EM-scale energy of this particle in this hit"),
    ),
)
"""Truth: who lit which hit. The contributions of a hit sum to its energy; where the simulation
adds noise, to its energy without noise: a hit of noise alone has none."""

TRACK_PARTICLES = Schema(
    "track_particles",
    (
        Field("particle_index", "i4", "", "generator particle the track descends from, or -1"),
        Field("is_primary", "i1", "", "1 the particle's own track, 0 any other"),
        Field("is_duplicate", "i1", "", "1 if a better track was made of the same hits", 0),
    ),
)
"""Truth, parallel to `tracks`. What is neither primary nor duplicate is a secondary's."""

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
"""Minus the missing transverse momentum at generator level: one row per event."""

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
        Field("energy", "f4", "GeV", "EM-scale energy of the owner's particles in the cluster"),
    ),
)
"""Where the energy of each cluster should go, or was taken to go by a network that shares it out;
the shares of a cluster sum to its energy."""

PARTICLE_SOURCES = Schema(
    "particle_sources",
    (
        Field("mc_index", "i4", "", "place in the full list of the file's Monte Carlo particles"),
        Field("simulator_status", "i4", "", "simulator status bits of the file"),
    ),
)
"""Truth of a full simulation, parallel to `particles`: which Monte Carlo particle each one is."""

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
"""Truth of a full simulation: tracks and particles, as often as the file links them."""

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
"""Parallel to `tracks`: the fit before the last one, which the published data sets show."""


@dataclass(frozen=True)
class Collection:
    """Objects of one kind for many events: flat columns and offsets.

    >>> met = Collection.from_events(JETS, [{"pt": [7.0], "eta": [0.1], "phi": [0], "energy": [8]}])
    >>> met.num_events, len(met), met.pt
    (1, 1, array([7.]))
    """

    schema: Schema
    offsets: Array
    columns: Mapping[str, Array] = field(repr=False)

    def __post_init__(self) -> None:
        offsets = np.ascontiguousarray(self.offsets, dtype=np.int64)
        object.__setattr__(self, "offsets", offsets)
        if offsets.ndim != 1 or len(offsets) == 0 or offsets[0] != 0:
            raise DataError(f"{self.schema.name}: offsets must be one row that starts at 0")
        if np.any(np.diff(offsets) < 0):
            raise DataError(f"{self.schema.name}: offsets decrease")
        missing = self.schema.needed - set(self.columns)
        if missing:
            raise SchemaError(f"{self.schema.name}: no column {', '.join(sorted(missing))}")
        columns = {
            f.name: np.ascontiguousarray(self.columns[f.name], dtype=f.dtype)
            if f.name in self.columns
            else np.full(offsets[-1], f.default, dtype=f.dtype)
            for f in self.schema.fields
        }
        for name, values in columns.items():
            if values.shape != (offsets[-1],):
                raise DataError(
                    f"{self.schema.name}.{name}: {values.shape} values for {offsets[-1]} objects"
                )
        object.__setattr__(self, "columns", columns)

    def __getattr__(self, name: str) -> Array:
        """A column by its name."""
        columns = self.__dict__.get("columns", {})
        if name in columns:
            values: Array = columns[name]
            return values
        raise AttributeError(f"no column {name!r}")

    def __len__(self) -> int:
        return int(self.offsets[-1])

    def __getitem__(self, events: slice) -> Collection:
        """The objects of a slice of events."""
        start, stop, step = events.indices(self.num_events)
        if step != 1:
            raise DataError(f"{self.schema.name}: events are sliced with step 1 only")
        stop = max(start, stop)
        rows = slice(self.offsets[start], self.offsets[stop])
        return Collection(
            self.schema,
            self.offsets[start : stop + 1] - self.offsets[start],
            {name: values[rows] for name, values in self.columns.items()},
        )

    @property
    def num_events(self) -> int:
        """Number of events, empty ones included."""
        return len(self.offsets) - 1

    @property
    def counts(self) -> Array:
        """Objects per event, [event]."""
        return np.diff(self.offsets)

    @property
    def event_index(self) -> Array:
        """Event of each object, [object]."""
        return np.repeat(np.arange(self.num_events), self.counts)

    def flat_index(self, event_index: Array, index_in_event: Array) -> Array:
        """Rows of objects given by event and index within it; -1 stays -1."""
        rows = self.offsets[:-1][event_index] + index_in_event
        return np.where(np.asarray(index_in_event) < 0, -1, rows)

    def select(self, keep: Array) -> Collection:
        """The objects for which the flat boolean `keep` is true."""
        kept = np.concatenate([[0], np.cumsum(keep)])
        return Collection(
            self.schema,
            kept[self.offsets],
            {name: values[keep] for name, values in self.columns.items()},
        )

    def take(self, event_numbers: Array) -> Collection:
        """The given events, in the given order."""
        counts = self.counts[event_numbers]
        offsets = offsets_from_counts(counts)
        rows = np.arange(offsets[-1]) + np.repeat(
            self.offsets[:-1][event_numbers] - offsets[:-1], counts
        )
        return Collection(self.schema, offsets, {n: v[rows] for n, v in self.columns.items()})

    @classmethod
    def empty(cls, schema: Schema, num_events: int = 0) -> Collection:
        """`num_events` events with no object in any."""
        return cls(
            schema,
            np.zeros(num_events + 1, dtype=np.int64),
            {f.name: np.empty(0, dtype=f.dtype) for f in schema.fields},
        )

    @classmethod
    def from_events(
        cls, schema: Schema, events: Iterable[Mapping[str, npt.ArrayLike]]
    ) -> Collection:
        """From one mapping of columns per event: for tests and small inputs."""
        rows = list(events)
        counts = [len(np.atleast_1d(r[schema.names[0]])) for r in rows]
        columns = {
            f.name: np.concatenate(
                [np.empty(0, f.dtype), *(np.atleast_1d(r[f.name]) for r in rows)]
            )
            for f in schema.fields
            if f.default is None or any(f.name in r for r in rows)
        }
        return cls(schema, offsets_from_counts(np.array(counts, dtype=np.int64)), columns)


def offsets_from_counts(counts: Array) -> Array:
    """Offsets [event + 1] of events with `counts` objects each."""
    return np.concatenate([[0], np.cumsum(counts, dtype=np.int64)]).astype(np.int64)


def concatenate(collections: Sequence[Collection]) -> Collection:
    """Events of several collections of one schema, one after the other."""
    if not collections:
        raise DataError("nothing to concatenate: give at least one collection")
    schema = collections[0].schema
    columns = {n: np.concatenate([c.columns[n] for c in collections]) for n in schema.names}
    counts = np.concatenate([c.counts for c in collections])
    return Collection(schema, offsets_from_counts(counts), columns)


@dataclass(frozen=True)
class Events:
    """Some events: who they are, and their collections by name.

    `event_id` is both the identity of an event and the seed of everything random that
    happens to it after generation.
    """

    event_id: Array
    process: Array
    collections: Mapping[str, Collection] = field(repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "event_id", np.ascontiguousarray(self.event_id, dtype=np.int64))
        object.__setattr__(self, "process", np.asarray(self.process, dtype=object))
        for name, collection in self.collections.items():
            if collection.num_events != len(self.event_id):
                raise DataError(
                    f"{name}: {collection.num_events} events beside {len(self.event_id)} ids"
                )

    def __getattr__(self, name: str) -> Collection:
        """A collection by its name."""
        collections = self.__dict__.get("collections", {})
        if name in collections:
            collection: Collection = collections[name]
            return collection
        raise AttributeError(f"no collection {name!r}")

    def __len__(self) -> int:
        return len(self.event_id)

    def __getitem__(self, events: slice) -> Events:
        return Events(
            self.event_id[events],
            self.process[events],
            {name: collection[events] for name, collection in self.collections.items()},
        )

    def with_collections(self, **collections: Collection) -> Events:
        """The same events with further collections."""
        return Events(self.event_id, self.process, {**self.collections, **collections})


def concatenate_events(parts: Sequence[Events]) -> Events:
    """Several runs of events, one after the other; all hold the same collections."""
    if not parts:
        raise DataError("nothing to concatenate: give at least one run of events")
    return Events(
        np.concatenate([p.event_id for p in parts]),
        np.concatenate([p.process for p in parts]),
        {name: concatenate([p.collections[name] for p in parts]) for name in parts[0].collections},
    )
