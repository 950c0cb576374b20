"""The strict settings of the suite do fire."""

from __future__ import annotations

import warnings

import jax.numpy as jnp
import pytest
from jaxtyping import TypeCheckError

from lagc.runtime.newton import implicit_root


def test_shapes_are_checked() -> None:
    with pytest.raises(TypeCheckError):
        implicit_root(None, jnp.ones((2, 2)), None, jnp.array(True))  # type: ignore[arg-type]


def test_rank_promotion_raises() -> None:
    with pytest.raises(ValueError, match="rank_promotion"):
        jnp.ones((2, 2)) + jnp.ones(2)


def test_warnings_are_errors() -> None:
    with pytest.raises(UserWarning):
        warnings.warn("canary", stacklevel=1)
