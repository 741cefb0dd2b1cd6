"""The 2-3-1 network of the course in plain Python, done right and in every way known to be wrong.

A network is W1 (3 rows of 2), b (3), W2 (3); z = W1 x + b, a = max(0, z), prediction = W2 a, and
the loss is 1/2 (prediction - y)^2. With e = prediction - y the gradients are

    dW2_i = e a_i        db_i = e W2_i [z_i > 0]        dW1_ij = db_i x_j

The first hidden unit is awake in every case: np.vectorize takes its output type from the first
element, and `max(0, z)` gives an integer 0 for a unit that sleeps, which would truncate the others.
"""

import math
from typing import NamedTuple

from tests.grading.judge import Mistake, close, common_mistake, describe, first_difference, show


class Case(NamedTuple):
    W1: list
    b: list
    W2: list
    x: tuple
    y: float


# One unit asleep (the second) and all numbers different: no two mistakes give the same step here.
ASLEEP = Case(
    [[0.5, 0.25], [-1.0, 0.5], [0.75, 1.5]], [0.1, 0.2, -0.3], [0.8, -0.6, 0.4], (2, 3), 10
)
# A negative prediction, above its target: shows a ReLU on the output and an error without a sign.
NEGATIVE = Case(
    [[0.5, 1.0], [0.25, 0.75], [1.5, 0.5]], [0.2, -0.1, 0.3], [-0.7, 0.2, -0.5], (1, 2), -5
)
FIRST = Case([[1.0, 1.0]] * 3, [0.0] * 3, [1.0] * 3, (2, 1), 10)
# No whole numbers, and far out: shows what is rounded, and what is cut off.
FAR = Case(
    [[2.5, 0.3], [-0.4, 0.7], [0.15, 1.25]],
    [0.3, 0.1, -0.2],
    [0.9, 0.5, -0.3],
    (20.7007, 31.3),
    90.6,
)
# Units at 0.3, which are awake, and an error below 1.
NEAR = Case(
    [[0.5, 0.3], [-0.5, 0.2], [0.4, -0.1]], [-0.04, 0.45, 0.1], [0.8, 0.6, -0.7], (0.4003, 0.7), 0.3
)
STEPS = [ASLEEP, NEGATIVE, FIRST, FAR, NEAR]

RATE = 0.001
NAMES = {"W1": "hidden weights", "W2": "output weights", "b": "biases"}
GROUPS = ("W1", "b", "W2")
GRADIENTS = {"W1": "hidden weights' gradient", "b": "bias gradient"}
ENTRIES = {
    "W1": [f"[{i}, {j}]" for i in range(3) for j in range(2)],
    "b": [f"[{i}]" for i in range(3)],
    "W2": [f"[{i}]" for i in range(3)],
}
TOLERANCES = {"relative": 1e-4, "absolute": 2e-7}  # of moves, which are of about 0.01


class Pass(NamedTuple):
    a: list  # (3,) what the hidden units give on
    awake: list  # (3,) 1.0 where the ReLU lets the gradient through
    e: float  # prediction - y, times the derivative of the output's activation


def forward(case, biases=True, relu=True, relu_on_output=False):
    """The quantities of one pass that the gradients are made of."""
    z = [
        w[0] * case.x[0] + w[1] * case.x[1] + (b if biases else 0.0)
        for w, b in zip(case.W1, case.b, strict=True)
    ]
    a = [max(0.0, value) if relu else value for value in z]
    awake = [float(value > 0) or float(not relu) for value in z]
    prediction = sum(w * value for w, value in zip(case.W2, a, strict=True))
    if relu_on_output:
        return Pass(a, awake, (max(0.0, prediction) - case.y) * (prediction > 0))
    return Pass(a, awake, prediction - case.y)


def gradients(case, run, W2=None, x=None):
    """{'W1': 6 numbers, 'b': 3, 'W2': 3}: the right gradients, unless told otherwise."""
    W2, x = W2 or case.W2, x or case.x
    b = [run.e * w * awake for w, awake in zip(W2, run.awake, strict=True)]
    return {"W2": [run.e * a for a in run.a], "b": b, "W1": [d * side for d in b for side in x]}


def flat(case, group):
    """The parameters of one group as a list of floats."""
    return [v for row in case.W1 for v in row] if group == "W1" else list(getattr(case, group))


