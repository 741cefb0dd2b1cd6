"""What the four PyTorch scripts share: batches, the training loop, the command line, the report.

In the order of the file: the functions of the course (batches, one epoch, training); the choices
that go with them (optimizer, nudges, schedule, averaged weights, random warps); the command line,
the data, the files of a run; pictures read with its weights.
Shapes: N examples, B of them in a batch, C channels, H rows, W columns; a head reads one digit.
"""

import utils  # isort: skip - before torch: it sets how torch's threads wait for work

import copy
import math
import time

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

import checkpoints
import photographs
import reports
from utils import UserError

EVALUATION_BATCH = 1000  # large enough to keep two cores busy, small enough to stay in memory
AT_ONCE = 2  # batches are made that many at a time: fewer, larger operations
NUDGE_GROWS = 0.3  # share of a run in which nudges grow from 0, for beginners need easy digits

# --------------------------------------------------------------------- batches and one epoch


class Flatten(nn.Module):
    """(N, ...) -> (N, everything)."""

    def forward(self, x):
        return x.reshape(len(x), -1)


def batchify_data(x_data, y_data, batch_size, *, drop_last=True):
    """Cut data into a list of batches {'x': float32 (B, ...), 'y': int64 (B,) or (2, B)}.

    Labels of two digits are a pair of sequences, (2, N). A short last batch is dropped, as in the
    course, unless drop_last=False; whatever evaluates must keep it. Raises ValueError if pictures
    and labels differ in number.
    """
    x = torch.as_tensor(np.asarray(x_data) if isinstance(x_data, (list, tuple)) else x_data)
    y = torch.as_tensor(np.asarray(y_data) if isinstance(y_data, (list, tuple)) else y_data)
    if len(x) != y.shape[-1] or batch_size < 1:
        raise ValueError(f"{len(x)} pictures, {y.shape[-1]} labels, batches of {batch_size}")
    end = len(x) - len(x) % batch_size if drop_last else len(x)
    parts = [slice(i, min(i + batch_size, end)) for i in range(0, end, batch_size)]
    return [{"x": x[part].float(), "y": y[..., part].long()} for part in parts]


def as_floats(x):
    """Bytes -> float32 in [0, 1]; float32 stays as it is."""
    return x if x.is_floating_point() else x / 255


class ShuffledBatches:
    """Like a list of full batches, but in a new random order, and made anew, every time.

    x (N, ...), float32 in [0, 1] or bytes, and y (N,) or (2, N) stay where they are in memory; a
    batch is float32. `augment`, if given, gets pictures (n, ...) and returns others of the same
    shape. `compose`, if given, makes one picture of two: every picture meets a random other one,
    and the labels become (2, B).
    """

    def __init__(self, x, y, batch_size, *, augment=None, compose=None):
        self.x, self.y, self.batch_size = x, y, batch_size
        self.augment, self.compose = augment, compose
        if not 1 <= batch_size <= len(x):
            raise UserError(f"--batch-size {batch_size}: there are only {len(x)} training examples")

    def __len__(self):
        return len(self.x) // self.batch_size

    def __iter__(self):
        # The second order is that of the partners, drawn in any case to keep this short.
        for first, second in zip(self.random_order(), self.random_order(), strict=True):  # (n,)
            chosen = torch.cat([first, second]) if self.compose else first
            x = self.x.index_select(0, chosen)  # what self.x[chosen] gives, in half the time
            y = self.y.index_select(-1, chosen)
            if self.augment:
                x = self.augment(as_floats(x))
            if self.compose:
                x, y = self.compose(*x.chunk(2)), y.view(2, -1)
            size = self.batch_size
            for part, labels in zip(as_floats(x).split(size), y.split(size, -1), strict=True):
                yield {"x": part, "y": labels}

    def random_order(self):
        """Return a random order of the examples, cut into the indices (n,) of AT_ONCE batches."""
        order = torch.randperm(len(self.x))[: len(self) * self.batch_size]
        return order.to(self.x.device).split(AT_ONCE * self.batch_size)


def compute_accuracy(predictions, y):
    """Return the share of predictions that equal y, in [0, 1]."""
    return (torch.as_tensor(predictions) == torch.as_tensor(y)).float().mean().item()


def logits_of(model, x, precision):
    """Return what every head says of the pictures x (B, ...): logits, heads x (B, 10)."""
    # bf16: 16 bits with float32's range, for the products alone; weights stay float32.
    with torch.autocast(x.device.type, torch.bfloat16, enabled=precision == "bf16"):
        out = model(x)
    return [z.float() for z in (out if isinstance(out, (tuple, list)) else (out,))]


