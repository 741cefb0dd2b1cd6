"""neural_nets.py, its mathematics: the course's network, calculus against two oracles, training."""

import inspect
import math
import re
import types

import neural_nets
import utils

import numpy as np
import pytest
import torch
import torch.nn.functional as F

NETWORKS = [[20, 10], [20, 9, 10], [20, 9, 8, 10], [20, 9, 8, 7, 10]]


# --------------------------------------------------------------------------- part 1: by hand


def step_by_autograd(network, x1, x2, y):
    """Return the three weights of a NeuralNetwork as they must be after train(x1, x2, y)."""
    W, V, b = (
        torch.tensor(np.array(a, dtype=float), requires_grad=True)
        for a in (network.input_to_hidden_weights, network.hidden_to_output_weights, network.biases)
    )
    prediction = V @ torch.relu(W @ torch.tensor([[x1], [x2]], dtype=torch.float64) + b)
    (0.5 * (prediction - y) ** 2).sum().backward()
    return [(a - network.learning_rate * a.grad).detach().numpy() for a in (W, V, b)]


def assert_weights(network, W, V, b):
    np.testing.assert_allclose(network.input_to_hidden_weights, W, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(network.hidden_to_output_weights, V, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(network.biases, b, rtol=1e-12, atol=1e-12)


def test_steps_equal_autograd():
    """From many kinds of weights; each gradient is taken before anything moves."""
    rng = np.random.default_rng(0)
    zeros = 0
    for trial in range(60):
        network = neural_nets.NeuralNetwork()
        if trial >= 4:  # small whole numbers are exact, so that pre-activations of 0 really are 0
            draw = rng.normal if trial % 2 else lambda low, high, shape: rng.integers(-2, 3, shape)
            network.input_to_hidden_weights = draw(0, 1, (3, 2)).astype(float)
            network.hidden_to_output_weights = draw(0, 1, (1, 3)).astype(float)
            network.biases = draw(0, 1, (3, 1)).astype(float)
        (x1, x2), y = network.training_points[trial % 4]
        if trial >= 8:
            x1, x2, y = (int(n) for n in rng.integers(-3, 4, 3))
        z = network.input_to_hidden_weights @ [[x1], [x2]] + network.biases
        zeros += int((z == 0).sum())
        wanted = step_by_autograd(network, x1, x2, y)
        network.train(x1, x2, y)
        assert_weights(network, *wanted)
    assert zeros > 5


@pytest.mark.parametrize(
    "function, values",
    [
        ("rectified_linear_unit", [0, 0, 0, 0.5, 3]),
        ("rectified_linear_unit_derivative", [0, 0, 0, 1, 1]),
        ("output_layer_activation", [-2, -0.5, 0, 0.5, 3]),
        ("output_layer_activation_derivative", [1, 1, 1, 1, 1]),
    ],
)
def test_activations_take_scalars_and_arrays(function, values):
    activation, x = getattr(neural_nets, function), np.array([-2, -0.5, 0, 0.5, 3])
    for shape in ((5,), (5, 1), (1, 5)):
        result = activation(x.reshape(shape))
        assert result.shape == shape
        np.testing.assert_array_equal(result.ravel(), values)
    for one, value in zip(x.tolist(), values, strict=True):
        assert np.isscalar(activation(one))
        assert float(activation(one)) == value
    np.testing.assert_array_equal(activation(np.array([-2, 0, 3])), np.array(values)[[0, 2, 4]])


def test_first_step_is_the_one_worked_out_by_hand():
    # From ones: z = h = (3, 3, 3), o = 9, du = 9 - 10 = -1, dV = -3, dz = db = -1, dW = -(2, 1).
    network = neural_nets.NeuralNetwork()
    network.train(2, 1, 10)
    assert_weights(network, [[1.002, 1.001]] * 3, [[1.003] * 3], [[0.001]] * 3)
    assert type(network.predict(2, 1)) is float


def test_what_the_small_network_computes_is_what_it_predicts(capsys):
    neural_nets.show_small_network()
    shown = capsys.readouterr().out.splitlines()[-2:]
    network = neural_nets.NeuralNetwork()
    for line, epochs in zip(shown, (10, 990), strict=True):
        network.epochs_to_train = epochs
        network.train_neural_network()
        here, right, up = (network.predict(*point) for point in ((4, 4), (5, 4), (4, 5)))
        a, b = right - here, up - here
        assert line.endswith(f"computes {a:.2f} x1 + {b:.2f} x2 {here - 4 * (a + b):+.2f}")


# ------------------------------------------------------------------- part 2: the calculus


def random_case(sizes, seed=0, examples=6):
    """Return float64 weights with biases, images and labels."""
    rng = np.random.default_rng(seed)
    params = neural_nets.initialise(sizes, rng, np.float64)
    for i in range(1, len(sizes)):
        params[f"b{i}"] += rng.normal(0, 0.5, sizes[i])
    return params, rng.random((examples, sizes[0])), rng.integers(sizes[-1], size=examples)


def torch_loss(params, images, labels):
    """Return the loss by PyTorch, and the tensors {"W1": ..., "images": ...} that it came from."""
    tensors = {name: torch.tensor(a, requires_grad=True) for name, a in params.items()}
    tensors["images"] = x = torch.tensor(images, requires_grad=True)
    layers = len(params) // 2
    for i in range(1, layers + 1):
        x = x @ tensors[f"W{i}"] + tensors[f"b{i}"]
        x = torch.relu(x) if i < layers else x
    return F.cross_entropy(x, torch.tensor(labels)), tensors


@pytest.mark.parametrize("sizes", NETWORKS, ids=str)
def test_loss_and_gradients_equal_autograd(sizes):
    params, images, labels = random_case(sizes)
    wanted, tensors = torch_loss(params, images, labels)
    wanted.backward()
    logits, cache = neural_nets.forward(params, images)
    loss, dlogits = neural_nets.softmax_cross_entropy(logits, labels)
    assert loss == pytest.approx(wanted.item(), rel=1e-12)
    grads = neural_nets.backward(params, cache, dlogits)
    assert grads.keys() == {f"d{name}" for name in params}
    grads["dimages"] = neural_nets.image_gradient(params, cache, dlogits)
    for name, tensor in tensors.items():
        np.testing.assert_allclose(grads[f"d{name}"], tensor.grad, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize(
    "right, wrong",
    [
        ("    dlogits /= len(labels)\n", ""),
        (f'{12 * " "}dA = dZ @ params[f"W{{i}}"].T', f'{12 * " "}dA = dZ @ params[f"W{{i}}"]'),
        ("dZ.sum(axis=0)", "dZ.mean(axis=0)"),
        ("dZ = dA * relu_derivative(cache[i - 1])", "dZ = dA"),
    ],
)
def test_the_gradient_check_sees_a_planted_mistake(right, wrong):
    text = inspect.getsource(neural_nets)
    assert text.count(right) == 1
    module = types.ModuleType("with_mistake")
    exec(text.replace(right, wrong), module.__dict__)
    # All matrices are square, so that a missing transpose is a wrong number and no wrong shape.
    assert max(neural_nets.gradient_errors([10, 10, 10, 10], examples=10).values()) < 1e-6
    assert max(module.gradient_errors([10, 10, 10, 10], examples=10).values()) > 1e-3


def test_check_gradients_shows_a_table_and_names_what_is_wrong(as_program, monkeypatch):
    status, output, errors = as_program(neural_nets.main, "neural_nets.py", "--check-gradients")
    assert (status, errors) == (0, "")
    for sizes in NETWORKS:
        assert re.search(rf"(?m)^{'-'.join(map(str, sizes))} .*W{len(sizes) - 1} \de-\d\d", output)
    right = neural_nets.backward

    def wrong(*given, **more):
        grads = right(*given, **more)
        if "db2" in grads:
            grads["db2"] = grads["db2"] * 1.00001
        return grads

    monkeypatch.setattr(neural_nets, "backward", wrong)
    status, output, errors = as_program(neural_nets.main, "neural_nets.py", "--check-gradients")
    assert status == 2
    assert "b2 1e-05" in output.splitlines()[-1]
    assert "20-9-10" in errors


def test_softmax_is_stable():
    logits = np.array([[1e4, 0, -1e4], [-1e4, -1e4, -1e4], [1, 2, 3]], np.float32)
    with np.errstate(all="raise", under="ignore"):
        log_p = neural_nets.log_softmax(logits)
        loss, dlogits = neural_nets.softmax_cross_entropy(logits, np.array([2, 0, 2]))
    assert log_p.dtype == dlogits.dtype == np.float32
    np.testing.assert_allclose(log_p[0], [0, -1e4, -2e4])
    np.testing.assert_allclose(log_p[1], np.full(3, -math.log(3)), rtol=1e-6)
    np.testing.assert_allclose(np.exp(log_p).sum(axis=1), 1, rtol=1e-6)
    last = math.log(1 + math.exp(-1) + math.exp(-2))
    assert loss == pytest.approx((2e4 + math.log(3) + last) / 3, rel=1e-6)
    np.testing.assert_allclose(dlogits[0], [1 / 3, 0, -1 / 3], atol=1e-7)


# ----------------------------------------------------------------------- part 2: learning


def test_initial_weights_follow_he():
    params = neural_nets.initialise([784, 512, 256, 10], np.random.default_rng(0))
    assert {name: a.shape for name, a in params.items()} == {
        "W1": (784, 512),
        "b1": (512,),
        "W2": (512, 256),
        "b2": (256,),
        "W3": (256, 10),
        "b3": (10,),
    }
    for name, a in params.items():
        assert a.dtype == np.float32
        if name[0] == "b":
            assert not a.any()
        else:
            assert a.std() == pytest.approx(math.sqrt(2 / len(a)), rel=0.03)
            assert abs(a.mean()) < 4 * a.std() / math.sqrt(a.size)


@pytest.mark.parametrize(
    "sizes, how, learned",
    [
        ([2, 2], {}, False),
        ([2, 16, 2], {}, True),
        ([2, 16, 2], {"relu": False}, False),
        ([2, 16, 2], {"equal": True}, False),
    ],
    ids=["no hidden units", "hidden units", "without ReLU", "equal starts"],
)
def test_xor_is_learned_with_hidden_units_relu_and_unequal_starts_alone(sizes, how, learned):
    for seed in range(10):
        assert neural_nets.learns_xor(sizes, seed, **how) is learned


def test_what_is_said_of_xor_is_what_was_found(capsys, monkeypatch):
    found = {((2, 2), ()): 1, ((2, 2, 2), ()): 2, ((2, 16, 2), ()): 7}
    found |= {((2, 16, 2), (name,)): count for name, count in (("relu", 4), ("equal", 10))}

    def learns(sizes, seed, **how):
        assert how in ({}, {"relu": False}, {"equal": True})
        return seed < found[tuple(sizes), tuple(how)]

    monkeypatch.setattr(neural_nets, "learns_xor", learns)
    neural_nets.show_xor()
    lines = capsys.readouterr().out.splitlines()[1:]
    said = {line[:34].strip(): line[34:].strip() for line in lines}
    assert said == {
        "no hidden units": "1 of 10 learn it",
        "2 hidden units": "2 of 10 learn it",
        "16 hidden units": "7 of 10 learn it",
        "16 hidden units without ReLU": "4 of 10 learn it",
        "16 hidden units that begin equal": "10 of 10 learn it",
    }


# ------------------------------------------------------------------- part 3: the three ideas


def test_a_step_of_ones_own_is_resumed_with_all_that_it_keeps(tmp_path, monkeypatch):
    """Adagrad in place of momentum: it keeps the squares of all gradients in `velocity`."""

    def step(params, velocity, grads, rate, momentum):
        for name in params:
            square = velocity.setdefault(f"square {name}", np.zeros_like(params[name]))
            square += grads[f"d{name}"] ** 2
            params[name] -= rate * grads[f"d{name}"] / (np.sqrt(square) + 1e-6)

    monkeypatch.setattr(neural_nets, "momentum_step", step)
    images, labels = np.random.default_rng(0).random((60, 4), np.float32), np.arange(60) % 3

    def trained(epochs, **more):
        params = neural_nets.initialise([4, 5, 3], np.random.default_rng(0))
        run, sets = utils.Run(epochs, seed=0, settings={}, **more), (images, labels)
        how = {"batch_size": 10, "schedule": None, "adversarial": 0}
        neural_nets.train_better(params, sets, sets, run, **how)
        return params["W1"]

    whole = trained(2)
    trained(1, folder=tmp_path)
    resumed = trained(2, folder=tmp_path, resume=True)
    np.testing.assert_array_equal(resumed, whole)


def test_the_rate_falls_as_half_a_cosine():
    shares = [neural_nets.half_cosine(progress) for progress in (0, 0.25, 0.5, 0.75, 1)]
    root = math.sqrt(0.5)
    np.testing.assert_allclose(shares, [1, (1 + root) / 2, 0.5, (1 - root) / 2, 0], atol=1e-12)


def example_losses(params, images, labels):
    log_p = neural_nets.log_softmax(neural_nets.forward(params, images)[0])
    return -log_p[np.arange(len(labels)), labels]


def test_the_adversarial_step_has_its_length_and_no_other_raises_the_loss_more():
    params, images, labels = random_case([20, 9, 8, 10], examples=12)
    logits, cache = neural_nets.forward(params, images)
    _, dlogits = neural_nets.softmax_cross_entropy(logits, labels)
    step = neural_nets.adversarial_step(params, cache, dlogits, 0.7)
    np.testing.assert_allclose(np.linalg.norm(step, axis=1), 0.7, rtol=1e-9)
    small = step * 1e-3
    worst = example_losses(params, images + small, labels)
    assert (worst > example_losses(params, images, labels)).all()
    rng = np.random.default_rng(1)
    for _ in range(100):
        other = rng.standard_normal(step.shape)
        other *= np.linalg.norm(small, axis=1)[:, None] / np.linalg.norm(other, axis=1)[:, None]
        assert (worst > example_losses(params, images + other, labels)).all()


def test_from_a_sure_and_right_reading_no_step_is_taken():
    params = {"W1": 1e4 * np.eye(10, dtype=np.float32), "b1": np.zeros(10, np.float32)}
    images, labels = np.eye(10, dtype=np.float32), np.arange(10)
    logits, cache = neural_nets.forward(params, images)
    _, dlogits = neural_nets.softmax_cross_entropy(logits, labels)
    assert not neural_nets.adversarial_step(params, cache, dlogits, 1.0).any()


# ------------------------------------------------------------------- the two training loops

OFF = {"momentum": 0, "schedule": "constant", "adversarial": 0}
ALL = {"momentum": 0.9, "schedule": "cosine", "adversarial": 0.7}


def settings(**changes):
    fixed = {"epochs": 2, "batch_size": 8, "lr": 0.1, "seed": 3, "quiet": True}
    return types.SimpleNamespace(**fixed | OFF | changes)


def trained(train, sizes, train_set, dev_set, **changes):
    """Train a network in float64; return its last weights and the record of the run."""
    args = settings(**changes)
    params = neural_nets.initialise(sizes, np.random.default_rng(args.seed), np.float64)
    run = utils.Run(args.epochs, args.seed)
    how = {"lr": args.lr, "batch_size": args.batch_size}
    if train is neural_nets.train_better:
        schedule = neural_nets.half_cosine if args.schedule == "cosine" else None
        how |= {"momentum": args.momentum, "schedule": schedule, "adversarial": args.adversarial}
    train(params, train_set, dev_set, run, **how)
    return params, run


def trained_by_torch(sizes, train_set, dev_set, **changes):
    """Do the same with autograd and torch.optim.SGD: weights and history rows."""
    args = settings(**changes)
    params = neural_nets.initialise(sizes, np.random.default_rng(args.seed), np.float64)
    images, labels = train_set
    tensors = {name: torch.tensor(a, requires_grad=True) for name, a in params.items()}
    sgd = torch.optim.SGD(
        tensors.values(), lr=1, momentum=args.momentum, nesterov=args.momentum > 0
    )

    def losses(x, y):
        for i in range(1, len(sizes)):
            x = x @ tensors[f"W{i}"] + tensors[f"b{i}"]
            x = torch.relu(x) if i < len(sizes) - 1 else x
        return F.cross_entropy(x, y, reduction="none"), (x.argmax(1) == y).double()

    history = []
    for epoch in range(1, args.epochs + 1):
        order = np.random.default_rng(10**6 * args.seed + epoch).permutation(len(images))
        batches = np.array_split(order, math.ceil(len(order) / args.batch_size))
        found = []
        for i, batch in enumerate(batches):
            done = (epoch - 1 + i / len(batches)) / args.epochs
            x, y = torch.tensor(images[batch], requires_grad=True), torch.tensor(labels[batch])
            loss, right = losses(x, y)
            found.append(torch.stack([loss, right]).detach())
            if args.adversarial:
                (slope,) = torch.autograd.grad(loss.sum(), x)
                length = args.adversarial * min(1, done / 0.3)
                loss, _ = losses(x.detach() + length * F.normalize(slope), y)
            sgd.zero_grad()
            loss.mean().backward()
            rate = args.lr * (1 + math.cos(math.pi * done)) / 2
            sgd.param_groups[0]["lr"] = rate if args.schedule == "cosine" else args.lr
            sgd.step()
        dev = torch.stack(losses(*map(torch.tensor, dev_set))).mean(1)
        train = torch.cat(found, dim=1).mean(1)  # over examples, not over batches
        history.append([*train.tolist(), *dev.tolist(), sgd.param_groups[0]["lr"]])
    return {name: tensor.detach().numpy() for name, tensor in tensors.items()}, history


@pytest.mark.parametrize(
    "name, changes",
    [
        ("train_plain", {}),
        ("train_better", ALL),
        *(("train_better", {key: value}) for key, value in ALL.items()),
    ],
    ids=["plain", "all three", *ALL],
)
def test_training_equals_torch_step_by_step(name, changes):
    """Two epochs of 22 examples, in batches of 8, 7 and 7: every digit once, in a new order."""
    sizes, keys = [20, 9, 10], ("train_loss", "train_accuracy", "dev_loss", "dev_accuracy", "lr")
    rng = np.random.default_rng(0)
    train_set, dev_set = ((rng.random((n, 20)), rng.integers(10, size=n)) for n in (22, 13))
    params, run = trained(getattr(neural_nets, name), sizes, train_set, dev_set, **changes)
    wanted, history = trained_by_torch(sizes, train_set, dev_set, **changes)
    for key, a in params.items():
        np.testing.assert_allclose(a, wanted[key], rtol=1e-9, atol=1e-12)
    found = [[row[key] for key in keys] for row in run.history]
    np.testing.assert_allclose(found, history, rtol=1e-9)
