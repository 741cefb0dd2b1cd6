"""Right solutions in more styles, written before anybody looked at what the contract asks.

Whoever loses a point with one of these was asked for something that the exercise never stated.
"""
# ruff: noqa: E501 - what a learner writes on one line stands on one line

from tests.submissions.right import edited

RELU = "def rectified_linear_unit(x):\n    return np.maximum(0.0, x)\n"
SLOPE = "    return np.where(np.asarray(x) > 0, 1.0, 0.0)\n"
WEIGHTS = """        self.input_to_hidden_weights = np.ones((3, 2))
        self.hidden_to_output_weights = np.ones((1, 3))
        self.biases = np.zeros((3, 1))
"""
STEP = """        z, a, prediction = self.forward(x)
        error = prediction - y
        dW2 = error @ a.T
        db = (self.hidden_to_output_weights.T @ error) * rectified_linear_unit_derivative(z)
        dW1 = db @ x.T
        self.hidden_to_output_weights -= self.learning_rate * dW2
        self.input_to_hidden_weights -= self.learning_rate * dW1
        self.biases -= self.learning_rate * db
"""
NAIVE = """import functools


class NeuralNetwork:
    def __init__(self):
        self.input_to_hidden_weights = [[1.0, 1.0] for _ in range(3)]
        self.hidden_to_output_weights = [[1.0, 1.0, 1.0]]
        self.biases = [[0.0], [0.0], [0.0]]
        self.learning_rate = 0.001
        self.epochs_to_train = 10
        self.training_points = [((2, 1), 10), ((3, 3), 21), ((4, 5), 32), ((6, 6), 42)]
        self.testing_points = [(1, 1), (2, 2), (3, 3), (5, 5), (10, 10)]

    def forward(self, x1, x2):
        sums = [w[0] * x1 + w[1] * x2 + b[0] for w, b in zip(self.input_to_hidden_weights, self.biases)]
        units = [rectified_linear_unit(z) for z in sums]
        return sums, units, sum(w * u for w, u in zip(self.hidden_to_output_weights[0], units))

    def train(self, x1, x2, y):
        sums, units, prediction = self.forward(x1, x2)
        for k in range(3):
            out = self.hidden_to_output_weights[0][k]
            delta = (prediction - y) * out * rectified_linear_unit_derivative(sums[k])
            self.hidden_to_output_weights[0][k] -= self.learning_rate * (prediction - y) * units[k]
            self.biases[k][0] -= self.learning_rate * delta
            self.input_to_hidden_weights[k][0] -= self.learning_rate * delta * x1
            self.input_to_hidden_weights[k][1] -= self.learning_rate * delta * x2

    def predict(self, x1, x2):
        return self.forward(x1, x2)[2]
"""
FUNCTIONS = """import numpy as np


def rectified_linear_unit(x):
    return np.maximum(0.0, x)


def rectified_linear_unit_derivative(x):
    return (np.asarray(x) > 0) * 1.0


def output_layer_activation(x):
    return x


def output_layer_activation_derivative(x):
    return 1.0


"""
LOOPS = """
    def train_neural_network(self):
        for _ in range(self.epochs_to_train):
            for (x1, x2), y in self.training_points:
                self.train(x1, x2, y)

    def test_neural_network(self):
        for x1, x2 in self.testing_points:
            good = abs(self.predict(x1, x2) - 7 * x1) < 0.1
            print("Test Passed" if good else "Test Failed")
"""
REPORT = """            prediction = self.predict(x1, x2)
            verdict = "ok" if abs(prediction - 7 * x1) < 0.1 else "WRONG"
            print(f"({x1}, {x2}) -> {prediction:.4f} {verdict}")
"""

