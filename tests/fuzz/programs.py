"""Random programs that follow the grammar and, for the most part, the rules of names and shapes."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from lagc.semantics.functions import SCALAR_FUNCTIONS

_NUMBERS = ("0", "1", "2", "3", "1/2", "0.1", "2.5e-3", "7", "1/3", "40", "1e9", "pi")
_POWERS = ("2", "2", "2", "3", "4", "1/2", "3/2", "-1", "-2", "-1/2", "0.3", "10", "100", "0")
_BOUNDS = ("", "> 0", ">= 0", "in (0, inf)", "in [0, 1)", "in [-1, 1]", "< 5", "in (-3, 2/7]")
_LAWS = ("", "uniform(0, 1)", "normal(1/2, 1e-3)", "loguniform(0.01, 1)", "0.5",
         "mixture(0.25: 0.1, 0.75: uniform(0, 1))")  # fmt: skip
_UNITS = ("m", "kg", "km/s^2", "1", "rad", "m^(1/2)", "N*m", "deg", "furlong^64", "kg^-3/2")
_ENDS = ("", "free", "periodic")


def random_program(generator: random.Random) -> str:
    """A model of a few coordinates, or of a field on a lattice."""
    return _Writer(generator, lattice=generator.random() < 0.25).program()


@dataclass
class _Writer:
    """The names declared so far, by what they stand for."""

    random: random.Random
    lattice: bool
    scalars: list[str] = field(default_factory=list)
    vectors: dict[str, int] = field(default_factory=dict)
    fields: list[str] = field(default_factory=list)
    numbers: list[str] = field(default_factory=list)
    matrices: dict[str, tuple[int, int]] = field(default_factory=dict)
    units: bool = False
    inputs: list[str] = field(default_factory=list)
    networks: list[str] = field(default_factory=list)
    lets: list[str] = field(default_factory=list)

    def program(self) -> str:
        self.units = self.often(0.15)
        lines = self.declarations()
        if self.often(0.03):
            lines.append('use "other.lag"')
        for k in range(self.random.randrange(3)):
            lines.append(f"let z{k} = {self.scalar(2)}")
            self.lets.append(f"z{k}")
        lines.append(f"L = {self.kinetic()} + {self.total(self.random.randrange(1, 5))}")
        if self.often(0.5):
            lines.append(f"L += {self.total(3)}")
        if self.often(0.5):
            lines.append(f"K = {self.coupling()}")
        if self.often(0.3):
            lines.append(f"R = {self.dissipation()}")
        if self.often(0.3):
            lines.append(f"force {self.variable('')} = {self.scalar(2)}")
        if self.often(0.3):
            lines.append(f"observable out = {self.total(2)}")
        if self.often(0.3):
            lines.append(f"run until {self.number()} step 0.1 order {self.pick(('2', '6', '5'))}")
        if self.often(0.2):
            self.random.shuffle(lines)
        return "\n".join(lines) + "\n"

    def declarations(self) -> list[str]:
        lines = []
        if self.lattice:
            size = self.pick(("2", "5", "9", "30", "1000000"))
            lines.append(f"index i in {self.pick(('0', '1', '-3'))}..{size} {self.pick(_ENDS)}")
            self.fields = ["phi", "psi"][: 1 + self.random.randrange(2)]
            lines += [f"coordinate {name}[i]" for name in self.fields]
        else:
            self.scalars = ["q", "x", "E"][: self.random.randrange(4)]
            self.vectors = {"r": self.pick((2, 3))} if self.often(0.4) or not self.scalars else {}
            mod = " mod 2*pi" if self.often(0.2) else ""
            lines += [f"coordinate {name}{self.unit()}{mod}" for name in self.scalars]
            lines += [f"coordinate {n}[{size}]{self.unit()}" for n, size in self.vectors.items()]
        for name in ("m", "k")[: self.random.randrange(3)]:
            lines.append(f"constant {name} = {self.number()}{self.unit()}")
            self.numbers.append(name)
        if self.vectors and self.often(0.4):
            self.matrices["M"] = rows, columns = self.pick((2, 3)), self.vectors["r"]
            made = ", ".join(
                f"({', '.join(self.number() for _ in range(columns))})" for _ in range(rows)
            )
            lines.append(f"constant M = ({made})")
        if not self.lattice and self.often(0.1):
            lines.append(f"coefficient c[{self.pick((1, 2, 3))}] > 0 = 1/3")
            self.numbers.append("c[0]")
        for name in ("a", "beta")[: self.random.randrange(3)]:
            law, default = self.pick(_LAWS), self.pick(("", " = 1/2", " = 0.3"))
            bounds = self.pick(_BOUNDS)
            lines.append(f"coefficient {name} {bounds}{default}{' ~ ' + law if law else ''}")
            self.numbers.append(name)
        if self.often(0.2):
            lines.append("input u")
            self.inputs = ["u"]
        if self.often(0.2) and self.scalars:
            lines.append(f"neural V({self.scalars[0]}) = mlp(8, activation = tanh)")
            self.networks = ["V"]
        return lines

    def kinetic(self) -> str:
        if self.lattice:
            return " + ".join(f"sum(i, 1/2*{name}'[i]^2)" for name in self.fields)
        squares = [f"1/2*{name}'^2" for name in self.scalars]
        return " + ".join([*squares, *(f"dot({name}', {name}')/2" for name in self.vectors)])

    def total(self, depth: int) -> str:
        """A scalar; on a lattice a sum over sites."""
        if self.lattice and self.often(0.9):
            some = self.pick(("i", "i", "i in 1..2"))
            return f"sum({some}, {self.scalar(depth)})"
        return self.scalar(depth)

    def coupling(self) -> str:
        if self.lattice:
            name = self.pick(self.fields)
            plus, minus = self.at_site(name, "'_+"), self.at_site(name, "_-")
            return f"sum(i, -{self.number()}*{plus}*{minus})"
        name = self.pick(self.scalars or [f"{n}[0]" for n in self.vectors])
        stem, _, index = name.partition("[")
        index = f"[{index}" if index else ""
        plus = f"{stem}{self.pick(('', chr(39)))}_+{index}"
        minus = f"{stem}{self.pick(('', chr(39)))}_-{index}"
        factor = self.pick((plus, f"{plus}^3", f"sin({plus})", f"abs({plus})*{plus}", "1"))
        return f"-{self.number()}*{factor}*{minus}{self.pick(('', '', '*t', '^3', f' + {plus}'))}"

    def dissipation(self) -> str:
        velocity = self.variable("'")
        body = f"{self.number()}/2*{velocity}{self.pick(('^2', '^2', '^4', '', '^3/(1 + t^2)'))}"
        return f"sum(i, {body})" if self.lattice else body

    # --- expressions --------------------------------------------------------------------------

    def scalar(self, depth: int) -> str:
        if depth == 0 or self.often(0.15):
            return self.leaf()
        match self.random.randrange(11):
            case 10:
                return self.branches(depth)
            case 9 if self.matrices:
                return self.of_matrices(depth)
            case 0 | 1:
                return f"({self.scalar(depth - 1)} {self.pick('+-')} {self.scalar(depth - 1)})"
            case 2 | 3:
                return f"{self.scalar(depth - 1)}*{self.scalar(depth - 1)}"
            case 4:
                return f"{self.scalar(depth - 1)}/({self.scalar(depth - 1)})"
            case 5:
                return f"({self.scalar(depth - 1)})^({self.pick(_POWERS)})"
            case 6:
                function = self.pick(sorted(SCALAR_FUNCTIONS))
                arity = SCALAR_FUNCTIONS[function].arity
                return f"{function}({', '.join(self.scalar(depth - 1) for _ in range(arity))})"
            case 7 if self.vectors:
                return self.of_vectors(depth)
            case 7 if self.networks:
                return f"V({self.scalar(depth - 1)})"
            case 8 if self.often(0.3):
                return f"({self.scalar(depth - 1)})^({self.scalar(depth - 1)})"
            case _:
                return f"-{self.leaf()}"

    def branches(self, depth: int) -> str:
        """An `if`, often with branches that meet where it switches."""
        x, power = self.scalar(depth - 1), self.pick(("", "^2", "^3", "^3"))
        relation = self.pick((">", ">=", "<", "<="))
        if self.often(0.6):
            return f"if({x} {relation} 0, ({x}){power}*{self.leaf()}, {self.pick('01')}*({x}))"
        more = self.pick(("", f" and {self.leaf()} < 1", f" or ({self.leaf()} > {self.leaf()})"))
        return f"if({x} {relation} {self.leaf()}{more}, {self.scalar(depth - 1)}, {self.leaf()})"

    def of_matrices(self, depth: int) -> str:
        (rows, columns) = self.matrices["M"]
        made = f"({', '.join(self.scalar(depth - 1) for _ in range(columns))})"
        return self.pick(
            ("dot(r, M*r)", f"norm(M*{made})", "(transpose(M)*M*r)[0]", f"(M*{made})[{rows - 1}]",
             "(M*M)[0][0]", "M[1][0]", "dot(r', (M + M)/2*r)",
             f"if({self.leaf()} > 0, M, -M)[0][1]")
        )  # fmt: skip

    def of_vectors(self, depth: int) -> str:
        name, size = self.pick(sorted(self.vectors.items()))
        made = f"({', '.join(self.scalar(depth - 1) for _ in range(size))})"
        other = self.pick((name, f"{name}'", made))
        return self.pick(
            (f"norm({name})", f"dot({name}, {other})", f"norm({name} - {other})", f"{name}[1]",
             f"cross({name}, {other})[0]", f"dot(2*{name}, {other}/3)")
        )  # fmt: skip

    def leaf(self) -> str:
        match self.random.randrange(8):
            case 0 | 1:
                return self.number()
            case 2 if self.numbers:
                return self.pick(self.numbers)
            case 3 if self.lets:
                return self.pick(self.lets)
            case 4 if self.inputs:
                return self.pick((*self.inputs, "t"))
            case 5:
                return self.pick(("t", "i", "q_+", "pi")) if self.often(0.2) else "2"
            case _:
                return self.variable(self.pick(("", "", "'")))

    def variable(self, prime: str) -> str:
        if self.lattice:
            return self.at_site(self.pick(self.fields), prime)
        names = [f"{name}{prime}" for name in self.scalars]
        names += [f"{n}{prime}[{self.random.randrange(size)}]" for n, size in self.vectors.items()]
        return self.pick(names)

    def at_site(self, name: str, marks: str) -> str:
        return f"{name}{marks}[{self.pick(('i', 'i', 'i+1', 'i-1', 'i+2', '0'))}]"

    def unit(self) -> str:
        return f" [{self.pick(_UNITS)}]" if self.units and self.often(0.8) else ""

    def number(self) -> str:
        return self.pick(_NUMBERS)

    def often(self, probability: float) -> bool:
        return self.random.random() < probability

    def pick(self, choices: Sequence[Any]) -> Any:
        return self.random.choice(choices)
