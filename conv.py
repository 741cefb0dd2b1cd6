"""Lesson 4, second half: two overlapping digits, read by a convolutional network with two heads.

    python conv.py                     trains it; the results go to runs/conv
    python conv.py --predict plate.png reads two digits of yours, one close above the other

What you learn here: lesson 3's layers on a taller image, with the two heads of mlp.py.

To expect, of the 4,000 test pairs: both digits right in 98.66 +- 0.11 % (five seeds).
"""

import train_utils
import utils
import utils_multiMNIST
from utils_multiMNIST import img_cols, img_rows, num_classes

import torch
from torch import nn

RECIPE = {  # what each ingredient is worth stands in tests/benchmarks/README.md
    "epochs": 28,  # these take four to six minutes on 2 cores
    "batch_size": 128,
    "lr": 0.2,  # the highest of the schedule
    "momentum": 0.9,
    "schedule": "one-cycle",
    "augment": True,
    "averaging": 0.998,  # of the weights, over about 500 steps (train_utils.moving_average)
    "label_smoothing": 0.05,  # share of each label (train_utils.losses_of)
}
# As in mlp.py.
AUGMENTATION = {"rotation": 5.0, "scale": 0.05, "shear": 0.05, "shift": 1.0}


def stage(c_in, c_out, *, pool=False):
    """Return one stage, as in nnet_cnn.py: (N, c_in, H, W) -> (N, c_out, H, W), halved if pool."""
    layers = [nn.Conv2d(c_in, c_out, 3, padding=1, bias=False)]
    if pool:
        layers.append(nn.MaxPool2d(2))
    return [*layers, nn.BatchNorm2d(c_out), nn.ReLU()]


class CNN(nn.Module):
    """A trunk that sees the image and two heads that name its digits.

    forward: (N, 1, 42, 28) -> two (N, 10) of logits, the upper digit first.
    """

    def __init__(self, input_dimension=img_rows * img_cols):  # the course's scripts pass it
        super().__init__()
        if input_dimension != img_rows * img_cols:
            raise ValueError(f"images have {img_rows} x {img_cols} pixels, not {input_dimension}")
        self.trunk = nn.Sequential(
            *stage(1, 16, pool=True),  # (N, 16, 21, 14)
            *stage(16, 32),  # (N, 32, 21, 14)
            *stage(32, 32, pool=True),  # (N, 32, 10, 7): the odd row goes
            *stage(32, 64),  # (N, 64, 10, 7)
            *stage(64, 64, pool=True),  # (N, 64, 5, 3): the odd column goes
            train_utils.Flatten(),  # (N, 960)
        )
        self.upper = nn.Linear(64 * 5 * 3, num_classes)
        self.lower = nn.Linear(64 * 5 * 3, num_classes)

    def forward(self, x):
        """Read both digits; the loss is the mean of both heads' losses (train_utils.run_epoch)."""
        features = self.trunk(x)  # (N, 960)
        return self.upper(features), self.lower(features)


def augment(x):
    """Move every digit of a batch a little, at random."""
    return train_utils.random_affine(x, **AUGMENTATION)


# ------------------------------------------------------ the program (you need not read this)


def main(argv=None):
    """Train, test and record one network, or read images with it; return the metrics."""
    parser = train_utils.recipe_parser(__file__, __doc__, **RECIPE)
    args = train_utils.parse_arguments(parser, argv)
    if args.predict:
        reader = train_utils.trained_reader(args, model_of)
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
    """Return the network on the device that the options ask for."""
    return CNN().to(args.device, memory_format=torch.channels_last)  # faster on CPUs


if __name__ == "__main__":
    utils.run_script(main)
