"""What --resume goes on from, and trained weights: files of PyTorch, written whole, read with care.

A checkpoint holds everything that the next epoch depends on: weights, their averages, the
optimizer's velocities, the best epoch, the history, and where the random numbers stand.
"""

import utils  # isort: skip - before torch: it sets how torch's threads wait for work

import io
import warnings

import torch

import reports


def save_checkpoint(path, parts, best, history, settings):
    """Write all that --resume needs; at every moment the old file or the new one is whole."""
    content = {name: part.state_dict() for name, part in parts.items()}
    content |= {"best": best, "history": list(history), "settings": settings}
    content |= {name: home.get_rng_state() for name, home in generators()}
    write_tensors(content, path)


def generators():
    """Return (name in a checkpoint, home) of this machine's random numbers: the CPU's, a GPU's."""
    cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    gpu = [("random_cuda", torch.cuda)] * cuda + [("random_mps", torch.mps)] * mps
    return [("random", torch), *gpu]


def write_tensors(content, path):
    """Write tensors and plain values to a file that is whole at every moment."""
    packed = io.BytesIO()  # torch.save itself crashes where a disk is full, instead of saying so
    torch.save(content, packed)
    with utils.whole_file(path) as file:
        file.write(packed.getbuffer())


def load_tensors(path):
    """Read a file of torch.save: tensors, numbers, text and containers, on the CPU.

    Raises UserError if it is damaged or holds anything else (weights_only).
    """
    with utils.weights_file(path), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of what it refuses
        return torch.load(path, map_location="cpu", weights_only=True)


def load_checkpoint(path, parts, history, settings):
    """Bring `parts` and `history` to where the run that wrote the checkpoint was; return `best`."""
    reports.require_checkpoint(path)
    content = load_tensors(path)
    with utils.blamed_on(path, "does not fit this network"):
        reports.check_settings(path, content["settings"], settings)
        for name, part in parts.items():
            part.load_state_dict(content[name])
        parts["model"].load_state_dict(content["best"])  # must fit too
        parts["model"].load_state_dict(content["model"])
        for name, home in generators():
            home.set_rng_state(content[name])
        history.extend(reports.check_history(content["history"]))
        return content["best"]
