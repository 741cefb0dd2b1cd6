"""Lesson 3: a convolutional network, and how one designs its layers.

    python nnet_cnn.py                           our best network; the results go to runs/nnet_cnn
    python nnet_cnn.py --design quick --epochs 1     an answer in seconds
    python nnet_cnn.py --check-convolution       convolution by loops beside nn.Conv2d, in numbers
    python nnet_cnn.py --sweep [NAME ...]        all designs below, or those named, side by side
    python nnet_cnn.py --all-digits              a last run, which learns from the dev digits too
    python nnet_cnn.py --predict seven.png       reads your handwriting; --draw: with the mouse

What you learn here: what a convolution computes, why it suits images, and how layers are put
together of convolutions, pooling, normalisation and ReLU. After a run filters.png shows what the
filters of the first layer look for, and activations.png what each layer makes of a digit.

To expect, of the 10,000 test digits: 99.75 +- 0.01 % right (mean and standard deviation of five
seeds); with --design quick after one epoch 99.27 +- 0.07 % (ten seeds).
"""

import argparse

import train_utils
import utils

import numpy as np
import torch
from torch import nn

# -------------------------------------------------------------------------------- convolution
# A fully connected unit has a weight for each of the 784 pixels. If a digit moves by one pixel, its
# ink meets other weights, which may not have learned this shape. A convolution has a few weights,
# its filter, which look at a small window and slide over the image: what is learned in one place
# serves in all places. So our network makes do with 75,450 weights; lesson 2's has 1,865,738. One
# number comes out for each place of the window, and these numbers form an image again.
#
#     image (5, 5)      filter (3, 3)      output (3, 3)
#     0 0 1 0 0
#     0 1 1 0 0          -1  1  0           1  2 -3
#     0 0 1 0 0          -1  1  0           1  2 -3
#     0 0 1 0 0          -1  1  0           1  2 -2
#     0 1 1 1 0
#
# The window in the upper left corner holds the rows 0 0 1, 0 1 1 and 0 0 1. Each number is
# multiplied by the filter's number in the same place. Of the products only 1 * 1, in the middle, is
# not 0: the sum is 1. In the upper right corner the ink stands under the column of -1: the sum is
# -1 -1 -1 = -3. This filter answers to vertical edges: it is positive where ink begins, from left
# to right, and negative where it ends.
#
# A layer has several filters, K of them, and each makes an image of its own. The next layer gets
# all these images, called channels: C of them. The digit itself has C = 1. A filter has h x w
# weights for every channel. With filters F (K, C, h, w) and biases b (K,), for channel k of the
# output and its pixel i, j:
#
#     out[k, i, j] = b[k] + sum over c, m, n of F[k, c, m, n] x[c, i + m, j + n]
#
# where m goes from 0 to h - 1 and n from 0 to w - 1, over the rows and columns of the window. The
# loops of convolve() below are this formula. Mathematicians call it cross-correlation; their
# convolution turns the filter by 180 degrees.
#
# How is a filter learned? As in lesson 1, dq is the slope of the loss with respect to q. Each
# weight of a filter is used at every place, so its slope is the sum over all places. A pixel lies
# in several windows, so its slope, which goes back to the layer before, is the sum over these.
# Pixel p, q is number m, n of the window that begins at i = p - m, j = q - n. Autograd does all
# this, here for one image:
#
#     db[k]          = sum over i, j of dout[k, i, j]
#     dF[k, c, m, n] = sum over i, j of dout[k, i, j] x[c, i + m, j + n]
#     dx[c, p, q]    = sum over k, m, n of dout[k, p - m, q - n] F[k, c, m, n], without windows that
#                      would begin or end outside the image


def convolve(x, filters, biases):
    """Return the convolution (K, H - h + 1, W - w + 1) of x (C, H, W): filters (K, C, h, w)."""
    K, C, h, w = filters.shape
    height, width = x.shape[1] - h + 1, x.shape[2] - w + 1
    out = np.zeros((K, height, width))
    for k in range(K):
        out[k] = biases[k]
        for c in range(C):
            for i in range(height):
                for j in range(width):
                    window = x[c, i : i + h, j : j + w]  # (h, w)
                    out[k, i, j] += (filters[k, c] * window).sum()  # the sum over m and n
    return out


