"""A compiled model as Python functions: simulate, step, residual, momentum, velocity, energy ...

All are pure and compose with jit, vmap, grad, jvp, hessian and scan. Batch axes lead everywhere.
What one trajectory does is in `steps`; this file turns arguments into it, results out of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from lagc.base.codes import Code
from lagc.base.diagnostics import fail
from lagc.runtime import arguments as args
from lagc.runtime import clock
from lagc.runtime import execution as run
from lagc.runtime.plan import Plan, make_plan, scalar
from lagc.runtime.spec import Kernel, Kernels, ModelSpec
from lagc.runtime.strategy import choose_way
from lagc.runtime.trajectory import Trajectory


class Step(NamedTuple):
    """One step: q, p: (..., dof) at its end, wrapped where `mod`; winding: (..., dof), periods
    taken out in this step; nodes: (..., r+2, dof), positions at the quadrature nodes, not wrapped;
    status: (...), 0, 1 or -1 as in `Trajectory`."""

    q: jax.Array
    p: jax.Array
    winding: jax.Array
    nodes: jax.Array
    status: jax.Array


class System:
    """A model ready to run; a generated module holds one and exports its methods.

    Batch axes lead everywhere: an array with fewer of them is the same along the later ones.
    `coefficients` maps names to numbers or arrays with batch axes (defaults: those of the model);
    `inputs` maps each `input` to a constant, a callable of t or `Samples`; `neural` maps each slot
    to a callable or Equinox module (n,) -> (). A callable is evaluated anew when the numbers and
    arrays it refers to change. Model units. Raises `LagcError` (LAG5xx) for arguments that do not
    fit.
    """

    def __init__(self, spec: ModelSpec, kernels: Kernels) -> None:
        self.spec = spec
        self.kernels = kernels
        self.observables: dict[str, Callable[..., jax.Array]] = {
            name: self._point_function(kernel) for name, kernel in kernels.observables.items()
        }

    def __repr__(self) -> str:
        return f"<lagc system {self.spec.name}: {args.some_labels(self.spec)}>"

    def with_defaults(self, coefficients: Mapping[str, Any]) -> System:
        """The same system with other defaults of coefficients: numbers, by name.

        Raises `LagcError`: LAG503 for a name that is none, LAG504 for a value out of bounds, LAG505
        for what is not a number.
        """
        values = args.default_values(self.spec, coefficients)
        specs = tuple(
            replace(c, default=values[c.name], default_at=None) if c.name in values else c
            for c in self.spec.coefficients
        )
        return type(self)(replace(self.spec, coefficients=specs), self.kernels)

    @property
    def strategy(self) -> str:
        """How steps are solved unless `simulate` is told otherwise (lagc.base.strategies)."""
        return choose_way(self.spec, r=2)

    # --- trajectories -------------------------------------------------------------------------

    def simulate(
        self,
        q0: Any,
        v0: Any = None,
        *,
        p0: Any = None,
        coefficients: Mapping[str, Any] | None = None,
        inputs: Mapping[str, Any] | None = None,
        neural: Mapping[str, Any] | None = None,
        dt: Any = None,
        steps: int | None = None,
        times: Any = None,
        t0: Any = 0.0,
        r: int = 2,
        strategy: str | None = None,
        save_every: int = 1,
        save_at: Any = None,
        checkpoint: int = 0,
    ) -> Trajectory:
        """Integrate from q0 and v0 (or p0), each (..., dof), by the GGL map of order 2r + 2.

        Either `steps` steps of length `dt` (negative: backward) from `t0`, or one step between
        each two of the given `times`: (steps+1,). Returns a `Trajectory` with every step; with
        every k-th for `save_every` = k, which divides the number of steps; or, with `save_at`:
        (m,), at those times, from the polynomials of the steps (`lagc.runtime.dense`), for which
        all steps are kept in memory.

        strategy: how steps are solved, one of `lagc.base.strategies.WAYS`; the best for the model
        if None. checkpoint: reverse derivatives keep the state after every so many steps and take
        the steps between anew; 0 keeps all.

        A batch with one axis, of which an argument is spread over several devices by a
        `NamedSharding` of that axis, is run by all of them, and the result is spread alike.
        """
        plan = self._plan(
            q0,
            v0,
            p0,
            coefficients,
            inputs,
            neural,
            dt,
            steps,
            times,
            t0,
            r,
            strategy=strategy,
            save_every=save_every,
            save_at=save_at,
            checkpoint=checkpoint,
        )
        return run.simulate(self, plan)

    def attempt(self, q0: Any, v0: Any = None, **options: Any) -> tuple[Trajectory, jax.Array]:
        """As `simulate`, without the damped Newton iteration for steps that the chosen strategy
        does not solve, which is half of what a jitted run compiles: also whether it was not needed,
        (). Where it was, statuses are no step numbers, and the run is to be made with `simulate`.
        """
        names = ("p0", "coefficients", "inputs", "neural", "dt", "steps", "times")
        known = {name: options.pop(name, None) for name in names}
        t0, r = options.pop("t0", 0.0), options.pop("r", 2)
        return run.attempt(self, self._plan(q0, v0, **known, t0=t0, r=r, **options))

    def simulate_in_chunks(
        self, q0: Any, v0: Any = None, *, chunk: int, dt: Any, steps: int, **options: Any
    ) -> Iterator[Trajectory]:
        """The same steps as `simulate`, in pieces of at most `chunk` of them.

        The first piece is the initial state alone (one time level); each later one holds the ends
        of its steps. `status` counts steps from the start. Takes the options of `simulate` except
        `times`.
        """
        known = ("p0", "coefficients", "inputs", "neural", "t0", "r")
        for name in options:
            if name not in known:
                raise TypeError(f"simulate_in_chunks() has no option {name!r}")
        plan = self._plan(
            q0,
            v0,
            options.get("p0"),
            options.get("coefficients"),
            options.get("inputs"),
            options.get("neural"),
            dt,
            steps,
            None,
            options.get("t0", 0.0),
            options.get("r", 2),
        )
        return run.simulate_in_chunks(self, plan, clock.check_steps(chunk, plan.static.r)[0])

    def step(
        self,
        q: Any,
        p: Any,
        t: Any = 0.0,
        *,
        dt: Any,
        r: int = 2,
        coefficients: Mapping[str, Any] | None = None,
        inputs: Mapping[str, Any] | None = None,
        neural: Mapping[str, Any] | None = None,
    ) -> Step:
        """One step of length dt from q and p, each (..., dof), at time t (...)."""
        plan = self._plan(q, None, p, coefficients, inputs, neural, dt, 1, None, t, r)
        return Step(*run.single_step(self, plan.static, plan.arrays, plan.signals, plan.neural))

    def residual(
        self,
        nodes: Any,
        p: Any,
        t: Any = 0.0,
        *,
        dt: Any,
        coefficients: Mapping[str, Any] | None = None,
        inputs: Mapping[str, Any] | None = None,
        neural: Mapping[str, Any] | None = None,
    ) -> jax.Array:
        """The discrete Euler-Lagrange residual of given node positions.

        nodes: (..., r+2, dof) at the Lobatto nodes of a step of length dt from time t;
        p: (..., dof), the momentum at its start. Returns (..., r+1, dof), zero on a solution:
        R_0 + p, R_1 .. R_r.
        """
        node_array = args.as_array(nodes, "nodes")
        if node_array.ndim < 2 or node_array.shape[-1] != self.spec.dof:
            raise fail(
                Code.LAG505,
                f"nodes have the shape {node_array.shape}; (..., r+2, {self.spec.dof}) is needed",
            )
        r = node_array.shape[-2] - 2
        q = node_array[..., 0, :]
        plan = self._plan(q, None, p, coefficients, inputs, neural, dt, 1, None, t, r, node_array)
        return run.residual(self, plan.static, plan.arrays, plan.signals, plan.neural)

    # --- functions of a point -----------------------------------------------------------------

    def lagrangian(self, q: Any, v: Any, t: Any = 0.0, **parameters: Any) -> jax.Array:
        """L(q, v, t): (...), from q and v (..., dof)."""
        return self._at_point(self.kernels.lagrangian, q, v, t, **parameters)

    def energy(self, q: Any, v: Any, t: Any = 0.0, **parameters: Any) -> jax.Array:
        """v.dL/dv - L: (...), from q and v (..., dof)."""
        return self._at_point(self.kernels.energy, q, v, t, **parameters)

    def momentum(self, q: Any, v: Any, t: Any = 0.0, **parameters: Any) -> jax.Array:
        """The nonconservative momentum pi = dL/dv + [dK/dq'_-]: (..., dof)."""
        return self._at_point(self.kernels.momentum, q, v, t, **parameters)

    def velocity(
        self,
        q: Any,
        p: Any,
        t: Any = 0.0,
        *,
        coefficients: Mapping[str, Any] | None = None,
        inputs: Mapping[str, Any] | None = None,
        neural: Mapping[str, Any] | None = None,
    ) -> jax.Array:
        """The v with momentum(q, v, t) = p: (..., dof); NaN where there is none."""
        plan = self._plan(q, None, p, coefficients, inputs, neural, 1.0, 1, None, t, 0)
        return run.velocity(self, plan.static, plan.arrays, plan.signals, plan.neural)

    def observable(self, name: str, q: Any, v: Any, t: Any = 0.0, **parameters: Any) -> jax.Array:
        """A declared observable by name: (...)."""
        if name not in self.observables:
            listed = ", ".join(self.observables) or "none"
            raise fail(Code.LAG505, f"`{name}` is not an observable of the model ({listed})")
        return self.observables[name](q, v, t, **parameters)

    def unwrap(self, trajectory: Trajectory) -> jax.Array:
        """Positions with the periods of `mod` coordinates put back in: (..., steps+1, dof)."""
        periods = jnp.array([0.0 if m is None else m for m in self.spec.moduli], trajectory.q.dtype)
        return trajectory.q + trajectory.winding * jnp.broadcast_to(periods, trajectory.q.shape)

    def initial_neural(self, key: jax.Array) -> dict[str, Any]:
        """A freshly drawn network for every neural slot, as declared in the model."""
        from lagc.runtime.networks import initial_network

        slots = self.spec.neural
        keys = jax.random.split(key, max(1, len(slots)))
        return {s.name: initial_network(s, k) for s, k in zip(slots, keys, strict=False)}

    def initial_state(self) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
        """q0 with v0 or p0 from the model's `initial` line, each (dof,); LAG501 if incomplete."""
        given = self.spec.initial_values

        def vector(labels: tuple[str, ...]) -> np.ndarray | None:
            if not any(label in given for label in labels):
                return None
            missing = [label for label in labels if label not in given]
            if missing:
                raise args.missing_initial_values(self.spec, missing)
            return np.array([given[label] for label in labels])

        q0 = vector(self.spec.labels)
        v0, p0 = vector(self.spec.velocity_labels), vector(self.spec.momentum_labels)
        if q0 is None:
            raise args.missing_initial_values(self.spec, list(self.spec.labels))
        if v0 is None and p0 is None:
            raise args.missing_initial_values(self.spec, list(self.spec.velocity_labels))
        return q0, v0, p0

    # --- inside -------------------------------------------------------------------------------

    def _plan(
        self,
        q0: Any,
        v0: Any,
        p0: Any,
        coefficients: Mapping[str, Any] | None,
        inputs: Mapping[str, Any] | None,
        neural: Mapping[str, Any] | None,
        dt: Any,
        steps: int | None,
        times: Any,
        t0: Any,
        r: int,
        nodes: jax.Array | None = None,
        strategy: str | None = None,
        save_every: int = 1,
        save_at: Any = None,
        checkpoint: int = 0,
    ) -> Plan:
        args.warn_if_single_precision()
        spec = self.spec
        if (v0 is None) == (p0 is None):
            raise fail(
                Code.LAG501,
                "give either velocities v0 or momenta p0"
                + (", not both" if v0 is not None else ""),
            )
        q = args.as_vector(q0, "q0", spec)
        second = args.as_vector(v0 if p0 is None else p0, "v0" if p0 is None else "p0", spec)
        dtype = jnp.promote_types(q.dtype, second.dtype)
        arrays: dict[str, tuple[jax.Array, int]] = {
            "q": (q.astype(dtype), 1),
            ("v" if p0 is None else "p"): (second.astype(dtype), 1),
        }
        if nodes is not None:
            arrays["nodes"] = (nodes.astype(dtype), 2)
        equal_steps = True
        if times is not None:
            if dt is not None or steps is not None:
                raise fail(Code.LAG509, "give either `times`, or `dt` and `steps`")
            grid = args.as_array(times, "times", dtype)
            if grid.ndim != 1 or grid.shape[0] < 2:
                raise fail(Code.LAG505, "`times` is one axis of at least two times")
            clock.check_grid(grid)
            steps, equal_steps = grid.shape[0] - 1, False
            arrays["times"] = (grid, 1)
        else:
            if dt is None or steps is None:
                raise fail(Code.LAG509, "a run needs `dt` and `steps`, or `times`")
            arrays["dt"] = (args.as_array(dt, "dt", dtype), 0)
            arrays["t0"] = (args.as_array(t0, "t0", dtype), 0)
            clock.check_dt(arrays["dt"][0])
            clock.check_start(arrays["t0"][0])
        steps, r = clock.check_steps(steps, r)
        own_axes = {c.name: 1 for c in spec.coefficients if c.site_dependent}
        for name, value in args.coefficient_values(spec, coefficients, dtype).items():
            arrays[f"coefficient {name}"] = (value, own_axes.get(name, 0))
        constants, signals = args.signal_functions(spec, inputs, dtype)
        for name, value in constants.items():
            arrays[f"input {name}"] = (value, 0)
        terms = args.neural_functions(spec, neural, dtype)
        way = choose_way(spec, r, strategy, equal_steps and save_at is None)
        save_every, checkpoint = clock.check_saving(save_every, checkpoint, steps)
        if save_at is not None:
            if save_every != 1:
                raise fail(Code.LAG509, "give either `save_at` or `save_every`")
            if "times" in arrays:
                clock.check_onward(arrays["times"][0])
            ends = clock.run_ends(arrays, steps)
            arrays["save at"] = (clock.save_times(save_at, ends, dtype), 1)
        options = {"way": way, "save_every": save_every, "checkpoint": checkpoint}
        plan = make_plan(arrays, signals, terms, r=r, steps=steps, **options)
        args.refuse_unmarked_samples(constants, plan.static.batch, steps)
        return plan

    def _at_point(
        self,
        kernel: Kernel,
        q: Any,
        v: Any,
        t: Any,
        coefficients: Mapping[str, Any] | None = None,
        inputs: Mapping[str, Any] | None = None,
        neural: Mapping[str, Any] | None = None,
    ) -> Any:
        args.warn_if_single_precision()
        q_array = args.as_vector(q, "q", self.spec)
        v_array = args.as_vector(v, "v", self.spec)
        dtype = jnp.promote_types(q_array.dtype, v_array.dtype)
        arrays = {
            "q": (q_array.astype(dtype), 1),
            "v": (v_array.astype(dtype), 1),
            "t": (args.as_array(t, "t", dtype), 0),
        }
        values = args.coefficient_values(self.spec, coefficients, dtype)
        constants, signals = args.signal_functions(self.spec, inputs, dtype)
        own = {c.name: 1 for c in self.spec.coefficients if c.site_dependent}
        arrays |= {f"coefficient {n}": (a, own.get(n, 0)) for n, a in values.items()}
        arrays |= {f"input {n}": (a, 0) for n, a in constants.items()}
        terms = args.neural_functions(self.spec, neural, dtype)
        arrays, batch = args.align_batch(arrays)

        def full(array: jax.Array, own: int) -> jax.Array:
            shape = array.shape[array.ndim - own :]
            array = jnp.broadcast_to(array, batch + shape)
            return jnp.moveaxis(array, -1, 0) if own else array

        time = full(*arrays["t"])
        sampled = {n: jax.vmap(f)(time.reshape(-1)).reshape(batch) for n, f in signals.items()}
        result = kernel(
            full(*arrays["q"]),
            full(*arrays["v"]),
            time,
            {n: full(*arrays[f"coefficient {n}"]) for n in values},
            {n: full(*arrays[f"input {n}"]) for n in constants} | sampled,
            {n: scalar(f) for n, f in terms.items()},
        )
        return jnp.moveaxis(result, 0, -1) if result.ndim > len(batch) else result

    def _point_function(self, kernel: Kernel) -> Callable[..., jax.Array]:
        def observable(q: Any, v: Any, t: Any = 0.0, **parameters: Any) -> jax.Array:
            """An observable of the model at q and v (..., dof): (...)."""
            result: jax.Array = self._at_point(kernel, q, v, t, **parameters)
            return result

        return observable
