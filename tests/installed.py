"""Every stage in small, with an installed partflow: run by `make wheel` in a fresh environment.

It works in a temporary folder, so nothing of the checkout is found by accident; what the package
needs (page templates, calibrations) has to be in the wheel.
"""

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

COMMANDS = """
generate --process qq --num-events 20 --seed 7 --output gen.parquet
generate --process qq --num-events 5 --seed 8 --detector cld --output cld.parquet
simulate gen.parquet --output events/
simulate cld.parquet --detector cld --output cld/
label events/ --output labelled/
models list
train labelled/ --preset tiny --epochs 1 --threads 1 --output run/
reconstruct events/ --model run/ --output mlpf.parquet
evaluate events/ --candidates mlpf=mlpf.parquet --output report/ --workers 1
display events/ --event 1 --candidates mlpf=mlpf.parquet --output show.html
inspect events/
"""


def run(*arguments: str, folder: str) -> str:
    """Output of one partflow command; ends this program where it fails."""
    command = [sys.executable, "-m", "partflow", *arguments]
    answer = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if answer.returncode != 0:
        sys.exit(f"partflow {' '.join(arguments)} failed:\n{answer.stderr[-3000:]}")
    print("partflow", *arguments)
    return answer.stdout


def main() -> None:
    """Run all commands and look at what they wrote."""
    import partflow

    checkout = Path(__file__).resolve().parents[1]
    if checkout / "src" in Path(partflow.__file__).parents:
        sys.exit(f"{partflow.__file__}: this is the checkout; install the wheel first")
    with TemporaryDirectory() as folder:
        if version("partflow") not in run("--version", folder=folder):
            sys.exit("partflow --version is not that of the installed package")
        for command in COMMANDS.strip().splitlines():
            run(*command.split(), folder=folder)
        weights = checkout / "src" / "partflow" / "model" / "weights"
        for name in sorted(path.name for path in weights.glob("[!._]*")):
            run("models", "path", name, folder=folder)  # which checks the files
        for page in ("report/index.html", "show.html"):
            text = (Path(folder) / page).read_text(encoding="utf-8")
            if "<style" not in text or "<script" not in text:
                sys.exit(f"{page}: without style or script; are the templates in the wheel?")
    print("The installed package works.")


if __name__ == "__main__":
    main()