def check_convolution():
    """Print the example above, by four loops and by nn.Conv2d; UserError if they differ."""
    image = [[0, 0, 1, 0, 0], [0, 1, 1, 0, 0], [0, 0, 1, 0, 0], [0, 0, 1, 0, 0], [0, 1, 1, 1, 0]]
    x, edge = np.array([image], float), np.array([[[[-1, 1, 0]] * 3]], float)
    layer = nn.Conv2d(1, 1, 3)  # C, K, the height and width of the window
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(edge))
        layer.bias.zero_()
        found = layer(torch.from_numpy(x).float()[None])[0].numpy()  # [None] adds the axis N
    expected = convolve(x, edge, np.zeros(1))
    for words, numbers in (("image", x[0]), ("filter", edge[0, 0]), ("four loops", expected[0])):
        print(f"{words}:\n{numbers.round().astype(int)}")
    print(f"nn.Conv2d:\n{found[0].round().astype(int)}")
    if not np.allclose(found, expected, atol=1e-6):
        raise utils.UserError("the loops and nn.Conv2d disagree")


# ------------------------------------------------------------------------------------ the layers
# Padding: a rim of zeros around the image, so that the output is as large as the input. Above, 5
# pixels became 3, since a window of 3 has three places in them. With a rim of 1 there are 7 pixels,
# and five places. A window of 5 needs a rim of 2. Without padding a layer has less to compute, but
# sees the outermost pixels less often.
#
# Stride s: the window moves by s pixels, so that the output is about 1/s as high and wide. With a
# window of h x h and a rim of p pixels, H pixels become (H + 2 p - h) // s + 1.
#
# Pooling keeps the largest of each 2 x 2 pixels. Height and width are halved, and small shifts
# matter less. A quarter of the places is left. A layer with twice the channels in its input and in
# its output has four times the products for each place, so it costs the same as before.
#
# Receptive field: how many pixels of the digit, in one direction, a number depends on. It begins at
# 1. Two neighbouring numbers of a layer's input stand some pixels of the digit apart: this is the
# distance. It is 1 at first; pooling or a stride of 2 doubles it for the layers behind. A window of
# h numbers adds h - 1 times the distance. In our network:
#
#     layer                 conv  pool  conv  conv  pool  conv  conv  pool
#     distance              1     1     2     2     2     4     4     4
#     adds                  2     1     4     4     2     8     8     4
#     receptive field       3     4     8     12    14    22    30    34, more than the digit's 28
#
# Early layers see edges. In the last one the number in the middle sees the whole digit.


def stage(c_in, c_out, *, kernel=3, stride=1, pad=True, pool=False, batch_norm=True):
    """Return the layers that always go together: (N, c_in, H, W) -> (N, c_out, H', W').

    H' = H and W' = W, or half by pool or by stride 2; without pad they are smaller. Batch
    normalisation is as in nnet_fc.py, but takes the mean of a channel over all images of the batch
    and all pixels; what it adds serves as the bias. Pooling stands before it, because then only a
    quarter of the pixels must be normalised.
    """
    padding = kernel // 2 if pad else 0
    layers = [nn.Conv2d(c_in, c_out, kernel, stride, padding, bias=not batch_norm)]
    if pool:
        layers.append(nn.MaxPool2d(2))
    if batch_norm:
        layers.append(nn.BatchNorm2d(c_out))
    return [*layers, nn.ReLU()]


# Designs: the layers up to the last one. A design that you add to the dictionary below is a row of
# --sweep. The table is the sweep's: three epochs without adversarial examples, three seeds. It
# shows the per cent misread of dev, mean and standard deviation, and how many more than ours. The
# interval, calculated as in lesson 2, is +- 0.09: smaller differences may be chance. (Differences
# were taken before rounding.) Time is that of an epoch, in times that of ours.
#
#                       weights   misread, %     more than ours          time
#     ours               75,450   0.47 +- 0.06                           1
#     quick              33,914   0.57 +- 0.01   0.11: more errors       0.3
#     no-batch-norm      75,242   0.88 +- 0.03   0.42: more errors       0.9
#     5x5               198,586   0.45 +- 0.03   -0.02: not told apart   1.7
#     strides            79,930   0.53 +- 0.08   0.06: not told apart    0.6
#     wide              289,130   0.39 +- 0.02   -0.07: not told apart   2.7
#     lenet-5            61,706   0.90 +- 0.04   0.43: more errors       0.4
#     pytorch-example 1,199,882   0.88 +- 0.02   0.42: more errors       2.3


def ours(width=1.0, **options):
    """Five convolutions; there are more channels where there are fewer pixels."""
    few, more, most = round(16 * width), round(32 * width), round(64 * width)
    return [  # the shapes: for a width of 1
        *stage(1, few, pool=True, **options),  # (N, 16, 14, 14)
        *stage(few, more, **options),  # (N, 32, 14, 14)
        *stage(more, more, pool=True, **options),  # (N, 32, 7, 7)
        *stage(more, most, **options),  # (N, 64, 7, 7)
        # An odd row and column are dropped: (N, 64, 3, 3).
        *stage(most, most, pool=True, **options),
    ]


