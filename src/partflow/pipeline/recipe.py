"""The recipe of the bundled models: every step from collisions to models and their evaluation.

A step is one stage with fixed settings and seeds. Stages do nothing where their output is finished
and continue where it is not, and so does the recipe. With `scale` below 1 all samples and trainings
are shorter, for a trial of the whole recipe.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from partflow.core.errors import ConfigError
from partflow.core.progress import say
from partflow.generate.config import GenerationConfig
from partflow.pipeline.evaluation import evaluate
from partflow.pipeline.events import generate, simulate
from partflow.pipeline.labels import label
from partflow.pipeline.reconstruction import reconstruct
from partflow.pipeline.training import train
from partflow.simulate.geant4.config import Geant4Config


class Sample(NamedTuple):
    """Collisions of one process at one energy."""

    process: str
    energy: float
    """Centre-of-mass energy [GeV]."""
    num_events: int
    seed: int

    @property
    def name(self) -> str:
        """Name of its file.

        >>> Sample("uds", 91.2, 5, 1).name
        'uds-91.2'
        """
        return f"{self.process}-{self.energy:g}"


FAST_TRAINING = (
    Sample("ttbar", 380.0, 30_000, 140_001),
    Sample("qq", 380.0, 20_000, 140_002),
    Sample("ww", 380.0, 20_000, 140_003),
    Sample("zh", 380.0, 12_000, 140_004),
    Sample("uds", 91.2, 6_000, 140_005),
    Sample("uds", 200.0, 6_000, 140_006),
    Sample("uds", 500.0, 6_000, 140_007),
)
FAST_TEST = (
    Sample("ttbar", 380.0, 3_000, 149_001),
    Sample("qq", 380.0, 3_000, 149_002),
    Sample("ww", 380.0, 3_000, 149_003),
)
GEANT4_TRAINING = (
    Sample("ttbar", 380.0, 1_000, 144_001),
    Sample("qq", 380.0, 1_000, 144_002),
    Sample("ww", 380.0, 1_000, 144_003),
)
GEANT4_TEST = (
    Sample("ttbar", 380.0, 500, 144_901),
    Sample("qq", 380.0, 500, 144_902),
    Sample("ww", 380.0, 500, 144_903),
)


@dataclass(frozen=True)
class Training:
    """Settings of the training of a bundled model."""

    preset: str
    epochs: int
    options: tuple[tuple[str, Any], ...] = ()


FAST_MODEL = Training("small", 10, (("seed", 14),))
GEANT4_MODEL = Training("small", 20, (("seed", 14), ("learning_rate", 3e-4)))
ELEMENT_SET = "fine"


class Step(NamedTuple):
    """One stage of the recipe."""

    name: str
    """What is made, as a path inside the folder of the recipe."""
    finished: Path
    """Exists when the step is finished."""
    run: Callable[[], object]
    num_events: int


@dataclass(frozen=True)
class Recipe:
    """The steps, in a folder of their own.

    Raises ConfigError for a scale that is not above 0 and at most 1.
    """

    folder: Path
    scale: float = 1.0
    """Events of each sample and epochs of each training, in units of the whole recipe."""
    workers: int = 1
    geant4: Geant4Config | None = None
    """Settings of Geant4, or None: without the model for Geant4."""

    def __post_init__(self) -> None:
        if not 0 < self.scale <= 1:
            raise ConfigError(f"--scale {self.scale}: give a number above 0, at most 1")

    def steps(self) -> list[Step]:
        """All steps, in their order."""
        steps = [
            *self._events("train", FAST_TRAINING),
            self._labels("train"),
            *self._events("test", FAST_TEST),
            self._training("clic-fast", "train", FAST_MODEL),
            *self._judging("clic-fast", "test"),
        ]
        if self.geant4 is not None:
            steps += [
                *self._events("geant4-train", GEANT4_TRAINING, self.geant4),
                self._labels("geant4-train"),
                *self._events("geant4-test", GEANT4_TEST, self.geant4),
                self._training("clic-geant4", "geant4-train", GEANT4_MODEL, "clic-fast"),
                *self._judging("clic-geant4", "geant4-test"),
            ]
        return steps

    def run(self, until: str | None = None) -> None:
        """Run all steps that are not finished, up to and with the one named `until`."""
        steps = self.steps()
        names = [step.name for step in steps]
        if until is not None and until not in names:
            raise ConfigError(f"--until {until}: no such step; the steps are {', '.join(names)}")
        for step in steps:
            if not step.finished.exists():
                say(f"{step.name}: {step.num_events:,} events")
                step.run()
            if step.name == until:
                return

    def scaled(self, samples: Sequence[Sample]) -> list[Sample]:
        """The samples with as many events as this recipe makes, one at least."""
        return [s._replace(num_events=max(round(s.num_events * self.scale), 1)) for s in samples]

    def _events(
        self, name: str, samples: Sequence[Sample], geant4: Geant4Config | None = None
    ) -> list[Step]:
        """Generate each sample, and simulate all of them into one folder."""
        folder, scaled = self.folder / name, self.scaled(samples)
        files = [folder / f"{sample.name}.parquet" for sample in scaled]
        generation = [
            Step(
                f"{name}/{file.name}",
                file,
                partial(
                    generate,
                    GenerationConfig(sample.process, sample.num_events, sample.seed, sample.energy),
                    file,
                ),
                sample.num_events,
            )
            for sample, file in zip(scaled, files, strict=True)
        ]
        events = folder / "events"
        simulation = Step(
            f"{name}/events",
            events,
            lambda: simulate(files, events, workers=self.workers, geant4=geant4),
            sum(sample.num_events for sample in scaled),
        )
        return [*generation, simulation]

    def _labels(self, name: str) -> Step:
        """Targets of the events that `name` stands for."""
        events, labelled = self.folder / name / "events", self.folder / name / "labelled"
        return Step(
            f"{name}/labelled",
            labelled,
            lambda: label(events, labelled, element_set=ELEMENT_SET, workers=self.workers),
            self._num_events(name),
        )

    def _training(
        self, name: str, sample: str, training: Training, initial: str | None = None
    ) -> Step:
        """Train the model `name`, from the weights of the model `initial` if there is one."""
        from partflow.model.files import THRESHOLD_FILE
        from partflow.train.checkpoint import CHECKPOINT_FILE  # imports torch

        folder = self.folder / name
        return Step(
            name,
            folder / THRESHOLD_FILE,  # written last
            lambda: train(
                self.folder / sample / "labelled",
                folder,
                preset=training.preset,
                resume=(folder / CHECKPOINT_FILE).exists(),
                initial_model=None if initial is None else self.folder / initial,
                epochs=max(round(training.epochs * self.scale), 1),
                max_minutes=None,
                devices=self.workers,
                threads=1,
                **dict(training.options),
            ),
            self._num_events(sample),
        )

    def _judging(self, model: str, sample: str) -> list[Step]:
        """Reconstruct and evaluate test events with a model."""
        events = self.folder / sample / "events"
        candidates = self.folder / f"{model}.parquet"
        report = self.folder / f"{model}-report"
        number = self._num_events(sample)
        return [
            Step(
                candidates.name,
                candidates,
                lambda: reconstruct(events, str(self.folder / model), candidates),
                number,
            ),
            Step(
                report.name,
                report,
                lambda: evaluate(events, {model: candidates}, report, workers=self.workers),
                number,
            ),
        ]

    def _num_events(self, name: str) -> int:
        """Events of all samples of a folder."""
        return sum(sample.num_events for sample in self.scaled(SAMPLES[name]))


SAMPLES = {
    "train": FAST_TRAINING,
    "test": FAST_TEST,
    "geant4-train": GEANT4_TRAINING,
    "geant4-test": GEANT4_TEST,
}
"""The samples of each folder of events."""
