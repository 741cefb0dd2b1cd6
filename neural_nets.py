"""Lesson 1: a neural network from scratch, in NumPy alone.

    python neural_nets.py                      trains with all ideas: a minute and a half
    python neural_nets.py --plain              trains without those of part 3: half a minute
    python neural_nets.py --check-gradients    compares the gradients below with measured slopes
    python neural_nets.py --predict seven.png  reads your handwriting with the trained network

Part 1 is the smallest network that shows everything: two numbers in, three hidden units, one number
out, and its gradients worked out by hand. Part 2 does the same with layers of any size, and learns
to read MNIST: 70,000 handwritten digits of 28 x 28 pixels, each from 0 (paper) to 1 (ink). Part 3
trains the same network better, one idea at a time.
All three repeat four steps. Forward: from the input to a prediction. Loss: one number that says how
bad the prediction is. Backward, or backpropagation: the chain rule, from the last line of the
forward step to the first, tells how the loss changes with every weight. Update: every weight takes
a small step downhill. "The course" below is MITx 6.86x; part 1 is one of its exercises.

To expect, of the 10,000 test digits: 98.29 +- 0.08 % right with --plain, 99.02 +- 0.05 % without
--plain. These are the mean and the standard deviation of five runs with different random numbers.
The standard deviation says how far single runs lie from their mean, typically. Add up the squared
distances from the mean, divide by the number of runs minus one, and take the root.
"""

import math

import utils

import numpy as np

# ------------------------------------------- part 1: two inputs, three hidden units, one output
#     input x (2, 1)  --W, b-->  z (3, 1)  --ReLU-->  h (3, 1)  --V-->  u (1, 1)  --f-->  output o
#
# (2, 1) says: two rows, one column. In the middle stand three units. Unit j adds up its inputs,
# each times a weight, and a bias: the sum is z_j. Then ReLU sets a negative sum to zero: that gives
# h_j. These units are called hidden: they are neither input nor output. W_ji is the weight from
# input i to unit j.
#
# forward     z_j = sum_i W_ji x_i + b_j   W (3, 2), b (3, 1)   as a product: z = W x + b
#             h_j = relu(z_j)              (3, 1)               h = max(0, z)
#             u   = sum_j V_j h_j          V (1, 3)             u = V h
#             o   = f(u)                   the prediction; here f(u) = u, other tasks have others
# loss        C   = 1/2 (o - y)^2          how far from the right answer y; with the 1/2 its slope
#                                          with respect to o is o - y
#
#             From here on dq is short for dC/dq, the slope of the loss with respect to q, for any
#             quantity q. (In calculus dq is a small change of q. Here it is not.)
# backward    The chain rule, line by line from the last to the first; each line uses what lines
#             above it found. The slopes of all elements of a matrix together are its gradient. ^T
#             means that rows and columns change places.
#             du    = (o - y) f'(u)   (1, 1)   C has the slope o - y with respect to o
#             dV_j  = du h_j          (1, 3)   if V_j grows by e, u grows by h_j e    dV = du h^T
#             dh_j  = du V_j          (3, 1)   if h_j grows by e, u grows by V_j e    dh = V^T du
#             dz_j  = dh_j relu'(z_j) (3, 1)   relu' is 1 or 0: the slope passes, or it stops
#             dW_ji = dz_j x_i        (3, 2)   if W_ji grows by e, z_j does by x_i e   dW = dz x^T
#             db_j  = dz_j            (3, 1)   if b_j grows by e, z_j grows by e
# update      W <- W - rate dW, and the same for V and b. Where the slope is positive, the loss
#             grows with the weight, so the weight must shrink. The more the loss depends on a
#             weight, the further this weight moves.


def rectified_linear_unit(x):
    """Return max(0, x), element by element: ReLU for short."""
    return np.maximum(0, x)


def rectified_linear_unit_derivative(x):
    """Return the slope of rectified_linear_unit: 1 where x > 0, else 0; at the bend we choose 0."""
    return (x > 0) * np.float32(1)  # True becomes 1, False 0; both in 32 bits


def output_layer_activation(x):
    """Return x."""
    return x


def output_layer_activation_derivative(x):
    """Return 1 for every element of x."""
    return 1.0 + 0 * x  # with the shape of x


