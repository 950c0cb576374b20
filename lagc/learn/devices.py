"""Training on several devices and hosts: the members of a batch divided among them.

Every device draws the same coefficients and states, which costs nothing, and simulates and looks at
its own part of the members; weights and moments are the same everywhere, and XLA adds up the
gradients. What is drawn depends on the key alone, so that a run learns the same on any number of
devices, up to the order in which gradients are added. Source: jax's own sharding (`jax.shard_map`,
`jax.sharding`) and `jax.distributed`; there is no scheduler of our own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from lagc.base.codes import Code
from lagc.base.diagnostics import fail

MEMBERS = "members"
PARTS, WHOLE = PartitionSpec(MEMBERS), PartitionSpec()


@dataclass(frozen=True, eq=False)
class Devices:
    """The devices of a run, in the order in which they take their parts of a batch."""

    mesh: Mesh

    @classmethod
    def all(cls) -> Devices:
        """All devices that jax has, in every process."""
        return cls(Mesh(np.array(jax.devices()), (MEMBERS,)))

    @property
    def count(self) -> int:
        """Number of devices, over all processes."""
        return int(self.mesh.devices.size)

    @property
    def leads(self) -> bool:
        """Whether this process writes files and reports."""
        return jax.process_index() == 0

    def check(self, batch: int) -> None:
        """Raise LAG510 where a batch cannot be divided evenly."""
        if batch % self.count:
            more = -(-batch // self.count) * self.count
            raise fail(
                Code.LAG510,
                f"a batch of {batch} systems cannot be divided evenly among {self.count} devices",
                help=f"use a multiple of {self.count}: --batch {more}",
            )

    def divided(
        self, function: Callable[..., Any], taken: Any = PARTS, given: Any = PARTS
    ) -> Callable[..., Any]:
        """A function of arrays with a leading axis of members, each device on its own part.

        taken, given: how arguments and result lie on the devices, where not all are `PARTS`.
        """
        if self.count == 1:
            return function
        return jax.shard_map(
            function, mesh=self.mesh, in_specs=taken, out_specs=given, check_vma=False
        )

    def summed(self, function: Callable[..., Any], taken: Any) -> Callable[..., Any]:
        """A function whose results are sums over members, each device summing its own part."""
        if self.count == 1:
            return function
        return self.divided(
            lambda *arguments: jax.lax.psum(function(*arguments), MEMBERS), taken, WHOLE
        )

    def everywhere(self, tree: Any) -> Any:
        """The same arrays on every device; other leaves are left as they are."""
        if self.count == 1:
            return tree
        sharding = NamedSharding(self.mesh, WHOLE)
        return jax.tree_util.tree_map(
            lambda x: jax.device_put(np.asarray(x), sharding) if eqx.is_array(x) else x, tree
        )

    def here(self, tree: Any) -> Any:
        """Arrays that are the same everywhere, on this process's first device alone."""
        if self.count == 1:
            return tree
        return jax.tree_util.tree_map(
            lambda x: jnp.asarray(np.asarray(x)) if eqx.is_array(x) else x, tree
        )

    def wait(self, name: str) -> None:
        """Until every process has come to this place."""
        if jax.process_count() > 1:
            multihost_utils.sync_global_devices(name)


def connect(coordinator: str, processes: int, process: int) -> None:
    """Join other processes in one run; before anything is computed.

    coordinator: HOST:PORT of the first of them. Raises LAG510 where the numbers make no sense or
    nobody answers.
    """
    host, colon, port = coordinator.rpartition(":")
    if not (host and colon and port.isdigit() and 0 < int(port) < 65536):
        raise fail(Code.LAG510, f"the coordinator `{coordinator}` is not of the form HOST:PORT")
    if not 0 <= process < processes:
        raise fail(Code.LAG510, f"process {process} of {processes}: they are counted from 0 on")
    try:
        jax.distributed.initialize(coordinator, processes, process)
    except (RuntimeError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise fail(
            Code.LAG510, f"no connection to the coordinator {coordinator}: {reason}"
        ) from None
