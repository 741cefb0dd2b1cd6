"""A neural network from scratch, in NumPy alone: first three neurons, then one that reads digits.

    python neural_nets.py                      both parts; the results go to runs/neural_nets
    python neural_nets.py --check-gradients    is the calculus below right? Ask the loss itself
    python neural_nets.py --predict seven.png  reads your handwriting with the trained network

Part 1 is the smallest network that shows everything: two numbers in, three hidden units, one number
out, and its gradients worked out by hand. Part 2 does the same with layers of any size and many
examples at a time, and learns to read MNIST: 70,000 handwritten digits of 28 x 28 pixels. Both
repeat four steps: forward, from the input to a prediction; a loss, which says how bad that is;
backward, by the chain rule, to how the loss changes with every weight; and a small move of every
weight downhill.

To expect: 99.07 % of the 10,000 test digits (five seeds, from 99.00 to 99.14), after 60 s on 2
cores (AMD EPYC with AVX-512, NumPy 2.2.6, Python 3.11).
"""

import json
import math
import os
import time

import numpy as np

import photographs
import reports
import utils
from utils import UserError

# ------------------------------------------- part 1: two inputs, three hidden units, one output
#     input x (2, 1)  --W, b-->  hidden z, h (3, 1)  --V-->  output u, o (1, 1)
#
# forward     z_j = sum_i W_ji x_i + b_j   W (3, 2), b (3, 1)   as a product: z = W x + b
#             h_j = relu(z_j)              bent at zero; without it two layers do no more than one
#             u   = sum_j V_j h_j          V (1, 3)             u = V h
#             o   = f(u)                   the prediction; f(u) = u, so that it can be any number
# loss        C   = 1/2 (o - y)^2          how far from the right answer y
#
# backward    The chain rule, line by line from the last to the first; dv is short for dC/dv:
#             du    = (o - y) f'(u)   (1, 1)
#             dV_j  = du h_j          (1, 3)   V_j moves u by h_j times as much   dV = du h^T
#             dh_j  = du V_j          (3, 1)   h_j moves u by V_j times as much   dh = V^T du
#             dz_j  = dh_j relu'(z_j) (3, 1)
#             dW_ji = dz_j x_i        (3, 2)   W_ji moves z_j alone, by x_i       dW = dz x^T
#             db_j  = dz_j            (3, 1)
# update      W <- W - rate dW, and so V and b: downhill, since a gradient points uphill


def rectified_linear_unit(x):
    """Return max(0, x), element by element."""
    return np.maximum(0, x)


def rectified_linear_unit_derivative(x):
    """Return the slope of rectified_linear_unit: 1 where x > 0, else 0 (by choice at the bend)."""
    return np.heaviside(x, 0.0)


def output_layer_activation(x):
    """Return x."""
    return x


def output_layer_activation_derivative(x):
    """Return 1 for every element of x."""
    return np.ones_like(x, dtype=float)[()]  # [()] makes a plain number of an array without axes


class NeuralNetwork:
    """The network above, under the names that the course gave its parts."""

    def __init__(self):
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
        z = self.input_to_hidden_weights @ x + self.biases
        h = rectified_linear_unit(z)
        u = self.hidden_to_output_weights @ h
        return x, z, h, u, output_layer_activation(u)

    def train(self, x1, x2, y):
        """Take one step of stochastic gradient descent: downhill on the loss of one example."""
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
        """Go epochs_to_train times through the training points, a step for each."""
        for _ in range(self.epochs_to_train):
            for (x1, x2), y in self.training_points:
                self.train(x1, x2, y)

    def test_neural_network(self):
        """Print for every testing point whether its prediction is within 0.1 of 7 x1."""
        for x1, x2 in self.testing_points:
            prediction = self.predict(x1, x2)
            verdict = "passed" if abs(prediction - 7 * x1) < 0.1 else "FAILED"
            print(f"point ({x1}, {x2}): predicted {prediction:.3f}, wanted {7 * x1}: {verdict}")


def show_small_network():
    """Train the network of part 1, test it as the course does, and look at what it has learned.

    The points follow y = 3 x1 + 4 x2. Where all hidden units are active, as here, the network is a
    plain sum, V (W x + b) = (V W) x + V b. Tests with x1 = x2 are passed by the sum of its slopes;
    each by itself takes longer to find, for x1 and x2 hardly differ in training.
    """
    print("part 1: three hidden units learn 3 x1 + 4 x2 from four points")
    network = NeuralNetwork()
    network.train_neural_network()
    network.test_neural_network()
    for more in (0, 990):
        network.epochs_to_train = more
        network.train_neural_network()
        slopes = network.hidden_to_output_weights @ network.input_to_hidden_weights  # (1, 2)
        offset = network.hidden_to_output_weights @ network.biases  # (1, 1)
        print(f"after {10 + more} epochs it computes "
              f"{slopes[0, 0]:.2f} x1 + {slopes[0, 1]:.2f} x2 {offset[0, 0]:+.2f}")  # fmt: skip
    print("part 2: digits")


