"""The mistakes that learners make in the steps, as edits to our own functions.

One table serves three ends: check names a mistake by the numbers that it gives, clinic makes cases
of it, judge makes wrong networks of it. A mistake is a step, its words, and pairs (what stands in
our function, what stands there instead).
"""
# ruff: noqa: E501 - what stands on one line in a lesson stands on one line

from typing import NamedTuple


class Mistake(NamedTuple):
    step: str
    words: str
    edits: tuple  # pairs; None in the second place deletes the line
    curve: bool = True  # False: it stops at once, or nothing trains with it, or too slowly


def of(step, *mistakes):
    """Return the mistakes of one step."""
    return [Mistake(step, words, tuple(edits)) for words, *edits in mistakes]


def no_case(step, *mistakes):
    """Return mistakes of one step that give no case of the clinic."""
    return [Mistake(step, words, tuple(edits), False) for words, *edits in mistakes]


CLIMBS = "the sign of the step is wrong: it climbs instead of going down"

# ------------------------------------------------------------------- neural_nets.py, part 1

PART_1 = [
    *of(
        "rectified_linear_unit",
        ("it gives a negative x back; it must give 0", ("np.maximum(0, x)", "1.0 * x")),
        ("it has min where max is right", ("np.maximum(0, x)", "np.minimum(0, x)")),
        (
            "it leaks: a negative x becomes x / 100, not 0",
            ("maximum(0, x)", "maximum(0.01 * x, x)"),
        ),
        ("it takes the sign off a negative x; it must give 0", ("np.maximum(0, x)", "np.abs(x)")),
        ("it gives its slope, 0 or 1", ("np.maximum(0, x)", "(x > 0) * 1.0")),
        ("it gives nothing above 1; there is no upper limit", ("maximum(0, x)", "clip(x, 0, 1)")),
    ),
    *no_case(
        "rectified_linear_unit",
        (
            "max() and if compare a whole array at once; np.maximum goes element by element",
            ("np.maximum", "max"),
        ),
        (
            "np.max takes its second argument for an axis; np.maximum goes element by element",
            ("np.maximum", "np.max"),
        ),
        (
            "np.max(x, 0) is the largest along axis 0; np.maximum(x, 0) goes element by element",
            ("np.maximum(0, x)", "np.max(x, 0)"),
        ),
    ),
    *no_case(
        "log_softmax",
        (
            "the largest logit is not taken off, so exp overflows, and inf / inf is no number",
            ("logits - logits.max(axis=1, keepdims=True)", "logits"),
            (
                "shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))",
                "np.log(np.exp(shifted) / np.exp(shifted).sum(axis=1, keepdims=True))",
            ),
        ),
        (
            "the largest of all logits is taken off; where a row's own is far below, exp is 0",
            ("logits.max(axis=1, keepdims=True)", "logits.max()"),
        ),
    ),
    *no_case(
        "initialise",
        (
            "the random numbers are not those of rng, so the same seed gives other weights",
            ("rng.standard_normal((n_in, n_out))", "np.random.standard_normal((n_in, n_out))"),
        ),
    ),
    *no_case(
        "rectified_linear_unit_derivative",
        (
            "if compares a whole array at once; x > 0 goes element by element",
            ("(x > 0) * np.float32(1)", "1.0 if x > 0 else 0.0"),
        ),
    ),
    *no_case(
        "NeuralNetwork.forward",
        (
            "x is flat, (2,); it must be a column (2, 1), or W x + b becomes a table (3, 3)",
            ("[[x1], [x2]]", "[x1, x2]"),
        ),
        (
            "W and x are multiplied by *; @ is the product of matrices",
            ("weights @ x", "weights * x"),
        ),
        (
            "o alone is given; x, z, h, u and o are asked for",
            ("return x, z, h, u, output", "return output"),
        ),
    ),
    *no_case(
        "NeuralNetwork.train",
        (
            "dh is a row; V^T du is a column (3, 1)",
            ("self.hidden_to_output_weights.T @ du", "du @ self.hidden_to_output_weights"),
        ),
        ("dz is a product of matrices; it goes element by element", ("dh * rect", "dh @ rect")),
        ("x is not transposed in dW = dz x^T", ("dz @ x.T", "dz @ x")),
    ),
    *no_case(
        "initialise",
        (
            "the names begin at 0; the first are W1 and b1",
            ('f"W{i}"', 'f"W{i - 1}"'),
            ('f"b{i}"', 'f"b{i - 1}"'),
        ),
        (
            "the shape of W is the wrong way round: (m_(i-1), m_i)",
            ("(n_in, n_out))", "(n_out, n_in))"),
        ),
    ),
    *no_case(
        "forward", ("the cache is missing in what it returns", ("return A, cache", "return A"))
    ),
    *no_case(
        "log_softmax",
        (
            "keepdims=True is missing in the sum: rows and columns are mixed up",
            ("axis=1, keepdims=True))", "axis=1))"),
        ),
        (
            "keepdims=True is missing: rows and columns are mixed up",
            ("logits.max(axis=1, keepdims=True)", "logits.max(axis=1)"),
            ("axis=1, keepdims=True))", "axis=1))"),
        ),
    ),
    *no_case(
        "backward",
        (
            "dW uses A_i; layer i was given A_(i-1), which is cache[i - 1]",
            ("cache[i - 1].T @", "cache[i].T @"),
        ),
        ("A is not transposed in dW = A^T dZ", ("cache[i - 1].T @", "cache[i - 1] @")),
        (
            "dW is transposed: dZ^T A has the shape of W^T; dW = A^T dZ has that of W",
            ("cache[i - 1].T @ dZ", "dZ.T @ cache[i - 1]"),
        ),
        (
            "dW multiplies A and dZ element by element; it is a product of matrices, A^T dZ",
            ("cache[i - 1].T @ dZ", "cache[i - 1] * dZ"),
        ),
        (
            "dW always uses the images A_0; layer i was given A_(i-1), which is cache[i - 1]",
            ("cache[i - 1].T @", "cache[0].T @"),
        ),
        (
            "dW uses A_(i-2); layer i was given A_(i-1), which is cache[i - 1]",
            ("cache[i - 1].T @", "cache[i - 2].T @"),
        ),
        (
            "dW always uses dlogits; layer i has a dZ of its own",
            ("cache[i - 1].T @ dZ", "cache[i - 1].T @ dlogits"),
        ),
        (
            "db always uses dlogits; layer i has a dZ of its own",
            ("dZ.sum(axis=0)", "dlogits.sum(axis=0)"),
        ),
        (
            "db is missing in what it returns",
            ('grads[f"db{i}"] = dZ.sum(axis=0)', "dZ.sum(axis=0)"),
        ),
        (
            "db is made after dZ has moved on to the layer below; it needs the dZ of its own layer",
            ('        grads[f"db{i}"] = dZ.sum(axis=0)  # (N, m_i) -> (m_i,)\n', ""),
            ("cache[i - 1])\n", 'cache[i - 1])\n        grads[f"db{i}"] = dZ.sum(axis=0)\n'),
        ),
        (
            "the names are those of the weights; the gradient of W1 is called dW1",
            ('grads[f"dW{i}"]', 'grads[f"W{i}"]'),
            ('grads[f"db{i}"]', 'grads[f"b{i}"]'),
        ),
        (
            "the names begin at 0; the first are dW1 and db1",
            ('grads[f"dW{i}"]', 'grads[f"dW{i - 1}"]'),
            ('grads[f"db{i}"]', 'grads[f"db{i - 1}"]'),
        ),
        (
            "the slope of ReLU is taken at A_i; dZ_(i-1) needs it at A_(i-1), cache[i - 1]",
            ("relu_derivative(cache[i - 1])", "relu_derivative(cache[i])"),
        ),
        (
            "the slope of ReLU is taken at A_(i-2); dZ_(i-1) needs it at A_(i-1), cache[i - 1]",
            ("relu_derivative(cache[i - 1])", "relu_derivative(cache[i - 2])"),
        ),
        (
            "the slope of ReLU is taken at dZ; it must be taken at A",
            ("relu_derivative(cache[i - 1])", "relu_derivative(dZ)"),
        ),
        (
            "dZ_(i-1) is a product of matrices; dA and the slope go element by element",
            ("dA * relu", "dA @ relu"),
        ),
        (
            "dlogits are multiplied by a slope of ReLU; there is no ReLU behind the logits",
            ("grads, dZ = {}, dlogits", "grads, dZ = {}, dlogits * relu_derivative(dlogits)"),
        ),
        (
            "dZ stays that of the last layer: it must become dA times the slope of ReLU",
            ("dZ = dA * relu", "dA * relu"),
        ),
        (
            "dA is left out: dZ_(i-1) = dA * slope, and dA = dZ W^T",
            ("dZ = dA * relu", "dZ = dZ * relu"),
        ),
        (
            "dA uses W_(i-1); dZ_i came through W_i, so it goes back through W_i",
            ('params[f"W{i}"].T', 'params[f"W{i - 1}"].T'),
        ),
        (
            "dA uses W_(i+1); dZ_i came through W_i, so it goes back through W_i",
            ('params[f"W{i}"].T', 'params[f"W{i + 1}"].T'),
        ),
        (
            "dA is W dZ; with an example in each row it is dZ W^T",
            ('dZ @ params[f"W{i}"].T', 'params[f"W{i}"] @ dZ'),
        ),
        (
            "dA is W^T dZ; with an example in each row it is dZ W^T",
            ('dZ @ params[f"W{i}"].T', 'params[f"W{i}"].T @ dZ'),
        ),
        (
            "dZ is not passed on to the first layer: if i > 1, not if i > 2",
            ("if i > 1", "if i > 2"),
        ),
    ),
    *of("train_plain", ("total is not added up, so the report says 0", ("total += ", None))),
    *of(
        "rectified_linear_unit_derivative",
        ("it is 1 at x = 0; at the bend our choice is 0", ("(x > 0)", "(x >= 0)")),
        ("it is 1 everywhere; where x is negative ReLU is flat", ("(x > 0)", "(x == x)")),
        ("it is the wrong way round: 1 for a negative x", ("(x > 0)", "(x < 0)")),
        ("it gives ReLU itself, not its slope", ("* np.float32(1)", "* x")),
        ("it is -1 for a negative x; ReLU is flat there", ("(x > 0)", "np.sign(x)")),
    ),
    *of(
        "output_layer_activation",
        ("the output has a ReLU; the course's f gives x back", ("return x", "return x * (x > 0)")),
        ("the output has a sigmoid; f gives x back", ("return x", "return 1 / (1 + np.exp(-x))")),
        ("the derivative is 0 everywhere, so nothing learns", ("1.0 + 0 * x", "0.0 * x")),
        ("the derivative is x itself; the slope of f(x) = x is 1", ("1.0 + 0 * x", "1.0 * x")),
    ),
    *of(
        "NeuralNetwork.forward",
        ("the biases are left out", (" + self.biases", "")),
        ("the ReLU is left out: h = z", ("h = rectified_linear_unit(z)", "h = z")),
        (
            "the biases are added after the ReLU; they belong before it",
            (" + self.biases", ""),
            ("rectified_linear_unit(z)", "rectified_linear_unit(z) + self.biases"),
        ),
        ("x1 and x2 are the wrong way round", ("[[x1], [x2]]", "[[x2], [x1]]")),
        ("x1 stands for both inputs", ("[[x1], [x2]]", "[[x1], [x1]]")),
        ("the output has a ReLU of its own", ("output_layer_activation(u)", "np.maximum(0, u)")),
        ("u is made of z; it must be made of h, after the ReLU", ("weights @ h", "weights @ z")),
        ("the biases are taken off; they must be added", ("+ self.biases", "- self.biases")),
    ),
    *no_case(
        "NeuralNetwork.predict",
        (
            "it cuts its result off to a whole number",
            ("self.forward(x1, x2)[-1].item()", "int(self.forward(x1, x2)[-1].item())"),
        ),
        (
            "it rounds its result",
            ("self.forward(x1, x2)[-1].item()", "round(self.forward(x1, x2)[-1].item())"),
        ),
        ("x1 and x2 are the wrong way round", ("(x1, x2)[-1]", "(x2, x1)[-1]")),
        ("it adds up the hidden units; V is left out", ("[-1].item()", "[2].sum().item()")),
        ("it gives the array (1, 1) that o is; its number is asked for", ("[-1].item()", "[-1]")),
    ),
    *of(
        "NeuralNetwork.train",
        (CLIMBS, ("(o - y)", "(y - o)")),
        ("the error is doubled: the slope of 1/2 (o - y)^2 is o - y", ("(o - y)", "2 * (o - y)")),
        ("the error is halved: the slope of 1/2 (o - y)^2 is o - y", ("(o - y)", "0.5 * (o - y)")),
        ("the error has lost its sign", ("(o - y)", "abs(o - y)")),
        ("the prediction o stands in place of the error o - y", ("(o - y)", "o")),
        ("the loss stands in place of its slope, o - y", ("(o - y)", "0.5 * (o - y) ** 2")),
        ("dV uses z; V was multiplied by h, so dV = du h^T", ("du @ h.T", "du @ z.T")),
        ("dV leaves out the error: dV = du h^T", ("du @ h.T", "h.T")),
        (
            "dh leaves out V: dh = V^T du",
            ("self.hidden_to_output_weights.T @ du", "np.ones((3, 1)) @ du"),
        ),
        (
            "dz leaves out the slope of ReLU, so that sleeping units learn too",
            (" * rectified_linear_unit_derivative(z)", ""),
        ),
        (
            "dz has h in place of the slope of ReLU at z",
            ("* rectified_linear_unit_derivative(z)", "* h"),
        ),
        (
            "dz has the slope of ReLU at the output u; it must be taken at z, unit by unit",
            ("rectified_linear_unit_derivative(z)", "rectified_linear_unit_derivative(u)"),
        ),
        ("dW has x1 and x2 the wrong way round", ("dz @ x.T", "dz @ x[::-1].T")),
        ("dW leaves out the input: dW = dz x^T", ("dz @ x.T", "dz @ np.ones((1, 2))")),
        ("db is dh; the slope of ReLU is missing in it: db = dz", ("db = dz", "db = dh")),
        ("db is the error of the output, for every unit: db = dz", ("db = dz", "db = du + 0 * dz")),
        (
            "db is added up over the units; each unit has its own: db = dz",
            ("db = dz", "db = dz.sum() + 0 * dz"),
        ),
        (
            "V moves before dh is taken: dh needs the V that made the prediction",
            (
                "        self.hidden_to_output_weights = self.hidden_to_output_weights"
                " - self.learning_rate * dV\n        self.input",
                "        self.input",
            ),
            (
                "        dh = ",
                "        self.hidden_to_output_weights = self.hidden_to_output_weights"
                " - self.learning_rate * dV\n        dh = ",
            ),
        ),
        ("the step of V is not multiplied by the learning rate", ("self.learning_rate * dV", "dV")),
        (
            "the rate is written into the step of W; it must be self.learning_rate",
            ("self.learning_rate * dW", "0.001 * dW"),
        ),
        (
            "the sign of the biases' step is wrong: it climbs",
            ("self.biases - self", "self.biases + self"),
        ),
        (
            "the sign of W's step is wrong: it climbs",
            ("self.input_to_hidden_weights - self", "self.input_to_hidden_weights + self"),
        ),
        ("the biases never move", ("self.biases - self.learning_rate * db", "self.biases")),
        (
            "W never moves",
            (
                "self.input_to_hidden_weights - self.learning_rate * dW",
                "self.input_to_hidden_weights",
            ),
        ),
        (
            "W is replaced by its step; it must be moved by it",
            ("self.input_to_hidden_weights - self.learning_rate * dW", "-self.learning_rate * dW"),
        ),
    ),
    *of(
        "NeuralNetwork.train_neural_network",
        (
            "the number of epochs is written into it; it must be self.epochs_to_train",
            ("range(self.epochs_to_train)", "range(10)"),
        ),
        (
            "there is one epoch too few",
            ("range(self.epochs_to_train)", "range(1, self.epochs_to_train)"),
        ),
        (
            "it goes through the points once, whatever epochs_to_train says",
            ("range(self.epochs_to_train)", "range(1)"),
        ),
        ("train gets x1 for both inputs", ("self.train(x1, x2, y)", "self.train(x1, x1, y)")),
        ("the first point is left out", ("in self.training_points", "in self.training_points[1:]")),
    ),
]

