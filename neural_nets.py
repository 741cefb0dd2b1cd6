"""A neural network from scratch, in NumPy alone: first three neurons, then one that reads digits.

    python neural_nets.py                      both parts; pictures of the run in runs/neural_nets
    python neural_nets.py --check-gradients    is the calculus below right? Ask the loss itself
    python neural_nets.py --predict seven.png  reads your handwriting with the trained network

Part 1 is the smallest network that shows everything: two numbers in, three hidden units, one number
out, and the gradients worked out by hand. Part 2 does the same with layers of any size and many
examples at a time, and learns MNIST: 60,000 handwritten digits, 28 x 28 pixels each.

All a network does is to repeat four steps: go forward from the input to a prediction; measure by a
loss how bad it is; go backward with the chain rule to find how every weight changes the loss; move
every weight a little in the direction that makes the loss smaller.
"""

import json
import math
import os
import platform
import time

import numpy as np

import reports
import utils
from utils import UserError

HIDDEN = [512, 512]
EPOCHS = 12
BATCH_SIZE = 128
LEARNING_RATE = 0.1  # at its highest
MOMENTUM = 0.9
NUDGE = 0.8  # Euclidean length; a digit is about 9 long

# =============================================================================================
# Part 1: two inputs, three hidden units, one output
# =============================================================================================
#
#   input x (2, 1) --W (3, 2), b (3, 1)--> hidden z, h (3, 1) --V (1, 3)--> output u, o (1, 1)
#
# forward     z = W x + b      z_j = sum_i W_ji x_i + b_j
#             h = relu(z)      bent at zero: without the bend, two layers would be no more than one
#             u = V h          u = sum_j V_j h_j
#             o = f(u)         the prediction; f is the identity here, for o may be any number
# loss        C = 1/2 (o - y)^2
#
# backward    The chain rule, from the last line to the first; du is short for dC/du:
#             du   = dC/do do/du    = (o - y) f'(u)        (1, 1)
#             dV_j = du du/dV_j     = du h_j               (1, 3)   as a product: du h^T
#             dz_j = du du/dh_j h_j' = du V_j relu'(z_j)   (3, 1)   V^T du, times relu'(z)
#             dW_ji = dz_j dz_j/dW_ji = dz_j x_i           (3, 2)   dz x^T
#             db_j = dz_j dz_j/db_j = dz_j                 (3, 1)
#
# update      W <- W - rate dW, and V and b likewise: against the gradient, since it points uphill.


def rectified_linear_unit(x):
    """Return max(0, x), element by element: a unit is silent until its input is positive."""
    return np.maximum(0, x)


def rectified_linear_unit_derivative(x):
    """Return the slope of rectified_linear_unit: 1 where x > 0, else 0 (at the bend by choice)."""
    return np.heaviside(x, 0.0)


def output_layer_activation(x):
    """Return x: the prediction of this network may be any number."""
    return x


def output_layer_activation_derivative(x):
    """Return 1 for every element of x."""
    return np.ones_like(x, dtype=float)[()]  # [()] makes a plain number of an array without axes


