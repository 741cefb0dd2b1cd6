"""What is asked of each step of neural_nets.py, in the process that runs a learner's code.

A probe gets the module, ours but for the learner's function, and yields (label, function,
arguments...). The worker calls the function, and hands back what it gives as plain numbers. The
parent compares them with those of our own function, and of the known mistakes: so a probe must ask
what tells these apart, and nothing that a right solution may choose.
"""

import math

import utils

import numpy as np

NUMBERS = (2.5, -1.5, 0.0, 7.0, -0.25)
TABLE = np.array([[1.0, -2.0, 0.5], [0.0, 3.0, -0.125]])


def flat(value):
    """Return anything like an array as a list of floats, whatever its kind and shape."""
    return None if value is None else np.asarray(value, float).ravel().tolist()


def kind_of(value):
    """Return in words what a value is: a number, an array; of a pair, what both are."""
    if isinstance(value, (tuple, list)):
        return f"({', '.join(map(kind_of, value))})"
    if isinstance(value, (int, float, np.number)):
        return "a number"
    names = {"ndarray": "an array", "Tensor": "a tensor", "NoneType": "nothing"}
    return names.get(type(value).__name__, f"a {type(value).__name__}")


def number_in(value):
    """Return the number of an array that holds only one, or of a number; None of None."""
    return value if value is None else np.asarray(value, float).item()


def alike(function, x):
    """Return what a function gives for x as floats; one number may stand for all of them."""
    value = function(x)
    return value if value is None else flat(np.broadcast_to(np.asarray(value, float), np.shape(x)))


# ------------------------------------------------------------------------------ part 1


def activation(name):
    """Return the probe of a function that works element by element."""

    def probe(m):
        function = getattr(m, name)
        for x in NUMBERS:
            yield f"{name}({x:g})", alike, function, x
        yield f"{name} of a table of numbers", alike, function, TABLE.copy()

    return probe


def output_layer_activation(m):
    yield from activation("output_layer_activation")(m)
    yield from activation("output_layer_activation_derivative")(m)


# W, b, V, the point and its y. In the first the second unit sleeps, and all numbers are different:
# no two mistakes give the same step. In the second the prediction is negative, above its target.
ASLEEP = ([[0.5, 0.25], [-1, 0.5], [0.75, 1.5]], [0.1, 0.2, -0.3], [0.8, -0.6, 0.4], (2, 3), 10)
NEGATIVE = ([[0.5, 1], [0.25, 0.75], [1.5, 0.5]], [0.2, -0.1, 0.3], [-0.7, 0.2, -0.5], (1, 2), -5)
ATTRIBUTES = ("hidden_to_output_weights", "input_to_hidden_weights", "biases")


def network_of(m, case):
    """Return a network with the weights of a case."""
    network = m.NeuralNetwork()
    network.input_to_hidden_weights = np.array(case[0], float)
    network.biases = np.array(case[1], float).reshape(3, 1)
    network.hidden_to_output_weights = np.array([case[2]], float)
    network.learning_rate = 0.05
    return network


def network_forward(m):
    def parts(case):
        names = ("x", "z", "h", "u", "o")
        return dict(zip(names, map(flat, network_of(m, case).forward(*case[3])), strict=True))

    yield "forward(2, 3)", parts, ASLEEP
    yield "forward(1, 2)", parts, NEGATIVE


def network_predict(m):
    for case in (ASLEEP, NEGATIVE):
        network = network_of(m, case)
        point = ", ".join(map(str, case[3]))
        yield f"predict({point})", lambda n, x: number_in(n.predict(*x)), network, case[3]
        label = f"what predict({point}) gives"
        yield label, lambda n, x: kind_of(n.predict(*x)), network, case[3]
        for name in ATTRIBUTES:
            yield f"{name} after predict", lambda n, a: flat(getattr(n, a)), network, name


def network_train(m):
    for case in (ASLEEP, NEGATIVE):
        network = network_of(m, case)
        point = ", ".join(map(str, (*case[3], case[4])))
        yield f"train({point})", lambda n, c: n.train(*c[3], c[4]) and None, network, case
        for name in ATTRIBUTES:
            label = f"{name} after train({point})"
            yield label, lambda n, a: flat(getattr(n, a)), network, name


def network_epochs(m):
    for epochs in (1, 3):
        network, seen = m.NeuralNetwork(), []
        network.training_points = [((2, 1), 10), ((3, 5), 29), ((4, 6), 36)]
        network.epochs_to_train = epochs

        def train(x1, x2, y, seen=seen):
            seen.append([x1, x2, y])

        network.train = train
        label = f"with epochs_to_train = {epochs}, "
        yield label + "train_neural_network()", lambda n: n.train_neural_network() and None, network
        yield label + "the number of calls of train", len, seen
        yield label + "the points that train gets", sorted, seen


# ------------------------------------------------------------------------------ part 2


