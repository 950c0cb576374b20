"""No text makes the compiler take more than ten seconds of processor time or two gibibytes.

The cases run in one process each, under limits that the kernel keeps (`tests.fuzz.limited`, which
runs the heaviest ones too).
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.fuzz.adversarial import CASES, HEAVY

# What every version refuses, by the code; the others compile, or are refused for another reason.
REFUSED = {
    "a megabyte": "LAG108",
    "brackets": "LAG108",
    "statements": "LAG108",
    "coordinates": "LAG108",
    "vectors": "LAG108",
    "duplicates": "LAG108",
    "unknown names": "LAG108",
    "factors": "LAG108",
    "quotients": "LAG108",
    "long product of coordinates": "LAG108",
    "long numbers": "LAG106",
    "long quotients": "LAG106",
    "harmonic sum": "LAG106",
    "squares of numbers": "LAG106",
    "squares of constants": "LAG106",
    "powers of a constant": "LAG106",
    "products of constants": "LAG108",
    "lets": "LAG108",
    "lets of functions": "LAG108",
    "shared quotients": "LAG108",
    "shared branches": "LAG108",
    "shared symbolic powers": "LAG108",
    "wide lets": "LAG108",
    "powers of powers": "LAG108",
    "hyperbolic powers": "LAG108",
    "single sites": "LAG108",
    "fields": "LAG108",
    "network of many": "LAG108",
    "many branches": "LAG108",
    "long condition": "LAG108",
    "chosen matrices": "LAG108",
    "smooth functions": "LAG108",
    "powers of a matrix": "LAG108",
    "powers of a matrix of numbers": "LAG106",
    "product of large matrices": "LAG108",
    "scalar product of fractions": "LAG106",
    "entries of a constant matrix": "LAG108",
    "coupled by a matrix": "LAG108",
    "units": "LAG106",
    "powers of units": "LAG246",
    "uses": "LAG231",
}


SOME = [case for case in CASES if case not in HEAVY]


@pytest.fixture(scope="module")
def outcomes() -> dict[str, dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.limited", *SOME],
        cwd=ROOT, capture_output=True, text=True, timeout=1200, check=True,
    )  # fmt: skip
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return {line["case"]: line for line in lines}


@pytest.mark.parametrize("case", SOME)
def test_what_is_made_to_be_expensive_is_not(case: str, outcomes: dict[str, Any]) -> None:
    found = outcomes[case]
    assert "wrong" not in found, found
    if case in REFUSED:
        assert REFUSED[case] in found["codes"]
