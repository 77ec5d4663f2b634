import numpy as np
import pytest

from partflow.core.features import ELEMENTS
from partflow.core.particles import CLASSES
from partflow.core.provenance import Provenance
from partflow.core.records import Collection, Events, offsets_from_counts
from partflow.core.schemas import GEN_MET, TARGETS
from partflow.dataset.loader import read_batch
from partflow.dataset.mixture import Mixture, Selection
from partflow.dataset.packing import pack

PROVENANCE = Provenance("labelled", {"definition": "closed", "detector": "clic"}, seed=1)


def labelled_events(counts, first_id=100, process="ttbar", seed=0):
    """Labelled events of `counts` elements with values drawn for every column."""
    rng = np.random.default_rng([seed, first_id])
    offsets = offsets_from_counts(np.array(counts, dtype=np.int64))
    number = offsets[-1]
    elements = {f.name: rng.normal(size=number) for f in ELEMENTS.fields}
    rank = np.arange(number) - np.repeat(offsets[:-1], counts)
    elements["type"] = np.where(rank < np.repeat(np.array(counts) // 3, counts), 1, 2)
    targets = {f.name: rng.normal(size=number) for f in TARGETS.fields}
    targets["pdg_id"] = rng.choice(CLASSES, number)
    for name in ("charge", "is_pu", "generator_status", "simulator_status", "jet_index"):
        targets[name] = rng.integers(-1, 2, number)
    targets["particle_index"] = np.full(number, -1)
    met = {f.name: rng.normal(size=len(counts)) for f in GEN_MET.fields}
    return Events(
        np.arange(first_id, first_id + len(counts)),
        np.full(len(counts), process, dtype=object),
        {
            "elements": Collection(ELEMENTS, offsets, elements),
            "targets": Collection(TARGETS, offsets, targets),
            "gen_met": Collection(GEN_MET, np.arange(len(counts) + 1), met),
        },
    )


@pytest.fixture(scope="session")
def make_events():
    return labelled_events


@pytest.fixture(scope="session")
def provenance():
    return PROVENANCE


@pytest.fixture(scope="session")
def dataset(tmp_path_factory):
    """400 events of 0 to 40 elements, two processes."""
    sizes = np.random.default_rng(3).integers(0, 41, 400)
    chunks = [
        labelled_events(sizes[:250], 1000, "ttbar"),
        labelled_events(sizes[250:], 5000, "qq"),
    ]
    return pack(chunks, tmp_path_factory.mktemp("packed") / "packed", PROVENANCE)


@pytest.fixture(scope="session")
def read_events():
    """Function that reads a batch of events of one data set."""

    def read(dataset, event_index, pass_index=0, augmentation_seed=None):
        event_index = np.asarray(event_index)
        number = len(event_index)
        events = Selection(np.zeros(number, int), event_index, np.full(number, pass_index))
        mixture = Mixture.of({"only": dataset}, validation_fraction=0.0)
        return read_batch(mixture, events, augmentation_seed=augmentation_seed)

    return read


@pytest.fixture(scope="session")
def make_dataset(tmp_path_factory):
    """Function that packs events of the given sizes in a folder of the given name."""

    def make(name, counts, first_id=100, process="ttbar"):
        folder = tmp_path_factory.mktemp("labelled") / name
        pack([labelled_events(counts, first_id, process)], folder / "packed", PROVENANCE)
        return folder

    return make
