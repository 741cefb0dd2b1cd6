"""The training loop that the PyTorch lessons share. Read it after lesson 2.

Read it up to the line "the command line". First come batches, and the loss with label smoothing;
then four ideas that can be added to a loop: augmentation, adversarial examples, a schedule,
averaged weights; then the loop that puts all this together, in two functions, run_epoch() and
train_model(). The rest is for looking up: the command line; checkpoints; the report; comparisons of
settings.

A network has a head for each digit that it reads. Before lesson 4 there is one head. So
(heads, B, 10) is (1, B, 10), and you can skip what is said of pairs. Shapes: N examples, B of them
in a batch, C channels (1; lesson 3 has more), H rows, W columns. From the course are the names
Flatten, batchify_data, compute_accuracy, run_epoch and train_model.
"""

import argparse
import io
import math
import sys
import traceback
import warnings

import utils
from utils import UserError

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.optim.lr_scheduler import LambdaLR
from torch.optim.swa_utils import AveragedModel

EVALUATION_BATCH = 1000  # large enough to keep two cores busy, small enough to stay in memory

# ------------------------------------------------------------------------------ batches


class Flatten(nn.Module):
    """(N, ...) -> (N, everything)."""

    def forward(self, x):
        """Make a row of each example."""
        return x.reshape(len(x), -1)


def batchify_data(x_data, y_data, batch_size, *, drop_last=True):
    """Cut data into a list of batches {'x': float32 (B, ...), 'y': int64 (B,) or (2, B)}.

    A short last batch is dropped, as in the course, so that all batches have one size. Whatever
    evaluates must keep it, to count every digit: drop_last=False. Labels of two digits are a pair
    of sequences, (2, N). Raises ValueError if images and labels differ in number.
    """
    x, y = (torch.as_tensor(d if torch.is_tensor(d) else np.asarray(d)) for d in (x_data, y_data))
    if len(x) != y.shape[-1] or batch_size < 1:
        raise ValueError(f"{len(x)} images, {y.shape[-1]} labels, batches of {batch_size}")
    end = len(x) - len(x) % batch_size if drop_last else len(x)
    parts = [slice(i, i + batch_size) for i in range(0, end, batch_size)]
    return [{"x": x[part].float(), "y": y[..., part].long()} for part in parts]


class ShuffledBatches:
    """Like a list of full batches, but shuffled anew every time one goes through it.

    x is float32 (N, ...), y (N,) or (2, N). `augment`, if given, changes the images of a batch.
    `compose`, if given, makes one image of two, for lesson 4: every image meets one at random, and
    the labels become (2, B). Without the lines with `compose` this shuffles the numbers of the
    examples, takes the next B of them, and yields these images and labels.
    """

    def __init__(self, x, y, batch_size, *, augment=None, compose=None):
        self.x, self.y, self.batch_size = x, y, batch_size
        self.augment, self.compose = augment, compose
        if not 1 <= batch_size <= len(x):
            raise UserError(f"--batch-size {batch_size}: there are only {len(x)} training examples")

    def __len__(self):
        return len(self.x) // self.batch_size

    def __iter__(self):
        order, partners = torch.randperm(len(self.x)), None  # (N,)
        if self.compose:
            partners = torch.randperm(len(self.x))
        for i in range(len(self)):
            part = slice(i * self.batch_size, (i + 1) * self.batch_size)
            chosen = order[part]  # (B,)
            if self.compose:
                chosen = torch.cat([chosen, partners[part]])  # (2 B,)
            chosen = chosen.to(self.x.device)
            x, y = self.x.index_select(0, chosen), self.y.index_select(-1, chosen)
            if self.augment:
                x = self.augment(x)
            if self.compose:
                x, y = self.compose(*x.chunk(2)), y.view(2, -1)  # (B, 1, 42, 28), (2, B)
            yield {"x": x, "y": y}


# ------------------------------------------------------------------------------ the loss


def compute_accuracy(predictions, y):
    """Return the share of predictions that equal y, in [0, 1]."""
    return (torch.as_tensor(predictions) == torch.as_tensor(y)).float().mean().item()


def logits_of(model, x, precision="fp32"):
    """Return what every head says of the images x (B, ...): logits (heads, B, 10).

    For one digit this is model(x) with an axis of length 1 in front. With bf16 products are
    computed in 16 bits, which some processors do faster; the weights keep their 32.
    """
    with torch.autocast(x.device.type, torch.bfloat16, enabled=precision == "bf16"):
        out = model(x)
    return torch.stack(list(out) if isinstance(out, (tuple, list)) else [out]).float()


