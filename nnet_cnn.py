"""Read one handwritten digit with a convolutional network.

    python nnet_cnn.py                 trains it and writes runs/nnet_cnn
    python nnet_cnn.py --epochs 1 --nudge 0 --width 0.5
                                       an answer in seconds
    python nnet_cnn.py --predict seven.png
    python nnet_cnn.py --draw          reads what you draw with the mouse, while you draw it

To expect: 99.71 +- 0.02 % of the test digits (five seeds; PyTorch 2.13, bf16), 255 s in all on 2
cores of an AMD EPYC; after one epoch of half the width, without nudges, 99.23 +- 0.10 %, 7 to 9 s.
"""

import utils  # isort: skip - before torch: it sets how torch's threads wait for work

import numpy as np
import torch
from torch import nn

import photographs
import reports
import train_utils

CHANNELS = (16, 32, 64)
EPOCHS = 30  # the more the better; these take four to five minutes on 2 cores
BATCH_SIZE = 128
LEARNING_RATE = 0.2  # the highest of the schedule
MOMENTUM = 0.9
AVERAGING = 0.998  # averages the weights of the last 500 steps, a bit more than one epoch
# The numbers: percent misread of 30,000 warped dev digits, which tell more than 6,000 plain ones
# (one or two seeds). Eight epochs with neither of the following: 0.88; with the first: 0.67.
SMOOTHING = 0.05  # share of each label spread over all digits (train_utils.smoothed); 0.2: 0.76
NUDGE = 0.5  # length of the step towards a harder digit (train_utils.nudge)
NUDGED_SHARE = 0.25  # of each batch
# In the same time, since a nudge costs a step as well:
#     nudged   a quarter   half    all
#     epochs   17          14      11
#     misread  0.57        0.61    0.62
# Without nudges 36 epochs misread 0.66. Nudges of 0.9 for half of each batch: 0.63; of 1.0 for all
# of it the network learns to tell the digit from the step ("label leaking", Kurakin et al., ICLR
# 2017) and misreads 5 % of the plain dev digits. Tried and left out: a sixth convolution,
# (N, 128, 3, 3), which was worth its time and no more; weight decay; larger or elastic warps.


def build_model(width=1.0):
    """Return the network, with `width` times as many channels: (N, 1, 28, 28) -> logits (N, 10)."""
    few, more, most = (round(width * channels) for channels in CHANNELS)
    model = nn.Sequential(  # the shapes: for a width of 1
        *train_utils.convolution(1, few, pool=True),  # (N, 16, 14, 14)
        *train_utils.convolution(few, more, pool=False),  # (N, 32, 14, 14)
        *train_utils.convolution(more, more, pool=True),  # (N, 32, 7, 7)
        *train_utils.convolution(more, most, pool=False),  # (N, 64, 7, 7)
        *train_utils.convolution(most, most, pool=True),  # (N, 64, 3, 3)
        train_utils.Flatten(),  # (N, 576); 7 // 2 = 3, the odd row and column are dropped
        nn.Linear(most * 3 * 3, 10),  # (N, 10)
    )
    return model.to(memory_format=torch.channels_last)  # (N, H, W, C): faster on CPUs


def drawing_pad(classify):
    """Open a window to draw a digit in; classify: (1, 28, 28) -> probabilities (1, 1, 10).

    Returns Matplotlib's figure and the button that clears it, which must be kept while it is open.
    """
    from matplotlib import pyplot
    from matplotlib.widgets import Button

    figure, (pad, seen, bars) = pyplot.subplots(1, 3, figsize=(11, 4.2))
    figure.subplots_adjust(left=0.03, right=0.98, bottom=0.2, wspace=0.15)
    ink = np.zeros((280, 280), np.float32)  # ten times the size of the network's picture
    rows, columns = np.ogrid[:280, :280]
    sheet = pad.imshow(ink, cmap="gray_r", vmin=0, vmax=1)
    view = seen.imshow(np.zeros((28, 28)), cmap="gray_r", vmin=0, vmax=1)
    chances = bars.bar(range(10), np.zeros(10), color=reports.BLUE)
    pad.set(title="draw a digit here", xticks=[], yticks=[])
    seen.set(title="what the network sees", xticks=[], yticks=[])
    bars.set(title="how sure it is (%)", ylim=(0, 100), xticks=range(10))
    last = []  # where the pen was, while it is down

    def show():
        digit = photographs.normalise(1 - ink)  # None as long as nothing is drawn
        heights = np.zeros(10) if digit is None else 100 * classify(digit[None])[0, 0]
        for bar, height in zip(chances, heights, strict=True):
            bar.set_height(height)
        sheet.set_data(ink)
        view.set_data(np.zeros((28, 28)) if digit is None else digit)
        figure.canvas.draw_idle()

    def move(event):
        if event.button != 1 or event.inaxes is not pad:
            last.clear()
            return
        here = np.array([event.ydata, event.xdata])
        for share in np.linspace(0, 1, 20) if last else [1]:  # a mouse moves in jumps
            row, column = share * here + (1 - share) * (last[0] if last else here)
            ink[(rows - row) ** 2 + (columns - column) ** 2 < 11**2] = 1  # a pen of 2 pixels of 28
        last[:] = [here]
        show()

    def clear(event):
        ink[:] = 0
        show()

    for name in ("button_press_event", "motion_notify_event"):
        figure.canvas.mpl_connect(name, move)
    figure.canvas.mpl_connect("button_release_event", lambda event: last.clear())
    button = Button(figure.add_axes((0.1, 0.04, 0.12, 0.09)), "clear")
    button.on_clicked(clear)
    return figure, button


def draw(args, model):
    """Read what the user draws with the trained network, until the window is closed."""
    from matplotlib import pyplot

    pad = drawing_pad(train_utils.trained_reader(args, model))
    pyplot.show()
    return pad


def main(argv=None):
    """Train, test and record one network, or read pictures with it; return the metrics."""
    parser = train_utils.argument_parser(
        "nnet_cnn", __doc__, epochs=EPOCHS, batch_size=BATCH_SIZE, lr=LEARNING_RATE,
        momentum=MOMENTUM,
    )  # fmt: skip
    parser.add_argument("--nudge", type=utils.number(float, 0, 28), default=NUDGE,
        metavar="LENGTH", help="of the step towards a harder digit (default %(default)s; "
        "0: none, in two thirds of the time)")  # fmt: skip
    parser.add_argument("--width", type=utils.number(float, 0.05, 20), default=1.0,
        metavar="TIMES", help="as many channels in every convolution (default 1)")  # fmt: skip
    parser.add_argument("--draw", action="store_true", help="draw digits and have them read")
    args = train_utils.parse_arguments(parser, argv)
    if args.draw:
        reports.require_display()
    if args.predict or args.draw:
        args = reports.recall_settings(parser, args, ["width"])
    model = build_model(args.width).to(args.device)
    if args.draw:
        return draw(args, model)
    if args.predict:
        return train_utils.predict(args, model)
    with utils.run_folder(args.output_dir) as folder:
        data = train_utils.load_digits(args)
        batches = train_utils.ShuffledBatches(
            *data["train"], args.batch_size, augment=train_utils.random_warp
        )
        history = train_utils.train(
            args, folder, model, batches, data["dev"], schedule=train_utils.one_cycle,
            averaging=AVERAGING, smoothing=SMOOTHING, nudged=args.nudge, nudged_share=NUDGED_SHARE,
        )  # fmt: skip
        return train_utils.finish_run(args, folder, model, model, batches, history, data["test"])


if __name__ == "__main__":
    utils.run_script(main)