# ------------------------------------------------------------------- neural_nets.py, part 2

DRAWN = "rng.standard_normal((n_in, n_out))"
PART_2 = [
    *of(
        "initialise",
        ("all weights begin at 0: then no unit ever differs", (DRAWN, "np.zeros((n_in, n_out))")),
        (
            "all weights begin equal, so all units stay equal",
            (DRAWN, "np.ones((n_in, n_out)) / 10"),
        ),
        ("the factor sqrt(2 / n_in) is missing", (" * math.sqrt(2 / n_in)", "")),
        ("the root is missing: the factor is sqrt(2 / n_in)", ("math.sqrt(2 / n_in)", "2 / n_in")),
        ("it is sqrt(2 / n_out); it must be sqrt(2 / n_in)", ("2 / n_in)", "2 / n_out)")),
        ("it is sqrt(1 / n_in); half of the inputs are 0 after ReLU", ("2 / n_in)", "1 / n_in)")),
        (
            "the weights are all positive: they are drawn from 0 to 1, not about 0",
            (DRAWN, "rng.random((n_in, n_out))"),
        ),
        (
            "the biases begin at 1; they begin at 0",
            ("np.zeros(n_out, dtype)", "np.ones(n_out, dtype)"),
        ),
        ("the weights are a hundredth of what they should be", ("math.sqrt(", "0.01 * math.sqrt(")),
        ("dtype is left out: the weights come in 64 bits", (".astype(dtype)", "")),
    ),
    *of(
        "forward",
        ("the biases are left out", (' + params[f"b{i}"]', "")),
        (
            "the last layer has a ReLU; logits may be negative",
            ("relu(Z) if i < layers else Z", "relu(Z)"),
        ),
        ("there is no ReLU in any layer", ("relu(Z) if i < layers else Z", "Z")),
        ("the first layer has no ReLU", ("if i < layers", "if 1 < i < layers")),
        (
            "it gives probabilities; the loss makes them of logits itself, so softmax comes twice",
            ("return A, cache", "return np.exp(log_softmax(A)), cache"),
        ),
        (
            "the biases are taken off; they must be added",
            ('+ params[f"b{i}"]', '- params[f"b{i}"]'),
        ),
    ),
    *no_case(
        "forward",
        (
            "ReLU is written into it; it must call the function that it was given as relu",
            ("relu(Z) if", "np.maximum(0, Z) if"),
        ),
        (
            "the cache keeps what a layer gives; it must keep what the layer gets",
            ("        cache.append(A)\n", ""),
            ("else Z\n", "else Z\n        cache.append(A)\n"),
        ),
        (
            "the cache does not begin with the images",
            ("cache, A = [], images", "cache, A = [], images.copy()"),
            ("        cache.append(A)\n", "        cache += [A] if i > 1 else []\n"),
        ),
    ),
    *of(
        "log_softmax",
        (
            "log of p is -inf where p is too small for the computer; take log S off instead",
            (
                "shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))",
                "np.log(np.exp(shifted) / np.exp(shifted).sum(axis=1, keepdims=True))",
            ),
        ),
        (
            "the largest logit is not taken off, so exp overflows",
            ("logits - logits.max(axis=1, keepdims=True)", "logits"),
        ),
        (
            "it adds up over the examples (axis 0); each example has its own ten classes (axis 1)",
            (".sum(axis=1, keepdims=True)", ".sum(axis=0, keepdims=True)"),
        ),
        ("it adds up over all examples and classes", (".sum(axis=1, keepdims=True)", ".sum()")),
        ("it gives p, without the logarithm", ("shifted - np.log(", "np.exp(shifted) / (")),
        ("the logarithm of the sum is missing", ("shifted - np.log(", "shifted - (")),
        (
            "the sign of the logarithm of the sum is wrong",
            ("shifted - np.log(", "shifted + np.log("),
        ),
    ),
    *of(
        "softmax_cross_entropy",
        ("dlogits is p + t; it must be p - t", ("labels] -= 1", "labels] += 1")),
        ("dlogits is not divided by N", ("    dlogits /= len(labels)\n", "")),
        ("dlogits is divided by the number of its elements", ("/= len(labels)", "/= dlogits.size")),
        (
            "1 is taken off whole columns; each row has one right class",
            ("dlogits[rows, labels] -= 1", "dlogits[:, labels] -= 1"),
        ),
        ("dlogits leaves out the labels: p - t, not p", ("dlogits[rows, labels] -= 1", None)),
        ("dlogits has the wrong sign: t - p", (", dlogits\n", ", -dlogits\n")),
        ("dlogits is made of log p; it must be made of p", ("np.exp(log_p)", "log_p.copy()")),
        ("the loss is the sum over the examples; it is their mean", (".mean()", ".sum()")),
        ("the sign of the loss is wrong", ("-float(", "float(")),
        (
            "the loss is the mean over all classes; only the right class counts",
            ("log_p[rows, labels].mean()", "log_p.mean()"),
        ),
        (
            "the loss is made of p; it must be made of log p",
            ("-float(log_p[", "-float(np.exp(log_p)["),
        ),
    ),
    *of(
        "backward",
        ("dW is divided by N once more; dZ has that already", (".T @ dZ", ".T @ dZ / len(dZ)")),
        (
            "db is the mean over the examples; it is their sum",
            ("dZ.sum(axis=0)", "dZ.mean(axis=0)"),
        ),
        (
            "the slope of ReLU is left out, or is 1 everywhere (A is never below 0)",
            (" * relu_derivative(cache[i - 1])", ""),
        ),
        (
            "the slope of ReLU is taken at dA; it must be taken at A",
            ("relu_derivative(cache[i - 1])", "relu_derivative(dA)"),
        ),
        (
            "dA is multiplied by A; it must be by the slope at A",
            ("relu_derivative(cache[i - 1])", "cache[i - 1]"),
        ),
        ("db has the wrong sign", ("= dZ.sum(axis=0)", "= -dZ.sum(axis=0)")),
        ("dW has the wrong sign", ("= cache[i - 1].T @ dZ", "= -cache[i - 1].T @ dZ")),
        ("db is always 0: the biases never learn", ("dZ.sum(axis=0)", "0 * dZ.sum(axis=0)")),
        ("db is added up over units and examples", ("dZ.sum(axis=0)", "dZ.sum() + 0 * dZ[0]")),
        (
            "nothing is passed back: every hidden layer gets dZ = 0",
            ('dA = dZ @ params[f"W{i}"].T', "dA = np.zeros_like(cache[i - 1])"),
        ),
    ),
    *no_case(
        "backward",
        (
            "the slope of ReLU is written into it; it must call relu_derivative",
            ("* relu_derivative(cache[i - 1])", "* (cache[i - 1] > 0)"),
        ),
        ("db is added up over the units (axis 1), not the examples (axis 0)", ("axis=0", "axis=1")),
        ("db is (1, n); it must be (n,), like b", ("axis=0", "axis=0, keepdims=True")),
        ("the first layer is left out", ("// 2, 0, -1)", "// 2, 1, -1)")),
        (
            "the weights are not transposed on the way back: dA = dZ W^T",
            ('params[f"W{i}"].T', 'params[f"W{i}"]'),
        ),
    ),
    *no_case(
        "numerical_gradient",
        ("the element is not put back", ("        array[index] = kept\n", "")),
        (
            "it is one-sided, (C(w + s) - C(w)) / s, which is less exact than both sides",
            ("array[index] = kept - step", "array[index] = kept"),
            ("(2 * step)", "step"),
        ),
        ("it is divided by s; the two points are 2 s apart", ("(2 * step)", "step")),
        ("it is multiplied by 2 s; it must be divided by it", ("/ (2 * step)", "* (2 * step)")),
        ("its sign is wrong: C(w - s) - C(w + s)", ("(above - below)", "(below - above)")),
        (
            "the second point is where the first began: w + s - s is w, not w - s",
            ("array[index] = kept - step", "array[index] = array[index] - step"),
        ),
        (
            "the second loss is taken at the first point, so every slope is 0",
            ("        array[index] = kept - step\n", ""),
        ),
        (
            "the step is written into it; it must be the argument",
            ("    gradient =", "    step = 1e-5\n    gradient ="),
        ),
    ),
    *no_case(
        "softmax_cross_entropy",
        (
            "the loss is an array of each example's; their mean is asked for",
            ("-float(log_p[rows, labels].mean())", "-log_p[rows, labels]"),
        ),
    ),
    *no_case(
        "evaluate",
        ("the accuracy is the share of mistakes", ("== labels", "!= labels")),
        (
            "the accuracy is in per cent; it must be from 0 to 1",
            ("float(np.mean", "100 * float(np.mean"),
        ),
        ("the accuracy counts; it must be a share", ("np.mean(logits", "np.sum(logits")),
        ("the class is the smallest logit; it must be the largest", ("argmax", "argmin")),
        (
            "the loss is the sum; softmax_cross_entropy gives the mean",
            ("labels)[0]", "labels)[0] * len(labels)"),
        ),
    ),
    *of(
        "train_plain",
        (CLIMBS, ("params[name] -= lr", "params[name] += lr")),
        ("the step is not multiplied by the rate", ("-= lr * grads", "-= grads")),
        (
            "the labels are not those of the images: they are always the first ones",
            ("labels[batch]", "labels[: len(batch)]"),
        ),
        (
            "the loss of a batch is a mean: times its size before it is added up",
            ("loss * len(y)", "loss"),
        ),
        ("the digits read right are counted as a share", ("== y).sum()", "== y).mean()")),
        (
            "the biases never move",
            ("for name in params:", 'for name in [n for n in params if n[0] == "W"]:'),
        ),
        ("only the last layer learns", ("for name in params:", "for name in list(params)[-2:]:")),
        ("only the first layer learns", ("for name in params:", "for name in list(params)[:2]:")),
        (
            "the digits are never shuffled",
            (
                "np.random.default_rng(run.seed_of(epoch)).permutation(len(images))",
                "np.arange(len(images))",
            ),
        ),
        ("every epoch has the same order", ("run.seed_of(epoch)", "run.seed_of(1)")),
        (
            "dev is measured on the training digits",
            ("evaluate(params, *dev_set)", "evaluate(params, *train_set)"),
        ),
    ),
    *no_case(
        "train_plain",
        (
            "params[name] = ... of a copy: the network itself never moves",
            (
                "    images, labels = train_set",
                "    params = dict(params)\n    images, labels = train_set",
            ),
            ("params[name] -= lr * grads", "params[name] = params[name] - lr * grads"),
        ),
    ),
]

