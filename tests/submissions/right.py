"""Right solutions in the styles that learners write, as edits to the bases beside this file.

Whoever loses a point with one of these was asked for something that the exercise never stated.
"""
# ruff: noqa: E501 - what a learner writes on one line stands on one line

from tests.submissions.edits import Right


def edited(base, module, *styles):
    """Rights of one module of one base; a style is (name, pairs...)."""
    return [Right(name, base, module, list(edits)) for name, *edits in styles]


NETWORKS = [
    *edited(
        "course",
        "neural_nets",
        (
            "scalar_lambda",
            (
                "relu = np.vectorize(rectified_linear_unit)\n        slope",
                "relu = np.vectorize(lambda z: max(0, z))\n        slope",
            ),
        ),
        ("derivative_one_at_zero", ("if x > 0:", "if x >= 0:")),
        ("predict_gives_a_matrix", ("return out.item()", "return out")),
        (
            "whole_number_matrices",
            ("'1. 1.; 1. 1.; 1. 1.'", "'1 1; 1 1; 1 1'"),
            ("'1. 1. 1.'", "'1 1 1'"),
            ("'0.; 0.; 0.'", "'0; 0; 0'"),
        ),
        (
            "named_output_derivative",
            (
                "delta_out = (out - y) * output_layer_activation_derivative(u)",
                "delta_out = -1 * (y - out) * np.vectorize(output_layer_activation_derivative)(u)",
            ),
        ),
        (
            "float32",
            (
                "np.matrix('1. 1.; 1. 1.; 1. 1.')",
                "np.matrix('1. 1.; 1. 1.; 1. 1.', dtype=np.float32)",
            ),
            ("np.matrix('1. 1. 1.')", "np.matrix('1. 1. 1.', dtype=np.float32)"),
            ("np.matrix('0.; 0.; 0.')", "np.matrix('0.; 0.; 0.', dtype=np.float32)"),
        ),
        (
            "stops_testing_at_the_first_mistake",
            ('print("failed")', 'print("failed")\n                return'),
        ),
        (
            "prints_while_training",
            ("        # backward", "        print(inputs, z, a, out)\n        # backward"),
        ),
    ),
    *edited(
        "tidy",
        "neural_nets",
        (
            "loops",
            (
                "        dW1 = db @ x.T\n",
                "        dW1 = np.zeros((3, 2))\n        for i in range(3):\n            for j in range(2):\n"
                "                dW1[i, j] = error[0, 0] * self.hidden_to_output_weights[0, i] * (z[i, 0] > 0) * x[j, 0]\n",
            ),
        ),
        (
            "updates_biases_first",
            ("        self.hidden_to_output_weights -= self.learning_rate * dW2\n", ""),
            (
                "        self.biases -= self.learning_rate * db",
                "        self.biases -= self.learning_rate * db\n        self.hidden_to_output_weights -= self.learning_rate * dW2",
            ),
        ),
        ("leaves_the_first_error_to_python", ("return x\n", "return 1.0 * x\n")),
        (
            "shuffles_points",
            (
                "for (x1, x2), y in self.training_points:",
                "for (x1, x2), y in [self.training_points[i] for i in (2, 0, 3, 1)]:",
            ),
        ),
        (
            "functions_in_the_class",
            (
                "    def forward(self, x):",
                "    def relu(self, z):\n        return z * (z > 0)\n\n    def forward(self, x):",
            ),
            ("a = rectified_linear_unit(z)", "a = self.relu(z)"),
        ),
    ),
]

