"""Generated events, simulated events, and their rule-based reconstruction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from partflow.core.detector import Detector
from partflow.core.detector_file import describe, find_detector
from partflow.core.engines import FAST, GEANT4
from partflow.core.errors import ConfigError, SchemaError
from partflow.core.executors import Executor, LocalExecutor
from partflow.core.hadron_scale import for_engine, load_hadron_scale
from partflow.core.outputs import growing_folder
from partflow.core.progress import progress, say_done
from partflow.core.provenance import Provenance, fingerprint, make_provenance
from partflow.core.records import Events
from partflow.core.store import (
    EventWriter,
    is_finished,
    num_events,
    num_row_groups,
    read_provenance,
    read_row_group,
    shards,
    write_events,
)
from partflow.generate.config import GenerationConfig
from partflow.generate.processes import GUN
from partflow.pipeline.background import Background, with_background
from partflow.pipeline.folders import SHARD_EVENTS
from partflow.pipeline.geant4 import (
    Geant4Run,
    RowGroup,
    geant4_settings,
    simulate_with_geant4,
    write_report,
)
from partflow.reconstruct.parameters import BaselineConfig, for_noise
from partflow.reconstruct.reconstruction import reconstruct as rule_based
from partflow.simulate.config import SimulationConfig
from partflow.simulate.digitisation import Simulated
from partflow.simulate.fast.simulation import simulate as fast_simulation
from partflow.simulate.geant4.config import Geant4Config
from partflow.simulate.geant4.simulation import check_geant4

PRELOAD = "partflow.pipeline.compile_on_import"
"""Module that workers start with (`core.executors`)."""


def generate(config: GenerationConfig, output: Path, overwrite: bool = False) -> None:
    """Generate the events of `config` -> one Parquet file of stage `generated`."""
    from partflow.generate.generation import generate as generate_events

    provenance = make_provenance("generated", config, config.seed)
    if is_finished(output, provenance, overwrite):
        return say_done(output)
    with (
        EventWriter(output, "generated", provenance) as writer,
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
    background: Background | None = None,
    geant4: Geant4Config | None = None,
    executor: Executor | None = None,
) -> None:
    """Generated events -> hits, tracks, clusters, baseline candidates and their truth.

    `inputs` are files or folders of stage `generated`, `detector_name` is that of a known detector
    or of a JSON file. With `background` events of another sample are overlaid; with `geant4` the
    showers are simulated by Geant4. The shards are tasks of `executor`; without one they run in
    `workers` processes. Shard boundaries and random numbers depend only on the input, so the output
    is the same wherever they run.
    """
    executor = executor or LocalExecutor(workers)
    engine = FAST if geant4 is None else GEANT4
    config, detector = config or SimulationConfig(), find_detector(detector_name)
    detector = for_engine(detector, engine)
    load_hadron_scale(detector)  # raises ConfigError before any event is simulated
    files = [file for path in inputs for file in shards(path, "generated")]
    background_files = [] if background is None else shards(background.source, "generated")
    for file in (*files, *background_files):
        _check_decays(file, detector)
    settings = {
        "detector": describe(detector),
        "simulation": asdict(config) if engine == FAST else config.shared(),
        "engine": engine,
    }
    if geant4 is not None:
        check_geant4(detector, geant4)
        settings["geant4"] = geant4_settings(geant4)
    if background is not None:
        settings["overlay"] = asdict(background.config)
        settings["background"] = fingerprint(background.source)
    provenance = make_provenance("events", settings, inputs=inputs)
    with growing_folder(output, provenance, overwrite) as folder:
        if folder is None:
            return say_done(output)
        numbered = enumerate(
            (file, group) for file in files for group in range(num_row_groups(file))
        )
        groups = [
            RowGroup(file, group, folder / f"events-{number:05d}.parquet")
            for number, (file, group) in numbered
        ]
        total = sum(num_events(file, "generated") for file in files)
        write = _ShardWriter(detector, config, provenance)
        with progress(f"simulate ({engine})", total) as advance:
            if geant4 is not None:
                run = Geant4Run(
                    detector, config, geant4, background, str(settings.get("background"))
                )
                lost = simulate_with_geant4(groups, run, executor, advance, write)
            else:
                work = partial(_simulate_shard, write=write, background=background)
                for done in executor.map_tasks(work, groups, PRELOAD):
                    advance(done)
        if geant4 is not None:
            write_report(folder, lost, total)


def _check_decays(file: Path, detector: Detector) -> None:
    """Raise ConfigError unless the particles of a file decay inside the tracker of the detector.

    Particles of a gun do not decay. A file without provenance, or of a version that did not store
    the volume, is accepted.
    """
    try:
        generation = read_provenance(file).config
    except SchemaError:
        return
    if generation.get("process") == GUN or "decay_radius" not in generation:
        return
    volume = (generation["decay_radius"], generation["decay_half_length"])
    tracker = (detector.ecal.inner_radius, detector.ecal.endcap_z)
    if volume != tracker:
        raise ConfigError(
            f"{file}: K0S and hyperons decay within r = {volume[0]:g}, abs(z) = {volume[1]:g} mm, "
            f"but the tracker of {detector.name} ends at r = {tracker[0]:g}, "
            f"abs(z) = {tracker[1]:g} mm; run `partflow generate` with the same --detector"
        )


def simulate_events(generated: Events, detector: Detector, config: SimulationConfig) -> Events:
    """Simulate (fast) and reconstruct, by rules, events with the collection `particles`.

    Returns the events with further collections.
    """
    simulated = fast_simulation(generated.particles, generated.event_id, detector, config)
    return reconstruct_by_rules(generated, simulated, detector, config)


def reconstruct_by_rules(
    generated: Events,
    simulated: Simulated,
    detector: Detector,
    config: SimulationConfig,
) -> Events:
    """Generated events with what was simulated and with the baseline's reconstruction of it.

    With noise, isolated hits are left unclustered.
    """
    chain = for_noise() if config.noise_ecal or config.noise_hcal else BaselineConfig()
    reconstructed = rule_based(simulated.hits, simulated.tracks, detector, chain)
    return generated.with_collections(
        hits=simulated.hits,
        tracks=simulated.tracks,
        clusters=reconstructed.clusters,
        hit_clusters=reconstructed.hit_clusters,
        contributions=simulated.contributions,
        track_particles=simulated.track_particles,
        baseline=reconstructed.candidates,
    )


@dataclass(frozen=True)
class _ShardWriter:
    """Reconstructs simulated events and writes them as one shard."""

    detector: Detector
    config: SimulationConfig
    provenance: Provenance

    def __call__(self, shard: Path, generated: Events, simulated: Simulated) -> None:
        """Write the shard of generated events and of what was simulated from them."""
        events = reconstruct_by_rules(generated, simulated, self.detector, self.config)
        write_events(shard, events, "events", self.provenance)


def _simulate_shard(
    file: Path, group: int, shard: Path, write: _ShardWriter, background: Background | None
) -> int:
    """One row group of generated events -> one shard; returns the number of events."""
    generated = read_row_group(file, group, "generated")
    if not shard.exists():  # an interrupted run may have made it
        if background is not None:
            fingerprint = str(write.provenance.config["background"])
            generated = with_background(generated, background, fingerprint)
        simulated = fast_simulation(
            generated.particles, generated.event_id, write.detector, write.config
        )
        write(shard, generated, simulated)
    return len(generated)
