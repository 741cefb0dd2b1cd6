"""neural_nets.py: the course's network, calculus against two oracles, learning, files, program."""

import inspect
import json
import math
import re
import subprocess
import sys
import tracemalloc
import types
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

import neural_nets
import utils
from tests.conftest import ROOT, RUN_FILES, run_script, visible_files
from utils import UserError

SETTINGS = {"epochs": 3, "batch_size": 50, "lr": 0.1, "seed": 0, "quiet": True, "resume": False,
            "data_dir": utils.DATASETS}  # fmt: skip
NETWORKS = [[20, 10], [20, 9, 10], [20, 9, 8, 10], [20, 9, 8, 7, 10]]


def with_mistake(right, wrong):
    """Return neural_nets with one piece of its text changed."""
    text = inspect.getsource(neural_nets)
    assert text.count(right) == 1, right
    module = types.ModuleType("with_mistake")
    exec(compile(text.replace(right, wrong), "with_mistake", "exec"), module.__dict__)
    return module


# --------------------------------------------------------------------------- part 1: by hand


def step_by_autograd(network, x1, x2, y):
    """Return the three weights of a NeuralNetwork as they must be after train(x1, x2, y)."""
    W, V, b = (
        torch.tensor(np.array(a, dtype=float), requires_grad=True)
        for a in (
            network.input_to_hidden_weights,
            network.hidden_to_output_weights,
            network.biases,
        )
    )
    prediction = V @ torch.relu(W @ torch.tensor([[x1], [x2]], dtype=torch.float64) + b)
    (0.5 * (prediction - y) ** 2).sum().backward()
    return [(a - network.learning_rate * a.grad).detach().numpy() for a in (W, V, b)]


