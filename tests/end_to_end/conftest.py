"""What the end-to-end tests share: the command line, run in this process."""

import sys
from collections.abc import Callable

import pytest

from partflow import cli


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Run `partflow ...`: exit status, standard output, standard error."""

    def partflow(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["partflow", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        printed = capfd.readouterr()
        return int(ended.value.code or 0), printed.out, printed.err

    return partflow
