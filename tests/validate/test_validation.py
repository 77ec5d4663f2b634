"""`partflow validate`: what it writes, what it says, and that it does not work twice."""

import pytest

from partflow.core.errors import ConfigError, InputError
from partflow.validate import validate, write_table_into
from partflow.validate.samples import FIRST_SEED, FULL, REDUCED, samples
from partflow.validate.table.targets import criteria
from partflow.validate.validation import BEGIN, END, read_result


def test_no_line_fails(validation):
    lines = validation.result["lines"]
    assert [line["figure"] for line in lines if line["verdict"] == "fail"] == []
    assert validation.passed


def test_every_line_has_its_figure(validation):
    """A line whose figure were misspelt would stay undecided for ever."""
    figures = validation.result["figures"]
    asked = {line["figure"] for line in validation.result["lines"]}
    assert asked <= set(figures)


def test_what_does_not_fluctuate_passes_whatever_the_size(validation):
    verdicts = {line["figure"]: line["verdict"] for line in validation.result["lines"]}
    exact = [name for name in verdicts if name.endswith((": closure", ": perigee miss"))]
    assert len(exact) == 7
    assert {verdicts[name] for name in exact} == {"pass"}


def test_table_plots_and_displays_are_written(validation):
    table = (validation.folder / "table.md").read_text()
    for criterion in criteria():
        assert criterion.what.replace("|", "\\|") in table
    plots = {path.stem for path in (validation.folder / "plots").glob("*.png")}
    assert {"photon_resolution", "k0l_resolution", "jet_energy_resolution", "confusion_ttbar",
            "photon_profile", "multiplicities", "cluster_quality"} <= plots  # fmt: skip
    assert plots == {path.stem for path in (validation.folder / "plots").glob("*.csv")}
    displays = list((validation.folder / "displays").glob("*.png"))
    assert displays
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in displays)


def test_scratch_is_cleared_away(validation):
    assert not (validation.folder / "chunks").exists()
    assert not (validation.folder / "generated").exists()


def test_a_finished_validation_is_not_repeated(validation, monkeypatch, capsys):
    def fail(*_):
        raise AssertionError("simulated again")

    monkeypatch.setattr("partflow.validate.validation.summarise_samples", fail)
    assert validate(validation.folder, reduced=True) == validation.passed
    assert validation.result["summary"] in capsys.readouterr().out


def test_seeds_of_tuning_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="tuning"):
        validate(tmp_path / "v", reduced=True, seed=FIRST_SEED - 1)


def test_every_sample_has_a_name_and_a_seed_of_its_own():
    found = samples(FULL, FIRST_SEED)
    assert len({sample.name for sample in found}) == len(found)
    assert len({sample.generation.seed for sample in found}) == len(found)


def test_a_full_validation_accepts_a_thousand_events():
    """The cut on the leading jet keeps 61 % of a 1 + cos^2 distribution; 5 sigma are spared."""
    expected = 0.61 * FULL.uds
    assert expected - 5 * (expected * 0.39) ** 0.5 >= 1000
    assert min(FULL.shower, FULL.track, FULL.collision) >= 1000
    assert REDUCED.uds < FULL.uds


def test_the_page_gets_the_table_between_its_marks(validation, tmp_path):
    page = tmp_path / "simulation.md"
    page.write_text(f"# Before\n\n{BEGIN}\nold\n{END}\n\nAfter\n")
    for _ in range(2):  # writing twice is writing once
        write_table_into(page, validation.folder)
        text = page.read_text()
        assert text.startswith("# Before\n\n" + BEGIN)
        assert text.endswith(f"{END}\n\nAfter\n")
        assert "old" not in text
        assert text.count(validation.result["summary"]) == 1


def test_a_page_without_a_place_for_the_table_is_left_alone(validation, tmp_path):
    page = tmp_path / "simulation.md"
    page.write_text("# Nothing\n")
    with pytest.raises(InputError, match="no place"):
        write_table_into(page, validation.folder)
    assert page.read_text() == "# Nothing\n"


def test_a_folder_without_a_result_is_named(tmp_path):
    with pytest.raises(InputError, match="partflow validate"):
        read_result(tmp_path)