def losses_of(logits, y, label_smoothing=0.0):
    """Return the mean cross-entropy of every head: (heads,); y (heads, B).

    cross_entropy is softmax and -log p of the right class in one. Label smoothing changes the
    goal: a small share of every label is spread evenly over the ten classes. With 0.05 the right
    class gets t = 0.95 + 0.005, every other one t = 0.005, and the loss is -sum_k t_k log p_k. As
    in lesson 1 its slope with respect to logit k is p_k - t_k, so it is lowest where p = t. With
    plain labels it is lowest at p = 1, which takes infinite logits: the network goes on to make
    large logits larger, even where it reads right. Szegedy et al., CVPR 2016 (arXiv 1512.00567),
    section 7.
    """
    pairs = zip(logits, y, strict=True)
    return torch.stack([F.cross_entropy(z, t, label_smoothing=label_smoothing) for z, t in pairs])


# ------------------------------------------------------------------ what can be added to the loop

WARM_UP = 0.3  # share of a run in which two things grow: the rate, and the adversarial step


def random_affine(x, *, rotation=10.0, scale=0.1, shear=0.1, shift=2.0):
    """Data augmentation: move every image of a batch (B, C, H, W) a little, at random.

    The label stays: the network learns that a digit remains what it is, and never sees the same
    image twice. An image is turned by up to `rotation` degrees either way, grows or shrinks by up
    to the share `scale`, leans like italic letters (each row lies up to `shear` pixels to the right
    or left of the row below it), and moves by up to `shift` pixels. All four together are an affine
    map: a matrix times the place, plus a shift. What comes in from outside the image is paper, 0.
    """
    n, _, height, width = x.shape
    dice = 2 * torch.rand(n, 6, device=x.device) - 1  # from -1 to 1
    turn, size_x, size_y, lean, right, down = dice.unbind(1)
    cos, sin = torch.cos(turn * math.radians(rotation)), torch.sin(turn * math.radians(rotation))
    size_x, size_y = 1 + scale * size_x, 1 + scale * size_y
    # You may skip this: a 2 x 3 matrix for each image says where in the old image to look for each
    # pixel of the new one. affine_grid measures from -1 to 1 both across and down, so its unit is
    # half the width across and half the height down; `tall` makes up for that.
    tall = height / width
    across = [cos * size_x, (shear * lean - sin * size_y) * tall, right * 2 * shift / width]
    along = [sin * size_x / tall, cos * size_y, down * 2 * shift / height]
    motion = torch.stack([torch.stack(across, 1), torch.stack(along, 1)], 1)  # (B, 2, 3)
    source = F.affine_grid(motion, (n, 1, height, width), align_corners=False)  # (B, H, W, 2)
    return F.grid_sample(x, source, align_corners=False)


def adversarial_examples(model, x, y, length, precision="fp32"):
    """Return the images x (B, ...), each moved by `length` so that its loss grows most.

    This is adversarial_step() of lesson 1, by autograd: one step along the gradient of the loss
    with respect to the pixels, with a given Euclidean length for each image. Goodfellow et al.,
    ICLR 2015 (arXiv 1412.6572), sections 4 and 6; Miyato et al., ICLR 2016 (arXiv 1507.00677). The
    model is in eval mode meanwhile, and back in training mode afterwards.
    """
    # In training mode every image would change the others' losses, too, through the batch's mean in
    # batch normalisation; in eval mode the mean is a fixed one.
    model.eval()
    x = x.clone().requires_grad_()
    logits = logits_of(model, x, precision)
    losses = losses_of(logits, y.reshape(len(logits), -1))
    # The pixels of an image act on its own part of the loss alone, so row n is image n's gradient.
    # The weights' gradients are not computed.
    (steps,) = torch.autograd.grad(losses.sum(), x)
    model.train()
    lengths = steps.flatten(1).norm(dim=1).view(-1, *[1] * (x.ndim - 1))  # (B, 1, 1, 1)
    return x.detach() + steps * (length / (lengths + 1e-20))


def harder_part(model, x, y, progress, *, length, share, precision="fp32"):
    """Return images x (B, ...), the first `share` of which have become adversarial examples.

    progress is the share of the run that is done, from 0 to 1. The step grows to its `length` over
    WARM_UP of the run, as in lesson 1.
    """
    n, length = math.ceil(share * len(x)), length * min(1, progress / WARM_UP)
    return torch.cat([adversarial_examples(model, x[:n], y[..., :n], length, precision), x[n:]])


