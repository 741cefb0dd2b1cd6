"""What a run says, records and draws, and photographs made into digits for --predict.

In the order of the file: the history and the figures of a run, as lines and as files; plots; a
photograph brought into MNIST's form; the pictures that --predict names. Matplotlib, Pillow and
SciPy are imported where they are used, so that a run does not wait for what it does not need.
Shapes: N pictures, H rows, W columns; a head of a network reads one digit.
"""

import csv
import json
import math
import platform
import warnings
from pathlib import Path

import numpy as np

from utils import (
    ROOT,
    UserError,
    reason,
    results_together,
    saying_how_to_resume,
    settings_of,
    whole_file,
)

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
    """Return the row of the epoch with the best (mean) accuracy on dev; of equals the last."""
    return max(reversed(history), key=lambda row: np.mean(row_values(row, "dev_accuracy")))


def epoch_line(row, epochs):
    """Return e.g. 'epoch  3/20  train loss 0.0461  98.61 %  dev loss 0.0213  99.38 %  4.2 s'."""
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


def describe_accuracy(right, count, z=1.96):
    """Return e.g. '99.71 % of 10,000 right (95 % interval 99.58 to 99.80 %)'; Wilson, JASA 1927."""
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
    lines = [f"  {'setting':{width}}  accuracy on dev    difference   two errors"]
    for row in rows:
        mark = "*" if row["best"] else " "
        line = f"{mark} {row['setting']:{width}}  {100 * row['dev_accuracy']:5.2f} +- "
        line += f"{100 * row['sd']:.2f} %"
        if row["verdict"]:
            line += f"   {100 * row['difference']:+6.2f}       "
            line += f"{100 * row['two_errors']:4.2f}        {row['verdict']}"
        lines.append(line)
    lines.append(f"* the best; mean and standard deviation of {rows[0]['seeds']} seeds")
    return "\n".join(lines)