def moved(case, group, gradient, rate=RATE):
    return [v - rate * g for v, g in zip(flat(case, group), gradient, strict=True)]


def right_step(case, group):
    """The parameters of `group` after one step of gradient descent."""
    return moved(case, group, gradients(case, forward(case))[group])


def step_mistake(cases, gots, group):
    """The Mistake in the steps of one group of parameters, or None.

    cases: Case before each step; gots: per case the learner's parameters of `group` after it.
    """
    befores = [flat(case, group) for case in cases]
    rights = [right_step(case, group) for case in cases]
    moves = [difference(got, old) for got, old in zip(gots, befores, strict=True)]
    right_moves = [difference(new, old) for new, old in zip(rights, befores, strict=True)]
    pairs = list(zip(moves, right_moves, strict=True))
    wrong = [n for n, (got, right) in enumerate(pairs) if not close(got, right, **TOLERANCES)]
    if not wrong:
        return None
    candidates = [
        [(mistake, difference(values, old)) for mistake, values in wrong_steps(case, group)]
        for case, old in zip(cases, befores, strict=True)
    ]
    mistake = common_mistake(moves, candidates, **TOLERANCES)
    if mistake is None:
        mistake = unlikely_step(cases, moves, right_moves, group)
    case, (got, right), old = cases[wrong[0]], pairs[wrong[0]], befores[wrong[0]]
    place = first_difference(got, right, **TOLERANCES)
    attribute = {"W1": "input_to_hidden_weights", "b": "biases", "W2": "hidden_to_output_weights"}
    return mistake.saying(
        f"after train{(*case.x, case.y)} {attribute[group]}{ENTRIES[group][place]} is "
        f"{show(old[place] + got[place])} where {show(old[place] + right[place])} is right (it was "
        f"{show(old[place])})"
    )


def unlikely_step(cases, moves, rights, group):
    """The Mistake for a step that no known mistake explains: by the cases in which it is wrong."""
    name = NAMES[group]
    errors = [forward(case).e for case in cases]
    fits = [close(got, right, **TOLERANCES) for got, right in zip(moves, rights, strict=True)]
    still = [all(abs(value) < 1e-9 for value in got) for got in moves]
    largest = max(map(abs, errors))
    shorter = [
        all(abs(a) <= abs(b) + 1e-9 and a * b >= 0 for a, b in zip(got, right, strict=True))
        for got, right in zip(moves, rights, strict=True)
    ]
    if all(fit or (none and abs(e) < 2) for fit, none, e in zip(fits, still, errors, strict=True)):
        return Mistake("step_skips_small", name=name)
    outside = [abs(e) for fit, e in zip(fits, errors, strict=True) if not fit]
    if largest in outside and all(shorter) and min(outside) > min(map(abs, errors)):
        return Mistake("step_limited", name=name)
    if all(close(got, right, 3e-3, 1e-5) for got, right in zip(moves, rights, strict=True)):
        return Mistake("step_rough", name=name)
    how = describe(moves, rights, ENTRIES[group], **TOLERANCES)
    return Mistake("step", name=name, how=how)


def difference(after, before):
    return [a - b for a, b in zip(after, before, strict=True)]


def sequence_mistake(calls, groups=("W2", "W1", "b")):
    """The Mistake that shows only when train is called again on the same network, or None.

    calls: pairs (Case before a call, as the learner's network was; {group: parameters after it}).
    """
    for group in groups:
        gots = [after[group] for _, after in calls]
        cases = [case for case, _ in calls]
        first = step_mistake(cases[:1], gots[:1], group)
        found = step_mistake(cases, gots, group)
        if found is None or first is not None:  # which the tests of one step tell
            continue
        number = next(
            n for n in range(len(calls)) if step_mistake(cases[n : n + 1], gots[n : n + 1], group)
        )
        case, got, name = cases[number], gots[number], NAMES[group]
        move = difference(got, flat(case, group))
        right = difference(right_step(case, group), flat(case, group))
        again = [n for n in range(number) if (cases[n].x, cases[n].y) == (case.x, case.y)]
        for earlier in again:
            old = difference(right_step(cases[earlier], group), flat(cases[earlier], group))
            if close(move, old, **TOLERANCES):
                return Mistake("step_memory", found.numbers)
        for factor in (0.9, 0.5, 0.99, 0.8):
            last = difference(gots[number - 1], flat(cases[number - 1], group))
            if close(move, [r + factor * v for r, v in zip(right, last, strict=True)], 1e-3, 1e-6):
                return Mistake("step_momentum", found.numbers, name=name)
        how = describe([move], [right], ENTRIES[group], **TOLERANCES)
        numbers = f"call {number + 1} moves the {name} {how}; {found.numbers}"
        return Mistake("step_changes", numbers)
    return None


