"""conv.py: the two-headed convolutional network, and the script as its users run it."""

import conv
import utils_multiMNIST
from tests.conftest import RUN_FILES, visible_files
from utils import DATASETS

import numpy as np
import pytest
import torch
from PIL import Image


def test_the_shapes_are_those_of_the_comments():
    model = conv.CNN(42 * 28).eval()
    x, shapes = torch.zeros(2, 1, 42, 28), []
    for layer in model.trunk:
        x = layer(x)
        if isinstance(layer, torch.nn.ReLU):
            shapes.append(tuple(x.shape[1:]))
    assert shapes == [(16, 21, 14), (32, 21, 14), (32, 10, 7), (64, 10, 7), (64, 5, 3)]
    upper, lower = model(torch.rand(3, 1, 42, 28))
    assert upper.shape == lower.shape == (3, 10) and not torch.equal(upper, lower)
    with pytest.raises(ValueError, match="42 x 28"):
        conv.CNN(784)


@pytest.mark.slow
def test_a_run_learns_both_digits_writes_its_files_and_reads_a_picture(
    small_mnist, tmp_path, as_program, monkeypatch
):
    monkeypatch.setitem(utils_multiMNIST.COUNTS, True, (5000, 500))
    options = ["--data-dir", small_mnist, "--output-dir", tmp_path]
    metrics = conv.main([*map(str, options), "--epochs", "2", "--batch-size", "20", "--quiet"])
    figures = {"filters.png", "activations.png", "hardest_pairs.png"}
    assert visible_files(tmp_path) == RUN_FILES | figures
    assert min(metrics["test_accuracy"]) > 0.5 and metrics["script"] == "conv"
    image = utils_multiMNIST.get_data(small_mnist, True)[2][0, 0]
    plate = tmp_path / "plate.png"
    Image.fromarray((255 - 255 * image).astype("uint8")).resize((280, 420)).save(plate)
    status, out, errors = as_program(conv.main, "conv.py", *options, "--predict", plate)
    assert (status, errors) == (0, "")
    name, _, rest = out.rpartition(": ")
    assert name == str(plate) and len(rest.split()) == 4 and rest.count("%") == 2
    assert (tmp_path / "readings.png").exists()


@pytest.mark.slow
def test_one_epoch_reads_97_percent_of_either_digit_and_photographs_nearly_as_well(tmp_path):
    metrics = conv.main(["--epochs", "1", "--output-dir", str(tmp_path), "--quiet"])
    assert min(metrics["test_accuracy"]) >= 0.97
    *_, images, labels = utils_multiMNIST.get_data(DATASETS, True)
    paths = [tmp_path / f"{i:03}.png" for i in range(500)]
    for path, image in zip(paths, images[:500, 0], strict=True):
        ink = Image.fromarray((255 * image).astype("uint8")).resize((112, 168))
        page = Image.new("L", (200, 260), 250)
        page.paste(30, (50, 60), ink)
        page.save(path)
    options = ["--model", tmp_path / "model.pt", "--predict", *paths]
    read = np.array([digits for _, digits in conv.main([str(option) for option in options])]).T
    assert (read == labels[:, :500]).mean(1).min() >= min(metrics["test_accuracy"]) - 0.02
