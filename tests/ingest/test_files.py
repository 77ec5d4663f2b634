from pathlib import Path

import pytest

from partflow.core.errors import InputError
from partflow.ingest.files import find_files, short_names


def make(folder: Path, *names: str) -> list[Path]:
    paths = [folder / name for name in names]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return paths


def test_files_of_folders_and_patterns_are_listed_by_name_and_once(tmp_path):
    b, a, _ = make(tmp_path, "x/b.root", "x/y/a.root", "x/note.txt")
    assert find_files([tmp_path / "x"]) == [b, a]
    assert find_files([tmp_path / "x" / "*.root", tmp_path / "x"]) == [b, a]
    assert find_files([a, b, a]) == [a, b]


@pytest.mark.parametrize("name", ["missing.root", "*.root", "."])
def test_a_name_or_pattern_without_a_file_is_an_error(name, tmp_path):
    with pytest.raises(InputError):
        find_files([tmp_path / name])


def test_files_with_the_same_name_are_named_with_their_folders(tmp_path):
    paths = make(tmp_path, "a/1/rec.root", "b/1/rec.root", "b/2/rec.root")
    assert short_names(paths) == ["a/1/rec.root", "b/1/rec.root", "2/rec.root"]