def compare(model, x, y, precision):
    """Return what every head says, logits (B, 10) each, the labels (heads, B), the losses (heads,).

    Losses are cross-entropies in nats, averaged over the batch.
    """
    logits = logits_of(model, x, precision)
    y = y.reshape(len(logits), -1)
    # cross_entropy is softmax and -log p of the right class in one.
    losses = [F.cross_entropy(z, t) for z, t in zip(logits, y, strict=True)]
    return logits, y, torch.stack(losses)


def smoothed(losses, logits, share):
    """Return the mean loss as if `share` of every label were spread evenly over the ten classes.

    The network then gains nothing by being ever surer of what it reads right already. "Label
    smoothing": Szegedy et al., CVPR 2016 (arXiv 1512.00567), section 7.
    """
    even = [(z.logsumexp(1) - z.mean(1)).mean() for z in logits]  # mean over classes of -log p
    return ((1 - share) * losses + share * torch.stack(even)).mean()


def run_epoch(
    data, model, optimizer, *, precision="fp32", harden=None, smoothing=0.0, after_step=None
):
    """Go through all batches once: train if model.training, otherwise evaluate without gradients.

    Returns (loss, accuracy), averaged over examples; for a model with two heads, which trains on
    the mean of its losses, ((loss1, loss2), (accuracy1, accuracy2)). Losses are cross-entropies in
    nats. In training `harden(x, y)` returns the pictures to learn from instead of x, `smoothing` is
    the share of smoothed(), `after_step()` is called after every step of the optimizer. Raises
    UserError if the loss is no number.
    """
    device = next(model.parameters()).device
    loss_sum, right, count = 0, 0, 0
    with torch.set_grad_enabled(model.training):
        for batch in data:
            x, y = batch["x"].to(device), batch["y"].to(device)
            if harden and model.training:
                x = harden(x, y)
            logits, y, losses = compare(model, x, y, precision)  # y now (heads, B), losses (heads,)
            if device.type == "cpu":  # elsewhere a look at the loss would make the CPU wait for it
                check_finite(losses)
            if model.training:
                optimizer.zero_grad()  # gradients of the last step would be added to
                objective = smoothed(losses, logits, smoothing) if smoothing else losses.mean()
                objective.backward()  # the chain rule of neural_nets.py, done by PyTorch
                optimizer.step()
                if after_step:
                    after_step()
            loss_sum = loss_sum + losses.detach() * len(x)
            right = right + (torch.stack([z.argmax(1) for z in logits]) == y).sum(1)
            count += len(x)
    if count == 0:
        raise UserError("there are fewer examples than one batch holds; lower --batch-size")
    check_finite(loss_sum)
    loss, accuracy = (loss_sum / count).tolist(), [n / count for n in right.tolist()]
    return (loss[0], accuracy[0]) if len(loss) == 1 else (tuple(loss), tuple(accuracy))


def check_finite(losses):
    """Raise UserError if a loss is infinite or not a number: nothing after it can be of use."""
    if not torch.isfinite(losses).all():
        raise UserError("the loss is no longer a number: the steps are too long; lower --lr")


# ------------------------------------------------------------------------------- training


def train_model(
    train_data, dev_data, model, lr=0.01, momentum=0.9, nesterov=False, n_epochs=30, *,
    schedule=None, averaging=0.0, nudged=0.0, nudged_share=1.0, smoothing=0.0, precision="fp32",
    keep_best=False, history=None, checkpoint=None, resume=False, settings=None, quiet=False,
):  # fmt: skip
    """Train with stochastic gradient descent and return the accuracy on dev (a pair for two heads).

    train_data and dev_data are lists of batches, or ShuffledBatches. With the first seven arguments
    alone this is the course's function. `schedule(progress)` multiplies lr, progress going from 0
    to 1; `averaging` is the decay of the averaged weights, which the model has in the end, from the
    epoch that did best on dev if keep_best; `nudged` is the length that nudge() comes to, for
    `nudged_share` of each batch, `smoothing` the share of smoothed(). One row per epoch is appended
    to the list `history`. After every epoch the path `checkpoint` is written; `resume` goes on from
    there and ends with the same bits. Raises UserError if the loss is no number, or the checkpoint
    of other settings.
    """
    steps = max(1, n_epochs * len(train_data))

    def rate(n):  # in the middle of step n, so that neither the first nor the last is 0
        return lr * schedule(min(n + 0.5, steps - 0.5) / steps) if schedule else lr

    optimizer = SGD(model.parameters(), rate, momentum, nesterov)
    averaged = copy.deepcopy(model) if averaging else model
    parts = {"model": model, "averaged": averaged, "optimizer": optimizer}
    history = [] if history is None else history
    best = checkpoints.load_checkpoint(checkpoint, parts, history, settings) if resume else None
    how = hooks(model, averaged, optimizer, steps, averaging, nudged, nudged_share, precision)
    with utils.saying_how_to_resume(checkpoint, history):
        for epoch in range(len(history) + 1, n_epochs + 1):
            start = time.perf_counter()
            bar = reports.progress_bar(train_data, f"epoch {epoch}/{n_epochs}", quiet)
            # train() and eval() switch what dropout and batch normalisation do.
            train = run_epoch(bar, model.train(), optimizer, smoothing=smoothing, **how)
            seconds = time.perf_counter() - start
            dev = run_epoch(dev_data, averaged.eval(), None, precision=precision)
            row = reports.history_row(epoch, train, dev, rate(optimizer.steps), seconds)
            with utils.interrupts_held():  # Ctrl-C waits until history and checkpoint agree
                history.append(row)
                if not keep_best or reports.chosen_row(history) is row:
                    best = copy.deepcopy(averaged.state_dict())
                if checkpoint:
                    checkpoints.save_checkpoint(checkpoint, parts, best, history, settings)
            if not quiet:
                print(reports.epoch_line(row, n_epochs), flush=True)
    model.load_state_dict(best)
    model.eval()
    row = reports.chosen_row(history) if keep_best else history[-1]
    return reports.row_values(row, "dev_accuracy")


