"""Wrong solutions of kinds that the other files have not, written before the contract was looked at.

Each loses points in its own exercise, and a message names the mistake.
"""
# ruff: noqa: E501 - what a learner writes on one line stands on one line

from tests.submissions.edits import edited

INIT = "        self.learning_rate = 0.001\n"
TRAIN = "    def train(self, x1, x2, y):\n"
BIASES = "        self.biases -= self.learning_rate * db\n"
PREDICT = "        return float(self.forward(np.array([[x1], [x2]], dtype=float))[2][0, 0])\n"
RELU = "    return np.maximum(0.0, x)\n"
SLOPE = "    return np.where(np.asarray(x) > 0, 1.0, 0.0)\n"
COUNT = (INIT, INIT + "        self.count = 0\n")
WEIGHTS = "        self.input_to_hidden_weights = np.ones((3, 2))\n"

STATE = edited(
    "tidy",
    "neural_nets",
    (
        "predict_is_cached",
        "remembers an earlier answer",
        (INIT, INIT + "        self.cache = {}\n"),
        (
            PREDICT,
            "        if (x1, x2) not in self.cache:\n            self.cache[x1, x2] = float(self.forward(np.array([[x1], [x2]], dtype=float))[2][0, 0])\n        return self.cache[x1, x2]\n",
        ),
    ),
    (
        "predict_uses_the_weights_of_the_start",
        "that a network starts with",
        (INIT, INIT + "        self.start = self.input_to_hidden_weights.copy()\n"),
        (
            PREDICT,
            "        z = self.start @ np.array([[x1], [x2]], dtype=float) + self.biases\n        return float((self.hidden_to_output_weights @ rectified_linear_unit(z))[0, 0])\n",
        ),
    ),
    (
        "forward_pass_is_cached",
        "train remembers an earlier call, and steps from its numbers",
        (
            "        x = np.array([[x1], [x2]], dtype=float)\n        z, a, prediction = self.forward(x)\n",
            "        x = np.array([[x1], [x2]], dtype=float)\n        self.cache = getattr(self, 'cache', {})\n        if (x1, x2) not in self.cache:\n            self.cache[x1, x2] = self.forward(x)\n        z, a, prediction = self.cache[x1, x2]\n",
        ),
    ),
    (
        "weights_of_the_class",
        "share",
        ("class NeuralNetwork:\n", "class NeuralNetwork:\n    W = np.ones((3, 2))\n\n"),
        (
            "        self.input_to_hidden_weights = np.ones((3, 2))\n",
            "        self.input_to_hidden_weights = self.W\n",
        ),
    ),
    (
        "points_used_up",
        "train gets the points",
        (
            "            for (x1, x2), y in self.training_points:\n                self.train(x1, x2, y)\n",
            "            for k, ((x1, x2), y) in enumerate(self.training_points):\n                self.train(x1, x2, y)\n                self.training_points[k] = ((x1 / 10, x2 / 10), y)\n",
        ),
    ),
    (
        "biases_every_second_call",
        "train takes another step when it is called again",
        COUNT,
        (
            BIASES,
            "        self.count += 1\n        if self.count % 2:\n            self.biases -= self.learning_rate * db\n",
        ),
    ),
    (
        "rate_shrinks",
        "train takes another step when it is called again",
        COUNT,
        (
            TRAIN,
            TRAIN + "        self.count += 1\n        self.learning_rate = 0.001 / self.count\n",
        ),
    ),
    (
        "step_shrinks",
        "train takes another step when it is called again",
        COUNT,
        (TRAIN, TRAIN + "        self.count += 1\n"),
        ("learning_rate * db", "learning_rate * db / self.count"),
        ("learning_rate * dW1", "learning_rate * dW1 / self.count"),
        ("learning_rate * dW2", "learning_rate * dW2 / self.count"),
    ),
    (
        "momentum",
        "the step of the hidden weights has momentum: the last step",
        (INIT, INIT + "        self.speed = 0\n"),
        (
            "        dW1 = db @ x.T\n",
            "        dW1 = db @ x.T\n        self.speed = 0.9 * self.speed + dW1\n        dW1 = self.speed\n",
        ),
    ),
    (
        "weight_decay",
        "the hidden weights also shrink a little in every step:",
        (
            "        dW1 = db @ x.T\n",
            "        dW1 = db @ x.T + 0.01 * self.input_to_hidden_weights\n",
        ),
    ),
    (
        "weights_clipped",
        "the hidden weights are kept between bounds after the step",
        (
            BIASES,
            BIASES
            + "        np.clip(self.input_to_hidden_weights, 0, 2, out=self.input_to_hidden_weights)\n",
        ),
    ),
    (
        "gradient_clipped",
        "large errors are cut off: a point far out moves the output",
        ("        error = prediction - y\n", "        error = np.clip(prediction - y, -5, 5)\n"),
    ),
    (
        "error_saturates",
        "large errors are cut off: a point far out moves the output",
        ("        error = prediction - y\n", "        error = np.tanh(prediction - y)\n"),
    ),
    (
        "trains_to_the_end_at_once",
        "train takes two steps in one call",
        (
            TRAIN,
            TRAIN
            + "        for _ in range(2):\n            self.once(x1, x2, y)\n\n    def once(self, x1, x2, y):\n",
        ),
    ),
    (
        "skips_good_points",
        "small errors move nothing: the output weights stay when the",
        (
            "        error = prediction - y\n",
            "        error = prediction - y\n        if abs(error) < 1:\n            return\n",
        ),
    ),
    (
        "predict_forgets_an_axis",
        "predict leaves out the output weights",
        (
            PREDICT,
            "        return float(np.sum(rectified_linear_unit(self.input_to_hidden_weights @ [[x1], [x2]] + self.biases)))\n",
        ),
    ),
    (
        "trains_first_unit_only",
        "the step of the hidden weights is wrong, in [1, 0], [1, 1],",
        ("        dW1 = db @ x.T\n", "        db[1:] = 0\n        dW1 = db @ x.T\n"),
    ),
    (
        "inputs_swapped_in_train",
        "the output weights move as if x1 and x2 were the wrong way",
        (TRAIN, TRAIN + "        x1, x2 = x2, x1\n"),
    ),
    (
        "bias_gradient_times_input",
        "the bias gradient is multiplied by x1",
        (BIASES, "        self.biases -= self.learning_rate * db * x1\n"),
    ),
    (
        "hidden_gradient_transposed",
        "the hidden weights' gradient is laid out the wrong way",
        ("dW1 = db @ x.T", "dW1 = (x @ db.T).reshape(3, 2)"),
    ),
    (
        "outer_product_reversed_inputs",
        "the hidden weights move as if x1 and x2 were the wrong way",
        ("dW1 = db @ x.T", "dW1 = db @ x[::-1].T"),
    ),
    (
        "points_shuffled_labels",
        "train gets the points wrongly",
        (
            "for (x1, x2), y in self.training_points:",
            "for ((x1, x2), _), (_, y) in zip(self.training_points, self.training_points[1:] + self.training_points[:1]):",
        ),
    ),
    (
        "stops_early",
        "train_neural_network calls train too often or too rarely",
        (
            "            for (x1, x2), y in self.training_points:\n",
            "            for (x1, x2), y in self.training_points[:-1]:\n",
        ),
    ),
    (
        "point_by_point",
        "train gets the points wrongly",
        (
            "        for _ in range(self.epochs_to_train):\n            for (x1, x2), y in self.training_points:\n",
            "        for (x1, x2), y in self.training_points:\n            for _ in range(self.epochs_to_train):\n",
        ),
    ),
    (
        "starts_anew_each_epoch",
        "train_neural_network changes the biases outside train",
        (
            "        for _ in range(self.epochs_to_train):\n",
            "        for _ in range(self.epochs_to_train):\n            self.biases = np.zeros((3, 1))\n",
        ),
    ),
)
NUMBERS = edited(
    "tidy",
    "neural_nets",
    (
        "inputs_made_whole",
        "train makes whole numbers of x1 and x2",
        (TRAIN, TRAIN + "        x1, x2 = int(x1), int(x2)\n"),
    ),
    (
        "target_made_whole",
        "train makes a whole number of y",
        (TRAIN, TRAIN + "        y = int(y)\n"),
    ),
    (
        "predict_rounds_inputs",
        "predict makes whole numbers of x1 and x2",
        (PREDICT, PREDICT.replace("[[x1], [x2]]", "[[round(x1)], [round(x2)]]")),
    ),
    (
        "float16",
        "predict is right to three figures only: a number of few",
        ("        z = self.input", "        x = x.astype(np.float16)\n        z = self.input"),
    ),
    (
        "prediction_rounded",
        "predict rounds its result",
        (PREDICT, PREDICT.replace("[0, 0])", "[0, 0].round(2))")),
    ),
    (
        "relu_threshold_half",
        "rectified_linear_unit begins to let x through at another",
        (RELU, "    return np.where(np.asarray(x) > 0.5, x, 0.0)\n"),
    ),
    (
        "relu_capped_at_100",
        "rectified_linear_unit has a ceiling: it stops growing",
        (RELU, "    return np.clip(x, 0, 100)\n"),
    ),
    (
        "relu_six",
        "rectified_linear_unit has a ceiling: it stops growing",
        (RELU, "    return np.clip(x, 0, 6)\n"),
    ),
    (
        "relu_softplus",
        "rectified_linear_unit is a smooth curve near zero, not a",
        (RELU, "    return np.log1p(np.exp(np.minimum(x, 30))) + np.maximum(x - 30, 0)\n"),
    ),
    (
        "relu_leaks_below_minus_ten",
        "rectified_linear_unit is wrong",
        (
            RELU,
            "    return np.where(np.asarray(x) < -10, 0.01 * np.asarray(x), np.maximum(x, 0.0))\n",
        ),
    ),
    (
        "relu_made_whole",
        "rectified_linear_unit is cut off to whole numbers",
        (RELU, "    return np.maximum(0, np.asarray(x).astype(int))\n"),
    ),
    (
        "slope_threshold_one",
        "rectified_linear_unit_derivative is 1 only from 1 on",
        (SLOPE, SLOPE.replace("> 0", ">= 1")),
    ),
    (
        "slope_sigmoid",
        "rectified_linear_unit_derivative is a smooth curve near",
        (SLOPE, "    return 1 / (1 + np.exp(-np.clip(50.0 * np.asarray(x), -500, 500)))\n"),
    ),
    (
        "slope_half",
        "rectified_linear_unit_derivative is half of what it should",
        (SLOPE, SLOPE.replace("1.0, 0.0", "0.5, 0.0")),
    ),
    (
        "output_abs",
        "output_layer_activation is abs(x)",
        (
            "def output_layer_activation(x):\n    return x",
            "def output_layer_activation(x):\n    return abs(x)",
        ),
    ),
    (
        "output_prime_two",
        "output_layer_activation_derivative is wrong",
        (
            "return np.ones_like(np.asarray(x, dtype=float))",
            "return 2 * np.ones_like(np.asarray(x, dtype=float))",
        ),
    ),
)