# ------------------------------------------------------------------- neural_nets.py, part 3

PART_3 = [
    *of(
        "half_cosine",
        ("it rises from 0 to 1; it must fall", ("(1 + math", "(1 - math")),
        ("it begins at 2: the division by 2 is missing", (") / 2", ")")),
        ("pi is missing: half a cosine goes from 0 to pi", ("math.pi * progress", "progress")),
        ("it is a straight line", ("(1 + math.cos(math.pi * progress)) / 2", "1 - progress")),
        ("it is a whole cosine, from 0 to 2 pi, which rises again", ("math.pi", "2 * math.pi")),
    ),
    *of(
        "momentum_step",
        ("the velocity never fades: v = momentum v + dW", ("        v *= momentum\n", "")),
        (
            "the velocity is not kept: v = ... makes a new array, v *= ... changes the old one",
            ("        v *= momentum\n        v += grad\n", "        v = momentum * v + grad\n"),
        ),
        (
            "it is the simple form, W - rate v (Polyak); Nesterov's is asked for",
            ("(grad + momentum * v)", "v"),
        ),
        (CLIMBS, ("params[name] -= rate", "params[name] += rate")),
        (
            "momentum is missing in the step: dW + momentum v",
            ("(grad + momentum * v)", "(grad + v)"),
        ),
        ("the step leaves out the velocity", ("(grad + momentum * v)", "grad")),
        ("the step leaves out the rate", ("rate * (grad", "(grad")),
        ("the gradient is taken off the velocity; it must be added", ("v += grad", "v -= grad")),
    ),
    *of(
        "image_gradient",
        (
            "the slope of ReLU is left out",
            (" * rectified_linear_unit_derivative(cache[i - 1])", ""),
        ),
        (
            "the images are given a ReLU: black pixels get no gradient",
            ('return dZ @ params["W1"].T', 'return (dZ @ params["W1"].T) * (cache[0] > 0)'),
        ),
        (
            "the first hidden layer's ReLU is left out",
            ("cache[i - 1])", "cache[i - 1]) if i > 2 else dA"),
        ),
        ("it has the wrong sign", ("return dZ", "return -dZ")),
    ),
    *no_case(
        "image_gradient",
        ("it stops one layer early, before the images", ('dZ @ params["W1"].T', "dZ")),
    ),
    *of(
        "adversarial_step",
        (
            "all images share one length; each image has its own",
            ("np.linalg.norm(gradient, axis=1, keepdims=True)", "np.linalg.norm(gradient)"),
        ),
        (
            "it has the sign of each pixel (Goodfellow's first form); the Euclidean one is asked for",
            ("gradient * (length / lengths)", "np.sign(gradient) * length"),
        ),
        ("it goes downhill, where the loss shrinks", ("return gradient", "return -gradient")),
        ("it is not divided by its own length", ("(length / lengths)", "length")),
        ("it divides 0 by 0 where there is no gradient", (" + 1e-20", "")),
        ("its length is squared", ("(length / lengths)", "(length / lengths**2)")),
    ),
    *of(
        "train_better",
        (
            "the step is taken with dlogits of the plain digits, not of the adversarial examples",
            ("                _, dlogits = softmax_cross_entropy(logits, y)\n", ""),
        ),
        (
            "the cache is that of the plain digits",
            (
                "                logits, cache = forward(params, x)\n                _",
                "                logits, _ = forward(params, x)\n                _",
            ),
        ),
        ("the schedule is left out", ("lr * (schedule(progress) if schedule else 1)", "lr")),
        ("the length does not grow during the warm-up", (" * min(1, progress / WARM_UP)", "")),
        ("the digits are replaced by the steps; x + step is right", ("x = x + adv", "x = adv")),
        ("momentum is left out", ("rate, momentum)", "rate, 0)")),
        (CLIMBS, ("cache, dlogits), rate, momentum)", "cache, -dlogits), rate, momentum)")),
    ),
]