def wrong_steps(case, group):
    """Pairs (Mistake, parameters) of the ways in which learners get the step of one group wrong."""
    right = gradients(case, forward(case))[group]
    old = flat(case, group)
    name = NAMES[group]
    sign = "bias gradient" if group == "b" else f"gradient of the {name}"
    yield Mistake("step_none", name=name), old
    yield Mistake("step_sign", sign=sign), moved(case, group, [-g for g in right])
    for factor, key in (
        (2.0, "step_twice"),
        (0.5, "step_half"),
        (1 / RATE, "step_no_rate"),
        (RATE, "step_rate_twice"),
        (-2.0, "step_minus_twice"),
    ):
        yield Mistake(key, name=name), moved(case, group, [factor * g for g in right])
    yield Mistake("step_replaces", name=name), [-RATE * g for g in right]
    for decay in (0.1, 0.01, 0.001, 1.0):
        decayed = [g + decay * v for g, v in zip(right, old, strict=True)]
        yield Mistake("step_decay", name=name), moved(case, group, decayed)
    for low, high in ((0, 2), (-1, 1), (0, 1), (0, math.inf), (-2, 2), (0, 10)):
        kept = [min(max(v, low), high) for v in moved(case, group, right)]
        yield Mistake("clipped", name=name), kept
    more = {"W1": wrong_hidden, "W2": wrong_output, "b": wrong_biases}[group](case)
    for mistake, values in [*wrong_errors(case, group, name), *wrong_inputs(case, group), *more]:
        yield mistake, values
        turned = [2 * before - new for before, new in zip(old, values, strict=True)]
        also = ", and the sign of the step is wrong too"
        yield Mistake(mistake.key, also=also, **mistake.fields), turned


def wrong_errors(case, group, name):
    """Mistakes before the gradients part: in the forward pass of train, or in the error."""
    run = forward(case)
    above = float(run.e + case.y > 0)
    for key, wrong in (
        ("slope_of_output", run._replace(awake=[above] * 3)),
        ("train_no_bias", forward(case, biases=False)),
        ("train_no_relu", forward(case, relu=False)),
        ("train_no_relu", forward(case, relu=False)._replace(awake=run.awake)),
        ("train_relu_on_output", forward(case, relu_on_output=True)),
        ("loss_for_error", run._replace(e=run.e**2 / 2)),
        ("square_for_error", run._replace(e=run.e**2)),
        ("error_without_sign", run._replace(e=abs(run.e))),
        ("prediction_for_error", run._replace(e=run.e + case.y)),
        ("sleepers_learn", run._replace(awake=[1.0 - v for v in run.awake])),
    ):
        yield Mistake(key, name=name), moved(case, group, gradients(case, wrong)[group])


def wrong_inputs(case, group):
    """Mistakes with what train is given."""
    for key, x, y in (
        ("whole_inputs", tuple(int(v) for v in case.x), case.y),
        ("whole_inputs", tuple(round(v) for v in case.x), case.y),
        ("whole_target", case.x, int(case.y)),
        ("swapped_x", case.x[::-1], case.y),
    ):
        other = case._replace(x=x, y=y)
        values = moved(case, group, gradients(other, forward(other))[group])
        yield Mistake(key, name=NAMES[group]), values
    after = case._replace(
        W1=[right_step(case, "W1")[i : i + 2] for i in (0, 2, 4)],
        b=right_step(case, "b"),
        W2=right_step(case, "W2"),
    )
    yield Mistake("step_twice_over"), right_step(after, group)


def later(case, group="W2"):
    """The case with one group of parameters already moved."""
    values = right_step(case, group)
    if group == "W1":
        values = [values[0:2], values[2:4], values[4:6]]
    return case._replace(**{group: values})


