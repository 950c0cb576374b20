"""What `|x|` stands for, which the declarations decide: the length of a vector or a magnitude."""

from __future__ import annotations

import re
from functools import lru_cache

from lagc.syntax.habits import pieced

_DECLARED = re.compile(
    pieced(
        r"^[ \t]*(?P<kind>coordinate|coefficient|constant|input|index)[ \t]+"
        r"(?P<name>NAME)(?P<size>\[[^\]\n]*\])?(?P<rest>[^\n#]*)"
    ),
    re.MULTILINE,
)
_COMPONENT = re.compile(pieced(r"NAME'*(?:_[+-])?\[[^\[\]]*\]"))
_NAMES = re.compile(pieced(r"(?P<name>NAME)(?P<called>[ \t]*\()?"))
_BOTH = "`norm(r)` for a vector, `abs(x)` for a number"


def magnitude(found: re.Match[str], model: str) -> tuple[str | None, str]:
    """`norm(r)` or `abs(x)` for `|...|`, with a help; no text where the shape is not certain."""
    inner = found["inner"].strip()
    vectors, scalars = _shapes(model)
    names = [(n["name"], n["called"]) for n in _NAMES.finditer(_COMPONENT.sub("0", inner))]
    smooth = "where a derivative at 0 is needed, as in L, write `smooth_abs(x, eps)`"
    if all(not called and name in scalars for name, called in names):
        return f"abs({inner})", smooth
    single = [name for name, _ in names if name in vectors]
    if len(single) == 1 and all(not called for _, called in names):
        return f"norm({inner})", ""
    return None, f"write {_BOTH}"


@lru_cache(maxsize=4)
def _shapes(model: str) -> tuple[frozenset[str], frozenset[str]]:
    """The names that are certainly vectors, and those that are certainly numbers."""
    vectors, scalars = set(), {"t", "pi"}
    for d in _DECLARED.finditer(model):
        plain = "(" not in d["rest"] if d["kind"] == "constant" else True
        if d["size"]:
            vectors.add(d["name"])
        elif plain:
            scalars.add(d["name"])
    return frozenset(vectors), frozenset(scalars - vectors)
