"""Submissions that hang, exit, crash, flood, delete or meddle: each costs at most its own points.

An entry is a name, the module, whether points are lost there, words of a message (or ''), and what is
done to the right solution in tidy/: text put in front of the module, or edits.
"""
# ruff: noqa: E501 - one misdeed stands on one line

from pathlib import Path
from typing import NamedTuple

FIRST = "# ruff: noqa"  # each module of course/ begins so
TRAIN = "    def train(self, x1, x2, y):\n"
PREDICT = "    def predict(self, x1, x2):\n"
EPOCH = "    training = model.training\n"
FORWARD = "        xf = self.flatten(x)\n"
MAIN = "def main():\n"
PROJECT = Path(__file__).resolve().parents[2]
FORGE = """import gc, os, sys, threading, types
words = dict(value=True, test="x", message="", passed=True, ended=0, ready=True)
for module in list(sys.modules.values()):
    if getattr(module, "__name__", "").startswith("tests.grading"):
        for name, thing in list(vars(module).items()):
            if isinstance(thing, types.FunctionType) and thing.__module__ == module.__name__:
                setattr(module, name, lambda *_, **__: words)
frame = sys._getframe()
while frame:
    for name, thing in list(frame.f_locals.items()):
        if name == "say" and callable(thing):
            for number in range(200):
                thing(id=number, **words)
    frame = frame.f_back
"""


class Hostile(NamedTuple):
    name: str
    module: str
    loses: bool
    says: str
    edits: list


def in_front(name, module, loses, says, *lines):
    """A module that does something when it is imported."""
    text = "\n".join([*lines, FIRST])
    return Hostile(name, module, loses, says, [(FIRST, text)])


def inside(name, module, loses, says, where, *lines):
    """A module that does something when it is used; `where` ends with the line before."""
    indent = " " * (len(where) - len(where.lstrip()) + 4 * where.endswith(":\n"))
    added = "".join(f"{indent}{line}\n" for line in lines)
    return Hostile(name, module, loses, says, [(where, where + added)])


