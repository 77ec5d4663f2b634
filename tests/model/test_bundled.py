import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from partflow.core.errors import ConfigError, InputError
from partflow.core.face import CalorimeterFace
from partflow.core.known_detectors import CLD, CLIC
from partflow.model import bundled
from partflow.model.bundled import bundle, bundled_model, bundled_models, find_model, fitting_model
from partflow.model.files import CONFIG_FILE, THRESHOLD_FILE, WEIGHTS_FILE
from partflow.model.folder import load_config, load_model, load_provenance, save_model
from partflow.model.published.config import PublishedConfig
from partflow.model.published.mlpf import PublishedMLPF
from tests.model.bundling import FILES, put_model

CLIC_FACE, CLD_FACE = CalorimeterFace.of(CLIC), CalorimeterFace.of(CLD)
INSTALLED = sorted(path.name for path in bundled.WEIGHTS.glob("[!._]*"))
"""What the package itself holds."""


@pytest.fixture
def weights(tmp_path, monkeypatch):
    """An empty folder in the place of the package's models."""
    monkeypatch.setattr(bundled, "WEIGHTS", tmp_path / "weights")
    return tmp_path / "weights"


def edit_entry(folder, **changes):
    path = folder / bundled.ENTRY_FILE
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.skipif(not INSTALLED, reason="no models come with this version of partflow")
def test_each_model_of_the_package_is_whole_and_loads():
    models, errors = bundled_models()
    assert not errors
    assert sorted(model.name for model in models) == INSTALLED
    for model in models:
        files = {path.name for path in model.folder.iterdir()}
        assert files == {*model.entry.sha256, bundled.ENTRY_FILE}
        assert load_model(model.name).num_parameters == model.num_parameters


def test_a_short_name_means_the_newest_version(weights):
    folders = {v: put_model(f"partflow-clic-fast-v{v}", seed=v) for v in (10, 2, 9)}
    assert find_model("clic-fast") == folders[10] == weights / "partflow-clic-fast-v10"
    assert find_model("partflow-clic-fast-v9") == folders[9]
    assert [model.name.rpartition("v")[2] for model in bundled_models()[0]] == ["10", "9", "2"]


def test_an_existing_folder_wins_over_a_name(weights, tmp_path, monkeypatch):
    put_model("partflow-clic-fast-v1")
    monkeypatch.chdir(tmp_path)
    assert find_model("clic-fast") == weights / "partflow-clic-fast-v1"
    (tmp_path / "clic-fast").mkdir()
    assert find_model("clic-fast") == Path("clic-fast")


def test_a_name_loads_the_network_its_configuration_and_its_provenance(weights):
    folder = put_model("partflow-clic-fast-v1", seed=4)
    by_name, by_path = load_model("clic-fast"), load_model(folder)
    for name, tensor in by_path.state_dict().items():
        assert torch.equal(by_name.state_dict()[name], tensor)
    assert load_config("clic-fast") == by_path.config
    assert load_provenance("clic-fast").config == {"name": "partflow-clic-fast-v1"}


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("clic-fats", "'clic-fast'"),
        ("cl-fast", "'cld-fast' or 'clic-fast'"),
        ("partflow-clic-fast-v3", "'partflow-clic-fast-v2' or 'partflow-clic-fast-v1'"),
    ],
)
def test_an_unknown_name_says_the_nearest_and_what_else_to_do(weights, name, nearest):
    for full_name in ("clic-fast-v1", "clic-fast-v2", "cld-fast-v1"):
        put_model(f"partflow-{full_name}")
    with pytest.raises(ConfigError) as error:
        find_model(name)
    said = str(error.value)
    assert said.startswith(f"{name}: no such model folder, and no bundled model has this name")
    assert f"did you mean {nearest}" in said
    assert "`partflow models list`" in said and "`partflow train`" in said and "\n" not in said


def test_without_models_a_name_says_that_none_are_installed(weights):
    with pytest.raises(ConfigError, match=r"^clic-fast: .* no models are installed .*partflow tra"):
        find_model("clic-fast")


