"""What generated modules import: the integrator and the face of a compiled model.

jax and numpy only; neither sympy nor lark is imported from here.
"""

from __future__ import annotations

from lagc.runtime.nodes import assemble, neural_term, step
from lagc.runtime.priors import LogUniform, Mixture, Normal, Point, Prior, Uniform
from lagc.runtime.signals import Samples
from lagc.runtime.spec import (
    CoefficientSpec,
    CoordinateSpec,
    FactSpec,
    Kernels,
    ModelSpec,
    NeuralSpec,
    RunSpec,
)
from lagc.runtime.system import Step, System
from lagc.runtime.tableau import Tableau, tableau
from lagc.runtime.trajectory import Trajectory, describe_status

__all__ = [
    "CoefficientSpec",
    "CoordinateSpec",
    "FactSpec",
    "Kernels",
    "LogUniform",
    "Mixture",
    "ModelSpec",
    "NeuralSpec",
    "Normal",
    "Point",
    "Prior",
    "RunSpec",
    "Samples",
    "Step",
    "System",
    "Tableau",
    "Trajectory",
    "Uniform",
    "assemble",
    "describe_status",
    "neural_term",
    "step",
    "tableau",
]
