"""`partflow validate`: its output, its table in a page, and the repetition of a finished one."""

import pytest

from partflow.core.errors import ConfigError, InputError
from partflow.validate import validate, write_table_into
from partflow.validate.samples import FIRST_SEED, FULL, REDUCED, samples
from partflow.validate.table.targets import targets
from partflow.validate.validation import BEGIN, END, read_result


def test_no_line_fails(validation):
    lines = validation.result["lines"]
    assert [line["figure"] for line in lines if line["verdict"] == "fail"] == []
    assert validation.passed


def test_every_line_has_its_figure(validation):
    """A line with a misspelt figure would never be decided."""
    figures = validation.result["figures"]
    assert {line["figure"] for line in validation.result["lines"]} <= set(figures)


def test_exact_figures_pass_also_in_a_reduced_validation(validation):
    verdicts = {line["figure"]: line["verdict"] for line in validation.result["lines"]}
    exact = [name for name in verdicts if name.endswith((": closure", ": perigee miss"))]
    assert len(exact) == 7
    assert {verdicts[name] for name in exact} == {"pass"}


def test_table_plots_and_displays_are_written(validation):
    table = (validation.folder / "table.md").read_text()
    for criterion in targets():
        assert criterion.label.replace("|", "\\|") in table
    plots = {path.stem for path in (validation.folder / "plots").glob("*.png")}
    assert {"photon_resolution", "k0l_resolution", "jet_energy_resolution", "energy_flow_ttbar",
            "photon_profile", "multiplicities", "cluster_quality"} <= plots  # fmt: skip
    assert plots == {path.stem for path in (validation.folder / "plots").glob("*.csv")}
    displays = list((validation.folder / "displays").glob("*.png"))
    assert displays
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in displays)


def test_temporary_folders_are_removed(validation):
    assert not (validation.folder / "chunks").exists()
    assert not (validation.folder / "generated").exists()


def test_a_finished_validation_is_not_repeated(validation, monkeypatch, capsys):
    def fail(*_):
        raise AssertionError("simulated again")

    monkeypatch.setattr("partflow.validate.validation.summarise_samples", fail)
    assert validate(validation.folder, reduced=True) == validation.passed
    assert validation.result["summary"] in capsys.readouterr().out


def test_seeds_for_tuning_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="tuning"):
        validate(tmp_path / "v", reduced=True, seed=FIRST_SEED - 1)


def test_no_two_samples_have_the_same_name_or_seed():
    configs = samples(FULL, FIRST_SEED)
    assert len({sample.name for sample in configs}) == len(configs)
    assert len({sample.generation.seed for sample in configs}) == len(configs)


def test_a_full_validation_accepts_a_thousand_events():
    """The cut on the leading jet keeps 61 % of a 1 + cos^2 distribution; margin 5 sigma."""
    expected = 0.61 * FULL.uds
    assert expected - 5 * (expected * 0.39) ** 0.5 >= 1000
    assert min(FULL.shower, FULL.track, FULL.collision) >= 1000
    assert REDUCED.uds < FULL.uds


def test_the_table_replaces_what_is_between_the_marks_of_a_page(validation, tmp_path):
    page = tmp_path / "simulation.md"
    page.write_text(f"# Before\n\n{BEGIN}\nold\n{END}\n\nAfter\n")
    for _ in range(2):  # writing twice is the same as writing once
        write_table_into(page, validation.folder)
        text = page.read_text()
        assert text.startswith("# Before\n\n" + BEGIN)
        assert text.endswith(f"{END}\n\nAfter\n")
        assert "old" not in text
        assert text.count(validation.result["summary"]) == 1


def test_a_page_without_marks_for_the_table_is_not_changed(validation, tmp_path):
    page = tmp_path / "simulation.md"
    page.write_text("# Nothing\n")
    with pytest.raises(InputError, match="no place"):
        write_table_into(page, validation.folder)
    assert page.read_text() == "# Nothing\n"


def test_a_folder_without_result_is_an_error_that_names_the_command(tmp_path):
    with pytest.raises(InputError, match="partflow validate"):
        read_result(tmp_path)
