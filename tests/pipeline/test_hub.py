"""`partflow push` and `pull` against a stand-in of the Hugging Face hub."""

import builtins
import hashlib
import io
import json
import os
import pickle
import shutil
import subprocess
import sys

import pytest
import torch

from partflow import cli, pipeline
from partflow.core.errors import ConfigError, InputError, OutputError, PartflowError, SchemaError
from partflow.core.provenance import Provenance
from partflow.model.config import ModelConfig
from partflow.model.folder import load_model, save_model
from partflow.model.mlpf import MLPF
from partflow.pipeline import hub as stage
from partflow.pipeline import hub_client
from tests import hub_stand_in

# huggingface_hub 2.4 uploads large files by an argument that httpx2 has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=.*:DeprecationWarning")

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
UPLOADED = [
    "README.md", "card_jet_response.png", "checksums.json", "config.json", "model.safetensors",
    "threshold.json",
]  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A folder as a training leaves it, with a card."""
    folder = tmp_path_factory.mktemp("model") / "run"
    torch.manual_seed(1)
    model = MLPF(ModelConfig(dim=16, num_layers=1, num_heads=2))
    save_model(model, folder, Provenance("model", {"preset": "toy"}, seed=1))
    (folder / "threshold.json").write_text('{"choice": {"threshold": 0.5}}')
    (folder / "README.md").write_text("---\nlicense: mit\n---\n\n# A model\n")
    (folder / "card_jet_response.png").write_bytes(PNG)
    (folder / "checkpoint.pt").write_bytes(b"the run, with its optimiser")
    (folder / "training.csv").write_text("epoch\n1\n")
    (folder / "loss.png").write_bytes(PNG)
    (folder / "logs").mkdir()
    (folder / "logs" / "events").write_text("secret")
    return folder


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """An empty hub, which the library talks to."""
    hub, server = hub_stand_in.start()
    from huggingface_hub import constants
    from huggingface_hub.utils import close_session

    monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
    monkeypatch.setenv("HF_TOKEN", "hf_of_the_tests")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
    close_session()
    yield hub
    close_session()
    server.shutdown()
    server.server_close()


@pytest.fixture
def pushed(hub, run):
    """The hub with the model as user/model."""
    assert pipeline.push(run, "user/model") is not None
    return hub


def files_of(hub, name="user/model", branch="main"):
    return hub.repositories[name].branches[branch]


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def relist(hub, **hashes):
    """Change entries of checksums.json on the hub, None to remove one."""
    files = files_of(hub)
    listed = json.loads(files["checksums.json"])
    listed["files"] |= hashes
    listed["files"] = {name: digest for name, digest in listed["files"].items() if digest}
    files["checksums.json"] = json.dumps(listed).encode()


def test_push_uploads_the_model_and_its_card_and_nothing_else_of_the_run(pushed, run):
    files = files_of(pushed)
    assert sorted(files) == UPLOADED
    for name, content in files.items():
        if name != "checksums.json":
            assert content == (run / name).read_bytes(), name
    listed = json.loads(files["checksums.json"])["files"]
    assert sorted([*listed, "checksums.json"]) == UPLOADED
    for name, digest in listed.items():
        assert digest == hashlib.sha256(files[name]).hexdigest()
    assert not (run / "checksums.json").exists()
    weights = hub_stand_in.digest((run / "model.safetensors").read_bytes())
    assert ("PUT", f"/lfs/{weights}") in pushed.requests  # as the hub stores weights


def test_a_round_trip_gives_the_same_bytes_and_a_model_that_works(pushed, run, tmp_path):
    pipeline.pull("user/model", tmp_path / "pulled")
    assert contents(tmp_path / "pulled") == files_of(pushed)
    ours, theirs = (load_model(folder) for folder in (tmp_path / "pulled", run))
    for name, weight in theirs.state_dict().items():
        assert torch.equal(ours.state_dict()[name], weight), name
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pulled"]


def test_a_branch_is_made_and_pulled_alone(pushed, run, tmp_path):
    changed = tmp_path / "run"
    shutil.copytree(run, changed)
    (changed / "README.md").write_text("# Another\n")
    pipeline.push(changed, "user/model", revision="v2")
    pipeline.pull("user/model", tmp_path / "main")
    pipeline.pull("user/model", tmp_path / "v2", revision="v2")
    assert (tmp_path / "main" / "README.md").read_bytes() == (run / "README.md").read_bytes()
    assert (tmp_path / "v2" / "README.md").read_text() == "# Another\n"


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "README.md"])
def test_a_changed_byte_is_refused_and_leaves_nothing(pushed, tmp_path, name):
    files = files_of(pushed)
    content = bytearray(files[name])
    content[len(content) // 2] ^= 1
    files[name] = bytes(content)
    with pytest.raises(InputError, match=f"user/model, {name}: its SHA-256 is .*, not"):
        pipeline.pull("user/model", tmp_path / "deep" / "pulled")
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_download_leaves_nothing(pushed, tmp_path):
    pushed.cut_after["model.safetensors"] = 1000
    with pytest.raises(InputError, match=r"the connection broke .*; check the network") as caught:
        pipeline.pull("user/model", tmp_path / "pulled")
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_during_a_download_leaves_nothing(pushed, tmp_path, monkeypatch):
    original = hub_client.stream

    def interrupted(repository, commit, name):
        for piece in original(repository, commit, name):
            yield piece
            if name == "model.safetensors":
                raise KeyboardInterrupt

    monkeypatch.setattr(hub_client, "stream", interrupted)
    with pytest.raises(KeyboardInterrupt):
        pipeline.pull("user/model", tmp_path / "pulled")
    assert list(tmp_path.iterdir()) == []


HOSTILE = ["../evil.json", "/etc/evil", "a/b.png", "..", "card_x.png/../../y", "C:\\x", "", "a\0b"]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_name_is_refused(pushed, tmp_path, name):
    files_of(pushed)[name] = b"evil"
    relist(pushed, **{name: hub_stand_in.digest(b"evil")})
    with pytest.raises(SchemaError, match="refused"):
        pipeline.pull("user/model", tmp_path / "out" / "pulled")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["../evil.json", "/etc/evil", "a/../../b", "C:\\x", ""])
def test_a_name_that_leads_out_of_the_repository_is_refused_even_where_it_is_not_listed(
    pushed, tmp_path, name
):
    files_of(pushed)[name] = b"evil"
    with pytest.raises(SchemaError, match="holds the file name"):
        pipeline.pull("user/model", tmp_path / "pulled")


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_in_the_checksums_is_refused(name):
    listed = {name: "0" * 64, "config.json": "0" * 64, "model.safetensors": "0" * 64}
    with pytest.raises(SchemaError, match="not the plain name of a file; refused"):
        stage.read_checksums(stage.checksums_json(listed).encode(), "x")


@pytest.mark.parametrize("name", ["weights.pt", "folder/model.pkl", "pytorch_model.BIN", "a.pth"])
def test_a_repository_with_pickles_is_refused_in_both_directions(pushed, run, tmp_path, name):
    files_of(pushed)[name] = pickle.dumps({})
    with pytest.raises(SchemaError, match="may be a pickle and execute code; refused"):
        pipeline.pull("user/model", tmp_path / "pulled")
    with pytest.raises(SchemaError, match="may be a pickle"):
        pipeline.push(run, "user/model")


def test_a_pickle_under_the_name_of_the_weights_is_refused(pushed, tmp_path):
    class Evil:
        def __reduce__(self):
            return (builtins.open, (str(tmp_path / "executed"), "w"))

    content = pickle.dumps(Evil())
    files_of(pushed)["model.safetensors"] = content
    relist(pushed, **{"model.safetensors": hub_stand_in.digest(content)})
    with pytest.raises(InputError, match="no safetensors"):
        pipeline.pull("user/model", tmp_path / "pulled")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_part_of_a_model_is_refused_or_not_downloaded(pushed, tmp_path):
    files_of(pushed)["notes.txt"] = b"not listed"
    pipeline.pull("user/model", tmp_path / "pulled")
    assert sorted(contents(tmp_path / "pulled")) == UPLOADED
    relist(pushed, **{"notes.txt": hub_stand_in.digest(b"not listed")})
    with pytest.raises(SchemaError, match=r"'notes\.txt' is no file of a model folder"):
        pipeline.pull("user/model", tmp_path / "again")


@pytest.mark.parametrize("told", [10**9, 3, None])
def test_a_file_that_is_too_large_is_refused_whatever_the_hub_tells(pushed, tmp_path, told):
    large = b" " * (stage.LIMITS["config.json"] + 1)
    files_of(pushed)["config.json"] = large
    relist(pushed, **{"config.json": hub_stand_in.digest(large)})
    pushed.false_sizes["config.json"] = told
    with pytest.raises(InputError, match=r"more than 1,000,000( bytes)?; refused"):
        pipeline.pull("user/model", tmp_path / "pulled")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["checksums.json", "config.json", "model.safetensors"])
def test_an_incomplete_repository_is_refused(pushed, tmp_path, name):
    del files_of(pushed)[name]
    with pytest.raises(SchemaError, match=f"holds no {name}; give a repository of `partflow push`"):
        pipeline.pull("user/model", tmp_path / "pulled")
    if name != "checksums.json":
        relist(pushed, **{name: None})
        with pytest.raises(SchemaError, match=f"{name} missing, so it is no model"):
            pipeline.pull("user/model", tmp_path / "pulled")


@pytest.mark.parametrize(
    "text", [b"", b"[]", b'{"format": 1}', b'{"format": "x", "files": {}}', b"\xff", b'"x"']
)
def test_checksums_of_another_kind_are_refused(text):
    with pytest.raises(SchemaError):
        stage.read_checksums(text, "here")


def test_a_given_hash_must_be_that_of_the_checksums_or_of_the_weights(pushed, run, tmp_path):
    files = files_of(pushed)
    for number, name in enumerate(("checksums.json", "model.safetensors")):
        expected = hub_stand_in.digest(files[name])
        pipeline.pull("user/model", tmp_path / str(number), sha256=expected.upper())
    other = hub_stand_in.digest(files["config.json"])
    with pytest.raises(InputError, match=f"have the SHA-256 {other}; this is another version"):
        pipeline.pull("user/model", tmp_path / "other", sha256=other)
    with pytest.raises(ConfigError, match="give 64 hexadecimal digits"):
        pipeline.pull("user/model", tmp_path / "other", sha256="abc")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0", "1"]


def test_an_existing_folder_is_kept_unless_it_was_pulled_and_is_to_be_replaced(pushed, tmp_path):
    output = tmp_path / "pulled"
    output.mkdir()
    (output / "mine.txt").write_text("mine")
    for overwrite in (False, True):
        with pytest.raises(OutputError, match="exists"):
            pipeline.pull("user/model", output, overwrite=overwrite)
    assert contents(output) == {"mine.txt": b"mine"}
    pipeline.pull("user/model", tmp_path / "model")
    with pytest.raises(OutputError, match="exists; give another --output, or --overwrite"):
        pipeline.pull("user/model", tmp_path / "model")
    (tmp_path / "model" / "README.md").write_text("changed")
    pipeline.pull("user/model", tmp_path / "model", overwrite=True)
    assert contents(tmp_path / "model") == files_of(pushed)


def test_a_private_repository_is_made_and_a_public_one_is_not_taken_for_it(hub, run):
    pipeline.push(run, "user/secret", private=True)
    assert hub.repositories["user/secret"].is_private
    pipeline.push(run, "user/open")
    assert not hub.repositories["user/open"].is_private
    before = dict(files_of(hub, "user/open"))
    (hub.repositories["user/open"].branches["main"]).clear()
    with pytest.raises(OutputError, match="exists and is public, so nothing was uploaded"):
        pipeline.push(run, "user/open", private=True)
    assert before and files_of(hub, "user/open") == {}


def test_nothing_is_uploaded_without_consent(hub, run):
    shown = []
    assert pipeline.push(run, "user/model", confirm=shown.append) is None
    assert sorted(upload.name for upload in shown[0]) == UPLOADED
    assert hub.requests == []


def test_a_card_is_written_where_there_is_none(hub, run, tmp_path):
    shutil.copytree(run, tmp_path / "run")
    for name in ("README.md", "training.csv"):
        (tmp_path / "run" / name).unlink()
    pipeline.push(tmp_path / "run", "user/model")
    text = files_of(hub)["README.md"].decode()
    assert "# Model card for model" in text
    assert "partflow pull user/model --output model/" in text


def one_line(call, kind=PartflowError):
    with pytest.raises(kind) as caught:
        call()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_an_unknown_repository_or_revision_is_one_line(pushed, tmp_path):
    for name, revision in (("user/none", None), ("user/model", "none")):
        said = one_line(lambda n=name, r=revision: pipeline.pull(n, tmp_path / "x", r), InputError)
        assert f"{name}" in said and "not found on" in said and "hf auth login" in said


def test_a_hub_that_cannot_be_reached_is_one_line(hub, run, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    said = one_line(lambda: pipeline.pull("user/model", tmp_path / "x"), InputError)
    assert "http://127.0.0.1:9 cannot be reached" in said
    said = one_line(lambda: pipeline.push(run, "user/model"), PartflowError)
    assert "cannot be reached" in said


def test_offline_is_one_line(hub, tmp_path, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "is_offline_mode", lambda: True)
    said = one_line(lambda: pipeline.pull("user/model", tmp_path / "x"), InputError)
    assert "HF_HUB_OFFLINE forbids the network" in said
    assert hub.requests == []


@pytest.mark.parametrize(("status", "advice"), [(403, "hf auth login"), (418, "try again later")])
def test_a_hub_that_refuses_is_one_line(hub, tmp_path, status, advice):
    hub.refuses = status
    said = one_line(lambda: pipeline.pull("user/model", tmp_path / "x"), InputError)
    assert f"answered {status}" in said and advice in said


@pytest.mark.parametrize("name", ["model", "a/b/c", "../x", "user/", "user/mo del", "-x/y"])
def test_what_is_no_repository_is_refused(hub, run, tmp_path, name):
    for call in (
        lambda: pipeline.push(run, name),
        lambda: pipeline.pull(name, tmp_path / "x"),
    ):
        assert "is no repository; give USER/NAME" in one_line(call, ConfigError)
    assert hub.requests == []


def test_without_the_library_the_error_says_how_to_install_it(run, tmp_path, monkeypatch):
    monkeypatch.setattr(hub_client, "find_spec", lambda name: None)
    for verb, call in (
        ("push", lambda: pipeline.push(run, "user/model")),
        ("pull", lambda: pipeline.pull("user/model", tmp_path / "x")),
    ):
        said = one_line(call, ConfigError)
        assert said == f'partflow {verb} needs huggingface_hub; pip install "partflow[hub]"'


def test_a_folder_that_is_no_model_is_not_pushed(hub, tmp_path):
    (tmp_path / "run").mkdir()
    assert "config.json: no such file" in one_line(lambda: pipeline.push(tmp_path / "run", "u/m"))
    assert hub.requests == []


def partflow(*words):
    """`partflow ...` in a new process: status, output, errors."""
    code = "import sys; sys.argv[0] = 'partflow'; from partflow.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, words)],
        capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
        env={**os.environ, "HF_HUB_DISABLE_XET": "1"},
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


def test_the_commands_with_hf_endpoint_in_the_environment(hub, run, tmp_path):
    status, out, _ = partflow("push", run, "user/model")  # nobody can answer the question
    assert status == 0 and out.endswith("Nothing was uploaded.\n")
    assert "model.safetensors" in out and "checkpoint.pt" not in out
    assert hub.requests == []
    status, out, errors = partflow("push", run, "user/model", "--yes")
    assert status == 0, errors
    words = out.splitlines()[-1].split()  # the command to download it again
    assert words[:3] == ["partflow", "pull", "user/model"]
    status, out, errors = partflow("pull", "user/model", "--output", tmp_path / "model", *words[5:])
    assert status == 0, errors
    assert words[5] == "--sha256" and contents(tmp_path / "model") == files_of(hub)
    status, _, errors = partflow("pull", "user/none", "--output", tmp_path / "none")
    assert status == 3
    assert errors.startswith("partflow: error: user/none: not found") and errors.count("\n") == 1


@pytest.mark.parametrize(("typed", "is_uploaded"), [("y\n", True), ("n\n", False), ("\n", False)])
def test_push_asks(hub, run, monkeypatch, typed, is_uploaded):
    monkeypatch.setattr("sys.stdin", io.StringIO(typed))
    cli.run_verb(cli.VERBS, ["push", str(run), "user/model"])
    assert ("user/model" in hub.repositories) == is_uploaded