TRAINING = [
    *edited(
        "course",
        "train_utils",
        (
            "list_of_two_labels",
            (
                "'y': torch.tensor(np.array([y_data[0][i:i + batch_size], y_data[1][i:i + batch_size]]),\n"
                "                              dtype=torch.int64),",
                "'y': [torch.tensor(y_data[0][i:i + batch_size]).long(), torch.tensor(y_data[1][i:i + batch_size]).long()],",
            ),
        ),
        (
            "unpacks_labels",
            (
                "x, y = batch['x'], batch['y']\n",
                "x = batch['x']\n        y = batch['y']\n        y1, y2 = y\n",
            ),
            ("F.cross_entropy(out1, y[0])", "F.cross_entropy(out1, y1)"),
        ),
        ("mean_of_losses", ("0.5 * (loss1 + loss2)", "torch.stack([loss1, loss2]).mean()")),
        (
            "log_softmax_and_nll",
            ("F.cross_entropy(out1, y[0])", "F.nll_loss(F.log_softmax(out1, dim=1), y[0])"),
        ),
    ),
    *edited(
        "one_digit",
        "train_utils",
        (
            "set_grad_enabled",
            (
                "        out = model(x)",
                "        with torch.set_grad_enabled(is_training):\n            out = model(x)",
            ),
        ),
        ("model_zero_grad", ("optimizer.zero_grad()", "model.zero_grad()")),
        (
            "zero_grad_after_step",
            ("            optimizer.zero_grad()\n", ""),
            (
                "            optimizer.step()",
                "            optimizer.step()\n            optimizer.zero_grad()",
            ),
        ),
        (
            "loss_as_tensor",
            ("losses.append(loss.data.item())", "losses.append(loss.detach())"),
            ("np.mean(losses)", "torch.stack(losses).mean()"),
        ),
        (
            "max_for_argmax",
            ("predictions = torch.argmax(out, dim=1)", "_, predictions = torch.max(out.data, 1)"),
        ),
        (
            "keeps_a_history",
            ("    return val_acc", "    model.history = [val_acc]\n    return val_acc"),
        ),
    ),
    *edited("tidy", "train_utils", ("both_kinds",)),
]

SCRIPTS = [
    *edited(
        "course",
        "nnet_fc",
        (
            "one_layer",
            (
                "              nn.Linear(784, 128),\n              nn.LeakyReLU(),\n              nn.Linear(128, 10),\n",
                "              nn.Linear(784, 10),\n",
            ),
        ),
        (
            "batch_norm_and_dropout",
            (
                "nn.LeakyReLU(),",
                "nn.BatchNorm1d(128),\n              nn.GELU(),\n              nn.Dropout(0.2),",
            ),
        ),
        (
            "log_softmax",
            (
                "nn.Linear(128, 10),\n            )",
                "nn.Linear(128, 10),\n              nn.LogSoftmax(dim=1),\n            )",
            ),
        ),
        (
            "standardised",
            (
                "    # the last tenth",
                "    X_train, X_test = (X_train - 0.5) / 0.3, (X_test - 0.5) / 0.3\n    # the last tenth",
            ),
        ),
        (
            "trains_when_imported",
            (
                "if __name__ == '__main__':\n    np.random.seed(12321)\n    torch.manual_seed(12321)\n    main()",
                "main()",
            ),
            ("def main():", "def run():"),
            ("main()", "run()"),
        ),
        (
            "loop_of_its_own",
            (
                "    train_model(train_batches, dev_batches, model, lr=lr, momentum=momentum)\n",
                "    optimizer = torch.optim.Adam(model.parameters())\n    for epoch in range(3):\n        model.train()\n"
                "        for batch in train_batches:\n            optimizer.zero_grad()\n"
                "            loss = nn.CrossEntropyLoss()(model(batch['x']), batch['y'])\n            loss.backward()\n"
                "            optimizer.step()\n        model.eval()\n        for batch in dev_batches:\n            model(batch['x'])\n",
            ),
        ),
        (
            "imports_in_main",
            (
                "    train_model(train",
                "    from train_utils import compute_accuracy\n    train_model(train",
            ),
        ),
        (
            "many_models",
            (
                "    lr = 0.1\n",
                "    for lr in (0.1, 0.01):\n        train_model(train_batches, dev_batches, nn.Sequential(nn.Linear(784, 10)), lr, 0.9, True, 5)\n    lr = 0.1\n",
            ),
        ),
    ),
    *edited(
        "course",
        "nnet_cnn",
        (
            "functional_class",
            (
                "def main",
                "class Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
                "        self.conv = nn.Conv2d(1, 8, 5, stride=2)\n        self.out = nn.Linear(8 * 144, 10)\n\n"
                "    def forward(self, x):\n        x = torch.relu(self.conv(x))\n        x = F.dropout(x, 0.2, self.training)\n"
                "        return self.out(x.flatten(1))\n\n\ndef main",
            ),
            ("    train_model(", "    model = Net()\n    train_model("),
        ),
        (
            "batch_norm_and_average",
            (
                "nn.Conv2d(1, 32, (3, 3)),",
                "nn.Conv2d(1, 32, (3, 3)),\n              nn.BatchNorm2d(32),",
            ),
            (
                "              Flatten(),\n              nn.Linear(1600, 128)",
                "              nn.AdaptiveAvgPool2d(1),\n              Flatten(),\n              nn.Linear(64, 128)",
            ),
        ),
    ),
]