def test_a_missing_folder_and_a_file_are_not_taken_for_names(weights, tmp_path):
    put_model("partflow-clic-fast-v1")
    with pytest.raises(InputError, match="clic-fast: no such model folder"):
        find_model(tmp_path / "clic-fast")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="file: a file; a model is a folder"):
        find_model(tmp_path / "file")


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("load", [find_model, load_model, bundled_model])
def test_a_damaged_file_is_refused_by_name(weights, name, load):
    folder = put_model("partflow-clic-fast-v1")
    content = bytearray((folder / name).read_bytes())
    content[-1] ^= 1  # one bit: of a weight, or of text that may still be valid
    (folder / name).write_bytes(content)
    with pytest.raises(InputError, match=rf"partflow-clic-fast-v1/{name}: .*install partflow agai"):
        load("clic-fast")
    models, errors = bundled_models()
    assert not models and len(errors) == 1 and "partflow-clic-fast-v1" in str(errors[0])


def test_the_newest_version_is_refused_where_it_is_damaged_and_not_replaced(weights):
    put_model("partflow-clic-fast-v1")
    newest = put_model("partflow-clic-fast-v2")
    (newest / WEIGHTS_FILE).unlink()
    with pytest.raises(InputError, match=r"v2/model\.safetensors: cannot be read"):
        find_model("clic-fast")
    with pytest.raises(InputError, match=r"v2/model\.safetensors"):
        fitting_model(CLIC_FACE, "fast", "events")
    (newest / bundled.ENTRY_FILE).unlink()
    with pytest.raises(InputError, match=r"v2/bundled\.json: no such file"):
        fitting_model(CLIC_FACE, "fast", "events")
    assert [model.name for model in bundled_models()[0]] == ["partflow-clic-fast-v1"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"engine": "delphes"}, "engine = 'delphes'; choose one of fast, geant4"),
        ({"colour": "red"}, "colour: unknown"),
        ({"description": "two\nlines"}, "give one line"),
        ({"sha256": {}}, r"has no config\.json, model\.safetensors, README\.md"),
        ({"sha256": {"../x": "0"}}, "'../x' is no name of a file"),
    ],
)
def test_an_entry_that_is_wrong_says_what(weights, changes, message):
    edit_entry(put_model("partflow-clic-fast-v1"), **changes)
    with pytest.raises(InputError, match=rf"v1/bundled\.json: .*{message}"):
        find_model("clic-fast")


def test_folders_that_are_no_models_are_reported(weights):
    folder = put_model("partflow-clic-fast-v1")
    shutil.copytree(folder, weights / "my-run")
    shutil.copytree(folder, weights / "partflow-cld-fast-v1")
    (weights / "partflow-cld-fast-v1" / bundled.ENTRY_FILE).unlink()
    models, errors = bundled_models()
    assert [model.name for model in models] == ["partflow-clic-fast-v1"]
    said = sorted(map(str, errors))
    assert len(said) == 2
    assert "my-run: no name of a model" in said[0]
    assert "partflow-cld-fast-v1/bundled.json: no such file" in said[1]


def test_what_a_model_is_for_is_read_from_its_files(weights):
    put_model("partflow-cld-geant4-v3", "geant4", "cld", elements="fine")
    ((model,), errors) = bundled_models()
    assert not errors
    assert (model.name, model.short_name) == ("partflow-cld-geant4-v3", "cld-geant4")
    assert (model.config.detector, model.config.elements) == ("cld", "fine")
    assert model.entry.engine == "geant4"
    assert model.num_parameters == load_model("cld-geant4").num_parameters
    assert model.num_bytes == sum((model.folder / name).stat().st_size for name in FILES)