def quick(width=1.0):
    """Three convolutions; the window of the first moves by two pixels.

    Digits have about four empty pixels around them, so the first layer needs no padding. The last
    layer has none either: it then has 4 x 4 places to compute in place of 6 x 6.
    """
    few, more, most = round(16 * width), round(32 * width), round(64 * width)
    return [
        *stage(1, few, kernel=5, stride=2, pad=False),  # (N, 16, 12, 12)
        *stage(few, more, pool=True),  # (N, 32, 6, 6)
        *stage(more, most, pad=False),  # (N, 64, 4, 4)
    ]


def strided(width=1.0):
    """Ours with strides in place of pooling."""
    few, more, most = round(16 * width), round(32 * width), round(64 * width)
    return [
        *stage(1, few, stride=2),  # (N, 16, 14, 14)
        *stage(few, more),  # (N, 32, 14, 14)
        *stage(more, more, stride=2),  # (N, 32, 7, 7)
        *stage(more, most),  # (N, 64, 7, 7)
        *stage(most, most, stride=2),  # (N, 64, 4, 4): strides round up, pooling rounds down
    ]


def lenet5(width=1.0):
    """LeNet-5 of LeCun et al., Proceedings of the IEEE 86(11), 1998, as it is built today.

    In the original the pooling has weights, and most filters of layer 2 see only some channels.
    """
    few, more = round(6 * width), round(16 * width)
    return [
        nn.Conv2d(1, few, 5, padding=2),  # (N, 6, 28, 28)
        nn.Tanh(),
        nn.AvgPool2d(2),  # (N, 6, 14, 14): the mean of each 2 x 2 pixels
        nn.Conv2d(few, more, 5),  # (N, 16, 10, 10)
        nn.Tanh(),
        nn.AvgPool2d(2),  # (N, 16, 5, 5)
        train_utils.Flatten(),  # (N, 400)
        nn.Linear(more * 5 * 5, 120),
        nn.Tanh(),
        nn.Linear(120, 84),
        nn.Tanh(),
    ]


def pytorch_example(width=1.0):
    """The layers of github.com/pytorch/examples, folder mnist, trained as ours."""
    few, more = round(32 * width), round(64 * width)
    return [
        nn.Conv2d(1, few, 3),  # (N, 32, 26, 26)
        nn.ReLU(),
        nn.Conv2d(few, more, 3),  # (N, 64, 24, 24)
        nn.ReLU(),
        nn.MaxPool2d(2),  # (N, 64, 12, 12)
        # Dropout: while the network learns, a random quarter of the numbers is set to 0, anew in
        # every step. So it cannot rely on single numbers. The rest is divided by 0.75, so that the
        # sum stays as large on average.
        nn.Dropout(0.25),
        train_utils.Flatten(),  # (N, 9216)
        nn.Linear(more * 12 * 12, 128),
        nn.ReLU(),
        nn.Dropout(0.5),
    ]


DESIGNS = {
    "ours": ours,
    "quick": quick,
    "no-batch-norm": lambda width: ours(width, batch_norm=False),
    "5x5": lambda width: ours(width, kernel=5),
    "strides": strided,
    "wide": lambda width: ours(2 * width),
    "lenet-5": lenet5,
    "pytorch-example": pytorch_example,
}


def build_model(design="ours", width=1.0):
    """Return the network, with `width` times as many channels: (N, 1, 28, 28) -> logits (N, 10).

    How many numbers reach the last layer is measured: an empty image is sent through the layers
    before it. For ours they can be counted as well: 28 pixels are halved to 14, to 7, and to 3, so
    there are 64 * 3 * 3 = 576.
    """
    try:
        layers = nn.Sequential(*DESIGNS[design](width), train_utils.Flatten())
    except (TypeError, ValueError) as error:  # a forgotten star, return or pair of brackets
        raise utils.UserError(f"design {design} must give a list of layers: {error}") from None
    features = train_utils.try_out(layers, torch.zeros(1, 1, 28, 28)).shape[1]
    model = nn.Sequential(*layers, nn.Linear(features, 10))
    return model.train().to(memory_format=torch.channels_last)  # in memory; faster on CPUs