def assert_weights(network, W, V, b):
    np.testing.assert_allclose(network.input_to_hidden_weights, W, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(network.hidden_to_output_weights, V, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(network.biases, b, rtol=1e-12, atol=1e-12)


def check_small_network(module):
    """Compare training steps of module.NeuralNetwork with autograd, from many kinds of weights."""
    rng = np.random.default_rng(0)
    zeros = 0
    for trial in range(60):
        network = module.NeuralNetwork()
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


def test_small_network_starts_as_in_the_course():
    network = neural_nets.NeuralNetwork()
    np.testing.assert_array_equal(network.input_to_hidden_weights, np.ones((3, 2)))
    np.testing.assert_array_equal(network.hidden_to_output_weights, np.ones((1, 3)))
    np.testing.assert_array_equal(network.biases, np.zeros((3, 1)))
    assert (network.learning_rate, network.epochs_to_train) == (0.001, 10)
    assert network.training_points == [((2, 1), 10), ((3, 3), 21), ((4, 5), 32), ((6, 6), 42)]
    assert network.testing_points == [(1, 1), (2, 2), (3, 3), (5, 5), (10, 10)]


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


def test_steps_equal_autograd():
    check_small_network(neural_nets)


@pytest.mark.parametrize(
    "right, wrong",
    [
        ("du = (o - y) *", "du = (y - o) *"),
        ("du = (o - y) *", "du = 2 * (o - y) *"),
        ("dV = du @ h.T", "dV = du @ z.T"),
        ("dh * rectified_linear_unit_derivative(z)", "dh"),
        ("db = dz", "db = np.ones((3, 1)) * du"),
        ("self.biases = self.biases - ", "self.biases = self.biases + "),
        ("weights @ x + self.biases", "weights @ x"),
        ("np.heaviside(x, 0.0)", "np.heaviside(x, 1.0)"),
        ("return np.maximum(0, x)", "return x"),
    ],
)
def test_a_mistake_in_the_small_network_is_seen(right, wrong):
    with pytest.raises(AssertionError):
        check_small_network(with_mistake(right, wrong))


def test_gradients_are_taken_before_anything_moves():
    text = inspect.getsource(neural_nets.NeuralNetwork.train)
    move = re.search(r" *self\.hidden_to_output_weights = .*\n", text).group()
    early = text.replace(move, "").replace("        dh = ", move + "        dh = ")
    module = types.ModuleType("early")
    source = inspect.getsource(neural_nets).replace(text, early)
    exec(compile(source, "early", "exec"), module.__dict__)
    with pytest.raises(AssertionError):
        check_small_network(module)


def test_trained_small_network_predicts_the_sum(capsys):
    network, twin = neural_nets.NeuralNetwork(), neural_nets.NeuralNetwork()
    network.train_neural_network()
    for _ in range(10):
        for (x1, x2), y in twin.training_points:
            wanted = step_by_autograd(twin, x1, x2, y)
            twin.input_to_hidden_weights, twin.hidden_to_output_weights, twin.biases = wanted
    assert_weights(network, *wanted)
    for x1, x2 in network.testing_points:
        assert type(network.predict(x1, x2)) is float
        assert abs(network.predict(x1, x2) - 7 * x1) < 0.1
    network.test_neural_network()
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5
    assert all("passed" in line for line in lines)


def test_untrained_small_network_fails_its_test(capsys):
    network = neural_nets.NeuralNetwork()
    network.input_to_hidden_weights[:] = 7 / 6
    network.biases[:] = 0.1  # without it 7 x1; with it 0.3 too high
    network.test_neural_network()
    assert capsys.readouterr().out.count("FAILED") == 5


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
    grads["dimages"] = neural_nets.backward(params, cache, dlogits, to_images=True)
    for name, tensor in tensors.items():
        np.testing.assert_allclose(grads[f"d{name}"], tensor.grad, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("sizes", NETWORKS, ids=str)
def test_gradients_equal_central_differences(sizes):
    errors = neural_nets.gradient_errors(sizes, seed=1)
    layers = range(1, len(sizes))
    assert set(errors) == {*(f"W{i}" for i in layers), *(f"b{i}" for i in layers), "images"}
    assert max(errors.values()) < 1e-6


@pytest.mark.parametrize(
    "right, wrong",
    [
        ("dlogits[rows, labels] -= 1", "dlogits[rows, labels] += 1"),
        ("    dlogits /= len(labels)\n", ""),
        ("log_p[rows, labels].mean()", "log_p[rows, labels].sum()"),
        ("cache[i - 1].T @ dZ", "-cache[i - 1].T @ dZ"),
        ("cache[i - 1].T @ dZ", "cache[i - 1] @ dZ"),
        ('dZ @ params[f"W{i}"].T', 'dZ @ params[f"W{i}"]'),
        ("dZ.sum(axis=0)", "dZ.mean(axis=0)"),
        ("dZ.sum(axis=0)", "dZ.sum(axis=1)"),
        ("dZ *= cache[i - 1] > 0", "dZ *= cache[i - 1] >= 0"),
        ("dZ *= cache[i - 1] > 0", "dZ = dZ * (cache[i - 2] > 0)"),
        ('        A += params[f"b{i}"]\n', ""),
        ("            np.maximum(A, 0, out=A)\n", "            pass\n"),
        ("return shifted - np.log(", "return shifted - np.log1p("),
    ],
)
def test_the_gradient_check_sees_a_planted_mistake(right, wrong):
    module = with_mistake(right, wrong)
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


def test_guessing_costs_log_10():
    loss, dlogits = neural_nets.softmax_cross_entropy(np.zeros((4, 10)), np.array([0, 3, 9, 9]))
    assert loss == pytest.approx(math.log(10))
    np.testing.assert_allclose(dlogits[0], [-0.9 / 4, *[0.1 / 4] * 9])


# ----------------------------------------------------------------------- part 2: learning


def test_initial_weights_follow_he():
    params = neural_nets.initialise([784, 512, 256, 10], np.random.default_rng(0))
    assert {name: a.shape for name, a in params.items()} == {
        "W1": (784, 512), "b1": (512,), "W2": (512, 256), "b2": (256,), "W3": (256, 10), "b3": (10,)
    }  # fmt: skip
    for name, a in params.items():
        assert a.dtype == np.float32
        if name[0] == "b":
            assert not a.any()
        else:
            assert a.std() == pytest.approx(math.sqrt(2 / len(a)), rel=0.03)
            assert abs(a.mean()) < 4 * a.std() / math.sqrt(a.size)


def test_learning_rate_is_half_a_cosine():
    rates = [neural_nets.learning_rate(progress, 0.2) for progress in (0, 0.25, 0.5, 0.75, 1)]
    root = math.sqrt(0.5)
    np.testing.assert_allclose(rates, [0.2, 0.1 + 0.1 * root, 0.1, 0.1 - 0.1 * root, 0], atol=1e-12)


def test_nesterov_steps_equal_torch_and_happen_in_place():
    params, images, labels = random_case([20, 9, 10])
    velocity = {name: np.zeros_like(a) for name, a in params.items()}
    tensors = {name: torch.tensor(a, requires_grad=True) for name, a in params.items()}
    sgd = torch.optim.SGD(tensors.values(), lr=1, momentum=neural_nets.MOMENTUM, nesterov=True)
    before = dict(params)
    for rate in (0.1, 0.3, 0.05, 0.2):
        logits, cache = neural_nets.forward(params, images)
        _, dlogits = neural_nets.softmax_cross_entropy(logits, labels)
        grads = neural_nets.backward(params, cache, dlogits)
        for name, tensor in tensors.items():
            tensor.grad = torch.tensor(grads[f"d{name}"])
        sgd.param_groups[0]["lr"] = rate
        sgd.step()
        neural_nets.nesterov_step(params, velocity, grads, rate)
        for name, tensor in tensors.items():
            np.testing.assert_allclose(params[name], tensor.detach(), rtol=1e-12, atol=1e-14)
    assert all(params[name] is a for name, a in before.items())


def example_losses(params, images, labels):
    log_p = neural_nets.log_softmax(neural_nets.forward(params, images)[0])
    return -log_p[np.arange(len(labels)), labels]


def test_the_nudge_has_its_length_and_hurts_more_than_any_other_step():
    params, images, labels = random_case([20, 9, 8, 10], examples=12)
    logits, cache = neural_nets.forward(params, images)
    _, dlogits = neural_nets.softmax_cross_entropy(logits, labels)
    step = neural_nets.nudge(params, cache, dlogits, 0.7)
    np.testing.assert_allclose(np.linalg.norm(step, axis=1), 0.7, rtol=1e-9)
    small = step * 1e-3
    worst = example_losses(params, images + small, labels)
    assert (worst > example_losses(params, images, labels)).all()
    rng = np.random.default_rng(1)
    for _ in range(100):
        other = rng.standard_normal(step.shape)
        other *= np.linalg.norm(small, axis=1)[:, None] / np.linalg.norm(other, axis=1)[:, None]
        assert (worst > example_losses(params, images + other, labels)).all()


def test_a_sure_and_right_reading_has_no_nudge():
    params = {"W1": 1e4 * np.eye(10, dtype=np.float32), "b1": np.zeros(10, np.float32)}
    images, labels = np.eye(10, dtype=np.float32), np.arange(10)
    logits, cache = neural_nets.forward(params, images)
    _, dlogits = neural_nets.softmax_cross_entropy(logits, labels)
    assert not neural_nets.nudge(params, cache, dlogits, 1.0).any()


def test_training_step_equals_torch():
    params, images, labels = random_case([20, 9, 10], examples=8)
    velocity = {name: np.full_like(a, 0.01) for name, a in params.items()}
    clean, tensors = torch_loss(params, images, labels)
    clean.backward()
    step = tensors["images"].grad / tensors["images"].grad.norm(dim=1, keepdim=True)
    hard, tensors = torch_loss(params, images + 0.7 * step.numpy(), labels)
    hard.backward()
    wanted = {}
    for name in params:
        v = neural_nets.MOMENTUM * velocity[name] + tensors[name].grad.numpy()
        wanted[name] = params[name] - 0.1 * (
            tensors[name].grad.numpy() + neural_nets.MOMENTUM * v
        )
    right = (neural_nets.forward(params, images)[0].argmax(1) == labels).sum()
    found = neural_nets.training_step(params, velocity, images.copy(), labels, 0.1, 0.7)
    assert found == (pytest.approx(clean.item()), right)
    for name, a in params.items():
        np.testing.assert_allclose(a, wanted[name], rtol=1e-9, atol=1e-12)


def test_an_epoch_takes_every_digit_once_in_full_batches_in_an_order_of_its_own(monkeypatch):
    seen = []

    def step(params, velocity, images, labels, rate, length):
        np.testing.assert_array_equal(images[:, 0], labels)
        assert len(labels) == 50
        seen.append((labels.tolist(), rate, length))
        return 2.0, 10

    monkeypatch.setattr(neural_nets, "training_step", step)
    numbers = np.arange(470)
    images = np.repeat(numbers[:, None], 3, axis=1)
    orders = []
    for seed, epoch in ((0, 1), (0, 2), (0, 2), (1, 2)):
        seen.clear()
        args = types.SimpleNamespace(**SETTINGS | {"seed": seed})
        figures, rate = neural_nets.train_epoch({}, {}, images, numbers, args, epoch)
        assert figures == (2.0, 0.2)
        order, rates, lengths = zip(*seen, strict=True)
        orders.append(sum(order, []))
        assert len(set(orders[-1])) == len(orders[-1]) == 450
        done = [(epoch - 1 + i / 9) / 3 for i in range(9)]
        assert rates == pytest.approx([neural_nets.learning_rate(part, 0.1) for part in done])
        assert lengths == pytest.approx([neural_nets.NUDGE * min(1, part / 0.3) for part in done])
        assert rate == rates[-1]
    assert orders[0] != orders[1] == orders[2] != orders[3]


@pytest.fixture(scope="module")
def digits(mnist):
    images, labels = mnist[0]
    images, labels = utils.as_floats(images[:700]), labels[:700].astype(np.int64)
    return (images[:600], labels[:600]), (images[600:], labels[600:])


def trained(digits, folder, **changes):
    args = types.SimpleNamespace(**SETTINGS | changes)
    params = neural_nets.initialise([784, 30, 10], np.random.default_rng(args.seed))
    return neural_nets.train(params, *digits, args, folder / "checkpoint.npz")


def test_training_learns_and_is_the_same_bits_for_the_same_seed(digits, tmp_path):
    best, history = trained(digits, tmp_path, epochs=6, batch_size=20)
    again, _ = trained(digits, tmp_path, epochs=6, batch_size=20)
    other, _ = trained(digits, tmp_path, epochs=6, batch_size=20, seed=1)
    assert history[-1]["train_accuracy"] > 0.9 > 0.75 > history[0]["train_accuracy"]
    assert history[-1]["dev_accuracy"] > 0.75 and history[-1]["dev_loss"] < history[0]["dev_loss"]
    for name, a in best.items():
        assert a.dtype == np.float32
        np.testing.assert_array_equal(a, again[name])
        assert (a != other[name]).any()


def test_the_epoch_best_on_dev_is_kept(digits, tmp_path, monkeypatch):
    accuracies, seen = [0.5, 0.9, 0.7], []

    def evaluate(params, images, labels):
        assert len(images) == len(labels) == 100
        seen.append({name: a.copy() for name, a in params.items()})
        return 1.0, accuracies[len(seen) - 1]

    monkeypatch.setattr(neural_nets, "evaluate", evaluate)
    best, history = trained(digits, tmp_path)
    assert [row["dev_accuracy"] for row in history] == accuracies
    for name, a in best.items():
        np.testing.assert_array_equal(a, seen[1][name])
        assert (a != seen[2][name]).any()


def test_reading_many_digits_is_reading_each(digits):
    params = neural_nets.initialise([784, 20, 10], np.random.default_rng(0))
    images = np.concatenate([digits[0][0]] * 4)  # 2400: more than two thousand, not a whole number
    probabilities = neural_nets.read_digits(params, images.reshape(-1, 28, 28))
    assert probabilities.shape == (1, 2400, 10)
    tensors = {name: torch.tensor(a) for name, a in params.items()}
    hidden = torch.relu(torch.tensor(images) @ tensors["W1"])
    wanted = (hidden @ tensors["W2"]).softmax(1)
    np.testing.assert_allclose(probabilities[0], wanted, rtol=1e-4, atol=1e-6)


# ------------------------------------------------------------------ the program and its files


@pytest.fixture(scope="module")
def run(small_mnist, tmp_path_factory):
    """A finished run: its options, folder, and metrics."""
    folder = tmp_path_factory.mktemp("runs") / "finished"
    options = ["--data-dir", small_mnist, "--hidden", 40, 30, "--epochs", 4, "--batch-size", 20]
    options = [str(o) for o in (*options, "--output-dir", folder)]
    return options, folder, neural_nets.main([*options, "--quiet"])


def arrays_of(path):
    with np.load(path, allow_pickle=False) as content:
        return {name: content[name] for name in content.files}


def assert_same_run(folder, other):
    """Compare all that two runs left, apart from times."""
    for name in ("model.npz", "checkpoint.npz"):
        one, two = arrays_of(folder / name), arrays_of(other / name)
        assert one.keys() == two.keys()
        for key in one.keys() - {"record"}:
            assert one[key].tobytes() == two[key].tobytes(), key
    histories = []
    for place in (folder, other):
        record = json.loads(arrays_of(place / "checkpoint.npz")["record"].item())
        histories.append([{k: v for k, v in row.items() if k != "seconds"}
                          for row in record["history"]])  # fmt: skip
    assert histories[0] == histories[1]


def test_a_run_leaves_its_files_and_figures(run, capsys):
    _, folder, metrics = run
    assert capsys.readouterr() == ("", "")
    files = {name.replace(".pt", ".npz") for name in RUN_FILES} | {"weights.png"}
    assert visible_files(folder) == files
    assert json.loads((folder / "metrics.json").read_text(encoding="utf-8")) == metrics
    assert metrics["test_accuracy"] > 0.7  # of 540 digits in four epochs; guessing gives 0.1
    assert metrics["test_errors"] == round(200 * (1 - metrics["test_accuracy"]))
    assert metrics["parameters"] == 784 * 40 + 40 + 40 * 30 + 30 + 30 * 10 + 10
    assert metrics["settings"] == {
        "epochs": 4, "batch_size": 20, "lr": neural_nets.LEARNING_RATE, "seed": 0, "limit": None,
        "hidden": [40, 30], "data_dir": str(Path(run[0][1]).resolve()),
    }  # fmt: skip
    weights = arrays_of(folder / "model.npz")
    images, labels = utils.get_MNIST_data(data_dir=run[0][1])[2:]
    read = neural_nets.forward(weights, images)[0].argmax(1)
    assert (read == labels).mean() == metrics["test_accuracy"]


def test_the_seed_chooses_the_first_weights(run, tmp_path, monkeypatch):
    first = []

    def train(params, *_):
        first.append(params)
        raise UserError("seen")

    monkeypatch.setattr(neural_nets, "train", train)
    for seed in ("7", "8"):
        with pytest.raises(UserError, match="seen"):
            neural_nets.main([*run[0][:-1], str(tmp_path), "--quiet", "--seed", seed])
    wanted = neural_nets.initialise([784, 40, 30, 10], np.random.default_rng(7))
    for name, a in wanted.items():
        np.testing.assert_array_equal(first[0][name], a)
    assert (first[1]["W1"] != wanted["W1"]).any()


def test_a_short_run_on_real_digits(tmp_path, capsys):
    options = ["--limit", "512", "--epochs", "1", "--no-plots", "--output-dir", str(tmp_path)]
    metrics = neural_nets.main(options)
    output = capsys.readouterr().out
    assert output.count("passed") == 5
    assert "epoch 1/1" in output
    assert metrics["test_examples"] == 10000
    assert metrics["test_accuracy"] > 0.3
    assert not list(tmp_path.glob("*.png"))


@pytest.mark.parametrize("stopped_in", [2, 4])
def test_interrupted_and_resumed_is_uninterrupted(run, tmp_path, monkeypatch, stopped_in):
    options, folder, _ = run
    options = [*options[:-1], str(tmp_path), "--no-plots"]
    epoch = neural_nets.train_epoch

    def interrupted(*given):
        if given[-1] == stopped_in:
            raise KeyboardInterrupt
        return epoch(*given)

    monkeypatch.setattr(neural_nets, "train_epoch", interrupted)
    with pytest.raises(KeyboardInterrupt, match=f"resume goes on after epoch {stopped_in - 1}"):
        neural_nets.main([*options, "--quiet"])
    monkeypatch.setattr(neural_nets, "train_epoch", epoch)
    neural_nets.main([*options, "--quiet", "--resume"])
    assert_same_run(folder, tmp_path)


def test_resuming_a_finished_run_reports_it_again(run, monkeypatch):
    options, _, metrics = run
    monkeypatch.setattr(neural_nets, "train_epoch", None)
    again = neural_nets.main([*options, "--quiet", "--resume", "--no-plots"])
    assert again == metrics


@pytest.mark.parametrize(
    "option, name",
    [
        (["--hidden", "40"], "hidden"),
        (["--epochs", "5"], "epochs"),
        (["--batch-size", "10"], "batch_size"),
        (["--lr", "0.07"], "lr"),
        (["--seed", "3"], "seed"),
        (["--limit", "500"], "limit"),
    ],
)
def test_resuming_with_other_settings_is_refused(run, as_program, option, name):
    options, folder, _ = run
    before = (folder / "checkpoint.npz").read_bytes()
    more = [*options, "--quiet", "--resume", *option]
    status, _, errors = as_program(neural_nets.main, "neural_nets.py", *more)
    assert status == 2
    assert f"was made with {name} " in errors
    assert errors.count("\n") == 1
    assert (folder / "checkpoint.npz").read_bytes() == before


def test_resuming_nothing_is_refused(run, tmp_path):
    with pytest.raises(UserError, match=r"no .*checkpoint\.npz to resume"):
        neural_nets.main([*run[0][:-1], str(tmp_path), "--resume", "--quiet"])


def damage(path, kind):
    """Damage a file of arrays in one of many ways."""
    content, arrays = path.read_bytes(), arrays_of(path)
    name = next(n for n in arrays if n.endswith("W1"))
    if kind == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "a bit":
        middle = len(content) // 2
        path.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])
    elif kind == "objects":
        np.savez(path, **arrays | {name: np.array([print], dtype=object)})
    elif kind == "lacking":
        np.savez(path, **{n: a for n, a in arrays.items() if n != name})
    elif kind == "more":
        np.savez(path, more=np.zeros(3), **arrays)
    elif kind == "shape":
        np.savez(path, **arrays | {name: arrays[name][:-1]})
    elif kind == "type":
        np.savez(path, **arrays | {name: arrays[name].astype(np.float64)})
    elif kind == "nan":
        np.savez(path, **arrays | {name: arrays[name] * np.float32("nan")})
    elif kind == "packed":
        np.savez_compressed(path, **arrays | {name: arrays[name] * 0})
    elif kind == "other":
        np.savez(path, a=np.zeros(3))


DAMAGES = ["cut", "empty", "a bit", "objects", "lacking", "more", "shape", "type", "nan", "packed",
           "other"]  # fmt: skip


@pytest.mark.parametrize("kind", DAMAGES)
@pytest.mark.parametrize("file", ["model.npz", "checkpoint.npz"])
def test_damaged_files_are_named(run, tmp_path, as_program, file, kind):
    options, folder, _ = run
    (tmp_path / file).write_bytes((folder / file).read_bytes())
    damage(tmp_path / file, kind)
    options = [*options[:-1], tmp_path, "--quiet"]
    options += ["--resume"] if file == "checkpoint.npz" else ["--predict", __file__]
    status, output, errors = as_program(neural_nets.main, "neural_nets.py", *options)
    assert (status, output) == (2, "")
    assert errors.startswith("neural_nets.py: error: ")
    assert file in errors
    assert errors.count("\n") == 1


@pytest.mark.parametrize("record", ["{}", "[]", "x", '{"settings": 1, "history": 2}'])
def test_a_checkpoint_with_another_record_is_refused(run, tmp_path, record):
    options, folder, _ = run
    arrays = arrays_of(folder / "checkpoint.npz") | {"record": np.array(record)}
    np.savez(tmp_path / "checkpoint.npz", **arrays)
    with pytest.raises(UserError, match=r"checkpoint\.npz"):
        neural_nets.main([*options[:-1], str(tmp_path), "--resume", "--quiet"])


@pytest.mark.parametrize("history", [[{}], 1, ["x"], [{"epoch": 1}], "huge", "deep"])
def test_a_checkpoint_with_another_history_is_refused(run, tmp_path, history):
    options, folder, _ = run
    arrays = arrays_of(folder / "checkpoint.npz")
    record = json.loads(arrays["record"].item())
    if history == "huge":
        record["history"][0]["lr"] = 10**400
    elif history != "deep":
        record["history"] = history
    text = "[" * 100_000 if history == "deep" else json.dumps(record)
    np.savez(tmp_path / "checkpoint.npz", **arrays | {"record": np.array(text)})
    with pytest.raises(UserError, match=r"checkpoint\.npz is no checkpoint"):
        neural_nets.main([*options[:-1], str(tmp_path), "--resume", "--quiet"])


def test_a_small_file_asks_for_no_large_network(tmp_path):
    """Biases of a layer that would need 784 x 100,000 weights."""
    np.savez(tmp_path / "model.npz", W1=np.zeros((784, 1), np.float32),
             b1=np.zeros(100_000, np.float32), W2=np.zeros((1, 10), np.float32),
             b2=np.zeros(10, np.float32))  # fmt: skip
    tracemalloc.start()
    with pytest.raises(UserError, match=r"model\.npz does not fit"):
        neural_nets.load_model(tmp_path / "model.npz")
    assert tracemalloc.get_traced_memory()[1] < 100e6
    tracemalloc.stop()


class Trace:
    """An object whose pickle makes a file when it is read."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_a_model_runs_nothing(tmp_path):
    np.savez(tmp_path / "model.npz", W1=np.array([Trace(tmp_path / "trace")], dtype=object))
    with pytest.raises(UserError, match=r"model\.npz"):
        neural_nets.load_model(tmp_path / "model.npz")
    assert not (tmp_path / "trace").exists()


def test_ctrl_c_between_an_epoch_and_its_checkpoint_waits(digits, tmp_path, monkeypatch, ctrl_c):
    chosen_row = neural_nets.reports.chosen_row

    def interrupted(history):
        ctrl_c()
        return chosen_row(history)

    monkeypatch.setattr(neural_nets.reports, "chosen_row", interrupted)
    with pytest.raises(KeyboardInterrupt, match="--resume goes on after epoch 1"):
        trained(digits, tmp_path)
    record = json.loads(arrays_of(tmp_path / "checkpoint.npz")["record"].item())
    assert [row["epoch"] for row in record["history"]] == [1]


@pytest.mark.parametrize("last", [False, True], ids=["amid the epoch", "in its last step"])
def test_a_loss_that_is_no_number_stops_the_run(digits, tmp_path, monkeypatch, recwarn, last):
    """The second epoch goes wrong; the checkpoint of the first stays."""
    step, steps = neural_nets.training_step, []

    def wild(params, velocity, images, labels, rate, length):
        steps.append(1)
        wrong = len(steps) == (24 if last else 15)
        return step(params, velocity, images, labels, 1e30 if wrong else rate, length)

    monkeypatch.setattr(neural_nets, "training_step", wild)
    with pytest.raises(UserError, match="no longer a number.*lower --lr"):
        trained(digits, tmp_path)
    assert len(steps) == (24 if last else 16)
    record = json.loads(arrays_of(tmp_path / "checkpoint.npz")["record"].item())
    assert [row["epoch"] for row in record["history"]] == [1]
    assert not [w for w in recwarn if issubclass(w.category, RuntimeWarning)]


def test_predict_reads_pictures(run, tmp_path, mnist, as_program):
    images, labels = mnist[1]
    weights = arrays_of(run[1] / "model.npz")
    sure = neural_nets.read_digits(weights, utils.as_floats(images[:200]))[0]
    chosen = int(np.argmax(np.where(sure.argmax(1) == labels[:200], sure.max(1), 0)))
    page = np.zeros((400, 300), np.uint8)
    page[60:340, 10:290] = np.kron(images[chosen], np.ones((10, 10), np.uint8))
    Image.fromarray(255 - page).save(tmp_path / "digit.png")
    status, output, _ = as_program(
        neural_nets.main, "neural_nets.py", "--predict", tmp_path / "digit.png",
        "--model", run[1] / "model.npz", "--output-dir", tmp_path / "readings",
    )  # fmt: skip
    assert status == 0
    assert re.fullmatch(rf"\S+digit\.png: {labels[chosen]} \(\d+\.\d%\)\n", output)


def test_predict_without_a_model_says_how_to_get_one(tmp_path, as_program):
    status, _, errors = as_program(
        neural_nets.main, "neural_nets.py", "--predict", "x.png", "--model", tmp_path / "none.npz"
    )
    assert status == 2
    assert "none.npz" in errors
    assert "python neural_nets.py" in errors


@pytest.mark.parametrize(
    "options, words",
    [
        (["--hidden", "0"], "--hidden"),
        (["--hidden"], "--hidden"),
        (["--epochs", "0"], "--epochs"),
        (["--lr", "nan"], "--lr"),
        (["--lr", "-1"], "--lr"),
        (["--limit", "100", "--batch-size", "91"], "only 90 training examples"),
        (["--data-dir", "/no/such/place"], "--data-dir"),
        (["--momentum", "0.9"], "unrecognized"),
    ],
)
def test_bad_options_get_one_line(as_program, tmp_path, options, words):
    status, output, errors = as_program(
        neural_nets.main, "neural_nets.py", "--output-dir", tmp_path, "--quiet", *options
    )
    assert (status, output) == (2, "")
    assert errors.startswith("neural_nets.py: error: ")
    assert words in errors
    assert errors.count("\n") == 1


def test_without_a_display_nothing_is_trained_to_be_shown(as_program, tmp_path, monkeypatch):
    import matplotlib

    monkeypatch.setattr(matplotlib, "get_backend", lambda: "agg")
    status, output, errors = as_program(
        neural_nets.main, "neural_nets.py", "--show", "--output-dir", tmp_path
    )
    assert (status, output) == (2, "")
    assert errors == "neural_nets.py: error: there is no display to open a window on\n"


def test_as_a_program_bad_options_end_with_2():
    process = run_script("neural_nets.py", "--batch-size", "many")
    assert process.returncode == 2
    assert process.stderr.startswith("neural_nets.py: error: ")
    assert process.stderr.count("\n") == 1


def test_importing_prints_nothing_and_needs_neither_torch_nor_matplotlib():
    code = "import sys, neural_nets; print(*{'torch', 'matplotlib', 'scipy'} & set(sys.modules))"
    process = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (process.returncode, process.stdout, process.stderr) == (0, "\n", "")


# ------------------------------------------------------------------------------------- slow


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_default_run_keeps_its_promise(tmp_path):
    metrics = neural_nets.main(["--output-dir", str(tmp_path), "--quiet"])
    assert metrics["test_accuracy"] >= 0.986


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc")
def test_memory_stays_under_700_megabytes(tmp_path):
    code = (
        "import sys, neural_nets; neural_nets.main(sys.argv[1:]);"
        "print(open('/proc/self/status').read().split('VmHWM:')[1].split()[0])"  # the peak, in kB
    )
    command = [sys.executable, "-c", code, "--epochs", "1", "--quiet", "--output-dir", tmp_path]
    assert 1024 * int(subprocess.check_output(command, cwd=ROOT, text=True)) < 700e6
