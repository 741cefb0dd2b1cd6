"""Read one handwritten digit with a convolutional network.

    python nnet_cnn.py                 trains it and writes runs/nnet_cnn
    python nnet_cnn.py --epochs 1      the answer in seconds
    python nnet_cnn.py --predict seven.png
"""

import torch
from torch import nn

import pictures
import train_utils
import utils

EPOCHS = 20
BATCH_SIZE = 128
LEARNING_RATE = 0.2  # the highest of the schedule
MOMENTUM = 0.9
WEIGHT_DECAY = 0.0
AVERAGING = 0.998  # averages the weights of the last 500 steps, a bit more than one epoch


def convolution(channels_in, channels_out, pool):
    """Return the layers of one stage, (N, C_in, H, W) -> (N, C_out, H, W), half the size if pool.

    Pooling stands before normalisation and ReLU, which gives the same as after them up to the sign
    of the normalisation's scale, and leaves a quarter of the pixels to normalise.
    """
    layers = [nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=False)]
    if pool:
        layers.append(nn.MaxPool2d(2))
    return [*layers, nn.BatchNorm2d(channels_out), nn.ReLU()]


def build_model():
    """Return the network: (N, 1, 28, 28) -> logits (N, 10)."""
    model = nn.Sequential(
        *convolution(1, 16, pool=True),  # (N, 16, 14, 14)
        *convolution(16, 32, pool=False),  # (N, 32, 14, 14)
        *convolution(32, 32, pool=True),  # (N, 32, 7, 7)
        *convolution(32, 64, pool=False),  # (N, 64, 7, 7)
        *convolution(64, 64, pool=True),  # (N, 64, 3, 3)
        train_utils.Flatten(),  # (N, 576)
        nn.Linear(64 * 3 * 3, 10),  # (N, 10)
    )
    return model.to(memory_format=torch.channels_last)  # the CPU's convolutions are faster so


def draw_own(folder, model, picture):
    """Draw filters.png, the first layer's filters, and activations.png, what they do to a digit."""
    filters = model[0].weight.detach().float().cpu().numpy()[:, 0]  # (16, 3, 3)
    heading = "first filters (red +, blue -)"
    pictures.draw_tiles(folder / "filters.png", filters, heading=heading, columns=8, signed=True)
    train_utils.draw_activations(folder / "activations.png", model, picture)


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
            weight_decay=WEIGHT_DECAY, averaging=AVERAGING,
        )  # fmt: skip
        return train_utils.finish_run(
            args, folder, model, batches, history, data["test"],
            lambda results: draw_own(results, model, data["test"][0][0]),
        )  # fmt: skip


if __name__ == "__main__":
    utils.run_script(main)