class NeuralNetwork:
    """The network of the figure above, which learns y = 3 x1 + 4 x2 from four points."""

    def __init__(self):
        self.input_to_hidden_weights = np.ones((3, 2))  # W
        self.hidden_to_output_weights = np.ones((1, 3))  # V
        self.biases = np.zeros((3, 1))  # b
        self.learning_rate = 0.001
        self.epochs_to_train = 10
        self.training_points = [((2, 1), 10), ((3, 3), 21), ((4, 5), 32), ((6, 6), 42)]
        self.testing_points = [(1, 1), (2, 2), (3, 3), (5, 5), (10, 10)]

    def forward(self, x1, x2):
        """Return x (2, 1), z (3, 1), h (3, 1), u (1, 1) and o (1, 1) of the notes above."""
        x = np.array([[x1], [x2]], dtype=float)
        z = self.input_to_hidden_weights @ x + self.biases
        h = rectified_linear_unit(z)
        u = self.hidden_to_output_weights @ h
        return x, z, h, u, output_layer_activation(u)

    def train(self, x1, x2, y):
        """Take one step of stochastic gradient descent: one example, then every weight moves."""
        x, z, h, u, o = self.forward(x1, x2)

        du = (o - y) * output_layer_activation_derivative(u)  # (1, 1)
        dV = du @ h.T  # (1, 1) @ (1, 3) = (1, 3)
        dz = self.hidden_to_output_weights.T @ du * rectified_linear_unit_derivative(z)  # (3, 1)
        dW = dz @ x.T  # (3, 1) @ (1, 2) = (3, 2)
        db = dz  # (3, 1)

        # Only now, for dz needs the V that made the prediction, not the next one.
        self.hidden_to_output_weights = self.hidden_to_output_weights - self.learning_rate * dV
        self.input_to_hidden_weights = self.input_to_hidden_weights - self.learning_rate * dW
        self.biases = self.biases - self.learning_rate * db

    def predict(self, x1, x2):
        """Return the prediction for one point as a float."""
        return self.forward(x1, x2)[-1].item()

    def train_neural_network(self):
        """Go through the training points epochs_to_train times, a step for each."""
        for _ in range(self.epochs_to_train):
            for (x1, x2), y in self.training_points:
                self.train(x1, x2, y)

    def test_neural_network(self):
        """Print for each testing point whether it is predicted within 0.1 of 7 x1.

        All of them have x1 = x2, where 3 x1 + 4 x2 = 7 x1.
        """
        for x1, x2 in self.testing_points:
            prediction = self.predict(x1, x2)
            verdict = "passed" if abs(prediction - 7 * x1) < 0.1 else "FAILED"
            print(f"point ({x1}, {x2}): predicted {prediction:.3f}, wanted {7 * x1}: {verdict}")


def show_small_network():
    """Train the network of part 1, test it as the course does, and look at what it has learned."""
    network = NeuralNetwork()
    network.train_neural_network()
    network.test_neural_network()
    # At points like these all three hidden units are active, and the network is a plain sum:
    # V (W x + b) = (V W) x + V b. The test asks for the sum of the two slopes alone. Each by itself
    # takes longer to find, because x1 and x2 hardly differ in the training points.
    for more in (0, 990):
        network.epochs_to_train = more
        network.train_neural_network()
        slopes = network.hidden_to_output_weights @ network.input_to_hidden_weights  # (1, 2)
        offset = network.hidden_to_output_weights @ network.biases  # (1, 1)
        print(f"after {10 + more} epochs it computes "
              f"{slopes[0, 0]:.2f} x1 + {slopes[0, 1]:.2f} x2 {offset[0, 0]:+.2f}")  # fmt: skip
    # The three rows of W began equal, got equal gradients, and are equal still: three units that do
    # the work of one. That is why part 2 begins with random weights.


# =============================================================================================
# Part 2: layers of any size, many examples at once, and the digits
# =============================================================================================
#
# N examples in a batch; L layers of weights; n_i units in layer i, from n_0 = 784 pixels to
# n_L = 10 classes. An example is now a row, A_0 (N, 784), so that W_i is (n_(i-1), n_i) and the
# product is A W where part 1 had W x: one product of matrices does a whole batch.
#
# forward     Z_i = A_(i-1) W_i + b_i                      (N, n_i)   for i = 1 ... L
#             A_i = relu(Z_i)                              (N, n_i)   for i < L; Z_L are the logits
#             p_nk = exp(z_nk) / sum_c exp(z_nc)           (N, 10)    softmax: positive, sum 1
# loss        C = -1/N sum_n log p_n,y(n)                  cross-entropy; y(n) is the right class:
#                 0 if it is sure and right, log 10 = 2.3 if it guesses, large if sure and wrong
#
# backward    dZ_L = (p - t) / N                           (N, 10)    t_nk is 1 if k = y(n), else 0
#                 log p_ny = z_ny - log sum_c exp(z_nc), whose derivative by z_nk is t_nk - p_nk
#             dW_i = A_(i-1)^T dZ_i                        (n_(i-1), n_i)
#                 z_nk = sum_j a_nj w_jk + b_k, so w_jk gets sum_n a_nj dz_nk: all examples add up
#             db_i = sum_n dZ_i                            (n_i,)
#             dA_(i-1) = dZ_i W_i^T                        (N, n_(i-1))
#             dZ_(i-1) = dA_(i-1) * (1 where A_(i-1) > 0)  relu' of part 1: A > 0 just where Z > 0