NETWORKS = edited(
    "tidy",
    "neural_nets",
    (
        "partial_for_a_function",
        (RELU, "import functools\n\nrectified_linear_unit = functools.partial(np.maximum, 0)\n"),
    ),
    (
        "instance_for_a_function",
        (
            RELU,
            "class Relu:\n    def __call__(self, x):\n        return np.maximum(0.0, x)\n\n\nrectified_linear_unit = Relu()\n",
        ),
    ),
    ("lambdas", (RELU, "rectified_linear_unit = lambda x: (x > 0) * x\n")),
    (
        "slots",
        (
            "class NeuralNetwork:\n",
            "class NeuralNetwork:\n    __slots__ = ('input_to_hidden_weights', 'hidden_to_output_weights', 'biases', 'learning_rate',\n"
            "                 'epochs_to_train', 'training_points', 'testing_points')\n\n",
        ),
    ),
    (
        "long_double",
        ("np.ones((3, 2))", "np.ones((3, 2), np.longdouble)"),
        ("np.ones((1, 3))", "np.ones((1, 3), np.longdouble)"),
        ("np.zeros((3, 1))", "np.zeros((3, 1), np.longdouble)"),
        ("dtype=float)\n        z, a", "dtype=np.longdouble)\n        z, a"),
    ),
    ("half_of_the_absolute", (RELU, RELU.replace("np.maximum(0.0, x)", "(abs(x) + x) / 2"))),
    ("heaviside", (SLOPE, "    return np.heaviside(x, 0.0)\n")),
    (
        "clip",
        (RELU, "def rectified_linear_unit(x):\n    return np.clip(x, 0, None)\n"),
        ("@ x + self.biases", "@ x + self.biases * 1"),
    ),
    (
        "dataclass",
        (
            "import numpy as np\n",
            "from dataclasses import dataclass, field\n\nimport numpy as np\n",
        ),
        (
            "class NeuralNetwork:\n    def __init__(self):\n",
            "@dataclass\nclass NeuralNetwork:\n    learning_rate: float = 0.001\n    epochs_to_train: int = 10\n"
            "    training_points: list = field(default_factory=lambda: [((2, 1), 10), ((3, 3), 21), ((4, 5), 32), ((6, 6), 42)])\n\n"
            "    def __post_init__(self):\n",
        ),
        ("        self.learning_rate = 0.001\n", ""),
        ("        self.epochs_to_train = 10\n", ""),
        (
            "        self.training_points = [((2, 1), 10), ((3, 3), 21), ((4, 5), 32), ((6, 6), 42)]\n",
            "",
        ),
    ),
    (
        "base_class",
        ("class NeuralNetwork:\n", "class Network:\n"),
        (
            'if __name__ == "__main__"',
            'class NeuralNetwork(Network):\n    pass\n\n\nif __name__ == "__main__"',
        ),
    ),
    (
        "autograd",
        ("import numpy as np\n", "import numpy as np\nimport torch\n"),
        (
            STEP,
            "        parts = [torch.tensor(np.array(p, dtype=float), requires_grad=True)\n"
            "                 for p in (self.input_to_hidden_weights, self.biases, self.hidden_to_output_weights)]\n"
            "        W, b, V = parts\n"
            "        out = V @ torch.relu(W @ torch.tensor(x) + b)\n"
            "        (0.5 * (out - y) ** 2).sum().backward()\n"
            "        self.input_to_hidden_weights = self.input_to_hidden_weights - self.learning_rate * W.grad.numpy()\n"
            "        self.biases = self.biases - self.learning_rate * b.grad.numpy()\n"
            "        self.hidden_to_output_weights = self.hidden_to_output_weights - self.learning_rate * V.grad.numpy()\n",
        ),
    ),
    (
        "bias_as_a_third_input",
        (
            "z = self.input_to_hidden_weights @ x + self.biases",
            "z = np.hstack([self.input_to_hidden_weights, self.biases]) @ np.vstack([x, [[1.0]]])",
        ),
    ),
    (
        "einsum",
        ("dW2 = error @ a.T", "dW2 = np.einsum('ij,kj->ik', error, a)"),
        ("dW1 = db @ x.T", "dW1 = np.einsum('ij,kj->ik', db, x)"),
    ),
    (
        "keeps_its_forward_pass",
        ("return z, a, output", "self.z, self.a = z, a\n        return self.z, self.a, output"),
    ),
    (
        "one_vector_of_parameters",
        (WEIGHTS, "        self.theta = np.concatenate([np.ones(9), np.zeros(3)])\n"),
        (
            "    def forward(",
            "    input_to_hidden_weights = property(lambda s: s.theta[:6].reshape(3, 2), lambda s, v: s.theta.__setitem__(slice(0, 6), np.ravel(v)))\n"
            "    hidden_to_output_weights = property(lambda s: s.theta[6:9].reshape(1, 3), lambda s, v: s.theta.__setitem__(slice(6, 9), np.ravel(v)))\n"
            "    biases = property(lambda s: s.theta[9:].reshape(3, 1), lambda s, v: s.theta.__setitem__(slice(9, 12), np.ravel(v)))\n\n"
            "    def forward(",
        ),
    ),
    (
        "plain_lists",
        (
            None,
            FUNCTIONS.replace("(np.asarray(x) > 0) * 1.0", "1.0 if x > 0 else 0.0").replace(
                "np.maximum(0.0, x)", "x if x > 0 else 0.0"
            )
            + NAIVE
            + LOOPS,
        ),
    ),
    (
        "frompyfunc",
        (
            "a = rectified_linear_unit(z)",
            "a = np.frompyfunc(lambda v: v if v > 0 else 0.0, 1, 1)(z).astype(float)",
        ),
    ),
    ("no_test", (REPORT, "            self.predict(x1, x2)\n")),
    ("asserts", (REPORT, "            assert abs(self.predict(x1, x2) - 7 * x1) < 0.1\n")),
    (
        "test_in_other_words",
        (
            REPORT,
            "            prediction = self.predict(x1, x2)\n"
            "            if abs(prediction - 7 * x1) < 0.1:\n                print('Test Passed')\n",
        ),
    ),
)