def one_cycle(progress):
    """Schedule: the rate climbs to its highest over 0.3 of the run, then falls to zero.

    In lesson 1 the rate falls from the beginning. Here a warm-up comes first, so that the highest
    rate may be higher: while the weights are still random, a slope is a good guide only for a short
    way, and a long step goes wrong. Smith and Topin, "Super-convergence", 2019 (arXiv 1708.07120),
    with straight lines up and down.
    """
    return progress / WARM_UP if progress < WARM_UP else (1 - progress) / (1 - WARM_UP)


def moving_average(model, decay):
    """Return a model's exponential moving average; update_parameters(model) moves it.

    After each step: average <- decay average + (1 - decay) weights. So weights of k steps ago count
    decay^k times as much as the last ones. The sum 1 + decay + decay^2 + ... is 1 / (1 - decay):
    with 0.998 the average is about the mean of the last 500 steps. Steps jump from side to side of
    the valley in which the loss is low; the mean lies between. Polyak and Juditsky, SIAM J. Control
    Optim. 30 (1992), prove for simpler problems that the mean of all steps does better than the
    last weights. Early in a run, when the weights still move far, the average should be of fewer
    steps. So after n steps the decay is (1 + n) / (10 + n), until that exceeds `decay`. 1 - decay
    is then 9 / (10 + n), so the average is of about (10 + n) / 9 steps: of one at first, of 500
    after 4,500 steps.
    """

    @torch.no_grad()
    def update(averages, values, n):
        share = 1 - min(decay, (1 + float(n)) / (10 + float(n)))
        for average, value in zip(averages, values, strict=True):
            if average.is_floating_point():
                average.lerp_(value, share)  # average + share (value - average), as above
            else:  # how many batches batch normalisation has seen
                average.copy_(value)

    return AveragedModel(model, multi_avg_fn=update, use_buffers=True)


SCHEDULES = {"one-cycle": one_cycle, "constant": None}


# ------------------------------------------------------------------------------ one epoch


def run_epoch(
    data,
    model,
    optimizer,
    *,
    precision="fp32",
    harder=None,
    label_smoothing=0.0,
    scheduler=None,
    average=None,
):
    """Go through all batches once: train if model.training, otherwise evaluate without gradients.

    This is the loop of nnet_fc.train_plainly(). New are the counting, the heads, and the lines with
    harder, label_smoothing, scheduler and average, which are used if they are given. An evaluation
    needs no optimizer: it may be None. Returns (loss, accuracy), averaged over examples; for a
    model with two heads, which trains on the mean of its losses, ((loss1, loss2), (accuracy1,
    accuracy2)). Losses are plain cross-entropies. In training `harder(x, y)`, if given, replaces
    the images by harder ones. Loss and accuracy are then those of the harder images: so more
    training digits may be misread than dev digits. Raises UserError if there is no batch.
    """
    device = next(model.parameters()).device
    loss_sum, right, count = 0, 0, 0
    with torch.set_grad_enabled(model.training):
        for batch in data:
            x, y = batch["x"].to(device), batch["y"].to(device)  # (B, ...), (B,) or (2, B)
            if model.training and harder:
                x = harder(x, y)
            logits = logits_of(model, x, precision)  # forward: (heads, B, 10)
            y = y.reshape(len(logits), -1)  # (heads, B)
            losses = losses_of(logits, y)  # (heads,)
            if model.training:
                objective = losses_of(logits, y, label_smoothing) if label_smoothing else losses
                optimizer.zero_grad()  # else the gradients of the last step would be added to
                objective.mean().backward()  # the chain rule of neural_nets.py, done by PyTorch
                optimizer.step()
                if scheduler:
                    scheduler.step()
                if average:
                    average.update_parameters(model)
            loss_sum = loss_sum + losses.detach() * len(x)  # the numbers, without their links
            right = right + (logits.argmax(2) == y).sum(1)  # (heads,)
            count += len(x)
    if count == 0:
        raise UserError("there are fewer examples than one batch holds; lower --batch-size")
    loss, accuracy = (loss_sum / count).tolist(), [n / count for n in right.tolist()]
    return (loss[0], accuracy[0]) if len(loss) == 1 else (tuple(loss), tuple(accuracy))


# ------------------------------------------------------------------------------ training


