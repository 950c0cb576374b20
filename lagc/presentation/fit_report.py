"""The report of a fit as one HTML page that needs no network: numbers, pictures, the model."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterator

from lagc.base.version import __version__
from lagc.driver import Compilation
from lagc.learn.fit_result import Estimate, FitResult
from lagc.presentation.document import Row, Section, Words
from lagc.presentation.html import page, section_lines
from lagc.presentation.model import lagrangian_section, motion_section
from lagc.presentation.naming import names_in

MOST_OUTLIERS = 50
UNSEEN = 1e-9  # singular values below this part of the largest are zero to round-off
_SMALL = 0.05  # components of a direction that are not worth a word


def fit_page(result: FitResult, compilation: Compilation, picture: bytes | None) -> str:
    """The page; picture: an SVG file of data, fit and residuals."""
    sections = [
        Section("fit", "Fit", tuple(_summary(result))),
        Section("coefficients", "Coefficients", tuple(_coefficients(result))),
        Section("gauge", "What the data do not fix", tuple(Words((s,)) for s in result.gauge)),
        Section("notes", "Notes", tuple(Words((s,)) for s in result.notes)),
        Section("residuals", "Residuals", tuple(_residuals(result))),
    ]
    after = [
        Section("outliers", "Outliers", tuple(_outliers(result))),
        Section("sensitivities", "Sensitivities", tuple(_sensitivities(result))),
        Section("correlation", "Correlation of the estimates", tuple(_correlation(result))),
        Section("states", "Initial states", tuple(_states(result))),
        lagrangian_section(compilation),
        motion_section(compilation),
    ]
    lines = [line for s in sections if s.rows for line in section_lines(s)]
    if picture is not None:
        encoded = base64.b64encode(picture).decode()
        lines.append(
            f'<img alt="data, fit and residuals" src="data:image/svg+xml;base64,{encoded}" '
            'style="max-width: 100%">'
        )
    names = names_in(row for s in after for row in s.rows)
    lines += [line for s in after if s.rows for line in section_lines(s, names)]
    return page(f"Fit of {result.model}", lines)


def with_digits(value: float, interval: tuple[float, float], least: int = 10) -> tuple[str, str]:
    """Value and interval with two digits of its half width, and at least so many of the value."""
    low, high = interval
    half = (high - low) / 2
    largest = max(abs(low), abs(high))
    digits = least
    if half > 0:
        needed = math.floor(math.log10(largest)) - math.floor(math.log10(half)) + 2
        digits = min(max(needed, digits), 17)
    ends = f"{low:.{digits}g} .. {high:.{digits}g}"
    return f"{value:.{digits}g}", ends if high > low else f"+- {half:.2g}"


def direction_text(names: tuple[str, ...], direction: tuple[float, ...]) -> str:
    """A direction as a product of powers of the coefficients."""
    parts = [
        f"{name}^{power:.2g}"
        for name, power in zip(names, direction, strict=True)
        if abs(power) > _SMALL
    ]
    return " ".join(parts)


def sensitivity_rows(result: FitResult) -> Iterator[tuple[str, str, str]]:
    """Singular value, relative error and direction, in words."""
    found = result.identification
    if found is None:
        return
    largest = max(found.singular_values, default=0.0)
    for value, direction in zip(found.singular_values, found.directions, strict=True):
        seen = value > UNSEEN * largest
        part = f"{1 / value:.2g}" if seen else "not known"
        shown = f"{value:.3g}" if seen else "0"
        yield shown, part, direction_text(found.names, direction)


def _summary(result: FitResult) -> Iterator[Row]:
    ended = "converged" if result.converged else "NOT CONVERGED: do not trust the intervals"
    names = ", ".join(curve.recording for curve in result.curves[:8])
    more = f" and {len(result.curves) - 8} more" if len(result.curves) > 8 else ""
    yield Words((f"{result.observations} observations in {names}{more}; {ended}.",))
    yield Words(
        (
            f"Loss: {result.loss}. AIC {result.aic:.6g}, BIC {result.bic:.6g}. Integrator of order "
            f"{result.order}, {result.substeps} steps between two rows. lagc {__version__}.",
        )
    )


def _coefficients(result: FitResult) -> Iterator[Row]:
    yield Words(("coefficient", "value", "std", "95 % interval"))
    for name, estimate in result.coefficients.items():
        yield Words((name, *_estimate(estimate, name in result.fixed)))


def _estimate(estimate: Estimate, fixed: bool) -> tuple[str, str, str]:
    if estimate.interval95 is None:
        reason = f"held ({estimate.held})" if estimate.held else "not known"
        return f"{estimate.value:.10g}", "-", "held" if fixed else reason
    value, interval = with_digits(estimate.value, estimate.interval95)
    return value, "-" if estimate.std is None else f"{estimate.std:.3g}", interval


def _residuals(result: FitResult) -> Iterator[Row]:
    yield Words(("channel", "rms residual", "noise", "error of discretisation"))
    for name, rms in result.residual_rms.items():
        noise = f"{result.noise[name]:.4g}" if name in result.noise else ""
        error = result.discretisation_error.get(name)
        yield Words((name, f"{rms:.4g}", noise, "" if error is None else f"{error:.2g}"))


def _outliers(result: FitResult) -> Iterator[Row]:
    if not result.outliers:
        return
    yield Words(("recording", "row", "t", "column", "observed", "predicted", "size / noise"))
    for o in result.outliers[:MOST_OUTLIERS]:
        numbers = (f"{o.observed:.6g}", f"{o.predicted:.6g}", f"{o.size:.3g}")
        yield Words((o.recording, str(o.row), f"{o.t:.6g}", o.column, *numbers))
    if len(result.outliers) > MOST_OUTLIERS:
        yield Words((f"and {len(result.outliers) - MOST_OUTLIERS} more",))


def _sensitivities(result: FitResult) -> Iterator[Row]:
    rows = list(sensitivity_rows(result))
    if not rows:
        return
    yield Words(
        (
            "Singular values of the sensitivities to relative changes of the coefficients, in "
            "standard deviations of the noise; what the initial states could do as well is taken "
            "out. Each product of powers is known to the relative error beside it.",
        )
    )
    yield Words(("singular value", "relative error", "product of powers"))
    yield from (Words(row) for row in rows)


def _correlation(result: FitResult) -> Iterator[Row]:
    found = result.identification
    if found is None or not found.correlated:
        return
    yield Words(("", *found.correlated))
    for name, row in zip(found.correlated, found.correlation, strict=True):
        yield Words((name, *(f"{x:.3f}" for x in row)))


def _states(result: FitResult) -> Iterator[Row]:
    for state in result.initial_states[:8]:
        yield Words((state.recording, f"t = {state.t:.10g}", "", ""))
        for label, estimate in list(state.values.items())[:64]:
            yield Words((label, *_estimate(estimate, fixed=False)))