class NeuralNetwork:
    """The network above, under the names that the course gave its parts."""

    def __init__(self):
        # The course's values. Units that begin equal stay equal, as initialise() in part 2 says;
        # here a single unit would be enough.
        self.input_to_hidden_weights = np.ones((3, 2))  # W
        self.hidden_to_output_weights = np.ones((1, 3))  # V
        self.biases = np.zeros((3, 1))  # b
        self.learning_rate = 0.001
        self.epochs_to_train = 10
        self.training_points = [((2, 1), 10), ((3, 3), 21), ((4, 5), 32), ((6, 6), 42)]
        self.testing_points = [(1, 1), (2, 2), (3, 3), (5, 5), (10, 10)]

    def forward(self, x1, x2):
        """Return x (2, 1), z (3, 1), h (3, 1), u (1, 1) and o (1, 1)."""
        x = np.array([[x1], [x2]], dtype=float)
        z = self.input_to_hidden_weights @ x + self.biases  # @ is the product of matrices
        h = rectified_linear_unit(z)
        u = self.hidden_to_output_weights @ h
        return x, z, h, u, output_layer_activation(u)

    def train(self, x1, x2, y):
        """Take one step of gradient descent: downhill on the loss of one example."""
        x, z, h, u, o = self.forward(x1, x2)
        du = (o - y) * output_layer_activation_derivative(u)  # (1, 1)
        dV = du @ h.T  # (1, 1) @ (1, 3) = (1, 3)
        dh = self.hidden_to_output_weights.T @ du  # (3, 1) @ (1, 1) = (3, 1)
        dz = dh * rectified_linear_unit_derivative(z)  # (3, 1)
        dW = dz @ x.T  # (3, 1) @ (1, 2) = (3, 2)
        db = dz  # (3, 1)

        # Only now may weights move: dh needs the V that made this prediction, not the next one.
        self.hidden_to_output_weights = self.hidden_to_output_weights - self.learning_rate * dV
        self.input_to_hidden_weights = self.input_to_hidden_weights - self.learning_rate * dW
        self.biases = self.biases - self.learning_rate * db

    def predict(self, x1, x2):
        """Return the prediction for one point as a float."""
        return self.forward(x1, x2)[-1].item()

    def train_neural_network(self):
        """Go epochs_to_train times through the training points; one such pass is an epoch."""
        for _ in range(self.epochs_to_train):
            for (x1, x2), y in self.training_points:
                self.train(x1, x2, y)

    def test_neural_network(self):
        """Print for every testing point whether its prediction is within 0.1 of 7 x1.

        The points have x1 = x2, so that 3 x1 + 4 x2, which the network is to learn, is 7 x1.
        """
        for x1, x2 in self.testing_points:
            prediction = self.predict(x1, x2)
            verdict = "passed" if abs(prediction - 7 * x1) < 0.1 else "FAILED"
            print(f"point ({x1}, {x2}): predicted {prediction:.3f}, wanted {7 * x1}: {verdict}")


def show_small_network():
    """Train the network of part 1, test it as the course does, and look at what it has learned.

    The points follow y = 3 x1 + 4 x2. All z are positive here, so that ReLU changes nothing, and
    the network is a plain sum: V (W x + b) = (V W) x + V b. At the testing points x1 = x2, so that
    3.5 x1 + 3.5 x2 passes as well as 3 x1 + 4 x2. Training soon finds that the sum of the two
    factors is 7. It finds each factor slowly, because x1 and x2 hardly differ in the training
    points. Part 2 has a task that needs ReLU.
    """
    print("part 1: three hidden units learn 3 x1 + 4 x2 from four points")
    network = NeuralNetwork()
    network.train_neural_network()
    network.test_neural_network()
    print(f"after 10 epochs it computes {sum_of(network)}")
    network.epochs_to_train = 990
    network.train_neural_network()
    print(f"after 1000 epochs it computes {sum_of(network)}")


def sum_of(network):
    """Return in words what the network computes as long as no hidden unit gives 0."""
    slopes = network.hidden_to_output_weights @ network.input_to_hidden_weights  # (1, 2)
    offset = network.hidden_to_output_weights @ network.biases  # (1, 1)
    return f"{slopes[0, 0]:.2f} x1 + {slopes[0, 1]:.2f} x2 {offset[0, 0]:+.2f}"


