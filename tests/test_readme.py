"""README.md and the others: every command works, and what they point to is there."""

import re
import shlex
import shutil
import subprocess
import sys

import utils_multiMNIST
from tests.conftest import ROOT, write_mnist

import numpy as np
import pytest
from PIL import Image

PAGES = ["README.md", "Datasets/README.md", "tests/README.md", "tests/benchmarks/README.md"]
TEXTS = {name: (ROOT / name).read_text(encoding="utf-8") for name in PAGES}
FOUND = re.findall(r"^ *(python [^\n#]+)|`(python [^`]+)`", TEXTS["README.md"], re.MULTILINE)
COMMANDS = sorted({" ".join(one.split()) for both in FOUND for one in both if one})
SCRIPTS = [line for line in COMMANDS if re.match(r"python \w+\.py", line)]
# What the commands run so that they end in seconds; later options overrule those of the command.
SMALL = ["--epochs", "1", "--limit", "400", "--batch-size", "20"]


def test_there_are_commands():
    assert len(SCRIPTS) > 12 and "python nnet_cnn.py" in SCRIPTS
    exercises = "python tests/exercises.py ", "python mine/"  # test_exercises.py runs these
    assert {
        line for line in COMMANDS if line not in SCRIPTS and not line.startswith(exercises)
    } <= {
        "python -m venv .venv",
        "python -m pytest",
        "python -m pytest --submission=DIR",
        "python tests/benchmarks/bench_scripts.py",
    }


def test_the_readme_is_short():
    text = TEXTS["README.md"]
    assert len(text.splitlines()) <= 150
    assert len(text.split("## The lessons")[0].split()) <= 600


@pytest.fixture(scope="module")
def desk(small_mnist, mnist, tmp_path_factory):
    """A folder with the pictures that the README reads, and trained networks in runs/."""
    folder = tmp_path_factory.mktemp("desk")
    for name in ("seven.jpg", "three.png"):
        Image.fromarray(255 - mnist[0][0][1]).resize((112, 112)).save(folder / name)
    plate = utils_multiMNIST.get_data(small_mnist, True)[2][0, 0]
    Image.fromarray((255 - 255 * plate).astype(np.uint8)).resize((112, 168)).save(
        folder / "plate.png"
    )
    write_mnist(folder / "fashion-mnist", 500, 100)
    for script in ("neural_nets", "nnet_fc", "nnet_cnn", "mlp", "conv"):
        run(f"python {script}.py", folder, small_mnist)
    run("python nnet_cnn.py --name kept", folder, small_mnist)
    return folder


def run(command, folder, small_mnist, script_folder=ROOT):
    """Run a command of the README on few digits; return what it printed."""
    words = shlex.split(command)[1:]
    script = words[0].removesuffix(".py")
    small = [] if "--output-dir" in words else ["--output-dir", str(folder / "runs" / script)]
    if "--predict" not in words:
        small += SMALL
    if "--data-dir" not in words:
        small += ["--data-dir", str(small_mnist)]
    if script == "utils":
        small = [str(folder / "runs")]
    done = subprocess.run(
        [sys.executable, str(script_folder / words[0]), *words[1:], *small],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=240,
        input="n\n" * 4,
    )
    if "1.5" in words:  # steps that are too long, on purpose
        assert "lower --lr" in done.stdout + done.stderr
        return "results in words"
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [
        line
        for line in SCRIPTS
        if "--draw" not in line and not re.search("quick mine|design mine", line)
    ],
)
def test_a_command_of_the_readme_works(command, desk, small_mnist):
    printed = run(command, desk, small_mnist)
    if "--predict" in command:
        pictures = command.split("--predict ")[1].split()
        for picture, line in zip(pictures, printed.splitlines(), strict=False):
            assert line.startswith(f"{picture}: ")
    elif "--sweep" in command or "utils.py" in command:
        assert "misread, % of dev" in printed
    else:
        assert "results in " in printed


@pytest.mark.slow
def test_the_walk_that_changes_a_layer_works(desk, small_mnist, tmp_path):
    for path in ROOT.glob("*.py"):
        shutil.copy(path, tmp_path)
    text = (tmp_path / "nnet_cnn.py").read_text(encoding="utf-8")
    quick = re.search(r"def quick\(.*?\n\n\n", text, re.DOTALL).group()
    mine = quick.replace("def quick", "def mine").replace("kernel=5", "kernel=3")
    assert mine.count("kernel=3") == 1
    text = text.replace(quick, quick + mine).replace(
        "DESIGNS = {", 'DESIGNS = {\n    "mine": mine,'
    )
    (tmp_path / "nnet_cnn.py").write_text(text, encoding="utf-8")
    printed = run("python nnet_cnn.py --sweep quick mine --epochs 1", desk, small_mnist, tmp_path)
    assert re.search(r"(?m)^mine +\d", printed)
    assert "results in " in run("python nnet_cnn.py --design mine", desk, small_mnist, tmp_path)


@pytest.mark.parametrize("text", TEXTS)
def test_what_a_page_points_to_is_there(text):
    folder = (ROOT / text).parent
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", TEXTS[text])
    for link in links:
        assert link.startswith("https://") or (folder / link).exists(), link