# ------------------------------------------------------------------- the loops in PyTorch

LOOPS = [
    *of(
        "train_plainly",
        (
            "optimizer.zero_grad() is missing: gradients add up from batch to batch",
            ("optimizer.zero_grad()", None),
        ),
        ("optimizer.step() is missing: no weight moves", ("optimizer.step()", None)),
        (
            "loss.backward() is missing: there are no gradients to step along",
            ("loss.backward()", None),
        ),
        (
            "zero_grad() stands between backward() and step(), so the gradients are gone",
            (
                "            loss.backward()",
                "            loss.backward()\n            optimizer.zero_grad()",
            ),
        ),
        (
            "there is a softmax before the cross-entropy, which has one of its own",
            ("cross_entropy(model(x), y)", "cross_entropy(model(x).softmax(1), y)"),
        ),
        (CLIMBS, ("            loss.backward()", "            (-loss).backward()")),
        ("the model is in eval mode while it learns", ("model.train()", "model.eval()")),
        ("it makes one epoch, whatever n_epochs says", ("range(n_epochs)", "range(1)")),
        ("lr is left out", ("SGD(model.parameters(), lr)", "SGD(model.parameters(), 0.01)")),
        (
            "it is Adam, not plain gradient descent (SGD)",
            ("torch.optim.SGD(model", "torch.optim.Adam(model"),
        ),
        (
            "the loss is the sum over a batch; it is the mean",
            ("(model(x), y)", "(model(x), y, reduction='sum')"),
        ),
    ),
    *no_case(
        "Flatten",
        ("it makes one row of all examples", ("x.reshape(len(x), -1)", "x.reshape(-1)")),
        (
            "an example becomes a column; it must be a row",
            ("x.reshape(len(x), -1)", "x.reshape(len(x), -1).T"),
        ),
        (
            "the numbers change places between the examples",
            ("x.reshape(len(x), -1)", "x.reshape(-1, len(x)).T"),
        ),
        ("only the last two axes become one", ("x.reshape(len(x), -1)", "x.flatten(-2)")),
    ),
    *of(
        "batchify_data",
        (
            "a short last batch is kept although drop_last is true",
            ("len(x) - len(x) % batch_size if drop_last else len(x)", "len(x)"),
        ),
        (
            "a short last batch is dropped although drop_last is false",
            (
                "len(x) - len(x) % batch_size if drop_last else len(x)",
                "len(x) - len(x) % batch_size",
            ),
        ),
        (
            "the labels lag behind the images by one",
            ("y[..., part].long()", "y.roll(1, -1)[..., part].long()"),
        ),
        (
            "the last full batch is left out",
            ("range(0, end, batch_size)", "range(0, end - batch_size, batch_size)"),
        ),
    ),
    *no_case(
        "batchify_data",
        (
            "the labels are those of the first batch, in every batch",
            ("y[..., part].long()", "y[..., :batch_size].long()"),
        ),
    ),
    *no_case(
        "batchify_data",
        (
            "x is cut off to whole numbers; it must be float32",
            ("x[part].float()", "x[part].long()"),
        ),
    ),
    *no_case(
        "batchify_data",
        ("the batches overlap", ("range(0, end, batch_size)", "range(0, end - batch_size + 1)")),
    ),
    *no_case(
        "batchify_data",
        ("y is float32; labels are int64", (".long()", ".float()")),
        ("x is float64; it must be float32", ("x[part].float()", "x[part].double()")),
        (
            "two digits' labels are cut along the wrong axis: y is (2, N)",
            ("y[..., part]", "y[part]"),
        ),
        (
            "images and labels may differ in number; that must raise ValueError",
            ("len(x) != y.shape[-1] or ", ""),
        ),
    ),
    *no_case(
        "compute_accuracy",
        (
            "it gives a tensor; .item() or float() makes a number of it",
            (".mean().item()", ".mean()"),
        ),
    ),
    *of(
        "compute_accuracy",
        ("it counts the right ones; it must give their share", (".mean()", ".sum()")),
        ("it gives the share of mistakes", (") == torch", ") != torch")),
        ("it is in per cent; it must be from 0 to 1", ("return (torch", "return 100 * (torch")),
        ("it is 1 only if all are right", (".float().mean()", ".all().float()")),
    ),
    *of(
        "run_epoch",
        (
            "optimizer.zero_grad() is missing: gradients add up from batch to batch",
            ("optimizer.zero_grad()", None),
        ),
        (
            "optimizer.step() is missing: no weight moves",
            ("                optimizer.step()\n", ""),
        ),
        (
            "backward() is missing: no weight moves",
            ("objective.mean().backward()  #", "objective.mean()  #"),
        ),
        (
            "zero_grad() stands between backward() and step(), so the gradients are gone",
            (
                "                optimizer.step()\n",
                "                optimizer.zero_grad()\n                optimizer.step()\n",
            ),
        ),
        (
            "optimizer.step() is called twice for a batch",
            (
                "                optimizer.step()\n",
                "                optimizer.step()\n                optimizer.step()\n",
            ),
        ),
        (CLIMBS, ("objective.mean().backward()", "(-objective.mean()).backward()")),
        (
            "evaluation keeps the history for gradients: torch.no_grad() is missing",
            ("enabled(model.training)", "enabled(True)"),
        ),
        (
            "it trains whenever there is an optimizer; it must look at model.training",
            ("            if model.training:\n", "            if optimizer:\n"),
            ("enabled(model.training)", "enabled(True)"),
        ),
        (
            "it puts the model into eval mode by itself",
            ("    device = next", "    model.eval()\n    device = next"),
        ),
        (
            "there is a softmax before the cross-entropy, which has one of its own",
            ("losses = losses_of(logits, y)", "losses = losses_of(logits.softmax(2), y)"),
        ),
        (
            "the loss of a batch is a mean: times its size before it is added up",
            ("losses.detach() * len(x)", "losses.detach()"),
        ),
        (
            "a short last batch counts as much as a full one; examples must count, not batches",
            ("losses.detach() * len(x)", "losses.detach()"),
            ("(logits.argmax(2) == y).sum(1)", "(logits.argmax(2) == y).float().mean(1)"),
            ("count += len(x)", "count += 1"),
        ),
        (
            "it reports the last batch's loss, not the mean of all",
            ("loss_sum = loss_sum + ", "loss_sum = count * 0 + "),
            ("    loss, accuracy = (loss_sum / count)", "    loss, accuracy = (loss_sum / len(x))"),
        ),
        (
            "the accuracy comes first; (loss, accuracy) is right",
            ("(loss[0], accuracy[0])", "(accuracy[0], loss[0])"),
        ),
        (
            "the accuracy is in per cent; it must be from 0 to 1",
            ("[n / count for", "[100 * n / count for"),
        ),
        (
            "it stops after its first batch",
            ("            count += len(x)\n", "            count += len(x)\n            break\n"),
        ),
        ("the last batch is left out", ("for batch in data:", "for batch in list(data)[:-1]:")),
        (
            "the class is the smallest logit; it must be the largest",
            ("logits.argmax(2)", "logits.argmin(2)"),
        ),
    ),
    *no_case(
        "run_epoch",
        (
            "it puts the model into training mode by itself",
            ("    device = next", "    model.train()\n    device = next"),
        ),
        (
            "it gives tensors; .item() or .tolist() makes numbers of them",
            (
                "(loss_sum / count).tolist(), [n / count for n in right.tolist()]",
                "loss_sum / count, right / count",
            ),
        ),
        (
            "the loss is a tensor; .item() makes a number of it",
            ("(loss_sum / count).tolist()", "loss_sum / count"),
        ),
        (
            "the accuracy is a tensor; .item() makes a number of it",
            ("[n / count for n in right.tolist()]", "right / count"),
        ),
        ("without a batch there must be a UserError", ("if count == 0:", "if False:")),
    ),
    *of(
        "run_epoch.two_heads",
        (
            "the two losses are added up; it must train on their mean",
            ("objective.mean()", "objective.sum()"),
        ),
        ("only the first head is trained", ("objective.mean()", "objective[0]")),
        ("only the second head is trained", ("objective.mean()", "objective[-1]")),
        (
            "each head is given the other digit's labels",
            ("y = y.reshape(len(logits), -1)", "y = y.reshape(len(logits), -1).flip(0)"),
        ),
        (
            "both heads are given the first digit's labels",
            (
                "y = y.reshape(len(logits), -1)",
                "y = y.reshape(len(logits), -1)[:1].repeat(len(logits), 1)",
            ),
        ),
        (
            "the second head's accuracy is counted against the first digit's labels",
            ("(logits.argmax(2) == y)", "(logits.argmax(2) == y[:1])"),
        ),
        ("the first head's accuracy is given for both", ("tuple(accuracy)", "(accuracy[0],) * 2")),
        ("the first head's loss is given for both", ("(tuple(loss)", "((loss[0],) * 2")),
        (
            "the results are paired by head; ((loss, loss), (accuracy, accuracy)) is right",
            ("(tuple(loss), tuple(accuracy))", "tuple(zip(loss, accuracy))"),
        ),
        (
            "the two heads change places in the report",
            ("(tuple(loss), tuple(accuracy))", "(tuple(loss[::-1]), tuple(accuracy[::-1]))"),
        ),
    ),
    *no_case(
        "run_epoch.ingredients",
        (
            "harder images are used in evaluation, too",
            ("if model.training and harder", "if harder"),
        ),
        ("harder is left out", ("if model.training and harder:", None), ("x = harder(x, y)", None)),
        (
            "label smoothing is left out",
            ("losses_of(logits, y, label_smoothing) if label_smoothing else losses", "losses"),
        ),
        (
            "the loss that is reported has smoothed labels; it must be the plain one",
            ("losses = losses_of(logits, y)", "losses = losses_of(logits, y, label_smoothing)"),
        ),
        ("scheduler.step() is missing", ("if scheduler:", None), ("scheduler.step()", None)),
        (
            "the average of the weights is left out",
            ("if average:", None),
            ("average.update_parameters(model)", None),
        ),
    ),
    *of(
        "train_model",
        (
            "model.eval() is missing before dev is read, so that it learns from dev, too",
            ("judged.eval(), None", "judged, optimizer"),
        ),
        (
            "the model is in eval mode while it should learn",
            ("model.train(), optimizer", "model.eval(), optimizer"),
        ),
        ("momentum is left out", ("momentum=momentum, nesterov=nesterov", "momentum=0")),
        ("nesterov is left out", ("nesterov=nesterov", "nesterov=False")),
        ("lr is left out", ("model.parameters(), lr, ", "model.parameters(), 0.01, ")),
        ("it learns from the dev data", ("run.progress(train_data)", "run.progress(dev_data)")),
        (
            "it learns from the dev data as well",
            (
                "        dev = run_epoch(",
                "        run_epoch(dev_data, model.train(), optimizer, **how)\n        dev = run_epoch(",
            ),
        ),
        (
            "dev is measured on the training data",
            ("run_epoch(dev_data, judged", "run_epoch(train_data, judged"),
        ),
        (
            "a new optimizer in every epoch forgets the momentum",
            (
                "        train = run_epoch(",
                "        optimizer.state.clear()\n        train = run_epoch(",
            ),
        ),
    ),
    *no_case(
        "train_model",
        (
            "it gives the accuracy on the training data; dev's is asked for",
            ('"dev_accuracy")', '"train_accuracy")'),
        ),
        (
            "dev judges the model's own weights; it must judge the averaged ones, `judged`",
            ("judged.eval(), None", "model.eval(), None"),
        ),
        (
            "the model's own weights are recorded; it must be those that dev has judged",
            ("rate, arrays_of(judged", "rate, arrays_of(model"),
        ),
        (
            "dev is read before the epoch's training; it must judge the weights of after it",
            (
                "        train = run_epoch(",
                "        dev = run_epoch(dev_data, judged.eval(), None)\n        train = run_epoch(",
            ),
            (
                "        dev = run_epoch(dev_data, judged.eval(), None, precision=precision)",
                "       ",
            ),
            (" if dev_data else None\n", "\n"),
        ),
        (
            "train and dev change places in run.record",
            ("run.record(train, dev,", "run.record(dev, train,"),
        ),
        (
            "the seed of the epoch is left out: torch.manual_seed(run.seed_of(epoch))",
            ("torch.manual_seed(run.seed_of(epoch))", "pass"),
        ),
        ("every epoch has the seed of the first", ("run.seed_of(epoch)", "run.seed_of(1)")),
        (
            "the rate in the record is lr, not lr times the schedule's factor",
            ("run.record(train, dev, rate,", "run.record(train, dev, lr,"),
        ),
        (
            "the rate in the record is that of the next step; the last one's is asked for",
            ("len(train_data) - 1)", "len(train_data))"),
        ),
        (
            "`how` is left out: schedule, averaging and label smoothing do not reach run_epoch",
            ("optimizer, **how)", "optimizer)"),
        ),
    ),
    *of(
        "one_cycle",
        ("it begins at its highest: the warm-up is missing", ("progress / WARM_UP if", "1.0 if")),
        ("it does not fall after the warm-up", ("else (1 - progress) / (1 - WARM_UP)", "else 1.0")),
        (
            "it jumps after the warm-up: the division by 1 - WARM_UP is missing",
            (" / (1 - WARM_UP)", ""),
        ),
        (
            "it never reaches 1: progress / WARM_UP is right",
            ("progress / WARM_UP if", "progress if"),
        ),
    ),
    *of(
        "adversarial_examples",
        (
            "the steps go downhill, where the loss shrinks",
            ("x.detach() + steps", "x.detach() - steps"),
        ),
        (
            "the steps are given; images plus steps are asked for",
            ("return x.detach() + steps", "return steps"),
        ),
        (
            "the steps are not divided by their own lengths",
            ("(length / (lengths + 1e-20))", "length"),
        ),
        (
            "all images share one length; each image has its own",
            ("steps.flatten(1).norm(dim=1)", "steps.norm().repeat(len(x))"),
        ),
        ("the model stays in eval mode", ("    model.train()\n", "")),
        (
            "the model is in training mode: batch normalisation mixes the images",
            ("    model.eval()\n", ""),
        ),
    ),
]