def wrong_hidden(case):
    run, after, (x1, x2) = forward(case), later(case), case.x
    for key, gradient in (
        ("later_W2", gradients(case, run, W2=after.W2)),
        ("swapped_x", gradients(case, run, x=(x2, x1))),
        ("hidden_no_x", gradients(case, run, x=(1.0, 1.0))),
        ("later_error", gradients(after, forward(after))),
    ):
        yield Mistake(key, name=NAMES["W1"]), moved(case, "W1", gradient["W1"])
    b = gradients(case, run)["b"]
    yield Mistake("hidden_turned"), moved(case, "W1", [x * d for x in case.x for d in b])
    for key, unit in wrong_units(case):
        values = moved(case, "W1", [d * x for d in unit for x in case.x])
        yield Mistake(key, gradient=GRADIENTS["W1"]), values


def wrong_units(case):
    """Pairs (key, 3 numbers): what learners take for the error of the hidden units."""
    run = forward(case)
    weighted = list(zip(case.W2, run.awake, strict=True))
    yield "unit_no_slope", [run.e * w for w, _ in weighted]
    yield "unit_no_W2", [run.e * awake for _, awake in weighted]
    yield "unit_bare", [run.e] * 3
    yield "unit_no_error", [w * awake for w, awake in weighted]
    yield "unit_times_a", [run.e * w * a for w, a in zip(case.W2, run.a, strict=True)]
    yield "unit_summed", [sum(run.e * w * awake for w, awake in weighted)] * 3
    yield "unit_slope_of_error", [float(run.e * w > 0) for w, _ in weighted]
    yield "unit_sum_W2", [run.e * sum(case.W2) * awake for _, awake in weighted]


def wrong_output(case):
    run = forward(case)
    z = forward(case, relu=False).a
    for key, gradient in (
        ("output_z", [run.e * v for v in z]),
        ("output_no_a", [run.e] * 3),
        ("output_no_error", run.a),
        ("output_times_W2", [run.e * w * a for w, a in zip(case.W2, run.a, strict=True)]),
        ("output_sum_a", [run.e * sum(run.a)] * 3),
        ("output_prediction", [run.e * (run.e + case.y)] * 3),
    ):
        yield Mistake(key), moved(case, "W2", gradient)
    both = later(later(case, "W1"), "b")._replace(b=right_step(case, "b"))
    for name, after in (
        ("hidden weights", later(case, "W1")),
        ("biases", later(case, "b")),
        ("hidden weights and biases", both),
    ):
        values = moved(case, "W2", gradients(after, forward(after))["W2"])
        yield Mistake("later_for_output", name=name), values


def wrong_biases(case):
    run = forward(case)
    right = gradients(case, run)["b"]
    after = gradients(case, run, W2=later(case).W2)["b"]
    yield Mistake("later_for_biases"), moved(case, "b", after)
    yield Mistake("bias_output_gradient"), moved(case, "b", [run.e * a for a in run.a])
    for x, factor in (("x1", case.x[0]), ("x2", case.x[1]), ("x1 + x2", sum(case.x))):
        yield Mistake("bias_times_x", x=x), moved(case, "b", [factor * g for g in right])
    for key, unit in wrong_units(case):
        yield Mistake(key, gradient=GRADIENTS["b"]), moved(case, "b", unit)


def predict(case, x, biases=True, relu=True):
    """The prediction at x."""
    here = case._replace(x=x, y=0.0)
    return forward(here, biases=biases, relu=relu).e


def prediction_mistake(cases, gots):
    """The Mistake in predictions, or None. cases: pairs (Case, x); gots: a number for each."""
    rights = [predict(*pair) for pair in cases]
    wrong = [n for n, got in enumerate(gots) if not close(got, rights[n])]
    if not wrong:
        return None
    candidates = [wrong_predictions(*pair) for pair in cases]
    rough = all(close(got, right, 3e-3, 1e-4) for got, right in zip(gots, rights, strict=True))
    unknown = Mistake("predict_rough" if rough else "predict")
    mistake = common_mistake([[got] for got in gots], candidates) or unknown
    place = wrong[0]
    numbers = (
        f"predict{cases[place][1]} is {show(gots[place])} where {show(rights[place])} is right"
    )
    return mistake.saying(numbers)


