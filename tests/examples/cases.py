"""All examples that are compared with an independent integrator, by name."""

from __future__ import annotations

from tests.examples import chains, orbits, oscillators, pendulums
from tests.examples.harness import Example

EXAMPLES: dict[str, Example] = {
    example.name: example
    for module in (oscillators, pendulums, orbits, chains)
    for example in sorted(module.EXAMPLES, key=lambda e: e.name)
}
