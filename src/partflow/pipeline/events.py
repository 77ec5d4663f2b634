"""Events from nothing: generator, detector, rule-based reconstruction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from functools import lru_cache, partial
from pathlib import Path
from typing import NamedTuple

from partflow.core.detector import Detector
from partflow.core.detector_file import describe, find_detector
from partflow.core.errors import ConfigError, SchemaError
from partflow.core.hadron_scale import load_hadron_scale
from partflow.core.outputs import growing_folder
from partflow.core.progress import progress
from partflow.core.provenance import Provenance, fingerprint, make_provenance
from partflow.core.records import Collection, Events, concatenate
from partflow.core.store import (
    EventWriter,
    is_finished,
    iterate_events,
    num_events,
    num_row_groups,
    read_provenance,
    read_row_group,
    shards,
    write_events,
)
from partflow.core.workers import check_workers, in_processes
from partflow.generate.config import GenerationConfig
from partflow.generate.processes import GUN
from partflow.pipeline.folders import SHARD_EVENTS, say_done
from partflow.reconstruct.fine import fine_clusters
from partflow.reconstruct.parameters import BaselineConfig, for_noise
from partflow.reconstruct.reconstruction import reconstruct as rule_based
from partflow.simulate.background import OverlayConfig, overlay
from partflow.simulate.config import SimulationConfig
from partflow.simulate.fast.simulation import simulate as fast_simulation

MAX_BACKGROUND_EVENTS = 20_000
"""Events of a background sample that are used, some 50 MB; what is beyond them is left out."""


class Background(NamedTuple):
    """Events to lay over others."""

    source: Path
    """Stage `generated`: a file or a folder."""
    config: OverlayConfig


KERNELS = "partflow.pipeline.kernels"
"""What workers are forked with."""


def generate(config: GenerationConfig, output: Path, overwrite: bool = False) -> None:
    """Generator particles of `config.num_events` events -> one Parquet file."""
    from partflow.generate.generation import generate as generate_events

    record = make_provenance("generated", config, config.seed)
    if is_finished(output, record, overwrite):
        return say_done(output)
    with (
        EventWriter(output, "generated", record) as writer,
        progress(f"generate {config.process}", config.num_events) as advance,
    ):
        for events in generate_events(config, SHARD_EVENTS):
            writer.write(events)
            advance(len(events))


def simulate(
    inputs: Sequence[Path],
    output: Path,
    detector_name: str = "clic",
    config: SimulationConfig | None = None,
    workers: int = 1,
    overwrite: bool = False,
    fine_elements: bool = False,
    background: Background | None = None,
) -> None:
    """Generated events -> hits, tracks, clusters, baseline candidates and their truth.

    `detector_name` is that of a known detector or of a JSON file. With `fine_elements` finer
    clusters are written beside the baseline's; with `background` events of another sample are laid
    over each event. Shard boundaries and random numbers depend on the input alone, so the output
    is the same with any number of workers.
    """
    check_workers(workers)
    config, detector = config or SimulationConfig(), find_detector(detector_name)
    load_hadron_scale(detector)  # says what is missing before work begins
    files = [file for path in inputs for file in shards(path, "generated")]
    background_files = [] if background is None else shards(background.source, "generated")
    for file in (*files, *background_files):
        _check_decays(file, detector)
    settings = {
        "detector": describe(detector),
        "simulation": asdict(config),
        "fine_elements": fine_elements,
    }
    if background is not None:
        settings["overlay"] = asdict(background.config)
        settings["background"] = fingerprint(background.source)
    record = make_provenance("events", settings, inputs=inputs)
    with growing_folder(output, record, overwrite) as folder:
        if folder is None:
            return say_done(output)
        groups = [(file, group) for file in files for group in range(num_row_groups(file))]
        tasks = [
            (file, group, folder / f"events-{number:05d}.parquet")
            for number, (file, group) in enumerate(groups)
        ]
        work = partial(
            _simulate_shard,
            detector=detector,
            config=config,
            record=record,
            fine_elements=fine_elements,
            background=background,
        )
        total = sum(num_events(file, "generated") for file in files)
        with progress("simulate", total) as advance:
            for done in in_processes(work, tasks, workers, KERNELS):
                advance(done)


def _check_decays(file: Path, detector: Detector) -> None:
    """Raise ConfigError unless particles of a file decay inside the tracker of this detector.

    A gun's particles do not decay, and a file that does not say where they did passes.
    """
    try:
        made = read_provenance(file).config
    except SchemaError:
        return
    if made.get("process") == GUN or "decay_radius" not in made:
        return
    volume = (made["decay_radius"], made["decay_half_length"])
    tracker = (detector.ecal.inner_radius, detector.ecal.endcap_z)
    if volume != tracker:
        raise ConfigError(
            f"{file}: K0S and hyperons decay within r = {volume[0]:g}, abs(z) = {volume[1]:g} mm, "
            f"but the tracker of {detector.name} ends at r = {tracker[0]:g}, "
            f"abs(z) = {tracker[1]:g} mm; run `partflow generate` with the same --detector"
        )


def simulate_events(
    generated: Events, detector: Detector, config: SimulationConfig, fine_elements: bool = False
) -> Events:
    """Simulation and rule-based reconstruction of events with the collection `particles`.

    Where noise is simulated, a lone hit is no cluster.
    """
    simulated = fast_simulation(generated.particles, generated.event_id, detector, config)
    chain = for_noise() if config.noise_ecal or config.noise_hcal else BaselineConfig()
    found = rule_based(simulated.hits, simulated.tracks, detector, chain)
    finer = {}
    if fine_elements:
        fine = fine_clusters(simulated.hits, detector, chain)
        finer = {"fine_clusters": fine.clusters, "fine_hit_clusters": fine.hit_clusters}
    return generated.with_collections(
        hits=simulated.hits,
        tracks=simulated.tracks,
        clusters=found.clusters,
        hit_clusters=found.hit_clusters,
        contributions=simulated.contributions,
        track_particles=simulated.track_particles,
        baseline=found.candidates,
        **finer,
    )


def _simulate_shard(
    file: Path,
    group: int,
    shard: Path,
    detector: Detector,
    config: SimulationConfig,
    record: Provenance,
    fine_elements: bool,
    background: Background | None,
) -> int:
    generated = read_row_group(file, group, "generated")
    if not shard.exists():  # an earlier, interrupted run may have made it
        if background is not None:
            pool = _pool(background.source, str(record.config["background"]))
            merged = overlay(generated.particles, generated.event_id, pool, background.config)
            generated = generated.with_collections(particles=merged)
        simulated = simulate_events(generated, detector, config, fine_elements)
        write_events(shard, simulated, "events", record)
    return len(generated)


@lru_cache(maxsize=1)
def _pool(source: Path, fingerprint: str) -> Collection:
    """Particles of the background events, read once in each process.

    `fingerprint` is that of the source: another content is another pool.
    """
    parts, num = [], 0
    for events in iterate_events(source, "generated", ["particles"]):
        parts.append(events.particles[: MAX_BACKGROUND_EVENTS - num])
        num += parts[-1].num_events
        if num == MAX_BACKGROUND_EVENTS:
            break
    return concatenate(parts)