def hooks(model, averaged, optimizer, steps, averaging, nudged, nudged_share, precision):
    """Return what run_epoch does in training besides learning, as its keyword arguments."""

    def harden(x, y):
        length = nudged * min(1, optimizer.steps / steps / NUDGE_GROWS)
        n = math.ceil(nudged_share * len(x))  # the others are learned as they are
        return torch.cat([nudge(model, x[:n], y[..., :n], length, precision), x[n:]])

    def after_step():
        update_average(averaged, model, optimizer.steps, averaging)

    return {"precision": precision, "harden": harden if nudged else None,
            "after_step": after_step if averaging else None}  # fmt: skip


class SGD:
    """Stochastic gradient descent with momentum, like torch.optim.SGD; rate(n) is that of step n.

    Written out because it is short, and because importing torch.optim takes another 1.3 s. Methods
    that end in _ work in place; p.sub_(v, alpha=lr) is p <- p - lr v.
    """

    def __init__(self, parameters, rate, momentum, nesterov):
        self.parameters, self.rate, self.steps = list(parameters), rate, 0
        self.momentum, self.nesterov = momentum, nesterov
        self.velocities = [torch.zeros_like(p) for p in self.parameters]

    def zero_grad(self):
        """Forget the gradients of the last step."""
        for p in self.parameters:
            p.grad = None

    @torch.no_grad()
    def step(self):
        """Move every weight against its gradient, which is overwritten."""
        lr = self.rate(self.steps)
        for p, v in zip(self.parameters, self.velocities, strict=True):
            if p.grad is not None:  # None: nothing that was computed depends on this weight
                v.mul_(self.momentum).add_(p.grad)  # the velocity: a sum of fading gradients
                # Nesterov's step goes where the velocity would be after another such step.
                p.sub_(p.grad.add_(v, alpha=self.momentum) if self.nesterov else v, alpha=lr)
        self.steps += 1

    def state_dict(self):
        """Return what the next step depends on, for a checkpoint."""
        return {"steps": self.steps, "velocities": self.velocities}

    def load_state_dict(self, state):
        """Go on from what state_dict() returned."""
        self.steps = int(state["steps"])
        if self.steps < 0:
            raise ValueError("a run with fewer than no steps")
        for mine, saved in zip(self.velocities, state["velocities"], strict=True):
            mine.copy_(saved)


def nudge(model, x, y, length, precision="fp32"):
    """Return the pictures x (B, ...), each moved by `length` to where its loss grows fastest.

    The length is Euclidean, over all pixels. The loss grows fastest along its gradient with respect
    to the pixels; what is learned there holds in a ball around each picture. Goodfellow et al.,
    ICLR 2015 (arXiv 1412.6572), section 5; Euclidean: Miyato et al., ICLR 2016 (arXiv 1507.00677).
    """
    # In training mode, every picture would change the others' losses, too, through the batch's mean
    # and variance in batch normalisation.
    model.eval()
    x = x.clone().requires_grad_()
    losses = compare(model, x, y, precision)[2]
    (steps,) = torch.autograd.grad(losses.sum(), x)  # the weights' gradients are not computed
    model.train()
    lengths = steps.flatten(1).norm(dim=1).view(-1, *[1] * (x.ndim - 1))  # (B, 1, ...)
    return x.detach() + steps * (length / (lengths + 1e-20))


