"""Read one handwritten digit with a fully connected network.

    python nnet_fc.py                  trains the best that we found and writes runs/nnet_fc
    python nnet_fc.py --augment        the same, on digits that are warped a little, anew each time
    python nnet_fc.py --sweep          tries the settings of the course, one change at a time
    python nnet_fc.py --hidden 128 --batch-size 32 --lr 0.1 --momentum 0 --epochs 30
                                       the course's baseline
"""

from itertools import pairwise

from torch import nn

import train_utils
import utils

HIDDEN = (1024, 512)
DROPOUT = 0.3
EPOCHS = 30
BATCH_SIZE = 128
LEARNING_RATE = 0.2  # the highest of the schedule
MOMENTUM = 0.9
WEIGHT_DECAY = 0.0
LABEL_SMOOTHING = 0.0
AVERAGING = 0.998  # averages the weights of the last 500 steps, a bit more than one epoch

ACTIVATIONS = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
}


def build_model(hidden=None, activation="relu"):
    """Return the network: (N, 1, 28, 28) or (N, 784) -> logits (N, 10).

    `hidden` are the widths of the course's plain network; None gives our own, whose hidden layers
    are normalised and thinned out by dropout.
    """
    layers = [train_utils.Flatten()]  # (N, 784)
    for inputs, outputs in pairwise((784, *(hidden or HIDDEN))):
        layers.append(nn.Linear(inputs, outputs))  # (N, outputs)
        if not hidden:
            layers.append(nn.BatchNorm1d(outputs))
        layers.append(ACTIVATIONS[activation]())
        if not hidden:
            layers.append(nn.Dropout(DROPOUT))
    return nn.Sequential(*layers, nn.Linear(outputs, 10))  # (N, 10)


def main(argv=None):
    """Train, test and record one network, or read pictures with it; return the metrics."""
    parser = train_utils.argument_parser(
        "nnet_fc", __doc__, epochs=EPOCHS, batch_size=BATCH_SIZE, lr=LEARNING_RATE,
        momentum=MOMENTUM,
    )  # fmt: skip
    parser.add_argument("--hidden", type=utils.number(int, 1, 10**5), nargs="+", metavar="N",
        help="the course's plain network with hidden layers of these widths: no normalisation, "
             "dropout, schedule or averaging")  # fmt: skip
    parser.add_argument("--activation", choices=ACTIVATIONS, default="relu", help="of hidden units")
    parser.add_argument("--augment", action="store_true", help="warp the training digits at random")
    args = train_utils.parse_arguments(parser, argv)
    if args.predict:
        args = train_utils.recall_settings(parser, args, ["hidden", "activation"])
    model = build_model(args.hidden, args.activation).to(args.device)
    if args.predict:
        return train_utils.predict(args, model)
    ours = {
        "schedule": train_utils.one_cycle, "averaging": AVERAGING,
        "label_smoothing": LABEL_SMOOTHING, "weight_decay": WEIGHT_DECAY,
    }  # fmt: skip
    with utils.run_folder(args.output_dir) as folder:
        data = train_utils.load_digits(args)
        augment = train_utils.random_warp if args.augment else None
        batches = train_utils.ShuffledBatches(*data["train"], args.batch_size, augment=augment)
        history = train_utils.train(
            args, folder, model, batches, data["dev"], **({} if args.hidden else ours)
        )
        return train_utils.finish_run(
            args, folder, model, model, batches, history, data["test"]
        )


if __name__ == "__main__":
    utils.run_script(main)