VALUES = "            'x': torch.tensor(np.array(x_data[i:i + batch_size]), dtype=torch.float32),\n"
LABELS = "            'y': torch.tensor(np.array(y_data[i:i + batch_size]), dtype=torch.long),\n"
STEP = "            optimizer.step()\n"
TRAINING = edited(
    "one_digit",
    "train_utils",
    (
        "labels_sorted_in_a_batch",
        "pictures and labels do not belong together: the labels of a",
        (
            LABELS,
            LABELS.replace(
                "np.array(y_data[i:i + batch_size])", "np.sort(y_data[i:i + batch_size])"
            ),
        ),
    ),
    (
        "labels_shuffled_in_a_batch",
        "pictures and labels do not belong together: the labels of a",
        (
            LABELS,
            LABELS.replace(
                "np.array(y_data[i:i + batch_size])",
                "np.random.permutation(y_data[i:i + batch_size])",
            ),
        ),
    ),
    (
        "labels_reversed_in_a_batch",
        "pictures and labels do not belong together: the labels of a",
        (
            LABELS,
            LABELS.replace(
                "np.array(y_data[i:i + batch_size])",
                "np.array(y_data[i:i + batch_size])[::-1].copy()",
            ),
        ),
    ),
    (
        "first_examples_dropped",
        "batchify_data drops the first examples: what does not fill",
        ("range(0, N, batch_size)", "range(len(x_data) - N, len(x_data), batch_size)"),
    ),
    (
        "pixels_in_bytes",
        "the pixels of a batch are not those of the pictures: times",
        (
            VALUES,
            VALUES.replace(
                "np.array(x_data[i:i + batch_size])", "np.array(x_data[i:i + batch_size]) * 255"
            ),
        ),
    ),
    (
        "pixels_upside_down",
        "the pixels of a batch are not those of the pictures:",
        (
            VALUES,
            VALUES.replace(
                "np.array(x_data[i:i + batch_size])",
                "np.array(x_data[i:i + batch_size])[..., ::-1].copy()",
            ),
        ),
    ),
    (
        "pixels_cut_at_one",
        "the pixels of a batch are not those of the pictures: cut",
        (
            VALUES,
            VALUES.replace(
                "np.array(x_data[i:i + batch_size])", "np.clip(x_data[i:i + batch_size], 0, 0.5)"
            ),
        ),
    ),
    (
        "pixels_half_precision",
        "the pixels of a batch are not those of the pictures: rounded",
        (
            VALUES,
            VALUES.replace(
                "np.array(x_data[i:i + batch_size])",
                "np.array(x_data[i:i + batch_size], dtype=np.float16)",
            ),
        ),
    ),
    (
        "batches_in_reverse",
        "pictures and labels do not belong together: the labels of a",
        (
            "    return batches",
            "    for batch in batches:\n        batch['x'] = batch['x'].flip(0)\n    return batches",
        ),
    ),
    (
        "same_batch_again",
        "batchify_data uses a picture twice",
        ("x_data[i:i + batch_size]", "x_data[:batch_size]"),
        ("y_data[i:i + batch_size]", "y_data[:batch_size]"),
    ),
    (
        "accuracy_rounded",
        "compute_accuracy is cut off or rounded to a whole number",
        (
            "np.mean(np.equal(predictions.numpy(), y.numpy()))",
            "round(np.mean(np.equal(predictions.numpy(), y.numpy())))",
        ),
    ),
    (
        "accuracy_within_one",
        "compute_accuracy counts a prediction as right that is one off",
        ("np.equal(predictions.numpy(), y.numpy())", "abs(predictions.numpy() - y.numpy()) <= 1"),
    ),
    (
        "accuracy_of_ten",
        "compute_accuracy is divided by a fixed number, not by the",
        (
            "np.mean(np.equal(predictions.numpy(), y.numpy()))",
            "np.sum(np.equal(predictions.numpy(), y.numpy())) / 10",
        ),
    ),
    (
        "skips_the_last_batch",
        "run_epoch leaves out the last batch",
        ("for batch in tqdm(data):", "for batch in tqdm(data[:-1]):"),
    ),
    (
        "trains_on_first_batch_only",
        "run_epoch stops after its first batch",
        ("        if is_training:\n", "        if is_training and batch is data[0]:\n"),
    ),
    (
        "decays_the_rate_in_run_epoch",
        "run_epoch changes the optimizer's learning rate",
        (
            STEP,
            STEP
            + "            for group in optimizer.param_groups:\n                group['lr'] *= 0.5\n",
        ),
    ),
    (
        "squared_error",
        "the loss is the squared error, not the cross-entropy",
        (
            "loss = F.cross_entropy(out, y)",
            "loss = F.mse_loss(out.softmax(1), F.one_hot(y, out.shape[1]).float())",
        ),
    ),
    (
        "smooths_labels",
        "the labels are smoothed in the loss",
        ("loss = F.cross_entropy(out, y)", "loss = F.cross_entropy(out, y, label_smoothing=0.1)"),
    ),
    (
        "clips_gradients",
        "the gradients are cut to a length that nobody asked for",
        (STEP, "            nn.utils.clip_grad_norm_(model.parameters(), 0.01)\n" + STEP),
    ),
    (
        "zero_grad_once_an_epoch",
        "the gradients add up from batch to batch:",
        ("            optimizer.zero_grad()\n", ""),
        (
            "    is_training = model.training\n",
            "    is_training = model.training\n    if is_training:\n        optimizer.zero_grad()\n",
        ),
    ),
    (
        "hinge_loss",
        "the loss is a hinge loss, not the cross-entropy",
        ("loss = F.cross_entropy(out, y)", "loss = F.multi_margin_loss(out, y)"),
    ),
    (
        "momentum_half",
        "train_model halves the momentum it is given",
        ("momentum=momentum, nesterov", "momentum=momentum / 2, nesterov"),
    ),
    (
        "weight_decay_in_sgd",
        "train_model adds weight decay that nobody asked for",
        ("nesterov=nesterov)", "nesterov=nesterov, weight_decay=0.1)"),
    ),
    (
        "last_layer_only",
        "train_model gives the optimizer only some of the model's",
        ("torch.optim.SGD(model.parameters()", "torch.optim.SGD(list(model.parameters())[-1:]"),
    ),
    (
        "trains_backwards_labels",
        "the labels that the loss gets are not those of the batch",
        (
            "loss = F.cross_entropy(out, y)",
            "loss = F.cross_entropy(out, y if not is_training else 9 - y)",
        ),
    ),
    (
        "fresh_model_each_epoch",
        "train_model sets the weights anew in every epoch",
        (
            "        loss, acc = run_epoch(train_data",
            "        for p in model.parameters():\n            nn.init.constant_(p, 0.01)\n        loss, acc = run_epoch(train_data",
        ),
    ),
    (
        "dev_is_train",
        "train_model never evaluates the dev data",
        ("run_epoch(dev_data, model.eval()", "run_epoch(train_data, model.eval()"),
    ),
    (
        "flatten_transposes",
        "Flatten changes the order of the numbers",
        (
            "return input.view(input.size(0), -1)",
            "return input.transpose(-1, -2).reshape(input.size(0), -1)",
        ),
    ),
    (
        "flatten_drops_the_last",
        "Flatten gives another shape",
        ("return input.view(input.size(0), -1)", "return input.view(input.size(0), -1)[:, :-1]"),
    ),
)