def initialise(sizes, rng, dtype=np.float32):
    """Return random weights {"W1": (n_0, n_1), "b1": (n_1,), ...} for layers of these sizes.

    W has variance 2 / n_(i-1): a sum of n_(i-1) products then varies as much as its inputs do,
    though ReLU silences half of them, and signals neither die out nor explode on their way through
    many layers. He et al., ICCV 2015 (arXiv 1502.01852), section 2.2.
    """
    params = {}
    for i in range(1, len(sizes)):
        n_in, n_out = sizes[i - 1], sizes[i]
        params[f"W{i}"] = (rng.standard_normal((n_in, n_out)) * math.sqrt(2 / n_in)).astype(dtype)
        params[f"b{i}"] = np.zeros(n_out, dtype)
    return params


def forward(params, images):
    """Return the logits (N, 10) of images (N, 784), and the cache: the inputs A_0 ... A_(L-1)."""
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
    """Return log p (N, 10) of the notes above.

    The largest logit m of a row is taken off first: p stays the same (above and below the line
    exp(-m) is a common factor), and exp of numbers up to 0 cannot overflow.
    """
    shifted = logits - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def softmax_cross_entropy(logits, labels):
    """Return the loss C, in nats, and its gradient dZ_L (N, 10); labels (N,) are 0 to 9."""
    rows = np.arange(len(labels))
    log_p = log_softmax(logits)
    dlogits = np.exp(log_p)
    dlogits[rows, labels] -= 1  # p - t
    dlogits /= len(labels)
    return -float(log_p[rows, labels].mean()), dlogits


