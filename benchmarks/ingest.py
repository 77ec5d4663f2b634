"""ingest + label of an EDM4hep file, compared with a plain uproot read of the same branches.

    python -m benchmarks.ingest [--num-events 300] [--repeats 5] [--definition mlpf-2.5]
    python -m benchmarks.ingest --num-events 10000 --memory

Events are ttbar of our own simulation, thinned to about 100 generator particles, 1600 hits and
48 clusters (--full does not thin them), written by our EDM4hep writer. Three CPU times, measured in
turn in one process after the kernels are compiled; the smallest of the repeats:

    read    every branch that ingestion reads, in the same ranges of events, as awkward arrays
    memory  the file to labelled events in memory: read, check, convert, label, jets
    files   what the two verbs do: file -> Parquet of stage `events` -> Parquet of stage `labelled`

With --memory the file is ingested once, in a process of its own, and its peak memory is printed.
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
from partflow.ingest.edm4hep.ingestion import ingest_edm4hep
from partflow.ingest.edm4hep.names import EVENT_TREE
from partflow.ingest.edm4hep.podio import open_podio
from partflow.ingest.edm4hep.reading.events import entry_ranges, read_chunk
from partflow.ingest.edm4hep.writing.writer import EdmWriter
from partflow.label.labelling import label
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
"""Collections that labels are made from: all but the hits."""
WRITTEN_AT_ONCE = 250
"""Events in one basket of the file."""


def simulated_events(num_events: int, is_thinned: bool) -> Events:
    chunks = generate(GenerationConfig("ttbar", num_events, SEED), 50)
    events = concatenate_events(
        [simulate_events(chunk, CLIC, SimulationConfig()) for chunk in chunks]
    )
    return thinned(events) if is_thinned else events


def thinned(events: Events) -> Events:
    """The events with one cluster in THINNING, and only the hits of these clusters."""
    clusters, hit_clusters = events.clusters, events.hit_clusters
    keeps_cluster = clusters.index_in_event % THINNING == 0
    cluster_index = hit_clusters.cluster_index
    keeps_hit = (cluster_index >= 0) & (cluster_index % THINNING == 0)
    new_hit = np.cumsum(keeps_hit) - 1
    hits = events.hits.select(keeps_hit)
    links = events.contributions
    row = events.hits.offsets[:-1][links.event_index] + links.hit_index
    kept_links = links.select(keeps_hit[row])
    index = new_hit[row[keeps_hit[row]]] - hits.offsets[:-1][kept_links.event_index]
    candidates = events.baseline
    keeps_candidate = (candidates.track_index >= 0) | (candidates.cluster_index % THINNING == 0)
    kept = candidates.select(keeps_candidate)
    has_cluster = (kept.cluster_index >= 0) & (kept.cluster_index % THINNING == 0)
    new_cluster = np.where(has_cluster, kept.cluster_index // THINNING, -1)
    return events.with_collections(
        clusters=clusters.select(keeps_cluster),
        hits=hits,
        hit_clusters=changed(
            hit_clusters.select(keeps_hit), cluster_index=cluster_index[keeps_hit] // THINNING
        ),
        contributions=changed(kept_links, hit_index=index),
        baseline=changed(kept, cluster_index=new_cluster),
    )


def changed(collection: Collection, **columns: np.ndarray) -> Collection:
    return Collection(collection.schema, collection.offsets, {**collection.columns, **columns})


def write_file(path: Path, num_events: int, is_thinned: bool) -> Events:
    events = simulated_events(min(num_events, SIMULATED), is_thinned)
    written = 0
    with EdmWriter(path, CLIC, Provenance("edm4hep")) as writer:
        while written < num_events:
            size = min(WRITTEN_AT_ONCE, num_events - written)
            chunk = concatenate_events([events] * -(-size // len(events)))[:size]
            event_id = written + np.arange(size)
            writer.write(Events(event_id, chunk.process, chunk.collections))
            written += size
    return events


class NotedBranches(dict):
    """Branches by name, with a note of those that were used."""

    def __init__(self, branches) -> None:
        super().__init__(branches)
        self.used: dict[str, None] = {}

    def __getitem__(self, name):
        self.used[name] = None
        return super().__getitem__(name)


def branches_read(path: Path) -> list[str]:
    """Names of the branches that ingestion reads."""
    with open_podio(path) as file:
        branches = NotedBranches(file.branches)
        read_chunk(replace(file, branches=branches), entry_ranges(file)[0], CLIC)
    return list(branches.used)


def plain_read(path: Path, names: list[str], ranges: list[EntryRange]) -> None:
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
    ingest_edm4hep([path], folder / "events", "clic", overwrite=True)
    extras = ["baseline_targets"]
    with EventWriter(folder / "labelled.parquet", "labelled", None, extras) as writer:
        for events in iterate_events(folder / "events", "events", NEEDED):
            writer.write(label_published(events).events)


def seconds(function: Callable[[], None]) -> float:
    """CPU seconds of all threads, which do not depend on how busy the machine is."""
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
        times["read"].append(seconds(lambda: plain_read(path, names, ranges)))
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
    ingest_edm4hep([path], folder / "events", "clic")
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