def train_model(
    train_data,
    dev_data,
    model,
    lr=0.01,
    momentum=0.9,
    nesterov=False,
    n_epochs=30,
    *,
    schedule=None,
    averaging=0.0,
    adversarial=0.0,
    adversarial_share=1.0,
    label_smoothing=0.0,
    precision="fp32",
    run=None,
):
    """Train with stochastic gradient descent and return the accuracy on dev (a pair for two heads).

    train_data and dev_data are lists of batches, or ShuffledBatches. With the first seven arguments
    alone this is the course's function: the model keeps the weights of the last epoch.
    `schedule(progress)` multiplies lr, progress going from 0 to 1; `averaging` is the decay of
    moving_average(); `adversarial` is the length of the step of adversarial_examples(), for
    `adversarial_share` of each batch. With a `run` (utils.Run) the model gets the weights of the
    epoch that did best on dev, and an interrupted run can be resumed. If dev_data is empty, the
    last epoch counts, and None is returned. Raises UserError if the loss is no number.
    """
    optimizer = torch.optim.SGD(  # fused: a step in one pass over memory, which is faster
        model.parameters(), lr, momentum=momentum, nesterov=nesterov, fused=True
    )
    steps = max(1, n_epochs * len(train_data))

    def factor(step):  # one_cycle is 0 at both ends; + 0.5 avoids a step of length 0
        return schedule(min((step + 0.5) / steps, 1)) if schedule else 1.0

    def harder(x, y):  # what run_epoch() calls; scheduler is made below
        progress = scheduler.last_epoch / steps  # PyTorch's name for the number of steps so far
        part = {"length": adversarial, "share": adversarial_share, "precision": precision}
        return harder_part(model, x, y, progress, **part)

    scheduler = LambdaLR(optimizer, factor)  # the rate is lr times factor(steps so far)
    average = moving_average(model, averaging) if averaging else None
    judged = average.module if average else model  # what dev judges
    how = {
        "precision": precision,
        "harder": harder if adversarial else None,
        "label_smoothing": label_smoothing,
        "scheduler": scheduler,
        "average": average,
    }
    # The run keeps the record (utils.Run), as in lesson 1: it counts the epochs, shows progress,
    # prints a line after each, keeps the best weights, and lets a stopped run go on.
    keep_last = run is None  # as the course's function does
    run = run or utils.Run(n_epochs, quiet=False)
    # save_and_restore, arrays_of and load_arrays, further below, make NumPy arrays of weights.
    parts = [model, optimizer, scheduler, *([average] if average else [])]
    save, restore = save_and_restore(*parts)
    for epoch in run.epochs(save, restore):
        if run.seed is not None:
            torch.manual_seed(run.seed_of(epoch))  # a resumed run draws the same numbers
        # train() and eval() switch what batch normalisation does, and dropout (see lesson 3).
        train = run_epoch(run.progress(train_data), model.train(), optimizer, **how)
        dev = run_epoch(dev_data, judged.eval(), None, precision=precision) if dev_data else None
        rate = lr * factor(epoch * len(train_data) - 1)  # of the epoch's last step
        run.record(train, dev, rate, arrays_of(judged.state_dict()))
    load_arrays(model.eval(), arrays_of(judged.state_dict()) if keep_last else run.best)
    row = run.history[-1] if keep_last else utils.chosen_row(run.history)
    return utils.row_values(row, "dev_accuracy")


# ------------------------------------------------------------------------------ the command line


def recipe_parser(file, description, **recipe):
    """Return the parser of the options that the PyTorch lessons share, with their defaults.

    `recipe` is as in the lessons' RECIPE; what it leaves out is off.
    """
    off = {"augment": False, "adversarial": 0.0, "label_smoothing": 0.0, "averaging": 0.0}
    recipe = off | recipe
    parser = utils.argument_parser(file, description, **recipe)
    setting, add, usual = parser.add_setting, parser.add_argument, "(default %(default)s)"
    length, share = utils.number(float, 0, 28), utils.number(float, 0, 0.99999)
    words = f"move each training image by a random affine map {usual}"
    setting("--augment", action=argparse.BooleanOptionalAction, help=words)
    words = f"of the step from a digit to its adversarial example; 0: none {usual}"
    setting("--adversarial", type=length, metavar="LENGTH", help=words)
    words = f"of each label that is spread over all classes {usual}"
    setting("--label-smoothing", type=share, metavar="SHARE", help=words)
    words = f"of the moving average of the weights; 0: none {usual}"
    setting("--averaging", type=share, metavar="DECAY", help=words)
    setting("--schedule", choices=SCHEDULES, help=f"of the learning rate {usual}")
    words = "where to compute (default: the GPU if there is one)"
    add("--device", choices=["auto", "cpu", "cuda", "mps"], default="auto", help=words)
    words = "of products (default: bf16 where the processor has it)"
    add("--precision", choices=["auto", "fp32", "bf16"], default="auto", help=words)
    parser.set_defaults(**recipe)
    return parser