TWO_DIGITS = [
    *edited(
        "course",
        "mlp",
        ("no_nonlinearity", ("F.relu(self.hidden(xf))", "self.hidden(xf)")),
        (
            "twenty_columns",
            (
                "self.out1 = nn.Linear(64, 10)\n        self.out2 = nn.Linear(64, 10)",
                "self.out = nn.Linear(64, 20)",
            ),
            (
                "out_first_digit = self.out1(h)\n        out_second_digit = self.out2(h)",
                "out_first_digit, out_second_digit = self.out(h).split(10, dim=1)",
            ),
        ),
        (
            "two_towers",
            (
                "        self.out1",
                "        self.other = nn.Linear(input_dimension, 64)\n        self.out1",
            ),
            ("self.out2(h)", "self.out2(torch.sigmoid(self.other(xf)))"),
        ),
        (
            "returns_a_list",
            (
                "return out_first_digit, out_second_digit",
                "return [out_first_digit, out_second_digit]",
            ),
        ),
        (
            "stacked",
            (
                "return out_first_digit, out_second_digit",
                "return torch.stack([out_first_digit, out_second_digit])",
            ),
        ),
        (
            "module_list",
            (
                "self.out1 = nn.Linear(64, 10)\n        self.out2 = nn.Linear(64, 10)",
                "self.outs = nn.ModuleList([nn.Linear(64, 10) for _ in range(2)])",
            ),
            ("self.out1(h)", "self.outs[0](h)"),
            ("self.out2(h)", "self.outs[1](h)"),
        ),
        (
            "unused_layer",
            ("        self.out1", "        self.spare = nn.Linear(64, 64)\n        self.out1"),
        ),
        (
            "layer_norm",
            (
                "F.relu(self.hidden(xf))",
                "F.dropout(F.layer_norm(F.relu(self.hidden(xf)), (64,)), 0.1, self.training)",
            ),
        ),
    ),
    *edited(
        "course",
        "conv",
        (
            "deeper",
            (
                "self.conv2 = nn.Conv2d(16, 32, (3, 3))",
                "self.conv2 = nn.Sequential(nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.Conv2d(32, 32, 3))",
            ),
        ),
        (
            "crops_the_halves",
            ("        self.out1 =", "        self.crop = nn.Conv2d(1, 4, 28)\n        self.out1 ="),
            (
                "        x = self.pool(F.relu(self.conv1(x)))",
                "        lower = self.crop(x[:, :, 14:])\n        x = self.pool(F.relu(self.conv1(x)))",
            ),
            ("self.out2(x)", "self.out2(x) + lower.sum((1, 2, 3))[:, None]"),
        ),
        ("no_dropout", ("        x = self.dropout(x)\n", "")),
        (
            "adam_loop",
            (
                "    train_model(train_batches, dev_batches, model)\n",
                "    optimizer = torch.optim.Adam(model.parameters())\n    for epoch in range(2):\n"
                "        run_epoch(train_batches, model.train(), optimizer)\n        run_epoch(dev_batches, model.eval(), optimizer)\n",
            ),
        ),
    ),
]

RIGHT = [*NETWORKS, *TRAINING, *SCRIPTS, *TWO_DIGITS]
