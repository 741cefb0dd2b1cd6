"""The 2-3-1 network of the course in plain Python, done right and in every way known to be wrong.

A network is W1 (3 rows of 2), b (3), W2 (3); z = W1 x + b, a = max(0, z), prediction = W2 a, and
the loss is 1/2 (prediction - y)^2. With e = prediction - y the gradients are

    dW2_i = e a_i        db_i = e W2_i [z_i > 0]        dW1_ij = db_i x_j

The first hidden unit is awake in every case: np.vectorize takes its output type from the first
element, and `max(0, z)` gives an integer 0 for a unit that sleeps, which would truncate the others.
"""

from typing import NamedTuple


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
STEPS = [ASLEEP, NEGATIVE, FIRST]

RATE = 0.001


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


NAMES = {"W1": "hidden weights", "W2": "output weights", "b": "biases"}


def wrong_steps(case, group):
    """Pairs (words, parameters) of the ways in which learners get the step of one group wrong."""
    right = gradients(case, forward(case))[group]
    name = NAMES[group]
    sign = "bias gradient" if group == "b" else f"gradient of the {name}"
    yield f"the {name} are not changed at all", flat(case, group)
    yield (
        f"the sign of the {sign} is wrong: the step climbs instead of going down",
        moved(case, group, [-g for g in right]),
    )
    scales = [
        (
            2.0,
            "is twice the right one: the derivative of 1/2 (prediction - y)^2 is prediction - y, "
            "without a 2",
        ),
        (
            0.5,
            "is half the right one: the derivative of 1/2 (prediction - y)^2 is prediction - y, "
            "without the 1/2",
        ),
        (1 / RATE, "is not multiplied by the learning rate"),
        (RATE, "is multiplied by the learning rate twice"),
        (-2.0, "has the wrong sign and is twice as long as it should be"),
    ]
    for factor, words in scales:
        yield f"the step of the {name} {words}", moved(case, group, [factor * g for g in right])
    yield (
        f"the {name} are replaced by the step instead of being moved by it",
        [-RATE * g for g in right],
    )
    more = {"W1": wrong_hidden, "W2": wrong_output, "b": wrong_biases}[group](case)
    for words, values in [*wrong_errors(case, group, name), *more]:
        yield words, values
        turned = [2 * old - new for old, new in zip(flat(case, group), values, strict=True)]
        yield words + ", and the sign of the step is wrong too", turned


def wrong_errors(case, group, name):
    """Mistakes before the gradients part: in the forward pass of train, or in the error."""
    run = forward(case)
    above = float(run.e + case.y > 0)
    passes = [
        (
            f"the step of the {name} takes the ReLU's derivative of the output, not of the hidden "
            "units",
            run._replace(awake=[above] * 3),
        ),
        ("the forward pass of train leaves out the biases", forward(case, biases=False)),
        ("the forward pass of train leaves out the ReLU", forward(case, relu=False)),
        (
            "the forward pass of train leaves out the ReLU",
            forward(case, relu=False)._replace(awake=run.awake),
        ),
        ("train applies the ReLU to the output as well", forward(case, relu_on_output=True)),
        (
            f"the step of the {name} uses the loss 1/2 (prediction - y)^2 itself in place of its "
            "derivative, prediction - y",
            run._replace(e=run.e**2 / 2),
        ),
        (
            f"the step of the {name} uses (prediction - y)^2 in place of prediction - y",
            run._replace(e=run.e**2),
        ),
        (
            f"the step of the {name} uses the size of the error without its sign",
            run._replace(e=abs(run.e)),
        ),
        (
            f"the step of the {name} uses the prediction in place of prediction - y",
            run._replace(e=run.e + case.y),
        ),
        (
            f"the step of the {name} lets only sleeping hidden units learn: the ReLU's derivative "
            "is the wrong way round",
            run._replace(awake=[1.0 - v for v in run.awake]),
        ),
    ]
    for words, wrong in passes:
        yield words, moved(case, group, gradients(case, wrong)[group])


def later(case, group="W2"):
    """The case with one group of parameters already moved."""
    values = right_step(case, group)
    if group == "W1":
        values = [values[0:2], values[2:4], values[4:6]]
    return case._replace(**{group: values})


def wrong_hidden(case):
    run, after, (x1, x2) = forward(case), later(case), case.x
    others = [
        (
            "the hidden weights were updated with the output weights of after the step",
            gradients(case, run, W2=after.W2),
        ),
        (
            "the hidden weights' gradient has x1 and x2 the wrong way round",
            gradients(case, run, x=(x2, x1)),
        ),
        (
            "the hidden weights' gradient leaves out the inputs x1 and x2",
            gradients(case, run, x=(1.0, 1.0)),
        ),
        (
            "the error is worked out anew after the output weights have moved",
            gradients(after, forward(after)),
        ),
    ]
    for words, gradient in others:
        yield words, moved(case, "W1", gradient["W1"])
    for words, unit in wrong_units(case):
        yield (
            f"the hidden weights' gradient {words}",
            moved(case, "W1", [d * x for d in unit for x in case.x]),
        )


