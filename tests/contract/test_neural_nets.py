"""The contract of neural_nets.py: the 2-3-1 network of the course, step by step.

The course's own check, five predictions after training, lets a good ten of wrong networks pass:
with all weights equal and all points on one line many mistakes cancel. Here each group of
parameters is compared with the right step on weights that are all different.
"""

import contextlib
import io
import math
import re

from tests.contract import networks
from tests.grading.judge import (
    blame,
    check,
    close,
    common_mistake,
    first_difference,
    get,
    known_mistake,
    number,
    numbers,
    show,
    sides,
    size,
)

import numpy as np
import pytest

ATTRIBUTES = {"W1": "input_to_hidden_weights", "b": "biases", "W2": "hidden_to_output_weights"}
SHAPES = {"W1": (3, 2), "b": (3, 1), "W2": (1, 3)}
TRAINING = [((2, 1), 10), ((3, 3), 21), ((4, 5), 32), ((6, 6), 42)]
TESTING = [(1, 1), (2, 2), (3, 3), (5, 5), (10, 10)]


def new_network(module):
    factory = get(module, "NeuralNetwork", "neural_nets.py")
    with blame("NeuralNetwork()"):
        return factory()


def network_of(module, case):
    """A learner's network with the parameters of `case`, in the learner's kind and shape of array.

    Another shape than the exercise's has cost its points in test_start; transposed weights still
    count.
    """
    network = new_network(module)
    for group, attribute in ATTRIBUTES.items():
        old = get(network, attribute, "NeuralNetwork()")
        values = np.array(networks.flat(case, group), dtype=float).reshape(SHAPES[group])
        if size(old) == (2, 3):
            values = values.T.copy()
        elif np.size(old) == values.size:
            values = values.reshape(size(old))
        if isinstance(old, np.matrix):
            values = np.matrix(values)
        setattr(network, attribute, values.tolist() if isinstance(old, list) else values)
    return network


def parameters_of(network, group):
    """The parameters of a group as a list of floats, hidden weights unit by unit."""
    attribute = ATTRIBUTES[group]
    values = getattr(network, attribute)
    flat = numbers(values, attribute)
    return [flat[i] for i in (0, 3, 1, 4, 2, 5)] if size(values) == (2, 3) else flat


def call(function, *arguments):
    with blame(f"{function.__name__}({', '.join(map(str, arguments))})"):
        return function(*arguments)


def compare_function(module, name, right, wrong, xs=(2.5, -1.5, 7, -3, 0.25, -0.5, 30)):
    """Compares a function of one number with `right`; wrong: pairs (words, another function)."""
    function = get(module, name, "neural_nets.py")
    gots = [number(call(function, x), f"{name}({x})") for x in xs]
    place = first_difference(gots, [float(right(x)) for x in xs])
    if place is not None:
        words = known_mistake(gots, [(words, [float(f(x)) for x in xs]) for words, f in wrong])
        check(
            False,
            f"{words + ': ' if words else ''}{name}({xs[place]}) is {show(gots[place])} where "
            f"{show(float(right(xs[place])))} is right",
        )


@pytest.mark.points(1)
def test_relu(module):
    """rectified_linear_unit is x above zero and 0 elsewhere"""
    compare_function(
        module,
        "rectified_linear_unit",
        lambda x: max(0, x),
        [
            ("it lets negative x through", lambda x: x),
            ("it is 0 above zero, min for max", lambda x: min(0, x)),
            ("the sign is the wrong way round", lambda x: max(0, -x)),
            ("it is a leaky ReLU", lambda x: max(0.01 * x, x)),
            ("it is abs(x)", abs),
            ("it is capped at 1", lambda x: min(1, max(0, x))),
            ("it is the derivative of the ReLU", lambda x: x > 0),
            ("it is cut off to whole numbers", lambda x: max(0, int(x))),
            ("it is a sigmoid", lambda x: 1 / (1 + math.exp(-x))),
        ],
        xs=(2.5, -1.5, 0, 7, -3, 0.25, -0.5),
    )


@pytest.mark.points(1)
def test_relu_derivative(module):
    """rectified_linear_unit_derivative is 1 above zero and 0 below"""
    name = "rectified_linear_unit_derivative"
    compare_function(
        module,
        name,
        lambda x: x > 0,
        [
            ("it is the ReLU itself", lambda x: max(0, x)),
            ("it is 1 below zero as well", lambda x: 1),
            ("0 and 1 are the wrong way round", lambda x: x < 0),
            ("it is x", lambda x: x),
            ("it is -1 below zero", lambda x: 1 if x > 0 else -1),
            ("it is 1 only from 1 on", lambda x: x >= 1),
            ("it is the derivative of a leaky ReLU", lambda x: 1 if x > 0 else 0.01),
            ("it is always 0", lambda x: 0),
        ],
    )
    at_zero = number(call(getattr(module, name), 0), f"{name}(0)")
    check(0 <= at_zero <= 1, f"{name}(0) is {show(at_zero)} where 0 is right")


