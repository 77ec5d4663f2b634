"""Programs that show the losses while a run is going on, besides training.csv.

TensorBoard reads `logs/` in the run's folder (`tensorboard --logdir run/`). Comet, MLflow and
Weights & Biases are optional extras; each has its way to be told of a server and an account. What
they get are the settings and the rows of the history.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from partflow.core.errors import ConfigError
from partflow.core.progress import say
from partflow.train.config import LoggerName, TrainConfig

LOG_FOLDER = "logs"
PROJECT = "partflow"
PACKAGES: dict[LoggerName, str] = {
    "tensorboard": "tensorboardX",
    "comet": "comet_ml",
    "mlflow": "mlflow",
    "wandb": "wandb",
}
"""Package that each logger needs."""


class RunLoggers:
    """The loggers of one run."""

    def __init__(self, config: TrainConfig, folder: Path, settings: Mapping[str, Any]) -> None:
        """Loggers for the run in `folder`, with its `settings`.

        Raises ConfigError where the package of a logger is missing.
        """
        check_loggers(config)
        self._loggers = {name: make_logger(name, folder, config.offline) for name in config.loggers}
        flat = {f"{part}.{name}": v for part, of in settings.items() for name, v in of.items()}
        for logger in self._loggers.values():
            logger.log_hyperparams(flat)

    def log(self, row: Mapping[str, float], step: int) -> None:
        """Give one row of the history to all loggers."""
        for logger in self._loggers.values():
            logger.log_metrics(dict(row), step)
            logger.save()

    def close(self, is_complete: bool) -> None:
        """Close all loggers.

        What fails then is said and does not end the run, whose own error may be on its way.
        """
        for name, logger in self._loggers.items():
            try:
                logger.finalize("success" if is_complete else "failed")
                if name == "wandb":
                    logger.experiment.finish()
            except Exception as error:  # of a package or a server that is not ours
                say(f"logger {name} could not be closed: {error}")


def check_loggers(config: TrainConfig) -> None:
    """Raise ConfigError, with what to install, where the package of a logger is missing."""
    for name in config.loggers:
        if importlib.util.find_spec(PACKAGES[name]) is None:
            raise ConfigError(
                f"train.loggers = {name}: its package is not installed; "
                f'pip install "partflow[{name}]", or leave it out'
            )


def make_logger(name: LoggerName, folder: Path, is_offline: bool) -> Any:
    """The logger of that name for the run in `folder`."""
    logs = folder / LOG_FOLDER
    run_name = folder.resolve().name
    if name == "tensorboard":
        from lightning.fabric.loggers.tensorboard import TensorBoardLogger

        # The run is one series: continued runs add to it.
        return TensorBoardLogger(logs, name="", version="", default_hp_metric=False)
    if name == "comet":
        return CometLogger(run_name, logs / "comet", is_offline)
    from lightning.pytorch import loggers  # takes a second; only for those who want them

    if name == "mlflow":
        logs.mkdir(parents=True, exist_ok=True)
        server = None if is_offline else os.environ.get("MLFLOW_TRACKING_URI")
        file = f"sqlite:///{(logs / 'mlflow.db').resolve()}"
        return loggers.MLFlowLogger(PROJECT, run_name, tracking_uri=server or file)
    return loggers.WandbLogger(run_name, save_dir=logs, offline=is_offline, project=PROJECT)


class CometLogger:
    """Comet, with or without its server; that of Lightning 2.6 writes nothing without it."""

    def __init__(self, name: str, folder: Path, is_offline: bool) -> None:
        """An experiment with that name, which offline is a file in `folder` for `comet upload`."""
        # It must not take over what torch prints.
        os.environ.setdefault("COMET_DISABLE_AUTO_LOGGING", "1")
        import comet_ml

        folder.mkdir(parents=True, exist_ok=True)
        settings = comet_ml.ExperimentConfig(
            name=name, disabled=False, offline_directory=str(folder), log_code=False
        )
        self.experiment = comet_ml.start(
            online=not is_offline, project=PROJECT, experiment_config=settings
        )

    def log_hyperparams(self, params: dict[str, Any]) -> None:
        """Log the settings of the run."""
        self.experiment.log_parameters(params)

    def log_metrics(self, metrics: dict[str, float], step: int) -> None:
        """Log one row of the history."""
        self.experiment.log_metrics(metrics, step=step)

    def save(self) -> None:
        """Comet sends or writes by itself."""

    def finalize(self, status: str) -> None:
        """End the experiment; offline it is written now."""
        self.experiment.log_other("status", status)
        self.experiment.end()