# ------------------------------------------- part 2: layers of any size, many examples at a time
# Now N examples go through the network at once, and there are L layers of weights. Layer i has m_i
# units: m_0 = 784 pixels, m_L = 10 classes, the digits. What becomes of part 1's letters:
#
#             part 1                  part 2
#             x (2, 1), a column      A_0 (N, 784): each example is a row, so one product does all
#             h (3, 1)                A_i (N, m_i): what the units of layer i put out
#             z = W x + b             Z_i = A_(i-1) W_i + b_i: rows and columns of W are exchanged
#             W_ji, from i to j       w_jk of W_i, from unit j of layer i - 1 to unit k of layer i
#             u (1, 1)                Z_L (N, 10): ten numbers for each example, one for each digit
#
# The letters count other things than in part 1: i is a layer, n an example, j a unit of layer
# i - 1, and k a unit of layer i. A, W, Z, P and T are matrices; small letters are their elements.
# Below, a is always of layer i - 1, and w, b and z are of layer i: a_nj is what unit j of layer
# i - 1 puts out for example n. Unit k of layer i makes a sum of them: z_nk = sum_j a_nj w_jk + b_k.
#
# forward     Z_i  = A_(i-1) W_i + b_i                 (N, m_i)   b_i (m_i,) is added to every row
#             A_i  = relu(Z_i)                         (N, m_i)   for i < L
#             z_nk of Z_L, for example n and class k, is called a logit. forward() returns the
#             logits. Softmax, which the loss needs, makes probabilities of them: exp makes them
#             positive, the division makes their sum 1.
#             p_nk = exp(z_nk) / S_n,   S_n = sum_c exp(z_nc)     (N, 10)
# loss        C    = -1/N sum_n log p_ny               p_ny: of the right class y of example n;
#                    log: the natural logarithm; C is called the cross-entropy. The less probable
#                    the network called the right class, the larger is C: 0 if it was sure and
#                    right, log 10 = 2.3 for a guess among ten, more if sure and wrong
#
# backward    dZ_L, in steps, for one example n and its right class y. The loss of the example is
#                    -log p_ny = -log (exp(z_ny) / S_n) = log S_n - z_ny
#             -z_ny has the slope -1 with respect to z_ny, and 0 with respect to all other z_nk:
#                    -t_nk,  t_nk = 1 if k = y, else 0
#             log S_n, with respect to any z_nk: the logarithm has the slope 1/S_n, and S_n has the
#             slope exp(z_nk). The chain rule multiplies them:
#                    (1/S_n) * exp(z_nk) = p_nk
#             Together p_nk - t_nk. The loss C is the mean over N examples:
#                    dZ_L = (P - T) / N                (N, 10): all p_nk, minus all t_nk
#             Then layer by layer, from the last to the first:
#             dW_i = A_(i-1)^T dZ_i                    (m_(i-1), m_i)
#                    If w_jk grows by e, z_nk grows by a_nj e, and so it does in every example n.
#                    The effects add up: dw_jk = sum_n a_nj dz_nk.
#             db_i = sum_n dZ_i                        (m_i,)
#             dA_(i-1) = dZ_i W_i^T                    (N, m_(i-1))
#                    If a_nj grows by e, every z_nk grows by w_jk e. Unit j acts on the loss through
#                    all units k of the next layer: da_nj = sum_k dz_nk w_jk.
#             dZ_(i-1) = dA_(i-1) * relu'(Z_(i-1))     (N, m_(i-1))     *: element by element
#                    A > 0 exactly where Z > 0. So relu'(A_(i-1)) is the same, and only A is kept.

HIDDEN = [512, 512]  # units of the hidden layers
# Examples that one step looks at: a batch. Their mean gradient is a rough estimate of that of all
# 54,000 examples. But it costs 54,000 / 128 = 422 times less, so 422 times as many steps can be
# made.
BATCH_SIZE = 128
# Epochs are passes through the training digits; lr is the learning rate, part 1's rate. One finds
# it by trying. With too low a rate the loss falls slowly. With too high a rate the loss jumps, or
# the weights grow until the loss is NaN, "not a number". Try `--plain --lr 0.04`, then 0.4 and 1.5.
PLAIN = {"epochs": 12, "lr": 0.4}


def initialise(sizes, rng, dtype=np.float32):
    """Return random weights {"W1": (m_0, m_1), "b1": (m_1,), ...} for layers of these sizes.

    Units with equal incoming weights make equal sums. If their outgoing weights are equal, too,
    they get equal slopes. So they stay equal: part 1's three do the work of one. Therefore weights
    begin at random.

    How large? Numbers shall neither fade nor explode on their way through many layers: the mean of
    a^2 shall be the same in each. Let z = w_1 a_1 + ... + w_m a_m. z^2 has squares w_j^2 a_j^2, and
    mixed terms like w_1 w_2 a_1 a_2. The mixed ones are negative as often as positive: their mean
    is 0. So the mean of z^2 is m (mean of w^2) (mean of a^2). ReLU sets one half of the z to 0,
    which halves this. So m (mean of w^2) / 2 must be 1: the mean of w^2 is 2 / m. The numbers of
    `rng` are normal (the bell curve), with a mean square of 1; the root of 2 / m, as a factor,
    makes it 2 / m. Biases begin at 0. He et al., ICCV 2015 (arXiv 1502.01852), section 2.2.
    """
    params = {}
    for i in range(1, len(sizes)):
        n_in, n_out = sizes[i - 1], sizes[i]
        params[f"W{i}"] = (rng.standard_normal((n_in, n_out)) * math.sqrt(2 / n_in)).astype(dtype)
        params[f"b{i}"] = np.zeros(n_out, dtype)
    return params