# ------------------------------------------------------------------- the models

SOFTMAX = "there is a softmax at the end; the cross-entropy has one of its own"
SIGMOID = "there is a sigmoid at the end, which keeps the logits between 0 and 1"
FC_END = "nn.Linear(hidden[-1], 10))  #"
ONE_DIGIT = [
    *of(
        "nnet_fc.build_model",
        (SOFTMAX, (FC_END, "nn.Linear(hidden[-1], 10), nn.Softmax(1))  #")),
        (SIGMOID, (FC_END, "nn.Linear(hidden[-1], 10), nn.Sigmoid())  #")),
        (
            "there is a ReLU at the end; logits may be negative",
            (FC_END, "nn.Linear(hidden[-1], 10), nn.ReLU())  #"),
        ),
        (
            "there is no activation: the layers together are one linear layer",
            ("layers.append(ACTIVATIONS[activation]())", None),
        ),
        ("the activation is always ReLU", ("ACTIVATIONS[activation]()", "nn.ReLU()")),
        (
            "batch normalisation is left out",
            ("        if batch_norm:\n", ""),
            ("layers.append(nn.BatchNorm1d(n_out))", None),
        ),
        (
            "the softmax goes over the batch (dim 0), and does not belong there at all",
            (FC_END, "nn.Linear(hidden[-1], 10), nn.Softmax(0))  #"),
        ),
        ("only the first hidden layer is there", ("(784, *hidden)", "(784, hidden[-1])")),
        (
            "dropout of all but a few units is left on",
            (
                "layers = [train_utils.Flatten()]",
                "layers = [train_utils.Flatten(), nn.Dropout(0.9)]",
            ),
        ),
    ),
    *no_case(
        "nnet_fc.build_model",
        ("batch normalisation cannot be left out", ("        if batch_norm:\n    ", "")),
        ("the images are not flattened", ("[train_utils.Flatten()]", "[]")),
        ("there are nine outputs; there are ten digits", (FC_END, "nn.Linear(hidden[-1], 9))  #")),
    ),
    *no_case(
        "convolve",
        (
            "the filter is turned by 180 degrees, as mathematicians do; networks do not",
            ("filters[k, c] *", "filters[k, c, ::-1, ::-1] *"),
        ),
        ("the bias is left out", ("out[k] = biases[k]", "out[k] = 0")),
        (
            "the channels are not added up: the last one stays",
            ("out[k, i, j] +=", "out[k, i, j] = biases[k] +"),
        ),
        ("every channel gets the filter of the first", ("filters[k, c]", "filters[k, 0]")),
        ("every output channel has the first filter", ("filters[k, c]", "filters[0, c]")),
        (
            "the output is one row and one column too small: H - h + 1",
            ("x.shape[1] - h + 1, x.shape[2] - w + 1", "x.shape[1] - h, x.shape[2] - w"),
        ),
        ("the window is taken from the first channel only", ("x[c, i", "x[0, i")),
        (
            "the bias is added for every channel",
            ("out[k] = biases[k]\n", "out[k] = C * biases[k]\n"),
        ),
    ),
    *of(
        "nnet_cnn.stage",
        ("the ReLU is missing", ("return [*layers, nn.ReLU()]", "return layers")),
        (
            "batch normalisation is left out",
            ("    if batch_norm:\n", ""),
            ("layers.append(nn.BatchNorm2d(c_out))", None),
        ),
    ),
    *no_case(
        "nnet_cnn.stage",
        (
            "the kernel is always 3 x 3",
            ("    padding = kernel", "    kernel = 3\n    padding = kernel"),
        ),
        (
            "without batch normalisation the convolution needs its bias",
            ("bias=not batch_norm", "bias=False"),
        ),
        ("the stride is left out", ("kernel, stride, padding", "kernel, 1, padding")),
        (
            "c_in and c_out are the wrong way round",
            ("nn.Conv2d(c_in, c_out", "nn.Conv2d(c_out, c_in"),
        ),
        (
            "the convolution has a bias, and batch normalisation has one too",
            ("bias=not batch_norm", "bias=True"),
        ),
        ("the padding is always 1; for 5 x 5 it is 2", ("padding = kernel // 2", "padding = 1")),
        ("pooling is left out", ("    if pool:\n", ""), ("layers.append(nn.MaxPool2d(2))", None)),
    ),
    *no_case(
        "nnet_cnn.stage",
        ("the padding is missing, so the image shrinks", ("padding = kernel // 2", "padding = 0")),
        ("pad=False has no effect", (" if pad else 0", "")),
    ),
    *of(
        "nnet_cnn.ours",
        ("width is left out", ("    few, more", "    width = 1\n    few, more")),
        ("the first pooling is missing", ("few, pool=True", "few, pool=False")),
        ("one stage is missing", ("*stage(more, more, pool=True, **options),", "nn.MaxPool2d(2),")),
    ),
    *no_case(
        "nnet_cnn.ours",
        (
            "the second stage does not double the channels",
            ("*stage(few, more, **options)", "*stage(few, few, **options)"),
            ("*stage(more, more, pool=True, **options)", "*stage(few, more, pool=True, **options)"),
        ),
        (
            "round() is missing: the number of channels must be a whole number",
            (
                "round(16 * width), round(32 * width), round(64 * width)",
                "16 * width, 32 * width, 64 * width",
            ),
        ),
        (
            "a stage is a list of layers; * puts its layers into the list, not the list itself",
            ("*stage(few, more", "stage(few, more"),
        ),
        (
            "the options are not passed on to the first stage",
            ("pool=True, **options)", "pool=True)"),
        ),
    ),
    *of(
        "nnet_cnn.build_model",
        (SOFTMAX, ("nn.Linear(features, 10))", "nn.Linear(features, 10), nn.Softmax(1))")),
        (SIGMOID, ("nn.Linear(features, 10))", "nn.Linear(features, 10), nn.Sigmoid())")),
    ),
    *no_case(
        "nnet_cnn.build_model",
        (
            "the empty image changes the averages of batch normalisation",
            (
                "train_utils.try_out(layers, torch.zeros(1, 1, 28, 28))",
                "layers(torch.zeros(1, 1, 28, 28))",
            ),
        ),
        ("the model is left in eval mode", ("return model.train()", "return model.eval()")),
        (
            "width is left out, or the inputs of the last layer are a number written by hand",
            ("DESIGNS[design](width)", "DESIGNS[design](1.0)"),
        ),
        ("the design is always ours", ("DESIGNS[design](width)", "ours(width)")),
    ),
]

