"""Several packed data sets as one: mixed event by event, in given proportions.

An epoch has as many events as the training events of all sources together; each source gives its
fraction of them. Within a source no event is used again before all have been used. So a source with
a large weight is used several times in an epoch, and one with a small weight once in several
epochs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np

from partflow.core.errors import ConfigError, DataError
from partflow.core.face import CalorimeterFace
from partflow.core.progress import say
from partflow.core.records import Array
from partflow.dataset.draws import uniform
from partflow.dataset.packed import PackedDataset
from partflow.dataset.sampler import drawn_events, ordered_batches, shuffled_batches
from partflow.dataset.source_folders import open_sources, unique_names

_LIMIT_KEY = 0x7A1E  # makes the draw of a limited number of events independent of other draws


class Selection(NamedTuple):
    """Some events of a mixture."""

    source_index: Array
    """Index of each event's source, [event]."""
    event_index: Array
    """Index in the source's data set, [event]."""
    pass_index: Array
    """How often each event was used before, [event]; its symmetry is drawn from it."""

    def take(self, rows: Array) -> Selection:
        """The events with these indices, in this order."""
        return Selection(*(values[rows] for values in self))

    def of_rank(self, rank: int, num_ranks: int) -> Selection:
        """Every `num_ranks`-th event from `rank` on: the part of one process; it may be empty."""
        return Selection(*(values[rank::num_ranks] for values in self))


@dataclass(frozen=True, eq=False)
class Source:
    """One data set of a mixture."""

    name: str
    """Name of its folder, made unique."""
    dataset: PackedDataset
    weight: float
    """Fraction of the training events of an epoch that are from this source."""
    training: Array = field(repr=False)
    """Indices of the events to train on, [event]: those with elements."""
    validation: Array = field(repr=False)
    """Indices of the events for validation, [event]."""