def backward(params, cache, dlogits, *, to_images=False):
    """Return the gradients {"dW1": like W1, "db1": like b1, ...} of the loss.

    With to_images return dA_0 (N, 784) instead, the gradient of the loss with respect to pixels.
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


# -------------------------------------------------------- is the calculus right? Ask the loss


def numerical_gradient(loss, array, step=1e-5):
    """Return d loss() / d array by central differences, an element at a time; same shape as array.

    (C(w + h) - C(w - h)) / 2h differs from the derivative by h^2 C'''/6 (Taylor), and by the
    rounding of C over h: with 16 digits and h = 1e-5, both are near 1e-11.
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
    """Return {"W1": largest relative error of dW1, ..., "images": ...} in float64.

    Every element is compared; below 1e-4 the error counts as if the gradient were 1e-4, because
    there the differences themselves are no better.
    """
    rng = np.random.default_rng(seed)
    params = initialise(sizes, rng, np.float64)
    for i in range(1, len(sizes)):  # biases of 0 would leave units that get no input on ReLU's bend
        params[f"b{i}"] += rng.normal(0, 0.1, sizes[i])
    images, labels = rng.random((examples, sizes[0])), rng.integers(sizes[-1], size=examples)

    def loss():
        return softmax_cross_entropy(forward(params, images)[0], labels)[0]

    logits, cache = forward(params, images)
    dlogits = softmax_cross_entropy(logits, labels)[1]
    found = {name[1:]: value for name, value in backward(params, cache, dlogits).items()}
    found["images"] = backward(params, cache, dlogits, to_images=True)
    errors = {}
    for name, array in (params | {"images": images}).items():
        expected = numerical_gradient(loss, array)
        size = np.maximum(np.maximum(abs(found[name]), abs(expected)), 1e-4)
        errors[name] = float((abs(found[name] - expected) / size).max())
    return errors


def check_gradients():
    """Print the largest relative errors for small networks with 0 to 3 hidden layers; return them.

    Raises UserError if one is above 1e-6: then a formula in forward() or backward() is wrong.
    """
    print("largest relative error of the gradient by each layer's weights, biases, and the pixels")
    table, wrong = {}, []
    for sizes in ([20, 10], [20, 9, 10], [20, 9, 8, 10], [20, 9, 8, 7, 10]):
        network = "-".join(map(str, sizes))
        table[network] = gradient_errors(sizes)
        wrong += [f"{name} of {network}" for name, e in table[network].items() if not e < 1e-6]
        print(f"{network:12}", *(f"{name} {e:.0e}" for name, e in table[network].items()), sep="  ")
    if wrong:
        raise UserError(f"backward() disagrees with differences of the loss: {', '.join(wrong)}")
    return table


# ---------------------------------------------------------------------------------- learning


def learning_rate(progress, highest):
    """Return the rate when `progress` (0 to 1) of the run is done: half a cosine wave down to zero.

    Long steps find the valley, short ones its bottom. Loshchilov and Hutter, ICLR 2017
    (arXiv 1608.03983), equation 5 without restarts.
    """
    return highest * (1 + math.cos(math.pi * progress)) / 2


def nesterov_step(params, velocity, grads, rate, momentum=MOMENTUM):
    """Move every weight once, in place: v <- momentum v + dW, W <- W - rate (dW + momentum v).

    The velocity v adds up gradients that agree and cancels those that do not (Polyak, 1964).
    Nesterov's form looks ahead by the momentum that is to come; Sutskever et al., ICML 2013, with
    W standing for the point ahead as in Bengio et al., 2012 (arXiv 1212.0901, section 3.5).
    `grads` is used up.
    """
    for name, weights in params.items():
        grad, v = grads[f"d{name}"], velocity[name]
        v *= momentum
        v += grad
        grad += momentum * v
        grad *= rate
        weights -= grad


def nudge(params, cache, dlogits, length=NUDGE):
    """Return the step (N, 784) of this length in the space of pixels that hurts each reading most.

    The loss grows fastest along its gradient by the pixels, which the chain rule yields when it
    goes one layer further back. Goodfellow et al., ICLR 2015 (arXiv 1412.6572), section 5; with
    Euclidean length as in Miyato et al., ICLR 2016 (arXiv 1507.00677).
    """
    step = backward(params, cache, dlogits, to_images=True)
    step *= length / (np.linalg.norm(step, axis=1, keepdims=True) + 1e-20)  # (N, 784) * (N, 1)
    return step


def training_step(params, velocity, images, labels, rate):
    """Nudge a batch to where it is hardest, and learn from that.

    Returns the loss and the number of right readings before the nudge. images (N, 784) are changed.
    """
    logits, cache = forward(params, images)
    loss, dlogits = softmax_cross_entropy(logits, labels)
    right = int((logits.argmax(axis=1) == labels).sum())
    images += nudge(params, cache, dlogits)
    logits, cache = forward(params, images)
    dlogits = softmax_cross_entropy(logits, labels)[1]
    nesterov_step(params, velocity, backward(params, cache, dlogits), rate)
    return loss, right


def train_epoch(params, velocity, images, labels, settings, epoch, quiet=False):
    """Go through all digits once, in random order; return (mean loss, accuracy), and the last rate.

    The order depends on seed and epoch alone, so that a resumed run goes on as if never stopped.
    Digits that do not fill a last batch are left out, others in every epoch.
    """
    size, epochs = settings["batch_size"], settings["epochs"]
    batches = len(images) // size
    order = np.random.default_rng([settings["seed"], epoch]).permutation(len(images))
    loss_sum, right = 0.0, 0
    for i in reports.progress_bar(range(batches), f"epoch {epoch}/{epochs}", quiet):
        chosen = order[i * size : (i + 1) * size]  # (N,)
        rate = learning_rate((epoch - 1 + i / batches) / epochs, settings["lr"])
        loss, correct = training_step(params, velocity, images[chosen], labels[chosen], rate)
        check_finite(loss)
        loss_sum += loss
        right += correct
    return (loss_sum / batches, right / (batches * size)), rate


def check_finite(loss):
    """Raise UserError if the loss is infinite or not a number: nothing after it is of use."""
    if not math.isfinite(loss):
        raise UserError("the loss is no longer a number: the steps are too long; lower --lr")


def read_digits(params, images):
    """Return probabilities (1, N, 10) for any number of images (N, 28, 28) or (N, 784)."""
    images = images.reshape(len(images), -1)
    parts = [forward(params, images[i : i + 1000])[0] for i in range(0, len(images), 1000)]
    return np.exp(log_softmax(np.concatenate(parts)))[None]


def train(params, train_set, dev_set, settings, checkpoint=None, *, resume=False, quiet=False):
    """Train `params` in place; return those of the epoch that did best on dev, and the history.

    The sets are (images, labels); `settings` has epochs, batch_size, lr and seed. The path
    `checkpoint` is written after every epoch. Raises UserError if the loss is no number, or the
    checkpoint of other settings.
    """
    velocity = {name: np.zeros_like(weights) for name, weights in params.items()}
    best = {name: weights.copy() for name, weights in params.items()}
    groups = {"now": params, "velocity": velocity, "best": best}
    state = {f"{kind} {name}": a for kind, group in groups.items() for name, a in group.items()}
    history = load_checkpoint(checkpoint, state, settings) if resume else []
    with utils.saying_how_to_resume(checkpoint, history), np.errstate(all="ignore"):
        for epoch in range(len(history) + 1, settings["epochs"] + 1):
            start = time.perf_counter()
            figures, rate = train_epoch(params, velocity, *train_set, settings, epoch, quiet)
            seconds = time.perf_counter() - start
            dev = reports.test_figures(read_digits(params, dev_set[0]), dev_set[1][None])
            check_finite(dev["test_loss"])
            dev_figures = dev["test_loss"], dev["test_accuracy"]
            history.append(reports.history_row(epoch, figures, dev_figures, rate, seconds))
            if reports.chosen_row(history) is history[-1]:
                for name, weights in params.items():
                    best[name][:] = weights
            if checkpoint:
                save_checkpoint(checkpoint, state, history, settings)
            if not quiet:
                print(reports.epoch_line(history[-1], settings["epochs"]), flush=True)
    return best, history


# ------------------------------------------------------------------------------------- files


def save_checkpoint(path, state, history, settings):
    """Write all that --resume needs; at every moment the old file or the new one is whole."""
    record = json.dumps({"settings": settings, "history": history})
    with utils.whole_file(path) as file:
        np.savez(file, record=np.array(record), **state)


def load_checkpoint(path, state, settings):
    """Bring `state`, in place, to where the run that wrote the checkpoint was; return its history.

    Raises UserError if there is none, if it is damaged, or if its settings are others.
    """
    if not path.is_file():
        raise UserError(f"there is no {path} to resume; leave out --resume to start a run")
    arrays = utils.read_arrays(path)
    try:
        record = json.loads(arrays.pop("record").item())
        utils.check_settings(path, record["settings"], settings)
        history = reports.check_history(record["history"])
    except (KeyError, TypeError, ValueError, AttributeError):
        raise UserError(f"{path} is no checkpoint of this script") from None
    check_weights(path, arrays, state)
    for name, weights in state.items():
        weights[:] = arrays[name]
    return history


def check_weights(path, arrays, like):
    """Raise UserError unless `arrays` has the names, shapes and types of `like`, all finite."""
    if arrays.keys() != like.keys() or any(
        (arrays[name].shape, arrays[name].dtype) != (a.shape, a.dtype) for name, a in like.items()
    ):
        raise UserError(f"{path} does not fit the network that neural_nets.py builds")
    if not all(np.isfinite(a).all() for a in arrays.values()):
        raise UserError(f"{path} holds weights that are not numbers")


def load_model(path):
    """Read the weights of a model.npz; how many units a layer has follows from its biases."""
    params = utils.read_arrays(path)
    sizes = [params[f"b{i}"].size for i in range(1, len(params) // 2) if f"b{i}" in params]
    check_weights(path, params, initialise([28 * 28, *sizes, 10], np.random.default_rng()))
    return params


# -------------------------------------------------------------------------------- the program


def finish_run(args, folder, params, history, examples, test_set):
    """Read the test set, once; write, draw and print the results; return the metrics."""
    images, labels = test_set
    probabilities = read_digits(params, images)  # (1, N, 10)
    seconds = sum(row["seconds"] for row in history)
    limits = (os.environ.get(f"{kind}_NUM_THREADS", "") for kind in ("OPENBLAS", "OMP"))
    metrics = {
        "script": args.script,
        **reports.test_figures(probabilities, labels[None]),
        "dev_accuracy": reports.chosen_row(history)["dev_accuracy"],
        "parameters": sum(weights.size for weights in params.values()),
        "epochs": args.epochs,
        "seed": args.seed,
        "seconds": seconds,
        "examples_per_second": args.epochs * examples / seconds,
        "device": "cpu",
        "precision": "fp32",
        "threads": next((int(n) for n in limits if n.isdigit()), os.cpu_count()),
        "settings": utils.settings_of(args),
        "versions": {"python": platform.python_version(), "numpy": np.__version__},
    }
    with utils.results_together(folder) as results:
        np.savez(results / "model.npz", **params)
        reports.write_metrics(results, metrics, history)
        if not args.no_plots:
            pixels = images.reshape(-1, 28, 28)
            reports.draw_results(results, history, pixels, labels[None], probabilities)
            reports.draw_weights(results / "weights.png", params["W1"].T, (28, 28))
    if not args.quiet:
        print(reports.summary(metrics, folder))
    if args.show:
        reports.show_folder(folder)
    return metrics


def main(argv=None):
    """Run part 1, then train, test and record a network of part 2; return the metrics."""
    parser = utils.argument_parser(
        "neural_nets", __doc__, epochs=EPOCHS, batch_size=BATCH_SIZE, lr=LEARNING_RATE
    )
    parser.add_argument("--hidden", type=utils.number(int, 1, 10**4), nargs="+", metavar="N",
                        default=HIDDEN, help="widths of the hidden layers")  # fmt: skip
    parser.add_argument("--check-gradients", action="store_true",
                        help="compare backward() with differences of the loss, and stop")
    args = parser.parse_args(argv)
    if args.show:
        reports.require_display()
    if args.check_gradients:
        return check_gradients()
    if args.predict:
        params = load_model(reports.find_model(args, "model.npz"))
        return reports.read_pictures(args, lambda digits: read_digits(params, digits))
    if not args.quiet:
        show_small_network()
    with utils.run_folder(args.output_dir) as folder:
        train_set, dev_set, test_set = utils.split_digits(args)
        params = initialise([28 * 28, *args.hidden, 10], np.random.default_rng(args.seed))
        best, history = train(
            params, train_set, dev_set, utils.settings_of(args), folder / "checkpoint.npz",
            resume=args.resume, quiet=args.quiet,
        )  # fmt: skip
        examples = len(train_set[0]) // args.batch_size * args.batch_size
        return finish_run(args, folder, best, history, examples, test_set)


if __name__ == "__main__":
    utils.run_script(main)
