"""A `Program` evaluated in mpmath: what its instructions mean, apart from any back end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import mpmath as mp

from lagc.lower.program import Instruction, NeuralCall, Program, Variable

OPERATIONS: dict[str, Callable[..., Any]] = {
    "neg": lambda x: -x,
    "add": lambda x, y: x + y,
    "sub": lambda x, y: x - y,
    "mul": lambda x, y: x * y,
    "div": lambda x, y: x / y,
    "pow": mp.power,
    "sqrt": mp.sqrt,
    "sin": mp.sin,
    "cos": mp.cos,
    "tan": mp.tan,
    "asin": mp.asin,
    "acos": mp.acos,
    "atan": mp.atan,
    "sinh": mp.sinh,
    "cosh": mp.cosh,
    "tanh": mp.tanh,
    "asinh": mp.asinh,
    "acosh": mp.acosh,
    "atanh": mp.atanh,
    "exp": mp.exp,
    "log": mp.log,
    "atan2": mp.atan2,
    "abs": abs,
    "sign": mp.sign,
    "step": lambda x: (mp.sign(x) + 1) / 2,
    "minimum": min,
    "maximum": max,
    "select": lambda side, x, y: x if side > 0 else y,
}


def interpret(
    program: Program,
    variables: Mapping[Variable, Any],
    neural: Callable[[NeuralCall, tuple[Any, ...]], Any] | None = None,
) -> dict[str, list[Any]]:
    """The entries of every output, in the working precision of mpmath."""
    values: list[Any] = []
    for instruction in program.instructions:
        operands = tuple(values[i] for i in instruction.operands)
        values.append(_value(instruction, operands, variables, neural))
    return {output.name: [values[i] for i in output.values] for output in program.outputs}


def _value(
    instruction: Instruction,
    operands: tuple[Any, ...],
    variables: Mapping[Variable, Any],
    neural: Callable[[NeuralCall, tuple[Any, ...]], Any] | None,
) -> Any:
    payload = instruction.payload
    if isinstance(payload, Variable):
        return variables[payload]
    if isinstance(payload, NeuralCall):
        assert neural is not None
        return neural(payload, operands)
    if instruction.operation == "constant":
        return mp.mpf(payload)
    return OPERATIONS[instruction.operation](*operands)