@dataclass(frozen=True, eq=False)
class Mixture:
    """Data sets that a network is trained on together.

    All are of the same calorimeter face and element set, and all or none have energy shares.
    """

    sources: tuple[Source, ...]

    @classmethod
    def open(
        cls,
        folders: Sequence[Path],
        weights: Sequence[float] | None = None,
        train_events: int | None = None,
        validation_events: int | None = None,
        validation_fraction: float = 0.1,
    ) -> Mixture:
        """Open the data sets in `folders` (see `source_folders.open_sources`) as one.

        Args:
            folders: Folders of labelled events.
            weights: Relative number of training events from each folder. A folder with several
                data sets divides it among them, in proportion to their events. None: all events
                count alike.
            train_events: Largest number of training events of each source; fewer events are a
                subset of more.
            validation_events: Largest number of validation events of each source.
            validation_fraction: Fraction of the events of a source for validation.

        Raises:
            ConfigError: No folder, one given twice, sources that cannot be trained on together,
                or impossible weights or numbers of events.
            DataError: A source has no event to train on.
            InputError: A folder holds no data set, or a damaged one.
        """
        opened = [open_sources(Path(folder)) for folder in folders]
        folder_index = [index for index, found in enumerate(opened) for _ in found]
        paths = [path for found in opened for path, _ in found]
        datasets = [dataset for found in opened for _, dataset in found]
        _check_different(datasets)
        named = dict(zip(unique_names(paths), datasets, strict=True))
        mixture = cls.of(named, None, train_events, validation_events, validation_fraction)
        if weights is None:
            return mixture
        _check_weights(weights, [str(folder) for folder in folders])
        num_events = np.array([len(source.training) for source in mixture.sources], np.float64)
        in_folder = np.bincount(folder_index, num_events)[folder_index]
        divided = np.asarray(weights, np.float64)[folder_index] * num_events / in_folder
        return mixture.weighted(divided.tolist())

    @classmethod
    def of(
        cls,
        datasets: Mapping[str, PackedDataset],
        weights: Sequence[float] | None = None,
        train_events: int | None = None,
        validation_events: int | None = None,
        validation_fraction: float = 0.1,
    ) -> Mixture:
        """Opened data sets, by the name of each, as one. Arguments and errors as in `open`."""
        if not datasets:
            raise ConfigError("no events to train on: give at least one folder of `partflow label`")
        for name, limit in (("train", train_events), ("validation", validation_events)):
            if limit is not None and limit < 1:
                raise ConfigError(f"{name}_events = {limit}; it must be positive")
        for first, second in pairwise(datasets.values()):
            _check_alike(first, second)
        sources = []
        for name, dataset in datasets.items():
            training, validation = dataset.split(validation_fraction)
            training = _with_elements(dataset, training)
            training = _limited(dataset, training, train_events)
            if not len(training):
                raise DataError(
                    f"{dataset.folder}: no event with elements to train on among {len(dataset)}; "
                    "label more events"
                )
            validation = _with_elements(dataset, validation)
            if not len(validation):
                say(
                    f"{name}: no events are left for validation: the training events are used "
                    "instead.",
                )
                validation = training
            step = 1 if validation_events is None else -(-len(validation) // validation_events)
            sources.append(Source(name, dataset, 0.0, training, validation[::step]))
        if weights is None:
            weights = [len(source.training) for source in sources]
        return cls(tuple(sources)).weighted(weights)

    def weighted(self, weights: Sequence[float]) -> Mixture:
        """The same sources with other relative weights, one for each.

        Raises ConfigError for impossible weights, and for one so small that the source is never
        used.
        """
        _check_weights(weights, [str(source.dataset.folder) for source in self.sources])
        total = math.fsum(weights)
        mixture = Mixture(
            tuple(
                Source(s.name, s.dataset, weight / total, s.training, s.validation)
                for s, weight in zip(self.sources, weights, strict=True)
            )
        )
        for source, number in zip(mixture.sources, mixture.num_drawn, strict=True):
            if number == 0:
                raise ConfigError(
                    f"{source.dataset.folder}: a fraction of {source.weight:.2g} is none of the "
                    f"{self.num_events} events of an epoch; give it a larger weight, or leave the "
                    "source out"
                )
        return mixture

    @property
    def num_events(self) -> int:
        """Training events of an epoch."""
        return sum(len(source.training) for source in self.sources)

    @cached_property
    def num_drawn(self) -> tuple[int, ...]:
        """Training events that an epoch uses of each source; they sum to `num_events`."""
        exact = [self.num_events * source.weight for source in self.sources]
        whole = [math.floor(number) for number in exact]
        missing = self.num_events - sum(whole)
        by_rest = sorted(range(len(exact)), key=lambda i: whole[i] - exact[i])
        for i in by_rest[:missing]:
            whole[i] += 1
        return tuple(whole)

    @property
    def face(self) -> CalorimeterFace:
        """Inner face of the calorimeter of all sources."""
        return self.sources[0].dataset.face

    @property
    def element_set(self) -> str:
        """Element set of all sources."""
        return self.sources[0].dataset.element_set

    @property
    def has_shares(self) -> bool:
        """Whether the events were labelled with energy shares."""
        return self.sources[0].dataset.shares is not None

    @property
    def has_is_pu(self) -> bool:
        """Whether all sources tell which targets are from overlaid background."""
        return all(source.dataset.is_pu is not None for source in self.sources)

    @cached_property
    def processes(self) -> tuple[str, ...]:
        """Names of the processes of all sources."""
        names = (name for source in self.sources for name in source.dataset.processes)
        return tuple(dict.fromkeys(names))

    @cached_property
    def process_indices(self) -> tuple[Array, ...]:
        """For each source, the index in `processes` of each of its own processes."""
        return tuple(
            np.array([self.processes.index(name) for name in source.dataset.processes], np.int64)
            for source in self.sources
        )

    def epoch_events(self, epoch: int, seed: int) -> Selection:
        """The training events of an epoch, source by source; `epoch` and `seed` decide."""
        parts = []
        for index, source in enumerate(self.sources):
            rows, passes = drawn_events(
                len(source.training), self.num_drawn[index], seed, epoch, index
            )
            parts.append(Selection(np.full(len(rows), index), source.training[rows], passes))
        return Selection(*(np.concatenate(values) for values in zip(*parts, strict=True)))

    def counts(self, events: Selection) -> Array:
        """Elements of each of these events, [event]."""
        counts = np.empty(len(events.event_index), dtype=np.int64)
        for index, source in enumerate(self.sources):
            is_here = events.source_index == index
            counts[is_here] = source.dataset.counts[events.event_index[is_here]]
        return counts

    def batches(self, epoch: int, max_elements: int, seed: int) -> list[Selection]:
        """The training batches of an epoch, over all processes; see `sampler.shuffled_batches`."""
        events = self.epoch_events(epoch, seed)
        batches = shuffled_batches(self.counts(events), max_elements, seed, epoch)
        return [events.take(batch) for batch in batches]

    def num_batches(self, epoch: int, max_elements: int, seed: int = 0) -> int:
        """Number of training batches of an epoch; that of another seed differs by a few."""
        return len(self.batches(epoch, max_elements, seed))

    def ordered(self, source_index: int, event_index: Array, max_elements: int) -> list[Selection]:
        """Batches of events of one source, from the smallest event to the largest."""
        number = len(event_index)
        events = Selection(np.full(number, source_index), event_index, np.zeros(number, np.int64))
        return [events.take(b) for b in ordered_batches(self.counts(events), max_elements)]


def _with_elements(dataset: PackedDataset, event_index: Array) -> Array:
    """Those of the events that have elements."""
    return event_index[dataset.counts[event_index] > 0]


def _limited(dataset: PackedDataset, event_index: Array, limit: int | None) -> Array:
    """At most `limit` of the events, in their order, drawn by their ids alone."""
    if limit is None or len(event_index) <= limit:
        return event_index
    draw = uniform(dataset.event_id[event_index], _LIMIT_KEY)
    return np.sort(event_index[np.argsort(draw, kind="stable")[:limit]])


def _check_different(datasets: Sequence[PackedDataset]) -> None:
    """Raise ConfigError where two data sets are the same folder."""
    seen: set[Path] = set()
    for dataset in datasets:
        folder = dataset.folder.resolve()
        if folder in seen:
            raise ConfigError(
                f"{dataset.folder}: given twice; name it once, with a larger weight to use it more "
                "often"
            )
        seen.add(folder)


def _check_weights(weights: Sequence[float], folders: Sequence[str]) -> None:
    """Raise ConfigError unless there is one positive weight for each folder."""
    if len(weights) != len(folders):
        raise ConfigError(
            f"{len(weights)} weights for {len(folders)} folders of events: give one for each, in "
            "the same order"
        )
    for weight, folder in zip(weights, folders, strict=True):
        if not (math.isfinite(weight) and weight > 0):
            raise ConfigError(
                f"weight {weight:g} of {folder}: it must be positive; leave the folder out to use "
                "none of its events"
            )


def _check_alike(first: PackedDataset, second: PackedDataset) -> None:
    """Raise ConfigError unless two data sets can be trained on together."""
    differences = [
        f"{what} of {values[0]} and of {values[1]}"
        for what, values in (
            ("detectors", [first.face, second.face]),
            ("element sets", [first.element_set, second.element_set]),
            ("labels", [_share_words(first), _share_words(second)]),
        )
        if values[0] != values[1]
    ]
    if differences:
        raise ConfigError(
            f"{first.folder} and {second.folder}: {'; '.join(differences)}; train on sources that "
            "agree, or label the events again"
        )


def _share_words(dataset: PackedDataset) -> str:
    """Whether a data set has energy shares, in words."""
    return "clusters without shares" if dataset.shares is None else "clusters with shares"
