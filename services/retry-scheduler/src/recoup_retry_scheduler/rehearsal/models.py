"""A directory of models: each fit is a version that stays, and one of them is active.

`000007.npz` holds weights, `000007.json` what is known of them, written last: a version without it is none. `active`
names the version in use. Each file is replaced whole or not at all.
"""

import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from recoup_retry_scheduler.rehearsal import stream
from recoup_retry_scheduler.smart.learning import Weights

_ACTIVE = "active"


class NoVersion(Exception):
    """A version that is not there, or none that is active; its message says so."""


class About(BaseModel):
    """What is known of a model.

    Attributes:
        attempts: that it was learnt from.
        held_out: attempts after them, by which it was judged.
        before, after: log loss of these, with the model that was active (the prior where none was), and with this one.
    """

    model_config = ConfigDict(frozen=True)

    version: int
    made_at: datetime
    source: str
    attempts: int
    held_out: int
    before: float
    after: float


def _file(folder: Path, version: int, ending: str = "npz") -> Path:
    return folder / f"{version:06}.{ending}"


def active(folder: Path) -> int | None:
    """Give the version in use, if there is one.

    Raises:
        NoVersion: the pointer names none.
    """
    try:
        named = (folder / _ACTIVE).read_text()
    except FileNotFoundError:
        return None
    except UnicodeDecodeError:
        named = ""
    if not named.strip().isdecimal():
        raise NoVersion(f"{folder / _ACTIVE} names no version; --use sets it")
    return int(named)


def active_file(folder: Path) -> Path:
    """Give the file of the version in use.

    Raises:
        NoVersion: there is none.
    """
    version = active(folder)
    if version is None:
        raise NoVersion(f"{folder}: no version is active")
    file = _file(folder, version)
    if not file.exists():
        raise NoVersion(f"{folder}: version {version} is active, and is not there")
    return file


def file_of(model: Path | None) -> Path | None:
    """Give a model's file: of a directory that of the version in use.

    Raises:
        NoVersion: there is none in use.
    """
    return active_file(model) if model is not None and model.is_dir() else model


def listed(folder: Path) -> list[About]:
    """Give what is known of each version, the oldest first; what cannot be read is no version."""
    return sorted(_known(folder), key=lambda about: about.version)


def _known(folder: Path) -> Iterator[About]:
    for file in folder.glob("*.json"):
        try:
            about = About.model_validate_json(file.read_bytes())
        except (OSError, ValidationError):
            continue
        if file == _file(folder, about.version, "json"):
            yield about


def reserve(folder: Path) -> int:
    """Give a version that nobody else gets."""
    version = max((int(file.stem) for file in folder.glob("*.npz") if file.stem.isdecimal()), default=0)
    while True:
        version += 1
        try:
            os.close(os.open(_file(folder, version), os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644))
        except FileExistsError:
            continue
        return version


def keep(folder: Path, weights: Weights, about: About) -> None:
    """Keep a reserved version."""
    stream.save(_file(folder, about.version), weights)
    _replace(_file(folder, about.version, "json"), about.model_dump_json(indent=1) + "\n")


def use(folder: Path, version: int) -> None:
    """Make a version the active one.

    Raises:
        NoVersion: it is not there.
        OtherModel: its file is no model of ours.
    """
    if not _file(folder, version, "json").exists():
        raise NoVersion(f"{folder}: there is no version {version}")
    stream.load(_file(folder, version))
    _replace(folder / _ACTIVE, f"{version:06}\n")


def _replace(path: Path, text: str) -> None:
    unfinished = path.with_name(f"{path.name}.new")
    unfinished.write_text(text)
    unfinished.replace(path)
