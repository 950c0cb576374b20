"""Arguments from users made into arrays of one dtype with their batch axes known, or refused."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lagc.base.codes import Code
from lagc.base.diagnostics import did_you_mean, fail
from lagc.runtime.signals import Samples
from lagc.runtime.spec import CoefficientSpec, ModelSpec


def is_known(x: Any) -> bool:
    """Whether values can be looked at: not while jax traces."""
    return not isinstance(x, jax.core.Tracer)


@lru_cache(maxsize=1)
def warn_if_single_precision() -> None:
    """One warning a process when jax is at its 32-bit default."""
    if jnp.asarray(0.0).dtype != jnp.float64:
        warnings.warn(
            "lagc: jax is in 32-bit mode, so trajectories have about 7 digits. For 16, call "
            'jax.config.update("jax_enable_x64", True) before anything else.',
            stacklevel=4,
        )


def as_array(value: Any, what: str, dtype: Any = None) -> jax.Array:
    """A real array, or a diagnostic that names the argument."""
    if isinstance(value, str | bytes):
        raise fail(Code.LAG505, f"{what} is {value!r}, which is not a number")
    if isinstance(value, np.ma.MaskedArray):
        raise fail(Code.LAG505, f"{what} is masked; values that are missing cannot be used")
    if isinstance(value, jax.Array):
        array: Any = value
    else:
        try:
            array = _host_array(value)
        except (TypeError, ValueError) as error:
            raise fail(Code.LAG505, f"{what} is not an array of numbers: {error}") from None
    if array.dtype.kind not in "fiu" and not jnp.issubdtype(array.dtype, jnp.floating):
        raise fail(Code.LAG505, f"{what} is of type {array.dtype}; real numbers are needed")
    if array.dtype == jnp.bfloat16:
        raise fail(
            Code.LAG505,
            f"{what} is of type bfloat16, which has three digits",
            help="use float32 or float64",
        )
    dtype = _float_type(array) if dtype is None else dtype
    result: jax.Array = array if array.dtype == dtype else array.astype(dtype)
    return result


def _host_array(value: Any) -> Any:
    """A NumPy array where values are at hand: nothing is dispatched for it."""
    try:
        array = np.asarray(value)
    except jax.errors.TracerArrayConversionError:
        return jnp.asarray(value)
    if array.dtype.kind == "O":  # numbers, traced values or jax arrays among them
        return jnp.asarray(array.tolist())
    if array.dtype.kind == "f" and array.dtype.itemsize > 8:
        return array.astype(np.float64)
    return array.astype(array.dtype.newbyteorder("="))


def _float_type(array: Any) -> Any:
    floating = jnp.issubdtype(array.dtype, jnp.floating)
    return jax.dtypes.canonicalize_dtype(array.dtype if floating else np.float64)


def as_vector(value: Any, what: str, spec: ModelSpec, dtype: Any = None) -> jax.Array:
    """An array (..., dof); a bare number is accepted where there is one degree of freedom."""
    array = as_array(value, what, dtype)
    if array.ndim == 0 and spec.dof == 1:
        return array[None]
    if array.ndim == 0 or array.shape[-1] != spec.dof:
        raise fail(
            Code.LAG505,
            f"{what} has the shape {array.shape}; its last axis must be the "
            f"{spec.dof} degree{'s' * (spec.dof > 1)} of freedom of `{spec.name}` "
            f"({some_labels(spec)})",
        )
    return array


def some_labels(spec: ModelSpec) -> str:
    """The degrees of freedom by label, the fields alone of a lattice."""
    if spec.lattice is not None:
        first, last = spec.lattice.first, spec.lattice.first + spec.lattice.size - 1
        return ", ".join(f"{name}[{first}..{last}]" for name in spec.lattice.fields)
    return ", ".join(spec.labels)


def _by_name(given: Any, what: str) -> dict[str, Any]:
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise fail(Code.LAG505, f"`{what}` is a dictionary of values by name, not {given!r:.60}")
    return dict(given)


def coefficient_values(
    spec: ModelSpec, given: Mapping[str, Any] | None, dtype: Any
) -> dict[str, jax.Array]:
    """Defaults overridden by what is given; every name known, every value within its bounds."""
    known = {c.name: c for c in spec.coefficients}
    given = _known_coefficients(spec, given, dtype)
    values = {}
    for name, coefficient in known.items():
        value = given.get(name, coefficient.default)
        if value is None and coefficient.default_at is not None:
            value = coefficient.default_at(jnp.zeros((), dtype))
        if value is None:
            raise fail(
                Code.LAG502,
                f"coefficient `{name}` of `{spec.name}` has no value",
                help=f"give one, or a default in the model: `coefficient {name} = ...`",
            )
        array = as_array(value, f"coefficient `{name}`", dtype)
        if coefficient.site_dependent:
            array = _along_sites(spec, name, array)
        if is_known(array):
            check_bounds(coefficient, np.asarray(array))
        values[name] = array
    return values


def default_values(spec: ModelSpec, given: Mapping[str, Any] | None) -> dict[str, float]:
    """New defaults: single numbers, within the bounds of the coefficients they are given for."""
    known = {c.name: c for c in spec.coefficients}
    values = {}
    for name, value in _known_coefficients(spec, given, np.float64).items():
        array = np.asarray(as_array(value, f"coefficient `{name}`", np.float64))
        if array.ndim:
            raise fail(Code.LAG505, f"the default of coefficient `{name}` is a single number")
        check_bounds(known[name], array)
        values[name] = float(array)
    return values


def _known_coefficients(
    spec: ModelSpec, given: Mapping[str, Any] | None, dtype: Any
) -> dict[str, Any]:
    """Values by the names of coefficients, each of which the model has."""
    known = {c.name: c for c in spec.coefficients}
    values = _by_component(known, _by_name(given, "coefficients"), dtype)
    for name in values:
        if name not in known:
            listed = ", ".join(f"`{k}`" for k in known) or "no coefficients"
            hint = did_you_mean(name, known) or f"the model has {listed}"
            raise fail(Code.LAG503, f"`{name}` is not a coefficient of `{spec.name}`", help=hint)
    return values


def _by_component(
    known: Mapping[str, CoefficientSpec], given: Mapping[str, Any], dtype: Any
) -> dict[str, Any]:
    """Values (..., n) of a coefficient of n components, `k`, as those of `k[0]` to `k[n-1]`."""
    values: dict[str, Any] = {}
    for name, value in given.items():
        size = sum(other.startswith(f"{name}[") for other in known)
        if name in known or not size:
            values[name] = value
            continue
        array = as_array(value, f"coefficient `{name}`", dtype)
        if array.shape[-1:] != (size,):
            raise fail(
                Code.LAG505,
                f"coefficient `{name}` has the shape {array.shape}; its last axis must be its "
                f"{size} components",
            )
        values |= {f"{name}[{i}]": array[..., i] for i in range(size)}
    return values


def _along_sites(spec: ModelSpec, name: str, array: jax.Array) -> jax.Array:
    """(..., N), one value a site; a number is the same at every site."""
    assert spec.lattice is not None
    sites = spec.lattice.size
    if array.ndim == 0:
        return array[None].repeat(sites, axis=0)
    if array.shape[-1] != sites:
        raise fail(
            Code.LAG505,
            f"coefficient `{name}` has the shape {array.shape}; its last axis must be the "
            f"{sites} sites of `{spec.name}`",
            help="one number serves all sites",
        )
    return array


def check_bounds(coefficient: CoefficientSpec, values: np.ndarray) -> None:
    """Raise LAG504 where a value is outside the declared range or not a number."""
    low = -math.inf if coefficient.lower is None else coefficient.lower
    high = math.inf if coefficient.upper is None else coefficient.upper
    # Bounds are rounded with the values, so that a float32 default on a bound is within it.
    low, high = values.dtype.type(low), values.dtype.type(high)
    below = values <= low if coefficient.lower_open else values < low
    above = values >= high if coefficient.upper_open else values > high
    wrong = below | above | np.isnan(values)
    if np.any(wrong):
        worst = float(values[wrong].flat[0])
        raise fail(
            Code.LAG504,
            f"coefficient `{coefficient.name}` = {worst:g} is outside {coefficient.range_text}",
        )


def signal_functions(
    spec: ModelSpec, given: Mapping[str, Any] | None, dtype: Any
) -> tuple[dict[str, jax.Array], dict[str, Callable[[jax.Array], jax.Array]]]:
    """The inputs told apart: constants (arrays with batch axes) and callables of t."""
    given = _by_name(given, "inputs")
    _exact_names(spec.inputs, given, "input", Code.LAG506, "a constant, a callable, or `Samples`")
    constants: dict[str, jax.Array] = {}
    callables: dict[str, Callable[[jax.Array], jax.Array]] = {}
    for name in spec.inputs:
        if isinstance(given[name], Samples):
            callables[name] = _checked_samples(name, given[name], dtype)
        elif callable(given[name]):
            what = f"input `{name}`"
            shape = _shape_of_result(given[name], (), "the time", dtype, what, Code.LAG506)
            if shape != ():
                raise fail(
                    Code.LAG506,
                    f"{what} returns {shape}; a single number, of shape (), is needed",
                    help="a callable takes one time; many are asked for by `jax.vmap`",
                )
            callables[name] = given[name]
        else:
            constants[name] = as_array(given[name], f"input `{name}`", dtype)
            _check_finite(constants[name], f"input `{name}`")
    return constants, callables


def _shape_of_result(
    function: Callable[..., Any], shape: tuple[int, ...], of: str, dtype: Any, what: str, code: Code
) -> Any:
    """The shape of what a callable returns, itself where that is no array; a diagnostic where it
    cannot be called, for instance with what jax traces."""
    example = jax.ShapeDtypeStruct(shape, dtype)
    try:
        result = jax.eval_shape(lambda x: function(x), example)
    except jax.errors.JAXTypeError:
        raise fail(
            code,
            f"{what} computes with numbers where jax needs operations it can follow",
            help="write it with `jax.numpy` instead of `numpy` or `math`, and `jnp.where` instead "
            "of `if`",
        ) from None
    except (TypeError, ValueError, IndexError, AttributeError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise fail(
            code,
            f"{what} cannot be called with {of}: {first}",
            help=f"it takes one argument{', an array of shape (n,)' if shape else ''}",
        ) from None
    return getattr(result, "shape", result)


def _check_finite(values: jax.Array, what: str) -> None:
    """Raise LAG506 for values that can be looked at and are not finite."""
    if is_known(values) and not np.all(np.isfinite(np.asarray(values))):
        raise fail(Code.LAG506, f"{what} has values that are not finite")


def _checked_samples(name: str, samples: Samples, dtype: Any) -> Samples:
    """The samples as arrays; LAG506 where they are not a function of time."""
    times = as_array(samples.times, f"the times of input `{name}`", dtype)
    values = as_array(samples.values, f"the values of input `{name}`", dtype)
    if times.ndim != 1 or times.shape != values.shape[-1:] or times.shape[0] < 2:
        raise fail(
            Code.LAG506,
            f"input `{name}` has times of shape {times.shape} and values of shape {values.shape}; "
            "times are one axis of at least 2, the last axis of values is as long",
        )
    if samples.interpolation not in ("linear", "previous"):
        raise fail(
            Code.LAG506,
            f"input `{name}`: the interpolation is 'linear' or 'previous', not "
            f"{samples.interpolation!r}",
        )
    if is_known(times) and not np.all(np.diff(np.asarray(times)) > 0):
        raise fail(Code.LAG506, f"the times of input `{name}` do not increase")
    _check_finite(values, f"input `{name}`")
    return Samples(times, values, samples.interpolation)


def refuse_unmarked_samples(
    constants: Mapping[str, jax.Array], batch: tuple[int, ...], steps: int
) -> None:
    """LAG506 for an array of as many values as there are time levels and nothing else to batch."""
    for name, array in constants.items():
        if array.ndim == 1 and array.shape == batch and array.shape[0] in (steps, steps + 1):
            raise fail(
                Code.LAG506,
                f"input `{name}` has {array.shape[0]} values for {steps} steps",
                help="a recorded signal is `lagc.Samples(times, values)`; a batch of runs with "
                "constant inputs of that length needs a batch axis in q0 too",
            )


def neural_functions(
    spec: ModelSpec, given: Mapping[str, Any] | None, dtype: Any
) -> dict[str, Callable[[jax.Array], jax.Array]]:
    """The neural terms, each checked to map (n,) to a single number."""
    given = _by_name(given, "neural")
    names = tuple(s.name for s in spec.neural)
    _exact_names(names, given, "neural term", Code.LAG507, "a callable of one vector")
    for slot in spec.neural:
        function = given[slot.name]
        if not callable(function):
            raise fail(Code.LAG507, f"neural term `{slot.name}` is not callable")
        of = f"one vector of {slot.inputs} numbers"
        what = f"neural term `{slot.name}`"
        shape = _shape_of_result(function, (slot.inputs,), of, dtype, what, Code.LAG507)
        if shape not in ((), (1,)):
            raise fail(
                Code.LAG507,
                f"{what} returns {shape}; a single number, of shape () or (1,), is needed",
            )
    return {name: given[name] for name in names}


def _exact_names(
    wanted: tuple[str, ...], given: Mapping[str, Any], kind: str, code: Code, how: str
) -> None:
    for name in given:
        if name not in wanted:
            raise fail(code, f"the model has no {kind} `{name}`", help=did_you_mean(name, wanted))
    for name in wanted:
        if name not in given:
            raise fail(code, f"{kind} `{name}` is missing", help=f"give {how}")


def align_batch(
    arrays: Mapping[str, tuple[jax.Array, int]],
) -> tuple[dict[str, tuple[jax.Array, int]], tuple[int, ...]]:
    """Arrays (each with its number of own, trailing axes) with as many batch axes as the batch.

    Batch axes lead: an array with fewer of them is the same along the later ones. Those without any
    stay as they are. Also the common batch shape.
    """
    most = max((a.ndim - own for a, own in arrays.values()), default=0)
    aligned = {}
    for name, (array, own) in arrays.items():
        batch, rest = array.shape[: array.ndim - own], array.shape[array.ndim - own :]
        if batch:
            array = array.reshape(batch + (1,) * (most - len(batch)) + rest)
        aligned[name] = (array, own)
    shapes = {name: a.shape[: a.ndim - own] for name, (a, own) in aligned.items()}
    try:
        return aligned, tuple(np.broadcast_shapes(*shapes.values()))
    except ValueError:
        listed = ", ".join(f"{name}: {shape}" for name, shape in shapes.items() if shape)
        raise fail(
            Code.LAG505,
            f"batch axes do not fit together ({listed})",
            help="batch axes lead, and count from the left",
        ) from None


def missing_initial_values(spec: ModelSpec, labels: list[str]) -> Exception:
    """LAG501 for a run that nothing says where to begin."""
    if spec.lattice is not None and len(labels) > 3:  # by field, not by site
        labels = list(
            dict.fromkeys(re.sub(r"\[-?\d+\]", f"[{spec.lattice.index}]", x) for x in labels)
        )
    listed = ", ".join(f"`{label}`" for label in labels)
    example = ", ".join(f"{label} = 0" for label in labels)
    return fail(
        Code.LAG501,
        f"`{spec.name}` has no initial value for {listed}",
        help=f"add `initial {example}` to the model, or give it with the run",
    )
