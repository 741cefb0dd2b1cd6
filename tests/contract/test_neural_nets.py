"""The contract of neural_nets.py: the 2-3-1 network of the course, step by step.

The course's own check, five predictions after training, lets a good ten of wrong networks pass:
with all weights equal and all points on one line many mistakes cancel. Here each group of
parameters is compared with the right step on weights that are all different, in several calls.
"""

import re

from tests.contract import networks
from tests.contract.networks import GROUPS, NAMES
from tests.grading.judge import Mistake, check, close, number, numbers, show, sides

import pytest

ATTRIBUTES = {"W1": "input_to_hidden_weights", "b": "biases", "W2": "hidden_to_output_weights"}
SHAPES = {"W1": [3, 2], "b": [3, 1], "W2": [1, 3]}
STARTS = {"W1": 1.0, "W2": 1.0, "b": 0.0}
TRAINING = [((2, 1), 10), ((3, 3), 21), ((4, 5), 32), ((6, 6), 42)]
TESTING = [(1, 1), (2, 2), (3, 3), (5, 5), (10, 10)]
# No point of a function is tested where another one is right by chance: near the bend, far out.
XS = (2.5, -1.5, 7, -3, 0.25, -0.5, 30, 0.004, -0.004, 0.7, 250.7, -250.7)


def compare_function(player, name, right, wrong, xs=XS):
    answers = player.ask("function", name=name, xs=xs)
    gots = [number(answer, f"{name}({x})") for answer, x in zip(answers, xs, strict=True)]
    mistake = networks.function_mistake(name, xs, gots, right, wrong)
    if mistake:
        raise mistake


@pytest.mark.points(1)
def test_relu(player):
    """rectified_linear_unit is x above zero and 0 elsewhere"""
    right, wrong = lambda x: max(0, x), networks.relu_mistakes()
    compare_function(player, "rectified_linear_unit", right, wrong, (*XS, 0))


@pytest.mark.points(1)
def test_relu_derivative(player):
    """rectified_linear_unit_derivative is 1 above zero and 0 below"""
    name = "rectified_linear_unit_derivative"
    compare_function(player, name, lambda x: x > 0, networks.slope_mistakes())
    (answer,) = player.ask("function", name=name, xs=[0])
    at_zero = number(answer, f"{name}(0)")
    check(0 <= at_zero <= 1, "at_zero", f"{name}(0) is {show(at_zero)} where 0 is right")


@pytest.mark.points(1)
def test_output_activation(player):
    """output_layer_activation is the identity, and its derivative is 1"""
    wrong = networks.output_mistakes()
    more = [*wrong, ("is_its_derivative", lambda x: 1)]
    compare_function(player, "output_layer_activation", lambda x: x, more)
    more = [("is_the_activation", lambda x: x), *wrong]
    compare_function(player, "output_layer_activation_derivative", lambda x: 1, more)


def parameters(found, group):
    return numbers(found[group], ATTRIBUTES[group])


@pytest.mark.points(2)
def test_start(player):
    """NeuralNetwork() starts with the parameters of the exercise"""
    (found,) = player.ask("network", actions=[[0, "read"]])
    for group in ("W1", "W2", "b"):
        attribute, size = ATTRIBUTES[group], found[group]["size"]
        text = f"{attribute} is {sides(size)} where {sides(SHAPES[group])} is right"
        check(size == SHAPES[group], "start_shape", text, name=attribute)
        for got in parameters(found, group):
            text = f"{attribute} starts with {show(got)} where {show(STARTS[group])} is right"
            check(got == STARTS[group], "start_value", text, name=attribute)
    for name, right in (
        ("learning_rate", 0.001),
        ("epochs_to_train", 10),
        ("training_points", TRAINING),
        ("testing_points", TESTING),
    ):
        (answer,) = player.ask("network", actions=[[0, "get", name]])
        got = numbers(answer, name)
        flat = [float(v) for v in re.findall(r"[\d.]+", str(right))]
        shown = show(got[0]) if len(flat) == 1 and got else got
        text = f"{name} is {shown} where {right!r} is right"
        check(close(got, flat), "start_setting", text, name=name)


@pytest.mark.points(1)
def test_networks_share_nothing(player):
    """a second NeuralNetwork() starts anew"""
    actions = [[0, "call", "train", 2, 1, 10], [1, "read"], [0, "call", "train", 3, 3, 9]]
    _, second, _, later = player.ask("network", actions=[*actions, [1, "read"]])
    for found in (second, later):
        for group, start in STARTS.items():
            got, name = parameters(found, group), ATTRIBUTES[group]
            text = f"after one is trained, {name} of a new one starts with {show(got[0])} where "
            check(got == [start] * len(got), "share", f"{text}{show(start)} is right")


