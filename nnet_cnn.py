"""Read one handwritten digit with a convolutional network.

    python nnet_cnn.py                 trains it and writes runs/nnet_cnn
    python nnet_cnn.py --epochs 1      the answer in seconds
    python nnet_cnn.py --predict seven.png
"""

import torch
from torch import nn

import train_utils
import utils

EPOCHS = 20
BATCH_SIZE = 128
LEARNING_RATE = 0.2  # the highest of the schedule
MOMENTUM = 0.9
WEIGHT_DECAY = 0.0
AVERAGING = 0.998  # averages the weights of the last 500 steps, a bit more than one epoch


def build_model():
    """Return the network: (N, 1, 28, 28) -> logits (N, 10)."""
    model = nn.Sequential(
        *train_utils.convolution(1, 16, pool=True),  # (N, 16, 14, 14)
        *train_utils.convolution(16, 32, pool=False),  # (N, 32, 14, 14)
        *train_utils.convolution(32, 32, pool=True),  # (N, 32, 7, 7)
        *train_utils.convolution(32, 64, pool=False),  # (N, 64, 7, 7)
        *train_utils.convolution(64, 64, pool=True),  # (N, 64, 3, 3)
        train_utils.Flatten(),  # (N, 576)
        nn.Linear(64 * 3 * 3, 10),  # (N, 10)
    )
    return model.to(memory_format=torch.channels_last)  # the CPU's convolutions are faster so


def main(argv=None):
    """Train, test and record one network, or read pictures with it; return the metrics."""
    parser = train_utils.argument_parser(
        "nnet_cnn", __doc__, epochs=EPOCHS, batch_size=BATCH_SIZE, lr=LEARNING_RATE,
        momentum=MOMENTUM,
    )  # fmt: skip
    args = train_utils.parse_arguments(parser, argv)
    model = build_model().to(args.device)
    if args.predict:
        return train_utils.predict(args, model)
    with utils.run_folder(args.output_dir) as folder:
        data = train_utils.load_digits(args)
        batches = train_utils.ShuffledBatches(
            *data["train"], args.batch_size, augment=train_utils.random_warp
        )
        history = train_utils.train(
            args, folder, model, batches, data["dev"],
            schedule=train_utils.one_cycle, weight_decay=WEIGHT_DECAY, averaging=AVERAGING,
        )  # fmt: skip
        return train_utils.finish_run(
            args, folder, model, model, batches, history, data["test"]
        )


if __name__ == "__main__":
    utils.run_script(main)
