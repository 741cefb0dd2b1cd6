"""neural_nets.py, its mathematics: the course's network, calculus against two oracles, learning."""

import inspect
import json
import math
import re
import types

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import neural_nets
import utils
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
    module = with_mistake(right, wrong)
    with pytest.raises(AssertionError):
        check_small_network(module)


def test_gradients_are_taken_before_anything_moves():
    text = inspect.getsource(neural_nets.NeuralNetwork.train)
    move = re.search(r" *self\.hidden_to_output_weights = .*\n", text).group()
    early = text.replace(move, "").replace("        dh = ", move + "        dh = ")
    module = with_mistake(text, early)
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
    ends = [f"wanted {7 * x}: passed" for x in (1, 2, 3, 5, 10)]
    assert [line[-len(end) :] for line, end in zip(lines, ends, strict=True)] == ends


def test_what_the_small_network_computes_is_what_it_predicts(capsys):
    neural_nets.show_small_network()
    shown = capsys.readouterr().out.splitlines()[-3:-1]
    network = neural_nets.NeuralNetwork()
    for line, epochs in zip(shown, (10, 990), strict=True):
        network.epochs_to_train = epochs
        network.train_neural_network()
        here, right, up = (network.predict(*point) for point in ((4, 4), (5, 4), (4, 5)))
        a, b = right - here, up - here
        assert line.endswith(f"computes {a:.2f} x1 + {b:.2f} x2 {here - 4 * (a + b):+.2f}")


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
    images, labels = utils.as_floats(images[:700].reshape(-1, 784)), labels[:700].astype(np.int64)
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


def test_ctrl_c_between_an_epoch_and_its_checkpoint_waits(digits, tmp_path, monkeypatch, ctrl_c):
    chosen_row = neural_nets.reports.chosen_row

    def interrupted(history):
        ctrl_c()
        return chosen_row(history)

    monkeypatch.setattr(neural_nets.reports, "chosen_row", interrupted)
    with pytest.raises(KeyboardInterrupt, match="--resume goes on after epoch 1"):
        trained(digits, tmp_path)
    record = json.loads(np.load(tmp_path / "checkpoint.npz")["record"].item())
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
    record = json.loads(np.load(tmp_path / "checkpoint.npz")["record"].item())
    assert [row["epoch"] for row in record["history"]] == [1]
    assert not [w for w in recwarn if issubclass(w.category, RuntimeWarning)]