@pytest.mark.points(1)
def test_output_activation(module):
    """output_layer_activation is the identity, and its derivative is 1"""
    wrong = [
        ("it is a ReLU", lambda x: max(0, x)),
        ("it is the derivative of the ReLU", lambda x: x > 0),
        ("it is a sigmoid", lambda x: 1 / (1 + math.exp(-x))),
        ("it is a tanh", math.tanh),
        ("it is always 0", lambda x: 0),
    ]
    compare_function(
        module,
        "output_layer_activation",
        lambda x: x,
        [*wrong, ("it is its derivative", lambda x: 1)],
    )
    compare_function(
        module,
        "output_layer_activation_derivative",
        lambda x: 1,
        [("it is the activation itself", lambda x: x), *wrong],
    )


@pytest.mark.points(2)
def test_start(module):
    """NeuralNetwork() starts with the parameters of the exercise"""
    network = new_network(module)
    for group, value in (("W1", 1.0), ("W2", 1.0), ("b", 0.0)):
        attribute = ATTRIBUTES[group]
        parameters = get(network, attribute, "NeuralNetwork()")
        right = SHAPES[group]
        check(
            size(parameters) == right,
            f"{attribute} is {sides(size(parameters))} where {sides(right)} is right",
        )
        for got in numbers(parameters, attribute):
            check(got == value, f"{attribute} starts with {show(got)} where {show(value)} is right")
    for attribute, right in (("learning_rate", 0.001), ("epochs_to_train", 10)):
        got = number(get(network, attribute, "NeuralNetwork()"), attribute)
        check(close(got, right), f"{attribute} is {show(got)} where {show(right)} is right")
    for attribute, right in (("training_points", TRAINING), ("testing_points", TESTING)):
        points = get(network, attribute, "NeuralNetwork()")
        check(
            numbers(points, attribute) == numbers(right, attribute),
            f"{attribute} is {points!r} where {right!r} is right",
        )


@pytest.mark.points(1)
def test_networks_share_nothing(module):
    """a second NeuralNetwork() starts anew"""
    call(new_network(module).train, 2, 1, 10)
    second = new_network(module)
    for group, start in (("W1", 1.0), ("W2", 1.0), ("b", 0.0)):
        got = numbers(getattr(second, ATTRIBUTES[group]), ATTRIBUTES[group])
        check(
            got == [start] * len(got),
            f"two networks share their parameters: after one is trained, {ATTRIBUTES[group]} of a "
            f"new one starts with {show(got[0])} where {show(start)} is right",
        )


def compare_prediction(module, cases):
    """cases: pairs (case, x). Every prediction is right, and none changes a parameter."""
    gots, rights, candidates = [], [], []
    for case, x in cases:
        network = network_of(module, case)
        gots.append([number(call(network.predict, *x), f"predict{x}")])
        rights.append([networks.predict(case, x)])
        candidates.append(networks.wrong_predictions(case, x))
        for group in ATTRIBUTES:
            check(
                close(parameters_of(network, group), networks.flat(case, group)),
                f"predict changes the {networks.NAMES[group]}: only train may",
            )
    for (_, x), got, right in zip(cases, gots, rights, strict=True):
        if not close(got, right):
            words = common_mistake(gots, candidates) or "predict is wrong"
            check(False, f"{words}: predict{x} is {show(got[0])} where {show(right[0])} is right")


@pytest.mark.points(1)
def test_predict_at_the_start(module):
    """predict gives 3 (x1 + x2) with the weights of the start"""
    compare_prediction(module, [(networks.FIRST, x) for x in ((1, 1), (2, 5), (10, 3))])


@pytest.mark.points(4)
def test_predict(module):
    """predict sends x through weights, biases and the ReLU"""
    compare_prediction(
        module,
        [(networks.ASLEEP, x) for x in ((2, 3), (3, 1), (1, 4))]
        + [(networks.NEGATIVE, x) for x in ((1, 2), (4, 3))],
    )


def move_of(module, case, group):
    """What one call of train adds to each parameter of a group, as a list of floats."""
    attribute = ATTRIBUTES[group]
    network = network_of(module, case)
    shape = size(getattr(network, attribute))
    call(network.train, *case.x, case.y)
    after = getattr(network, attribute)
    got = parameters_of(network, group)
    before = networks.flat(case, group)
    check(
        len(got) == len(before),
        f"{attribute} is {sides(shape)} before train and {sides(size(after))} after it: * "
        "multiplies matrices for np.matrix but element by element for arrays, and broadcasting "
        "fills up the rest",
    )
    return difference(got, before)


def difference(after, before):
    return [a - b for a, b in zip(after, before, strict=True)]


