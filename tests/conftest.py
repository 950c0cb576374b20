"""Common set-up: 64-bit arithmetic, strict rank promotion, checked array annotations."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import jax
import pytest
from jaxtyping import install_import_hook

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_numpy_rank_promotion", "raise")

# Annotated shapes in the integrator are checked while the suite runs (see test_canary.py).
with install_import_hook(
    ["lagc.runtime.equations", "lagc.runtime.solvers", "lagc.runtime.newton"], "beartype.beartype"
):
    import lagc.runtime  # noqa: F401

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "examples"


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--update-golden` rewrites the golden files from what the program does now."""
    parser.addoption("--update-golden", action="store_true", default=False)


@pytest.fixture
def update_golden(request: pytest.FixtureRequest) -> bool:
    """Whether golden files are to be rewritten."""
    return bool(request.config.getoption("--update-golden"))


@pytest.fixture(autouse=True, scope="module")
def free_compiled_code() -> Iterator[None]:
    """Compiled programs take memory maps, of which a process has a limited number."""
    yield
    jax.clear_caches()