# ------------------------------------------- part 2: layers of any size, many examples at a time
# N examples in a batch; L layers of weights; n_i units in layer i, from n_0 = 784 pixels to
# n_L = 10 classes. An example is now a row, A_0 (N, 784), so that part 1's W x becomes A W with
# W_i (n_(i-1), n_i), and one product of matrices does a whole batch.
#
# forward     Z_i  = A_(i-1) W_i + b_i                 (N, n_i)   b_i (n_i,) is added to every row
#             A_i  = relu(Z_i)                         (N, n_i)   for i < L; Z_L are the logits
#             p_nk = exp(z_nk) / sum_c exp(z_nc)       (N, 10)    softmax: positive, and of sum 1
# loss        C    = -1/N sum_n log p_n,y(n)           the cross-entropy; y(n) is the right class:
#                    0 if all is sure and right, log 10 = 2.3 for a guess, large for sure and wrong
#
# backward    dZ_L = (p - t) / N                       (N, 10)    t_nk is 1 if k = y(n), else 0:
#                    log p_ny = z_ny - log sum_c exp(z_nc), so d log p_ny / dz_nk = t_nk - p_nk
#             dW_i = A_(i-1)^T dZ_i                    (n_(i-1), n_i)   w_jk moves z_nk by a_nj, in
#                    all examples n, whose shares add up: sum_n a_nj dz_nk
#             db_i = sum_n dZ_i                        (n_i,)
#             dA_(i-1) = dZ_i W_i^T                    (N, n_(i-1))
#             dZ_(i-1) = dA_(i-1) where A_(i-1) > 0    relu' of part 1, for A > 0 just where Z > 0

# What each choice is worth, in percent of the dev digits, which the network does not learn from:
# means of three seeds, which differ by about 0.04. Numbers in brackets are of earlier trials, on
# 12,000 digits held out of the training set: to be compared with each other only.
HIDDEN = [512, 512]  # (98.80 after 12 epochs; 1,024: 98.71; 1,024 and 512: 98.88; 3 of 512: 98.85)
EPOCHS = 20  # (98.96; 12: 98.80)
BATCH_SIZE = 128  # (64 and 256, at rates in proportion, do as well)
LEARNING_RATE = 0.1  # the highest; falling to zero 99.17, constant 98.99 (half as high: -0.18)
MOMENTUM = 0.9  # in the form of nesterov_step() 99.17, in Polyak's 99.18
NUDGE = 1.0  # 99.17, without it 98.61; a digit, as a vector of pixels, has a length of about 9.2
NUDGE_GROWS = 0.3  # share of the run in which it grows from 0, for beginners need easy digits: a
# small run (30 units, 5,400 digits, 5 epochs, length 0.8) reads 94.9, and without growth 62.4.
# Left out (dropout of 0.2: -0.27; smoothed labels: -0.13; averaged weights: +0.04, noise).


def initialise(sizes, rng, dtype=np.float32):
    """Return random weights {"W1": (n_0, n_1), "b1": (n_1,), ...} for layers of these sizes.

    Units that begin equal, as in part 1, have equal gradients and stay equal: three do the work of
    one. The variance 2 / n_(i-1) lets a sum of n_(i-1) products vary as much as its inputs, half of
    which ReLU silences: signals neither die out nor explode on their way through many layers. He et
    al., ICCV 2015 (arXiv 1502.01852), section 2.2.
    """
    params = {}
    for i in range(1, len(sizes)):
        n_in, n_out = sizes[i - 1], sizes[i]
        params[f"W{i}"] = (rng.standard_normal((n_in, n_out)) * math.sqrt(2 / n_in)).astype(dtype)
        params[f"b{i}"] = np.zeros(n_out, dtype)
    return params


def forward(params, images):
    """Return logits (N, 10) for images (N, 784), and the cache for backward(): [A_0, A_1, ...]."""
    layers = len(params) // 2
    cache, A = [], images
    for i in range(1, layers + 1):
        cache.append(A)
        A = A @ params[f"W{i}"]  # (N, n_(i-1)) @ (n_(i-1), n_i) = (N, n_i)
        A += params[f"b{i}"]
        if i < layers:
            np.maximum(A, 0, out=A)
    return A, cache