def settings(case):
    return {group: networks.flat(case, group) for group in GROUPS}


def compare_prediction(player, cases):
    """cases: pairs (case, x). Every prediction is right, and none changes a parameter."""
    actions = []
    for place, (case, x) in enumerate(cases):
        actions += [[place, "set", settings(case)], [place, "call", "predict", *x]]
        actions += [[place, "read"]]
    answers = player.ask("network", actions=actions)
    gots = [
        number(answer, f"predict{x}") for answer, (_, x) in zip(answers[1::3], cases, strict=True)
    ]
    for found, (case, _) in zip(answers[2::3], cases, strict=True):
        for group in GROUPS:
            same = close(parameters(found, group), networks.flat(case, group))
            check(same, "predict_changes", name=NAMES[group])
    mistake = networks.prediction_mistake(cases, gots)
    if mistake:
        raise mistake


@pytest.mark.points(1)
def test_predict_at_the_start(player):
    """predict gives 3 (x1 + x2) with the weights of the start"""
    compare_prediction(player, [(networks.FIRST, x) for x in ((1, 1), (2, 5), (10, 3))])


@pytest.mark.points(4)
def test_predict(player):
    """predict sends x through weights, biases and the ReLU, whatever it was asked before"""
    cases = [(networks.ASLEEP, x) for x in ((2, 3), (3, 1), (1, 4), (2.7007, 3.4))]
    cases += [(networks.NEGATIVE, x) for x in ((1, 2), (4, 3), (-0.3, 0.8))]
    cases += [(networks.FAR, (20.7007, 31.3)), (networks.NEAR, (0.4003, 0.7))]
    compare_prediction(player, cases)
    cases = [(case, (2, 3)) for case in (networks.ASLEEP, networks.NEGATIVE, networks.FAR)]
    actions = [
        action
        for case, x in cases
        for action in ([0, "set", settings(case)], [0, "call", "predict", *x])
    ]
    gots = [number(a, "predict(2, 3)") for a in player.ask("network", actions=actions)[1::2]]
    for got, pair in zip(gots, cases, strict=True):
        right = networks.predict(*pair)
        text = f"predict(2, 3) is {show(got)} where {show(right)} is right now"
        check(close(got, right), "predict_remembers", text)


def trained(player, steps):
    """[(parameters before, after)] of train calls; steps: (network's number, parameters or None,
    x, y)."""
    actions = []
    for place, values, x, y in steps:
        actions += [[place, "set", values or {}], [place, "read"]]
        actions += [[place, "call", "train", *x, y], [place, "read"]]
    answers = player.ask("network", actions=actions)
    return list(zip(answers[1::4], answers[3::4], strict=True))


def check_sizes(before, after, group):
    old, new = before[group]["size"], after[group]["size"]
    numbers = f"{ATTRIBUTES[group]} is {sides(old)} before train and {sides(new)} after it"
    same = len(parameters(before, group)) == len(parameters(after, group))
    check(same, "step_sizes", numbers, name=ATTRIBUTES[group])


def compare_step(player, group):
    """One train call on each case moves the parameters of `group` as the right step does."""
    cases = networks.STEPS
    found = trained(player, [(n, settings(c), c.x, c.y) for n, c in enumerate(cases)])
    for before, after in found:
        check_sizes(before, after, group)
    gots = [parameters(after, group) for _, after in found]
    mistake = networks.step_mistake(cases, gots, group)
    if mistake:
        raise mistake
    compare_calls(player, group)


def compare_calls(player, group):
    """So does each of several calls on one network."""
    case, other = networks.ASLEEP, networks.NEGATIVE
    points = [(case.x, case.y), (case.x, case.y), (other.x, other.y), (case.x, case.y), ((3, 3), 1)]
    steps = [(0, settings(case) if n == 0 else None, *point) for n, point in enumerate(points)]
    calls = []
    for (before, after), (x, y) in zip(trained(player, steps), points, strict=True):
        for each in GROUPS:
            check_sizes(before, after, each)
        W1 = parameters(before, "W1")
        here = networks.Case(
            [W1[0:2], W1[2:4], W1[4:6]], parameters(before, "b"), parameters(before, "W2"), x, y
        )
        calls.append((here, {each: parameters(after, each) for each in GROUPS}))
    mistake = networks.sequence_mistake(calls, [group])
    if mistake:
        raise mistake


@pytest.mark.points(4)
def test_step_of_the_output_weights(player):
    """train moves hidden_to_output_weights down their gradient"""
    compare_step(player, "W2")