def wrong_predictions(case, x):
    """Pairs (Mistake, [prediction]) of the ways in which learners get predict wrong."""
    total = sum(case.b)
    right = predict(case, x)
    z = forward(case._replace(x=x, y=0.0), biases=False, relu=False).a
    after_relu = sum(w * (max(0.0, v) + b) for w, v, b in zip(case.W2, z, case.b, strict=True))
    minus = case._replace(b=[-b for b in case.b])
    columns = [v for row in case.W1 for v in row]
    turned = case._replace(W1=[[columns[i], columns[i + 3]] for i in range(3)])
    pairs = [
        ("predict_no_bias", predict(case, x, biases=False)),
        ("predict_no_bias_relu", predict(case, x, biases=False, relu=False)),
        ("predict_no_relu", predict(case, x, relu=False)),
        ("predict_bias_after_relu", after_relu),
        ("predict_bias_on_output_too", right + total),
        ("predict_bias_on_output", predict(case, x, biases=False) + total),
        ("predict_bias_twice", right + sum(w * b for w, b in zip(case.W2, case.b, strict=True))),
        ("predict_bias_minus", predict(minus, x)),
        ("predict_relu_on_output", max(0.0, right)),
        ("predict_swaps", predict(case, (x[1], x[0]))),
        ("predict_x1", predict(case, (x[0], x[0]))),
        ("predict_x2", predict(case, (x[1], x[1]))),
        ("predict_turned", predict(turned, x)),
        ("predict_first_weights", predict(FIRST._replace(b=case.b), x)),
        ("predict_first_weights", predict(case._replace(W1=FIRST.W1), x)),
        ("predict_first_weights", predict(FIRST, x)),
        ("predict_no_output_weights", predict(case._replace(W2=[1.0] * 3), x)),
        ("predict_whole_inputs", predict(case, tuple(int(v) for v in x))),
        ("predict_whole_inputs", predict(case, tuple(round(v) for v in x))),
        *(("predict_rounds", round(right, digits)) for digits in range(5)),
        ("predict_cuts", float(int(right))),
    ]
    return [(Mistake(key), [value]) for key, value in pairs]


def relu_mistakes():
    """Pairs (key, function): what learners write for the ReLU."""
    return [
        ("lets_negative_through", lambda x: x),
        ("min_for_max", lambda x: min(0, x)),
        ("sign_turned", lambda x: max(0, -x)),
        *(("leaky", lambda x, f=f: max(f * x, x)) for f in (0.01, 0.1, 0.2)),
        ("abs", abs),
        *(("capped", lambda x, top=top: min(top, max(0, x))) for top in (1, 6, 10, 100)),
        *(("threshold", lambda x, t=t: x * (x > t)) for t in (0.5, 1, -0.5)),
        ("is_derivative_of_relu", lambda x: x > 0),
        ("whole", lambda x: max(0, int(x))),
        ("sigmoid", lambda x: (1 + math.tanh(x / 2)) / 2),
        ("smooth", lambda x: math.log1p(math.exp(-abs(x))) + max(x, 0)),
    ]


def slope_mistakes():
    return [
        ("is_relu", lambda x: max(0, x)),
        ("one_below_zero", lambda x: 1),
        ("turned", lambda x: x < 0),
        ("is_x", lambda x: x),
        ("minus_one_below_zero", lambda x: 1 if x > 0 else -1),
        ("one_from_one", lambda x: x >= 1),
        ("threshold", lambda x: x > 0.5),
        *(("leaky_derivative", lambda x, f=f: 1 if x > 0 else f) for f in (0.01, 0.1, 0.2)),
        ("always_0", lambda x: 0),
        ("always_half", lambda x: 0.5 * (x > 0)),
        *(("smooth", lambda x, f=f: (1 + math.tanh(f * x / 2)) / 2) for f in (1, 10, 50)),
    ]


def output_mistakes():
    return [
        ("output_is_relu", lambda x: max(0, x)),
        ("is_derivative_of_relu", lambda x: x > 0),
        ("sigmoid", lambda x: (1 + math.tanh(x / 2)) / 2),
        ("tanh", math.tanh),
        ("always_0", lambda x: 0),
        ("abs", abs),
    ]


def function_mistake(name, xs, gots, right, wrong):
    """The Mistake in a function of one number, or None; wrong: pairs (key, function)."""
    rights = [float(right(x)) for x in xs]
    place = first_difference(gots, rights)
    if place is None:
        return None
    candidates = [(key, [float(f(x)) for x in xs]) for key, f in wrong]
    key = next((key for key, values in candidates if close(gots, values)), "function")
    numbers = f"{name}({xs[place]}) is {show(gots[place])} where {show(rights[place])} is right"
    return Mistake(key, numbers, name=name)
