"""`partflow validate --against`: folders against themselves and against other simulations."""

import sys
from pathlib import Path

import numpy as np
import pytest

from partflow import pipeline
from partflow.cli import main
from partflow.core.errors import ConfigError, InputError, OutputError, SchemaError
from partflow.core.known_detectors import CLIC
from partflow.core.store import read_events, read_provenance, write_events
from partflow.evaluate.gate import Verdict
from partflow.generate import GenerationConfig
from partflow.generate.config import Gun
from partflow.simulate import OverlayConfig, SimulationConfig
from partflow.validate import compare_engines, write_comparison_into
from partflow.validate.comparison import simulation
from partflow.validate.comparison.comparison import BEGIN, END
from partflow.validate.comparison.groups import (
    compare_showers,
    energy_groups,
    num_between_regions,
    shower_groups,
)
from partflow.validate.comparison.reference import read_references
from partflow.validate.comparison.result import read_result
from partflow.validate.comparison.simulation import plan_chunks, summarise_chunks

NO_MATERIAL = SimulationConfig(tracker_material=False)
WIDER = SimulationConfig(tracker_material=False, transverse_momentum=4.0)


def gun(path: Path, pdg_id: int, num_events: int, energy: float = 10.0, **options) -> Path:
    config = GenerationConfig(
        "gun", num_events, seed=11, gun=Gun(pdg_id, (energy, energy), **options)
    )
    pipeline.generate(config, path)
    return path


def lines_of(group) -> dict:
    return {(line.label, line.unit.name): line for line in group.lines}


@pytest.fixture(scope="session")
def folder(tmp_path_factory) -> Path:
    """Folders of stage `events`: guns, collisions, guns with wider showers."""
    folder = tmp_path_factory.mktemp("against")
    kaons = gun(folder / "kaons.parquet", 130, 80, cos_theta=(-0.3, 0.3))
    photons = gun(folder / "photons.parquet", 22, 40, cos_theta=(-0.3, 0.3))
    pipeline.generate(GenerationConfig("uds", 12, seed=3, energy=91.2), folder / "uds.parquet")
    pipeline.simulate([kaons], folder / "kaons", config=NO_MATERIAL)
    pipeline.simulate([folder / "uds.parquet"], folder / "collisions")
    pipeline.simulate([kaons, photons], folder / "wider", config=WIDER)
    return folder


def relabelled(source: Path, target: Path, **settings) -> Path:
    """A copy of a folder with other settings in its provenance."""
    target.mkdir()
    for file in source.glob("*.parquet"):
        provenance = read_provenance(file)
        config = {**provenance.config, **settings}
        write_events(
            target / file.name, read_events(file, "events"), "events",
            type(provenance)(provenance.stage, config),
        )  # fmt: skip
    return target


@pytest.fixture(scope="session")
def compared(folder, tmp_path_factory) -> Path:
    """A finished comparison with events that say that they are Geant4's, but are the fast ones."""
    output = tmp_path_factory.mktemp("compared")
    label = {"engine": "geant4", "geant4": {"data": {"is_stand_in": True}}}
    folders = [
        relabelled(folder / name, output / name, **label) for name in ("kaons", "collisions")
    ]
    compare_engines(folders, output / "comparison")
    return output / "comparison"


def test_a_folder_agrees_with_itself_in_everything(compared):
    result = read_result(compared)
    assert [(group.section, group.label) for group in result.groups] == [
        ("K0L, barrel, no tracker material", "10 GeV"),
        ("Collisions", "uds, 91.2 GeV"),
    ]
    lines = [line for group in result.groups for line in group.lines]
    assert len(lines) > 30
    assert {line.verdict for line in lines} == {Verdict.PASS}
    ratios = np.array([line.ratio for line in lines if np.isfinite(line.ratio.value)])
    assert len(ratios) > 28
    assert (ratios == 1.0).all()


