"""Lesson 2: fully connected networks in PyTorch, and how one chooses their settings.

    python nnet_fc.py                      our best network of this kind, into runs/nnet_fc
    python nnet_fc.py --plain              the course's network, smaller than lesson 1's
    python nnet_fc.py --check-gradients    PyTorch's gradients beside those worked out by hand
    python nnet_fc.py --sweep              tries the course's settings, one change at a time
    python nnet_fc.py --sweep --guess      the same, but you say first what each change will do
    python nnet_fc.py --draw               reads what you draw with the mouse

What you learn here: what autograd does, PyTorch's own chain rule; how a network is put together of
layers; and how one tells whether a change of the settings helps, or whether chance did. "Fully
connected" means that each unit gets the outputs of all units of the layer before, as in lesson 1.

To expect, of the 10,000 test digits: 99.11 % right (mean of five seeds); with --plain
97.98 +- 0.12 %; with --augment --epochs 50 --adversarial 1, which moves the digits at random and
takes twice the time, 99.5 % (two seeds).
"""

import argparse
import math
from itertools import pairwise

import train_utils
import utils

import torch
import torch.nn.functional as F
from torch import nn

# ------------------------------------------------------------------- the bridge from lesson 1
# PyTorch's arrays are tensors. Make a tensor W with requires_grad=True, and compute something from
# it: the result remembers which tensors it came from, and the rule for its derivative.
# loss.backward() goes back along these links by the chain rule, and leaves the gradient of the loss
# with respect to W in W.grad. This is autograd: lesson 1's backward(), for anything. The links can
# be looked at. Type in Python:
#
#     import torch
#     W = torch.ones(3, 2, requires_grad=True)
#     h = torch.relu(W @ torch.ones(2, 1))
#     h.grad_fn                          # <ReluBackward0 object ...>: h comes from a ReLU,
#     h.grad_fn.next_functions[0][0]     # <MmBackward0 object ...>: and that from a matrix product


def compare_gradients():
    """Return {"W": (by autograd, by hand), ...} for a step of lesson 1's first network.

    Two inputs, three hidden units, one output: z = W x + b, h = relu(z), o = V h, and the loss
    1/2 (o - y)^2, at the course's first weights and its first example. An example is a column here,
    as in part 1 of lesson 1; below it is a row, as in part 2.
    """
    W = torch.ones(3, 2, requires_grad=True)
    b = torch.zeros(3, 1, requires_grad=True)
    V = torch.ones(1, 3, requires_grad=True)
    x, y = torch.tensor([[2.0], [1.0]]), 10.0
    z = W @ x + b  # (3, 1)
    h = torch.relu(z)  # (3, 1)
    o = V @ h  # (1, 1)
    loss = 0.5 * (o - y) ** 2
    loss.backward()

    with torch.no_grad():  # the same by hand, as in neural_nets.py; no links are kept
        du = o - y  # (1, 1)
        dV = du @ h.T  # (1, 3)
        dz = (V.T @ du) * (z > 0)  # (3, 1)
        dW, db = dz @ x.T, dz  # (3, 2), (3, 1)
    return {"W": (W.grad, dW), "b": (b.grad, db), "V": (V.grad, dV)}


def show_gradients(names):
    """Print gradients by autograd and by hand; UserError if they differ."""
    for name, (found, expected) in compare_gradients().items():
        if name in names:
            print(f"d{name} by autograd {found.tolist()}, by hand {expected.tolist()}")
        if not torch.allclose(found, expected):
            raise utils.UserError(f"the gradients of {name} differ")


# ---------------------------------------------------------------------------------- the network
# A layer is an nn.Module: it holds its weights, and calling it computes its output. nn.Linear(n, m)
# is A W + b of lesson 1, with random weights to begin with; its .weight is W transposed, (m, n).
# nn.Sequential is a module made of modules: it calls one after the other. model(x) is its output,
# model.parameters() are all weights.

# What a unit may make of its sum z. ReLU is the usual choice.
ACTIVATIONS = {
    "relu": nn.ReLU,  # z if z > 0, else 0
    "leaky_relu": nn.LeakyReLU,  # z if z > 0, else 0.01 z
    "elu": nn.ELU,  # z if z > 0, else exp(z) - 1
    "gelu": nn.GELU,  # z times the chance that a normal random number (mean 0, sd 1) is below z
    "tanh": nn.Tanh,  # (exp(z) - exp(-z)) / (exp(z) + exp(-z)), from -1 to 1
    "sigmoid": nn.Sigmoid,  # 1 / (1 + exp(-z)), from 0 to 1
}


