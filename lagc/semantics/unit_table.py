"""What the names of units mean: their dimension and their size in SI units.

The table is pint's, with its prefixes, and what astronomers use and pint lacks. pint looks up
single names; no text of the user reaches its parser of expressions. It is imported when the first
unit is looked up.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import Any

from lagc.base.diagnostics import did_you_mean

# Nominal values of IAU 2015 resolution B3 (exact), masses as (GM) over the G of CODATA 2018.
_G = 6.67430e-11
_ASTRONOMERS: dict[str, tuple[float, str]] = {
    "AU": (1.0, "astronomical_unit"),  # to pint `AU` is the absorbance unit
    "M_sun": (1.3271244e20 / _G, "kilogram"),
    "M_earth": (3.986004e14 / _G, "kilogram"),
    "M_jup": (1.2668653e17 / _G, "kilogram"),
    "R_sun": (6.957e8, "meter"),
    "R_earth": (6.3781e6, "meter"),
    "R_jup": (7.1492e7, "meter"),
    "L_sun": (3.828e26, "watt"),
}
_OTHER_SPELLINGS = {
    "Msun": "M_sun",
    "solar_mass": "M_sun",
    "Mearth": "M_earth",
    "earth_mass": "M_earth",
    "Mjup": "M_jup",
    "jupiter_mass": "M_jup",
    "Rsun": "R_sun",
    "solar_radius": "R_sun",
    "Rearth": "R_earth",
    "earth_radius": "R_earth",
    "Rjup": "R_jup",
    "Lsun": "L_sun",
    "solar_luminosity": "L_sun",
}
# fmt: off
_USUAL = (
    "m", "cm", "mm", "km", "um", "nm", "s", "ms", "min", "h", "hour", "day", "yr", "Myr", "Gyr",
    "kg", "g", "t", "N", "kN", "J", "kJ", "eV", "keV", "MeV", "GeV", "erg", "W", "kW", "Pa", "bar",
    "rad", "deg", "arcsec", "arcmin", "mas", "Hz", "kHz", "rpm", "K", "C", "A", "V", "ohm", "T",
    "F", "H", "pc", "kpc", "Mpc", "ly", "au", "u",
)
# fmt: on


USUAL_UNITS = (*_USUAL, *_ASTRONOMERS)  # what people write, for suggestions


class UnitError(Exception):
    """The name is not that of a unit that can be used; `hint` and `help` say what to write."""

    def __init__(self, message: str, hint: str = "", help: str = "") -> None:
        super().__init__(message)
        self.hint = hint
        self.help = help


@dataclass(frozen=True)
class NamedUnit:
    """A unit: exponents of its base dimensions (`[length]`, `[mass]`, ...) and its logarithm.

    `log_size` is the natural logarithm of the unit in SI units. Pure numbers have no dimension.
    """

    dimension: tuple[tuple[str, Fraction], ...]
    log_size: float


@cache
def look_up(name: str) -> NamedUnit:
    """The unit of a name; raises `UnitError`."""
    name = _OTHER_SPELLINGS.get(name, name)
    size, known = _ASTRONOMERS.get(name, (1.0, ""))
    made = _from_pint(known or _canonical(name), name)
    return NamedUnit(made.dimension, made.log_size + math.log(size))


@cache
def singular(name: str) -> str:
    """The name without the `s` of a plural: `day` for `days`; others as they are."""
    same = name.endswith("s") and set(_readings(name)) & set(_readings(name[:-1]))
    return name[:-1] if same else name


@cache
def _registry() -> Any:
    import pint

    return pint.UnitRegistry()


def _readings(name: str) -> tuple[tuple[str, str, str], ...]:
    """Prefix, unit and plural suffix of a name, every way that pint knows."""
    return tuple(_registry().parse_unit_name(name))


def _canonical(name: str) -> str:
    readings = _readings(name)
    if not readings:
        stem = name.rstrip("0123456789")
        power = f"did you mean `{stem}^{name[len(stem) :]}`?"
        hint = power if stem and stem != name and _readings(stem) else _meant(name)
        help = "" if hint else "a size or an index has no blank before its bracket: `r[n]`"
        raise UnitError(f"`{name}` is not a unit", hint, help)
    prefix, unit, _ = min(readings, key=lambda r: bool(r[0]))  # `au` itself before atto-u
    return prefix + unit


def _from_pint(canonical: str, name: str) -> NamedUnit:
    from pint.util import UnitsContainer

    registry = _registry()
    unit = UnitsContainer({canonical: 1})
    sizes = [registry.Quantity(x, unit).to_base_units().magnitude for x in (1.0, 2.0)]
    if not math.isclose(sizes[1], 2 * sizes[0], rel_tol=1e-12) or not sizes[0] > 0:
        raise UnitError(
            f"`{name}` is not proportional to other units and cannot stand in a product",
            help="units with a zero of their own and logarithmic ones are left out",
        )
    dimension = registry.Quantity(1.0, unit).dimensionality
    exponents = sorted((str(k), Fraction(v).limit_denominator(64)) for k, v in dimension.items())
    return NamedUnit(tuple(exponents), math.log(sizes[0]))


def _meant(name: str) -> str:
    known = [*_ASTRONOMERS, *_USUAL]
    case = [other for other in known if other.casefold() == name.casefold()]
    if case:
        return f"did you mean `{case[0]}`?"
    close = did_you_mean(name, known) if len(name) > 2 else ""
    units = (other for other in dir(_registry()) if _readings(other))
    return close or did_you_mean(name, [*_OTHER_SPELLINGS, *units])
