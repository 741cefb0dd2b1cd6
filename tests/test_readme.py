"""README.md and Datasets/README.md: every command there works, every file named there is there."""

import re
import shlex
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import utils_multiMNIST
from tests.conftest import ROOT, write_mnist

TEXTS = {name: (ROOT / name).read_text(encoding="utf-8")
         for name in ("README.md", "Datasets/README.md")}  # fmt: skip
COMMANDS = sorted({
    line.strip() for line in re.findall(r"^ *(python [^\n#]+)|`(python [^`]+)`",
                                        "\n".join(TEXTS.values()), re.MULTILINE)
    for line in line if line
})  # fmt: skip
SCRIPTS = [line for line in COMMANDS if re.match(r"python \w+\.py", line)]
# What the commands run so that they end in seconds; later options overrule those of the command.
SMALL = ["--epochs", "1", "--limit", "400", "--batch-size", "20"]


def test_there_are_commands():
    assert len(SCRIPTS) > 12 and "python nnet_cnn.py" in SCRIPTS
    others = {line.split()[1] for line in COMMANDS} - {line.split()[1] for line in SCRIPTS}
    benches = {f"tests/benchmarks/bench_{kind}.py" for kind in ("scripts", "peers", "neural_nets")}
    assert others <= {"-m", "tests/grade.py", *benches}


@pytest.fixture(scope="module")
def desk(small_mnist, mnist, tmp_path_factory):
    """A folder with the pictures that the README reads, and trained networks in runs/."""
    folder = tmp_path_factory.mktemp("desk")
    for name in ("seven.jpg", "three.png", "C:\\scans\\seven.png"):  # the last one is for Windows
        Image.fromarray(255 - mnist[0][0][1]).resize((112, 112)).save(folder / name)
    plate = utils_multiMNIST.get_data(small_mnist, True)[2][0, 0]
    Image.fromarray((255 - 255 * plate).astype(np.uint8)).resize((112, 168)).save(
        folder / "plate.png"
    )
    write_mnist(folder / "fashion-mnist", 500, 100)
    for script in ("neural_nets", "nnet_fc", "nnet_cnn", "mlp", "conv"):
        run(f"python {script}.py", folder, small_mnist)
    run("python nnet_cnn.py --output-dir runs/mine", folder, small_mnist)
    return folder


def run(command, folder, small_mnist):
    """Run a command of the README on few digits; return what it printed."""
    words = shlex.split(command.replace("\\", "\\\\"))[1:]  # a backslash is part of a Windows path
    script = words[0].removesuffix(".py")
    small = [] if "--output-dir" in words else ["--output-dir", str(folder / "runs" / script)]
    if "--predict" not in words:
        small += SMALL
    if "--data-dir" not in words:
        small += ["--data-dir", str(small_mnist)]
    if "--sweep" in words:  # thirty networks, which test_nnet_fc.py trains in small
        words.remove("--sweep")
    done = subprocess.run([sys.executable, str(ROOT / words[0]), *words[1:], *small], cwd=folder,
                          capture_output=True, text=True, timeout=120)  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("command", [line for line in SCRIPTS if "--draw" not in line])
def test_a_command_of_the_readme_works(command, desk, small_mnist):
    if "--resume" in command:  # goes on only with the very settings of the interrupted run
        run(command.replace("--resume", ""), desk, small_mnist)
    printed = run(command, desk, small_mnist)
    if "--predict" in command:
        pictures = command.split("--predict ")[1].split()
        for picture, line in zip(pictures, printed.splitlines(), strict=False):
            assert line.startswith(f"{picture}: ")
    elif "--check-gradients" not in command:
        assert "results in " in printed


@pytest.mark.slow
def test_the_benchmarks_of_the_readme_work(tmp_path):
    for script, *options in (
        ["bench_scripts.py", "--seeds", "0", "--only", "nnet_cnn --epochs 1 --nudge 0 --width 0.5"],
        ["bench_peers.py", "--quick", "--only", "nielsen_network"],
        ["bench_neural_nets.py", "--quick", "--rounds", "1"],
    ):
        command = [sys.executable, str(ROOT / "tests" / "benchmarks" / script), *options]
        done = subprocess.run([*command, "--output-dir", str(tmp_path)], capture_output=True,
                              text=True, timeout=280)  # fmt: skip
        assert done.returncode == 0, done.stderr
    for name in ("results", "bench_peers", "bench_neural_nets"):
        assert (tmp_path / f"{name}.csv").read_text(encoding="utf-8").count("\n") >= 2
        assert (tmp_path / f"{name}.md").read_text(encoding="utf-8").startswith("| ")


@pytest.mark.parametrize("text", TEXTS)
def test_what_the_readme_points_to_is_there(text):
    folder = (ROOT / text).parent
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", TEXTS[text])
    for link in links:
        assert link.startswith("https://") or (folder / link).exists(), link