def build_model(hidden, activation="relu", batch_norm=True):
    """Return the network: (N, 1, 28, 28) or (N, 784) -> logits (N, 10); the 1 is for grey.

    `hidden` are the widths of the hidden layers. Batch normalisation stands between nn.Linear and
    its ReLU. For each unit it replaces the sum z by g (z - mean) / sd + s. Mean and standard
    deviation are those of this unit's sums over the batch; here sd divides by the number of sums,
    not by one less. Sums of 1, 3 and 5 have mean 3 and sd 1.63: they become -1.22, 0 and 1.22
    before g and s. g and s are learned as weights are, beginning with g = 1 and s = 0. So over a
    batch a unit's numbers, before ReLU, have the mean s and the standard deviation |g|, however the
    layers before it change. In practice this allows longer steps; why is disputed. When the network
    reads, after model.eval(), averages over past batches stand in for mean and sd. Ioffe and
    Szegedy, ICML 2015.
    """
    layers = [train_utils.Flatten()]  # (N, 784)
    for n_in, n_out in pairwise((784, *hidden)):
        # Batch normalisation would take a bias away with the mean; s does its work.
        layers.append(nn.Linear(n_in, n_out, bias=not batch_norm))
        if batch_norm:
            layers.append(nn.BatchNorm1d(n_out))
        layers.append(ACTIVATIONS[activation]())  # (N, n_out)
    return nn.Sequential(*layers, nn.Linear(hidden[-1], 10))  # (N, 10)


def train_plainly(model, batches, lr, n_epochs):
    """Train a model: all that a loop in PyTorch needs.

    `batches` is a list of {"x": images, "y": labels}. No program calls this function: it is here to
    be read. train_utils.train_model(), which all PyTorch lessons use, is this loop with more around
    it.
    """
    optimizer = torch.optim.SGD(model.parameters(), lr)
    model.train()  # some layers behave differently while they learn; model.eval() switches back
    for _ in range(n_epochs):
        for batch in batches:
            x, y = batch["x"], batch["y"]  # (B, 1, 28, 28), (B,)
            loss = F.cross_entropy(model(x), y)  # forward; softmax is part of cross_entropy
            optimizer.zero_grad()  # forget the last gradients: backward() adds to them
            loss.backward()  # now every weight w has its w.grad
            optimizer.step()  # w <- w - lr w.grad: lesson 1's update


PLAIN = {  # the course's network and settings (--plain); train_plainly() is enough for them
    "hidden": [128],
    "batch_norm": False,
    "epochs": 30,
    "batch_size": 32,
    "lr": 0.1,
    "momentum": 0.0,
    "schedule": "constant",
    "averaging": 0.0,
    "adversarial": 0.0,
}

# Ours. train_utils.py, which you read next, explains what is new here. What each ingredient is
# worth stands in tests/benchmarks/README.md.
HIDDEN = [1024, 1024]
RECIPE = {
    "epochs": 30,
    "batch_size": 128,
    "lr": 0.2,  # the highest of the schedule
    "momentum": 0.9,  # in Nesterov's form, as in lesson 1 (also in the sweep)
    "schedule": "one-cycle",  # the rate rises, then falls
    "augment": False,  # if True, each digit is moved at random, anew in every epoch
    "averaging": 0.998,  # it reads with the mean of the weights of about the last 500 steps
    "adversarial": 1.5,  # length of the adversarial step; a digit's own is 9.2
}