ONE_DIGIT = edited(
    "one_digit",
    "train_utils",
    (
        "handout_of_ten_epochs",
        ("for epoch in range(1, n_epochs + 1):", "for epoch in range(1, 11):"),
    ),
    (
        "data_loader",
        (
            "    N = len(x_data) // batch_size * batch_size\n",
            "    from torch.utils.data import DataLoader, TensorDataset\n"
            "    pairs = TensorDataset(torch.tensor(np.array(x_data), dtype=torch.float32), torch.tensor(np.array(y_data)).long())\n"
            "    return [{'x': x, 'y': y} for x, y in DataLoader(pairs, batch_size, drop_last=True)]\n"
            "    N = len(x_data) // batch_size * batch_size\n",
        ),
    ),
    (
        "split_of_tensors",
        (
            "    N = len(x_data) // batch_size * batch_size\n",
            "    x = torch.as_tensor(np.asarray(x_data)).float().split(batch_size)\n"
            "    y = torch.as_tensor(np.asarray(y_data)).long().split(batch_size)\n"
            "    return [dict(x=a, y=b) for a, b in zip(x, y) if len(a) == batch_size]\n"
            "    N = len(x_data) // batch_size * batch_size\n",
        ),
    ),
    ("values_of_a_batch", ("x, y = batch['x'], batch['y']", "x, y = batch.values()")),
    (
        "descent_by_hand",
        (
            "def train_model",
            "class Descent:\n    def __init__(self, parameters, lr, momentum, nesterov):\n"
            "        self.parameters = list(parameters)\n        self.lr, self.momentum, self.nesterov = lr, momentum, nesterov\n"
            "        self.speed = [torch.zeros_like(p) for p in self.parameters]\n\n"
            "    def zero_grad(self):\n        for p in self.parameters:\n            p.grad = None\n\n"
            "    @torch.no_grad()\n    def step(self):\n        for p, v in zip(self.parameters, self.speed):\n"
            "            v.mul_(self.momentum).add_(p.grad)\n"
            "            p -= self.lr * (p.grad + self.momentum * v if self.nesterov else v)\n\n\ndef train_model",
        ),
        (
            "torch.optim.SGD(model.parameters(), lr=lr, momentum=momentum, nesterov=nesterov)",
            "Descent(model.parameters(), lr, momentum, nesterov)",
        ),
    ),
    (
        "two_functions_for_one_epoch",
        (
            "def run_epoch(data, model, optimizer):\n",
            "def evaluate(data, model):\n    right, total, seen = 0, 0.0, 0\n"
            "    with torch.inference_mode():\n        for batch in data:\n            out = model(batch['x'])\n"
            "            total += F.cross_entropy(out, batch['y'], reduction='sum').item()\n"
            "            right += (out.argmax(-1) == batch['y']).sum().item()\n            seen += len(batch['y'])\n"
            "    return total / seen, right / seen\n\n\n"
            "def run_epoch(data, model, optimizer):\n    if not model.training:\n        return evaluate(data, model)\n",
        ),
    ),
    (
        "one_hot_targets",
        (
            "loss = F.cross_entropy(out, y)",
            "loss = -(F.one_hot(y, out.shape[1]) * F.log_softmax(out, dim=1)).sum(dim=1).mean()",
        ),
    ),
    (
        "keeps_the_best_weights",
        ("    for epoch in range(1", "    best, state = -1.0, None\n    for epoch in range(1"),
        (
            "    return val_acc",
            "        if val_acc > best:\n            best, state = val_acc, {k: v.clone() for k, v in model.state_dict().items()}\n"
            "    return val_acc",
        ),
    ),
    (
        "accuracy_in_torch",
        (
            "np.mean(np.equal(predictions.numpy(), y.numpy()))",
            "torch.eq(predictions, y).double().mean().item()",
        ),
    ),
)