def small_net(m, sizes=(4, 3, 3, 2), examples=5, seed=1):
    """Return params, images and labels in float64, with biases, and with units that sleep."""
    rng = np.random.default_rng(seed)
    params = {}
    for i in range(1, len(sizes)):
        params[f"W{i}"] = rng.normal(0, 0.8, (sizes[i - 1], sizes[i]))
        params[f"b{i}"] = rng.normal(0, 0.5, sizes[i])
    return params, rng.random((examples, sizes[0])), rng.integers(sizes[-1], size=examples)


def initialise(m):
    def start(dtype):
        return m.initialise([400, 300, 10], np.random.default_rng(0), dtype)

    def spread(name, n_in):
        ratio = float(start(np.float64)[name].std() / math.sqrt(2 / n_in))
        return round(ratio, 1 if ratio > 0.5 else 3)

    def centre(name):
        weights = start(np.float64)[name]
        ratio = float(weights.mean() / (weights.std() + 1e-9))
        return round(ratio, 1) if abs(ratio) > 0.1 else 0.0  # of 3,000 numbers it scatters by 0.02

    def differs(name):
        return bool((start(np.float64)[name] != start(np.float64)[name]).any())

    yield "the list of names", lambda: ", ".join(sorted(start(np.float64)))
    for name in ("W1", "b1", "W2", "b2"):
        yield f"the shape of {name}", lambda n: sides(start(np.float64)[n]), name
    for name, n_in in (("W1", 400), ("W2", 300)):
        yield f"the standard deviation of {name}, divided by sqrt(2 / n_in),", spread, name, n_in
        yield f"the mean of {name}, divided by its standard deviation,", centre, name
        yield f"all units of {name} begin alike", lambda n: alike_units(start(np.float64)[n]), name
    yield "W1 differs from that of another rng with the same seed", lambda: differs("W1")
    for name in ("b1", "b2"):
        yield f"the largest of {name}", lambda n: float(np.max(start(np.float64)[n])), name
    for kind in (np.float32, np.float64):
        label = f"the type of W1, asked for {kind.__name__},"
        yield label, lambda k: str(start(k)["W1"].dtype), kind


def sides(array):
    """Return the shape of an array in words."""
    return " x ".join(map(str, np.shape(array)))


def alike_units(weights):
    return bool((weights == weights[:, :1]).all())


def whole(array):
    """Return an array as it is, for its shape is asked for as well."""
    return np.asarray(array, float)


def forward(m):
    params, images, _ = small_net(m)
    yield "the logits", lambda: whole(m.forward(params, images)[0])
    for i in range(3):
        yield f"the cache's A_{i}", lambda n: whole(m.forward(params, images)[1][n]), i
    yield "the number of arrays in the cache", lambda: len(m.forward(params, images)[1])
    yield "the logits with relu=np.tanh", lambda: whole(m.forward(params, images, np.tanh)[0])


def log_softmax(m):
    logits = np.array([[1.0, 2.0, -0.5], [0.3, 0.0, 0.1], [-2.0, 4.0, 1.5]])
    yield "log p", lambda: whole(m.log_softmax(logits.copy()))
    yield "log p of large logits", lambda: whole(m.log_softmax(1000 * logits))


def softmax_cross_entropy(m):
    rng = np.random.default_rng(4)
    logits, labels = rng.normal(0, 1.5, (5, 4)), np.array([2, 0, 3, 2, 1])
    kept = logits.copy()
    yield "the loss", lambda: number_in(m.softmax_cross_entropy(logits, labels)[0])
    yield "what the loss is", lambda: kind_of(m.softmax_cross_entropy(logits, labels)[0])
    yield "dlogits", lambda: whole(m.softmax_cross_entropy(logits, labels)[1])
    yield "the logits, which it was only lent,", lambda: whole(logits - kept)


def backward(m):
    # Where all sizes are equal, no product stops at the shapes: so what is forgotten, transposed or
    # taken from another layer shows in the numbers, each in its own way.
    for sizes, examples in (((4, 4), 4), ((4, 4, 4, 4), 4), ((4, 3, 5, 3), 6)):
        params, images, labels = small_net(m, sizes, examples)
        logits, cache = m.forward(params, images)
        dlogits = m.softmax_cross_entropy(logits, labels)[1] * 3  # any numbers will do

        def ask(*more, parts=(params, cache, dlogits)):
            params, cache, dlogits = parts
            return m.backward(params, cache, dlogits.copy(), *more)

        place = f"network {'-'.join(map(str, sizes))}: "
        yield place + "the list of names", lambda ask: ", ".join(sorted(ask())) or "empty", ask
        for i in range(len(sizes) - 1, 0, -1):
            for key in (f"dW{i}", f"db{i}"):
                yield place + key, lambda ask, k: whole(ask()[k]), ask, key

    label = "dW1 with another function for relu_derivative"
    yield label, lambda ask: whole(ask(lambda A: A - 0.5)["dW1"]), ask


