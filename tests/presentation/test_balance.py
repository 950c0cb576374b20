"""What the balance of the energy quotes is what is written, sign and brackets included."""

from __future__ import annotations

from lagc.presentation.document import Equation
from lagc.presentation.model import describe
from tests.mechanics.models import compile_text


def test_parts_of_the_balance_are_quoted_as_they_stand() -> None:
    c = compile_text(
        "coordinate q\ncoefficient c >= 0 = 1\ninput u\nL = q'^2/2  # a dash -\n"
        "force q = u  # another -\n"
        "K = q_+*q'_- * c - q_+*q'_-/3 -  # (\n    (q'_+*q_- + c*q'_+\n*q_-)\nK += (q_+*q_-)\n"
        "observable height = q^2\n"
    )
    document = describe(c)
    rows = [row for row in document.section("energy").rows if isinstance(row, Equation)]
    assert [row.remark for row in rows[2:]] == [
        "by `q_+*q'_- * c`",
        "by `-q_+*q'_-/3`",
        "by `-(q'_+*q_- + c*q'_+ *q_-)`",
        "by `(q_+*q_-)`",
        "by `force q = u`",
    ]
    assert len(document.section("observables").rows) == 1
