"""ingest + label of an EDM4hep file, beside the bare uproot read of the same branches.

    python -m benchmarks.ingest [--num-events 300] [--repeats 5] [--definition mlpf-2.5]
    python -m benchmarks.ingest --num-events 10000 --memory

Events are ttbar of our own simulation, thinned to about 100 generator particles, 1600 hits and
48 clusters (--full leaves them as they are), written by our EDM4hep writer. Three times, taking
turns in one process, kernels compiled before the clock starts; CPU time, the best of repeats:

    read    every branch that ingestion reads, in the same ranges of events, as awkward arrays
    memory  the file to labelled events in memory: read, check, convert, label, jets
    files   what the two verbs do: file -> Parquet of stage `events` -> Parquet of stage `labelled`

--memory instead ingests once in a process of its own and prints its peak.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import uproot

from partflow.core.deposits import resolve_deposits
from partflow.core.known_detectors import CLIC
from partflow.core.provenance import Provenance
from partflow.core.records import Collection, Events, concatenate_events
from partflow.core.store import EventWriter, iterate_events
from partflow.generate import GenerationConfig, generate
from partflow.ingest.edm4hep.columns import EntryRange
from partflow.ingest.edm4hep.podio import EVENT_TREE, open_podio
from partflow.ingest.edm4hep.reading import entry_ranges, read_chunk
from partflow.ingest.edm4hep.writing import EdmWriter
from partflow.ingest.ingestion import ingest
from partflow.label import label
from partflow.label.published import label_published
from partflow.pipeline import simulate_events
from partflow.simulate.config import SimulationConfig

SEED = 5
THINNING = 3
"""One cluster in so many is kept."""
SIMULATED = 100
"""Different events in a file; a longer file repeats them."""
NEEDED = (
    "particles", "tracks", "clusters", "hit_clusters", "contributions", "track_particles",
    "baseline", "particle_sources", "particle_daughters", "contribution_sources", "track_links",
    "unrefitted_states",
)  # fmt: skip
"""What labels are made from: everything but the hits themselves."""
WRITTEN_AT_ONCE = 250
"""Events in one basket of the file."""


def simulated_events(num_events: int, is_thinned: bool) -> Events:
    runs = generate(GenerationConfig("ttbar", num_events, SEED), 50)
    events = concatenate_events([simulate_events(run, CLIC, SimulationConfig()) for run in runs])
    return thinned(events) if is_thinned else events


def thinned(events: Events) -> Events:
    """The events with one cluster in THINNING, and only the hits of those that stay."""
    clusters, listed = events.clusters, events.hit_clusters
    in_event = np.arange(len(clusters)) - clusters.offsets[:-1][clusters.event_index]
    keeps_cluster = in_event % THINNING == 0
    keeps_hit = (listed.cluster_index >= 0) & (listed.cluster_index % THINNING == 0)
    new_hit = np.cumsum(keeps_hit) - 1
    hits = events.hits.select(keeps_hit)
    links = events.contributions
    row = events.hits.offsets[:-1][links.event_index] + links.hit_index
    kept_links = links.select(keeps_hit[row])
    index = new_hit[row[keeps_hit[row]]] - hits.offsets[:-1][kept_links.event_index]
    candidates = events.baseline
    is_seated = (candidates.track_index >= 0) | (candidates.cluster_index % THINNING == 0)
    seated = candidates.select(is_seated)
    has_cluster = (seated.cluster_index >= 0) & (seated.cluster_index % THINNING == 0)
    new_cluster = np.where(has_cluster, seated.cluster_index // THINNING, -1)
    return events.with_collections(
        clusters=clusters.select(keeps_cluster),
        hits=hits,
        hit_clusters=changed(
            listed.select(keeps_hit), cluster_index=listed.cluster_index[keeps_hit] // THINNING
        ),
        contributions=changed(kept_links, hit_index=index),
        baseline=changed(seated, cluster_index=new_cluster),
    )


def changed(collection: Collection, **columns: np.ndarray) -> Collection:
    return Collection(collection.schema, collection.offsets, {**collection.columns, **columns})


def write_file(path: Path, num_events: int, is_thinned: bool) -> Events:
    events = simulated_events(min(num_events, SIMULATED), is_thinned)
    written = 0
    with EdmWriter(path, CLIC, Provenance("edm4hep")) as writer:
        while written < num_events:
            size = min(WRITTEN_AT_ONCE, num_events - written)
            run = concatenate_events([events] * -(-size // len(events)))[:size]
            own_id = written + np.arange(size)
            writer.write(Events(own_id, run.process, run.collections))
            written += size
    return events


class Noting(dict):
    """Branches that remember which of them were asked for."""

    def __init__(self, branches) -> None:
        super().__init__(branches)
        self.asked: dict[str, None] = {}

    def __getitem__(self, name):
        self.asked[name] = None
        return super().__getitem__(name)


def branches_read(path: Path) -> list[str]:
    """Names of the branches that ingestion reads."""
    with open_podio(path) as file:
        branches = Noting(file.branches)
        read_chunk(replace(file, branches=branches), entry_ranges(file)[0], CLIC)
    return list(branches.asked)


def bare_read(path: Path, names: list[str], ranges: list[EntryRange]) -> None:
    with uproot.open(path, array_cache=None) as root:
        branches = {branch.name: branch for branch in root[EVENT_TREE].itervalues(recursive=True)}
        for start, stop in ranges:
            for name in names:
                branches[name].array(entry_start=start, entry_stop=stop, library="ak")


def label_closed(events: Events) -> None:
    deposits = resolve_deposits(
        events.particles, events.clusters, events.hit_clusters, events.contributions
    )
    label(
        events.particles, events.tracks, events.track_particles, events.clusters, deposits,
        events.event_id,
    )  # fmt: skip


def in_memory(path: Path, definition: str) -> None:
    find = label_published if definition == "mlpf-2.5" else label_closed
    with open_podio(path) as file:
        for entries in entry_ranges(file):
            find(read_chunk(file, entries, CLIC).events)


def through_files(path: Path, folder: Path) -> None:
    """The published definition, from file to file."""
    ingest([path], folder / "events", "clic", overwrite=True)
    extras = ["baseline_targets"]
    with EventWriter(folder / "labelled.parquet", "labelled", None, extras) as writer:
        for events in iterate_events(folder / "events", "events", NEEDED):
            writer.write(label_published(events).events)


def seconds(function: Callable[[], None]) -> float:
    """CPU seconds of all threads: on a busy machine these wait, but do not count."""
    start = time.process_time()
    function()
    return time.process_time() - start


def compare(path: Path, folder: Path, num_events: int, repeats: int, definition: str) -> None:
    names = branches_read(path)
    with open_podio(path) as file:
        ranges = entry_ranges(file)
    in_memory(path, definition)  # compiles
    label_published(next(iter(events_of(path))))
    times: dict[str, list[float]] = {"read": [], "memory": [], "files": []}
    for _ in range(repeats):
        times["read"].append(seconds(lambda: bare_read(path, names, ranges)))
        times["memory"].append(seconds(lambda: in_memory(path, definition)))
        times["files"].append(seconds(lambda: through_files(path, folder)))
    read = min(times["read"])
    print(f"{len(names)} branches, {path.stat().st_size / num_events / 1e3:.0f} kB an event")
    for name, values in times.items():
        per_event = min(values) / num_events * 1e3
        print(f"{name:>7}: {per_event:7.3f} ms an event, {min(values) / read:5.2f} x read")


def events_of(path: Path):
    with open_podio(path) as file:
        for entries in entry_ranges(file):
            yield read_chunk(file, entries, CLIC).events


def ingest_alone(path: Path, folder: Path) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    start = time.perf_counter()
    ingest([path], folder / "events", "clic")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory {peak:.0f} MB ({before:.0f} MB before), "
          f"{time.perf_counter() - start:.1f} s")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--num-events", type=int, default=500)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--definition", choices=["mlpf-2.5", "closed"], default="mlpf-2.5")
    parser.add_argument("--full", action="store_true", help="do not thin the events")
    parser.add_argument("--memory", action="store_true", help="peak memory instead of times")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp())
    try:
        path = folder / "events.edm4hep.root"
        events = write_file(path, options.num_events, not options.full)
        means = {name: len(c) / len(events) for name, c in events.collections.items()}
        print(", ".join(f"{means[n]:.0f} {n}" for n in ("particles", "hits", "tracks", "clusters")))
        if options.memory:
            context = multiprocessing.get_context("spawn")
            process = context.Process(target=ingest_alone, args=(path, folder))
            process.start()
            process.join()
        else:
            compare(path, folder, options.num_events, options.repeats, options.definition)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