def forward(params, images, relu=rectified_linear_unit):
    """Return logits (N, m_L) for images (N, m_0), and the cache for backward().

    The cache is [A_0, ..., A_(L-1)], the input of each layer of weights: backward() needs it. Only
    learns_xor() passes another function for `relu`.
    """
    layers = len(params) // 2  # each has W and b
    cache, A = [], images
    for i in range(1, layers + 1):
        cache.append(A)
        Z = A @ params[f"W{i}"] + params[f"b{i}"]  # (N, m_(i-1)) @ (m_(i-1), m_i) = (N, m_i)
        A = relu(Z) if i < layers else Z
    return A, cache


def log_softmax(logits):
    """Return log p (N, 10) = z - log S, the logarithm of softmax.

    exp(1000) is more than a float can hold. So each row's largest logit M is subtracted first: then
    no exponent is above 0. p = exp(z - M) / sum exp(z - M) is the same, since exp(-M) cancels.
    axis=1 means along each row; keepdims keeps the shape (N, 1), so that each row loses its own M.
    """
    shifted = logits - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def softmax_cross_entropy(logits, labels):
    """Return the loss C, a float, and dZ_L (N, m_L); labels (N,) are the right classes."""
    rows = np.arange(len(labels))
    log_p = log_softmax(logits)
    dlogits = np.exp(log_p)
    dlogits[rows, labels] -= 1  # p - t: row n loses 1 in column labels[n]
    dlogits /= len(labels)
    return -float(log_p[rows, labels].mean()), dlogits


def backward(params, cache, dlogits, relu_derivative=rectified_linear_unit_derivative):
    """Return the gradients of the loss: {"dW1": like W1, "db1": like b1, ...}.

    relu_derivative gets the output A, not Z. For tanh, say, it would have to return 1 - A^2.
    """
    grads, dZ = {}, dlogits
    for i in range(len(params) // 2, 0, -1):
        grads[f"dW{i}"] = cache[i - 1].T @ dZ  # (m_(i-1), N) @ (N, m_i)
        grads[f"db{i}"] = dZ.sum(axis=0)  # (N, m_i) -> (m_i,)
        if i > 1:
            dA = dZ @ params[f"W{i}"].T  # (N, m_i) @ (m_i, m_(i-1))
            dZ = dA * relu_derivative(cache[i - 1])
    return grads


# Is that right? A measurement tells: move one weight a little, and see how the loss changes.


def numerical_gradient(loss, array, step=1e-5):
    """Return the gradient of loss() with respect to an array, as measured.

    Each slope is (C(w + s) - C(w - s)) / 2s, with s the step: a central difference. By Taylor's
    series C(w + s) = C + s C' + s^2 C'' / 2 + s^3 C''' / 6 + ..., and C(w - s) has the odd terms
    with a minus. So the measurement is C' + s^2 C''' / 6 + ...: with s = 1e-5 wrong by about 1e-11.
    C itself is rounded by about 1e-16; divided by 2s this is 5e-12, about as much. A smaller step
    would shrink the first part and enlarge the second. loss() takes no argument: it looks at
    `array` itself, so each number is moved in place, and put back.
    """
    gradient = np.empty_like(array)
    for index in np.ndindex(array.shape):
        kept = array[index]
        array[index] = kept + step
        above = loss()
        array[index] = kept - step
        below = loss()
        array[index] = kept
        gradient[index] = (above - below) / (2 * step)
    return gradient


def gradient_errors(sizes, seed=0, examples=5):
    """Return {"W1": largest relative error of dW1, "b1": ...}, computed in float64.

    An error is divided by the larger of backward()'s gradient and the numerical one. Where both are
    nearly 0, it is divided by 1e-4 instead, or the rounding would look large beside them.
    """
    rng = np.random.default_rng(seed)
    params = initialise(sizes, rng, np.float64)
    # Without a bias, a unit whose inputs are all 0 would have z = 0. There ReLU bends: its slope is
    # 0 to the left and 1 to the right, and the measurement would find their mean.
    for i in range(1, len(sizes)):
        params[f"b{i}"] += rng.normal(0, 0.1, sizes[i])
    images, labels = rng.random((examples, sizes[0])), rng.integers(sizes[-1], size=examples)

    def loss():
        return softmax_cross_entropy(forward(params, images)[0], labels)[0]

    logits, cache = forward(params, images)
    dlogits = softmax_cross_entropy(logits, labels)[1]
    grads = backward(params, cache, dlogits)
    errors = {}
    for name, array in params.items():
        found, expected = grads[f"d{name}"], numerical_gradient(loss, array)
        size = np.maximum(np.maximum(abs(found), abs(expected)), 1e-4)
        errors[name] = float((abs(found - expected) / size).max())
    return errors


def check_gradients():
    """Print and return gradient_errors() of four networks; UserError if one is above 1e-6."""
    print("network       largest relative error of the gradient of each group of parameters")
    table = {}
    for sizes in ([20, 10], [20, 9, 10], [20, 9, 8, 10], [20, 9, 8, 7, 10]):
        network = "-".join(map(str, sizes))
        table[network] = errors = gradient_errors(sizes)
        print(f"{network:12}", *(f"{name} {error:.0e}" for name, error in errors.items()), sep="  ")
        if not all(error < 1e-6 for error in errors.values()):  # NaN is not below it either
            raise utils.UserError(f"forward() and backward() of {network} disagree: see above")
    return table


# What is ReLU for, and why do weights begin at random? A small experiment tells.


def learns_xor(sizes, seed, *, relu=True, equal=False):
    """Return whether a network learns XOR, "one or the other but not both", from all four points.

    relu=False leaves ReLU out: units pass their sums on as they are. equal=True lets all hidden
    units begin alike.
    """
    points, labels = np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]]), np.array([0, 1, 1, 0])
    activation, derivative = rectified_linear_unit, rectified_linear_unit_derivative
    if not relu:  # part 1's f, which returns x
        activation, derivative = output_layer_activation, output_layer_activation_derivative
    params = initialise(sizes, np.random.default_rng(seed), float)
    if equal:  # all units have the weights of the first
        params["W1"][:] = params["W1"][:, :1]  # a column: what leads to a unit
        params["W2"][:] = params["W2"][:1]  # a row: what leads away from it
    for _ in range(300):
        logits, cache = forward(params, points, activation)
        grads = backward(params, cache, softmax_cross_entropy(logits, labels)[1], derivative)
        for name in params:
            params[name] -= 1.0 * grads[f"d{name}"]
    return bool((forward(params, points, activation)[0].argmax(axis=1) == labels).all())


