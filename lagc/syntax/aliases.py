"""What functions and numbers of the language are called elsewhere."""

from __future__ import annotations

# What others call a function: `{0}`, `{1}` are its arguments, `{0!s}` an argument in brackets
# where it needs them.
CALLS = {
    "ln": "log({0})",
    "log10": "log({0})/log(10)",
    "log2": "log({0})/log(2)",
    "lg": "log({0})/log(10)",
    "expo": "exp({0})",
    "power": "[0]^[1]",
    "pow": "[0]^[1]",
    "square": "[0]^2",
    "cbrt": "[0]^(1/3)",
    "root": "sqrt({0})",
    "hypot": "sqrt([0]^2 + [1]^2)",
    **dict.fromkeys(("sinus", "sine"), "sin({0})"),
    **dict.fromkeys(("cosinus", "cosine"), "cos({0})"),
    **dict.fromkeys(("tangens", "tangent", "tg"), "tan({0})"),
    "arcsin": "asin({0})",
    "arccos": "acos({0})",
    "arctan": "atan({0})",
    "arcsinh": "asinh({0})",
    "arccosh": "acosh({0})",
    "arctanh": "atanh({0})",
    "arctan2": "atan2({0}, {1})",
    "sec": "1/cos({0})",
    "csc": "1/sin({0})",
    "cot": "1/tan({0})",
    "fabs": "abs({0})",
    "absolute": "abs({0})",
    "sgn": "sign({0})",
    "signum": "sign({0})",
    "length": "norm({0})",
    "magnitude": "norm({0})",
    "mag": "norm({0})",
    "inner": "dot({0}, {1})",
    "maximum": "max({0}, {1})",
    "minimum": "min({0}, {1})",
    "fmax": "max({0}, {1})",
    "fmin": "min({0}, {1})",
    "sech": "1/cosh({0})",
    "csch": "1/sinh({0})",
    "coth": "1/tanh({0})",
    "clip": "min(max({0}, {1}), {2})",
    "clamp": "min(max({0}, {1}), {2})",
    "relu": "max({0}, 0)",
    "ramp": "max({0}, 0)",
    "sigmoid": "1/(1 + exp(-[0]))",
    "logistic": "1/(1 + exp(-[0]))",
    "softplus": "log(1 + exp({0}))",
    "sinc": "sin({0})/[0]",
    "cube": "[0]^3",
    "exp2": "2^[0]",
    "expm1": "exp({0}) - 1",
    "log1p": "log(1 + {0})",
    "radians": "[0]*pi/180",
    "deg2rad": "[0]*pi/180",
    "rational": "[0]/[1]",
    "fraction": "[0]/[1]",
    "float": "{0}",
    "array": "{0}",
    "vector": "({all})",
    "vec": "({all})",
}

STEPS = frozenset(("heaviside", "unitstep", "step", "piecewise", "where"))
# Derivatives with respect to time, by any name.
DERIVATIVES = frozenset(("diff", "derivative", "der", "d", "dt", "ddt", "deriv", "dot"))

# Names that stand for something the language writes otherwise, and what that is.
NAMES = {
    "π": "pi",
    "Pi": "pi",
    "PI": "pi",
    "time": "t",
    "infinity": "inf",
    **dict.fromkeys(("oo", "infty", "Inf", "INF", "Infinity"), "inf"),
    "True": "1",
    "true": "1",
    "False": "0",
    "false": "0",
}

MODULES = (
    "np", "numpy", "math", "sp", "sympy", "jnp", "jax.numpy", "scipy", "cmath", "torch", "tf",
    "Math", "std", "mpmath", "mp",
)  # fmt: skip
FUNCTIONS = (
    "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh",
    "exp", "log", "sqrt", "abs", "sign", "norm",
)  # fmt: skip
GREEK = (
    "alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa",
    "lambda", "mu", "nu", "xi", "pi", "rho", "sigma", "tau", "upsilon", "phi", "chi", "psi",
    "omega", "Gamma", "Delta", "Theta", "Lambda", "Xi", "Pi", "Sigma", "Upsilon", "Phi", "Psi",
    "Omega", "varphi", "vartheta", "varepsilon", "ell", "hbar",
)  # fmt: skip


def renamed(function: str) -> str:
    """The language's name of a function whose name alone differs elsewhere; others as they are."""
    known = CALLS.get(function.casefold(), "")
    name, bracket, rest = known.partition("(")
    return name if bracket and "[" not in known and rest in ("{0})", "{0}, {1})") else function
