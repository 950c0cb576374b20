"""Every example against DOP853 on equations written by hand, and against what is known of it."""

from __future__ import annotations

import re

import numpy as np
import pytest

from docs.examples import ELSEWHERE, PAGE, gallery, table
from tests.conftest import EXAMPLES as FOLDER
from tests.conftest import ROOT
from tests.examples.cases import EXAMPLES
from tests.examples.harness import largest_error, reference, simulate, steps_of


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_moves_as_it_must(name: str) -> None:
    """The error is that of the method: within the tolerance, and 2^order smaller at half the
    step."""
    example = EXAMPLES[name]
    system = example.system()
    run = simulate(system, inputs=example.inputs)
    finer = simulate(system, 1, inputs=example.inputs)
    exact = reference(example, run)
    error, smaller = largest_error(run, exact), largest_error(finer, exact, every=2)
    assert error < example.tolerance < 10 * error, error
    order = example.order or 2 * steps_of(system)[2] + 2
    assert abs(np.log2(error / smaller) - order) < 0.35, (error, smaller)
    example.check(run)


def test_every_example_is_compared_or_named() -> None:
    files = {path.stem for path in FOLDER.glob("*.lag")}
    assert {*EXAMPLES} | {*ELSEWHERE} == files
    assert not {*EXAMPLES} & {*ELSEWHERE}


def test_the_gallery_is_current() -> None:
    """`make examples` writes it."""
    assert PAGE.read_text(encoding="utf-8") == gallery()


def test_the_readme_lists_every_example() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert table() in readme
    assert {*re.findall(r"\(examples/(\w+)\.lag\)", readme)} == {*EXAMPLES, *ELSEWHERE}
