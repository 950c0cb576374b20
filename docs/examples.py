"""The gallery docs/examples.md and the table of examples in README.md: `make examples`."""

from __future__ import annotations

import re
from pathlib import Path

from lagc.base.spans import Source
from lagc.driver import read_source

PAGE = Path(__file__).with_suffix(".md")
README = Path(__file__).resolve().parents[1] / "README.md"
FOLDER = Path(__file__).resolve().parents[1] / "examples"

# Those whose checks are not in tests/examples, and what they pass.
ELSEWHERE = {
    "dho": "Orders 2 to 8 against the exact solution, from its own family "
    "(tests/runtime/test_orders.py, docs/verification.md).",
    "double_pendulum": "Orders 2 to 8 against heyoka's Taylor integrator "
    "(tests/runtime/test_orders.py, docs/verification.md).",
    "driven": "All ways of solving its steps give the same motion "
    "(tests/runtime/test_strategies.py); its code interpreted with 50 digits agrees with the "
    "equations (tests/lower/test_values.py).",
    "neural_pendulum": "Derivatives with respect to the weights of its networks agree with "
    "differences (tests/runtime/test_derivatives.py).",
    "poynting_robertson": "Orders 2 to 8 against heyoka's Taylor integrator "
    "(tests/runtime/test_orders.py, docs/verification.md).",
    "wave": "The generated code is checked in and does not grow with the number of sites "
    "(tests/emit/test_lattice_modules.py).",
}


def title(name: str) -> str:
    """The first line of an example, without its comment sign."""
    return (FOLDER / f"{name}.lag").read_text(encoding="utf-8").splitlines()[0].lstrip("# ")


def names() -> list[str]:
    """All examples."""
    return sorted(path.stem for path in FOLDER.glob("*.lag"))


def table() -> str:
    """The table of README.md."""
    rows = [f"| [{name}](examples/{name}.lag) | {title(name)} |" for name in names()]
    return "\n".join(["| example | shows |", "|---|---|", *rows, ""])


def gallery() -> str:
    """The text of docs/examples.md."""
    from tests.examples.cases import EXAMPLES

    parts = [
        "# Examples",
        "",
        "The programs in [examples/](../examples). Where a `run` line is quoted, the suite runs",
        "it and compares with SciPy's DOP853 on equations of motion written out by hand: the",
        "number is the bound of the error in positions and velocities, relative to the largest,",
        "and at half the step the error is smaller by 2^order. The sentence after it is a check",
        "of the physics.",
        "Made by `make examples`; the checks are in [tests/examples](../tests/examples).",
        "",
        "    lagc run examples/pendulum.lag --plot pendulum.png",
        "",
    ]
    for name in names():
        source = read_source(FOLDER / f"{name}.lag")
        parts += [f"## [{name}](../examples/{name}.lag)", "", *_introduction(source), ""]
        example = EXAMPLES.get(name)
        if example is None:
            parts += [f"*Checked:* {ELSEWHERE[name]}", ""]
            continue
        said = re.sub(r"\s+", " ", example.check.__doc__ or "").strip()
        run = re.search(r"^run (.*?)\s*(#.*)?$", source.text, re.MULTILINE)
        assert run is not None and said.endswith(".")
        parts += [
            f"*Checked:* `run {run[1]}` to {example.tolerance:.0e}. {said}".replace("e-0", "e-"),
            "",
        ]
    return "\n".join(parts)


def _introduction(source: Source) -> list[str]:
    """The comment at the head of an example."""
    lines = []
    for line in source.text.splitlines():
        if not line.startswith("#"):
            break
        lines.append(line[1:].removeprefix(" "))
    return [lines[0] + ".", *lines[1:]]


def main() -> None:
    """Writes the gallery and the table."""
    PAGE.write_text(gallery(), encoding="utf-8")
    readme = README.read_text(encoding="utf-8")
    old = re.search(r"^\| example \|.*?\n(?=[^|])", readme, re.DOTALL | re.MULTILINE)
    assert old is not None
    README.write_text(readme.replace(old[0], table()), encoding="utf-8")


if __name__ == "__main__":
    main()
