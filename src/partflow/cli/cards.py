"""Verbs that describe a model and exchange it with others."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import FlagCreatePairsOff, Positional, arg

from partflow.cli.app import OptionalPath, OutputPath

if TYPE_CHECKING:
    from partflow.pipeline.hub import Upload

Repository = Annotated[str, arg(metavar="USER/NAME")]
OptionalText = Annotated[str | None, arg(metavar="TEXT", help_behavior_hint="(default: unknown)")]
Name = Annotated[str | None, arg(metavar="NAME", help_behavior_hint="(default: see the text)")]
OptionalRepository = Annotated[
    str | None, arg(metavar="USER/NAME", help_behavior_hint="(default: a placeholder)")
]
Paths = Annotated[tuple[Path, ...], arg(metavar="[PATH ...]", help_behavior_hint="(default: none)")]
Watts = Annotated[
    float | None, arg(metavar="WATT", help_behavior_hint="(default: 10 for a core, else unknown)")
]
RevisionName = Annotated[str | None, arg(metavar="NAME", help_behavior_hint="(default: main)")]
Sha256 = Annotated[str | None, arg(metavar="HEX", help_behavior_hint="(default: any)")]
Flag = FlagCreatePairsOff[bool]


def card(
    run: Positional[Path],
    report: OptionalPath = None,
    name: Name = None,
    output: OptionalPath = None,
    candidates: Name = None,
    license: OptionalText = None,
    developers: OptionalText = None,
    repository: OptionalRepository = None,
    data: Paths = (),
    watts: Watts = None,
    overwrite: Flag = False,
) -> None:
    """Write the model card (README.md) of a trained network, with its results.

    The card says what the network is, what it was trained on and how, how good it is beside the
    baseline and the ceilings, what it cost, and how to use it. Every figure comes from the files of
    the training and of the report; what they do not tell is said to be unknown. Next: `partflow
    push`.

    Example: partflow card run/ --report report/ --name mlpf-clic --license cc-by-4.0

    Args:
        run: Folder of `partflow train`, or any other model folder.
        report: Folder of `partflow evaluate` with the candidates of this network. Evaluate events
            that it was not trained on.
        name: Name of the model; by default that of the repository, or of the folder.
        output: Folder to write README.md and pictures to; by default that of the model.
        candidates: The network's candidate set in the report; needed if there are several.
        license: Licence of the weights, by its name on the hub (apache-2.0, cc-by-4.0, ...).
        developers: Who made the model.
        repository: Repository of the model on the hub, for the commands on the card.
        data: Further files and folders where the events of training and evaluation are searched.
            They are recognised by their hashes, and tell processes, energies and seeds.
        watts: Power of a core, or of an accelerator, in the estimate of the energy.
        overwrite: Replace a card with other content.
    """
    from partflow import pipeline

    path = pipeline.card(
        run,
        report,
        name,
        output,
        candidates=candidates,
        licence=license,
        developers=developers,
        repository=repository,
        data=data,
        watts=watts,
        overwrite=overwrite,
    )
    print(path)


def push(
    run: Positional[Path],
    repository: Positional[Repository],
    private: Flag = False,
    revision: RevisionName = None,
    yes: Flag = False,
) -> None:
    """Upload a model with its card to the Hugging Face hub.

    Uploads the configuration, the weights, the threshold, the card with its pictures, and the
    checksums of these; nothing else of the run. Lists them and asks first. Log in before with `hf
    auth login`, or set HF_TOKEN. Needs pip install "partflow[hub]".

    Example: partflow push run/ user/mlpf-clic --private

    Args:
        run: Folder of `partflow train`, or any other model folder. `partflow card` is run first
            where it has no README.md.
        repository: Repository on the hub; it is made if it does not exist.
        private: Make a repository that others do not see.
        revision: Branch to upload to; it is made if it does not exist.
        yes: Do not ask.
    """
    from partflow import pipeline

    def confirm(uploads: Sequence[Upload]) -> bool:
        _list(uploads, repository, private, revision)
        return yes or _asked()

    done = pipeline.push(run, repository, private, revision, confirm)
    if done is None:
        print("Nothing was uploaded.")
        return
    print(done.address)
    print(f"partflow pull {repository} --output model/ --sha256 {done.sha256}")


def pull(
    repository: Positional[Repository],
    output: OutputPath,
    revision: RevisionName = None,
    sha256: Sha256 = None,
    overwrite: Flag = False,
) -> None:
    """Download a model from the Hugging Face hub, and verify it.

    Downloads what `partflow push` uploads and nothing else, compares each file with its checksum,
    and refuses repositories that hold pickles. No code is executed. Needs pip install
    "partflow[hub]". Next: `partflow reconstruct --model`.

    Example: partflow pull user/mlpf-clic --output model/

    Args:
        repository: Repository on the hub.
        output: Folder to write.
        revision: Branch, tag or commit to download.
        sha256: SHA-256 that checksums.json (as `partflow push` prints it) or the weights must have.
            With that of checksums.json no file can be another one.
        overwrite: Replace a model that was pulled before.
    """
    from partflow import pipeline

    pipeline.pull(repository, output, revision, sha256, overwrite)
    print(
        f"{output}: verified; partflow reconstruct events/ --model {output} --output mlpf.parquet"
    )


def _list(uploads: Sequence[Upload], repository: str, private: bool, revision: str | None) -> None:
    """Print what would be uploaded, and where to."""
    from partflow.pipeline.hub_client import endpoint

    who = "a private repository if it is made now" if private else "public if it is made now"
    print(f"To {endpoint()}/{repository}, branch {revision or 'main'} ({who}):")
    for upload in uploads:
        print(f"  {upload.name:<32} {upload.size:>14,} bytes  sha256 {upload.sha256[:16]}...")


def _asked() -> bool:
    """Whether the user answers yes; no where nobody can answer."""
    try:
        return input("Upload? [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        print()
        return False