def summary(metrics, folder):
    """Return the lines that close a run."""
    count, wrong = metrics["test_examples"], metrics["test_errors"]
    read, loss = describe_accuracy(count - wrong, count), np.ravel(metrics["test_loss"])
    if "test_accuracy_both" in metrics:
        upper, lower = metrics["test_accuracy"]
        read = f"upper {100 * upper:.2f} %, lower {100 * lower:.2f} %, both {read}"
    here = Path.cwd()
    place = folder.relative_to(here) if folder.is_relative_to(here) else folder
    files = ", ".join(sorted(path.name for path in folder.iterdir() if path.name[0] != "."))
    return (
        f"test: {read}, {wrong:,} misread, loss {' / '.join(f'{one:.4f}' for one in loss)}\n"
        f"{metrics['parameters']:,} weights; trained {metrics['epochs']} epochs in "
        f"{metrics['seconds']:.1f} s, {metrics['examples_per_second']:,.0f} pictures a second "
        f"({metrics['device']}, {metrics['threads']} threads, {metrics['precision']})\n"
        f"results in {place}: {files}"
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


def draw_tiles(path, tiles, titles=None, heading="", columns=10, signed=False):
    """Draw pictures (N, H, W) in rows of `columns`, each under its title.

    If signed, zero is white, positive values red and negative ones blue, the same for all tiles.
    """
    columns = max(1, min(columns, len(tiles)))
    rows = max(1, -(-len(tiles) // columns))
    reach = max(float(np.abs(tiles).max()), 1e-9) if len(tiles) else 1
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
            axis.xaxis.get_major_locator().set_params(integer=True)
            axis.grid(alpha=0.3)
        axes[0, 0].legend(frameon=False)

    save_figure(path, (9, 3.6), draw, ncols=2)


def draw_confusion(path, labels, readings):
    """Draw one confusion matrix per head; labels and readings are (heads, N)."""
    names = ("upper digit", "lower digit") if len(labels) > 1 else ("",)

    def draw(axes, figure):
        for axis, truth, read, name in zip(axes.flat, labels, readings, names, strict=True):
            counts = np.zeros((10, 10), int)
            np.add.at(counts, (truth, read), 1)
            wrong = counts / np.maximum(counts.sum(1, keepdims=True), 1)
            np.fill_diagonal(wrong, 0)  # left white, or the right ones would drown the mistakes
            shade, darkest = np.sqrt(wrong), max(0.1, np.sqrt(wrong.max()))
            axis.imshow(shade, cmap="Oranges", vmin=0, vmax=darkest)
            for i, j in np.argwhere(counts):
                weight = "bold" if i == j else "normal"
                colour = "white" if shade[i, j] > 0.7 * darkest else "black"
                axis.text(j, i, counts[i, j], ha="center", va="center", fontsize=8, weight=weight,
                          color=colour)  # fmt: skip
            axis.set(xticks=range(10), yticks=range(10), xlabel="read as", ylabel="is", title=name)

    save_figure(path, (5.4 * len(labels), 5.8), draw, ncols=len(labels))


def draw_mistakes(path, images, labels, probabilities, most=40):
    """Draw the misread pictures (N, H, W), surest first: what was read, how surely, the truth.

    labels (heads, N), probabilities (heads, N, 10).
    """
    readings, sureness = probabilities.argmax(2), probabilities.max(2).prod(0)
    wrong = np.flatnonzero((readings != labels).any(0))
    shown = wrong[np.argsort(-sureness[wrong], kind="stable")][:most]
    words = [[" ".join(map(str, digits[:, i])) for digits in (readings, labels)] for i in shown]
    titles = [f"read {read}\n{100 * sureness[i]:.0f} %\nis {truth}"
              for i, (read, truth) in zip(shown, words, strict=True)]  # fmt: skip
    heading = f"{len(wrong):,} of {labels.shape[1]:,} misread"
    heading += f"; the {most} surest" if len(wrong) > most else ", the surest first"
    draw_tiles(path, images[shown], titles, heading if len(wrong) else "nothing misread")


def draw_results(folder, history, images, labels, probabilities):
    """Draw learning_curves.png, confusion_matrix.png and mistakes.png; shapes as above."""
    draw_learning_curves(folder / "learning_curves.png", history)
    draw_confusion(folder / "confusion_matrix.png", labels, probabilities.argmax(2))
    draw_mistakes(folder / "mistakes.png", images, labels, probabilities)


def draw_layers(path, picture, layers):
    """Draw a picture (H, W) and below it one row per layer of feature maps, each (maps, h, w)."""

    def draw(axes, figure):
        for axis in axes.flat:
            axis.set_axis_off()
        axes[0, 0].imshow(picture, cmap="gray_r")
        axes[0, 0].set_title("the picture", loc="left", fontsize=9)
        for number, (row, maps) in enumerate(zip(axes[1:], layers, strict=True), start=1):
            size = f"{maps.shape[1]} x {maps.shape[2]}"
            row[0].set_title(f"layer {number}, {size}", loc="left", fontsize=9)
            for axis, one in zip(row, maps, strict=False):
                axis.imshow(one, cmap="viridis", vmin=0, vmax=1)

    columns = max(len(maps) for maps in layers)
    size = (0.7 * columns, 0.95 * (1 + len(layers)))
    save_figure(path, size, draw, nrows=1 + len(layers), ncols=columns)


def draw_sweep(path, results):
    """Draw the accuracies of {setting: [one per seed]}: dots, their mean, whiskers of one sd."""

    def draw(axes, figure):
        axis = axes[0, 0]
        for height, accuracies in enumerate(results.values()):
            percent = 100 * np.array(accuracies)
            axis.plot(percent, np.full(len(percent), height), "o", color=GREY, alpha=0.5)
            axis.errorbar(percent.mean(), height, xerr=percent.std(ddof=1), color=BLUE,
                          marker="D", capsize=4)  # fmt: skip
        axis.set(yticks=range(len(results)), yticklabels=results, xlabel="accuracy on dev (%)")
        axis.invert_yaxis()
        axis.grid(axis="x", alpha=0.3)

    save_figure(path, (7, 0.8 + 0.5 * len(results)), draw)


def draw_readings(path, originals, digits, probabilities):
    """Draw for each picture: the original, what the network was shown, the ten probabilities.

    originals are grey levels (H, W) of any sizes, digits (N, H, W), probabilities (heads, N, 10).
    """

    def draw(axes, figure):
        for i, (first, second, *bars) in enumerate(axes):
            first.imshow(originals[i], cmap="gray", vmin=0, vmax=1)
            second.imshow(digits[i], cmap="gray_r", vmin=0, vmax=1)
            first.set_axis_off()
            second.set(xticks=[], yticks=[])
            for axis, chances in zip(bars, probabilities[:, i], strict=True):
                colours = [ORANGE if n == chances.argmax() else GREY for n in range(10)]
                axis.bar(range(10), 100 * chances, color=colours)
                axis.set(xticks=range(10), ylim=(0, 100), ylabel="%")
        for axis, title in zip(axes[0], ("picture", "what the network sees"), strict=False):
            axis.set_title(title)

    columns = 2 + len(probabilities)
    save_figure(path, (2.6 * columns, 2 * len(digits)), draw, nrows=len(digits), ncols=columns)


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
    if not args.quiet:
        print(summary(metrics, folder))
    if args.show:
        show_folder(folder)
    return metrics


# ------------------------------------------------------- a photograph made into an MNIST digit


# What cameras and drawing programs write. Not EPS: Pillow would run Ghostscript on it, a program.
FORMATS = ["PNG", "JPEG", "WEBP", "AVIF", "GIF", "TIFF", "BMP", "PPM", "JPEG2000"]


def read_picture(path):
    """Read a picture of any size: grey levels (H, W), 0 black to 1 white, H and W at most 320.

    Raises UserError if it is no picture, damaged, or larger than 60 million pixels, of which Pillow
    keeps three copies for a while.
    """
    from PIL import Image, ImageOps

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what matters is an error, below
            with Image.open(path, formats=FORMATS) as image:
                if image.width * image.height > 6e7:
                    raise UserError(f"{path} is too large ({image.width} x {image.height} pixels)")
                image.draft("RGB", (320, 320))  # lets JPEG skip what is thrown away below
                upright = ImageOps.exif_transpose(image)
                if upright.mode.startswith("I"):  # 16 bits of grey, which convert() would cut off
                    upright = Image.fromarray((np.asarray(upright) // 257).astype(np.uint8))
                upright = upright.convert("RGBA")
        upright.thumbnail((320, 320))
        rgba = np.asarray(upright, np.float32) / 255
    except UserError:
        raise
    except FileNotFoundError:
        raise UserError(f"there is no picture {path}") from None
    except Exception as error:  # Pillow's readers raise many kinds on damaged files
        raise UserError(f"{path} is no picture that can be read ({reason(error)})") from None
    grey, alpha = rgba[:, :, :3] @ np.float32([0.299, 0.587, 0.114]), rgba[:, :, 3]
    # Behind transparent parts put white if what is drawn is dark, and black if it is light.
    paper = 1.0 if (grey * alpha).sum() < 0.5 * alpha.sum() else 0.0
    return grey * alpha + paper * (1 - alpha)


def fit_paper(grey):
    """Return the paper's brightness (H, W) under a picture (H, W), and how noisy it is.

    The paper, unevenly lit, is taken for a quadratic surface in row and column. The picture's rim
    shows the paper nearly everywhere; from there it is fitted, and then again from all pixels that
    agree with the fit, until the ink is left out.
    """
    step = max(1, min(grey.shape) // 50)  # some thousand pixels are enough for six numbers
    rows, columns = (np.linspace(-1, 1, n, dtype=np.float32) for n in grey.shape)
    powers = [(0, 0), (1, 0), (0, 1), (2, 0), (1, 1), (0, 2)]  # of row and column
    few = grey[::step, ::step]
    terms = [np.outer(rows[::step] ** i, columns[::step] ** j) for i, j in powers]
    surface = np.stack(terms, axis=2)  # (h, w, 6)
    rim = np.ones(few.shape, bool)
    wide = max(1, min(few.shape) // 12)
    rim[wide:-wide, wide:-wide] = False
    known, rest = rim, few - np.median(few[rim])
    for turn in range(8):
        noise = 1.5 * np.median(np.abs(rest[known])) + 0.01
        known = (np.abs(rest) < 3 * noise) & (rim if turn < 4 else True)
        count = 3 if turn < 4 else 6  # slopes first: a rim says little of curvature
        weights = np.linalg.lstsq(surface[known][:, :count], few[known], rcond=None)[0]
        rest = few - surface[:, :, :count] @ weights
    whole = (np.outer(rows**i, columns**j) for i, j in powers)
    return sum(w * term for w, term in zip(weights, whole, strict=True)), noise


def find_ink(grey):
    """Separate ink from paper: (H, W) grey levels -> (H, W) ink, 0 paper to 1 ink; None if blank.

    Ink is what differs from the paper by more than noise, darker or lighter, whichever is more.
    """
    paper, noise = fit_paper(grey)
    rest = grey - paper
    ink = rest if (rest * rest * rest).sum() > 0 else -rest
    strong = ink[ink > max(3 * noise, 0.1)]
    if strong.size == 0:
        return None
    strongest = np.percentile(strong, 75)
    return np.where(ink > max(0.15 * strongest, 3 * noise), np.clip(ink / strongest, 0, 1), 0)


def normalise(grey, height=28):
    """Grey levels (H, W) -> MNIST's own form, float32 (height, 28), ink 1 on 0; None if blank.

    MNIST's procedure (Datasets/README.md): the ink's bounding box is scaled to fit 20 columns and
    height - 8 rows, its proportions kept, then moved so that its centre of mass is in the middle.
    """
    from PIL import Image
    from scipy import ndimage

    ink = find_ink(grey)
    if ink is None:
        return None
    parts, count = ndimage.label(ink > 0, np.ones((3, 3)))
    sizes = ndimage.sum_labels(ink, parts, range(1, count + 1))
    ink = ink * np.isin(parts, 1 + np.flatnonzero(sizes > 0.02 * sizes.sum()))  # dust is no digit
    if not (ink > 0.3).any():  # nothing but dust
        return None
    box = ink[ndimage.find_objects((ink > 0.3).astype(int))[0]]  # 0.3: without blurred edges
    scale = min((height - 8) / box.shape[0], 20 / box.shape[1])
    size = [max(1, round(scale * n)) for n in box.shape[::-1]]  # Pillow wants (columns, rows)
    small = np.asarray(Image.fromarray(box.astype(np.float32)).resize(size, Image.Resampling.BOX))
    canvas = np.zeros((3 * height, 84), np.float32)  # wide margins, cut off below
    canvas[height : height + small.shape[0], 28 : 28 + small.shape[1]] = small
    down, right = (round(m) for m in ndimage.center_of_mass(canvas))
    return canvas[down - height // 2 : down + height // 2, right - 14 : right + 14]


# -------------------------------------------------------------------- pictures to read


def find_model(args, name):
    """Return the path of the weights that --predict uses, or raise UserError."""
    default = ROOT / "runs" / args.script / name
    for path in (args.model,) if args.model else (args.output_dir / name, default):
        if path.is_file():
            return path
    raise UserError(f"there is no {path}; train a network first: python {args.script}.py")


def recall_settings(parser, args, names):
    """With --predict, take the options `names`, which shape the network, from the run's metrics."""
    path = find_model(args, "model.pt").with_name("metrics.json")
    if not path.is_file():
        return args
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))["settings"]
        known = {name: settings[name] for name in names if settings[name] is not None}
        options = [[f"--{name}", *map(str, np.ravel(value))] for name, value in known.items()]
        if any(value.startswith("-") for _, *values in options for value in values):
            raise ValueError("it names other options")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UserError(f"{path} is damaged ({reason(error)})") from None
    return parser.parse_args(sum(options, []), namespace=args)


def read_pictures(args, classify, height=28):
    """Read the pictures args.predict, print a line for each, and return [(path, digits), ...].

    classify(digits) takes float32 (N, height, 28) and gives probabilities (heads, N, 10). A picture
    without ink has no digits. With --show or another --output-dir readings.png is drawn. Raises
    UserError at the end if a picture could not be read; the others have been answered by then.
    """
    found, answers, shown, problems = [], [], [], []
    for path in args.predict:
        try:
            grey = read_picture(path)
        except UserError as error:
            problems.append(str(error))
            continue
        found.append((path, grey, normalise(grey, height)))
    inked = [digit for *_, digit in found if digit is not None]
    chances = iter(classify(np.stack(inked)).swapaxes(0, 1) if inked else ())  # all in one go
    for path, grey, digit in found:
        if digit is None:
            print(f"{path}: blank, no ink found")
            answers.append((path, ()))
            continue
        mine = next(chances)  # (heads, 10)
        sure = ", ".join(f"{100 * chance:.1f}%" for chance in mine.max(1))
        digits = mine.argmax(1).tolist()
        print(f"{path}: {' '.join(map(str, digits))} ({sure})")
        answers.append((path, tuple(digits)))
        shown.append((grey, digit, mine))
    if shown and (args.show or args.output_dir != ROOT / "runs" / args.script):
        args.output_dir.mkdir(parents=True, exist_ok=True)
        greys, digits, chances = zip(*shown[:20], strict=True)  # more rows could not be read
        path, chances = args.output_dir / "readings.png", np.stack(chances, axis=1)
        draw_readings(path, greys, digits, chances)
        if args.show:
            show_folder(args.output_dir, "readings.png")
    if problems:
        more = f" (and {len(problems) - 1} more pictures)" if len(problems) > 1 else ""
        raise UserError(problems[0] + more)
    return answers
