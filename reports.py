"""What a run says, records and draws, and what a later run takes up of it.

In the order of the file: the history and the figures of a run, as lines and as files; plots; the
end of a run; its settings, compared by --resume and recalled by --predict. Matplotlib and
PyTorch are imported where they are used, so that no run waits for what it does not need.
Shapes: N pictures, H rows, W columns; a head of a network reads one digit.
"""

import contextlib
import csv
import json
import math
import platform
import shutil
from pathlib import Path

import numpy as np

from utils import ROOT, UserError, blamed_on, interrupts_held, saying_how_to_resume, whole_file

# ------------------------------------------------------------------- history and figures


def progress_bar(batches, label, quiet):
    """Wrap batches so that a terminal shows how far a loop over them is; a file gets nothing."""
    from tqdm import tqdm

    return tqdm(batches, label, leave=False, unit="batch", disable=True if quiet else None)


def history_row(epoch, train, dev, lr, seconds):
    """Return one line of history.csv as a dict; train and dev are what run_epoch returns."""
    row = {"epoch": epoch}
    for part, figures in (("train", train), ("dev", dev)):
        for what, value in zip(("loss", "accuracy"), figures, strict=True):
            if isinstance(value, tuple):
                for head, one in zip(("upper", "lower"), value, strict=True):
                    row[f"{part}_{what}_{head}"] = one
            else:
                row[f"{part}_{what}"] = value
    return row | {"lr": lr, "seconds": seconds}


def check_history(rows):
    """Return the rows of a checkpoint, or raise an error if history_row cannot have made them."""
    rows = list(rows)
    for epoch, row in enumerate(rows, start=1):
        heads = (0, 0) if "dev_loss_upper" in row else 0
        sound = row.keys() == history_row(0, (heads, heads), (heads, heads), 0, 0).keys()
        sound = sound and row.keys() == rows[0].keys() and row["seconds"] > 0
        if not sound or row["epoch"] != epoch or not all(map(math.isfinite, row.values())):
            raise ValueError("a history that no run has written")
    return rows


def row_values(row, key):
    """Return a row's value, or with two heads the pair of values, of e.g. "dev_accuracy"."""
    return row[key] if key in row else (row[f"{key}_upper"], row[f"{key}_lower"])


def chosen_row(history):
    """Return the row of the epoch with the best (mean) accuracy on dev; the last of equals."""
    return max(reversed(history), key=lambda row: np.mean(row_values(row, "dev_accuracy")))


def epoch_line(row, epochs):
    """Return e.g. 'epoch  3/20   train loss 0.0461  98.61 %   dev loss 0.0213  99.38 %   4.2 s'."""
    line = f"epoch {row['epoch']:{len(str(epochs))}}/{epochs}"
    for part in ("train", "dev"):
        losses = np.ravel(row_values(row, f"{part}_loss"))
        accuracies = np.ravel(row_values(row, f"{part}_accuracy"))
        line += f"   {part} loss " + " / ".join(f"{loss:.4f}" for loss in losses)
        line += "  " + " / ".join(f"{100 * accuracy:5.2f}" for accuracy in accuracies) + " %"
    return f"{line}   {row['seconds']:.1f} s"