HOSTILE = [
    in_front(
        "hangs_when_imported",
        "neural_nets",
        True,
        "while it is imported",
        "while True:",
        "    pass",
    ),
    inside(
        "sleeps_in_train",
        "neural_nets",
        True,
        "does not come to an end",
        TRAIN,
        "import time",
        "time.sleep(1000)",
    ),
    inside(
        "hangs_deaf_to_signals",
        "mlp",
        True,
        "does not come to an end",
        FORWARD,
        "import signal",
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)",
        "while True:",
        "    pass",
    ),
    in_front("exits_when_imported", "train_utils", True, "exit()", "import sys", "sys.exit(0)"),
    inside("exits_in_main", "nnet_fc", True, "exit()", MAIN, "exit()"),
    inside("ends_python", "neural_nets", True, "ends Python", PREDICT, "import os", "os._exit(0)"),
    inside(
        "segmentation_fault",
        "train_utils",
        True,
        "crashes Python: SIGSEGV",
        EPOCH,
        "import ctypes",
        "ctypes.string_at(0)",
    ),
    inside(
        "aborts",
        "conv",
        True,
        "crashes Python: SIGABRT",
        "    def forward(self, x):\n",
        "import os",
        "os.abort()",
    ),
    inside("kills_its_parent", "mlp", False, "", FORWARD, "import os", "os.kill(os.getppid(), 9)"),
    inside(
        "endless_flood",
        "nnet_cnn",
        True,
        "does not come to an end",
        MAIN,
        "while True:",
        "    print('x' * 100000)",
    ),
    in_front(
        "finite_flood",
        "nnet_fc",
        False,
        "",
        "import sys",
        "for _ in range(1000):",
        "    print('x' * 100000)",
        "    sys.stderr.write('y' * 100000)",
    ),
    in_front(
        "writes_to_every_file",
        "neural_nets",
        False,
        "",
        "import os",
        "for fd in range(3, 64):",
        "    try:",
        "        os.write(fd, b'{\"test\": 1}\\n[]\\n\\xff\\n' + b'z' * 3000 + b'\\n')",
        "    except OSError:",
        "        pass",
    ),
    Hostile("forges_the_answers", "neural_nets", True, "", [(None, FORGE)]),
    inside(
        "lines_without_end",
        "neural_nets",
        True,
        "does not come to an end",
        PREDICT,
        "import os, time",
        "while True:",
        "    for fd in range(3, 20):",
        "        try:",
        '            os.write(fd, b\'{"id": 99, "value": 1}\\n\')',
        "        except OSError:",
        "            pass",
        "    time.sleep(0.001)",
    ),
    in_front(
        "kills_every_parent",
        "neural_nets",
        None,
        "",
        "import os, pathlib",
        "for place in pathlib.Path('/proc').glob('[0-9]*'):",
        "    command = (place / 'cmdline').read_bytes() if (place / 'cmdline').exists() else b''",
        "    if b'worker.py' in command and int(place.name) != os.getpid():",
        "        try:",
        "            os.kill(int(place.name), 9)",
        "        except OSError:",
        "            pass",
    ),
    in_front(
        "leaves_its_session",
        "neural_nets",
        False,
        "",
        "import os, time",
        "if os.fork() == 0:",
        "    os.setsid()",
        "    if os.fork() == 0:",
        "        time.sleep(12345)",
        "    os._exit(0)",
    ),
    in_front(
        "writes_into_the_project",
        "neural_nets",
        False,
        "",
        "import pathlib",
        f"for place in ({str(PROJECT)!r}, {str(PROJECT / 'tests/contract')!r}):",
        "    try:",
        "        (pathlib.Path(place) / 'left_by_a_submission.py').write_text('')",
        "    except OSError:",
        "        pass",
    ),
    in_front("closes_every_file", "conv", True, "", "import os", "os.closerange(0, 256)"),
    in_front(
        "deletes_its_folder",
        "neural_nets",
        False,
        "",
        "import pathlib, shutil",
        "shutil.rmtree(pathlib.Path(__file__).parent)",
    ),
    in_front(
        "overwrites_its_files",
        "neural_nets",
        False,
        "",
        "import pathlib",
        "for file in pathlib.Path(__file__).parent.glob('*'):",
        "    file.write_text('raise SystemExit')",
    ),
    in_front(
        "deletes_the_project",
        "mlp",
        False,
        "",
        "import pathlib, shutil, sys, utils",
        "for place in [pathlib.Path(utils.__file__).parent, *map(pathlib.Path, sys.path[:2])]:",
        "    shutil.rmtree(place, ignore_errors=True)",
        "    shutil.rmtree(place.parent / 'tests', ignore_errors=True)",
    ),
    in_front(
        "changes_seeds_and_folder",
        "neural_nets",
        False,
        "",
        "import os, random, numpy",
        "numpy.random.seed(1)",
        "random.seed(1)",
        "os.chdir('/')",
        "numpy.seterr(all='raise')",
    ),
    in_front(
        "changes_default_type",
        "train_utils",
        True,
        "",
        "import torch",
        "torch.set_default_dtype(torch.float64)",
    ),
    in_front(
        "patches_numpy",
        "neural_nets",
        True,
        "",
        "import numpy",
        "numpy.matrix = numpy.array = numpy.abs = None",
    ),
    Hostile(
        "patches_numpy_to_please",
        "neural_nets",
        True,
        "sign of the bias gradient",
        [
            (
                FIRST,
                "import numpy\nnumpy.allclose = numpy.isclose = numpy.array_equal = lambda *a, **k: True\n"
                + FIRST,
            ),
            ("self.biases -= self.learning_rate", "self.biases += self.learning_rate"),
        ],
    ),
    Hostile(
        "patches_torch",
        "mlp",
        True,
        "",
        [
            (FORWARD, FORWARD + "        torch.allclose = torch.equal = lambda *a, **k: True\n"),
            ("self.out2(h)", "self.out2(h).argmax(1)"),
        ],
    ),
    in_front(
        "patches_builtins",
        "train_utils",
        True,
        "",
        "import builtins",
        "builtins.len = builtins.isinstance = None",
    ),
    inside(
        "recursion", "neural_nets", True, "RecursionError", PREDICT, "return self.predict(x1, x2)"
    ),
    inside("memory", "neural_nets", True, "MemoryError", PREDICT, "hoard = bytearray(64 << 30)"),
    inside(
        "raises_odd_things",
        "neural_nets",
        True,
        "",
        PREDICT,
        "class Odd(BaseException):",
        "    def __str__(self): raise SystemExit",
        "raise Odd",
    ),
    inside(
        "message_of_no_encoding",
        "neural_nets",
        True,
        "ValueError",
        PREDICT,
        "raise ValueError('\\ud800\\x1b[2J\\0' * 10**6)",
    ),
    inside(
        "odd_answers",
        "neural_nets",
        True,
        "",
        PREDICT,
        "class Odd:",
        "    def tolist(self): return self",
        "return Odd()",
    ),
    in_front("asks_for_input", "nnet_fc", True, "EOFError", "input('your name? ')"),
    in_front(
        "leaves_threads_and_processes",
        "neural_nets",
        False,
        "",
        "import atexit, subprocess, threading, time",
        "threading.Thread(target=time.sleep, args=(300,)).start()",
        "atexit.register(time.sleep, 300)",
        "subprocess.Popen(['sleep', '300'])",
    ),
    Hostile(
        "no_python", "nnet_cnn", True, "cannot be imported", [(FIRST, "\0\0 this is no Python")]
    ),
    Hostile(
        "no_module",
        "neural_nets",
        True,
        "cannot be imported: SyntaxError",
        [(FIRST, "def (:" + FIRST)],
    ),
]