def parse_arguments(parser, argv):
    """Parse the command line, settle device and precision, and seed the first weights."""
    args = parser.parse_args(argv)
    args.device = choose_device(args.device)
    args.precision = choose_precision(args.precision, args.device)
    args.settings = [*args.settings, "device", "precision"]
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


def recipe(args):
    """Return what the options say about training, as train_model's arguments."""
    return {
        "lr": args.lr,
        "momentum": args.momentum,
        "nesterov": args.momentum > 0,
        "n_epochs": args.epochs,
        "schedule": SCHEDULES[args.schedule],
        "averaging": args.averaging,
        "adversarial": args.adversarial,
        "label_smoothing": args.label_smoothing,
        "precision": args.precision,
    }


def try_out(model, x):
    """Return what a model makes of images x (N, ...); UserError names a layer that does not fit."""
    entered = []  # the layers that were reached, and the shapes that reached them

    def note(layer, given):
        shapes = [tuple(x.shape[1:]) for x in given if torch.is_tensor(x)]
        entered.append(f"{layer} gets (N, {', '.join(map(str, shapes[0] if shapes else '?'))})")

    leaves = (layer for layer in model.modules() if not list(layer.children()))
    hooks = [layer.register_forward_pre_hook(note) for layer in leaves]
    try:
        with torch.no_grad():
            return model.eval()(x)  # eval: the averages of batch normalisation stay as they are
    except (RuntimeError, ValueError) as error:
        where = entered[-1] if entered else model
        raise UserError(f"the layers do not fit together: {where}; {error}") from None
    finally:
        for hook in hooks:
            hook.remove()


def check_model(model, data):
    """Raise UserError unless the model takes the images, and has a head of ten for each digit."""
    x, y = data["dev"] if len(data["dev"][0]) else data["train"]
    logits = try_out(model, x[:1])
    heads = list(logits) if isinstance(logits, (tuple, list)) else [logits]
    digits = 1 if y.ndim == 1 else len(y)
    if digits > 2:
        raise UserError(f"the labels are of {digits} digits; this collection counts one or two")
    for head in heads:
        if not torch.is_tensor(head):
            words = "is a return missing?" if head is None else "it must be a tensor for each digit"
            raise UserError(f"the network gives a {type(head).__name__}: {words}")
    sizes = [tuple(head.shape) for head in heads]
    if sizes != [(1, 10)] * digits:
        found = " and ".join(f"(N, {', '.join(map(str, size[1:]))})" for size in sizes)
        words = "(N, 10)" if digits == 1 else "(N, 10) for the upper and for the lower digit"
        raise UserError(f"the network gives {found} for N images; the labels need {words}")


def fit(args, run, model, data, augment=None, **more):
    """Train a model as the options say; `augment` is used if they ask for augmentation."""
    check_model(model, data)
    augment, compose = augment if args.augment else None, data.get("compose")
    batches = ShuffledBatches(*data["train"], args.batch_size, augment=augment, compose=compose)
    train_model(batches, dev_batches(data), model, run=run, **recipe(args), **more)


def load_tensors(args):
    """Read the digits as utils.load_digits does, as tensors on the device: x (N, 1, 28, 28)."""
    digits = utils.load_digits(args)
    for name in ("train", "dev", "test"):
        x, y = (torch.from_numpy(array).to(args.device) for array in digits[name])
        digits[name] = x.view(-1, 1, 28, 28), y
    return digits


def dev_batches(data):
    """Cut the dev set into batches, none of which is dropped."""
    return batchify_data(*data["dev"], EVALUATION_BATCH, drop_last=False)


# ---------------------------------------------------------------------------------- checkpoints


