"""The Hugging Face hub: the only module that imports its library.

`HF_ENDPOINT`, `HF_TOKEN` and `HF_HUB_OFFLINE` work as everywhere with this library. Downloads are
streamed here rather than by the library, so that a file that is larger than allowed is never
stored.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from partflow.core.errors import ConfigError, InputError, OutputError, PartflowError

TIMEOUT = 30.0
"""Longest time without an answer [s]."""
MAX_REASON = 200
"""Longest reason in an error, in characters: some answers are whole pages."""
DEFAULT_ENDPOINT = "https://huggingface.co"


class Revision(NamedTuple):
    """One revision of a repository."""

    commit: str
    """Its commit, so that all files are of the same."""
    sizes: dict[str, int | None]
    """Size of each file [byte], if it is known, by its name, which may be a path."""
    is_private: bool


def require_hub(verb: str) -> None:
    """Raise ConfigError, with the command that helps, where the library is not installed."""
    if find_spec("huggingface_hub") is None:
        raise ConfigError(f'partflow {verb} needs huggingface_hub; pip install "partflow[hub]"')


def endpoint() -> str:
    """Address of the hub."""
    return os.environ.get("HF_ENDPOINT", DEFAULT_ENDPOINT).rstrip("/")


def find_revision(repository: str, revision: str | None) -> Revision | None:
    """A revision of a repository with its files; None where there is none, or none to be seen.

    Raises InputError where the hub cannot be reached or refuses.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import (
        GatedRepoError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    with _one_line(repository):
        try:
            info = HfApi(endpoint=endpoint()).model_info(
                repository, revision=revision, files_metadata=True, timeout=TIMEOUT
            )
        except GatedRepoError:
            raise
        except (RepositoryNotFoundError, RevisionNotFoundError):
            return None
        sizes = {file.rfilename: file.size for file in info.siblings or []}
        return Revision(str(info.sha or revision or "main"), sizes, bool(info.private))


def stream(repository: str, commit: str, name: str) -> Iterator[bytes]:
    """Yield the content of a file piece by piece; raises InputError where that fails."""
    from huggingface_hub import hf_hub_url
    from huggingface_hub.utils import (  # type: ignore[attr-defined]  # in its documentation
        build_hf_headers,
        get_session,
        hf_raise_for_status,
    )

    with _one_line(f"{repository}, {name}"):
        url = hf_hub_url(repository, name, revision=commit, endpoint=endpoint())
        request = get_session().stream("GET", url, headers=build_hf_headers(), timeout=TIMEOUT)
        with request as response:
            hf_raise_for_status(response)
            yield from response.iter_bytes()


def upload(
    repository: str,
    files: Mapping[str, Path | bytes],
    message: str,
    private: bool,
    revision: str | None,
) -> str:
    """Upload files, by their names, in one commit; returns the address of the commit.

    The repository, and a branch `revision`, are made if they do not exist. Raises InputError or
    OutputError where the hub cannot be reached or refuses, and OutputError where a repository that
    should be private is public.
    """
    from huggingface_hub import CommitOperationAdd, HfApi

    with _one_line(repository, OutputError):
        api = HfApi(endpoint=endpoint())
        api.create_repo(repository, private=private or None, exist_ok=True)
        if private and not api.model_info(repository, timeout=TIMEOUT).private:
            raise OutputError(
                f"{repository}: exists and is public, so nothing was uploaded; make it private in "
                "its settings, or leave out --private"
            )
        if revision is not None:
            api.create_branch(repository, branch=revision, exist_ok=True)
        operations = [
            CommitOperationAdd(name, content if isinstance(content, bytes) else str(content))
            for name, content in files.items()
        ]
        done = api.create_commit(repository, operations, commit_message=message, revision=revision)
        return str(done.commit_url)


@contextlib.contextmanager
def _one_line(where: str, kind: type[PartflowError] = InputError) -> Iterator[None]:
    """Turn the errors of the library in the block into one line each, of the class `kind`."""
    import httpx2
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        LocalTokenNotFoundError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
    )

    login = "log in with `hf auth login`, or set HF_TOKEN"
    try:
        yield
    except PartflowError:
        raise
    except HFValidationError as error:
        raise ConfigError(f"{where}: {_reason(error)}") from error
    except GatedRepoError as error:
        raise kind(f"{where}: access must be granted on {endpoint()} first; {login}") from error
    except RepositoryNotFoundError as error:
        raise kind(f"{where}: no such repository on {endpoint()}, or none to be seen; "
                   f"check the name, or {login}") from error  # fmt: skip
    except LocalTokenNotFoundError as error:
        raise kind(f"{where}: {endpoint()} does not know who you are; {login}") from error
    except OfflineModeIsEnabled as error:
        raise kind(f"{where}: HF_HUB_OFFLINE forbids the network; unset it") from error
    except HfHubHTTPError as error:
        status = error.response.status_code
        advice = login if status in (401, 403) else "try again later"
        reason = _reason(error.server_message or error)
        raise kind(f"{where}: {endpoint()} answered {status} ({reason}); "
                   f"{advice}") from error  # fmt: skip
    except httpx2.HTTPError as error:
        reason = _reason(error) or type(error).__name__
        raise kind(f"{where}: {endpoint()} cannot be reached, or the connection broke "
                   f"({reason}); check the network and try again") from error  # fmt: skip
    except (ValueError, LookupError, TypeError, RuntimeError) as error:
        reason = _reason(error.__cause__ or error)
        raise kind(f"{where}: {endpoint()} refuses, or answers otherwise than expected "
                   f"({reason}); correct it, or try again later") from error  # fmt: skip


def _reason(error: object) -> str:
    """A message as one line, without its end if it is long."""
    text = " ".join(str(error).split())
    return text if len(text) <= MAX_REASON else text[:MAX_REASON] + "..."