def one_cycle(progress):
    """Schedule: the rate climbs to its highest over 0.3 of the run, then falls to zero.

    Smith and Topin, "Super-convergence", 2019 (arXiv 1708.07120), with straight lines.
    """
    return progress / 0.3 if progress < 0.3 else (1 - progress) / 0.7


@torch.no_grad()
def update_average(averaged, model, step, decay):
    """Move averaged weights a little towards the model's: an exponential moving average.

    Averages of the last 1 / (1 - decay) steps lie nearer to the middle of a valley than any single
    step does; Polyak and Juditsky, SIAM J. Control Optim. 30 (1992). Early in a run, when the
    weights still move far, the average is shorter: decay grows as (1 + step) / (10 + step).
    """
    new_share = 1 - min(decay, (1 + step) / (10 + step))
    for old, new in zip(averaged.parameters(), model.parameters(), strict=True):
        old.lerp_(new, new_share)
    for old, new in zip(averaged.buffers(), model.buffers(), strict=True):
        if old.is_floating_point():  # the means and variances of batch normalisation
            old.lerp_(new, new_share)


def convolution(channels_in, channels_out, *, pool):
    """Return the layers of one stage, (N, C_in, H, W) -> (N, C_out, H, W), halved if pool.

    A channel is a picture: the first stage gets one, the digit. Convolution makes each pixel of a
    new channel k a weighted sum of 3 x 3 pixels, in all channels c, by the same weights everywhere:
    out[k, i, j] = sum of W[k, c, a, b] in[c, i + a - 1, j + b - 1] over c and a, b from 0 to 2.
    A rim of zeros (padding) keeps H and W. Pooling keeps the largest of 2 x 2 pixels; it stands
    before normalisation and ReLU, for where the normalisation's scale is positive that gives the
    same as after them, and it leaves a quarter of the pixels to normalise. Batch normalisation is
    of Ioffe and Szegedy, ICML 2015: over the batch, each channel gets mean 0 and variance 1, then a
    scale and a shift of its own, which make a bias in the convolution useless.
    """
    layers = [nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=False)]
    if pool:
        layers.append(nn.MaxPool2d(2))
    return [*layers, nn.BatchNorm2d(channels_out), nn.ReLU()]


def random_warp(x, *, rotation=10.0, scale=0.1, shear=0.1, shift=2.0):
    """Warp every picture of a batch (B, C, H, W) by a small random motion of its own.

    Rotation is up to `rotation` degrees either way, the size changes by up to the share `scale`,
    lines lean by up to `shear`, the picture moves by up to `shift` pixels.
    """
    n, _, height, width = x.shape
    dice = 2 * torch.rand(n, 6, device=x.device) - 1  # from -1 to 1
    turn, size_x, size_y, lean, right, down = dice.unbind(1)
    cos, sin = torch.cos(turn * math.radians(rotation)), torch.sin(turn * math.radians(rotation))
    size_x, size_y = 1 + scale * size_x, 1 + scale * size_y
    # Where each new pixel comes from, in coordinates from -1 to 1 across the picture.
    across = torch.stack([cos * size_x, shear * lean - sin * size_y, right * 2 * shift / width], 1)
    along = torch.stack([sin * size_x, cos * size_y, down * 2 * shift / height], 1)
    motion = torch.stack([across, along], 1)  # (B, 2, 3)
    source = F.affine_grid(motion, (n, 1, height, width), align_corners=False)  # (B, H, W, 2)
    return F.grid_sample(x, source, align_corners=False)


# -------------------------------------------------- the command line, the data, the files of a run


def argument_parser(script, description, *, momentum, **defaults):
    """Return the parser of the options that the four PyTorch scripts share, with their defaults."""
    parser = utils.argument_parser(script, description, **defaults)
    add = parser.add_argument
    add("--momentum", type=utils.number(float, 0, 0.9999), default=momentum, metavar="SHARE",
        help="of each step that goes into the next (default %(default)s)")  # fmt: skip
    add("--device", choices=["auto", "cpu", "cuda", "mps"], default="auto",
        help="where to compute (default: the GPU if there is one)")  # fmt: skip
    add("--precision", choices=["auto", "fp32", "bf16"], default="auto",
        help="of products (default: bf16 where the processor has it)")  # fmt: skip
    return parser


