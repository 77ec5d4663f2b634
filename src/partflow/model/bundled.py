"""Trained networks that come with the package, and models by name or path.

    weights/partflow-clic-fast-v1/       the full name, with the version
        config.json, model.safetensors   as in every model folder
        threshold.json                   if there is one
        README.md                        training, events, results
        bundled.json                     engine, description, SHA-256 of the other files

The short name of this model is `clic-fast`; it stands for its newest version. Detector, elements
and number of parameters are those in `config.json`; `bundled.json` has what is not there. Nothing
here imports torch.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from partflow.core.engines import FAST, GEANT4
from partflow.core.errors import ConfigError, InputError, PartflowError
from partflow.core.face import CalorimeterFace
from partflow.core.json_objects import from_json_object
from partflow.core.nearest_name import did_you_mean
from partflow.core.outputs import replacing, write_text
from partflow.model.config import ModelConfig
from partflow.model.files import CONFIG_FILE, THRESHOLD_FILE, WEIGHTS_FILE

WEIGHTS = Path(__file__).parent / "weights"
"""Folder of the bundled models, a folder each. Tests let it point to models of their own."""
ENTRY_FILE = "bundled.json"
CARD_FILE = "README.md"
NEEDED_FILES = (CONFIG_FILE, WEIGHTS_FILE, CARD_FILE)
"""Files that every bundled model has, besides its entry."""
TRAINED_ON = {FAST: "fast simulation", GEANT4: "Geant4"}
"""By the engine of the simulation whose events a model was trained on."""
AGAIN = "install partflow again"
OWN_MODELS = "`partflow train` and `partflow import-checkpoint` write model folders"
_FULL_NAME = re.compile(r"partflow-(?P<short>[a-z0-9]+(?:-[a-z0-9]+)*)-v(?P<version>[1-9][0-9]*)")


@dataclass(frozen=True)
class Entry:
    """What `bundled.json` says of a model."""

    engine: Literal["fast", "geant4"]
    """Engine of the simulation whose events the model was trained on."""
    description: str
    """What the model is, in one line."""
    sha256: Mapping[str, str]
    """SHA-256 of each file of the model by its name, as hexadecimal digits."""

    def __post_init__(self) -> None:
        for name in self.sha256:
            if Path(name).name != name:
                raise ConfigError(f"sha256: {name!r} is no name of a file; leave out its folder")
        missing = [name for name in NEEDED_FILES if name not in self.sha256]
        if missing:
            raise ConfigError(f"sha256: has no {', '.join(missing)}; a bundled model needs them")
        if not self.description or len(self.description.splitlines()) > 1:
            raise ConfigError(f"description = {self.description!r}; give one line")


@dataclass(frozen=True)
class BundledModel:
    """A model that comes with the package."""

    folder: Path
    """Its model folder, whose name is the full name of the model."""
    entry: Entry
    """What `bundled.json` says of it."""
    config: ModelConfig
    """Configuration of the network."""
    num_parameters: int
    """Number of its parameters."""

    @property
    def name(self) -> str:
        """The full name, with the version."""
        return self.folder.name

    @property
    def short_name(self) -> str:
        """The name without prefix and version."""
        return _split(self.name)[0]

    @property
    def num_bytes(self) -> int:
        """Size of its files [bytes]."""
        return sum((self.folder / name).stat().st_size for name in self.entry.sha256)

    def check(self) -> None:
        """Raise InputError, naming the file, unless the files are those that were bundled."""
        for name, expected in self.entry.sha256.items():
            path = self.folder / name
            try:
                found = _sha256(path)
            except OSError as error:
                raise InputError(f"{path}: cannot be read ({error.strerror}); {AGAIN}") from error
            if found != expected:
                raise InputError(
                    f"{path}: damaged, its SHA-256 is not that in {ENTRY_FILE}; {AGAIN}"
                )


def find_model(name_or_path: str | Path) -> Path:
    """The model folder of that path, or that of the bundled model of that name.

    An existing folder wins over a bundled model. Raises InputError where there is no such folder,
    ConfigError for a name that is neither, and InputError for a damaged bundled model.
    """
    path, name = Path(name_or_path), str(name_or_path)
    if path.is_dir():
        return path
    if path.exists():
        raise InputError(f"{path}: a file; a model is a folder: {OWN_MODELS}")
    if os.sep in name:
        raise InputError(
            f"{path}: no such model folder; {OWN_MODELS}, `partflow models list` shows the names "
            "of those that come with partflow"
        )
    if _full_name(name) is None:
        raise ConfigError(f"{path}: no such model folder, and {_unknown(name)}; {OWN_MODELS}")
    return bundled_model(name).folder


def bundled_model(name: str) -> BundledModel:
    """The bundled model of a full or short name, its files checked.

    Raises ConfigError for an unknown name, InputError for a damaged model.
    """
    full_name = _full_name(name)
    if full_name is None:
        raise ConfigError(f"{name}: {_unknown(name)}")
    model = read_model(WEIGHTS / full_name)
    model.check()
    return model


def bundled_models() -> tuple[list[BundledModel], list[InputError]]:
    """The bundled models, their files checked, and the errors of those that cannot be used.

    Models are sorted by name, the newest version of each first.
    """
    return _read_models(_folders(), is_checked=True)


def fitting_model(face: CalorimeterFace, engine: str, where: str) -> BundledModel:
    """The bundled model for events of a detector and an engine, its files checked.

    It is the newest version of the model that was trained on such events. Of several such models it
    is the one called DETECTOR-ENGINE, as in `clic-fast`.

    Raises ConfigError, beginning with `where`, unless there is one; InputError where it is damaged.
    """
    newest = [WEIGHTS / name for name in _newest().values()]
    models, errors = _read_models(newest, is_checked=False)
    fitting = [
        model for model in models if (model.config.face, model.entry.engine) == (face, engine)
    ]
    named = [model for model in fitting if model.short_name == f"{face.detector}-{engine}"]
    chosen = named or fitting
    if len(chosen) == 1:
        chosen[0].check()
        return chosen[0]
    if chosen:
        names = ", ".join(model.name for model in chosen)
        raise ConfigError(f"{where}: several bundled models are for them: {names}; give --model")
    if errors:  # it may have been this one
        raise errors[0]
    bundled = [f"{model.name} (for {model.config.detector}, {TRAINED_ON[model.entry.engine]})"
               for model in models]  # fmt: skip
    raise ConfigError(
        f"{where}: no bundled model is for them; "
        + (f"there are {', '.join(bundled)}" if bundled else "none is installed")
        + "; give --model, and --adapt-detector with a network of another detector"
    )


def read_model(folder: Path) -> BundledModel:
    """The bundled model in `folder`, its files not checked.

    Raises InputError where `folder` is no such model.
    """
    if _FULL_NAME.fullmatch(folder.name) is None:
        raise InputError(f"{folder}: no name of a model, as partflow-clic-fast-v1 is; remove it")
    entry = _from_file(Entry, folder / ENTRY_FILE, _read_json(folder / ENTRY_FILE))
    path = folder / CONFIG_FILE
    description = _read_json(path)
    config = _from_file(ModelConfig, path, description.get("model"))
    num_parameters = description.get("num_parameters")
    if not isinstance(num_parameters, int):
        raise InputError(f"{path}: has no number of parameters; {AGAIN}")
    return BundledModel(folder, entry, config, num_parameters)


def bundle(folder: Path, name: str, engine: str, description: str) -> BundledModel:
    """Copy the model in `folder`, with its README.md, into the package.

    Args:
        folder: Folder of `partflow train`, with a README.md.
        name: Full name of the bundled model.
        engine: Engine of the simulation whose events it was trained on.
        description: What it is, in one line.

    Raises:
        ConfigError: `name` is no full name or is taken, or `engine` or `description` are not
            possible.
        InputError: A file is missing, or the network is none of `partflow train`.
        OutputError: The files cannot be written.
    """
    target = WEIGHTS / name
    if _FULL_NAME.fullmatch(name) is None:
        raise ConfigError(f"{name}: give a full name, such as partflow-clic-fast-v1")
    if target.exists():
        raise ConfigError(f"{target}: exists; a version does not change: take the next number")
    for file in NEEDED_FILES:
        if not (folder / file).is_file():
            raise InputError(f"{folder / file}: no such file; a bundled model needs it")
    files = [name for name in (*NEEDED_FILES, THRESHOLD_FILE) if (folder / name).is_file()]
    checksums = {file: _sha256(folder / file) for file in files}
    values = {"engine": engine, "description": description, "sha256": checksums}
    entry = from_json_object(Entry, values)
    _from_file(ModelConfig, folder / CONFIG_FILE, _read_json(folder / CONFIG_FILE).get("model"))
    for file in files:
        with replacing(target / file) as temporary:
            shutil.copyfile(folder / file, temporary)
    write_text(target / ENTRY_FILE, json.dumps(asdict(entry), indent=1) + "\n")  # last: complete
    model = read_model(target)
    model.check()
    return model


def _read_models(
    folders: Sequence[Path], is_checked: bool
) -> tuple[list[BundledModel], list[InputError]]:
    """The models in `folders`, and the errors of those that cannot be used."""
    models: list[BundledModel] = []
    errors: list[InputError] = []
    for folder in folders:
        try:
            model = read_model(folder)
            if is_checked:
                model.check()
            models.append(model)
        except InputError as error:
            errors.append(error)
    return models, errors


def _folders() -> list[Path]:
    """The folders in WEIGHTS, sorted by name, the newest version of each first."""
    if not WEIGHTS.is_dir():
        return []
    found = [path for path in WEIGHTS.iterdir() if path.is_dir() and path.name[0] not in "._"]
    return sorted(found, key=lambda path: (_split(path.name)[0], -_split(path.name)[1]))


def _split(name: str) -> tuple[str, int]:
    """Short name and version of a full name; the name and 0 of any other."""
    match = _FULL_NAME.fullmatch(name)
    return (name, 0) if match is None else (match["short"], int(match["version"]))


def _newest() -> dict[str, str]:
    """The full name of the newest version by the short name."""
    newest: dict[str, str] = {}
    for folder in _folders():
        if _FULL_NAME.fullmatch(folder.name):
            newest.setdefault(_split(folder.name)[0], folder.name)
    return newest


def _full_name(name: str) -> str | None:
    """The full name of a full or short name; None where there is no such model."""
    full_names = [folder.name for folder in _folders() if _FULL_NAME.fullmatch(folder.name)]
    return name if name in full_names else _newest().get(name)


def _unknown(name: str) -> str:
    """That there is no bundled model `name`, and where to look."""
    known = [*_newest(), *(folder.name for folder in _folders())]
    if not known:
        return "no models are installed with this partflow"
    nearest = did_you_mean(name, known, at_most=3) or ";"
    return f"no bundled model has this name{nearest} `partflow models list` shows all"


def _read_json(path: Path) -> dict[str, Any]:
    """The JSON object in `path`; raises InputError where there is none."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file, so the model cannot be used; {AGAIN}") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: damaged ({error}); {AGAIN}") from error
    if not isinstance(values, dict):
        raise InputError(f"{path}: damaged (no JSON object); {AGAIN}")
    return values


def _from_file(kind: Any, path: Path, values: Any) -> Any:
    """The dataclass `kind` with `values` of the file `path`; raises InputError where that fails."""
    try:
        return from_json_object(kind, values)
    except PartflowError as error:
        raise InputError(f"{path}: {error}; {AGAIN}") from error


def _sha256(path: Path) -> str:
    """SHA-256 of the content of a file, as hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