TWO_DIGITS = edited(
    "course",
    "train_utils",
    (
        "backward_for_each_head",
        (
            "            joint = 0.5 * (loss1 + loss2)\n            joint.backward()\n",
            "            (loss1 / 2).backward(retain_graph=True)\n            (loss2 / 2).backward()\n",
        ),
    ),
    (
        "both_heads_in_one_loss",
        (
            "            joint = 0.5 * (loss1 + loss2)\n",
            "            joint = F.cross_entropy(torch.cat([out1, out2]), torch.cat([y[0], y[1]]))\n",
        ),
    ),
    (
        "grad_off_in_eval",
        (
            "        out1, out2 = model(x)\n",
            "        torch.set_grad_enabled(is_training)\n        out1, out2 = model(x)\n",
        ),
        (
            "    loss = np.mean(losses_1)",
            "    torch.set_grad_enabled(True)\n    loss = np.mean(losses_1)",
        ),
    ),
)

TRAIN = "    train_model(train_batches, dev_batches, model, lr=lr, momentum=momentum)\n"
GUARD = "if __name__ == '__main__':\n    np.random.seed(12321)\n    torch.manual_seed(12321)\n    main()\n"
MODEL = "    model = nn.Sequential(\n              nn.Linear(784, 128),\n              nn.LeakyReLU(),\n              nn.Linear(128, 10),\n            )\n"
BUILD = "    def build():\n        return nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))\n\n"
FRESH = BUILD + "    model = build()\n"
SCRIPTS = edited(
    "course",
    "nnet_fc",
    (
        "work_under_the_guard",
        ("def main():\n", "if __name__ == '__main__':\n    np.random.seed(12321)\n"),
        (GUARD, ""),
    ),
    ("split_at_54000", ("int(9 * len(X_train) / 10)", "54000")),
    ("split_at_minus_6000", ("int(9 * len(X_train) / 10)", "-6000")),
    ("batches_of_500", ("batch_size = 32", "batch_size = 500")),
    ("batches_of_2000", ("batch_size = 32", "batch_size = 2000")),
    (
        "cross_validation",
        (
            MODEL,
            BUILD
            + "    folds = np.array_split(np.arange(len(X_train)), 3)\n    scores = {}\n    for rate in (0.1, 0.01):\n"
            "        for fold in folds:\n            rest = np.setdiff1d(np.arange(len(X_train)), fold)\n"
            "            net = build()\n"
            "            train_model(batchify_data([X_train[i] for i in rest], [y_train[i] for i in rest], batch_size),\n"
            "                        batchify_data([X_train[i] for i in fold], [y_train[i] for i in fold], batch_size), net, lr=rate, momentum=0)\n"
            "            held = batchify_data([X_train[i] for i in fold], [y_train[i] for i in fold], batch_size)\n"
            "            scores[rate] = scores.get(rate, 0) + run_epoch(held, net.eval(), None)[1]\n"
            "    best = max(scores, key=scores.get)\n    model = build()\n",
        ),
    ),
    (
        "choice_on_dev_then_all_data",
        (
            MODEL,
            BUILD + "    scores = {}\n    for lr in (0.1, 0.03):\n        model = build()\n"
            "        train_model(train_batches, dev_batches, model, lr=lr, momentum=0)\n"
            "        scores[lr] = run_epoch(dev_batches, model.eval(), None)[1]\n    model = build()\n",
        ),
        ("    lr = 0.1\n", "    lr = max(scores, key=scores.get)\n"),
        (
            TRAIN,
            "    train_model(train_batches + dev_batches, dev_batches, model, lr=lr, momentum=0)\n",
        ),
    ),
    (
        "saves_and_loads_by_name",
        (
            TRAIN,
            TRAIN
            + "    torch.save(model.state_dict(), 'best.pt')\n    model.load_state_dict(torch.load('best.pt'))\n",
        ),
    ),
    (
        "cuda_without_a_gpu",
        ("    lr = 0.1\n", "    lr = 0.1\n    model = model.cuda()\n    model.cpu()\n"),
    ),
    (
        "cuda_all_over",
        (
            "    lr = 0.1\n",
            "    lr = 0.1\n    model.cuda()\n    for batch in train_batches + dev_batches + test_batches:\n"
            "        batch['x'], batch['y'] = batch['x'].cuda(), batch['y'].to('cuda')\n",
        ),
    ),
    (
        "best_copy_is_tested",
        ("import numpy as np\n", "import copy\nimport numpy as np\n"),
        (
            TRAIN,
            "    best, score = None, -1\n    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)\n    for epoch in range(4):\n"
            "        run_epoch(train_batches, model.train(), optimizer)\n        loss, accuracy = run_epoch(dev_batches, model.eval(), None)\n"
            "        if accuracy > score:\n            best, score = copy.deepcopy(model), accuracy\n    model = best\n",
        ),
    ),
    (
        "thirty_epochs_of_its_own",
        (
            TRAIN,
            "    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)\n    for epoch in range(30):\n"
            "        run_epoch(train_batches, model.train(), optimizer)\n        print(run_epoch(dev_batches, model.eval(), None))\n",
        ),
    ),
    (
        "seventy_settings",
        (
            MODEL,
            BUILD
            + "    scores = {}\n    for lr in np.logspace(-3, -1, 70):\n        model = build()\n"
            "        scores[lr] = train_model(train_batches, dev_batches, model, lr=lr, momentum=0)\n    model = build()\n",
        ),
        ("    lr = 0.1\n", "    lr = max(scores, key=scores.get)\n"),
    ),
    (
        "schedule_and_early_stop",
        (
            TRAIN,
            "    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)\n"
            "    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 10)\n    last = 0\n    for epoch in range(10):\n"
            "        run_epoch(train_batches, model.train(), optimizer)\n        scheduler.step()\n"
            "        accuracy = run_epoch(dev_batches, model.eval(), None)[1]\n        if accuracy < last:\n            break\n        last = accuracy\n",
        ),
    ),
    (
        "average_of_the_weights",
        (
            TRAIN,
            "    average = torch.optim.swa_utils.AveragedModel(model)\n    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)\n"
            "    for epoch in range(3):\n        run_epoch(train_batches, model.train(), optimizer)\n        average.update_parameters(model)\n"
            "    run_epoch(dev_batches, average.eval(), None)\n    model = average\n",
        ),
    ),
    (
        "tests_by_hand",
        (
            "    loss, accuracy = run_epoch(test_batches, model.eval(), None)\n",
            "    model.eval()\n    loss, right, seen = 0.0, 0, 0\n    with torch.no_grad():\n"
            "        for batch in test_batches:\n            out = model(batch['x'])\n            loss += F.cross_entropy(out, batch['y'], reduction='sum').item()\n"
            "            right += int((out.argmax(1) == batch['y']).sum())\n            seen += len(out)\n    loss, accuracy = loss / seen, right / seen\n",
        ),
    ),
    (
        "arguments",
        ("import numpy as np\n", "import argparse\nimport numpy as np\n"),
        (
            "    num_classes = 10\n",
            "    parser = argparse.ArgumentParser()\n    parser.add_argument('--epochs', type=int, default=3)\n    options = parser.parse_args()\n",
        ),
        (TRAIN, TRAIN.replace("momentum=momentum", "momentum=momentum, n_epochs=options.epochs")),
    ),
    (
        "shuffles_by_numpy",
        (
            "    X_train = [X_train[i] for i in permutation]\n    y_train = [y_train[i] for i in permutation]\n",
            "    X_train, y_train = X_train[permutation], y_train[permutation]\n",
        ),
    ),
    (
        "subclass_of_sequential",
        (
            "def main():\n",
            "class Net(nn.Sequential):\n    def __init__(self):\n        super().__init__(nn.Flatten(), nn.LazyLinear(64), nn.ReLU(), nn.Linear(64, 10))\n\n\ndef main():\n",
        ),
        (MODEL, "    model = Net()\n"),
    ),
    (
        "scaled_by_the_training_set",
        (
            "    batch_size = 32\n",
            "    mean, std = np.mean(X_train), np.std(X_train)\n    X_train, X_dev, X_test = [(np.array(X) - mean) / std for X in (X_train, X_dev, X_test)]\n    batch_size = 32\n",
        ),
    ),
    (
        "looks_at_the_data",
        (
            "    batch_size = 32\n",
            "    print(np.bincount(y_train), np.bincount(y_test), X_test.max())\n    batch_size = 32\n",
        ),
    ),
    (
        "grid_and_the_best_of_it",
        (
            TRAIN,
            "    models = {}\n    for lr in (0.1, 0.03):\n        net = nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))\n"
            "        train_model(train_batches, dev_batches, net, lr=lr)\n        models[run_epoch(dev_batches, net.eval(), None)[1]] = net\n"
            "    model = models[max(models)]\n",
        ),
    ),
)
CONVOLUTIONAL = edited(
    "course",
    "nnet_cnn",
    (
        "reshape_by_mnists_sizes",
        (
            "np.reshape(X_train, (X_train.shape[0], 1, 28, 28))",
            "np.reshape(X_train, (60000, 1, 28, 28))",
        ),
        (
            "np.reshape(X_test, (X_test.shape[0], 1, 28, 28))",
            "np.reshape(X_test, (10000, 1, 28, 28))",
        ),
    ),
    (
        "a_rim_of_two_pixels_as_for_lenet",
        (
            "    X_train = np.reshape(X_train, (X_train.shape[0], 1, 28, 28))\n",
            "    X_train = np.pad(np.reshape(X_train, (X_train.shape[0], 1, 28, 28)), ((0, 0), (0, 0), (2, 2), (2, 2)))\n",
        ),
        (
            "    X_test = np.reshape(X_test, (X_test.shape[0], 1, 28, 28))\n",
            "    X_test = np.pad(np.reshape(X_test, (X_test.shape[0], 1, 28, 28)), ((0, 0), (0, 0), (2, 2), (2, 2)))\n",
        ),
        ("nn.Linear(1600, 128)", "nn.Linear(64 * 6 * 6, 128)"),
    ),
    (
        "unflattens_in_the_model",
        ("    X_train = np.reshape(X_train, (X_train.shape[0], 1, 28, 28))\n", ""),
        ("    X_test = np.reshape(X_test, (X_test.shape[0], 1, 28, 28))\n", ""),
        (
            "              nn.Conv2d(1, 32, (3, 3)),\n",
            "              nn.Unflatten(1, (1, 28, 28)),\n              nn.Conv2d(1, 32, (3, 3)),\n",
        ),
    ),
    (
        "own_dataset_and_loader",
        (
            "    model = nn.Seq",
            "    loader = torch.utils.data.DataLoader(list(zip(map(torch.tensor, X_train), map(int, y_train))), batch_size=64, shuffle=True)\n    model = nn.Seq",
        ),
        (
            "    train_model(train_batches, dev_batches, model, nesterov=True)\n",
            "    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)\n    model.train()\n"
            "    for epoch in range(2):\n        for x, y in loader:\n            optimizer.zero_grad()\n            F.cross_entropy(model(x.float()), y).backward()\n            optimizer.step()\n"
            "        print(run_epoch(dev_batches, model.eval(), None))\n        model.train()\n",
        ),
    ),
)
MULTI = [
    *edited(
        "course",
        "mlp",
        ("lazy", ("nn.Linear(input_dimension, 64)", "nn.LazyLinear(64)")),
        (
            "matrices_of_its_own",
            (
                "self.hidden = nn.Linear(input_dimension, 64)",
                "self.W = nn.Parameter(torch.randn(input_dimension, 64) * 0.03)\n        self.b = nn.Parameter(torch.zeros(64))",
            ),
            ("self.hidden(xf)", "xf @ self.W + self.b"),
        ),
        (
            "work_under_the_guard_of_two_digits",
            ("def main():\n", "if __name__ == '__main__':\n    np.random.seed(12321)\n"),
            (GUARD, ""),
        ),
        ("counts_36000", ("int(9 * len(X_train) / 10)", "36000")),
        (
            "cuda_of_two_digits",
            ("    model = MLP(input_dimension)\n", "    model = MLP(input_dimension).cuda()\n"),
        ),
        (
            "module_dict",
            (
                "self.out1 = nn.Linear(64, 10)\n        self.out2 = nn.Linear(64, 10)",
                "self.heads = nn.ModuleDict({'upper': nn.Linear(64, 10), 'lower': nn.Linear(64, 10)})",
            ),
            (
                "        out_first_digit = self.out1(h)\n        out_second_digit = self.out2(h)\n        return out_first_digit, out_second_digit",
                "        return tuple(head(h) for head in self.heads.values())",
            ),
        ),
        (
            "weight_decay_and_clipping",
            (
                "    train_model(train_batches, dev_batches, model)\n",
                "    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)\n    for epoch in range(3):\n        model.train()\n"
                "        for batch in train_batches:\n            optimizer.zero_grad()\n            one, two = model(batch['x'])\n"
                "            loss = (F.cross_entropy(one, batch['y'][0]) + F.cross_entropy(two, batch['y'][1])) / 2\n            loss.backward()\n"
                "            nn.utils.clip_grad_norm_(model.parameters(), 1.0)\n            optimizer.step()\n        print(run_epoch(dev_batches, model.eval(), None))\n",
            ),
        ),
    ),
    *edited(
        "course",
        "conv",
        (
            "functional_convolution",
            (
                "self.conv1 = nn.Conv2d(1, 16, (3, 3))",
                "self.filters = nn.Parameter(torch.randn(16, 1, 3, 3) / 3)",
            ),
            (
                "self.conv2 = nn.Conv2d(16, 32, (3, 3))",
                "self.filters2 = nn.Parameter(torch.randn(32, 16, 3, 3) / 12)",
            ),
            ("self.conv1(x)", "F.conv2d(x, self.filters)"),
            ("self.conv2(x)", "F.conv2d(x, self.filters2)"),
        ),
        (
            "residual",
            (
                "        self.pool =",
                "        self.same = nn.Conv2d(16, 16, 3, padding='same')\n        self.pool =",
            ),
            (
                "        x = self.pool(F.relu(self.conv2(x)))\n",
                "        x = x + torch.tanh(self.same(x))\n        x = self.pool(F.relu(self.conv2(x)))\n",
            ),
        ),
        (
            "heads_with_layers_of_their_own",
            (
                "self.out1 = nn.Linear(64, 10)",
                "self.out1 = nn.Sequential(nn.Linear(64, 32), nn.ELU(), nn.Linear(32, 10))",
            ),
        ),
        (
            "convolution_over_the_whole_picture",
            ("nn.Linear(32 * 9 * 5, 64)", "nn.Linear(16, 64)"),
            (
                "        self.pool =",
                "        self.last = nn.Conv2d(32, 16, (9, 5))\n        self.pool =",
            ),
            (
                "        x = self.flatten(x)\n",
                "        x = self.flatten(torch.relu(self.last(x)))\n",
            ),
        ),
    ),
]

STYLES = [*NETWORKS, *ONE_DIGIT, *TWO_DIGITS, *SCRIPTS, *CONVOLUTIONAL, *MULTI]
