"""Which photographs of handwriting are read? A table of kinds, made of digits of the dev set.

    python tests/benchmarks/bench_photographs.py
    python tests/benchmarks/bench_photographs.py --one FILE --only "thin pen" chalk
    python tests/benchmarks/bench_photographs.py --look photographs.png      examples of each kind

The pictures come from tests/photographs.py and are read by nnet_cnn.py --predict, those of pairs by
conv.py, with the networks of the last runs or those that are named. An answer is right if all
digits are; surely wrong if it is wrong and the network gave each of its digits more than 80 %.
Refused is what --predict answers in words. Where there is nothing to read, that alone is right.
"""

import argparse
import contextlib
import io
import re
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import conv  # noqa: E402
import nnet_cnn  # noqa: E402
import utils  # noqa: E402
from tests import photographs  # noqa: E402
from tests.benchmarks import tables  # noqa: E402

from PIL import Image  # noqa: E402


def answers(script, model, paths):
    """Read pictures with --predict; return {path: [(digits, percents), ...]}, from its lines."""
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        script.main(["--model", str(model), "--no-plots", "--predict", *map(str, paths)])
    found = {path: [] for path in paths}
    for line in output.getvalue().splitlines():
        name, _, said = line.partition(": ")
        if match := re.fullmatch(r"([\d ]+) \((.*)\)", said):
            percents = [float(number) for number in re.findall(r"[\d.]+", match[2])]
            found[Path(name.split(", ")[0])].append((tuple(map(int, match[1].split())), percents))
    return found


def measure(kind, script, model, digits, count):
    """Return a row of the table: how `count` photographs of a kind are read."""
    with tempfile.TemporaryDirectory() as folder:
        truths = {}
        for i, (picture, truth) in enumerate(photographs.photographs(kind, *digits, count)):
            path = Path(folder, f"{i:04}.png")
            Image.fromarray(picture).save(path)
            truths[path] = truth
        found = answers(script, model, truths)
    right = wrong = sure = refused = 0
    for path, truth in truths.items():
        read = sum((digits for digits, _ in found[path]), ())
        percents = sum((percents for _, percents in found[path]), [])
        right += read == truth
        refused += read == () != truth
        wrong += read not in ((), truth)
        sure += read not in ((), truth) and min(percents) > 80
    shares = {"right": right, "wrong": wrong, "surely wrong": sure, "refused": refused}
    return {"photographs": kind} | {key: f"{100 * n / count:.0f}" for key, n in shares.items()}


def draw_examples(path, digits):
    """Draw three photographs of each kind."""
    kinds = photographs.KINDS | photographs.PAIRS
    shown = [list(photographs.photographs(kind, *digits, 3)) for kind in kinds]

    def draw(axes, figure):
        for axis in axes.flat:
            axis.set_axis_off()
        for i, (kind, row) in enumerate(zip(kinds, shown, strict=True)):
            for axis, (picture, truth) in zip(axes.flat[3 * i : 3 * i + 3], row, strict=True):
                axis.imshow(picture, cmap="gray", vmin=0, vmax=255)
                axis.set_title(f"{kind}: {' '.join(map(str, truth)) or '-'}", fontsize=7)

    utils.save_figure(path, (12, 20), draw, nrows=-(-len(kinds) // 2), ncols=6)


def main(argv=None):
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    runs = ROOT / "runs"
    parser.add_argument("--one", type=Path, default=runs / "nnet_cnn" / "model.pt", metavar="FILE")
    parser.add_argument("--pairs", type=Path, default=runs / "conv" / "model.pt", metavar="FILE")
    parser.add_argument("--count", type=int, default=100, help="photographs of each kind")
    parser.add_argument("--only", nargs="+", metavar="KIND", help="kinds, of all that there are")
    parser.add_argument("--look", type=Path, metavar="FILE", help="draw examples, and stop")
    args = parser.parse_args(argv)
    (images, labels), _ = utils.read_mnist()
    digits = images[54000:], labels[54000:]
    if args.look:
        return draw_examples(args.look, digits)
    rows = []
    for kinds, script, model in (
        (photographs.KINDS, nnet_cnn, args.one),
        (photographs.PAIRS, conv, args.pairs),
    ):
        for kind in kinds:
            if not args.only or kind in args.only:
                rows.append(measure(kind, script, model, digits, args.count))
                print(" ".join(rows[-1].values()), file=sys.stderr)
    print(tables.markdown(rows))
    print(f"\nin per cent of {args.count} photographs each; {tables.machine()}")


if __name__ == "__main__":
    main()
