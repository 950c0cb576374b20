"""Trajectories as files: NetCDF, NumPy archives and CSV, with what is needed to repeat the run."""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lagc.base.codes import Code
from lagc.base.diagnostics import fail
from lagc.cli.common import write_atomically

if TYPE_CHECKING:
    from lagc.runtime import System, Trajectory
    from lagc.runtime.spec import CoefficientSpec, ModelSpec

_ROUND_OFF = 1e-9
_FORMATS = (".nc", ".npz", ".csv")


@dataclass(frozen=True)
class Result:
    """One trajectory of a run, as NumPy arrays, cut where it failed."""

    spec: ModelSpec
    trajectory: Trajectory
    observables: dict[str, np.ndarray]
    coefficients: dict[str, float | list[float]]  # a list: one at each site
    dt: float
    order: int
    status: str
    failure_time: float

    @classmethod
    def of(
        cls,
        system: System,
        trajectory: Trajectory,
        options: dict[str, Any],
        order: int,
        interrupted: bool,
    ) -> Result:
        """The levels that are finite, and the declared observables at them."""
        from lagc.runtime import describe_status

        code = int(trajectory.status)
        good = abs(code) if code else len(trajectory.t)
        cut = trajectory._replace(
            **{n: getattr(trajectory, n)[:good] for n in trajectory._fields if n != "status"}
        )
        parameters = {k: options[k] for k in ("coefficients", "inputs", "neural")}
        observables = {
            name: np.asarray(function(cut.q, cut.v, cut.t, **parameters))
            for name, function in system.observables.items()
        }
        coefficients = {
            c.name: options["coefficients"].get(c.name, default_of(c))
            for c in system.spec.coefficients
        }
        status = describe_status(code)
        if interrupted and code == 0:
            status = f"interrupted after step {len(trajectory.t) - 1}"
        return cls(
            system.spec,
            cut,
            observables,
            coefficients,
            options["dt"],
            order,
            status,
            good * options["dt"],
        )

    def columns(self) -> dict[str, np.ndarray]:
        """Every series by the name that data files use: t, q, q', p[q], energy, observables."""
        spec, trajectory = self.spec, self.trajectory
        columns: dict[str, Any] = {"t": trajectory.t}
        for labels, values in (
            (spec.labels, trajectory.q),
            (spec.velocity_labels, trajectory.v),
            (spec.momentum_labels, trajectory.p),
        ):
            columns |= {label: values[:, i] for i, label in enumerate(labels)}
        for i, (label, modulus) in enumerate(zip(spec.labels, spec.moduli, strict=True)):
            if modulus is not None:
                columns[f"winding[{label}]"] = trajectory.winding[:, i]
        columns["energy"] = trajectory.energy
        return columns | _distinct(self.observables, columns)

    def summary(self) -> dict[str, Any]:
        """What `lagc run --json` prints about the trajectory."""
        trajectory = self.trajectory
        final: dict[str, Any] = {"t": float(trajectory.t[-1])}
        for name in ("q", "v", "p"):
            final[name] = [float(x) for x in getattr(trajectory, name)[-1]]
        if any(m is not None for m in self.spec.moduli):
            final["winding"] = [int(x) for x in trajectory.winding[-1]]
        return {
            "model": self.spec.name,
            "steps": len(trajectory.t) - 1,
            "status": self.status,
            "final": final,
            "energy": {
                "initial": float(trajectory.energy[0]),
                "final": float(trajectory.energy[-1]),
            },
        }

    def change_of_energy(self) -> float | None:
        """The largest change beside the largest |v_1 p_1| + |v_2 p_2| ...; None where energy may
        change, or changes by its round-off alone."""
        from lagc.runtime.strategy import holds

        if not all(holds(self.spec, fact) for fact in ("conservative", "autonomous")):
            return None
        t = self.trajectory
        with np.errstate(over="ignore", invalid="ignore"):
            turned_over = float(np.max(np.sum(np.abs(t.v * t.p), axis=-1)))
            change = float(np.max(np.abs(t.energy - t.energy[0])))
        if turned_over == 0 or change <= _ROUND_OFF * float(np.max(np.abs(t.energy))):
            return None
        return change / turned_over

    def attributes(self) -> dict[str, Any]:
        """How the trajectory was made."""
        return {
            "model": self.spec.name,
            "source_sha256": self.spec.source_hash,
            "lagc_version": self.spec.lagc_version,
            "dt": self.dt,
            "order": self.order,
            "status": self.status,
            **{f"coefficient_{k}": v for k, v in self.coefficients.items()},
        }


