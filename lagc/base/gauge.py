"""Words for what observations fix of a model's coefficients, shared by `lagc check` and a fit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from itertools import combinations
from math import lcm

_COUNTS = ("no", "one", "two", "three", "four", "five", "six")
_DECIMALS = 12
_MOST_EXCEPTIONS = 3
_LARGEST_DENOMINATOR = 360


def listed(names: Sequence[str], last: str = "and") -> str:
    """`a`, `a and b`, `a, b and c`."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} {last} {names[-1]}"


def signs(names: Sequence[str]) -> str:
    """What is open where coefficients may change their signs together."""
    return (
        f"the sign of {names[0]}" if len(names) == 1 else f"the signs of {listed(names)} together"
    )


def shift(signed: Sequence[str], by: Sequence[tuple[str, str]]) -> str:
    """What is open where phases may be shifted, and signs change with them; by: names and how far,
    a whole period where nothing else changes."""
    if not signed and len(by) == 1:
        return f"multiples of {by[0][1]} in {by[0][0]}"
    moved = [f"a shift of {name} by {amount}" for name, amount in by]
    return " with ".join([signs(signed), *moved] if signed else moved)


def exchange(names: Sequence[str]) -> str:
    """What is open where coefficients may be exchanged."""
    return f"which of {listed(names)} is which"


def counted(number: int) -> str:
    """A small number as a word."""
    return _COUNTS[number] if number < len(_COUNTS) else str(number)


def scale(names: Sequence[str], everything: Sequence[str]) -> str:
    """A factor that these coefficients can take up together, of all that the model has."""
    if len(names) == len(everything):
        return "the overall scale"
    return f"the common scale of {listed(names)}"


def not_seen(observed: str, name: str) -> str:
    """observed: what is observed, as a plural."""
    return f"{observed} do not depend on {name}"


def not_fixed(observed: str, what: str) -> str:
    """what: a scale."""
    return f"{observed} do not fix {what}"


def not_told(observed: str, names: Sequence[str]) -> str:
    """What can be exchanged."""
    if len(names) == 2:
        return f"{observed} do not tell {names[0]} from {names[1]}"
    return f"{observed} do not tell {listed(names)} apart"


def not_separate(observed: str, names: Sequence[str]) -> str:
    """What enters only in combinations."""
    return f"{observed} do not determine {listed(names)} separately"


def held(names: Sequence[str], choices: Sequence[Sequence[str]]) -> str:
    """What to hold of some coefficients: `a or b`, `two of a, b and c, not a with b`.

    choices: all sets of them that will do, or one where they are many.
    """
    size = len(choices[0])
    if size == 1:
        return listed(names, "or")
    others = [c for c in combinations(names, size) if c not in choices]
    if len(choices) == 1 or len(others) > _MOST_EXCEPTIONS:
        return f"{listed(choices[0])}, for instance" if others else listed(choices[0])
    exceptions = ", ".join(f"not {' with '.join(c)}" for c in others)
    return f"{counted(size)} of {listed(names)}" + (f", {exceptions}" if exceptions else "")


def product(
    powers: Iterable[tuple[str, Fraction]], growth: Iterable[tuple[str, Fraction]] = ()
) -> str:
    """A product of powers, and of exp(factor*name) for what is in `growth`, with whole exponents:
    `c2/c1`, `a^2/(b*c)`, `b*exp(a)`."""
    powers, growth = list(powers), list(growth)
    shared = lcm(*[p.denominator for _, p in powers])
    over = [_power(name, int(p * shared)) for name, p in powers if p > 0]
    under = [_power(name, int(-p * shared)) for name, p in powers if p < 0]
    if growth:
        over.append(f"exp({total([(name, x * shared) for name, x in growth])})")
    below = under[0] if len(under) == 1 else f"({'*'.join(under)})"
    return ("*".join(over) or "1") + (f"/{below}" if under else "")


def _power(name: str, exponent: int) -> str:
    return name if exponent == 1 else f"{name}^{exponent}"


def whole(factors: Sequence[Fraction]) -> list[Fraction]:
    """The same direction with the first number above 0, of whole numbers where those are small."""
    shared = lcm(*[x.denominator for x in factors])
    unit = Fraction(shared if shared <= _LARGEST_DENOMINATOR else 1)
    first = next((x for x in factors if x), unit)
    return [x * (unit if first > 0 else -unit) for x in factors]


def total(factors: Iterable[tuple[str, Fraction]]) -> str:
    """A sum with factors, `2*a - b + 3`; the name of 1 is empty."""
    text = ""
    for name, x in factors:
        multiple = f"{exact(abs(x))}*{name}" if name else exact(abs(x))
        multiple = name if name and abs(x) == 1 else multiple
        sign = ("-" if x < 0 else "") if not text else (" - " if x < 0 else " + ")
        text += sign + multiple
    return text


def exact(value: Fraction) -> str:
    """A whole number, a decimal where it ends soon, or a fraction."""
    for digits in range(_DECIMALS + 1):
        if (scaled := value * 10**digits).denominator == 1:
            whole, rest = divmod(abs(int(scaled)), 10**digits)
            sign = "-" if value < 0 else ""
            return f"{sign}{whole}" + (f".{rest:0{digits}d}" if digits else "")
    return str(value)
