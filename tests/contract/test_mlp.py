"""The contract of mlp.py: MLP(input_dimension), a reader of two digits with two heads."""

from tests.contract import models, scripts

import pytest

SHAPE = (1, 42, 28)


@pytest.mark.points(2)
def test_shapes(player):
    """forward turns N pictures into two (N, 10), each picture by itself, the same twice in eval"""
    models.check_batch_sizes(player, "MLP", SHAPE, heads=2)


@pytest.mark.points(2)
def test_heads(player):
    """the two heads have columns of their own, and both look at the whole picture"""
    models.check_heads(player, "MLP", SHAPE)


@pytest.mark.points(2)
def test_gradients(player):
    """every weight of the model can learn"""
    models.check_gradients(player, "MLP", SHAPE, heads=2)
    models.check_anew(player, "MLP")
    models.remark_on_linearity(player, "MLP", SHAPE, heads=2)


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
    models.check_logits(player, "MLP", SHAPE, heads=2)