@pytest.mark.points(4)
def test_step_of_the_hidden_weights(player):
    """train moves input_to_hidden_weights down their gradient"""
    compare_step(player, "W1")


@pytest.mark.points(4)
def test_step_of_the_biases(player):
    """train moves biases down their gradient"""
    compare_step(player, "b")


@pytest.mark.points(1)
def test_learning_rate(player):
    """train uses self.learning_rate"""
    moves, case = [], networks.ASLEEP
    for rate in (0.001, 0.002):
        actions = [[0, "set", settings(case)], [0, "rate", rate], [0, "call", "train", *case.x, 10]]
        *_, after, left = player.ask(
            "network", actions=[*actions, [0, "read"], [0, "get", "learning_rate"]]
        )
        moves.append(parameters(after, "W2")[0] - case.W2[0])
        left = number(left, "learning_rate")
        text = f"it was {rate} and is {show(left)} after a call"
        check(close(left, rate), "rate_changes", text)
    one, two = moves
    check(one != 0 or two != 0, "rate_none")
    text = f"with self.learning_rate twice as high the step of a weight is {show(two)}"
    text = f"{text} where {show(2 * one)} is right"
    check(not close(one, two, relative=1e-3), "rate_fixed", text)
    check(close(two, 2 * one, relative=1e-2), "rate_other", text)


@pytest.mark.points(2)
def test_train_neural_network(player):
    """train_neural_network calls train with every point in each of epochs_to_train epochs"""
    for epochs in (10, 3):
        actions = [[0, "watched_training", epochs], [0, "get", "training_points"]]
        seen, points_after = player.ask("network", actions=actions)
        calls, right = [tuple(point) for point, _, _ in seen], 4 * epochs
        text = "with epochs_to_train = 3 train is still called 40 times, not 12"
        check(len(calls) != 40 or right == 40, "epochs_fixed", text)
        text = f"with epochs_to_train = {epochs} train is called {len(calls)} times where {right} "
        check(len(calls) == right, "epochs_count", f"{text}is right: 4 points, {epochs} times")
        points = sorted((float(x1), float(x2), float(y)) for (x1, x2), y in TRAINING)
        for epoch in range(epochs):
            got = sorted(calls[4 * epoch : 4 * epoch + 4])
            text = f"in epoch {epoch + 1} train gets the points {got}, not {points}"
            check(got == points, "points", text)
        flat = [v for (x1, x2), y in TRAINING for v in (x1, x2, y)]
        same = close(numbers(points_after, "training_points"), flat)
        check(same, "points_changed")
        for (_, _, before), (_, after, _) in zip(seen, seen[1:], strict=False):
            for group in GROUPS:
                same = close(parameters(before, group), parameters(after, group))
                check(same, "between", name=NAMES[group])


@pytest.mark.points(2)
def test_it_learns(player):
    """after training the predictions are within 0.1 of 7 x1"""
    actions = [[0, "call", "train_neural_network"], *[[0, "call", "predict", *x] for x in TESTING]]
    _, *answers = player.ask("network", actions=actions)
    for answer, (x1, x2) in zip(answers, TESTING, strict=True):
        got = number(answer, f"predict({x1}, {x2})")
        text = f"after train_neural_network predict({x1}, {x2}) is {show(got)} where {7 * x1}"
        check(abs(got - 7 * x1) < 0.1, "learns_not", f"{text} within 0.1 is right")


@pytest.mark.points(2)
def test_report(player):
    """test_neural_network, if it says what passes, says it by abs(prediction - 7 x1) < 0.1"""
    # Its words are free, and who leaves it out has made no mistake in the network.
    outputs = {}
    player.ask("network", actions=[[0, "read"]])  # without a network there is nothing to test
    for error in (0.05, -0.05, 0.5, -0.5):
        try:
            (output,) = player.ask("network", actions=[[0, "report", error]])
        except Mistake as mistake:
            if mistake.key != "missing":
                raise
            return player.remark("there is no test_neural_network")
        outputs[error] = re.sub(r"[\d.e+-]+", "", output)
    if not any(outputs.values()):
        return player.remark("test_neural_network says nothing; whether a point passes is of use")
    check(outputs[0.05] != outputs[0.5] or not has_verdict(outputs[0.05]), "report_same")
    if outputs[0.05] == outputs[0.5]:
        return player.remark("test_neural_network does not say which predictions pass")
    check(outputs[-0.5] == outputs[0.5], "report_low")
    check(outputs[-0.05] == outputs[0.05], "report_strict")


def has_verdict(output):
    return re.search(r"pass|fail|ok|wrong|right|correct", output.lower())