def write_csv(path, rows):
    """Write a list of dicts as a table."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def write_metrics(folder, metrics, history):
    """Write metrics.json (one dict) and history.csv (a list of dicts, one per epoch)."""
    (folder / "metrics.json").write_text(json.dumps(metrics, indent=2) + "\n", encoding="utf-8")
    write_csv(folder / "history.csv", history)


def describe_accuracy(right, count):
    """Return e.g. '99.71 % of 10,000 right (95 % interval 99.58 to 99.80 %)'; Wilson, JASA 1927."""
    z = 1.96  # standard deviations to either side hold 95 % of a normal distribution
    p, w = right / count, z * z / count
    middle, half = p + w / 2, z * math.sqrt(p * (1 - p) / count + w / count / 4)
    low, high = (100 * (middle + side) / (1 + w) for side in (-half, half))
    return f"{100 * p:.2f} % of {count:,} right (95 % interval {low:.2f} to {high:.2f} %)"


def test_figures(probabilities, labels):
    """Return the test set's part of metrics.json: accuracy, loss, misread pictures, pictures.

    `probabilities` (heads, N, 10) and `labels` (heads, N): one head reads one digit. Accuracies
    are from 0 to 1; losses are mean cross-entropies in nats; with two heads both are pairs.
    """
    right = probabilities.argmax(2) == labels  # (heads, N)
    of_truth = np.take_along_axis(probabilities, labels[:, :, None], axis=2)[:, :, 0]
    accuracy = right.mean(1).tolist()
    loss = (-np.log(np.maximum(of_truth, 1e-12))).mean(1).tolist()
    both = {"test_accuracy_both": float(right.all(0).mean())} if len(labels) > 1 else {}
    return {
        "test_accuracy": accuracy if both else accuracy[0],
        **both,
        "test_loss": loss if both else loss[0],
        "test_errors": int((~right.all(0)).sum()),
        "test_examples": labels.shape[1],
    }


def sweep_rows(results):
    """Compare settings, {name: [accuracy per seed]}, with the first: a list of dicts for a table.

    A difference counts as more than noise if it exceeds two standard errors of it (Welch, 1947).
    """
    base, *_ = (np.array(accuracies) for accuracies in results.values())
    best = max(results, key=lambda name: np.mean(results[name]))
    rows = []
    for name, accuracies in results.items():
        a = np.array(accuracies)
        error = math.sqrt(a.var(ddof=1) / len(a) + base.var(ddof=1) / len(base))
        difference = a.mean() - base.mean()
        verdict = "within the seeds' noise"
        if abs(difference) > 2 * error:
            verdict = "better" if difference > 0 else "worse"
        rows.append({"setting": name, "dev_accuracy": a.mean(), "sd": a.std(ddof=1),
                     "seeds": len(a), "difference": difference, "two_errors": 2 * error,
                     "verdict": verdict if rows else "", "best": name == best})  # fmt: skip
    return rows


def sweep_table(rows):
    """Return the rows of a sweep as lines that can be read at a glance, in percent."""
    width = max(len(row["setting"]) for row in rows)
    lines = [f"  {'setting':{width}}  accuracy on dev    difference   two standard errors"]
    for row in rows:
        mark = "*" if row["best"] else " "
        line = f"{mark} {row['setting']:{width}}  {100 * row['dev_accuracy']:5.2f} +- "
        line += f"{100 * row['sd']:.2f} %"
        if row["verdict"]:
            line += f"   {100 * row['difference']:+6.2f}       "
            line += f"{100 * row['two_errors']:4.2f}                 {row['verdict']}"
        lines.append(line)
    lines.append(f"* the best; mean and standard deviation of {rows[0]['seeds']} seeds")
    return "\n".join(lines)


def say_what_learns(args, weights, train_images, dev_images):
    """Print how many weights learn from how many pictures, unless args.quiet."""
    if not args.quiet:
        print(f"{weights:,} weights learn from {len(train_images):,} pictures; "
              f"dev has {len(dev_images):,}")  # fmt: skip


def summary(metrics, folder, files):
    """Return the lines that close a run; `files` are the names of those that it wrote."""
    count, wrong = metrics["test_examples"], metrics["test_errors"]
    read, loss = describe_accuracy(count - wrong, count), np.ravel(metrics["test_loss"])
    if "test_accuracy_both" in metrics:
        upper, lower = metrics["test_accuracy"]
        read = f"upper {100 * upper:.2f} %, lower {100 * lower:.2f} %, both {read}"
    here = Path.cwd()
    place = folder.relative_to(here) if folder.is_relative_to(here) else folder
    return (
        f"test: {read}, {wrong:,} misread, loss {' / '.join(f'{one:.4f}' for one in loss)}\n"
        f"weights: of epoch {metrics['chosen_epoch']} of {metrics['epochs']}, the best on dev\n"
        f"training: {metrics['seconds']:.1f} s, {metrics['examples_per_second']:,.0f} pictures a "
        f"second ({metrics['device']}, {metrics['precision']}, threads: {metrics['threads']})\n"
        f"results in {place}: {', '.join(sorted(files))}"
    )


# ---------------------------------------------------------------------------------- plots

# Okabe and Ito's colours (jfly.uni-koeln.de/color), told apart with any kind of colour vision.
BLUE, ORANGE, GREY = "#0072B2", "#E69F00", "#767676"


def save_figure(path, size, draw, **grid):
    """Draw one picture: draw(axes, figure) gets the axes of plt.subplots(**grid) and fills them."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure  # without pyplot: nothing opens a window

    look = {"axes.spines.top": False, "axes.spines.right": False, "font.size": 10}
    with rc_context(look), whole_file(path) as file:
        figure = Figure(size, layout="constrained")
        draw(figure.subplots(squeeze=False, **grid), figure)
        figure.savefig(file, dpi=120, format="png")


