"""Lesson 4, first half: two overlapping digits, read by a fully connected network with two heads.

    python mlp.py                      trains it; the results go to runs/mlp
    python mlp.py --hidden 64 --no-augment    as small as the course's network
    python mlp.py --predict plate.png  reads two digits of yours, one close above the other

Each image has 42 x 28 pixels: two digits of 28 x 28, the lower one 14 rows down, so that they share
14 rows. Ink is 1 and paper 0; where both have ink, the larger number stays (compose() in
utils_multiMNIST.py, four lines). What you learn here: how one network answers two questions. Both
answers need to know the same strokes, so they share all layers but the last; the shared part is the
trunk. Each digit then has a last layer of its own, a head. (MLP, multilayer perceptron, is another
name for a fully connected network.)

At the end the run says what overlap costs. A digit is put into an image whose other half is empty,
and the head of its place reads it. The upper digit is then misread in 0.9 % of the images, in pairs
in 1.1 %; the lower one in 0.9 % and in 1.5 %. In training there are only pairs.

To expect, of the 4,000 test pairs: both digits right in 97.4 +- 0.2 % (mean and standard deviation
of five seeds); with the smaller network in 93 %.
"""

import argparse
from itertools import pairwise

import train_utils
import utils
import utils_multiMNIST
from utils_multiMNIST import img_cols, img_rows, num_classes

from torch import nn

HIDDEN = [1536, 768]
RECIPE = {  # what each ingredient is worth stands in tests/benchmarks/README.md
    "epochs": 40,  # these take about three minutes on 2 cores
    "batch_size": 256,  # larger batches than elsewhere: less time per digit
    "lr": 0.4,  # the highest of the schedule
    "momentum": 0.9,
    "schedule": "one-cycle",
    "augment": True,
    "averaging": 0.998,  # of the weights, over about 500 steps (train_utils.moving_average)
    "label_smoothing": 0.05,  # share of each label (train_utils.losses_of)
}  # no adversarial examples: with them more pairs were misread
# Each digit is moved before two are put together: half as far as in lesson 3 (random_affine() in
# train_utils.py has its numbers), since its place tells which of the two it is.
AUGMENTATION = {"rotation": 5.0, "scale": 0.05, "shear": 0.05, "shift": 1.0}


class MLP(nn.Module):
    """Shared hidden layers and two heads that name the digits.

    forward: (N, 1, 42, 28) -> two (N, 10) of logits, the upper digit first.
    """

    def __init__(self, input_dimension, hidden=HIDDEN, batch_norm=True):
        super().__init__()
        layers = [train_utils.Flatten()]  # (N, 1176)
        for n_in, n_out in pairwise((input_dimension, *hidden)):
            layers.append(nn.Linear(n_in, n_out, bias=not batch_norm))  # (N, n_out)
            if batch_norm:
                layers.append(nn.BatchNorm1d(n_out))
            layers.append(nn.ReLU())
        self.trunk = nn.Sequential(*layers)
        self.upper = nn.Linear(hidden[-1], num_classes)
        self.lower = nn.Linear(hidden[-1], num_classes)

    def forward(self, x):
        """Read both digits.

        The loss is the mean of both heads' losses (train_utils.run_epoch). So the slopes of both
        reach the trunk, and add up: in lesson 1's letters, for heads Z = A W + b,
        dA = dZ_upper W_upper^T + dZ_lower W_lower^T, each dZ with the factor 1/2 of the mean.
        """
        features = self.trunk(x)  # (N, hidden[-1])
        return self.upper(features), self.lower(features)


def augment(x):
    """Move every digit of a batch a little, at random."""
    return train_utils.random_affine(x, **AUGMENTATION)


# ------------------------------------------------------ the program (you need not read this)


def main(argv=None):
    """Train, test and record one network, or read images with it; return the metrics."""
    parser = train_utils.recipe_parser(__file__, __doc__, **RECIPE)
    setting, width = parser.add_setting, utils.number(int, 1, 10**5)
    words = "units of the hidden layers (default %(default)s)"
    setting("--hidden", type=width, nargs="+", metavar="N", default=HIDDEN, help=words)
    setting("--batch-norm", action=argparse.BooleanOptionalAction, default=True)
    args = train_utils.parse_arguments(parser, argv)
    if args.predict:
        reader = train_utils.trained_reader(args, model_of, ["hidden", "batch_norm"])
        return utils.read_pictures(args, reader, height=img_rows)
    if args.seeds > 1:
        return utils.run_seeds(main, args, argv)
    data, model = utils_multiMNIST.load_pairs(args), model_of(args)
    facts = {"layers": repr(model), "augmentation": AUGMENTATION}
    with utils.start_run(args, data, train_utils.count_weights(model), **facts) as run:
        train_utils.fit(args, run, model, data, augment)
        metrics = train_utils.finish_run(run, args, model, data)
        utils_multiMNIST.report_overlap(
            run, args, data, lambda x: train_utils.probabilities_of(model, x, args.precision)
        )
        return metrics


def model_of(args):
    """Return the network that the options ask for, on their device."""
    return MLP(img_rows * img_cols, args.hidden, args.batch_norm).to(args.device)


if __name__ == "__main__":
    utils.run_script(main)
