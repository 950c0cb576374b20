"""How much a model may cost to read and to differentiate, counted and not timed."""

from __future__ import annotations

from lagc.base.codes import Code
from lagc.base.diagnostics import fail
from lagc.base.spans import Span


class Work:
    """A budget in units of some twenty microseconds, such as one term of a sum costs.

    What is refused, and where, depends on the text alone.
    """

    def __init__(self, most: int, what: str, help: str) -> None:
        self.most = most
        self.what = what
        self.help = help
        self.spent = 0

    def spend(self, units: int, span: Span) -> None:
        """Count some units; raises LAG108 at `span` when they are too many."""
        self.spent += units
        if self.spent > self.most:
            raise fail(
                Code.LAG108,
                f"{self.what} more than {self.most} units of work",
                span,
                help=self.help,
            )


def reading() -> Work:
    """What the expressions of one model may cost to read."""
    return Work(
        100_000,
        "to read the expressions of the model takes",
        "a model may hold some thousand calls of functions, or a hundred thousand terms",
    )


def differentiating() -> Work:
    """What the derivatives of one model may cost."""
    return Work(
        100_000,
        "the derivatives of the model take",
        "fewer coordinates in one term, fewer factors in one product and shorter powers of sums "
        "give shorter derivatives",
    )
