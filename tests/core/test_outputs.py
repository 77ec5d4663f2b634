import errno
from pathlib import Path

import pytest

from partflow.core.errors import OutputError
from partflow.core.outputs import growing_folder, replacing, write_text
from partflow.core.provenance import PROVENANCE_FILE, make_provenance

WORK, OTHER_WORK = make_provenance("events", {"n": 1}), make_provenance("events", {"n": 2})


def interrupted(path: Path) -> None:
    with growing_folder(path, WORK) as folder:
        assert folder is not None
        (folder / "first").write_text("made before the interruption")
        raise KeyboardInterrupt


def test_a_file_appears_complete_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "old")
    with pytest.raises(RuntimeError), replacing(path) as temporary:
        temporary.write_text("half of the n")
        raise RuntimeError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_appears_when_it_is_finished(tmp_path: Path) -> None:
    path = tmp_path / "out"
    with growing_folder(path, WORK) as folder:
        assert folder is not None
        assert not path.exists()
    assert (path / PROVENANCE_FILE).read_text() == WORK.to_json()


def test_the_same_work_continues_in_an_interrupted_folder(tmp_path: Path) -> None:
    path = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        interrupted(path)
    assert not path.exists()
    with growing_folder(path, WORK) as folder:
        assert folder is not None
        assert (folder / "first").exists()


def test_other_work_clears_an_interrupted_folder(tmp_path: Path) -> None:
    path = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        interrupted(path)
    with growing_folder(path, OTHER_WORK) as folder:
        assert folder is not None
        assert not (folder / "first").exists()


def test_finished_work_is_not_repeated(tmp_path: Path) -> None:
    path = tmp_path / "out"
    with growing_folder(path, WORK):
        pass
    with growing_folder(path, WORK) as folder:
        assert folder is None


def test_another_output_is_overwritten_only_on_request(tmp_path: Path) -> None:
    path = tmp_path / "out"
    with growing_folder(path, WORK) as folder:
        assert folder is not None
        (folder / "kept").touch()
    with pytest.raises(OutputError, match="--overwrite"), growing_folder(path, OTHER_WORK):
        pass
    assert (path / "kept").exists()
    with growing_folder(path, OTHER_WORK, overwrite=True):
        pass
    assert not (path / "kept").exists()


def test_a_full_disk_gives_a_one_line_error(tmp_path: Path) -> None:
    with (
        pytest.raises(OutputError, match=r"out: the disk is full"),
        growing_folder(tmp_path / "out", WORK),
    ):
        raise OSError(errno.ENOSPC, "No space left on device")
