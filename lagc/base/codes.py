"""The registry of diagnostic codes: one entry a code, read by `lagc explain` and the docs.

LAG0xx tool, LAG1xx text, LAG2xx names and values, LAG3xx mechanics, LAG5xx a model at run time,
LAG6xx data and learning.
"""

from __future__ import annotations

from enum import Enum


class Severity(Enum):
    """How bad it is: an error stops, a warning does not, a note is no complaint."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


class Code(Enum):
    """A diagnostic code; the value is (title, explanation, severity)."""

    LAG000 = (
        "internal error",
        "lagc itself failed on this input. That is a defect in lagc whatever the input was; please "
        "report it with the input.",
    )
    LAG001 = (
        "file cannot be read",
        "The file does not exist, is a folder, may not be read, or is not UTF-8 text.",
    )
    LAG002 = ("file cannot be written", "The output path does not exist or may not be written.")
    LAG003 = (
        "a package is missing",
        "This output needs an optional package. Install the extra that the message names, for "
        "instance `pip install 'lagc[plot]'`.",
    )
    LAG101 = (
        "character outside the language",
        "The text holds a character that no construct of the language uses, for instance a "
        "typographic minus sign or a quotation mark.",
    )
    LAG102 = (
        "syntax error",
        "The statement cannot be read. The caret stands under the first word that does not fit; "
        "what is missing is often just before it.",
    )
    LAG103 = (
        "unbalanced bracket",
        "An opening bracket has no closing one, or the other way round. A statement goes on over "
        "the end of a line only inside brackets or after an operator.",
    )
    LAG104 = (
        "notation of another language",
        "Powers are written `^`, equations with a single `=`, velocities with a prime (`q'`), and "
        "products with `*`.",
    )
    LAG105 = (
        "missing operator",
        "Two values stand side by side. Products are always written with `*`: `2*x`, not `2x`. "
        "A doubled variable such as `q_-` is one word, so `q_-x` is `q_-` followed by `x`.",
    )
    LAG106 = (
        "number out of range",
        "A number has too many digits or too large an exponent to be kept exactly.",
    )
    LAG107 = (
        "unknown statement",
        "A statement begins with one of: model, coordinate, constant, coefficient, input, neural, "
        "index, let, force, observable, initial, run; or it is `L =`, `K =` or `R =` (or `+=`).",
    )
    LAG108 = ("limit exceeded", "The text is larger or more deeply nested than lagc accepts.")
    LAG110 = (
        "two statements on a line",
        "Every statement begins on a line of its own, without a sign between them.",
    )
    LAG111 = (
        "comment of another language",
        "A comment begins with `#` and goes on to the end of its line.",
    )
    LAG112 = (
        "equations in place of a Lagrangian",
        "A model is given by `L = ...`, a function of coordinates and velocities, with `K`, `R` "
        "and `force` for what no Lagrangian describes. The equations of motion, the momenta and "
        "the energy follow from them; `lagc show` prints them.",
    )
    LAG201 = (
        "name is taken",
        "`t`, `pi`, `inf` and the functions of the language cannot be declared. Every other name "
        "is free, `E`, `I`, `S` and Greek letters included.",
    )
    LAG202 = ("declared twice", "A name can be declared once in a model.")
    LAG203 = (
        "name is not defined",
        "Every name in an expression is declared: `coordinate`, `constant`, `coefficient`, "
        "`input`, `neural` or `let`.",
    )
    LAG204 = (
        "unknown function",
        "Only the functions of the language and declared neural terms can be called.",
    )
    LAG205 = ("wrong number of arguments", "The function takes another number of arguments.")
    LAG206 = (
        "shapes do not fit",
        "Scalars and vectors of a given size cannot be mixed here, or an index is out of range. "
        "L, K, R, observables and forces on one component are scalars.",
    )
    LAG207 = (
        "doubled variable outside K",
        "`q_+`, `q_-` and their velocities belong to the two histories of the nonconservative "
        "action and have a meaning in K alone.",
    )
    LAG208 = (
        "undoubled variable in K",
        "K is a function of the doubled variables; write `q_+` for the physical value and `q_-` "
        "for the difference of the histories. To give a force directly use `force q = ...`, for "
        "Rayleigh dissipation `R = ...`.",
    )
    LAG209 = ("circular definition", "A `let` or a constant cannot refer to itself.")
    LAG210 = (
        "not a real number",
        "The expression is not a finite real number: a division by zero, the root or the "
        "logarithm of a negative number, or a variable where a constant is needed.",
    )
    LAG211 = ("bounds do not fit", "The bounds are empty or the default lies outside them.")
    LAG212 = (
        "prior cannot be used",
        "Laws are `uniform(a, b)`, `normal(mean, std)`, `loguniform(a, b)`, `mixture(weight: law, "
        "...)` with weights that sum to 1, or a number. They must respect the bounds.",
    )
    LAG213 = (
        "acceleration in the model",
        "L and K are functions of coordinates, velocities and time; `q''` has no place in them.",
    )
    LAG214 = ("model is incomplete", "A model has at least one coordinate and an `L = ...`.")
    LAG215 = (
        "initial or run statement",
        "`initial q = 1, q' = 0` gives each coordinate and each velocity, or each momentum `p[q]`, "
        "once; `run until 100 step 0.1 order 6` gives the end time, a whole number of steps, the "
        "step and the (even) order.",
    )
    LAG216 = (
        "neural term cannot be used",
        "`neural V(q) = mlp(64, 64, activation = softplus)`: hidden widths, a smooth activation "
        "(softplus, tanh, silu, gelu, sigmoid, sin) and `output = positive` or `linear`.",
    )
    LAG217 = (
        "not supported yet",
        "The construct is part of the language but this version cannot compile it.",
    )
    LAG218 = (
        "declared and not used",
        "No expression of the model uses this name, so it changes nothing. A contribution to the "
        "model is written `L = ...`, `K = ...` or `R = ...`, without `let`.",
        Severity.WARNING,
    )
    LAG219 = (
        "index of a lattice",
        "`index i in 0..49 periodic` declares a lattice; fields are declared `coordinate phi[i]`. "
        "The index has a value inside `sum(i, ...)` and `force phi[i] = ...`; a site is written "
        "`phi[i]`, `phi[i+1]` or `phi[0]`, with a constant shift.",
    )
    LAG220 = (
        "beyond the end of a lattice",
        "There is no such site. On a lattice declared `free` the terms of a density that reach "
        "beyond an end are left out, on one declared `periodic` sites are counted on round the "
        "ring; otherwise a sum must stay within the ends.",
    )
    LAG221 = (
        "coupling is not local",
        "L, K and R of a lattice model are sums over sites of densities that couple a site to "
        "others nearby, so that the equations of motion are banded.",
    )
    LAG230 = (
        "width of a smooth transition",
        "`smooth_abs(x, eps)`, `smooth_sign(x, eps)`, `smooth_min(x, y, eps)` and `smooth_max(x, "
        "y, eps)` have a transition of width eps, which must be positive for every value that the "
        "coefficients may take.",
    )
    LAG231 = (
        "file cannot be used",
        '`use "common.lag"` reads the statements of another file, looked for in the folder of the '
        "file that uses it. Its declarations, `let`s and contributions (`L += ...`) count as if "
        "they stood here.",
    )
    LAG232 = (
        "file uses itself",
        "A file cannot use itself, nor use another that uses it. What both need belongs in a third "
        "file.",
    )
    LAG240 = (
        "not a unit",
        "A unit stands in brackets after a blank, behind a value (`= 9.8 [m/s^2]`) or behind a "
        "name (`coordinate r[2] [AU]`), once in a declaration. It is a product of names to powers "
        "that are numbers, `[kg*m^2/s^2]`; `[1]` is a pure number.",
    )
    LAG241 = (
        "unknown unit",
        "Units are those of the SI with their prefixes and what physicists and astronomers use "
        "beside them: AU, pc, ly, yr, day, M_sun, R_sun, L_sun, M_earth, eV, erg, rad, deg and "
        "many more. Units with a zero of their own (degC) and logarithmic ones (dB) cannot be used "
        "in products and are refused.",
    )
    LAG242 = (
        "units do not agree",
        "The terms of a sum, all terms of L and K, the operands of min, max and atan2 and the "
        "calls of a neural term have one unit; R has the unit of L per unit of time, a force on q "
        "that of L per unit of q. Numbers without a name are pure numbers, and zero fits any unit.",
    )
    LAG243 = (
        "a pure number is needed",
        "Arguments of functions such as `sin` and `exp` and exponents are pure numbers; angles "
        "are in radians (`rad` is the pure number 1). What has a unit can only be raised to an "
        "exponent that is a rational number.",
    )
    LAG244 = (
        "another unit than declared",
        "A value does not have the unit that its declaration gives, that its coordinate has or "
        "that time has.",
    )
    LAG245 = (
        "units of different size",
        "The units measure the same but one is a multiple of the other, such as km and m or deg "
        "and rad. Numbers are used as they are written and nothing is converted, so one unit has "
        "to be chosen.",
    )
    LAG246 = (
        "unit of time does not fit",
        "The unit of `t` follows from the declared units because velocities are written `q'`, and "
        "what follows is no unit of time of the model. Some unit is wrong, a number lacks one that "
        "a constant can give it, or the unit of time must be given: `run until 10 [s]`.",
    )
    LAG247 = (
        "frequency in hertz as an angle",
        "A frequency in hertz counts turns and functions such as `cos` take radians: `cos(f*t)` "
        "lacks a factor 2*pi. Write `cos(2*pi*f*t)`, or give the angular frequency in `rad/s`.",
        Severity.WARNING,
    )
    LAG250 = (
        "divisor that may be zero",
        "The bounds of the coefficient include 0, and the model divides by it or takes its "
        "logarithm: with that value it has no equations of motion. Exclude 0, for instance with "
        "`coefficient m > 0`.",
        Severity.WARNING,
    )
    LAG251 = (
        "force in place of K",
        "K couples the two histories: each of its terms has a factor such as `q_-`. A force is "
        "written `force q = ...`, Rayleigh's dissipation function `R = ...`; both become part of "
        "K.",
    )
    LAG252 = (
        "no velocity in K",
        "A part of K of the form f(q_+) q_- gives the same equations of motion as a potential in "
        "L, and conserves the energy. Friction depends on a velocity, as in `K = -c*q'_+*q_-`.",
        Severity.WARNING,
    )
    LAG253 = (
        "mass matrix singular at an allowed value",
        "Where the coefficient is 0 no motion is determined: the mass matrix cannot be inverted. "
        "Its default or its bounds allow that value, so that a run or a fit may meet it.",
        Severity.WARNING,
    )
    LAG301 = (
        "K does not vanish in the physical limit",
        "When both histories coincide (all minus variables zero) K must be zero: it couples the "
        "histories and says nothing about a single one. A part without minus variables belongs "
        "in L.",
    )
    LAG302 = (
        "K is not antisymmetric",
        "Exchanging the histories turns every minus variable into its negative, and K must turn "
        "into -K. Products of an even number of minus variables do not reach the equations of "
        "motion.",
    )
    LAG303 = (
        "inert terms in K",
        "Terms of third order or more in the minus variables vanish in the physical limit after "
        "one differentiation: they do not reach the equations of motion.",
        Severity.WARNING,
    )
    LAG304 = (
        "degenerate model",
        "The mass matrix d(pi)/dv, with pi the nonconservative momentum, is singular everywhere: "
        "the equations do not determine the acceleration of the coordinates named.",
    )
    LAG305 = (
        "derivative does not exist",
        "The equations of motion or the Jacobian of a step need the derivative of a function "
        "that jumps. Use a smooth variant, for instance `smooth_sign(x, eps)` for `sign(x)` or "
        "`smooth_abs(x, eps)` for `abs(x)` in L. What is continuous, such as `abs(x)*sign(x)`, has "
        "a derivative and is accepted.",
    )
    LAG306 = (
        "model is not periodic",
        "A coordinate declared `mod P` is kept within one period, so neither the equations of "
        "motion nor the momenta may change when P is added to it.",
    )
    LAG307 = (
        "expression cannot be evaluated",
        "The equations of motion are not finite real numbers at any of the points tried.",
    )
    LAG308 = (
        "term without effect",
        "R acts through its derivatives with respect to the velocities: a summand without any "
        "velocity reaches no equation of motion.",
        Severity.WARNING,
    )
    LAG320 = (
        "conservative part of K",
        "A K of the form V(q_1) - V(q_2), or one that derives from a generalised potential or a "
        "kinetic energy, is conservative: L holds the same force, counts it in the energy, and "
        "leaves the step symplectic. What depends on t or on an input is not looked at.",
        Severity.WARNING,
    )
    LAG321 = (
        "force from a potential",
        "A force that is minus the gradient of a potential, or magnetic, belongs in L, where the "
        "energy counts it and the step stays symplectic. What depends on t or on an input is "
        "driving and not looked at; so is a constant torque on an angle, of which the potential is "
        "not periodic.",
        Severity.WARNING,
    )
    LAG322 = (
        "total time derivative",
        "Terms of L that add up to d/dt of a function of coordinates and time, or terms of K with "
        "a force that is zero, reach no equation of motion. Unless they are zero as they stand, "
        "they change momenta, and where they depend on time the energy: a start given by positions "
        "and velocities leads to the same motion, one given by momenta does not.",
        Severity.WARNING,
    )
    LAG323 = (
        "coefficient without effect",
        "The coefficient occurs in L or K, and no equation of motion depends on it: every value "
        "gives the same motion from the same positions and velocities.",
        Severity.WARNING,
    )
    LAG324 = (
        "coefficients not told apart",
        "The motion depends on fewer numbers than there are coefficients, for instance on their "
        "ratios alone: a common factor of L and K changes no equation of motion. Nothing is wrong "
        "with that; a fit needs some of them held, or momenta in the data. `lagc check` lists what "
        "each kind of data fixes.",
        Severity.NOTE,
    )
    LAG325 = (
        "K feeds energy in",
        "Friction takes energy out: v.(Q - d kappa/dt) <= 0. This K adds energy in the state "
        "shown, with coefficients within their bounds, without depending on time or on an input. A "
        "wrong sign does that; so does negative damping that is meant, as in van der Pol's "
        "oscillator, and drag that forgets the direction, as -c*x'^2 for -c*abs(x')*x'. It is "
        "looked for at 128 states taken at random around the origin and the initial state: where K "
        "feeds energy in only in a narrow region, nothing may be found. `lagc check --allow "
        "LAG325` leaves the warning out.",
        Severity.WARNING,
    )
    LAG326 = (
        "sign of a coefficient",
        "The coefficient is declared without bounds. With the sign of its default K takes energy "
        "out, with the other sign it feeds energy in. Bounds say which is meant.",
        Severity.NOTE,
    )
    LAG327 = (
        "conserved momentum",
        "Neither L nor K depends on the coordinate in a way that would change its momentum, which "
        "is conserved: d(p)/dt = dL/dq + Q = 0.",
        Severity.NOTE,
    )
    LAG328 = (
        "sign of a coefficient not fixed",
        "The coefficient enters the equations of motion through its square or another even "
        "function, alone or together with others: with the opposite sign the motion is the same, "
        "and its bounds admit both. The phase of a driving may have to change with it, by half of "
        "its period.",
        Severity.NOTE,
    )
    LAG329 = (
        "network takes up a factor",
        "A network is a function that is learnt. Where a factor of the coefficients can be taken "
        "up by it, no data fix that factor: one coefficient has to be held.",
        Severity.NOTE,
    )
    LAG330 = (
        "coefficients that can be exchanged",
        "Two coefficients enter the equations of motion in the same way, for instance through "
        "their sum and their product: with their values exchanged the motion is the same, and "
        "their bounds admit that. What is found for one may be the other's.",
        Severity.NOTE,
    )
    LAG331 = (
        "phase fixed up to its period",
        "The coefficient enters the equations of motion through sines and the like alone: a period "
        "more or less gives the same motion, and its bounds admit values that far apart.",
        Severity.NOTE,
    )
    LAG501 = (
        "initial values are missing",
        "A run needs a value and a velocity (or momentum) for every coordinate: from `initial` in "
        "the model, or given with `--initial` or as arguments.",
    )
    LAG502 = (
        "coefficient has no value",
        "A coefficient without a default needs a value: `--set NAME=VALUE`, or "
        "`coefficients={...}`.",
    )
    LAG503 = ("unknown coefficient", "The model declares no coefficient of this name.")
    LAG504 = ("value outside the bounds", "The model declares bounds that exclude this value.")
    LAG505 = (
        "array has the wrong shape or type",
        "States have the shape (..., dof), coefficients and inputs the leading batch axes alone.",
    )
    LAG506 = (
        "input is missing or unknown",
        "Every `input` of the model needs a signal: a constant, a callable of t, or `Samples`.",
    )
    LAG507 = (
        "neural term is missing or unknown",
        "Every `neural` slot needs a callable: `neural={'V': f}` or `initial_neural(key)`.",
    )
    LAG508 = (
        "numerical failure",
        "A step's equations could not be solved or gave a number that is not finite. A smaller "
        "step often helps; the model may also have left the domain of a function.",
    )
    LAG509 = (
        "step, order or duration",
        "The step is finite and not zero, the number of steps a positive integer, the order even "
        "and between 2 and 258 (r = order/2 - 1 interior nodes, 0 to 128).",
    )
    LAG510 = ("command line value", "An option's value cannot be understood.")
    LAG511 = (
        "the same bits cannot be had",
        "`lagc.same_bits()` sets jax up so that members of a batch have the bits they have alone; "
        "it has to come before anything is computed.",
    )
    LAG512 = (
        "energy is not kept",
        "Without friction and driving the energy is conserved, and a run that changes it by more "
        "than one percent of what the motion turns over has steps that are too long for its order, "
        "or is not stable at all (docs/steps.md).",
        Severity.WARNING,
    )
    LAG601 = (
        "data cannot be used",
        "A recording has columns `t`, coordinates (`q`, `r[0]`), velocities (`q'`, `r'[0]`), "
        "momenta (`p[q]`) and accelerations (`q''`), any of them, and at least two rows of finite "
        "numbers with increasing `t` (docs/fitting.md).",
    )
    LAG602 = (
        "fit did not converge",
        "The least-squares search stopped before its tolerance was met; the values are the best "
        "found and their intervals cannot be trusted.",
    )
    LAG603 = (
        "family cannot be trained",
        "Training draws members of the family from the laws (`~ ...`) in the model; at least one "
        "coefficient needs one, the simulated members must be finite, and the network stay so.",
    )
    LAG604 = (
        "checkpoint cannot be used",
        "The folder holds no checkpoint, one of another model, network or option, or one damaged.",
    )
    LAG605 = (
        "trained network cannot be used",
        "`lagc predict` reads the folder that `lagc train` wrote when it ended: this one holds no "
        "trained network, or its files are damaged.",
    )
    LAG606 = (
        "network was trained on another model",
        "A network reads the coefficients of the family it was trained on, and of no other.",
    )
    LAG607 = (
        "recording does not fit the network",
        "A network reads recordings such as it was trained on: the same channels, as many rows at "
        "intervals of the same length or range, and the same initial state where that was fixed.",
    )
    LAG609 = (
        "batch cannot be polished",
        "Data of many systems are one array (systems, rows, channels) with the labels of its "
        "channels, the times of the rows and an initial state; each system needs more observed "
        "values than it has unknowns.",
    )
    LAG610 = (
        "no landscape can be drawn",
        "A landscape is the weighted sum of squares over two coefficients that the data determine, "
        "or over the two principal directions, around a solution that follows the data.",
    )
    LAG611 = (
        "network cannot be fine-tuned so",
        "Fine-tuning through the integrator (`lagc train --fine-tune N`) follows on all other "
        "updates, with positive widths and rates, and is resumed with the options it began with.",
    )
    LAG613 = (
        "data file cannot be read",
        "The file is damaged, or not of the kind that its ending says: `.nc` is NetCDF, `.parquet` "
        "Parquet, `.npz` a NumPy archive, and everything else text separated by commas.",
    )
    LAG614 = (
        "units of the data are others",
        "The file and the model state different units for a column. Numbers are used as they are; "
        "convert them in the file.",
    )
    LAG615 = (
        "noise level cannot be used",
        "A known standard deviation, from `--sigma NAME=VALUE` or a column `sigma[q]`, is a "
        "positive number for a channel that was observed, given once, and for all of its values "
        "or none.",
    )
    LAG616 = (
        "fitted model cannot be written",
        "`--output fitted.lag` writes the text of the model with other numbers in it. It needs "
        "coefficients that are declared in the file of the model itself, and a state from which a "
        "run that begins at t = 0 goes through the data.",
    )
    LAG617 = (
        "loss is not known",
        "The losses of a fit are squares, huber, cauchy and tukey.",
    )
    LAG618 = (
        "no posterior",
        "There is a posterior only of what a fit has estimated and where the model follows the "
        "data; the point masses of the laws may make at most 64 models.",
    )
    LAG619 = (
        "posterior without a mode",
        "The density of the coefficients given the data and their laws is nowhere finite: the laws "
        "exclude what the data ask for.",
    )

    def __init__(self, title: str, explanation: str, severity: Severity = Severity.ERROR) -> None:
        self.title = title
        self.explanation = explanation
        self.severity = severity