def log_softmax(logits):
    """Return log p (N, 10), without overflow: exp gets no number above 0.

    A row's largest logit m is taken off, which divides p's numerator and denominator by exp(m).
    """
    shifted = logits - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def softmax_cross_entropy(logits, labels):
    """Return the loss C, in nats (logarithms are natural), and dZ_L (N, 10); labels (N,)."""
    rows = np.arange(len(labels))
    log_p = log_softmax(logits)
    dlogits = np.exp(log_p)
    dlogits[rows, labels] -= 1  # p - t
    dlogits /= len(labels)
    return -float(log_p[rows, labels].mean()), dlogits


def backward(params, cache, dlogits, *, to_images=False):
    """Return the gradients of the loss: {"dW1": like W1, "db1": like b1, ...}.

    With to_images return dA_0 (N, 784) instead, how the loss changes with every pixel.
    """
    grads, dZ = {}, dlogits
    for i in range(len(params) // 2, 0, -1):
        if not to_images:
            grads[f"dW{i}"] = cache[i - 1].T @ dZ  # (n_(i-1), N) @ (N, n_i)
            grads[f"db{i}"] = dZ.sum(axis=0)  # (N, n_i) -> (n_i,)
        if i > 1 or to_images:
            dZ = dZ @ params[f"W{i}"].T  # (N, n_i) @ (n_i, n_(i-1)), now dA_(i-1)
        if i > 1:
            dZ *= cache[i - 1] > 0
    return dZ if to_images else grads


def numerical_gradient(loss, array, step=1e-5):
    """Return the gradient of loss() with respect to an array, from central differences.

    (C(w + h) - C(w - h)) / 2h is wrong by h^2 C''' / 6 (Taylor's series), and by the rounding of C
    divided by h: with 16 digits and h = 1e-5 both are near 1e-11.
    """
    gradient = np.empty_like(array)
    for index in np.ndindex(array.shape):
        kept, losses = array[index], []
        for moved in (kept + step, kept - step):
            array[index] = moved
            losses.append(loss())
        array[index] = kept
        gradient[index] = (losses[0] - losses[1]) / (2 * step)
    return gradient


def gradient_errors(sizes, seed=0, examples=5):
    """Return {"W1": largest relative error of dW1, ..., "images": ...}, computed in float64.

    An error is relative to the larger of the two, or to 1e-4: differences can do no better.
    """
    rng = np.random.default_rng(seed)
    params = initialise(sizes, rng, np.float64)
    for i in range(1, len(sizes)):  # with biases of 0, a unit without input would be on ReLU's bend
        params[f"b{i}"] += rng.normal(0, 0.1, sizes[i])
    images, labels = rng.random((examples, sizes[0])), rng.integers(sizes[-1], size=examples)

    def loss():
        return softmax_cross_entropy(forward(params, images)[0], labels)[0]

    logits, cache = forward(params, images)
    dlogits = softmax_cross_entropy(logits, labels)[1]
    grads = backward(params, cache, dlogits)
    grads["dimages"] = backward(params, cache, dlogits, to_images=True)
    errors = {}
    for name, array in (params | {"images": images}).items():
        found, expected = grads[f"d{name}"], numerical_gradient(loss, array)
        size = np.maximum(np.maximum(abs(found), abs(expected)), 1e-4)
        errors[name] = float((abs(found - expected) / size).max())
    return errors


def check_gradients():
    """Print and return gradient_errors() of four networks; UserError if one is above 1e-6."""
    print("network       largest relative error of the gradient: weights, biases, and pixels")
    table = {}
    for sizes in ([20, 10], [20, 9, 10], [20, 9, 8, 10], [20, 9, 8, 7, 10]):
        network = "-".join(map(str, sizes))
        table[network] = errors = gradient_errors(sizes)
        print(f"{network:12}", *(f"{name} {error:.0e}" for name, error in errors.items()), sep="  ")
        if not all(error < 1e-6 for error in errors.values()):  # NaN is not below it either
            raise UserError(f"forward() and backward() of {network} disagree: see the line above")
    return table


# ---------------------------------------------------------------------------------- learning


def learning_rate(progress, highest):
    """Return half a cosine wave, from highest to 0; Loshchilov and Hutter, ICLR 2017, eq. 5."""
    return highest * (1 + math.cos(math.pi * progress)) / 2


def nesterov_step(params, velocity, grads, rate):
    """Move every weight, in place: v <- momentum v + dW, then W <- W - rate (dW + momentum v).

    The velocity v adds up gradients that agree and cancels those that do not (Polyak, 1964), and W
    looks ahead by the next momentum (Nesterov; Sutskever et al., ICML 2013; in these variables
    Bengio et al., 2012, arXiv 1212.0901, section 3.5). `grads` is overwritten.
    """
    for name, weights in params.items():
        grad, v = grads[f"d{name}"], velocity[name]
        v *= MOMENTUM
        v += grad
        grad += MOMENTUM * v
        grad *= rate
        weights -= grad


def nudge(params, cache, dlogits, length):
    """Return the steps (N, 784) of this length, in the space of pixels, that raise C the most.

    The loss grows fastest along its gradient with respect to the pixels, which the chain rule
    yields one layer further back. Goodfellow et al., ICLR 2015 (arXiv 1412.6572), section 5; with
    Euclidean length Miyato et al., ICLR 2016 (arXiv 1507.00677).
    """
    step = backward(params, cache, dlogits, to_images=True)
    step *= length / (np.linalg.norm(step, axis=1, keepdims=True) + 1e-20)  # (N, 784) * (N, 1)
    return step


def training_step(params, velocity, images, labels, rate, length):
    """Nudge a batch (N, 784), in place, and learn it; return its loss and hits before the nudge."""
    logits, cache = forward(params, images)
    loss, dlogits = softmax_cross_entropy(logits, labels)
    right = int((logits.argmax(axis=1) == labels).sum())
    images += nudge(params, cache, dlogits, length)
    logits, cache = forward(params, images)
    dlogits = softmax_cross_entropy(logits, labels)[1]
    nesterov_step(params, velocity, backward(params, cache, dlogits), rate)
    return loss, right


def train_epoch(params, velocity, images, labels, args, epoch):
    """Go through all digits once in random order; return (mean loss, accuracy) and the last rate.

    The order depends on seed and epoch alone, so that a resumed run goes on as if never stopped.
    Digits that do not fill a last batch are left out; in the next epoch they are others.
    """
    size, batches = args.batch_size, len(images) // args.batch_size
    if batches == 0:
        raise UserError(f"--batch-size {size}: there are only {len(images)} training examples")
    order = np.random.default_rng([args.seed, epoch]).permutation(len(images))
    loss_sum, right = 0.0, 0
    for i in reports.progress_bar(range(batches), f"epoch {epoch}/{args.epochs}", args.quiet):
        chosen = order[i * size : (i + 1) * size]  # (N,)
        progress = (epoch - 1 + i / batches) / args.epochs
        rate, length = learning_rate(progress, args.lr), NUDGE * min(1, progress / NUDGE_GROWS)
        loss, hits = training_step(params, velocity, images[chosen], labels[chosen], rate, length)
        loss_sum += loss
        right += hits
        if not math.isfinite(loss):
            break  # train() says why
    return (loss_sum / batches, right / (batches * size)), rate


def evaluate(params, images, labels):
    """Return the mean loss and the accuracy on images (N, 784) as they are."""
    logits, _ = forward(params, images)
    return softmax_cross_entropy(logits, labels)[0], float(np.mean(logits.argmax(axis=1) == labels))


def read_digits(params, images):
    """Return probabilities (1, N, 10), 1 digit to a picture, of images (N, 784) or (N, 28, 28)."""
    return np.exp(log_softmax(forward(params, images.reshape(len(images), -1))[0]))[None]


def train(params, train_set, dev_set, args, checkpoint):
    """Train `params` in place; return those of the epoch that did best on dev, and the history.

    The sets are (images, labels); the path `checkpoint` is written after every epoch. Raises
    UserError if the loss is no number, or if --resume finds a checkpoint of other settings.
    """
    velocity = {name: np.zeros_like(weights) for name, weights in params.items()}
    best = {name: weights.copy() for name, weights in params.items()}
    groups = {"now": params, "velocity": velocity, "best": best}
    # The arrays themselves, no copies: load_checkpoint() fills them in place.
    state = {f"{kind} {name}": a for kind, group in groups.items() for name, a in group.items()}
    history = load_checkpoint(checkpoint, state, args) if args.resume else []
    with utils.saying_how_to_resume(checkpoint, history), np.errstate(all="ignore"):
        for epoch in range(len(history) + 1, args.epochs + 1):
            start = time.perf_counter()
            figures, rate = train_epoch(params, velocity, *train_set, args, epoch)
            seconds = time.perf_counter() - start
            dev_figures = evaluate(params, *dev_set)
            if not math.isfinite(dev_figures[0]):
                raise UserError("the loss is no longer a number: steps too long; lower --lr")
            with utils.interrupts_held():  # Ctrl-C waits until history and checkpoint agree
                history.append(reports.history_row(epoch, figures, dev_figures, rate, seconds))
                if reports.chosen_row(history) is history[-1]:
                    for name, weights in params.items():
                        best[name][:] = weights
                save_checkpoint(checkpoint, state, history, args)
            if not args.quiet:
                print(reports.epoch_line(history[-1], args.epochs), flush=True)
    return best, history


def save_checkpoint(path, state, history, args):
    """Write all that --resume needs; at every moment the old file or the new one is whole."""
    record = json.dumps({"settings": reports.settings_of(args), "history": history})
    with utils.whole_file(path) as file:
        np.savez(file, record=np.array(record), **state)


def load_checkpoint(path, state, args):
    """Bring `state`, in place, to where the run was that wrote the checkpoint; return its history.

    Raises UserError if there is none, if it is damaged, or if its settings are others.
    """
    reports.require_checkpoint(path)
    arrays = utils.read_arrays(path)
    with utils.blamed_on(path, "is no checkpoint of this script"):
        record = json.loads(arrays.pop("record").item())
        reports.check_settings(path, record["settings"], reports.settings_of(args))
        history = reports.check_history(record["history"])
    check_weights(path, arrays, {name: weights.shape for name, weights in state.items()})
    for name, weights in state.items():
        weights[:] = arrays[name]
    return history


def load_model(path):
    """Read the weights of a model.npz; how many units a layer has follows from its biases."""
    params = utils.read_arrays(path)
    sizes = (28 * 28, *(np.size(params.get(f"b{i}")) for i in range(1, len(params) // 2)), 10)
    shapes = {f"W{i}": sizes[i - 1 : i + 1] for i in range(1, len(sizes))}
    check_weights(path, params, shapes | {f"b{i}": (n,) for i, n in enumerate(sizes) if i})
    return params


def check_weights(path, arrays, shapes):
    """Raise UserError unless `arrays` has the names and shapes, all of finite float32."""
    sound = all(a.dtype == np.float32 and np.isfinite(a).all() for a in arrays.values())
    if not sound or {name: a.shape for name, a in arrays.items()} != shapes:
        raise UserError(f"{path} does not fit the network that neural_nets.py builds")


# -------------------------------------------------------------------------------- the program


def finish_run(args, folder, params, history, train_set, test_set):
    """Read the test set, once; write, draw and print the results; return the metrics."""
    images, labels = test_set  # (N, 784), (N,)
    test = images.reshape(-1, 28, 28), labels[None], read_digits(params, images)

    def write_own(results):
        np.savez(results / "model.npz", **params)
        if not args.no_plots:
            reports.draw_weights(results / "weights.png", params["W1"].T, (28, 28))

    limits = (os.environ.get(f"{kind}_NUM_THREADS", "") for kind in ("OPENBLAS", "OMP"))
    return reports.finish_run(
        args, folder, history, test, write_own,
        parameters=sum(weights.size for weights in params.values()),
        examples=len(train_set[0]) // args.batch_size * args.batch_size, device="cpu",
        precision="fp32", versions={},
        threads=next((int(n) for n in limits if n.isdigit()), os.cpu_count()),
    )  # fmt: skip


def main(argv=None):
    """Run part 1, then train, test and record a network of part 2; return the metrics."""
    defaults = {"epochs": EPOCHS, "batch_size": BATCH_SIZE, "lr": LEARNING_RATE}
    parser = utils.argument_parser("neural_nets", __doc__, **defaults)
    parser.add_argument("--hidden", type=utils.number(int, 1, 10**4), nargs="+", metavar="N",
                        default=HIDDEN, help="widths of the hidden layers")  # fmt: skip
    parser.add_argument("--check-gradients", action="store_true", help="test backward(), and stop")
    args = parser.parse_args(argv)
    if args.show:
        reports.require_display()
    if args.check_gradients:
        return check_gradients()
    if args.predict:
        params = load_model(reports.find_model(args, "model.npz"))
        return photographs.read_pictures(args, lambda digits: read_digits(params, digits))
    if not (args.quiet or args.resume):
        show_small_network()
    with utils.run_folder(args.output_dir) as folder:
        train_set, dev_set, test_set = utils.split_digits(args)
        params = initialise([28 * 28, *args.hidden, 10], np.random.default_rng(args.seed))
        weights = sum(a.size for a in params.values())
        reports.say_what_learns(args, weights, train_set[0], dev_set[0])
        best, history = train(params, train_set, dev_set, args, folder / "checkpoint.npz")
        return finish_run(args, folder, best, history, train_set, test_set)


if __name__ == "__main__":
    utils.run_script(main)
