"""Common set-up: 64-bit arithmetic, strict rank promotion, checked array annotations, and compiled
programs that all processes of a run of the suite share.
"""

from __future__ import annotations

import gc
import os
import shutil
import tempfile
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


def pytest_configure(config: pytest.Config) -> None:
    """Compiling is most of what the suite does, and the same programs come up in many tests. All
    workers and the processes that tests start take them from one folder, empty at the beginning.
    Tracing makes millions of objects that live on, and need not be gone through as often."""
    gc.set_threshold(50_000, 20, 100)
    if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
        folder = tempfile.mkdtemp(prefix="lagc-programs-")
        config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))
        os.environ["JAX_COMPILATION_CACHE_DIR"] = folder
        os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
        os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "0"
    jax.config.update("jax_compilation_cache_dir", os.environ["JAX_COMPILATION_CACHE_DIR"])
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", 0)


@pytest.fixture
def update_golden(request: pytest.FixtureRequest) -> bool:
    """Whether golden files are to be rewritten."""
    return bool(request.config.getoption("--update-golden"))


MOST_MAPS = 10000  # of the 65530 that Linux grants; a module of tests adds up to 15000


def memory_maps() -> int:
    """How many this process has."""
    path = Path("/proc/self/maps")
    return path.read_bytes().count(b"\n") if path.exists() else MOST_MAPS


@pytest.fixture(autouse=True, scope="module")
def free_compiled_code() -> Iterator[None]:
    """Compiled programs take memory maps, of which a process has a limited number; as long as there
    are enough, the next module need not trace again what it shares with this one."""
    yield
    if memory_maps() >= MOST_MAPS:
        jax.clear_caches()