def show_xor():
    """Print how many of ten random starts learn XOR, with and without what part 2 relies on.

    The larger logit decides. Without hidden units each logit is a sum w1 x1 + w2 x2 + b. The points
    where both logits are equal form a straight line, and each class gets one side of it. But no
    line has (0, 1) and (1, 0) on one side, and (0, 0) and (1, 1) on the other. Without ReLU more
    layers do not help: (x W1) W2 = x (W1 W2), and W1 W2 is one matrix again; the biases only add
    numbers that do not depend on x. With ReLU two hidden units could do it: let the logit of class
    1 be relu(x1 + x2) - 2 relu(x1 + x2 - 1), which is 0, 1, 1, 0 at the four points, and that of
    class 0 always 0.5. But two units seldom find this from random weights; among 16 units some
    usually do. Units that begin equal stay equal, as initialise() says, and work as one. One unit
    knows only one sum w1 x1 + w2 x2 + b, so again one line divides the classes.
    """
    print("why hidden units, ReLU and random starts? Ten networks each try to learn XOR:")
    for words, sizes, how in (
        ("no hidden units", [2, 2], {}),
        ("2 hidden units", [2, 2, 2], {}),
        ("16 hidden units", [2, 16, 2], {}),
        ("16 hidden units without ReLU", [2, 16, 2], {"relu": False}),
        ("16 hidden units that begin equal", [2, 16, 2], {"equal": True}),
    ):
        count = sum(learns_xor(sizes, seed, **how) for seed in range(10))
        print(f"{words:34}{count:2} of 10 learn it")


def evaluate(params, images, labels):
    """Return the mean loss and the accuracy, two floats, on images (N, 784)."""
    logits, _ = forward(params, images)
    return softmax_cross_entropy(logits, labels)[0], float(np.mean(logits.argmax(axis=1) == labels))


