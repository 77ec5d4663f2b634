"""Events of Geant4 from the command line: the same bytes, stopped runs, lost events, errors.

All use the stand-in data.
"""

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest

from partflow import pipeline
from partflow.core.engines import warning_of
from partflow.core.errors import ConfigError, PartflowError
from partflow.core.store import read_events, read_provenance, write_events
from partflow.generate.config import GenerationConfig, Gun
from partflow.simulate.config import SimulationConfig
from partflow.simulate.geant4.config import Geant4Config

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("geant4_pybind") is None,
    reason='no geant4_pybind: pip install "partflow[geant4]"',
)
GEANT4 = Geant4Config(stand_in_data=True)
CONFIG = SimulationConfig(tracker_material=False)
NUM_EVENTS = 8


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with generated photons, and the cache of the stand-in data."""
    path = tmp_path_factory.mktemp("geant4")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PARTFLOW_CACHE_DIR", str(path / "cache"))
        gun = Gun(22, (3.0, 3.0), (-0.8, 0.8))
        generation = GenerationConfig("gun", NUM_EVENTS, 3, gun=gun)
        pipeline.generate(generation, path / "gen.parquet")
        yield path


@pytest.fixture(scope="module")
def events(folder):
    """The folder of events, simulated without interruption by one worker."""
    output = folder / "events"
    pipeline.simulate([folder / "gen.parquet"], output, config=CONFIG, geant4=GEANT4)
    return output


def command(folder, output, *options):
    """The command line that makes the same events."""
    return [
        sys.executable, "-m", "partflow", "simulate", str(folder / "gen.parquet"),
        "--engine", "geant4", "--stand-in-data", "--no-tracker-material",
        "--output", str(output), *options,
    ]  # fmt: skip


def contents(folder):
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_two_workers_make_the_same_bytes(folder, events):
    output = folder / "two"
    subprocess.run(command(folder, output, "--workers", "2"), check=True, timeout=300)
    assert contents(output) == contents(events)


def test_a_killed_run_goes_on_where_it_was(folder, events):
    output, partial = folder / "killed", folder / "killed.partial"
    run = subprocess.Popen(command(folder, output), start_new_session=True)
    stored = partial / "events-00000.simulated"
    deadline = time.monotonic() + 200
    while len(list(stored.glob("event-*.npz"))) < 2:
        assert run.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    done = sorted(stored.glob("event-*.npz"))
    assert 2 <= len(done) < NUM_EVENTS
    shutil.copytree(partial, folder / "altered.partial")
    pipeline.simulate([folder / "gen.parquet"], output, config=CONFIG, geant4=GEANT4)
    assert contents(output) == contents(events)
    assert not partial.exists()
    # An event that was stored is not simulated again: if it is altered, so is the output.
    file = folder / "altered.partial" / stored.name / done[0].name
    with np.load(file) as arrays:
        altered = {name: arrays[name] for name in arrays.files}
    np.savez(file, **{**altered, "energies": 2 * altered["energies"]})
    pipeline.simulate([folder / "gen.parquet"], folder / "altered", config=CONFIG, geant4=GEANT4)
    number = int(done[0].stem.removeprefix("event-"))
    doubled = read_events(folder / "altered", "events").hits[number : number + 1].energy_em.sum()
    once = read_events(events, "events").hits[number : number + 1].energy_em.sum()
    assert doubled == pytest.approx(2 * once, rel=0.05)


def test_provenance_names_engine_settings_and_data(events):
    config = read_provenance(next(events.glob("*.parquet"))).config
    assert config["engine"] == "geant4"
    assert config["geant4"]["physics_list"] == "FTFP_BERT"
    assert config["geant4"]["data"]["is_stand_in"]
    assert config["detector"] == {"base": "clic", "name": "clic", "hadron_scale": "clic-geant4"}
    assert "stand-in data" in warning_of(events)


def test_the_fast_engine_simulates_the_same_particles_without_a_warning(folder, events):
    fast = folder / "fast"
    pipeline.simulate([folder / "gen.parquet"], fast, config=CONFIG)
    assert warning_of(fast) == ""
    of_fast, of_geant4 = read_events(fast, "events"), read_events(events, "events")
    assert of_fast.particles.energy.tolist() == of_geant4.particles.energy.tolist()
    for part in (of_fast, of_geant4):
        assert part.hits.energy_em.sum() == pytest.approx(part.particles.energy.sum(), rel=0.15)


def test_an_event_that_geant4_cannot_simulate_is_left_out_and_listed(folder):
    generated = read_events(folder / "gen.parquet", "generated")
    pdg_id = generated.particles.pdg_id.copy()
    pdg_id[1] = 9999999
    columns = {**generated.particles.columns, "pdg_id": pdg_id}
    strange = replace(
        generated, collections={"particles": replace(generated.particles, columns=columns)}
    )
    file = folder / "strange.parquet"
    write_events(file, strange[:3], "generated", read_provenance(folder / "gen.parquet"))
    output = folder / "strange"
    pipeline.simulate([file], output, config=CONFIG, geant4=GEANT4)
    kept = read_events(output, "events")
    assert kept.event_id.tolist() == strange.event_id[[0, 2]].tolist()
    report = json.loads((output / "simulation-report.json").read_text())
    assert (report["num_events"], report["num_simulated"]) == (3, 2)
    assert report["left_out"] == [
        {
            "event_id": int(strange.event_id[1]),
            "process": "gun",
            "reason": "Geant4 knows no particle with PDG id 9999999",
        }
    ]
    assert (output / "geant4.log").exists()


def test_no_event_left_is_an_error(folder):
    generated = read_events(folder / "gen.parquet", "generated")
    columns = {
        **generated.particles.columns,
        "pdg_id": np.full_like(generated.particles.pdg_id, 9999999),
    }
    strange = replace(
        generated, collections={"particles": replace(generated.particles, columns=columns)}
    )
    file = folder / "all-strange.parquet"
    write_events(file, strange[:2], "generated", read_provenance(folder / "gen.parquet"))
    with pytest.raises(PartflowError, match="failed in all 2 events"):
        pipeline.simulate([file], folder / "none", config=CONFIG, geant4=GEANT4)
    assert not (folder / "none").exists()


def test_missing_data_sets_end_in_one_line(folder, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GEANT4_DATA_DIR", str(tmp_path))
    with pytest.raises(ConfigError, match="partflow geant4 install") as error:
        pipeline.simulate([folder / "gen.parquet"], folder / "real", geant4=Geant4Config())
    assert "\n" not in str(error.value)
    assert not (folder / "real").exists()
    assert not (folder / "real.partial").exists()


def test_settings_of_geant4_need_its_engine(folder):
    line = [part for part in command(folder, folder / "x") if part not in ("--engine", "geant4")]
    answer = subprocess.run(line, capture_output=True, text=True, check=False, timeout=60)
    assert answer.returncode in (1, 2)
    assert "give --engine geant4, too" in answer.stderr


def test_an_unknown_physics_list_is_refused_with_those_that_are_known():
    with pytest.raises(ConfigError, match="choose one of FTFP_BERT"):
        Geant4Config(physics_list="FTFP_BERTA")
    with pytest.raises(ConfigError, match="unknown with --stand-in-data"):
        Geant4Config(physics_list="FTFP_BERT_HP", stand_in_data=True)
