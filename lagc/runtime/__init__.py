"""What generated modules import: the integrator and the face of a compiled model.

jax and numpy only; neither sympy nor lark is imported from here.
"""

from __future__ import annotations

from lagc.runtime.bits import same_bits
from lagc.runtime.nodes import (
    assemble,
    at_all_sites,
    everywhere,
    field_around,
    field_at,
    held,
    lattice_bands,
    lattice_vector,
    neural_term,
    site_numbers,
    step,
    total,
    values_around,
    values_at,
    values_from,
)
from lagc.runtime.priors import LogUniform, Mixture, Normal, Point, Prior, Uniform
from lagc.runtime.signals import Samples
from lagc.runtime.spec import (
    CoefficientSpec,
    CoordinateSpec,
    FactSpec,
    Kernels,
    LatticeSpec,
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
    "LatticeSpec",
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
    "at_all_sites",
    "describe_status",
    "everywhere",
    "field_around",
    "field_at",
    "held",
    "lattice_bands",
    "lattice_vector",
    "neural_term",
    "same_bits",
    "site_numbers",
    "step",
    "tableau",
    "total",
    "values_around",
    "values_at",
    "values_from",
]
