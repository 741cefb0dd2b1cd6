"""The contract of conv.py: CNN(input_dimension), a reader of two digits with two heads."""

from tests.contract import models, scripts

import pytest

SHAPE = (1, 42, 28)


@pytest.mark.points(2)
def test_shapes(player):
    """forward turns N pictures into two (N, 10), each picture by itself, the same twice in eval"""
    models.check_batch_sizes(player, "CNN", SHAPE, heads=2)


@pytest.mark.points(2)
def test_heads(player):
    """the two heads have columns of their own, and both look at the whole picture"""
    models.check_heads(player, "CNN", SHAPE)


@pytest.mark.points(1)
def test_convolution(player):
    """the model has a convolution in it"""
    models.check_convolution(player, "CNN", SHAPE, heads=2)


@pytest.mark.points(2)
def test_gradients(player):
    """every weight of the model can learn"""
    models.check_gradients(player, "CNN", SHAPE, heads=2)
    models.check_anew(player, "CNN")
    models.remark_on_linearity(player, "CNN", SHAPE, heads=2)


@pytest.mark.points(2)
def test_main(player):
    """main() trains a model and comes to its end"""
    scripts.check_run(player)


@pytest.mark.points(2)
def test_pictures(player):
    """dev and test pictures stay out of the training, each head gets its digit's labels"""
    scripts.check_pictures(player, heads=2)


@pytest.mark.points(2)
def test_logits(player):
    """the outputs of both heads are logits"""
    models.check_logits(player, "CNN", SHAPE, heads=2)
