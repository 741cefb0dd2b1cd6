"""Wrong solutions of neural_nets.py, from the mistakes that learners make: small edits to right ones.

An entry is a name, words that a message has to say, and pairs (what stands in the base, what stands
there instead); the bases lie beside this file.
"""
# ruff: noqa: E501 - what a learner writes on one line stands on one line

from tests.submissions.edits import edited

MATRIX_NETWORK = edited(
    "course",
    "neural_nets",
    ("relu_is_identity", "negative x", ("return max(0, x)", "return x")),
    ("relu_is_min", "min for max", ("return max(0, x)", "return min(0, x)")),
    ("relu_leaks", "leaky", ("return max(0, x)", "return x if x > 0 else 0.01 * x")),
    ("relu_is_abs", "abs", ("return max(0, x)", "return abs(x)")),
    ("relu_without_return", "NoneType", ("return max(0, x)", "max(0, x)")),
    (
        "relu_prime_always_one",
        "below zero",
        ("    if x > 0:\n        return 1\n    else:\n        return 0", "    return 1"),
    ),
    (
        "relu_prime_is_relu",
        "the ReLU itself",
        ("        return 1\n    else:", "        return x\n    else:"),
    ),
    (
        "relu_prime_turned",
        "wrong way round",
        (
            "    if x > 0:\n        return 1\n    else:\n        return 0",
            "    if x > 0:\n        return 0\n    else:\n        return 1",
        ),
    ),
    (
        "output_is_relu",
        "ReLU",
        (
            "def output_layer_activation(x):\n    return x",
            "def output_layer_activation(x):\n    return np.maximum(0, x)",
        ),
    ),
    (
        "output_is_sigmoid",
        "sigmoid",
        (
            "def output_layer_activation(x):\n    return x",
            "def output_layer_activation(x):\n    return 1 / (1 + np.exp(-x))",
        ),
    ),
    (
        "output_prime_is_zero",
        "always 0",
        ("derivative(x):\n    return 1\n", "derivative(x):\n    return 0\n"),
    ),
    (
        "output_prime_is_x",
        "the activation itself",
        ("derivative(x):\n    return 1\n", "derivative(x):\n    return x\n"),
    ),
    ("more_epochs", "epochs_to_train is 100", ("epochs_to_train = 10", "epochs_to_train = 100")),
    ("other_rate", "learning_rate is 0.01", ("learning_rate = .001", "learning_rate = .01")),
    (
        "random_start",
        "starts with",
        ("np.matrix('1. 1.; 1. 1.; 1. 1.')", "np.matrix(np.random.rand(3, 2))"),
    ),
    ("zero_start", "starts with 0", ("np.matrix('1. 1. 1.')", "np.matrix('0. 0. 0.')")),
    (
        "flat_biases",
        "biases is 1 x 3",
        ("np.matrix('0.; 0.; 0.')", "np.matrix('0. 0. 0.')"),
        ("* inputs + self.biases", "* inputs + self.biases.T"),
        ("* inputs + self.biases)", "* inputs + self.biases.T)"),
        ("grad_biases = delta_hidden", "grad_biases = delta_hidden.T"),
    ),
    (
        "predict_without_biases",
        "predict ignores the biases",
        (
            "relu(self.input_to_hidden_weights * inputs + self.biases)",
            "relu(self.input_to_hidden_weights * inputs)",
        ),
    ),
    (
        "predict_without_relu",
        "predict leaves out the ReLU",
        (
            "a = relu(self.input_to_hidden_weights * inputs + self.biases)",
            "a = self.input_to_hidden_weights * inputs + self.biases",
        ),
    ),
    (
        "predict_biases_after_relu",
        "adds the biases after the ReLU",
        (
            "a = relu(self.input_to_hidden_weights * inputs + self.biases)",
            "a = relu(self.input_to_hidden_weights * inputs) + self.biases",
        ),
    ),
    (
        "predict_relu_on_output",
        "predict applies the ReLU to the output",
        ("return out.item()", "return relu(out).item()"),
    ),
    (
        "predict_whole_numbers",
        "cuts its result off",
        ("return out.item()", "return int(out.item())"),
    ),
    (
        "predict_swaps_inputs",
        "x1 and x2 the wrong way round",
        (
            "        inputs = np.matrix([[x1], [x2]])\n        a =",
            "        inputs = np.matrix([[x2], [x1]])\n        a =",
        ),
    ),
    (
        "predict_x1_twice",
        "x1 for both",
        (
            "        inputs = np.matrix([[x1], [x2]])\n        a =",
            "        inputs = np.matrix([[x1], [x1]])\n        a =",
        ),
    ),
    ("predict_prints_only", "return missing", ("return out.item()", "print(out.item())")),
    ("predict_returns_units", "3 numbers", ("return out.item()", "return a")),
    (
        "predict_trains",
        "predict changes",
        ("return out.item()", "self.biases = self.biases + 0.01\n        return out.item()"),
    ),
    (
        "hidden_after_output",
        "output weights of after the step",
        (
            "        delta_hidden = np.multiply(",
            "        new = self.hidden_to_output_weights - self.learning_rate * delta_out * a.T\n"
            "        old, self.hidden_to_output_weights = self.hidden_to_output_weights, new\n"
            "        delta_hidden = np.multiply(",
        ),
        ("self.hidden_to_output_weights - self.learning_rate * grad_output", "new"),
    ),
    (
        "bias_sign",
        "sign of the bias gradient",
        ("self.biases - self.learning_rate", "self.biases + self.learning_rate"),
    ),
    ("all_signs", "sign of the gradient of the output weights", ("(out - y)", "(y - out)")),
    (
        "hidden_sign",
        "sign of the gradient of the hidden weights",
        (
            "self.input_to_hidden_weights - self.learning_rate",
            "self.input_to_hidden_weights + self.learning_rate",
        ),
    ),
    (
        "biases_stay",
        "biases are not changed",
        ("        self.biases = self.biases - self.learning_rate * grad_biases\n", ""),
    ),
    (
        "hidden_weights_stay",
        "hidden weights are not changed",
        (
            "        self.input_to_hidden_weights = self.input_to_hidden_weights - self.learning_rate * grad_hidden\n",
            "",
        ),
    ),
    (
        "bias_gradient_without_slope",
        "bias gradient leaves out the ReLU's derivative",
        ("grad_biases = delta_hidden", "grad_biases = self.hidden_to_output_weights.T * delta_out"),
    ),
    (
        "bias_gradient_without_weights",
        "bias gradient leaves out the output weights",
        ("grad_biases = delta_hidden", "grad_biases = delta_out.item() * slope(z)"),
    ),
    (
        "bias_gradient_is_output_error",
        "error of the output",
        ("grad_biases = delta_hidden", "grad_biases = np.ones((3, 1)) * delta_out"),
    ),
    (
        "bias_gradient_summed",
        "added up over the hidden units",
        ("grad_biases = delta_hidden", "grad_biases = np.ones((3, 1)) * np.sum(delta_hidden)"),
    ),
    (
        "no_slope_at_all",
        "leaves out the ReLU's derivative",
        (
            "np.multiply(self.hidden_to_output_weights.T * delta_out, slope(z))",
            "self.hidden_to_output_weights.T * delta_out",
        ),
    ),
    (
        "no_output_weights",
        "leaves out the output weights",
        (
            "np.multiply(self.hidden_to_output_weights.T * delta_out, slope(z))",
            "delta_out.item() * slope(z)",
        ),
    ),
    (
        "activation_for_slope",
        "in place of the ReLU's derivative",
        (
            "grad_hidden = delta_hidden * inputs.T",
            "grad_hidden = np.multiply(self.hidden_to_output_weights.T * delta_out, a) * inputs.T",
        ),
    ),
    (
        "input_for_activation",
        "what goes into the hidden units",
        ("delta_out * a.T", "delta_out * z.T"),
    ),
    ("twice_the_error", "twice the right one", ("(out - y)", "2 * (out - y)")),
    ("half_the_error", "half the right one", ("(out - y)", "0.5 * (out - y)")),
    (
        "loss_for_error",
        "the loss 1/2 (prediction - y)^2 itself",
        ("(out - y)", "0.5 * np.power(out - y, 2)"),
    ),
    ("error_without_sign", "without its sign", ("(out - y)", "abs(out - y)")),
    ("prediction_for_error", "the prediction in place of", ("(out - y)", "out")),
    (
        "no_learning_rate",
        "not multiplied by the learning rate",
        (
            "self.hidden_to_output_weights - self.learning_rate * grad_output",
            "self.hidden_to_output_weights - grad_output",
        ),
    ),
    (
        "fixed_rate",
        "written into train",
        ("self.biases - self.learning_rate", "self.biases - 0.001"),
        (
            "self.input_to_hidden_weights - self.learning_rate",
            "self.input_to_hidden_weights - 0.001",
        ),
        (
            "self.hidden_to_output_weights - self.learning_rate",
            "self.hidden_to_output_weights - 0.001",
        ),
    ),
    (
        "replaced_by_step",
        "replaced by the step",
        (
            "self.hidden_to_output_weights - self.learning_rate * grad_output",
            "-self.learning_rate * grad_output",
        ),
    ),
    (
        "train_without_biases",
        "forward pass of train leaves out the biases",
        (
            "z = self.input_to_hidden_weights * inputs + self.biases\n",
            "z = self.input_to_hidden_weights * inputs\n",
        ),
    ),
    ("train_without_relu", "forward pass of train leaves out the ReLU", ("a = relu(z)", "a = z")),
    (
        "slope_of_error",
        "the ReLU's derivative of the error",
        (
            "np.multiply(self.hidden_to_output_weights.T * delta_out, slope(z))",
            "slope(self.hidden_to_output_weights.T * delta_out)",
        ),
    ),
    (
        "transposed_start",
        "input_to_hidden_weights is 2 x 3",
        ("'1. 1.; 1. 1.; 1. 1.'", "'1. 1. 1.; 1. 1. 1.'"),
        ("self.input_to_hidden_weights * inputs", "self.input_to_hidden_weights.T * inputs"),
        ("self.input_to_hidden_weights * inputs", "self.input_to_hidden_weights.T * inputs"),
        ("delta_hidden * inputs.T", "inputs * delta_hidden.T"),
    ),
    (
        "removed_function",
        "AttributeError",
        ("delta_out = (out - y)", "delta_out = np.asscalar(out - y)"),
    ),
    ("slope_of_output", "ReLU's derivative", ("out, slope(z))", "out, slope(u))")),
    (
        "one_epoch",
        "train is called 4 times",
        (
            "        for epoch in range(self.epochs_to_train):\n            for x, y in self.training_points:\n                self",
            "        if True:\n            for x, y in self.training_points:\n                self",
        ),
    ),
    (
        "ten_epochs_always",
        "number of epochs is written into",
        ("range(self.epochs_to_train)", "range(10)"),
    ),
    (
        "epoch_off_by_one",
        "36 times",
        ("range(self.epochs_to_train)", "range(1, self.epochs_to_train)"),
    ),
    (
        "x1_for_both",
        "train gets the points",
        ("self.train(x[0], x[1], y)", "self.train(x[0], x[0], y)"),
    ),
    (
        "report_without_abs",
        "too low",
        ("abs(guess - 7 * point[0]) < 0.1", "guess - 7 * point[0] < 0.1"),
    ),
    ("report_always_passes", "gives one verdict", ('print("failed")', 'print("passed")')),
    (
        "missing_predict",
        "no attribute 'predict'",
        ("def predict", "def guess"),
        ("guess = self.predict", "guess = self.guess"),
    ),
    ("syntax_error", "SyntaxError", ("if x > 0:", "if x > 0")),
    ("name_error", "NameError", ("slope(z))", "slope(zz))")),
)