# ---------------------------------------------------------------------- how one chooses settings
# Two runs with equal settings, but another seed of their random numbers, misread different numbers
# of digits. So one run of each setting proves little. Here each setting is trained with several
# seeds, and compared seed by seed with the baseline, which is the course's network (PLAIN, for
# fewer epochs). With the same seed both begin with the same weights and see the digits in the same
# order, which takes a part of the chance out of their difference.
#
# An example. With five seeds a setting misreads 0.2, 0.3, 0.1, 0.4 and 0.2 % more of the digits
# than the baseline does. The mean of these differences is 0.24, their standard deviation 0.11 (the
# squares are divided by 4, not by 5). Five other seeds would give another mean. How far do such
# means scatter? The variance is the standard deviation squared. Variances of independent numbers
# add up, so the sum of five has five times the variance. The mean is a fifth of the sum, and its
# variance is 1/25 of the sum's: 5/25 = 1/5. So its standard deviation is 0.11 / sqrt(5) = 0.05.
#
# The true difference is the mean over all possible seeds. If we knew the 0.05 exactly, it would lie
# within 1.96 * 0.05 of our mean in 95 of 100 such comparisons: the bell curve says so. But we
# estimate the 0.05 from five numbers. Their distances from their own mean add up to 0: four of them
# fix the fifth, so they count as 4. Student's table allows for that: for 4 its factor is 2.8 in
# place of 1.96. So the 95 % interval is 0.24 +- 2.8 * 0.05, from 0.10 to 0.38. Of 100 intervals
# made in this way, 95 hold the true difference. If a change changes nothing, this is 0. Here 0 lies
# outside of the interval, so the verdict is "more errors".
#
# The sweep does this with two additions (utils.compare_settings).
# First: four changes give four intervals. Each misses the true difference with a chance of 5 %, so
# the chance that at least one of the four misses is up to 20 %. To keep that at 5 %, each may miss
# with 5 % / 4 = 1.25 % (Bonferroni). Student's table then has 4.3 in place of 2.8, and the interval
# is one and a half times as wide. (If several changes have fewer errors, even by chance, the sweep
# also tries them together. Then there are five changes.)
# Second: a standard deviation of five differences, as the 0.11 above, is itself uncertain. With the
# baseline there are five settings. Any two of them give five differences, which have a variance:
# ten variances in all. We assume that all these differences scatter alike, which is roughly true.
# Then the mean of the ten variances is a better estimate; its root takes the place of 0.11. It
# counts as (5 settings - 1) * (5 seeds - 1) = 16 numbers in place of 4: look up "randomised block
# design". For 16, at 1.25 %, Student's table has 2.8 in place of 4.3. (It has 2.8 for 4 at 5 %,
# too: a coincidence.)
# The interval is about other seeds, on the same dev digits. Other digits could give another
# difference.
#
# The dev set decides. The test set is not looked at: what was chosen on it would look too good.

CHANGES = {
    "baseline": {},
    "batch size 64": {"batch_size": 64},
    "lr 0.01": {"lr": 0.01},
    "momentum 0.9": {"momentum": 0.9},  # at the same rate, so that steps are up to 10 times as long
    "LeakyReLU": {"activation": "leaky_relu"},
}
SWEEP_EPOCHS = 10  # PLAIN has 30; rankings can change in longer runs
SWEEP_SEEDS = 5
# Guess what it will find, then run it, or look it up in tests/benchmarks/README.md.


# ------------------------------------------------------ the program (you need not read this)


def main(argv=None):
    """Train, test and record one network, or read images with it; return the metrics."""
    parser = train_utils.recipe_parser(__file__, __doc__, **RECIPE)
    add_options(parser)
    args = train_utils.parse_arguments(parser, argv)
    if args.check_gradients:
        return show_gradients("WbV")
    if args.guess and not args.sweep:
        parser.error("--guess goes with --sweep")
    if args.sweep:
        return sweep(args)
    if args.predict or args.draw:
        shape = ["hidden", "activation", "batch_norm"]
        reader = train_utils.trained_reader(args, model_of, shape)
        return utils.read_pictures(args, reader) if args.predict else utils.draw_and_read(reader)
    if args.seeds > 1:
        return utils.run_seeds(main, args, argv)
    data = train_utils.load_tensors(args)
    model = model_of(args)
    augment = train_utils.random_affine if args.augment else None
    batches = train_utils.ShuffledBatches(*data["train"], args.batch_size, augment=augment)
    train_utils.check_model(model, data)  # says in words where layers do not fit
    weights = train_utils.count_weights(model)
    with utils.start_run(args, data, weights, layers=repr(model)) as run:
        if not args.quiet:
            show_gradients("W")
        train_utils.train_model(
            batches, train_utils.dev_batches(data), model, run=run, **train_utils.recipe(args)
        )
        return train_utils.finish_run(run, args, model, data)


def model_of(args):
    """Return the network that the options ask for, on their device."""
    return build_model(args.hidden, args.activation, args.batch_norm).to(args.device)


