"""The folder of a training run: all that predicting with its network needs.

    model.lag       the text of the model, in one file (where the run was started from a text)
    run.json        format, model (name, hash, initial values), options, standard coordinates,
                    calibration, and the name and checksum of the file with the weights
    network.eqx     the weights of the network reported
    report.json     errors on the held-out set
    held_out.npz    names (m,); true, predicted, low, high: (n, m), of the held-out set
    log.jsonl       a line of JSON every so many updates
    fine-tuning.json
                    how it was fine-tuned (`finetune`)
    checkpoint.json, checkpoint-N.eqx
                    where the run can be resumed (`checkpoint`)

Those up to `report.json` and `held_out.npz` are written when a run ends.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import jax
import numpy as np

from lagc.base.codes import Code
from lagc.base.diagnostics import LagcError, fail
from lagc.base.version import __version__
from lagc.learn.checkpoint import all_finite, read_arrays, unwritable, write_arrays, write_json
from lagc.learn.finetune import FineTune
from lagc.learn.networks import Network, make_network
from lagc.learn.reading import Reader
from lagc.learn.train_options import TrainOptions, check_options
from lagc.runtime.spec import ModelSpec
from lagc.runtime.system import System

RUN, MODEL, NETWORK, LOG = "run.json", "model.lag", "network.eqx", "log.jsonl"
REPORT, HELD_OUT = "report.json", "held_out.npz"
FORMAT = 1
_FEW = 3  # rows


def spec_hash(spec: ModelSpec) -> str:
    """A hash of what the members of a family depend on; not of the version of lagc."""
    content = (spec.source_hash, spec.coordinates, spec.coefficients, dict(spec.initial))
    return hashlib.sha256(repr(content).encode()).hexdigest()


def write_text(folder: Path, text: str) -> None:
    """Keep the text of the model; LAG002 where that is not possible."""
    path = folder / MODEL
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise unwritable(path, error) from None


def save_run(
    folder: Path, reader: Reader, network: Network, sizes: Mapping[str, Any], gap: int
) -> None:
    """Write the network, then `run.json`, which says that it is whole. sizes: by channel, the
    spread (2 dof,) of what was seen, with which the beginning of a recording is compared; gap: as
    in `TrainedRun`."""
    checksum = write_arrays(folder / NETWORK, network)
    spec = reader.family.system.spec
    content = {
        "format": FORMAT,
        "lagc": __version__,
        "model": {"name": spec.name, "hash": spec_hash(spec), "initial": dict(spec.initial)},
        "options": asdict(reader.options),
        "reader": reader.as_json(),
        "spread": dict(sizes),
        "gap": gap,
        "network": NETWORK,
        "sha256": checksum,
    }
    write_json(folder / RUN, content)


@dataclass(frozen=True, eq=False)
class HeldOut:
    """True and predicted values of the coefficients not held: (n, m), and the 95 % intervals."""

    names: np.ndarray
    true: np.ndarray
    predicted: np.ndarray
    low: np.ndarray
    high: np.ndarray


def save_held_out(folder: Path, held_out: HeldOut) -> None:
    """Keep what the plots are drawn from."""
    path = folder / HELD_OUT
    try:
        with path.open("wb") as stream:
            np.savez(stream, **{f.name: getattr(held_out, f.name) for f in fields(HeldOut)})
    except OSError as error:
        raise unwritable(path, error) from None


def read_held_out(folder: Path) -> HeldOut:
    """What `save_held_out` wrote."""
    with np.load(folder / HELD_OUT, allow_pickle=False) as arrays:
        return HeldOut(**{f.name: arrays[f.name] for f in fields(HeldOut)})


@dataclass(frozen=True, eq=False)
class TrainedRun:
    """A network and how it reads; spread: (2 dof,), of the channels it was trained on; gap: the
    longest run of rows without a value of a channel that it knows."""

    reader: Reader
    network: Network
    spread: np.ndarray
    gap: int


def read_description(folder: Path) -> dict[str, Any]:
    """The content of `run.json`; LAG605 where there is none, or not one of these."""
    path = folder / RUN
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise fail(
            Code.LAG605,
            f"{folder} holds no trained network",
            help="`lagc train` writes such a folder when it ends; go on with an interrupted run by "
            "`--resume`",
        ) from None
    except (OSError, ValueError) as error:
        raise _damaged(path, error) from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise fail(Code.LAG605, f"{path} was written by another version of lagc, or is damaged")
    return content


def with_initial(system: System, initial: Mapping[str, Any]) -> System:
    """The system with other initial values by label."""
    values = {str(name): float(value) for name, value in initial.items()}
    return type(system)(replace(system.spec, initial=values), system.kernels)


def load_run(folder: Path, system: System) -> TrainedRun:
    """The trained network in a folder, for the model that it was trained on.

    Raises LAG605 where the folder is damaged, LAG606 where the model is another one.
    """
    content, path = read_description(folder), folder / RUN
    try:
        model, options = content["model"], _options(content["options"])
        check_options(options)
        name, expected = str(model["name"]), str(model["hash"])
        system = with_initial(system, model["initial"])
        # The folder keeps the text by a name of its own.
        system = type(system)(replace(system.spec, name=name), system.kernels)
        spread = np.array([float(x) for x in content["spread"]["channels"]])
        # Folders without it are of networks that know values missing here and there alone.
        weights_name, gap = str(content["network"]), int(content.get("gap", _FEW))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _damaged(path, error) from None
    if spec_hash(system.spec) != expected:
        raise fail(
            Code.LAG606,
            f"the network in {folder} was trained on another text of `{name}`",
            help="predict with the text it was trained on, or train again",
        )
    family = options.family_of(system)
    try:
        reader = Reader.from_json(family, options, content["reader"])
        if spread.shape != (2 * system.spec.dof,):
            raise ValueError("other shapes")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _damaged(path, error) from None
    # The name alone: nothing outside of the folder is read.
    weights = folder / Path(weights_name).name
    try:
        like = make_network(
            options.network, reader.sizes, options.hidden, options.precision, jax.random.key(0)
        )
        network: Network = read_arrays(weights, like, content.get("sha256"))
        if not all_finite(network):
            raise ValueError("weights that are not finite")
    except (OSError, KeyError, ValueError, RuntimeError, EOFError, TypeError) as error:
        raise _damaged(weights, error) from None
    return TrainedRun(reader, network, spread, gap)


def _options(content: Mapping[str, Any]) -> TrainOptions:
    """Options from JSON, ranges as tuples."""
    known = {field.name for field in fields(TrainOptions)}
    values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in content.items()}
    if set(values) != known:
        raise ValueError("other options")
    # Numbers that are not finite are null in JSON.
    tuned: dict[str, Any] = {k: np.inf if v is None else v for k, v in values["fine_tune"].items()}
    values["fine_tune"] = FineTune(**tuned)
    return TrainOptions(**values)


def _damaged(path: Path, error: Exception) -> LagcError:
    return fail(Code.LAG605, f"{path} is damaged or not of such a run ({type(error).__name__})")