def compare_step(module, group):
    """One train call on each case moves the parameters of `group` as the right step does."""
    tolerances = {"relative": 1e-3, "absolute": 2e-7}  # compared are moves, of about 0.01
    gots, rights, candidates = [], [], []
    for case in networks.STEPS:
        before = networks.flat(case, group)
        gots.append(move_of(module, case, group))
        rights.append(difference(networks.right_step(case, group), before))
        candidates.append(
            [
                (words, difference(values, before))
                for words, values in networks.wrong_steps(case, group)
            ]
        )
    for case, got, right in zip(networks.STEPS, gots, rights, strict=True):
        place = first_difference(got, right, **tolerances)
        if place is None:
            continue
        words = common_mistake(gots, candidates, **tolerances)
        words = words or f"the step of the {networks.NAMES[group]} is wrong"
        index = f"[{place // 2}, {place % 2}]" if group == "W1" else f"[{place}]"
        old = networks.flat(case, group)[place]
        check(
            False,
            f"{words}: after train{(*case.x, case.y)} {ATTRIBUTES[group]}{index} is "
            f"{show(old + got[place])} where {show(old + right[place])} is right (it was "
            f"{show(old)})",
        )


@pytest.mark.points(4)
def test_step_of_the_output_weights(module):
    """train moves hidden_to_output_weights down their gradient"""
    compare_step(module, "W2")


@pytest.mark.points(4)
def test_step_of_the_hidden_weights(module):
    """train moves input_to_hidden_weights down their gradient"""
    compare_step(module, "W1")


@pytest.mark.points(4)
def test_step_of_the_biases(module):
    """train moves biases down their gradient"""
    compare_step(module, "b")


@pytest.mark.points(1)
def test_learning_rate(module):
    """train uses self.learning_rate"""
    moves = []
    for rate in (0.001, 0.002):
        network = network_of(module, networks.ASLEEP)
        network.learning_rate = rate
        call(network.train, 2, 3, 10)
        got = numbers(network.hidden_to_output_weights, "hidden_to_output_weights")
        moves.append(got[0] - networks.ASLEEP.W2[0])
    check(moves[0] != 0 or moves[1] != 0, "train moves nothing, at whatever learning rate")
    check(
        not close(moves[0], moves[1], relative=1e-3),
        "the learning rate is written into train: with self.learning_rate twice as high the step "
        f"is still {show(moves[1])} where {show(2 * moves[0])} is right",
    )
    check(
        close(moves[1], 2 * moves[0], relative=1e-2),
        "train does not multiply by self.learning_rate once: with a rate twice as high the step "
        f"of a weight is {show(moves[1])} where {show(2 * moves[0])} is right",
    )


@pytest.mark.points(2)
def test_train_neural_network(module):
    """train_neural_network calls train with every point in each of epochs_to_train epochs"""
    for epochs in (10, 3):
        network = new_network(module)
        network.epochs_to_train = epochs
        seen = []
        network.train = lambda x1, x2, y, seen=seen: seen.append((float(x1), float(x2), float(y)))
        call(network.train_neural_network)
        right = 4 * epochs
        check(
            len(seen) != 40 or right == 40,
            "the number of epochs is written into train_neural_network: with epochs_to_train = 3 "
            "train is still called 40 times, not 12",
        )
        check(
            len(seen) == right,
            f"with epochs_to_train = {epochs} train is called {len(seen)} times where {right} is "
            f"right: 4 points, {epochs} times",
        )
        points = sorted((float(x1), float(x2), float(y)) for (x1, x2), y in TRAINING)
        for epoch in range(epochs):
            got = sorted(seen[4 * epoch : 4 * epoch + 4])
            check(got == points, f"in epoch {epoch + 1} train gets the points {got}, not {points}")


@pytest.mark.points(2)
def test_it_learns(module):
    """after training the predictions are within 0.1 of 7 x1"""
    network = new_network(module)
    call(network.train_neural_network)
    for x1, x2 in TESTING:
        got = number(call(network.predict, x1, x2), f"predict({x1}, {x2})")
        check(
            abs(got - 7 * x1) < 0.1,
            f"after train_neural_network predict({x1}, {x2}) is {show(got)} where {7 * x1} within "
            "0.1 is right",
        )


def report_of(module, error):
    """What test_neural_network prints when every prediction is off by `error`."""
    network = new_network(module)
    network.predict = lambda x1, x2: 7.0 * float(x1) + error
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        call(network.test_neural_network)
    return output.getvalue()


@pytest.mark.points(2)
def test_report(module):
    """test_neural_network prints each point and whether the prediction is within 0.1 of 7 x1"""
    outputs = {error: report_of(module, error) for error in (0.05, -0.05, 0.5, -0.5)}
    for x1, x2 in TESTING:
        check(
            re.search(rf"\b{x1}\b\D+\b{x2}\b", outputs[0.05]),
            f"test_neural_network does not print the point ({x1}, {x2})",
        )
    verdicts = {error: re.sub(r"[\d.e+-]+", "", text) for error, text in outputs.items()}
    check(
        verdicts[0.05] != verdicts[0.5],
        "test_neural_network says the same of a prediction 0.05 off, which passes, and of one "
        "0.5 off",
    )
    check(
        verdicts[-0.5] == verdicts[0.5],
        "test_neural_network lets a prediction pass that is 0.5 too low: it is abs(prediction - "
        "7 x1) that has to be below 0.1",
    )
    check(
        verdicts[-0.05] == verdicts[0.05],
        "test_neural_network fails a prediction that is 0.05 too low: abs(prediction - 7 x1) < "
        "0.1 passes",
    )