def numerical_gradient(m):
    weights = np.array([[1.0, -2.0, 0.5], [0.25, 3.0, -1.0]])
    kept = weights.copy()
    factors = np.array([[1.0, 2.0, -1.0], [0.5, -0.25, 3.0]])

    def loss():  # its third derivative is not 0, so that a large step shows which formula it was
        return float((factors * weights**3).sum())

    yield "the gradient", lambda: whole(m.numerical_gradient(loss, weights))
    yield "the array afterwards", lambda: whole(weights)
    weights[:] = kept
    yield "the gradient with step=0.1", lambda: whole(m.numerical_gradient(loss, weights, 0.1))
    bias = np.array([0.5, -1.5])
    label = "the gradient with respect to a bias (2,)"
    yield label, lambda: whole(m.numerical_gradient(lambda: float((bias**2).sum()), bias))


def evaluate(m):
    params, images, labels = small_net(m, (4, 6, 3), 7, seed=6)
    yield "the loss", lambda: number_in(m.evaluate(params, images, labels)[0])
    yield "the accuracy", lambda: number_in(m.evaluate(params, images, labels)[1])
    yield "what it gives", lambda: kind_of(m.evaluate(params, images, labels))


# ------------------------------------------------------------------------------ the loops


def learn(m, train, **more):
    """Train a small network for three epochs; return its weights and the history."""
    rng = np.random.default_rng(7)
    params, _, _ = small_net(m, (6, 5, 3), seed=2)
    images, labels = (
        rng.random((10, 6)) + np.eye(6)[rng.integers(6, size=10)],
        rng.integers(3, size=10),
    )
    run = utils.Run(3, seed=3)
    train(params, (images[:8], labels[:8]), (images[8:], labels[8:]), run, 0.3, 3, **more)
    return params, run.history


def loop(name, **more):
    """Return the probe of a training loop."""

    def probe(m):
        done = []
        yield "training", lambda: done.append(learn(m, getattr(m, name), **more))
        params, history = done[0]
        for key in ("train_loss", "train_accuracy", "dev_loss", "dev_accuracy"):
            yield f"{key} of the first epoch", lambda k: float(history[0][k]), key
        yield "lr of the last epoch", lambda: float(history[-1]["lr"])
        for key in params:
            yield f"{key} after three epochs", lambda k: whole(params[k]), key

    return probe


# ------------------------------------------------------------------------------ part 3


def schedule(name):
    """Return the probe of a schedule."""

    def probe(m):
        for progress in (0.0, 0.1, 0.25, 0.3, 0.5, 0.8, 1.0):
            yield f"{name}({progress:g})", lambda p: float(getattr(m, name)(p)), progress

    return probe


def momentum_step(m):
    params = {"W1": np.array([[1.0, -2.0]]), "b1": np.array([0.5, 0.0])}
    velocity = {"W1": np.array([[0.3, 0.1]]), "b1": np.array([-0.2, 0.4])}
    grads = {"dW1": np.array([[0.7, -0.4]]), "db1": np.array([0.2, -1.0])}
    for count in ("one step", "two steps"):
        yield count, lambda: m.momentum_step(params, velocity, grads, 0.1, 0.8) and None
        for name in params:
            yield f"{name} after {count}", lambda n: whole(params[n]), name
        for name in params:
            yield f"the velocity of {name} after {count}", lambda n: whole(velocity[n]), name


def on_black(m):
    """Return params, cache and dlogits for images in which some pixels are black."""
    params, images, labels = small_net(m, (4, 3, 5, 3))
    images[images < 0.3] = 0
    logits, cache = m.forward(params, images)
    return params, cache, m.softmax_cross_entropy(logits, labels)[1]


def image_gradient(m):
    yield "dA_0", lambda: whole(m.image_gradient(*on_black(m)))


def adversarial_step(m):
    params, cache, dlogits = on_black(m)
    yield "the steps", lambda: whole(m.adversarial_step(params, cache, dlogits, 0.5))
    nothing = np.zeros_like(dlogits)
    label = "the steps where the loss does not depend on the images"
    yield label, lambda: whole(m.adversarial_step(params, cache, nothing, 0.5))


PROBES = {
    "rectified_linear_unit": activation("rectified_linear_unit"),
    "rectified_linear_unit_derivative": activation("rectified_linear_unit_derivative"),
    "output_layer_activation": output_layer_activation,
    "NeuralNetwork.forward": network_forward,
    "NeuralNetwork.predict": network_predict,
    "NeuralNetwork.train": network_train,
    "NeuralNetwork.train_neural_network": network_epochs,
    "initialise": initialise,
    "forward": forward,
    "log_softmax": log_softmax,
    "softmax_cross_entropy": softmax_cross_entropy,
    "backward": backward,
    "numerical_gradient": numerical_gradient,
    "evaluate": evaluate,
    "train_plain": loop("train_plain"),
    "half_cosine": schedule("half_cosine"),
    "momentum_step": momentum_step,
    "image_gradient": image_gradient,
    "adversarial_step": adversarial_step,
    "train_better": loop("train_better", momentum=0.8, adversarial=0.4),
}
