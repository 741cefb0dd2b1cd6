"""The contract of nnet_cnn.py: main() trains a convolutional reader of one digit."""

from tests.contract import models, scripts

import pytest


@pytest.mark.points(2)
def test_main(player):
    """main() trains a model and comes to its end"""
    scripts.check_run(player)


@pytest.mark.points(2)
def test_shapes(player):
    """the model turns N pictures into (N, 10), each picture by itself, the same twice in eval"""
    models.check_batch_sizes(player, "", scripts.trained_shape(player), heads=1)


@pytest.mark.points(1)
def test_convolution(player):
    """the model has a convolution in it"""
    models.check_convolution(player, "", scripts.trained_shape(player), heads=1)


@pytest.mark.points(1)
def test_gradients(player):
    """every weight of the model can learn"""
    shape = scripts.trained_shape(player)
    models.check_gradients(player, "", shape, heads=1)
    models.remark_on_linearity(player, "", shape, heads=1)


@pytest.mark.points(2)
def test_pictures(player):
    """dev and test stay out of the training, each picture keeps its label"""
    scripts.check_pictures(player, heads=1)


@pytest.mark.points(2)
def test_logits(player):
    """the model's outputs are logits"""
    models.check_logits(player, "", scripts.trained_shape(player), heads=1)
