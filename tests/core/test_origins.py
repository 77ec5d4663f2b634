"""Where outputs come from: found by name and hash, and nothing is invented."""

from dataclasses import replace
from pathlib import Path

import pytest

from partflow.core.origins import Origin, completed, find_origin, is_plain_name, origin_of
from partflow.core.provenance import PROVENANCE_FILE, Provenance, fingerprint, make_provenance


def make(folder: Path, stage: str, inputs: list[Path], content: str = "x") -> Path:
    """An output of a stage: a folder with a file and its provenance."""
    folder.mkdir(parents=True)
    (folder / "data").write_text(content)
    provenance = make_provenance(stage, {"detector": "clic"}, 3, inputs)
    (folder / PROVENANCE_FILE).write_text(provenance.to_json())
    return folder


@pytest.fixture
def chain(tmp_path: Path) -> Path:
    """generated -> events -> labelled, in three folders."""
    generated = make(tmp_path / "one" / "deep" / "gen", "generated", [])
    events = make(tmp_path / "two" / "events", "events", [generated])
    return make(tmp_path / "labelled", "labelled", [events])


def names(origin: Origin) -> list[tuple[str, str | None]]:
    return [(o.name, o.provenance.stage if o.provenance else None) for o in origin.walk()]


def test_inputs_are_found_next_to_an_output_and_in_its_neighbours(chain: Path) -> None:
    origin = origin_of(chain, fingerprint(chain), [])
    assert names(origin)[:2] == [("labelled", "labelled"), ("events", "events")]
    assert names(origin)[2] == ("gen", None)  # too deep
    found = completed(origin, [chain.parent / "one"])
    assert names(found)[2] == ("gen", "generated")
    assert next(o for o in found.walk() if o.name == "gen").provenance == Provenance(
        **{**vars(make_provenance("generated", {"detector": "clic"}, 3)), "inputs": {}}
    )


def test_an_input_that_was_changed_is_unknown(chain: Path) -> None:
    (chain.parent / "two" / "events" / "data").write_text("another")
    origin = origin_of(chain, fingerprint(chain), [chain.parent])
    assert names(origin) == [("labelled", "labelled"), ("events", None)]


def test_another_output_of_the_same_name_is_not_taken_for_an_input(chain: Path) -> None:
    original = chain.parent / "two" / "events"
    known = fingerprint(original)
    original.rename(chain.parent / "kept")
    make(chain.parent / "two" / "events", "events", [], "longer content")
    assert find_origin("events", known, [chain.parent]) == Origin("events", known)
    (chain.parent / "kept").rename(chain.parent / "one" / "events")
    assert find_origin("events", known, [chain.parent]).provenance is not None


@pytest.mark.parametrize("name", ["../labelled", "/etc/passwd", "..", ".", "", "a/b", "a\0b"])
def test_a_name_from_a_file_is_never_a_path(name: str, chain: Path) -> None:
    assert not is_plain_name(name)
    known = fingerprint(chain)
    assert find_origin(name, known, [chain.parent, chain]) == Origin(name, known)


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"stage": 3}', '{"stage": "x", "more": 1}', "\xff"]
)
def test_a_damaged_provenance_is_unknown(text: str, chain: Path) -> None:
    (chain / PROVENANCE_FILE).write_bytes(text.encode("latin-1"))
    assert origin_of(chain, "0", []).provenance is None


def test_outputs_that_name_each_other_end(tmp_path: Path) -> None:
    for name, other in (("a", "b"), ("b", "a")):
        make(tmp_path / name, "events", [])
        provenance = Provenance("events", inputs={other: "0"})
        (tmp_path / name / PROVENANCE_FILE).write_text(provenance.to_json())
    hashes = {name: fingerprint(tmp_path / name) for name in "ab"}
    origin = origin_of(tmp_path / "a", hashes["a"], [])
    assert names(origin) == [("a", "events"), ("b", None)]


def test_a_card_in_a_folder_does_not_change_its_hash(chain: Path) -> None:
    before = fingerprint(chain)
    for name in ("README.md", "checksums.json", "card_jet_response.png"):
        (chain / name).write_text("about this folder")
    assert fingerprint(chain) == before
    for name in ("card_X.png", "notes.md", "sub/README.md"):
        path = chain / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("content")
        assert fingerprint(chain) != before
        path.unlink()


def test_what_is_found_once_is_kept(chain: Path) -> None:
    known = find_origin("events", fingerprint(chain.parent / "two" / "events"), [chain.parent])
    assert completed(replace(known, name="other"), []).provenance == known.provenance