TWO_DIGITS = [
    *of(
        "compose",
        (
            "the lower digit is laid over the upper one; the brighter pixel must win",
            ("torch.maximum(images[:, :, 14:], lower)", "lower"),
        ),
        (
            "the shared rows are added up; the brighter pixel must win",
            ("torch.maximum(images[:, :, 14:], lower)", "images[:, :, 14:] + lower"),
        ),
        ("the darker pixel wins in the shared rows", ("torch.maximum", "torch.minimum")),
        (
            "the two digits have changed places",
            ("[:, :, :28] = upper", "[:, :, :28] = lower"),
            ("[:, :, 14:], lower)", "[:, :, 14:], upper)"),
        ),
        (
            "the lower digit is missing",
            ("torch.maximum(images[:, :, 14:], lower)", "images[:, :, 14:]"),
        ),
    ),
    *no_case(
        "compose",
        (
            "the result is float32; it must have the type of the digits",
            ("upper.new_zeros(", "torch.zeros("),
        ),
    ),
    *of(
        "MLP",
        (
            SOFTMAX,
            (
                "return self.upper(features), self.lower(features)",
                "return self.upper(features).softmax(1), self.lower(features).softmax(1)",
            ),
        ),
        (
            "both heads are the same layer",
            (
                "self.upper(features), self.lower(features)",
                "self.upper(features), self.upper(features)",
            ),
        ),
        (
            "there is no activation: the layers together are one linear layer",
            ("layers.append(nn.ReLU())", None),
        ),
        (
            "detach() cuts the trunk off: it gets no gradient",
            ("features = self.trunk(x)", "features = self.trunk(x).detach()"),
        ),
        (
            "the trunk's layers are kept in a plain list, where the optimizer does not find them",
            ("self.trunk = nn.Sequential(*layers)", "self.layers = layers"),
            (
                "        features = self.trunk(x)",
                "        features = x\n        for layer in self.layers:\n            features = layer(features)",
            ),
        ),
        (
            "the second head does not look at the image",
            ("self.lower(features)", "self.lower(0 * features)"),
        ),
        ("hidden is left out", ("(input_dimension, *hidden)", "(input_dimension, *hidden[-1:])")),
    ),
    *no_case(
        "MLP",
        ("batch normalisation cannot be left out", ("            if batch_norm:\n    ", "")),
        ("the images are not flattened", ("[train_utils.Flatten()]", "[]")),
        (
            "it gives one head's answer; both are asked for",
            ("return self.upper(features), self.lower(features)", "return self.upper(features)"),
        ),
    ),
    *of(
        "CNN",
        (
            SOFTMAX,
            (
                "return self.upper(features), self.lower(features)",
                "return self.upper(features).softmax(1), self.lower(features).softmax(1)",
            ),
        ),
        (
            "both heads are the same layer",
            (
                "self.upper(features), self.lower(features)",
                "self.upper(features), self.upper(features)",
            ),
        ),
        (
            "detach() cuts the trunk off: it gets no gradient",
            ("features = self.trunk(x)", "features = self.trunk(x).detach()"),
        ),
        (
            "the second head does not look at the image",
            ("self.lower(features)", "self.lower(0 * features)"),
        ),
        (
            "the image is read without its lower third",
            ("self.trunk(x)", "self.trunk(x * (torch.arange(42) < 28)[:, None])"),
        ),
        (
            "dropout is on in eval, too",
            ("features = self.trunk(x)", "features = nn.functional.dropout(self.trunk(x), 0.5)"),
        ),
    ),
    *no_case(
        "CNN",
        (
            "it gives one head's answer; both are asked for",
            ("return self.upper(features), self.lower(features)", "return self.upper(features)"),
        ),
    ),
]

MISTAKES = [*PART_1, *PART_2, *PART_3, *LOOPS, *ONE_DIGIT, *TWO_DIGITS]


def of_step(name):
    """Return the known mistakes of one step."""
    return [mistake for mistake in MISTAKES if mistake.step == name]