RECIPE = {  # what each ingredient is worth stands in tests/benchmarks/README.md
    "epochs": 30,  # these take five to seven minutes on 2 cores
    "batch_size": 128,
    "lr": 0.2,  # the highest of the schedule
    "momentum": 0.9,
    "schedule": "one-cycle",
    "augment": True,  # each digit is moved at random, anew in every epoch
    "averaging": 0.998,  # of the weights, over about 500 steps (train_utils.moving_average)
    "label_smoothing": 0.05,  # share of each label (train_utils.losses_of)
    "adversarial": 0.5,  # length of the step (train_utils.adversarial_examples); a digit's: 9.2
}
NEEDS = {  # other settings that a design needs
    "quick": {"adversarial": 0.0},  # meant for one epoch: too short to learn from harder digits
    "no-batch-norm": {"lr": 0.05},  # with 0.2 two of three networks learned nothing
}
ADVERSARIAL_SHARE = 0.25  # of each batch; each such image costs a second forward and backward
SWEEP_EPOCHS = 3  # rankings can change in longer runs
SWEEP_SEEDS = 3  # few: only large differences are told apart


# ------------------------------------------------------ the program (you need not read this)


def model_of(args):
    """Return the network that the options ask for, on their device."""
    return build_model(args.design, args.width).to(args.device)


def train(args, model, data, run):
    """Train a model as the options say; images are moved at random, anew in every epoch."""
    share = {"adversarial_share": ADVERSARIAL_SHARE}
    train_utils.fit(args, run, model, data, train_utils.random_affine, **share)


def sweep(args):
    """Train the designs that --sweep names, or all, and compare them; return the table's rows."""
    names = args.sweep or list(DESIGNS)
    for name in set(names) - set(DESIGNS):
        raise utils.UserError(f"--sweep {name}: the designs are {', '.join(DESIGNS)}")
    for name in names:
        build_model(name, args.width)  # a mistake in a design shows at once
    data = train_utils.load_tensors(args)

    def train_one(name, seed):
        needs = {key: value for key, value in NEEDS.get(name, {}).items() if key not in args.typed}
        one = argparse.Namespace(**vars(args) | {"design": name} | needs)
        torch.manual_seed(seed)
        model, run = model_of(one), utils.Run(one.epochs, seed)
        train(one, model, data, run)
        return model, run

    if not args.quiet:
        print(f"epochs each: {args.epochs}; rankings can change in longer runs")
        for name in names:
            for key, value in NEEDS.get(name, {}).items():
                if key not in args.typed and value != getattr(args, key):
                    print(f"{name}: --{key} {value}, for it needs that")
    with utils.start_run(args) as run:
        return train_utils.sweep(args, run, names, SWEEP_SEEDS, train_one, against_time=True)


def main(argv=None):
    """Train, test and record one network, or read images with it; return the metrics."""
    parser = train_utils.recipe_parser(__file__, __doc__, **RECIPE)
    add, width = parser.add_argument, utils.number(float, 0.05, 20)
    sets = [f"{name} sets --{key} {v}" for name, one in NEEDS.items() for key, v in one.items()]
    words = f"layers (default ours); {', '.join(sets)}"
    parser.add_setting("--design", choices=DESIGNS, default="ours", help=words)
    words = "as many channels in every convolution (default 1)"
    parser.add_setting("--width", type=width, default=1.0, metavar="TIMES", help=words)
    words = "learn from the dev digits as well: for a last run, when everything is chosen"
    parser.add_setting("--all-digits", action="store_true", help=words)
    add("--check-convolution", action="store_true", help="four loops against nn.Conv2d, and stop")
    words = f"compare all designs, or those named, on dev: --epochs {SWEEP_EPOCHS} --adversarial 0"
    add("--sweep", nargs="*", metavar="NAME", help=words)
    add("--draw", action="store_true", help="draw digits and have them read")
    in_sweep = {"epochs": SWEEP_EPOCHS, "adversarial": 0.0}
    parser.add_preset(lambda values: values["sweep"] is not None, **in_sweep)
    for name, needs in NEEDS.items():
        parser.add_preset(lambda values, name=name: values["design"] == name, **needs)
    args = train_utils.parse_arguments(parser, argv)
    if args.check_convolution:
        return check_convolution()
    if args.sweep is not None:
        if args.all_digits:
            parser.error("--sweep compares on the dev digits: leave out --all-digits")
        return sweep(args)
    if args.predict or args.draw:
        reader = train_utils.trained_reader(args, model_of, ["design", "width"])
        return utils.read_pictures(args, reader) if args.predict else utils.draw_and_read(reader)
    if args.seeds > 1:
        return utils.run_seeds(main, args, argv)
    data = train_utils.load_tensors(args)
    model = model_of(args)
    facts = {"layers": repr(model), "adversarial_share": ADVERSARIAL_SHARE}
    with utils.start_run(args, data, train_utils.count_weights(model), **facts) as run:
        train(args, model, data, run)
        return train_utils.finish_run(run, args, model, data)


if __name__ == "__main__":
    utils.run_script(main)