ARRAY_NETWORK = edited(
    "tidy",
    "neural_nets",
    (
        "output_first",
        "output weights of after the step",
        (
            "        db = (self",
            "        self.hidden_to_output_weights -= self.learning_rate * dW2\n        db = (self",
        ),
        (
            "        self.hidden_to_output_weights -= self.learning_rate * dW2\n        self.input",
            "        self.input",
        ),
    ),
    (
        "units_added_up",
        "added up over the hidden units",
        (
            "(self.hidden_to_output_weights.T @ error) * rectified_linear_unit_derivative(z)",
            "error @ self.hidden_to_output_weights @ rectified_linear_unit_derivative(z)",
        ),
    ),
    (
        "biases_broadcast",
        "is 3 x 1 before train and 3 x 3 after",
        (
            "self.biases -= self.learning_rate * db",
            "self.biases = self.biases - self.learning_rate * db.T",
        ),
    ),
    (
        "shared_parameters",
        "share their parameters",
        ("class NeuralNetwork:\n", "START = np.zeros((3, 1))\n\n\nclass NeuralNetwork:\n"),
        ("self.biases = np.zeros((3, 1))", "self.biases = START"),
    ),
    ("whole_number_weights", "UFuncTypeError", ("np.ones((1, 3))", "np.ones((1, 3), dtype=int)")),
    (
        "forward_relu_on_output",
        "predict applies the ReLU to the output",
        (
            "output_layer_activation(self.hidden_to_output_weights @ a)",
            "rectified_linear_unit(self.hidden_to_output_weights @ a)",
        ),
    ),
    (
        "biases_after_step",
        "biases were updated with the output weights of after the step",
        (
            "        self.biases -= self.learning_rate * db",
            "        db = (self.hidden_to_output_weights.T @ error) * rectified_linear_unit_derivative(z)\n"
            "        self.biases -= self.learning_rate * db",
        ),
    ),
)

WRONG = [*MATRIX_NETWORK, *ARRAY_NETWORK]