def save_and_restore(*parts):
    """Return the two functions that utils.Run wants: the state of parts as arrays, and back.

    The parts have state_dict() and load_state_dict(): model, optimizer, scheduler, average.
    """

    def save():
        packed = io.BytesIO()
        torch.save([part.state_dict() for part in parts], packed)
        return {"torch": np.frombuffer(packed.getbuffer(), np.uint8)}

    def restore(arrays):
        states = torch.load(io.BytesIO(arrays["torch"].tobytes()), weights_only=True)
        for part, state in zip(parts, states, strict=True):
            new = part.state_dict().get("param_groups", [])  # an optimizer's, with its settings
            for old, now in zip(state.get("param_groups", []), new, strict=True):
                moved = {"lr"}  # by the schedule
                if "max_momentum" in now:  # PyTorch's OneCycleLR moves these, too
                    moved |= {"momentum", "betas"}
                changed = [key for key in now if key not in moved and now[key] != old.get(key)]
                if changed:
                    words = "start anew, without --resume"
                    raise UserError(f"the optimizer has another {', '.join(changed)}: {words}")
            part.load_state_dict(state)

    return save, restore


def arrays_of(tensors):
    """Return a dict of tensors as NumPy arrays."""
    return {name: value.detach().cpu().numpy() for name, value in tensors.items()}


def load_arrays(model, arrays):
    """Give a model the weights of a dict of arrays."""
    model.load_state_dict({name: torch.from_numpy(array) for name, array in arrays.items()})


# ---------------------------------------------------------------------------------- the report


@torch.no_grad()
def probabilities_of(model, x, precision="fp32"):
    """Return the probabilities for images x (N, 1, H, W) as a NumPy array (heads, N, 10)."""
    model.eval()
    device = next(model.parameters()).device
    parts = []
    for part in x.split(EVALUATION_BATCH):
        logits = logits_of(model, part.to(device), precision)  # (heads, B, 10)
        parts.append(logits.softmax(2).cpu())
    return torch.cat(parts, dim=1).numpy()


def finish_run(run, args, model, data):
    """Read the test set, once; write, print and draw the results; return the metrics."""
    x, y = data["test"]
    probabilities = probabilities_of(model, x, args.precision)  # (heads, N, 10)
    labels = y.reshape(len(probabilities), -1).cpu().numpy()  # (heads, N)
    dead = dead_units(model, x[:EVALUATION_BATCH])
    write_weights(run.folder / "model.pt", model)
    metrics = utils.write_report(
        run,
        args,
        labels,
        probabilities,
        dead_units=dead,
        parameters=count_weights(model),
        examples=len(data["train"][0]) // args.batch_size * args.batch_size,
        device=args.device,
        precision=args.precision,
        threads=torch.get_num_threads(),
        versions={"torch": torch.__version__},
    )
    if not args.no_plots:
        images = x.view(-1, *x.shape[-2:]).cpu().numpy()
        utils.draw_results(run, images, labels, probabilities)
        draw_inside(run, model, x)
    return metrics


def count_weights(model):
    """Return the number of a model's weights."""
    return sum(p.numel() for p in model.parameters())


def write_weights(path, model):
    """Write a model's weights as a state_dict; the file is whole at every moment."""
    packed = io.BytesIO()  # torch.save itself crashes where a disk is full
    torch.save(model.state_dict(), packed)
    with utils.whole_file(path) as file:
        file.write(packed.getbuffer())


def trained_reader(args, build, names=()):
    """Build the network that was trained, with its weights from --model FILE or the last run.

    `names` are the options that shape it. Returns the function that reads with it: images
    (N, H, W) -> probabilities (heads, N, 10). Raises UserError if the weights do not fit.
    """
    path = utils.find_model(args, "model.pt")
    settings = utils.recall_settings(args, names)
    with utils.weights_file(path), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what it refuses anyway
        weights = torch.load(path, map_location="cpu", weights_only=True)
    with utils.blamed_on(path, f"does not fit the network that {args.script}.py builds"):
        model = build(args)
        if settings.get("layers") not in (None, repr(model)):
            words = "its layers are others than those that code and options give now"
            raise UserError(f"{path}: {words}; give its options, undo the change, or train anew")
        model.load_state_dict(weights)
        if not all(torch.isfinite(values).all() for values in model.state_dict().values()):
            raise ValueError("a weight is no number")
    model.to(args.device)
    return lambda images: probabilities_of(model, torch.from_numpy(images)[:, None])


def behind_activations(model, x):
    """Return what the model's activations (ReLU and its like) put out for images x: [(N, ...)]."""
    outputs, kinds = [], nn.ReLU.__module__  # the file of PyTorch that has ReLU and all its like

    def keep(module, given, out):
        # Else it is no layer of units: a gate, say.
        if torch.is_tensor(out) and out.ndim > 1 and len(out) == len(x):
            outputs.append(out.detach().float().cpu().clone())

    activations = [module for module in model.modules() if type(module).__module__ == kinds]
    hooks = [module.register_forward_hook(keep) for module in activations]
    with torch.no_grad():
        model.eval()(x)
    for hook in hooks:
        hook.remove()
    return outputs