def train_plain(params, train_set, dev_set, run, lr=PLAIN["lr"], batch_size=BATCH_SIZE):
    """Train `params`, in place, by stochastic gradient descent and nothing else.

    The sets are (images, labels). The network never learns from dev, the development set: dev shows
    how well it reads new digits, and the weights of the epoch that did best there are kept. The
    test set must not choose: weights chosen by it would look better there than on new digits.
    `run` keeps the record. Read `for epoch in run.epochs(...)` as `for epoch in 1, 2, 3, ...`; the
    two things in the brackets only save and restore a stopped run. To train from your own Python:
    train_plain(params, train_set, dev_set, utils.Run(12, seed=0, quiet=False)).
    """
    images, labels = train_set  # (N, 784), (N,)
    for epoch in run.epochs(lambda: params, params.update):
        # A new random order in every epoch. So each batch is a random sample of the digits: that is
        # what "stochastic" means.
        order = np.random.default_rng(run.seed_of(epoch)).permutation(len(images))
        # 422 nearly equal batches, of 127 or 128 digits.
        batches = np.array_split(order, math.ceil(len(order) / batch_size))
        total = np.zeros(2)  # of the losses, and of the digits read right
        for batch in run.progress(batches):
            x, y = images[batch], labels[batch]  # (B, 784), (B,)
            logits, cache = forward(params, x)
            loss, dlogits = softmax_cross_entropy(logits, y)
            grads = backward(params, cache, dlogits)
            for name in params:
                params[name] -= lr * grads[f"d{name}"]
            total += loss * len(y), (logits.argmax(axis=1) == y).sum()  # both sums at once
        run.record(total / len(images), evaluate(params, *dev_set), lr, params)


# --------------------------------------------------------- part 3: better, one idea at a time
# The plain network learns its training digits by heart: after 20 epochs (--plain makes 12) it
# misreads 0 % of them, but 1.4 % of dev. That it reads what it has seen so much better is called
# overfitting.
# Watch it in the lines that --plain prints: the train loss falls from epoch to epoch, the dev loss
# soon does not. To get better, the network must learn more than these digits. Three ideas follow,
# each a function and an option to leave it out: a schedule, which lets the rate fall; momentum; and
# adversarial training. What each is worth, in per cent misread of dev after 20 epochs, mean and
# standard deviation of three seeds (a seed is where random numbers start);
# tests/benchmarks/bench_choices.py makes the table. (The README counts errors on the test digits,
# which are a little harder than those of dev.)
#
#                              rate
#     plain                    0.4               1.42 +- 0.02
#     plain + schedule         0.4, falling      1.43 +- 0.04    not told apart
#     plain + momentum         0.04              1.43 +- 0.10    not told apart
#     plain + adversarial      0.4               0.89 +- 0.06    fewer errors
#     all three                0.1, falling      0.82 +- 0.03    fewer errors
#
# "Not told apart": so small a difference may be chance. Nearly all of the gain comes from the
# adversarial examples. Schedule and momentum by themselves change nothing here that three seeds
# could tell. They stand here because nearly every program that trains networks uses them.

EPOCHS = 20  # these take a minute and a half


def half_cosine(progress):
    """Return the factor of the rate: 1 at the beginning, 1/2 in the middle, 0 at the end.

    Long steps first, to come far; short ones at the end, to settle. progress is the share of the
    run that is done, from 0 to 1. Loshchilov and Hutter, ICLR 2017 (arXiv 1608.03983), eq. 5.
    """
    return (1 + math.cos(math.pi * progress)) / 2


MOMENTUM = 0.9  # share of each step that goes into the next


def momentum_step(params, velocity, grads, rate, momentum):
    """Move every weight, in place, as a ball rolls downhill: it keeps a part of its velocity v.

    Plain momentum is v <- momentum v + dW, then W <- W - rate v. Gradients that agree add up in v:
    slopes of 1, 1, 1 make v 1, 1.9, 2.71 with a momentum of 0.9. Those that disagree cancel: slopes
    of 1, -1, 1 make it 1, -0.1, 0.91.
    Nesterov's form, used here, knows a part of the next step: whatever the next slope is, the next
    v will contain momentum times this v. W makes that part of the move one step early. So the next
    slope is measured about where W is going. This step then consists of two parts. Of the new v,
    which is momentum times the old v, plus dW, the first part was done one step ago: dW is left.
    And momentum times the new v is done early, for the next step. Together:
    W <- W - rate (dW + momentum v), with the new v.
    Sutskever et al., ICML 2013; as here: Bengio et al., 2012 (arXiv 1212.0901), section 3.5.
    """
    for name in params:
        grad, v = grads[f"d{name}"], velocity[name]
        v *= momentum
        v += grad
        params[name] -= rate * (grad + momentum * v)


# The rate at the beginning, and where 0.1 comes from. If all slopes agree, momentum makes steps
# 1 + 0.9 + 0.81 + ... = 10 times as long: a tenth of PLAIN's rate, 0.04, would go as far. The
# schedule halves the rate on average, so it may begin at twice that: 0.08, or about 0.1.
LEARNING_RATE = 0.1


