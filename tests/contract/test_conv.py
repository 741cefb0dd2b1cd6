"""The contract of conv.py: CNN(input_dimension), a reader of two digits with two heads."""

from tests.contract import models, stage
from tests.grading.judge import blame, get

import pytest

SHAPE = (1, 42, 28)


def prepare(file):
    stage.prepare(file, heads=2, shape=SHAPE[1:])


def build(module):
    factory = get(module, "CNN", "conv.py")
    with blame("CNN(1176)"):
        return factory(42 * 28)


@pytest.mark.points(2)
def test_shapes(module):
    """forward turns N pictures into two (N, 10), each picture by itself, the same twice in eval"""
    models.check_batch_sizes(build(module), SHAPE, heads=2)


@pytest.mark.points(2)
def test_heads(module):
    """the two heads have columns of their own, and both look at the picture"""
    models.check_heads(build(module), SHAPE)


@pytest.mark.points(1)
def test_convolution(module):
    """the model has a convolution in it"""
    models.check_convolution(build(module), SHAPE, heads=2)


@pytest.mark.points(2)
def test_gradients(module):
    """every weight of the model can learn"""
    model = build(module)
    models.check_gradients(model, SHAPE, heads=2)
    models.remark_on_linearity(model, SHAPE, heads=2)


@pytest.mark.points(2)
def test_main(module):
    """main() trains a model and comes to its end"""
    stage.check_run(module)


@pytest.mark.points(2)
def test_pictures(module):
    """no dev or test picture is trained on, and each head gets its own digit's labels"""
    stage.check_pictures(module)


@pytest.mark.points(2)
def test_logits(module):
    """the outputs of both heads are logits"""
    models.check_logits(build(module), SHAPE, heads=2)