def dead_units(model, x):
    """Return the share of hidden units (or channels) that answer 0 to all images x."""
    dead = [~out.transpose(0, 1).flatten(1).any(1) for out in behind_activations(model, x)]
    return torch.cat(dead).float().mean().item() if dead else 0.0


def draw_inside(run, model, x):
    """Draw what the first layer has learned, and what the first image of x becomes behind it.

    x is (N, 1, H, W). Fully connected: weights.png, each unit's weights where the pixels are.
    Convolutional: filters.png, and activations.png, the feature maps behind every activation.
    """
    first = next((m for m in model.modules() if isinstance(m, (nn.Conv2d, nn.Linear))), None)
    weights = first.weight.detach().float().cpu().numpy() if first else None
    if isinstance(first, nn.Linear) and first.in_features == x[0].numel():
        run.draw("weights.png", utils.draw_weights, weights, x[:, 0].cpu().numpy())
    if isinstance(first, nn.Conv2d):
        heading = "filters of the first layer: red +, blue -"
        run.draw("filters.png", utils.draw_tiles, weights[:, 0], None, heading, True)
        maps = [out[0].numpy() for out in behind_activations(model, x[:1]) if out.ndim == 4]
        if maps:
            chances = probabilities_of(model, x[:1])[:, 0]
            run.draw("activations.png", draw_layers, x[0, 0].cpu().numpy(), maps, chances)


