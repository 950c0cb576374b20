"""Texts that are made to be expensive, by what they are made of.

One is a megabyte, some are as large as a file or a statement may be, the others grow larger in some
other way than a model may.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from lagc.syntax.parser import LARGEST_FILE, LONGEST_STATEMENT, MOST_STATEMENTS

SIZE = LARGEST_FILE - 1000
LONG = 40_000

HEAD = "coordinate q\ncoefficient a = 1\ncoefficient b = 2\nL = q'^2\n"


def _lines(lines: Iterable[str], most: int = MOST_STATEMENTS - 10) -> str:
    """As many of the lines as fit into a file."""
    taken, length = [], 0
    for line in lines:
        length += len(line) + 1
        if length > SIZE or len(taken) == most:
            break
        taken.append(line)
    return "\n".join(taken) + "\n"


def _statement(start: str, parts: Iterable[str], joint: str, size: int = LONG) -> str:
    """One long statement."""
    taken, length = [], len(start)
    for part in parts:
        length += len(part) + len(joint)
        if length > size:
            break
        taken.append(part)
    return start + joint.join(taken) + "\n"


def _counted(form: str) -> Iterable[str]:
    return (form.format(k, k + 1, 2 * k + 3) for k in range(10**6))


def _chain(n: int) -> str:
    """A pendulum of n links."""
    lines = [f"coordinate th[{n}] mod 2*pi", "L = " + " + ".join(f"th'[{i}]^2" for i in range(n))]
    lines += [
        f"L += th'[{i}]*th'[{j}]*cos(th[{i}] - th[{j}])/{n}"
        for i in range(n)
        for j in range(i + 1, n)
    ]
    return "\n".join([*lines, "R = " + " + ".join(f"th'[{i}]^2" for i in range(n))]) + "\n"


def _lets(first: str, form: str, count: int, head: str = HEAD) -> str:
    """`let`s each of which holds the one before."""
    lines = [f"let x0 = {first}", *(f"let x{k + 1} = {form.format(k)}" for k in range(count))]
    return head + "\n".join(lines) + f"\nL += x{count}*q\n"


def _shared(first: str, form: str, count: int, coordinates: str = "q") -> str:
    """`let`s that hold the one before several times, in a potential: derivatives share parts."""
    lines = [f"coordinate {c}" for c in coordinates] + [f"let a0 = {first}"]
    lines += [f"let a{k + 1} = {form.replace('@', f'a{k}')}" for k in range(count)]
    kinetic = " + ".join(f"1/2*{c}'^2" for c in coordinates)
    return "\n".join([*lines, f"L = {kinetic} - a{count}"]) + "\n"


def _matrix(rows: int, columns: int, form: str) -> str:
    """A matrix whose entries are `form` with the numbers of row and column."""
    lines = [", ".join(form.format(i, j) for j in range(columns)) for i in range(rows)]
    return "(" + ", ".join(f"({line})" for line in lines) + ")"


def _nested(form: str, inner: str, depth: int) -> str:
    for _ in range(depth):
        inner = form.replace("@", inner)
    return inner


_PRIMES = [p for p in range(2, 4000) if all(p % d for d in range(2, int(p**0.5) + 1))]

CASES: dict[str, Callable[[], str]] = {
    # text
    "a megabyte": lambda: HEAD + "L += q\n" * 150_000,
    "comment": lambda: HEAD + "#" * (SIZE - len(HEAD)),
    "blank lines": lambda: HEAD + "\n" * (SIZE - len(HEAD)),
    "brackets": lambda: "L = " + "(" * LONGEST_STATEMENT,
    "closing brackets": lambda: ")\n" * (SIZE // 2),
    "open brackets in lines": lambda: _lines(["let a = ("] * 10**6),
    "statements": lambda: HEAD + _lines(["L += q"] * 10**6, 10**6),
    "bytes": lambda: "\0" * SIZE,
    "long names": lambda: HEAD + "".join(f"coefficient {'x' * 190_000}\n" for k in range(1)),
    "unknown long names": lambda: HEAD + f"L += {'x' * 90_000}*{'y' * 90_000}\n",
    # declarations
    "coordinates": lambda: _lines([*_counted("coordinate q{0}")]) + "L = q0'^2\n",
    "vectors": lambda: "".join(f"coordinate r{k}[64]\n" for k in range(200))
    + "L = " + " + ".join(f"dot(r{k}', r{k}')" for k in range(200)) + "\n",
    "coefficients": lambda: HEAD + _lines(_counted("coefficient c{0} = {1}")),
    "constants": lambda: HEAD + _lines(_counted("constant c{1} = c{0} + 1")),
    "unused lets": lambda: HEAD + _lines(_counted("let c{0} = q")),
    "duplicates": lambda: HEAD + _lines(["let c = q"] * 10**6),
    "observables": lambda: HEAD + _lines(_counted("observable o{0} = q*{1}"), 1200),
    "inputs": lambda: HEAD + _lines(_counted("input u{0}")),
    "networks": lambda: HEAD + _lines(_counted("neural V{0}(q) = mlp(8)")),
    "unknown names": lambda: HEAD
    + "".join(f"coefficient some_name_{k} = 1\n" for k in range(2000))
    + _lines(_counted("L += some_name__{0}x*q"), 1900),
    "network of many": lambda: "coordinate r[64]\ncoordinate s[64]\n"
    "neural V(r, s, r', s') = mlp(8)\nL = dot(r', r') + dot(s', s') + V(r, s, r', s')\n",
    "mixtures": lambda: HEAD + "coefficient c = 1 ~ "
    + _statement("mixture(", [f"1/{10**5}: {k}" for k in range(10**5)], ", ") + ")",
    # sums and products
    "contributions": lambda: HEAD + _lines(_counted("L += {0}*a*q"), 1500),
    "terms": lambda: HEAD
    + _statement("L += ", _counted("q^{0}*a"), " + ", LONGEST_STATEMENT - 1000),
    "different terms": lambda: HEAD
    + "".join(_statement("L += ", _counted(f"{k}*sin({{0}}*q)"), " + ") for k in range(1)),
    "factors": lambda: HEAD + _statement("L += ", _counted("(q + {1})"), "*"),
    "quotients": lambda: HEAD + _statement("L += 1/", _counted("(q + {1})"), "/"),
    "long product of coordinates": lambda: "coordinate r[64]\nL = dot(r', r') + "
    + "*".join(f"sin(r[{k % 64}] + {k})" for k in range(700)) + "\n",
    "coupling": lambda: HEAD + _statement("K = ", _counted("{1}*q'_+*q_-"), "*"),
    "powers of sums": lambda: HEAD + "L += (q + a + b + 1)^1024*(q - a)^1023/(q + b)^1022\n",
    "powers of numbers": lambda: HEAD + "L += q*(sqrt(2) + sqrt(3) + 1)^1024\n",
    # numbers
    "long numbers": lambda: HEAD + _statement("L += q*", ["9" * 399] * 10**4, "*"),
    "long quotients": lambda: HEAD + _statement("L += q*", ["9" * 399] * 10**4, "/"),
    "harmonic sum": lambda: HEAD + _statement("L += q*(1", _counted("1/{2}"), " + ") + ")",
    "long sum of fractions": lambda: HEAD
    + _statement("L += a*q", (f"a*q/{10**80 + 2 * k + 1}" for k in range(10**5)), " + "),
    "squares of numbers": lambda: _lets("3", "x{0}*x{0}", 60),
    "squares of constants": lambda: HEAD + "constant x0 = 3\n"
    + "".join(f"constant x{k + 1} = x{k}*x{k}\n" for k in range(60)) + "L += x60*q\n",
    "products of constants": lambda: HEAD
    + "".join(f"constant c{k} = {'9' * 390}.{k}^3\n" for k in range(200))
    + _statement("L += q*", (f"c{k % 200}" for k in range(10**5)), "*"),
    "powers of a constant": lambda: HEAD + "constant c = 1.5\nlet x0 = c\n"
    + "".join(f"let x{k + 1} = x{k}*x{k}\n" for k in range(60)) + "L += x60*q\n",
    "roots": lambda: HEAD + "L += q*abs(" + " + ".join(f"sqrt({p})" for p in _PRIMES[:200]) + ")\n",
    "roots that cancel": lambda: HEAD
    + "L += q*abs(" + " - ".join(f"sqrt({p})*sqrt({p + 1})" for p in _PRIMES[:30]) + ")\n",
    "nested roots": lambda: HEAD + f"L += q*{_nested('sqrt(2 + @)', '2', 60)}\n",
    "functions of numbers": lambda: HEAD + f"L += q*{_nested('sin(cos(@))', '2', 30)}\n",
    "large angles": lambda: HEAD + "L += q*(sin(10^300) + cos(9^999) + tan(pi*7^300/11^280))\n",
    # growth
    "lets": lambda: _lets("q", "x{0} + x{0}^2", 60),
    "lets of functions": lambda: _lets("q", "sin(x{0})*cos(x{0})", 15),
    "lets backwards": lambda: HEAD
    + "".join(f"let x{k} = x{k + 1} + q\n" for k in range(60)) + "let x60 = a\nL += x0\n",
    "shared lets": lambda: _shared("q + 1", "@*@ + sin(@)", 13),
    "shared lets of two": lambda: _shared("q + p + q'*p'", "@*@ + sin(@)", 12, "qp"),
    "shared quotients": lambda: _shared("q + p + q'*p'", "@/(1 + @^2)", 13, "qp"),
    "shared products": lambda: _shared("q + p + q'*p'", "cos(@)*(@ + 2)", 13, "qp"),
    "shared roots": lambda: _shared("q + p + q'*p'", "sqrt(1 + @*sin(@))", 13, "qp"),
    "shared branches": lambda: _shared("q + p", "@ + if(@ > 0, @^3, 0)", 8, "qp"),
    "shared symbolic powers": lambda: "coefficient n = 3\n"
    + _shared("q + p + 1", "@^n + sin(@)", 12, "qp"),
    "shared coupling": lambda: _shared("q_+ + 1", "@*@ + sin(@)", 13).replace(
        " - ", "\nK = q_-*"
    ),
    "shared observable": lambda: _shared("q + 1", "@*@ + sin(@)", 13).replace(
        "- a13", "- q^2\nobservable o = a13"
    ),
    "shared on a lattice": lambda: _shared("phi[i] + phi[i+1]", "@*@ + sin(@)", 12).replace(
        "coordinate q\n", "index i in 0..9999 periodic\ncoordinate phi[i]\n"
    ).replace("L = 1/2*q'^2 - a12", "L = sum(i, 1/2*phi'[i]^2 - a12)"),
    "wide lets": lambda: HEAD + _statement("let x = ", _counted("sin({0}*q)"), " + ", 50_000)
    + "L += x*x*x + x^2 + sin(x)*cos(x)*exp(x)\nK = x*q_-\n",
    "norms": lambda: "coordinate r[3]\nL = dot(r', r') + "
    + _nested("norm((@, r[0], r[1]*r[2]))", "1", 30) + "\n",
    "nested functions": lambda: HEAD + f"L += {_nested('sin(@)', 'q', 45)}\n",
    "nested products": lambda: HEAD + f"L += {_nested('sin(q*@)', 'q', 40)}\n",
    "powers of powers": lambda: HEAD + f"L += {_nested('q^(@)', 'q', 30)}\n",
    "roots of squares": lambda: HEAD + f"L += {_nested('sqrt(a*q^100*@)', 'q', 30)}\n",
    "hyperbolic powers": lambda: HEAD + "L += atan(cosh(q^100))/(1 + sinh((q + a)^99))\n",
    "hyperbolic roots": lambda: HEAD + "L += tanh(sqrt((a*b*q)^100))*sinh(sqrt((a*q')^99))\n",
    "kinks": lambda: HEAD + f"L += {_nested('min(@, a*q)', 'q', 60)}\n",
    "many kinks": lambda: HEAD + _statement("K = q_-*(", _counted("abs(q_+ - {0})"), " + ") + ")",
    # branches
    "tower of branches": lambda: HEAD
    + f"L += {_nested('if(q > @, (q - 1)^2, @)', 'a', 5)}\n",
    "chain of branches": lambda: HEAD
    + "L += " + "".join(f"if(q > {k}, (q - {k})^3 + " for k in range(50)) + "0" + ", 0)" * 50,
    "many branches": lambda: HEAD
    + _statement("L += ", _counted("if(q > {0}, (q - {0})^3, 0)"), " + "),
    "branches that never switch": lambda: HEAD
    + _statement("L += ", _counted("if(q^2 + {1} > 0, q^{1}, 0)"), " + ", 4000),
    "branches of many coordinates": lambda: "coordinate r[64]\nlet s = dot(r, r)\n"
    "L = dot(r', r') + if(s > 1, (s - 1)^3, 0)\n",
    "long condition": lambda: HEAD
    + "force q = if(" + " and ".join(f"(q > {k} or q' < {k})" for k in range(400)) + ", 1, 0)\n",
    "conditions on numbers": lambda: HEAD + "L += q*"
    + "*".join(f"if(sqrt({p}) > sqrt({p + 1}), 2, 3)" for p in _PRIMES[:300]) + "\n",
    "chosen matrices": lambda: HEAD
    + f"let m = {_matrix(40, 40, 'q^{0}*{1}')}\nlet n = {_matrix(40, 40, 'q*{0}/{1}1')}\n"
    + "let k = " + _nested("if(q > @, m, n)[0][1]", "1", 30) + "\nL += k\n",
    "widths": lambda: HEAD
    + f"L += smooth_abs(q, {_nested('sqrt(2 + @*a^2 + b^2)', 'exp(a)', 20)})\n",
    "smooth functions": lambda: HEAD + f"L += {_nested('smooth_max(@, q, 1/9)', 'q', 30)}\n",
    # vectors and matrices
    "powers of a matrix": lambda: HEAD
    + f"let m = {_matrix(8, 8, 'sin(q*{0} + {1})')}\nlet x0 = m\n"
    + "".join(f"let x{k + 1} = x{k}*x{k}\n" for k in range(30)) + "L += x30[0][0]\n",
    "powers of a matrix of numbers": lambda: HEAD
    + f"constant m = {_matrix(3, 3, '1/1{0}{1}7')}\nconstant x0 = m*m\n"
    + "".join(f"constant x{k + 1} = x{k}*x{k}\n" for k in range(30)) + "L += x30[0][0]*q\n",
    "product of large matrices": lambda: HEAD
    + f"constant m = {_matrix(100, 100, '{0}.{1}')}\nL += (m*m)[0][0]*q\n",
    "scalar product of fractions": lambda: HEAD
    + "L += q*" + _statement("dot((", (f"1/{2 * k + 3}" for k in range(4000)), ", ")[:-1]
    + "), (" + ", ".join(f"1/{2 * k + 5}" for k in range(4000)) + "))\n",
    "entries of a constant matrix": lambda: HEAD
    + f"constant m = {_matrix(60, 60, '{0}.{1}')}\n"
    + _statement("L += q*(", (f"m[{k % 60}][7]" for k in range(10**5)), " + ")[:-1] + ")\n",
    "coupled by a matrix": lambda: "coordinate r[64]\n"
    + f"constant m = {_matrix(64, 64, '{0}.{1}')}\n" + "L = dot(r', r') - dot(r, m*r)\n",
    # units
    "units": lambda: "coordinate q [m]\nconstant x0 = 2 [m]\n"
    + _lines(f"constant x{k + 1} = x{k}*x{k}" for k in range(60))
    + "L = q'^2 + x60/x60*q\n",
    "powers of units": lambda: "coordinate q [m^64/kg^64]\nconstant x0 = 2 [km^64*s^-64]\n"
    + "L = q'^64 + (x0*q)^1024\n",
    "long unit": lambda: "coordinate q ["
    + _statement("", ["km^64", "s^-64", "kg^7"] * 10**4, "*")[:-1] + "]\nL = q'^2\n",
    "units of many": lambda: _lines(_counted("constant c{0} = {1} [m^2/s^2]"), 3000)
    + "coordinate q [m]\nL = q'^2*" + "*".join(f"c{k}" for k in range(3000)) + "\n",
    # files
    "uses": lambda: HEAD + _lines(_counted('use "other{0}.lag"')),
    # coordinates
    "pendulum of 64 links": lambda: _chain(64),
    "all coupled": lambda: "coordinate r[64]\nlet s = dot(r, r) + dot(r', r')\n"
    "L = dot(r', r') + sin(s)*exp(s)/(1 + s^2)\nR = dot(r', r')*s\n",
    "two hundred coordinates": lambda: "".join(f"coordinate q{k}\n" for k in range(200))
    + "L = " + " + ".join(f"q{k}'^2*(1 + q{k}^2)" for k in range(200)) + "\n",
    # lattices
    "sums over sites": lambda: "index i in 0..999999 free\ncoordinate phi[i]\n"
    "L = sum(i, phi'[i]^2)\n"
    + "".join(f"L += sum(i in {7 * k}..{9 * k + 5}, phi[i]^2)\n" for k in range(3000)),
    "single sites": lambda: "index i in 0..999999 free\ncoordinate phi[i]\n"
    "L = sum(i, phi'[i]^2)\n" + "".join(f"L += phi[{90 * k}]^2\n" for k in range(3000)),
    "fields": lambda: "index i in 0..999999 periodic\n"
    + "".join(f"coordinate f{k}[i]\n" for k in range(60))
    + "".join(f"L += sum(i, f{k}'[i]^2 + f{k}[i-16]*f{k}[i+16])\n" for k in range(60)),
    "far neighbours": lambda: "index i in 0..999999 periodic\ncoordinate phi[i]\n"
    "L = sum(i, phi'[i]^2 + sin("
    + "*".join(f"phi[i{s:+d}]" for s in range(-16, 17) if s) + "))\n",
}  # fmt: skip

# What takes five seconds or more, and is left to `python -m tests.fuzz.limited`.
HEAVY = ("pendulum of 64 links", "all coupled", "two hundred coordinates")
