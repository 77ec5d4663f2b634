"""The errors of the package.

    PartflowError
    ├── ConfigError       an invalid setting (unknown process, negative cell size, ...)
    ├── InputError        an input that is missing, unreadable or of a foreign format
    │   └── SchemaError   a file of partflow that is of another stage or lacks a column
    ├── DataError         invalid values (NaN in a feature, an index out of range)
    ├── OutputError       an output that cannot be written (disk full, exists already)
    └── RequirementError  a result that misses a required bound

A message is one line: what is wrong, where, and what to do next. The command line prints it
without a traceback and exits with `exit_code`.
"""

from __future__ import annotations


class PartflowError(Exception):
    """An error that the user can correct: not a defect of the program."""

    exit_code = 1


class ConfigError(PartflowError):
    """An invalid setting."""

    exit_code = 2


class InputError(PartflowError):
    """An input that is missing, unreadable or of a foreign format."""

    exit_code = 3


class SchemaError(InputError):
    """A file of partflow that is of another stage or lacks a needed column."""


class DataError(PartflowError):
    """Invalid values."""

    exit_code = 4


class OutputError(PartflowError):
    """An output that cannot be written."""

    exit_code = 5


class RequirementError(PartflowError):
    """A result that misses a required bound."""

    exit_code = 6
