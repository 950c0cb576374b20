"""The syntax tree of a `.lag` file: what was written, where, and nothing about what it means.

Spans do not take part in equality, so two trees are equal when they say the same thing. Sums and
products are flat lists, so that a long sum is not a deep tree.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import TypeVar

from lagc.base.spans import Span


@dataclass(frozen=True, kw_only=True)
class Node:
    """Anything in the tree; `span` covers exactly the characters it was read from."""

    span: Span = field(compare=False, repr=False)


# --- expressions -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Number(Node):
    """An exact number; `text` is its literal as written (`0.10`), `value` what it is (1/10)."""

    text: str = field(compare=False)
    value: Fraction


@dataclass(frozen=True)
class Name(Node):
    """A name with its decorations: `q`, `q'` (primes=1), `q_+`, `q'_-` (side is `+`, `-` or empty).

    `primes` may exceed one; what that means (an error) is for semantics to say.
    """

    name: str
    primes: int = 0
    side: str = ""


@dataclass(frozen=True)
class Call(Node):
    """`name(arguments)`: a function, a neural term, a prior or a network.

    `condition` is the first argument of `if(x > 0, a, b)`; `arguments` are then those behind it.
    """

    name: str
    arguments: tuple[Argument, ...]
    name_span: Span = field(compare=False, repr=False)
    condition: Condition | None = None


@dataclass(frozen=True)
class Argument(Node):
    """An argument: plain, `keyword = value` (activation = tanh), `weight: value` in a mixture, or
    the index of a sum with its range, `i in 1..9` (`within` is its first and its last site)."""

    value: Expression
    keyword: str = ""
    weight: Expression | None = None
    within: tuple[Expression, Expression] | None = None


@dataclass(frozen=True)
class Index(Node):
    """`base[index]`."""

    base: Expression
    index: Expression


@dataclass(frozen=True)
class Tuple(Node):
    """A vector literal `(a, b, ...)` of at least two entries; a matrix is a vector of rows."""

    items: tuple[Expression, ...]


@dataclass(frozen=True)
class Negate(Node):
    """`-operand` (binds looser than `^`, tighter than `*`)."""

    operand: Expression


@dataclass(frozen=True)
class Power(Node):
    """`base^exponent`, right associative."""

    base: Expression
    exponent: Expression


@dataclass(frozen=True)
class Product(Node):
    """`a * b / c ...`, left associative: the first factor, then pairs of operator and factor."""

    first: Expression
    rest: tuple[tuple[str, Expression], ...]


@dataclass(frozen=True)
class Sum(Node):
    """`a + b - c ...`, left associative: the first term, then pairs of operator and term."""

    first: Expression
    rest: tuple[tuple[str, Expression], ...]


@dataclass(frozen=True)
class Comparison(Node):
    """`left > right`; `operator` is `<`, `<=`, `>` or `>=`."""

    left: Expression
    operator: str
    right: Expression


@dataclass(frozen=True)
class Junction(Node):
    """Conditions joined by `word`, which is `and` or `or`: at least two."""

    word: str
    parts: tuple[Condition, ...]


Condition = Comparison | Junction
Expression = Number | Name | Call | Index | Tuple | Negate | Power | Product | Sum


# --- statements ------------------------------------------------------------------------------


@dataclass(frozen=True)
class UnitFactor(Node):
    """A unit by name, to a power: `yr^-2`."""

    name: str
    exponent: Fraction


@dataclass(frozen=True)
class Unit(Node):
    """`[kg*m^2/s^2]`, the unit of a value or of a name; the pure number `[1]` has no factors."""

    factors: tuple[UnitFactor, ...]


@dataclass(frozen=True)
class Identifier(Node):
    """The name that a declaration introduces, with its own span."""

    name: str


@dataclass(frozen=True)
class ModelName(Node):
    """`model dho`"""

    name: Identifier


@dataclass(frozen=True)
class Coordinate(Node):
    """`coordinate theta[2] [rad] mod 2*pi`; `size` may name a lattice index (`phi[i]`)."""

    name: Identifier
    size: Expression | None
    modulus: Expression | None
    unit: Unit | None = None


@dataclass(frozen=True)
class Constant(Node):
    """`constant g = 9.8 [m/s^2]`, or `constant m[i] = 1 + i` along a lattice."""

    name: Identifier
    value: Expression
    index: Expression | None = None
    unit: Unit | None = None


@dataclass(frozen=True)
class Bound(Node):
    """One side of a range: `value` and whether it is excluded; `lower` says which side."""

    lower: bool
    strict: bool
    value: Expression


@dataclass(frozen=True)
class Coefficient(Node):
    """`coefficient c2 in [0, inf) = 1/2 ~ uniform(0, 20)`; an interval gives two bounds.

    `index` is the `i` of `coefficient k[i]`, which has a value at each site of a lattice, or the
    number of components in `coefficient k[3]`.
    """

    name: Identifier
    bounds: tuple[Bound, ...]
    default: Expression | None
    prior: Expression | None
    index: Expression | None = None
    unit: Unit | None = None


@dataclass(frozen=True)
class Input(Node):
    """`input u [N]`"""

    name: Identifier
    unit: Unit | None = None


@dataclass(frozen=True)
class Neural(Node):
    """`neural D(q, q') = mlp(32, 32, activation = softplus)`; `network` is a Call.

    `unit` is that of the output.
    """

    name: Identifier
    parameters: tuple[Name, ...]
    network: Expression
    unit: Unit | None = None


@dataclass(frozen=True)
class LatticeIndex(Node):
    """`index i in 0..49 periodic`; `ends` is `periodic`, `free` or empty."""

    name: Identifier
    first: Expression
    last: Expression
    ends: str


@dataclass(frozen=True)
class Let(Node):
    """`let s [AU] = norm(r_+)`"""

    name: Identifier
    value: Expression
    unit: Unit | None = None


@dataclass(frozen=True)
class Contribution(Node):
    """`L = ...`, `K += ...`, `R = ...`; `target` is `L`, `K` or `R`, `operator` `=` or `+=`."""

    target: str
    operator: str
    value: Expression
    target_span: Span = field(compare=False, repr=False)


@dataclass(frozen=True)
class Force(Node):
    """`force x = ...`; `target` is a Name or an Index of one."""

    target: Expression
    value: Expression


@dataclass(frozen=True)
class Observable(Node):
    """`observable height [m] = ...`"""

    name: Identifier
    value: Expression
    unit: Unit | None = None


@dataclass(frozen=True)
class Assignment(Node):
    """`q' = 0` in `initial`; the target is a Name or an Index (`theta'[0]`, `p[q]`)."""

    target: Expression
    value: Expression
    unit: Unit | None = None


@dataclass(frozen=True)
class Initial(Node):
    """`initial q = 1, q' = 0`"""

    assignments: tuple[Assignment, ...]


@dataclass(frozen=True)
class Run(Node):
    """`run until 100 step 0.1 order 6`; each clause may be absent, any order of clauses."""

    until: Expression | None
    step: Expression | None
    order: Expression | None
    until_unit: Unit | None = None
    step_unit: Unit | None = None


@dataclass(frozen=True)
class Constraint(Node):
    """`constraint x^2 + y^2 = l^2`: reserved."""

    left: Expression
    right: Expression


@dataclass(frozen=True)
class Use(Node):
    """`use "common.lag"`; `path` is what stands between the quotation marks."""

    path: str
    path_span: Span = field(compare=False, repr=False)


Statement = (
    ModelName
    | Coordinate
    | Constant
    | Coefficient
    | Input
    | Neural
    | LatticeIndex
    | Let
    | Contribution
    | Force
    | Observable
    | Initial
    | Run
    | Constraint
    | Use
)


@dataclass(frozen=True)
class File(Node):
    """A whole `.lag` file."""

    statements: tuple[Statement, ...]


S = TypeVar("S", bound=Node)


def of_kind(file: File, kind: type[S]) -> list[S]:
    """The statements of one kind, in their order."""
    return [statement for statement in file.statements if isinstance(statement, kind)]
