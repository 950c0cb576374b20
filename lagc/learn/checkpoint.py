"""Checkpoints of a training run: array leaves by Equinox, everything else as JSON, never pickle.

The arrays are written first, under a name that holds the number of updates; the JSON file that
names them, with their checksum, replaces its predecessor in one step, so that an interruption
leaves the old pair or the new.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import equinox as eqx
import jax
import numpy as np

from lagc.base.codes import Code
from lagc.base.diagnostics import LagcError, fail

FILE = "checkpoint.json"
FORMAT = 2

State = TypeVar("State")


@dataclass(frozen=True)
class Position:
    """Where a run stands: updates done, members dropped so far, the last batch's loss."""

    updates: int = 0
    dropped: int = 0
    loss: float = float("nan")


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write JSON so that the file is never seen half-written; LAG002 if it cannot be.

    Numbers that are not finite, which JSON does not have, become null.
    """
    text = json.dumps(finite(content), indent=2, allow_nan=False) + "\n"
    try:
        partial = path.with_suffix(".partial")
        partial.write_text(text, encoding="utf-8")
        os.replace(partial, path)
    except OSError as error:
        raise unwritable(path, error) from None


def write_arrays(path: Path, tree: Any) -> str:
    """Write the array leaves of a tree so that the file is never seen half-written, and give its
    checksum; LAG002 if it cannot be."""
    stream = io.BytesIO()
    eqx.tree_serialise_leaves(stream, tree)
    partial = path.with_suffix(".partial")
    try:
        partial.write_bytes(stream.getbuffer())
        os.replace(partial, path)
    except OSError as error:
        raise unwritable(path, error) from None
    return hashlib.sha256(stream.getbuffer()).hexdigest()


def read_arrays(path: Path, like: State, checksum: str | None) -> State:
    """What `write_arrays` wrote, in the structure of `like`; ValueError and others for a damaged
    file. checksum: None in folders that have none."""
    content = path.read_bytes()
    if checksum is not None and hashlib.sha256(content).hexdigest() != checksum:
        raise ValueError("another checksum")
    state: State = eqx.tree_deserialise_leaves(io.BytesIO(content), like)
    return state


def all_finite(tree: Any) -> bool:
    """Whether all numbers among the leaves are."""
    arrays = jax.tree_util.tree_leaves(eqx.filter(tree, eqx.is_inexact_array))
    return all(np.isfinite(x).all() for x in arrays)


def finite(value: Any) -> Any:
    """The same with numbers that are not finite as None."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def prepare_folder(folder: Path) -> None:
    """Make the folder; LAG002 if that is not possible."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(folder, error) from None


def save(folder: Path, state: Any, position: Position, identity: dict[str, Any]) -> None:
    """Replace the checkpoint in a folder. `identity` is compared when it is read back."""
    arrays = folder / f"checkpoint-{position.updates}.eqx"
    checksum = write_arrays(arrays, state)
    content = {
        "format": FORMAT,
        "arrays": arrays.name,
        "sha256": checksum,
        "updates": position.updates,
        "dropped": position.dropped,
        "loss": position.loss,
        "identity": identity,
    }
    write_json(folder / FILE, content)
    for old in folder.glob("checkpoint-*.eqx"):
        if old != arrays:
            old.unlink(missing_ok=True)


def refuse_existing(folder: Path) -> None:
    """LAG604 if a folder holds a checkpoint, which a new run would replace."""
    if (folder / FILE).exists():
        raise fail(
            Code.LAG604,
            f"{folder} holds the checkpoint of an earlier run, which a new run would replace",
            help="go on with it (`--resume`), write elsewhere (`--output DIR`), or replace it "
            "(`--overwrite`)",
        )


@dataclass(frozen=True)
class Found:
    """A checkpoint of this run: where it stands, the file of its arrays and their checksum."""

    position: Position
    arrays: Path
    checksum: str | None


def find(folder: Path, identity: dict[str, Any]) -> Found:
    """The checkpoint in a folder; LAG604 if there is none, or not one of this run."""
    path = folder / FILE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        found, arrays = dict(content["identity"]), Path(content["arrays"]).name
        loss = math.nan if content["loss"] is None else float(content["loss"])
        position = Position(int(content["updates"]), int(content["dropped"]), loss)
        file_format, checksum = content["format"], content.get("sha256")
    except FileNotFoundError:
        raise fail(
            Code.LAG604, f"{folder} holds no checkpoint", help="start a run without `--resume`"
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _damaged(path, error) from None
    if file_format != FORMAT:
        raise fail(Code.LAG604, f"{path} was written by another version of lagc")
    for name in sorted({*identity, *found}):
        if found.get(name) != identity.get(name):
            raise fail(
                Code.LAG604,
                f"{path} is of another run: {name} is {found.get(name)!r} there and "
                f"{identity.get(name)!r} here",
                help="use the same model and options, or another folder",
            )
    return Found(position, folder / arrays, checksum)


def load(found: Found, like: State) -> State:
    """The state that was saved, in the structure of `like`; LAG604 if the file is damaged."""
    try:
        state = read_arrays(found.arrays, like, found.checksum)
        if not all_finite(state):
            raise ValueError("numbers that are not finite")
    except (OSError, ValueError, RuntimeError, EOFError, TypeError) as error:
        raise _damaged(found.arrays, error) from None
    return state


def _damaged(path: Path, error: Exception) -> LagcError:
    return fail(
        Code.LAG604,
        f"{path} is damaged or not a checkpoint ({type(error).__name__})",
        help="start again (`--overwrite`)",
    )


def unwritable(path: Path, error: OSError) -> LagcError:
    """LAG002 with the reason."""
    reason = (error.strerror or type(error).__name__).lower()
    return fail(Code.LAG002, f"{path} cannot be written: {reason}")