def image_gradient(params, cache, dlogits):
    """Return how the loss changes with every pixel, dA_0 (N, 784).

    This is the loop of backward() without dW and db, and one layer further: down to the pixels.
    """
    dZ = dlogits
    for i in range(len(params) // 2, 1, -1):
        dA = dZ @ params[f"W{i}"].T  # (N, m_i) @ (m_i, m_(i-1))
        dZ = dA * rectified_linear_unit_derivative(cache[i - 1])
    return dZ @ params["W1"].T  # (N, m_1) @ (m_1, 784)


def adversarial_step(params, cache, dlogits, length):
    """Return for each image the step (N, 784), of this length, that raises its loss about the most.

    An adversarial example is an image changed by so little that we hardly see it, in the direction
    that misleads this network most. The fast gradient method finds it in one step. For a small step
    the loss grows by the sum over all pixels of slope times change. This is the dot product of two
    vectors: their lengths times the cosine of their angle. So of all steps of one length the best
    has the direction of the slopes. A network that learns from such images learns to give the right
    answer for all images close to a digit as well. Pixels may leave the range from 0 to 1: to the
    network they are numbers like any other. Goodfellow et al., ICLR 2015 (arXiv 1412.6572),
    sections 4 and 6, change every pixel by the same amount; a Euclidean length, as here, is from
    Miyato et al., ICLR 2016 (arXiv 1507.00677).
    """
    gradient = image_gradient(params, cache, dlogits)
    lengths = np.linalg.norm(gradient, axis=1, keepdims=True) + 1e-20  # (N, 1); never 0 / 0
    return gradient * (length / lengths)


# Length of the step from a digit. An image is a vector of 784 numbers; its own length, the root of
# the sum of its squared pixels, is 9.2 on average.
ADVERSARIAL = 1.0
# An untrained network cannot learn from adversarial examples: its slopes say little about digits,
# and a full step hides more than it teaches. So the step grows during the first 30 % of the run.
WARM_UP = 0.3


def train_better(
    params,
    train_set,
    dev_set,
    run,
    lr=LEARNING_RATE,
    batch_size=BATCH_SIZE,
    momentum=MOMENTUM,
    schedule=half_cosine,
    adversarial=ADVERSARIAL,
):
    """Train as train_plain() does, with the three ideas.

    Look for the words schedule, adversarial and momentum_step. schedule=None, adversarial=0 and
    momentum=0 leave the ideas out. With adversarial training the network learns from the moved
    images alone. Loss and accuracy are counted on the images as they are: the step needs their
    logits anyway. `run.count` is the number of epochs.
    """
    images, labels = train_set  # (N, 784), (N,)
    velocity = {name: np.zeros_like(weights) for name, weights in params.items()}

    def save():  # these two let a stopped run go on
        return params | {f"velocity {name}": v for name, v in velocity.items()}

    def restore(arrays):
        for name, array in arrays.items():
            owner = velocity if name.startswith("velocity ") else params
            owner[name.removeprefix("velocity ")] = array

    for epoch in run.epochs(save, restore):
        order = np.random.default_rng(run.seed_of(epoch)).permutation(len(images))
        batches = np.array_split(order, math.ceil(len(order) / batch_size))
        total = np.zeros(2)  # of the losses, and of the digits read right
        for i, batch in enumerate(run.progress(batches)):
            progress = (epoch - 1 + i / len(batches)) / run.count  # of the whole run, from 0 to 1
            rate = lr * (schedule(progress) if schedule else 1)
            x, y = images[batch], labels[batch]  # (B, 784), (B,)
            logits, cache = forward(params, x)
            loss, dlogits = softmax_cross_entropy(logits, y)
            total += loss * len(y), (logits.argmax(axis=1) == y).sum()
            if adversarial:
                length = adversarial * min(1, progress / WARM_UP)
                x = x + adversarial_step(params, cache, dlogits, length)
                logits, cache = forward(params, x)
                _, dlogits = softmax_cross_entropy(logits, y)
            momentum_step(params, velocity, backward(params, cache, dlogits), rate, momentum)
        run.record(total / len(images), evaluate(params, *dev_set), rate, params)


# ----------------------------------------------------- the program (you need not read this)


def probabilities_of(params, images):
    """Return probabilities (1, N, 10) of images (N, ...); the 1: one digit in each image."""
    return np.exp(log_softmax(forward(params, images.reshape(len(images), -1))[0]))[None]


def load_model(path):
    """Read the weights of a model.npz; UserError if they do not fit a network of this file."""
    params = utils.read_arrays(path)
    with utils.blamed_on(path, "does not fit the network of neural_nets.py"):
        logits, _ = forward(params, np.zeros((1, 28 * 28), np.float32))
        if logits.shape != (1, 10) or not all(np.isfinite(a).all() for a in params.values()):
            raise ValueError("other shapes, or weights that are no numbers")
    return params


def report(run, args, params, data):
    """Read the test set, once; write, print and draw the results; return the metrics."""
    x, y = data["test"]
    probabilities = probabilities_of(params, x)  # (1, N, 10)
    hidden = forward(params, x)[1][1:]  # what the hidden units answer: [(N, m_1), ...]
    # Dead units answer 0 to every digit.
    dead = np.concatenate([~A.any(axis=0) for A in hidden]) if hidden else np.zeros(1)
    utils.write_arrays(run.folder / "model.npz", params)
    metrics = utils.write_report(
        run,
        args,
        y[None],
        probabilities,
        dead_units=dead.mean(),
        parameters=sum(weights.size for weights in params.values()),
        examples=len(data["train"][0]),
        device="cpu",
        precision="fp32",
        threads=None,  # the processor's library of products decides
        versions={},
    )
    if not args.no_plots:
        images = x.reshape(-1, 28, 28)
        utils.draw_results(run, images, y[None], probabilities)
        run.draw("weights.png", utils.draw_weights, params["W1"].T, images)
        run.draw("adversarial.png", draw_adversarial, params, x[:10], y[:10])
    return metrics


def draw_adversarial(path, params, images, labels):
    """Draw digits, the adversarial steps from them, both together, and what the network says."""
    logits, cache = forward(params, images)
    dlogits = softmax_cross_entropy(logits, labels)[1]
    steps = adversarial_step(params, cache, dlogits, ADVERSARIAL)
    said = [probabilities_of(params, x)[0] for x in (images, images + steps)]
    titles = [[f"{p.argmax()}\n{100 * p.max():.0f} %" for p in chances] for chances in said]
    tiles = np.concatenate([images, 3 * steps, images + steps]).reshape(-1, 28, 28)
    heading = (
        f"digits, adversarial steps of length {ADVERSARIAL} (drawn three times as strong), both "
    )
    heading += "together; above: what the network says"
    titles = titles[0] + [""] * len(images) + titles[1]
    utils.draw_tiles(path, tiles, titles, heading, signed=True)


def add_options(parser):
    """Add this lesson's own options."""
    setting, usual = parser.add_setting, "(default %(default)s)"
    width, length = utils.number(int, 1, 10**4), utils.number(float, 0, 28)
    setting("--hidden", type=width, nargs="+", metavar="N", default=HIDDEN, help=f"units {usual}")
    words = f"of the learning rate {usual}"
    setting("--schedule", choices=["cosine", "constant"], default="cosine", help=words)
    words = f"of the step from a digit to its adversarial example; 0: none {usual}"
    setting("--adversarial", type=length, default=ADVERSARIAL, metavar="LENGTH", help=words)
    off = {"momentum": 0.0, "schedule": "constant", "adversarial": 0.0}
    words = " ".join(f"--{name} {value}" for name, value in (PLAIN | off).items())
    parser.add_argument("--plain", action="store_true", help=f"part 2 without part 3: {words}")
    parser.add_preset(lambda values: values["plain"], **PLAIN, **off)
    parser.add_argument("--check-gradients", action="store_true", help="test backward(), and stop")


def main(argv=None):
    """Run the parts, then test and record the last network; return the metrics."""
    recipe = {"epochs": EPOCHS, "batch_size": BATCH_SIZE, "lr": LEARNING_RATE}
    parser = utils.argument_parser(__file__, __doc__, momentum=MOMENTUM, **recipe)
    add_options(parser)
    args = parser.parse_args(argv)
    if args.check_gradients:
        return check_gradients()
    if args.predict:
        utils.recall_settings(args, ["hidden"], "model.npz")
        params = load_model(utils.find_model(args, "model.npz"))
        return utils.read_pictures(args, lambda images: probabilities_of(params, images))
    if args.seeds > 1:
        return utils.run_seeds(main, args, argv)
    data = utils.load_digits(args)
    if not (args.quiet or args.resume or "seeds" in args.typed):  # once is enough
        show_small_network()
        show_xor()
    params = initialise([28 * 28, *args.hidden, 10], np.random.default_rng(args.seed))
    weights, layers = sum(a.size for a in params.values()), [a.shape for a in params.values()]
    schedule = half_cosine if args.schedule == "cosine" else None
    no_warnings = np.errstate(all="ignore")  # a loss that is no number is said in words
    facts = {"layers": layers, "warm_up": WARM_UP}
    with no_warnings, utils.start_run(args, data, weights, **facts) as run:
        how = params, data["train"], data["dev"], run, args.lr, args.batch_size
        if args.momentum or schedule or args.adversarial:
            train_better(*how, args.momentum, schedule, args.adversarial)
        else:
            train_plain(*how)
        return report(run, args, run.best, data)


if __name__ == "__main__":
    utils.run_script(main)