def parse_arguments(parser, argv):
    """Parse the command line, settle device and precision, and seed the random numbers."""
    args = parser.parse_args(argv)
    args.device = choose_device(args.device)
    args.precision = choose_precision(args.precision, args.device)
    if args.show:
        reports.require_display()
    torch.manual_seed(args.seed)
    torch.backends.cudnn.deterministic = True  # the same seed shall give the same bits on a GPU too
    return args


def choose_device(name):
    """Return "cpu", "cuda" or "mps"; auto takes a GPU if there is one. UserError without one."""
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return next((device for device, present in there.items() if present), "cpu")
    if not there.get(name, True):
        raise UserError(f"--device {name}: this PyTorch finds none; use --device cpu")
    return name


def choose_precision(name, device):
    """Return "fp32" or "bf16"; auto takes bf16 where it is in hardware: emulated it is slow."""
    if name != "auto":
        return name
    if device == "cuda":
        return "bf16" if torch.cuda.get_device_capability()[0] >= 8 else "fp32"
    able = torch.cpu.get_capabilities()
    fast = device == "cpu" and (able.get("avx512_bf16") or able.get("amx_bf16"))
    return "bf16" if fast else "fp32"


def load_digits(args):
    """Read the data set: {"train": (x, y), "dev": ..., "test": ...} on the device.

    x is float32 (N, 1, 28, 28) in [0, 1], y int64 (N,). Dev is the last tenth of the training set.
    """
    return {
        name: tuple(torch.from_numpy(a).to(args.device) for a in (x.reshape(-1, 1, 28, 28), y))
        for name, (x, y) in zip(("train", "dev", "test"), utils.split_digits(args), strict=True)
    }


def train(args, folder, model, batches, dev, **settings):
    """Train as the command line says, with checkpoints in `folder`; return the history.

    batches are ShuffledBatches, dev is (x, y); more settings are those of train_model.
    """
    history, weights = [], sum(p.numel() for p in model.parameters())
    reports.say_what_learns(args, weights, batches.x, dev[0])
    train_model(
        batches, batchify_data(*dev, EVALUATION_BATCH, drop_last=False), model,
        args.lr, args.momentum, nesterov=args.momentum > 0, n_epochs=args.epochs,
        precision=args.precision, keep_best=True, history=history,
        checkpoint=folder / "checkpoint.pt", resume=args.resume, settings=reports.settings_of(args),
        quiet=args.quiet, **settings,
    )  # fmt: skip
    return history


@torch.no_grad()
def read_digits(model, x, precision="fp32"):
    """Return the probabilities for pictures x (N, 1, H, W) as a NumPy array (heads, N, 10)."""
    model.eval()
    device = next(model.parameters()).device
    parts = []
    for part in x.split(EVALUATION_BATCH):
        logits = torch.stack(logits_of(model, part.to(device), precision))  # (heads, B, 10)
        parts.append(logits.softmax(2).cpu())
    return torch.cat(parts, dim=1).numpy()


def finish_run(args, folder, model, layers, batches, history, test):
    """Read the test set, once; write and print the results; return the metrics.

    `layers` is the model's nn.Sequential that gets the picture; test is (x, y).
    """
    x, y = test
    with utils.saying_how_to_resume(folder, history):
        probabilities = read_digits(model, x, args.precision)  # (heads, N, 10)
    labels = y.reshape(len(probabilities), -1).cpu().numpy()  # (heads, N)
    images = x.reshape(-1, *x.shape[-2:]).cpu().numpy()

    def write_own(results):
        checkpoints.write_tensors(model.state_dict(), results / "model.pt")
        if not args.no_plots:
            reports.draw_inside(results, layers, x[0])

    return reports.finish_run(
        args, folder, history, (images, labels, probabilities), write_own,
        parameters=sum(p.numel() for p in model.parameters()),
        examples=len(batches) * batches.batch_size, device=args.device, precision=args.precision,
        threads=torch.get_num_threads(), versions={"torch": torch.__version__},
    )  # fmt: skip


def trained_reader(args, model):
    """Load the weights of --model FILE, or of the last run, into the model that they must fit.

    Returns the function that reads with it: pictures (N, H, W) -> probabilities (heads, N, 10).
    """
    path = reports.find_model(args, "model.pt")
    with utils.blamed_on(path, f"does not fit the network that {args.script}.py builds"):
        model.load_state_dict(checkpoints.load_tensors(path))
        if not all(torch.isfinite(values).all() for values in model.state_dict().values()):
            raise ValueError("a weight is no number")
    return lambda pictures: read_digits(model, torch.from_numpy(pictures)[:, None])


def predict(args, model, height=28):
    """Read the pictures that --predict names with trained weights; print a line for each."""
    return photographs.read_pictures(args, trained_reader(args, model), height)