FIT = "    train_model(train_batches, dev_batches, model, lr=lr, momentum=momentum)\n"
TEST = "    loss, accuracy = run_epoch(test_batches, model.eval(), None)\n"
NET = "    model = nn.Sequential(\n              nn.Linear(784, 128),\n              nn.LeakyReLU(),\n              nn.Linear(128, 10),\n            )\n"
OWN = """    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for epoch in range(2):
        for batch in train_batches:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(batch['x']), batch['y'])
            loss.backward()
            optimizer.step()
"""
SCRIPTS = edited(
    "course",
    "nnet_fc",
    ("rate_of_zero", "rate", ("    lr = 0.1\n", "    lr = 0\n")),
    ("rate_below_zero", "rate", ("    lr = 0.1\n", "    lr = -0.1\n")),
    (
        "no_epochs",
        "epochs",
        (FIT, FIT.replace("momentum=momentum", "momentum=momentum, n_epochs=0")),
    ),
    ("dev_reported_as_test", "dev", (TEST, TEST.replace("test_batches", "dev_batches"))),
    ("train_reported_as_test", "train", (TEST, TEST.replace("test_batches", "train_batches"))),
    ("fresh_model_is_tested", "not trained", (TEST, NET + TEST)),
    (
        "other_model_is_tested",
        "not trained",
        (NET, NET + "    other = nn.Sequential(nn.Linear(784, 10))\n"),
        (TEST, TEST.replace("model", "other")),
    ),
    (
        "chosen_on_test",
        "test",
        (
            FIT,
            "    scores = {}\n    for lr in (0.1, 0.01):\n        model = nn.Sequential(nn.Linear(784, 32), nn.ReLU(), nn.Linear(32, 10))\n        train_model(train_batches, dev_batches, model, lr=lr)\n        scores[run_epoch(test_batches, model.eval(), None)[1]] = model\n    model = scores[max(scores)]\n",
        ),
    ),
    ("test_as_dev", "test", (FIT, FIT.replace("dev_batches", "test_batches"))),
    (
        "early_stop_on_test",
        "test",
        (
            FIT,
            OWN
            + "        print(run_epoch(test_batches, model.eval(), None))\n        model.train()\n",
        ),
    ),
    (
        "split_the_wrong_way_round",
        "the split is the wrong way round: most pictures are kept",
        ("int(9 * len(X_train) / 10)", "int(len(X_train) / 10)"),
    ),
    (
        "no_dev_at_all",
        "the dev set gets no batch at all",
        ("dev_split_index = int(9 * len(X_train) / 10)", "dev_split_index = len(X_train)"),
    ),
    (
        "test_normalised_alone",
        "the training pictures have other grey values than the test",
        ("    batch_size = 32\n", "    X_test = (X_test - 0.5) / 0.5\n    batch_size = 32\n"),
    ),
    (
        "dev_normalised_alone",
        "the training pictures have other grey values than the dev",
        ("    batch_size = 32\n", "    X_dev = (X_dev - 0.13) / 0.31\n    batch_size = 32\n"),
    ),
    (
        "test_in_bytes",
        "the training pictures have other grey values than the test",
        ("    batch_size = 32\n", "    X_test = X_test * 255\n    batch_size = 32\n"),
    ),
    (
        "test_transposed",
        "the pictures of the test set are transposed, those of the",
        (
            "    batch_size = 32\n",
            "    X_test = X_test.reshape(-1, 28, 28).transpose(0, 2, 1).reshape(-1, 784)\n    batch_size = 32\n",
        ),
    ),
    (
        "all_scrambled",
        "the pictures are scrambled by a reshape of the transposed",
        (
            "    # the last tenth",
            "    X_train = X_train.T.reshape(-1, 784)\n    X_test = X_test.T.reshape(-1, 784)\n    # the last tenth",
        ),
    ),
    (
        "train_transposed",
        "the pictures of the training set are transposed, those of",
        (
            "    batch_size = 32\n",
            "    X_train = np.array(X_train).reshape(-1, 28, 28).transpose(0, 2, 1).reshape(-1, 784)\n    batch_size = 32\n",
        ),
    ),
    (
        "pictures_cut_to_half",
        "the training pictures have a part that is the same in all",
        (
            "    batch_size = 32\n",
            "    X_train = np.array(X_train) * (np.arange(784) < 392)\n    batch_size = 32\n",
        ),
    ),
    (
        "pixels_whole_numbers",
        "the test pictures are all of one grey: nothing of the",
        (
            "    # the last tenth",
            "    X_train, X_test = X_train.astype(int), X_test.astype(int)\n    # the last tenth",
        ),
    ),
    (
        "labels_off_by_one",
        "the labels are changed: each is 1 too high",
        (
            "    batch_size = 32\n",
            "    y_train = [(y + 1) % 10 for y in y_train]\n    batch_size = 32\n",
        ),
    ),
    (
        "trains_one_class",
        "the network is trained on pictures of class 3 only",
        (
            "    batch_size = 32\n",
            "    X_train, y_train = zip(*[(x, y) for x, y in zip(X_train, y_train) if y == 3])\n    batch_size = 32\n",
        ),
    ),
    (
        "trains_a_handful",
        "only a small part of the training set is trained on",
        (
            "train_batches = batchify_data(X_train, y_train, batch_size)",
            "train_batches = batchify_data(X_train[:64], y_train[:64], batch_size)",
        ),
    ),
    (
        "tests_a_handful",
        "only a small part of the test set is tested on",
        (
            "test_batches = batchify_data(X_test, y_test, batch_size)",
            "test_batches = batchify_data(X_test[:64], y_test[:64], batch_size)",
        ),
    ),
    (
        "own_loop_other_optimizer",
        "no weight changes",
        (
            FIT,
            "    other = nn.Sequential(nn.Linear(784, 10))\n"
            + OWN.replace("model.parameters", "other.parameters"),
        ),
    ),
    (
        "own_loop_without_zero_grad",
        "the gradients add up from batch to batch in main():",
        (FIT, OWN.replace("            optimizer.zero_grad()\n", "")),
    ),
    (
        "own_loop_in_eval",
        "the model is trained in eval mode, so its dropout or batch",
        (FIT, "    model.eval()\n" + OWN.replace("range(2)", "range(1)")),
        ("nn.LeakyReLU(),", "nn.LeakyReLU(),\n              nn.Dropout(0.5),"),
    ),
    (
        "own_loop_wrong_labels",
        "the labels do not belong to the pictures: the two were",
        (FIT, OWN.replace("batch['y'])", "batch['y'].flip(0))")),
    ),
    (
        "weights_loaded_before_training",
        "what is tested was not trained: it has the weights of",
        (NET, NET + "    torch.save(model.state_dict(), 'w.pt')\n"),
        (FIT, FIT + "    model.load_state_dict(torch.load('w.pt'))\n"),
    ),
    (
        "relu_on_the_logits",
        "ReLU",
        ("nn.Linear(128, 10),\n", "nn.Linear(128, 10),\n              nn.ReLU(),\n"),
    ),
    (
        "dropout_on_the_logits",
        "dropout",
        ("nn.Linear(128, 10),\n", "nn.Linear(128, 10),\n              nn.Dropout(0.5),\n"),
    ),
    (
        "zero_weights",
        "all weights are zero: every picture gets the same answer,",
        (
            "    lr = 0.1\n",
            "    lr = 0.1\n    for p in model.parameters():\n        nn.init.zeros_(p)\n",
        ),
    ),
    (
        "never_tested",
        "the dev set is reported as test: no test picture is looked",
        (TEST, "    loss, accuracy = 0.1, 0.97\n"),
    ),
)
CONVOLUTIONAL = edited(
    "course",
    "nnet_cnn",
    (
        "scrambled_by_a_reshape",
        "the pictures are scrambled by a reshape of the transposed",
        (
            "np.reshape(X_train, (X_train.shape[0], 1, 28, 28))",
            "np.reshape(X_train.T, (X_train.shape[0], 1, 28, 28))",
        ),
        (
            "np.reshape(X_test, (X_test.shape[0], 1, 28, 28))",
            "np.reshape(X_test.T, (X_test.shape[0], 1, 28, 28))",
        ),
    ),
    (
        "lying_pictures_for_test",
        "the pictures of the test set are transposed, those of the",
        (
            "np.reshape(X_test, (X_test.shape[0], 1, 28, 28))",
            "np.reshape(X_test, (X_test.shape[0], 1, 28, 28)).transpose(0, 1, 3, 2)",
        ),
    ),
    (
        "convolution_beside_the_way",
        "convolution",
        ("    model = nn.Seq", "    conv = nn.Conv2d(1, 8, 3)\n    model = nn.Seq"),
        (
            "              nn.Conv2d(1, 32, (3, 3)),\n              nn.ReLU(),\n              nn.MaxPool2d((2, 2)),\n              nn.Conv2d(32, 64, (3, 3)),\n              nn.ReLU(),\n              nn.MaxPool2d((2, 2)),\n",
            "",
        ),
        ("nn.Linear(1600", "nn.Linear(784"),
    ),
    (
        "frozen_convolutions",
        "gradient",
        (
            "    train_model(",
            "    for p in model[:6].parameters():\n        p.requires_grad_(False)\n    train_model(",
        ),
    ),
    (
        "relu_at_the_end_of_the_cnn",
        "ReLU",
        ("nn.Linear(128, 10),\n", "nn.Linear(128, 10),\n              nn.ReLU(),\n"),
    ),
    (
        "softmax_after_training_only",
        "there is a softmax before the cross-entropy, which has one",
        ("    train_model(", "    model.append(nn.Softmax(dim=1))\n    train_model("),
    ),
)
HEADS = "        out_first_digit = self.out1(h)\n        out_second_digit = self.out2(h)\n"
TWO_DIGITS = edited(
    "course",
    "mlp",
    ("relu_on_one_head", "ReLU", ("self.out2(h)", "F.relu(self.out2(h))")),
    (
        "dropout_on_a_head",
        "dropout",
        (HEADS, HEADS.replace("self.out2(h)", "F.dropout(self.out2(h), 0.3, self.training)")),
    ),
    ("trunk_detached_for_one_head", "gradient", ("self.out2(h)", "self.out2(h.detach())")),
    (
        "head_sees_upper_half",
        "half",
        ("self.out2 = nn.Linear(64, 10)", "self.out2 = nn.Linear(588, 10)"),
        ("self.out2(h)", "self.out2(xf[:, :588])"),
    ),
    (
        "input_changed_in_place",
        "in place",
        ("        xf = self.flatten(x)\n", "        xf = self.flatten(x)\n        xf -= 0.5\n"),
    ),
    (
        "eval_inside_forward",
        "eval()",
        ("        xf = self.flatten(x)\n", "        self.eval()\n        xf = self.flatten(x)\n"),
    ),
    (
        "heads_the_other_way",
        "the first head does not look at the picture",
        ("return out_first_digit, out_second_digit", "return out_second_digit, out_first_digit"),
        ("self.out2(h)", "self.out2(h * 0)"),
    ),
    (
        "forward_is_cached",
        "the model remembers the pictures of an earlier call: other",
        (
            "        xf = self.flatten(x)\n",
            "        if getattr(self, 'seen', None) is not None and self.seen.shape == x.shape:\n            x = self.seen\n        self.seen = x.detach().clone()\n        xf = self.flatten(x)\n",
        ),
    ),
    (
        "fixed_input_dimension",
        "the first head sees only part of the picture: its lower",
        ("nn.Linear(input_dimension, 64)", "nn.Linear(784, 64)"),
        ("self.hidden(xf)", "self.hidden(xf[:, :784])"),
    ),
    (
        "one_shared_head_matrix",
        "both heads read the same ten columns: their answers are",
        ("        self.out2 = nn.Linear(64, 10)", "        self.out2 = self.out1"),
    ),
    (
        "argmax_one_hot",
        "the first head gets no gradient: detach(), .data, no_grad()",
        (
            "return out_first_digit, out_second_digit",
            "return F.one_hot(out_first_digit.argmax(1), 10).float(), out_second_digit",
        ),
    ),
    (
        "noise_in_forward",
        "dropout stays on in eval, or something else is random",
        ("h = F.relu(self.hidden(xf))", "h = F.relu(self.hidden(xf + 0.1 * torch.randn_like(xf)))"),
    ),
    (
        "labels_in_swapped_rows",
        "the first head is compared on dev with the second digit's",
        (
            "y_dev = [y_train[0][dev_split_index:], y_train[1][dev_split_index:]]",
            "y_dev = [y_train[1][dev_split_index:], y_train[0][dev_split_index:]]",
        ),
    ),
    (
        "two_digit_rate_zero",
        "rate",
        (
            "train_model(train_batches, dev_batches, model)",
            "train_model(train_batches, dev_batches, model, lr=0.0)",
        ),
    ),
    (
        "two_digit_dev_as_test",
        "the dev set is reported as test: no test picture is looked",
        ("run_epoch(test_batches, model.eval()", "run_epoch(dev_batches, model.eval()"),
    ),
    (
        "two_digit_test_chooses",
        "test",
        (
            "train_model(train_batches, dev_batches, model)",
            "train_model(train_batches, test_batches, model)",
        ),
    ),
    (
        "two_digit_other_model",
        "what is tested was not trained: it is another model than",
        (
            "    loss, acc = run_epoch(test_batches, model",
            "    loss, acc = run_epoch(test_batches, MLP(input_dimension)",
        ),
    ),
    (
        "sum_over_the_picture",
        "the first head sees only how bright the picture is, not",
        ("xf = self.flatten(x)", "xf = self.flatten(x).sum(1, keepdim=True).expand(-1, 1176)"),
    ),
    (
        "global_weights",
        "two models share their weights: a layer is made outside",
        ("class MLP", "SHARED = nn.Linear(1176, 64)\n\n\nclass MLP"),
        ("self.hidden = nn.Linear(input_dimension, 64)", "self.hidden = SHARED"),
    ),
)
TWO_CONVS = edited(
    "course",
    "conv",
    (
        "convolution_unused",
        "convolution",
        (
            "        x = self.pool(F.relu(self.conv1(x)))\n        x = self.pool(F.relu(self.conv2(x)))\n",
            "",
        ),
        ("nn.Linear(32 * 9 * 5, 64)", "nn.Linear(1176, 64)"),
    ),
    (
        "conv_head_sees_half",
        "half",
        ("self.out1 = nn.Linear(64, 10)", "self.out1 = nn.Linear(588, 10)"),
        (
            "        x = self.pool(F.relu(self.conv1(x)))\n",
            "        top = x[:, :, :21].flatten(1)\n        x = self.pool(F.relu(self.conv1(x)))\n",
        ),
        ("self.out1(x)", "self.out1(top)"),
    ),
    ("conv_trunk_detached", "gradient", ("self.out1(x)", "self.out1(x.detach())")),
    (
        "conv_input_in_place",
        "in place",
        (
            "        x = self.pool(F.relu(self.conv1(x)))\n",
            "        x.mul_(2).sub_(1)\n        x = self.pool(F.relu(self.conv1(x)))\n",
        ),
    ),
    (
        "conv_eval_in_forward",
        "eval()",
        (
            "        x = self.pool(F.relu(self.conv1(x)))\n",
            "        self.dropout.eval()\n        x = self.pool(F.relu(self.conv1(x)))\n",
        ),
    ),
    (
        "conv_relu_logits",
        "ReLU",
        ("self.out1(x)", "F.relu(self.out1(x))"),
        ("self.out2(x)", "F.relu(self.out2(x))"),
    ),
    (
        "conv_wrong_split",
        "the split is the wrong way round: most pictures are kept",
        ("int(9 * len(X_train) / 10)", "int(len(X_train) / 10)"),
    ),
    (
        "conv_flipped_test",
        "the pictures of the test set are mirrored, those of the",
        (
            "    train_batches = batchify",
            "    X_test = X_test[..., ::-1].copy()\n    train_batches = batchify",
        ),
    ),
    (
        "conv_width_mixed_up",
        "the answer for a picture depends on the other pictures of",
        ("self.flatten(x)", "x.permute(1, 0, 2, 3).reshape(x.shape[0], -1)"),
    ),
    (
        "conv_swaps_halves_in_test",
        "main() ends with ValueError: At least one stride in the",
        ("    train_batches = batchify", "    y_test = y_test[::-1]\n    train_batches = batchify"),
    ),
    (
        "conv_logits_divided",
        "the outputs are squashed by a sigmoid or tanh before the",
        ("self.out1(x)", "F.normalize(self.out1(x), dim=1)"),
    ),
)

KINDS = [*STATE, *NUMBERS, *TRAINING, *SCRIPTS, *CONVOLUTIONAL, *TWO_DIGITS, *TWO_CONVS]