def draw_layers(path, image, layers, probabilities):
    """Draw how an image (H, W) goes through the network, from top to bottom.

    layers are the feature maps behind each activation, (C, h, w); probabilities (heads, 10).
    """
    maps = [one[:16] for one in layers]  # these suffice to see what a layer keeps

    def draw(axes, figure):
        first, *middle, last = axes[:, 0]
        first.imshow(image, cmap="gray_r")
        first.set_title("the image", fontsize=9)
        for axis, all_maps, shown in zip(middle, layers, maps, strict=True):
            count, height, width = all_maps.shape
            gap = np.full((height, max(1, width // 8)), np.nan)
            row = np.hstack([part for one in shown for part in (one, gap)])
            low, high = min(float(shown.min()), 0), max(float(shown.max()), 1e-9)
            axis.imshow(row, cmap="viridis", vmin=low, vmax=high)
            words = f"{len(shown)} of {count} channels" if count > 16 else f"{count} channels"
            axis.set_title(f"{words}, {height} x {width}: brighter is larger", fontsize=9)
        for axis in (first, *middle):
            axis.set_axis_off()
        names = ("upper", "lower") if len(probabilities) > 1 else ("",)
        width = 0.8 / len(probabilities)
        for head, (name, chances) in enumerate(zip(names, probabilities, strict=True)):
            colour = (utils.BLUE, utils.ORANGE)[head]
            place = np.arange(10) + head * width
            last.bar(place, 100 * chances, width, color=colour, align="edge", label=name)
        last.set(xlim=(0, 10), xticks=np.arange(10) + 0.4, xticklabels=range(10), ylim=(0, 100))
        last.set_title("the probability of each digit, %", fontsize=9)
        if len(probabilities) > 1:
            last.legend(edgecolor="none")

    rows = 2 + len(layers)
    ratios = {"height_ratios": [2.2, *[1] * len(layers), 1.2]}
    utils.save_figure(path, (8, 1.05 * rows + 1), draw, nrows=rows, gridspec_kw=ratios)


# ------------------------------------------------------------------------ comparisons of settings


def sweep(args, run, names, seeds, train_one, *, against_time=False):
    """Train every setting on every seed, compare them on dev, and write sweep.csv and sweep.png.

    train_one(name, seed) returns the trained model and its record. A network that fails costs a
    line, and Ctrl-C keeps the settings that are finished. Returns the rows of the table. The test
    set is not touched.
    """
    results, stopped, first = {}, None, None
    try:
        for name in names:
            first = first or name
            mine = train_seeds(name, range(args.seed, args.seed + seeds), train_one, args.quiet)
            if mine:
                results[name] = mine
    except KeyboardInterrupt as stop:
        if len(results) < 2:
            raise type(stop)("stopped before there was anything to compare") from None
        stopped = type(stop)(f"stopped; sweep.csv has what was finished: {', '.join(results)}")
    if not results:
        raise UserError("no network came to its end: there is nothing to compare")
    if first not in results:
        print(f"{first} failed: compared with {next(iter(results))} instead", file=sys.stderr)
    errors = {
        name: {seed: one["misread"] for seed, one in mine.items()} for name, mine in results.items()
    }
    rows = utils.compare_settings(errors)
    for row in rows:
        mine = results[row["setting"]].values()
        row |= {key: float(np.median([one[key] for one in mine])) for key in ("seconds", "weights")}
        row |= {key: round(value, 4) for key, value in row.items() if isinstance(value, float)}
        row |= {"epochs": max(one["epochs"] for one in mine), "limit": args.limit}
    (run.folder / "sweep.png").unlink(missing_ok=True)
    utils.write_table(run.folder / "sweep.csv", rows)
    if not args.quiet:
        print(utils.comparison_table(rows))
    if not args.no_plots:
        seconds = {row["setting"]: row["seconds"] for row in rows} if against_time else None
        run.draw("sweep.png", draw_comparison, errors, seconds)
    if stopped:
        raise stopped
    return rows


def train_seeds(name, seeds, train_one, quiet):
    """Train one setting on every seed: {seed: figures} of the networks that came to their end."""
    found = {}
    for seed in seeds:
        try:
            model, record = train_one(name, seed)
        except UserError as error:
            print(f"{name}, seed {seed}: {error}", file=sys.stderr)
            continue
        except (NotImplementedError, MemoryError, OSError):  # the next one would end alike
            raise
        except Exception:  # a mistake in a new layer, say; it shall not cost the other networks
            traceback.print_exc()
            print(f"{name}, seed {seed}: failed, see above", file=sys.stderr)
            continue
        wrong = 100 * (1 - utils.chosen_row(record.history)["dev_accuracy"])
        seconds = float(np.mean([row["seconds"] for row in record.history]))
        found[seed] = {"misread": wrong, "seconds": seconds, "weights": count_weights(model)}
        found[seed]["epochs"] = len(record.history)
        if not quiet:
            print(f"{name}, seed {seed}: {wrong:.2f} % misread", flush=True)
    return found


def draw_comparison(path, errors, seconds=None):
    """Draw {setting: {seed: per cent misread}} as dots, with mean and standard deviation.

    With seconds {setting: an epoch's} they stand over the time that they take, else in rows.
    """

    def draw(axes, figure):
        axis = axes[0, 0]
        order = sorted(seconds, key=seconds.get) if seconds else []
        for place, (name, mine) in enumerate(errors.items()):
            values, look = list(mine.values()), {"color": utils.BLUE, "marker": "D", "capsize": 4}
            mean, sd = np.mean(values), utils.spread(values)
            if seconds:
                at = [seconds[name]] * len(values)
                axis.plot(at, values, "o", color=utils.GREY, alpha=0.5)
                axis.errorbar(seconds[name], mean, yerr=sd, **look)
                # Names of designs that take the same time stand above and below.
                above = order.index(name) % 2 == 0
                end = max(*values, mean + sd) if above else min(*values, mean - sd)
                look = {"textcoords": "offset points", "ha": "center", "va": "center"}
                axis.annotate(name, (seconds[name], end), (0, 12 if above else -12), **look)
            else:
                axis.plot(values, [place] * len(values), "o", color=utils.GREY, alpha=0.5)
                axis.errorbar(mean, place, xerr=sd, **look)
        words = "misread, % of dev: each seed, their mean and standard deviation"
        if seconds:
            axis.set(xlabel="seconds an epoch", ylabel="misread, % of dev", xscale="log")
            axis.set_title("each seed, their mean and standard deviation", fontsize=10)
            axis.margins(x=0.15, y=0.15)
            everything = [value for mine in errors.values() for value in mine.values()]
            if 0 < 20 * min(everything) < max(everything):  # one that failed, beside good ones
                axis.set_yscale("log")
            for part in (axis.xaxis.set_major_formatter, axis.xaxis.set_minor_formatter):
                part(lambda value, _: f"{value:g}")
        else:
            axis.set(yticks=range(len(errors)), yticklabels=errors, xlabel=words)
            axis.invert_yaxis()
        axis.grid(alpha=0.3, which="both")

    utils.save_figure(path, (8, 5) if seconds else (7, 0.8 + 0.5 * len(errors)), draw)