def default_of(coefficient: CoefficientSpec) -> float | list[float]:
    """The value that a run takes where none is given; one at each site where they differ."""
    import jax.numpy as jnp

    if coefficient.default is None and coefficient.default_at is not None:
        values: list[float] = np.asarray(coefficient.default_at(jnp.zeros(()))).tolist()
        return values
    return float(coefficient.default)  # type: ignore[arg-type]  # the run has refused None


def _distinct(observables: dict[str, np.ndarray], taken: Iterable[str]) -> dict[str, np.ndarray]:
    """Observables under names of their own: `observable energy` where `energy` is taken."""
    known = set(taken)
    return {(f"observable {k}" if k in known else k): v for k, v in observables.items()}


def check_format(path: str) -> None:
    """Refuse an output that could not be written, before anything is computed."""
    suffix = Path(path).suffix
    if suffix not in _FORMATS:
        raise fail(Code.LAG510, f"--output {path}: the file type is one of {', '.join(_FORMATS)}")
    if not Path(path).absolute().parent.is_dir():
        raise fail(Code.LAG002, f"{path}: the folder does not exist")
    if suffix == ".nc":
        require_xarray()


def write_result(result: Result, path: str) -> None:
    """Write by the suffix of the path; the file is whole or not there."""
    suffix = Path(path).suffix
    if suffix == ".csv":
        write_atomically(path, _csv(result))
    elif suffix == ".npz":
        write_atomically(path, _npz(result))
    else:
        write_atomically(path, _netcdf(result))


def _csv(result: Result) -> bytes:
    columns = result.columns()
    lines = [f"# {k}: {v}" for k, v in result.attributes().items()]
    lines += [f"# unit {k}: {v}" for k, v in result.spec.units.items()]
    lines.append(",".join(columns))
    table = [column.tolist() for column in columns.values()]
    lines += [",".join(map(repr, row)) for row in zip(*table, strict=True)]
    return ("\n".join(lines) + "\n").encode()


def _npz(result: Result) -> bytes:
    stream = io.BytesIO()
    trajectory = result.trajectory
    arrays: dict[str, Any] = {
        n: getattr(trajectory, n) for n in trajectory._fields if n != "status"
    }
    arrays |= {f"observable {k}": v for k, v in result.observables.items()}
    arrays["labels"] = np.array(result.spec.labels)
    arrays |= {f"attribute {k}": np.array(v) for k, v in result.attributes().items()}
    arrays |= {f"unit {k}": np.array(v) for k, v in result.spec.units.items()}
    np.savez(stream, **arrays)
    return stream.getvalue()


def _netcdf(result: Result) -> bytes:
    xarray = require_xarray()
    trajectory, spec = result.trajectory, result.spec
    variables: dict[str, Any] = {
        name: (("t", "dof"), getattr(trajectory, name)) for name in ("q", "v", "p", "winding")
    }
    variables["energy"] = (("t",), trajectory.energy)
    names = [*variables, "t", "dof"]
    variables |= {k: (("t",), v) for k, v in _distinct(result.observables, names).items()}
    dataset = xarray.Dataset(
        variables,
        coords={"t": trajectory.t, "dof": list(spec.labels)},
        attrs=result.attributes(),
    )
    labels = {"q": spec.labels, "v": spec.velocity_labels, "p": spec.momentum_labels}
    for name in variables.keys() - {"winding"} | {"t"}:
        units = [spec.unit_of(label) for label in labels.get(name, (name,))]
        if len(set(units)) == 1 and units[0]:
            dataset[name].attrs["units"] = units[0]
        elif any(units):  # one for each degree of freedom
            dataset = dataset.assign_coords({f"{name}_units": ("dof", units)})
    dataset.attrs |= {f"unit_{k.replace(' ', '_')}": v for k, v in spec.units.items() if " " in k}
    stream = io.BytesIO()
    dataset.to_netcdf(stream, engine="h5netcdf")
    return stream.getvalue()


def require_xarray() -> Any:
    """The package, or LAG003 where it or what it writes with is missing."""
    try:
        import h5netcdf  # noqa: F401
        import h5py  # noqa: F401
        import xarray
    except ImportError:
        raise fail(
            Code.LAG003,
            "NetCDF output needs xarray, h5netcdf and h5py",
            help="pip install 'lagc[netcdf]', or use .npz or .csv",
        ) from None
    return xarray