def wrong_units(case):
    """Pairs (words, 3 numbers): what learners take for the error of the hidden units."""
    run = forward(case)
    weighted = list(zip(case.W2, run.awake, strict=True))
    yield (
        "leaves out the ReLU's derivative, so sleeping units learn",
        [run.e * w for w, _ in weighted],
    )
    yield "leaves out the output weights", [run.e * awake for _, awake in weighted]
    yield (
        "leaves out the output weights and the ReLU's derivative: it is the error of the output",
        [run.e] * 3,
    )
    yield "leaves out the error, prediction - y", [w * awake for w, awake in weighted]
    yield (
        "multiplies by what the hidden units give on in place of the ReLU's derivative",
        [run.e * w * a for w, a in zip(case.W2, run.a, strict=True)],
    )
    yield (
        "is added up over the hidden units: each unit has its own",
        [sum(run.e * w * awake for w, awake in weighted)] * 3,
    )
    yield (
        "is the ReLU's derivative of the error, not the error times the ReLU's derivative",
        [float(run.e * w > 0) for w, _ in weighted],
    )
    yield (
        "adds the output weights up before it reaches the units",
        [run.e * sum(case.W2) * awake for _, awake in weighted],
    )


def wrong_output(case):
    run = forward(case)
    z = forward(case, relu=False).a
    yield (
        "the output weights' gradient uses what goes into the hidden units in place of what they "
        "give on: the ReLU is missing there",
        moved(case, "W2", [run.e * v for v in z]),
    )
    yield (
        "the output weights' gradient leaves out what the hidden units give on",
        moved(case, "W2", [run.e] * 3),
    )
    yield (
        "the output weights' gradient leaves out the error, prediction - y",
        moved(case, "W2", run.a),
    )
    yield (
        "the output weights' gradient has the output weights themselves in it",
        moved(case, "W2", [run.e * w * a for w, a in zip(case.W2, run.a, strict=True)]),
    )
    yield (
        "the output weights' gradient adds the hidden units up",
        moved(case, "W2", [run.e * sum(run.a)] * 3),
    )
    yield (
        "the output weights' gradient has the prediction in place of what the hidden units give on",
        moved(case, "W2", [run.e * (run.e + case.y)] * 3),
    )
    for group, words in (("W1", "hidden weights"), ("b", "biases")):
        after = later(case, group)
        yield (
            f"the output weights were updated with the {words} of after the step",
            moved(case, "W2", gradients(after, forward(after))["W2"]),
        )
    both = later(later(case, "W1"), "b")._replace(b=right_step(case, "b"))
    yield (
        "the output weights were updated with the hidden weights and biases of after the step",
        moved(case, "W2", gradients(both, forward(both))["W2"]),
    )


def wrong_biases(case):
    run = forward(case)
    right = gradients(case, run)["b"]
    yield (
        "the biases were updated with the output weights of after the step",
        moved(case, "b", gradients(case, run, W2=later(case).W2)["b"]),
    )
    yield (
        "the biases are moved by the gradient of the output weights",
        moved(case, "b", [run.e * a for a in run.a]),
    )
    for words, factor in (("x1", case.x[0]), ("x2", case.x[1]), ("x1 + x2", sum(case.x))):
        yield (
            f"the bias gradient is multiplied by {words}",
            moved(case, "b", [factor * g for g in right]),
        )
    for words, unit in wrong_units(case):
        yield f"the bias gradient {words}", moved(case, "b", unit)


def predict(case, x, biases=True, relu=True):
    """The prediction at x."""
    here = case._replace(x=x, y=0.0)
    return forward(here, biases=biases, relu=relu).e


def wrong_predictions(case, x):
    """Pairs (words, [prediction]) of the ways in which learners get predict wrong."""
    total = sum(case.b)
    right = predict(case, x)
    z = forward(case._replace(x=x, y=0.0), biases=False, relu=False).a
    after_relu = sum(w * (max(0.0, v) + b) for w, v, b in zip(case.W2, z, case.b, strict=True))
    minus = case._replace(b=[-b for b in case.b])
    columns = [v for row in case.W1 for v in row]
    turned = case._replace(W1=[[columns[i], columns[i + 3]] for i in range(3)])
    ones = FIRST._replace(b=case.b)
    plain = sum(w * b for w, b in zip(case.W2, case.b, strict=True))
    pairs = [
        ("predict ignores the biases", predict(case, x, biases=False)),
        ("predict ignores the biases and the ReLU", predict(case, x, biases=False, relu=False)),
        ("predict leaves out the ReLU of the hidden units", predict(case, x, relu=False)),
        ("predict adds the biases after the ReLU", after_relu),
        ("predict adds the biases to the output", right + total),
        (
            "predict adds the biases to the output, not to the hidden units",
            predict(case, x, biases=False) + total,
        ),
        ("predict adds the biases twice", right + plain),
        ("predict subtracts the biases", predict(minus, x)),
        ("predict applies the ReLU to the output as well", max(0.0, right)),
        ("predict has x1 and x2 the wrong way round", predict(case, (x[1], x[0]))),
        ("predict reads x1 for both inputs", predict(case, (x[0], x[0]))),
        ("predict reads x2 for both inputs", predict(case, (x[1], x[1]))),
        ("predict reads the hidden weights row by row into the wrong shape", predict(turned, x)),
        (
            "predict uses the weights that a network starts with, not those it has now",
            predict(ones, x),
        ),
        (
            "predict uses the weights that a network starts with, not those it has now",
            predict(FIRST, x),
        ),
        ("predict leaves out the output weights", predict(case._replace(W2=[1.0] * 3), x)),
        ("predict rounds its result", float(round(right))),
        ("predict cuts its result off to a whole number", float(int(right))),
    ]
    return [(words, [value]) for words, value in pairs]