def test_a_model_fits_by_detector_and_engine(weights):
    put_model("partflow-clic-fast-v1")
    put_model("partflow-clic-fast-v2")
    put_model("partflow-clic-geant4-v1", "geant4")
    put_model("partflow-cld-fast-v1", detector="cld")
    assert fitting_model(CLIC_FACE, "fast", "x").name == "partflow-clic-fast-v2"
    assert fitting_model(CLIC_FACE, "geant4", "x").name == "partflow-clic-geant4-v1"
    assert fitting_model(CLD_FACE, "fast", "x").name == "partflow-cld-fast-v1"
    with pytest.raises(ConfigError) as error:
        fitting_model(CLD_FACE, "geant4", "events of cld")
    said = str(error.value)
    assert said.startswith("events of cld: no bundled model is for them; there are partflow-cl")
    assert "partflow-clic-geant4-v1 (for clic, Geant4)" in said
    assert "--model" in said and "--adapt-detector" in said and "\n" not in said


def test_the_face_of_the_calorimeter_counts_and_not_the_name_alone(weights):
    put_model("partflow-clic-fast-v1", face_radius=1.0)  # `at` gives it the face of clic
    other = CalorimeterFace("clic", CLIC_FACE.radius + 100.0, CLIC_FACE.half_length)
    with pytest.raises(ConfigError, match="no bundled model is for them"):
        fitting_model(other, "fast", "x")


def test_of_several_models_that_fit_the_one_named_after_the_events_is_taken(weights):
    put_model("partflow-clic-large-v1")
    put_model("partflow-clic-wide-v1")
    with pytest.raises(ConfigError, match="partflow-clic-large-v1, partflow-clic-wide-v1; give --"):
        fitting_model(CLIC_FACE, "fast", "x")
    put_model("partflow-clic-fast-v1")
    assert fitting_model(CLIC_FACE, "fast", "x").name == "partflow-clic-fast-v1"


def test_models_are_listed_without_torch(weights):
    put_model("partflow-clic-fast-v1")
    code = f"""
import sys
from pathlib import Path
from partflow import cli
from partflow.model import bundled
bundled.WEIGHTS = Path({str(weights)!r})
cli.run_verb(cli.VERBS, ["models", "list"])
cli.run_verb(cli.VERBS, ["models", "path", "clic-fast"])
print("LOADED", *sys.modules)
"""
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    printed, _, loaded = result.stdout.rpartition("LOADED")
    assert "partflow-clic-fast-v1" in printed
    assert not {"torch", "lightning", "safetensors"}.intersection(loaded.split())


def test_only_a_whole_model_of_a_new_version_is_bundled(weights, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(put_model("partflow-clic-fast-v1"), folder)
    with pytest.raises(ConfigError, match="a version does not change"):
        bundle(folder, "partflow-clic-fast-v1", "fast", "A network.")
    with pytest.raises(ConfigError, match="clic-fast: give a full name"):
        bundle(folder, "clic-fast", "fast", "A network.")
    with pytest.raises(ConfigError, match="engine = 'delphes'"):
        bundle(folder, "partflow-clic-fast-v2", "delphes", "A network.")
    (folder / THRESHOLD_FILE).unlink()
    model = bundle(folder, "partflow-clic-fast-v2", "fast", "A network.")
    assert set(model.entry.sha256) == {*FILES} - {THRESHOLD_FILE}
    (folder / bundled.CARD_FILE).unlink()
    with pytest.raises(InputError, match=r"README\.md: no such file"):
        bundle(folder, "partflow-clic-fast-v3", "fast", "A network.")
    assert not (weights / "partflow-clic-fast-v3").exists()


def test_an_imported_network_is_not_bundled(weights, tmp_path):
    config = PublishedConfig(elemtypes_nonzero=(1, 2), num_convs=1, num_heads=2, head_dim=4)
    save_model(PublishedMLPF(config), tmp_path / "run")
    (tmp_path / "run" / bundled.CARD_FILE).write_text("# Imported\n")
    with pytest.raises(InputError, match=rf"{CONFIG_FILE}: "):
        bundle(tmp_path / "run", "partflow-clic-published-v1", "geant4", "Imported.")
    assert bundled_models() == ([], [])