def test_page_tables_plots_and_displays_are_written(compared):
    name = "K0L_barrel_no_tracker_material"
    plots = {path.stem for path in (compared / "plots").glob("*.png")}
    kinds = ("longitudinal", "lateral", "hits_ecal", "hits_hcal", "response")
    assert plots == {
        *(f"showers_{name}_{kind}" for kind in kinds), "jets_baseline_response",
        "jets_perfect_response",
    }  # fmt: skip
    assert plots == {path.stem for path in (compared / "plots").glob("*.csv")}
    assert (compared / "displays" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    page = (compared / "index.html").read_text()
    assert page.count("<figure") == len(plots) + 1
    assert "radius with 90 % of the energy [mm]" in page
    assert not (compared / "chunks").exists()


def test_stand_in_data_are_marked_in_page_table_and_docs(compared, tmp_path):
    docs = tmp_path / "page.md"
    docs.write_text(f"before\n{BEGIN}\nearlier table\n{END}\nafter\n")
    write_comparison_into(docs, compared)
    text = docs.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "earlier table" not in text
    for content in (
        text,
        (compared / "table.md").read_text(),
        (compared / "index.html").read_text(),
    ):
        assert "stand-in data" in content
        assert "Geant4" in content


def test_a_page_without_a_place_for_the_tables_is_an_error(compared, tmp_path):
    with pytest.raises(InputError, match="no place for the tables; add the lines"):
        write_comparison_into(tmp_path / "page.md", compared)
    with pytest.raises(InputError, match=r"holds no comparison.json; make it with"):
        write_comparison_into(tmp_path / "page.md", tmp_path)


def test_a_finished_comparison_is_not_repeated(compared, monkeypatch, capsys, folder):
    monkeypatch.setattr(simulation, "_summarise_chunk", None)
    folders = [compared.parent / name for name in ("kaons", "collisions")]
    compare_engines(folders, compared)
    captured = capsys.readouterr()
    assert "is finished" in captured.err
    assert "quantities agree, 0 differ" in captured.out
    with pytest.raises(OutputError, match="made with another configuration"):
        compare_engines([folder / "collisions"], compared)


def measured(folders, output):
    """Groups of showers of folders, without page and plots."""
    references, detector = read_references(folders)
    summaries = summarise_chunks(plan_chunks(references), output, detector, workers=1)
    return {
        group.section: compare_showers(group, detector) for group in shower_groups(summaries)
    }, summaries


def test_wider_showers_differ_in_the_lines_that_measure_width(folder, tmp_path):
    groups, _ = measured([folder / "wider"], tmp_path)
    kaons = lines_of(groups["K0L, barrel, no tracker material"])
    for level in (50, 90):
        width = kaons[f"radius with {level} % of the energy", "mm"]
        assert width.verdict == Verdict.FAIL
        assert width.ratio.high < 0.8
    assert kaons["mean response", ""].verdict == Verdict.PASS
    photons = lines_of(groups["photon, barrel, no tracker material"])
    assert {line.verdict for line in photons.values()} == {Verdict.PASS}


def test_an_interrupted_comparison_continues_where_it_stopped(folder, tmp_path, monkeypatch):
    references, detector = read_references([folder / "wider"])
    chunks = plan_chunks(references)
    assert [chunk.num_events for chunk in chunks] == [80, 40]
    summarise_chunks(chunks[:1], tmp_path, detector, workers=1)
    (first,) = (tmp_path / "chunks").iterdir()
    written = first.stat().st_mtime_ns
    (summary,) = summarise_chunks(chunks, tmp_path, detector, workers=1).values()
    assert first.stat().st_mtime_ns == written
    assert summary.num_events == 120


def test_the_fast_engine_takes_the_settings_of_tracker_and_effects_only(folder):
    (wider,), detector = read_references([folder / "wider"])
    assert detector == CLIC
    assert wider.config == NO_MATERIAL
    assert wider.setting_label == "no tracker material"
    assert wider.label == "fast, stored"


def test_engine_settings_that_this_version_does_not_know_are_ignored(folder, tmp_path):
    settings = {"simulation": {"tracker_material": True, "of_another_version": 3.0}}
    (reference,), _ = read_references([relabelled(folder / "kaons", tmp_path / "new", **settings)])
    assert reference.config == SimulationConfig()
    bad = relabelled(folder / "kaons", tmp_path / "bad", simulation={"tracker_material": "yes"})
    with pytest.raises(ConfigError, match="bad: its provenance cannot be used"):
        read_references([bad])


def test_folders_must_be_of_one_detector_and_one_engine(folder, tmp_path):
    pipeline.simulate([folder / "photons.parquet"], tmp_path / "cld", "cld")
    with pytest.raises(ConfigError, match=r"is of detector cld, but .* of clic; compare one"):
        read_references([folder / "kaons", tmp_path / "cld"])
    geant4 = relabelled(folder / "kaons", tmp_path / "geant4", engine="geant4")
    with pytest.raises(ConfigError, match=r"made by engine geant4 .*compare one engine at a time"):
        read_references([folder / "wider", geant4])


def test_events_are_compared_once(folder, tmp_path):
    with pytest.raises(InputError, match=r"holds the same events as .*; give each once"):
        read_references([folder / "kaons", folder / "kaons"])
    references, _ = read_references([folder / "kaons", folder / "wider"])
    with pytest.raises(InputError, match="is in the folders twice; give each event once"):
        plan_chunks(references)


def test_other_inputs_are_refused_with_the_next_step(folder, tmp_path):
    with pytest.raises(SchemaError, match="holds stage 'generated', but 'events' is needed"):
        read_references([folder / "kaons.parquet"])
    with pytest.raises(InputError, match="no such file or folder; make it with"):
        read_references([tmp_path / "nothing"])
    with pytest.raises(ConfigError, match="give folders of `partflow simulate`"):
        read_references([])
    pipeline.generate(GenerationConfig("gun", 0), tmp_path / "none.parquet")
    pipeline.simulate([tmp_path / "none.parquet"], tmp_path / "empty")
    references, _ = read_references([tmp_path / "empty"])
    with pytest.raises(InputError, match="empty: no events to compare; simulate some with"):
        plan_chunks(references)


def test_a_gun_with_background_is_refused(folder, tmp_path):
    background = pipeline.Background(folder / "uds.parquet", OverlayConfig(3.0))
    pipeline.simulate([folder / "photons.parquet"], tmp_path / "noisy", background=background)
    references, _ = read_references([tmp_path / "noisy"])
    with pytest.raises(InputError, match=r"of a gun has .* particles; .* without --overlay"):
        plan_chunks(references)


def test_particles_between_barrel_and_endcap_are_counted_and_left_out(tmp_path):
    for name, cos_theta in (("barrel", 0.5), ("between", 0.78), ("endcap", 0.9)):
        file = gun(tmp_path / f"{name}.parquet", 22, 3, 2.0, cos_theta=(cos_theta, cos_theta))
        pipeline.simulate([file], tmp_path / name, config=NO_MATERIAL)
    names = ("barrel", "between", "endcap")
    groups, summaries = measured([tmp_path / name for name in names], tmp_path)
    assert list(groups) == [
        "photon, barrel, no tracker material", "photon, endcap, no tracker material"
    ]  # fmt: skip
    assert num_between_regions(summaries) == 3


def test_many_energies_are_divided_into_bins():
    energy = np.geomspace(1.5, 30.0, 40)
    groups = dict(energy_groups(energy, np.ones(40, dtype=bool)))
    assert list(groups) == ["1-2 GeV", "2-5 GeV", "5-10 GeV", "10-20 GeV", "20-50 GeV"]
    assert sum(members.sum() for members in groups.values()) == 40
    few = dict(energy_groups(np.array([5.0, 10.0, 5.0]), np.array([True, True, False])))
    assert {label: members.tolist() for label, members in few.items()} == {
        "5 GeV": [True, False, True], "10 GeV": [False, True, False]
    }  # fmt: skip


def test_the_command_line_compares_and_refuses_reduced(folder, tmp_path, monkeypatch, capsys):
    command = ["partflow", "validate", "--against", str(folder / "none")]
    command += ["--output", str(tmp_path / "out")]
    for more, status, message in (([], 3, "no such file"), (["--reduced"], 2, "leave it out")):
        monkeypatch.setattr(sys, "argv", [*command, *more])
        with pytest.raises(SystemExit) as stop:
            main()
        assert stop.value.code == status
        assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