def add_options(parser):
    """Add this lesson's own options."""
    add, setting, usual = parser.add_argument, parser.add_setting, "(default %(default)s)"
    width = utils.number(int, 1, 10**5)
    setting("--hidden", type=width, nargs="+", metavar="N", default=HIDDEN, help=f"units {usual}")
    setting("--activation", choices=ACTIVATIONS, default="relu", help=f"of the units {usual}")
    setting("--batch-norm", action=argparse.BooleanOptionalAction, default=True)
    off = "the course's network and settings: --" + " --".join(
        f"{name.replace('_', '-')} {value}" for name, value in PLAIN.items() if name != "batch_norm"
    )
    add("--plain", action="store_true", help=f"{off} --no-batch-norm")
    add("--check-gradients", action="store_true", help="by autograd and by hand, and stop")
    add("--sweep", action="store_true", help=f"the course's changes on {SWEEP_SEEDS} seeds, on dev")
    add("--guess", action="store_true", help="with --sweep: say first what each change will do")
    add("--draw", action="store_true", help="draw digits and have them read")
    parser.add_preset(lambda values: values["plain"] or values["sweep"], **PLAIN)
    parser.add_preset(lambda values: values["sweep"], epochs=SWEEP_EPOCHS)


def sweep(args):
    """Try each change alone, then together all that had fewer errors, even if by chance.

    Returns the rows of the table.
    """
    for name, change in CHANGES.items():  # a mistake in it shows at once
        for key in set(change) - (set(args.settings) - {"seed", "limit"}):
            raise utils.UserError(f"CHANGES, {name}: the sweep knows no setting {key}")
        one = argparse.Namespace(**vars(args) | change)
        with utils.blamed_on(f"CHANGES, {name}:", "has a value that does not fit"):
            model_of(one), train_utils.recipe(one)
    guesses = ask_for_guesses() if args.guess else {}
    data, right = train_utils.load_tensors(args), {name: [] for name in CHANGES}

    def train_one(name, seed):
        one = argparse.Namespace(**vars(args) | CHANGES.get(name, {}))
        if name not in CHANGES:
            vars(one).update(helpful())
        torch.manual_seed(seed)
        model, run = model_of(one), utils.Run(one.epochs, seed)  # a record without a folder
        train_utils.fit(one, run, model, data, train_utils.random_affine)
        right.setdefault(name, []).append(utils.chosen_row(run.history)["dev_accuracy"])
        return model, run

    def helpful():
        whole = {name: sum(mine) for name, mine in right.items() if len(mine) == SWEEP_SEEDS}
        baseline = whole.get(next(iter(CHANGES)), math.inf)  # the first, whatever its name
        better = [name for name in CHANGES if whole.get(name, 0) > baseline]
        better.sort(key=whole.get)  # of two that change the same setting the better one counts
        return {key: value for name in better for key, value in CHANGES[name].items()}

    def names():  # asked for the last name only when the others are done
        yield from CHANGES
        if helpful() and helpful() not in CHANGES.values():
            yield "all with fewer errors"

    with utils.start_run(args) as run:
        rows = train_utils.sweep(args, run, names(), SWEEP_SEEDS, train_one)
    score_guesses(guesses, rows)
    return rows


def ask_for_guesses():
    """Ask what each change will do; return {name: verdict}."""
    first = next(iter(CHANGES))
    print(f"Compared with {first}: fewer digits misread, more, or can one not tell?")
    words = {"f": "fewer errors", "m": "more errors", "n": "not told apart"}
    guesses = {}
    for name in list(CHANGES)[1:]:
        while name not in guesses:
            try:
                answer = input(f"{name}: [f]ewer, [m]ore, [n]ot told apart? ").strip().lower()[:1]
            except EOFError:
                raise utils.UserError("--guess asks in the terminal, and nobody answers") from None
            if answer in words:
                guesses[name] = words[answer]
    return guesses


def score_guesses(guesses, rows):
    """Print how many guesses were right."""
    if guesses:
        verdicts = {row["setting"]: row["verdict"] for row in rows}
        right = sum(verdicts.get(name) == guess for name, guess in guesses.items())
        print(f"you guessed {right} of {len(guesses)} right")


if __name__ == "__main__":
    utils.run_script(main)