def draw_tiles(path, tiles, titles=None, heading="", signed=False):
    """Draw pictures (N, H, W) in rows of ten, each under its title.

    If signed, zero is white, positive values red and negative ones blue, the same for all tiles.
    """
    columns = max(1, min(10, len(tiles)))
    rows = max(1, -(-len(tiles) // columns))
    top = 99.5 if signed else 100  # a few strong weights would leave all others pale
    reach = max(float(np.percentile(np.abs(tiles), top)), 1e-9) if len(tiles) else 1
    colours = {"cmap": "RdBu_r", "vmin": -reach} if signed else {"cmap": "gray_r", "vmin": 0}

    def draw(axes, figure):
        figure.suptitle(heading)
        for axis in axes.flat:
            axis.axis("off")
        for i, (axis, tile) in enumerate(zip(axes.flat, tiles, strict=False)):
            axis.imshow(tile, vmax=reach, interpolation="nearest", **colours)
            axis.set_title(titles[i] if titles else "", fontsize=9)

    height = 0.9 * len(tiles[0]) / len(tiles[0][0]) + 0.35 * bool(titles) if len(tiles) else 1
    save_figure(path, (max(4, columns), 0.5 + rows * height), draw, nrows=rows, ncols=columns)


def draw_weights(path, weights, shape):
    """Draw the weights of the first 60 hidden units, (units, H * W), where their pixels are."""
    heading = "pixels that excite (red) and inhibit (blue) each of the first hidden units"
    draw_tiles(path, weights[:60].reshape(-1, *shape), heading=heading, signed=True)


def draw_filters(path, filters):
    """Draw the filters (C, h, w) of a first layer."""
    draw_tiles(path, filters, heading="filters of the first layer: red +, blue -", signed=True)


def draw_learning_curves(path, history):
    """Draw loss and accuracy per epoch out of a history (a list of dicts)."""
    epochs, chosen = [row["epoch"] for row in history], chosen_row(history)["epoch"]

    def draw(axes, figure):
        for axis, what in zip(axes.flat, ("loss", "accuracy"), strict=True):
            scale = 100 if what == "accuracy" else 1
            for key in (k for k in history[0] if what in k):
                style = "--" if key.endswith("lower") else "-"
                colour = ORANGE if key.startswith("train") else BLUE
                values = [scale * row[key] for row in history]
                label = key.replace("_", " ").replace(f" {what}", "")
                axis.plot(epochs, values, style, color=colour, label=label, marker=".")
            axis.axvline(chosen, color=GREY, linewidth=1, linestyle=":", label="chosen epoch")
            axis.set(xlabel="epoch", ylabel=what + " (%)" * (scale > 1))
            axis.set_xlim(0.5, len(epochs) + 0.5)
            axis.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
            axis.grid(alpha=0.3)
        axes[0, 0].legend(edgecolor="none")

    save_figure(path, (9, 3.6), draw, ncols=2)


def draw_confusion(path, labels, readings):
    """Draw one confusion matrix per head; labels and readings are (heads, N)."""
    names = ("upper digit", "lower digit") if len(labels) > 1 else ("",)

    def draw(axes, figure):
        for axis, truth, read, name in zip(axes.flat, labels, readings, names, strict=True):
            counts = np.zeros((10, 10), int)
            np.add.at(counts, (truth, read), 1)
            wrong = counts / np.maximum(counts.sum(1, keepdims=True), 1)
            np.fill_diagonal(wrong, 0)  # left pale, or the right ones would drown the mistakes
            shade, darkest = np.sqrt(wrong), max(0.1, np.sqrt(wrong.max()))
            axis.imshow(shade, cmap="Oranges", vmin=0, vmax=darkest)
            for i, j in np.argwhere(counts):
                weight = "bold" if i == j else "normal"
                colour = "white" if shade[i, j] > 0.7 * darkest else "black"
                axis.text(j, i, counts[i, j], ha="center", va="center", fontsize=8, weight=weight,
                          color=colour)  # fmt: skip
            axis.set(xticks=range(10), yticks=range(10), ylabel="is", title=name,
                     xlabel="read as; the darker, the more of its row")  # fmt: skip

    save_figure(path, (5.4 * len(labels), 5.8), draw, ncols=len(labels))


def draw_mistakes(path, images, labels, probabilities):
    """Draw the misread pictures (N, H, W), the 40 surest: what was read, how surely, the truth.

    labels (heads, N), probabilities (heads, N, 10).
    """
    readings, sureness = probabilities.argmax(2), probabilities.max(2).prod(0)
    wrong = np.flatnonzero((readings != labels).any(0))
    shown = wrong[np.argsort(-sureness[wrong], kind="stable")][:40]
    words = [[" ".join(map(str, digits[:, i])) for digits in (readings, labels)] for i in shown]
    titles = [f"read {read}\n{100 * sureness[i]:.0f} %\nis {truth}"
              for i, (read, truth) in zip(shown, words, strict=True)]  # fmt: skip
    heading = f"{len(wrong):,} of {labels.shape[1]:,} misread"
    heading += "; the 40 surest" if len(wrong) > 40 else ", the surest first"
    draw_tiles(path, images[shown], titles, heading if len(wrong) else "nothing misread")


def draw_results(folder, history, images, labels, probabilities):
    """Draw learning_curves.png, confusion_matrix.png and mistakes.png; shapes as above."""
    draw_learning_curves(folder / "learning_curves.png", history)
    draw_confusion(folder / "confusion_matrix.png", labels, probabilities.argmax(2))
    draw_mistakes(folder / "mistakes.png", images, labels, probabilities)


def draw_layers(path, picture, layers):
    """Draw a picture (H, W) and below it one row per layer of feature maps, each (C, h, w)."""
    layers = [maps[:16] for maps in layers]  # these suffice to see what a layer keeps

    def draw(axes, figure):
        for axis in axes.flat:
            axis.set_axis_off()
        axes[0, 0].imshow(picture, cmap="gray_r")
        titles = ["the picture, and what channels make of it: the brighter, the stronger"]
        for number, (row, maps) in enumerate(zip(axes[1:], layers, strict=True), start=1):
            size = f"{maps.shape[1]} x {maps.shape[2]}"
            titles.append(f"layer {number}, {size}, channels 1 to {len(maps)}")
            for axis, one in zip(row, maps, strict=False):
                axis.imshow(one, cmap="viridis", vmin=0, vmax=max(float(maps.max()), 1e-9))
        for axis, title in zip(axes[:, 0], titles, strict=True):
            axis.set_title(" ")  # takes room for a line; the line itself would widen its column
            axis.text(0, 1.05, title, transform=axis.transAxes, fontsize=9).set_in_layout(False)

    columns = max(len(maps) for maps in layers)
    size = (0.7 * columns, 0.95 * (1 + len(layers)))
    save_figure(path, size, draw, nrows=1 + len(layers), ncols=columns)


def draw_inside(folder, layers, picture):
    """Draw what the first layer has learned, and what one picture (1, H, W) becomes behind it.

    Fully connected: weights.png, each unit's weights where the pixels are. Convolutional:
    filters.png, and activations.png, the feature maps behind every ReLU.
    """
    import torch
    from torch import nn

    first = next(layer for layer in layers if isinstance(layer, (nn.Conv2d, nn.Linear)))
    weights = first.weight.detach().float().cpu().numpy()
    if isinstance(first, nn.Linear):
        return draw_weights(folder / "weights.png", weights, picture.shape[-2:])
    draw_filters(folder / "filters.png", weights[:, 0])
    x, maps = picture[None], []
    with torch.no_grad():
        for layer in layers.eval():
            x = layer(x)
            if isinstance(layer, nn.ReLU) and x.ndim == 4:
                maps.append(x[0].float().cpu().numpy())  # (C, h, w)
    return draw_layers(folder / "activations.png", picture[0].cpu().numpy(), maps)


def draw_sweep(path, results):
    """Draw the accuracies of {setting: [one per seed]}: dots, their mean, whiskers of one sd."""

    def draw(axes, figure):
        axis = axes[0, 0]
        for height, accuracies in enumerate(results.values()):
            percent = 100 * np.array(accuracies)
            axis.plot(percent, np.full(len(percent), height), "o", color=GREY, alpha=0.5)
            axis.errorbar(percent.mean(), height, xerr=percent.std(ddof=1), color=BLUE,
                          marker="D", capsize=4)  # fmt: skip
        axis.set(yticks=range(len(results)), yticklabels=results)
        axis.set_xlabel("accuracy on dev (%): each seed, their mean and standard deviation")
        axis.invert_yaxis()
        axis.grid(axis="x", alpha=0.3)

    save_figure(path, (7, 0.8 + 0.5 * len(results)), draw)


def require_display():
    """Raise UserError unless Matplotlib can open windows here."""
    import matplotlib

    if matplotlib.get_backend().lower() in {"agg", "cairo", "pdf", "pgf", "ps", "svg", "template"}:
        raise UserError("there is no display to open a window on")


def show_folder(folder, names="*.png"):
    """Open pictures of a run's folder in windows, and wait until they are closed."""
    from matplotlib import pyplot

    for path in sorted(folder.glob(names)):
        picture = pyplot.imread(path)
        size = [pixels / 120 for pixels in picture.shape[1::-1]]
        axes = pyplot.figure(path.stem, figsize=size, dpi=120).add_axes((0, 0, 1, 1))
        axes.imshow(picture)
        axes.set_axis_off()
    pyplot.show()


# ------------------------------------------------------------------------- the end of a run


@contextlib.contextmanager
def results_together(folder):
    """Give a folder to write results into; all of them move to `folder` when the block is done.

    If it fails, a full disk say, the results of an earlier run stay as they were.
    """
    fresh = Path(folder) / ".unfinished"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir()
    try:
        yield fresh
        with interrupts_held():
            for path in sorted(fresh.iterdir()):
                path.replace(Path(folder) / path.name)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def finish_run(args, folder, history, test, write_own, *, parameters, examples, **machine):
    """Write, draw and print what a run has found; return its metrics.

    `test` is (images (N, H, W), labels (heads, N), probabilities (heads, N, 10)); write_own(folder)
    adds the weights and the script's own view; `examples` is how many an epoch saw; `machine` has
    device, precision, threads and versions. The results appear together, or not at all.
    """
    images, labels, probabilities = test
    seconds = sum(row["seconds"] for row in history)
    versions = {"python": platform.python_version(), "numpy": np.__version__}
    metrics = {
        "script": args.script,
        **test_figures(probabilities, labels),
        "dev_accuracy": row_values(chosen_row(history), "dev_accuracy"),
        "chosen_epoch": chosen_row(history)["epoch"],
        "parameters": parameters,
        "epochs": args.epochs,
        "seed": args.seed,
        "seconds": seconds,
        "examples_per_second": args.epochs * examples / seconds,
        "settings": settings_of(args),
        **machine,
    }
    metrics["versions"] = versions | metrics["versions"]
    with saying_how_to_resume(folder, history), results_together(folder) as results:
        write_own(results)
        write_metrics(results, metrics, history)
        if not args.no_plots:
            draw_results(results, history, images, labels, probabilities)
        files = [path.name for path in results.iterdir()]
    if not args.quiet:
        print(summary(metrics, folder, files))
    if args.show:
        show_folder(folder)
    return metrics


# --------------------------------------------------------- settings and weights of another run


def settings_of(args):
    """Return the settings that decide how a run ends; metrics.json and the checkpoint have them."""
    others = {"script", "output_dir", "quiet", "resume", "predict", "model", "no_plots"}
    others |= {"show", "draw", "sweep", "check_gradients"}
    settings = {key: value for key, value in vars(args).items() if key not in others}
    return settings | {"data_dir": str(args.data_dir.resolve())}  # other data is another run


def require_checkpoint(path):
    """Raise UserError unless there is a checkpoint that --resume can go on from."""
    if not Path(path).is_file():
        raise UserError(f"there is no {path} to resume; leave out --resume to start a run")


def check_settings(path, old, new):
    """Raise UserError if a checkpoint's settings are not those of the command that resumes it.

    The number of epochs is one of them: the learning rate's schedule depends on it.
    """
    old, new = old or {}, new or {}
    for key in sorted(set(old) | set(new)):
        if old.get(key) != new.get(key):
            was = str(old.get(key))[:100]  # a stranger's file may say anything
            raise UserError(f"{path} was made with {key} {was}, not {new.get(key)}; give the same "
                            "settings, or leave out --resume to start anew")


def find_model(args, name):
    """Return the path of the weights that --predict uses, or raise UserError."""
    default = ROOT / "runs" / args.script / name
    for path in (args.model,) if args.model else (args.output_dir / name, default):
        if path.is_file():
            return path
    raise UserError(f"there is no {path}; train a network first: python {args.script}.py")


def recall_settings(parser, args, names):
    """Take the options `names`, which shape the trained network, from its run's metrics."""
    path = find_model(args, "model.pt").with_name("metrics.json")
    if not path.is_file():
        return args
    with blamed_on(path, "is damaged"):
        metrics = json.loads(path.read_text(encoding="utf-8"))
        if metrics["script"] != args.script:
            was = str(metrics["script"])[:100]
            raise UserError(f"{path.parent} is of {was}.py, not of {args.script}.py; see --model")
        settings = metrics["settings"]
        known = {name: settings[name] for name in names if settings[name] is not None}
        options = [[f"--{name}", *map(str, np.ravel(value))] for name, value in known.items()]
        if any(value.startswith("-") for _, *values in options for value in values):
            raise ValueError("it names other options")
    return parser.parse_args(sum(options, []), namespace=args)
