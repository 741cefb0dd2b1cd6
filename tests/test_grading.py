"""The grading: right solutions lose nothing, wrong ones what is wrong, hostile ones their own."""

import csv
import hashlib
import json
import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

from tests import grade
from tests.conftest import ROOT, slow_sample
from tests.contract.mistakes import MISTAKES
from tests.grading import class_report, codes, judge, plays, plugin, report, supervisor, wire
from tests.grading.supervisor import EXERCISES, Result
from tests.practice import source
from tests.practice.steps import STEPS
from tests.submissions import (
    hostile,
    kinds,
    right,
    styles,
    wrong_models,
    wrong_networks,
    wrong_training,
)
from tests.submissions.edits import write

import numpy as np
import pytest
import torch

RIGHT = right.RIGHT + styles.STYLES
WRONG = wrong_networks.WRONG + wrong_training.WRONG + wrong_models.WRONG + kinds.KINDS
FULL = 100
# One of each exercise for the quick tests.
SAMPLE = [
    "hidden_after_output",
    "second_head_first_labels",
    "fc_labels_not_shuffled",
    "cnn_functional_dropout",
    "mlp_same_columns",
    "conv_softmax",
]


@pytest.fixture(scope="session")
def worker():
    """One process for all submissions that are wrong but mean no harm: PyTorch is imported once."""
    worker = supervisor.Worker()
    yield worker
    worker.stop()


def named(fixtures):
    return slow_sample(fixtures, [fixture.name for fixture in fixtures], share=16)


def check_wrong(folder, worker, wrong):
    write(folder, wrong.edits, wrong.base, wrong.module)
    results = list(supervisor.grade(folder, worker=worker))
    lost = [result for result in results if result.passed is False]
    assert {result.exercise for result in lost} == {wrong.module}
    assert any(wrong.says in result.message for result in lost), [r.message for r in lost]
    assert report.points(results)[0] < FULL == report.points(results)[1]


def check_right(folder, worker):
    results = list(supervisor.grade(folder, worker=worker))
    assert [(r.exercise, r.test, r.message) for r in results if not r.passed] == []
    assert report.points(results) == (FULL, FULL)
    return results


# ------------------------------------------------------------------------------ the fixtures


def test_there_are_enough_fixtures():
    assert len({wrong.name for wrong in WRONG}) == len(WRONG) >= 60
    assert len({right.name for right in RIGHT}) == len(RIGHT) >= 15


@pytest.mark.slow
def test_each_exercise_gets_the_words_for_its_own_mistake(tmp_path, worker):
    """Six mistakes in one submission, one in each exercise: none of them hides another."""
    mistakes = [wrong for wrong in WRONG if wrong.name in SAMPLE]
    for wrong in mistakes:
        write(tmp_path / wrong.name, wrong.edits, wrong.base, wrong.module)
        file = f"{wrong.module}.py"
        (tmp_path / file).write_bytes((tmp_path / wrong.name / file).read_bytes())
    results = list(supervisor.grade(tmp_path, worker=worker))
    assert {wrong.module for wrong in mistakes} == set(EXERCISES)
    for wrong in mistakes:
        lost = [r.message for r in results if r.exercise == wrong.module and not r.passed]
        assert any(wrong.says in message for message in lost), (wrong.name, lost)


@pytest.mark.parametrize("wrong", named(WRONG))
def test_wrong(tmp_path, worker, wrong):
    check_wrong(tmp_path, worker, wrong)


@pytest.mark.parametrize("right", named(RIGHT))
def test_right(tmp_path, worker, right):
    check_right(write(tmp_path, right.edits, right.base, right.module), worker)


@pytest.mark.slow
@pytest.mark.parametrize("base", ["course", "tidy"])
def test_the_bases_of_all_fixtures_are_right(tmp_path, worker, base):
    check_right(write(tmp_path, [], base), worker)


@pytest.mark.slow
def test_windows_files_in_the_folders_of_the_course(tmp_path, worker):
    """CRLF, tabs and a byte order mark; both of the course's train_utils.py."""
    flat = write(tmp_path / "flat", [])
    parts = {"neural_nets": "part2-nn", "mlp": "part2-twodigit", "conv": "part2-twodigit"}
    for file in flat.iterdir():
        folder = tmp_path / "course" / "mnist" / parts.get(file.stem, "part2-mnist")
        folder.mkdir(parents=True, exist_ok=True)
        text = file.read_text(encoding="utf-8").replace("    ", "\t").replace("\n", "\r\n")
        (folder / file.name).write_bytes(b"\xef\xbb\xbf" + text.encode())
    one_digit = write(tmp_path / "one", [], "one_digit") / "train_utils.py"
    two_digits = tmp_path / "course/mnist/part2-twodigit/train_utils.py"
    two_digits.write_bytes((flat / "train_utils.py").read_bytes())
    (tmp_path / "course/mnist/part2-mnist/train_utils.py").write_bytes(one_digit.read_bytes())
    check_right(tmp_path / "course", worker)

    two_digits.write_text(
        two_digits.read_text(encoding="utf-8").replace("y[1])", "y[0])"), encoding="utf-8"
    )
    lost = [r for r in supervisor.grade(tmp_path / "course", worker=worker) if not r.passed]
    assert {r.exercise for r in lost} == {"train_utils"}
    assert all(r.message.startswith("mnist/part2-twodigit/train_utils.py: ") for r in lost)


@pytest.mark.slow
def test_what_is_lent_and_what_is_remarked(tmp_path, worker):
    """A script alone gets data and utilities from the project, as it does for a broken utils.py."""
    write(tmp_path / "full", [("F.relu(self.hidden(xf))", "self.hidden(xf)")], module="mlp")
    alone = tmp_path / "alone"
    alone.mkdir()
    (alone / "mlp.py").write_bytes((tmp_path / "full/mlp.py").read_bytes())
    (alone / "utils.py").write_text("import no_such_package\n", encoding="utf-8")
    results = list(supervisor.grade(alone, worker=worker))
    assert {r.exercise for r in results if r.passed} == {"mlp"}
    assert all(r.passed is None for r in results if r.exercise != "mlp")
    assert report.points(results)[0] == report.points(results)[1] < FULL
    remarks = "\n".join(report.table(results))
    assert "the model has no nonlinearity" in remarks and "no_such_package" in remarks


# ------------------------------------------------------------------ the steps of our lessons


def write_starters(folder, *written):
    """Write the starters of all lessons; these functions of neural_nets.py are ours, or edited."""
    folder.mkdir()
    for file in source.FILES:
        steps = [step for step in STEPS if step.file == file]
        (folder / file).write_text(source.starter(file, steps), encoding="utf-8")
    path = folder / "neural_nets.py"
    text = path.read_text(encoding="utf-8")
    for name, *edits in written:
        ours = source.text_of(source.with_edits(path.name, (name,), edits), name)
        text = text.replace(source.text_of(text, name), ours)
    path.write_text(text, encoding="utf-8")
    return folder


def test_a_step_that_is_there_has_a_point_and_its_mistake_is_named(tmp_path, worker):
    folder = write_starters(
        tmp_path / "mine",
        ("initialise",),
        ("half_cosine", ("(1 + math", "(1 - math")),
        ("momentum_step", ("params[name] -= rate", "params[name] -= rate / 3")),
        ("evaluate", ("forward(params", "forward(parameters")),
    )
    names = "initialise", "backward", "evaluate", "half_cosine", "momentum_step"
    wanted = {"steps": [f"test_step[{name}]" for name in names]}
    right, *wrong = supervisor.grade(folder, ["steps"], wanted, worker)
    assert right.passed and report.points([right, *wrong]) == (1, len(names))
    words = [
        "backward is not written yet",
        r"evaluate is wrong: the loss: NameError: name 'parameters' .* \(line \d+\)",
        r"half_cosine: it rises from 0 to 1; it must fall: half_cosine\(0\) is 0 where 1 is right",
        r"momentum_step is wrong: W1 after one step\[0, 0\] is .* is right",
    ]
    for result, pattern in zip(wrong, words, strict=True):
        assert re.fullmatch(pattern, result.message), result.message
        assert result.hint.endswith((".", "?"))
    kinds_found = [mistake.kind for mistake in class_report.mistakes_of([right, *wrong])]
    assert kinds_found == ["known"]  # what is open, or not recognised, does not count beside it
    assert report.exercises_of([[right]])[-1] == "steps"


def test_the_course_alone_has_no_steps(tmp_path, worker):
    """Not even with helpers of its own that have the names of ours."""
    folder = write(tmp_path, [])
    helpers = "def evaluate(model, data):\n    pass\n\n\ndef forward(x, w=(1, 2)):\n    pass\n"
    with (folder / "neural_nets.py").open("a", encoding="utf-8") as stream:
        stream.write(helpers)
    assert supervisor.steps_of(folder) == {}
    assert list(supervisor.grade(folder, ["steps"], worker=worker)) == []
    assert report.exercises_of([[Result("mlp", "test_a", "a", 3, True)]]) == EXERCISES


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_our_lessons_get_all_points_and_starters_none_of_the_steps(tmp_path, worker):
    ours = tmp_path / "ours"
    ours.mkdir()
    for file in source.FILES:
        (ours / file).write_bytes((ROOT / file).read_bytes())
    results = list(supervisor.grade(ours, worker=worker))
    assert [(r.exercise, r.test, r.message) for r in results if not r.passed] == []
    steps = [r for r in results if r.exercise == "steps"]
    assert len(steps) >= 20 and report.points(results)[1] == FULL + len(steps)
    results = list(supervisor.grade(write_starters(tmp_path / "mine"), worker=worker))
    assert {r.message.partition(" ")[2] for r in results[-len(steps) :]} == {"is not written yet"}


@pytest.mark.slow
def test_a_step_that_hangs_or_ends_python_costs_its_own_points(tmp_path, worker):
    endless = ("    for i in range(1", "    while True:\n        pass\n    for i in range(1")
    ends = ("    return (1", "    import os\n\n    os._exit(0)\n    return (1")
    folder = write_starters(
        tmp_path / "mine", ("initialise", endless), ("half_cosine", ends), ("numerical_gradient",)
    )
    names = "initialise", "numerical_gradient", "half_cosine"
    wanted = {"steps": [f"test_step[{name}]" for name in names]}
    results = list(supervisor.grade(folder, ["steps"], wanted, worker))
    assert [r.passed for r in results] == [False, True, False]
    assert "does not come to an end within" in results[0].message
    assert "ends Python" in results[2].message


# ----------------------------------------------------------------------- the command lines


# The submission whose grade tests/README.md shows, by what is wrong in it.
ALICE = {
    "neural_nets": [("self.biases - self.learning_rate", "self.biases + self.learning_rate")],
    "train_utils": [("F.cross_entropy(out2, y[1])", "F.cross_entropy(out2, y[0])")],
    "nnet_fc": [],
    "mlp": [("F.relu(self.hidden(xf))", "self.hidden(xf)")],
    "conv": [("x = self.dropout(x)", "x = F.dropout(x, p=0.5)")],
}


def write_alice(folder):
    folder.mkdir()
    for module, edits in ALICE.items():
        whole = write(folder.with_name("whole"), edits, module=module) / f"{module}.py"
        (folder / whole.name).write_bytes(whole.read_bytes())
    return folder


def printed_in_readme(first):
    """The lines of the block of tests/README.md that begins with a line of this start."""
    blocks = (ROOT / "tests/README.md").read_text(encoding="utf-8").split("```\n")[1::2]
    (block,) = (block for block in blocks if block.startswith(first))
    return block.splitlines()


@pytest.mark.slow
def test_pytest_prints_the_grade_that_the_readme_shows(tmp_path):
    """And Gradescope's file; a conftest.py and settings of the submission do not count."""
    alice = write_alice(tmp_path / "alice")
    (alice / "conftest.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n", encoding="utf-8")
    (alice / "pytest.ini").write_text("[pytest]\naddopts = --no-such-option\n", encoding="utf-8")
    file = tmp_path / "results.json"
    file.write_text("from an earlier run", encoding="utf-8")
    options = [f"--submission={alice}", f"--gradescope={file}"]
    command = [sys.executable, "-m", "pytest", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1, done.stdout + done.stderr
    heading, *grade = printed_in_readme("=====")
    assert "grades of ../submissions/alice" in heading
    output = done.stdout.splitlines()
    assert output[-1 - len(grade) : -1] == grade  # the grade is last, before pytest's own line
    assert not (tmp_path / "ran").exists()
    results = json.loads(file.read_text(encoding="utf-8"))
    assert results["score"] == 75 == sum(test["score"] for test in results["tests"])
    assert sum(test["max_score"] for test in results["tests"]) == FULL
    assert {"name", "score", "max_score", "output", "visibility"} <= set(results["tests"][0])
    assert {"status": "failed"}.items() <= results["tests"][9].items()
    assert "nnet_cnn: not submitted" in {test["name"] for test in results["tests"]}


@pytest.mark.parametrize(
    "options, words",
    [
        (["--gradescope=x.json"], "--gradescope needs --submission"),
        (["--submission=/no/such/folder"], "there is no such folder"),
        (["--submission=."], "none of neural_nets.py"),
    ],
)
def test_bad_options_get_one_line(tmp_path, monkeypatch, options, words):
    monkeypatch.chdir(tmp_path)
    chosen = dict(option.removeprefix("--").split("=") for option in options)
    config = SimpleNamespace(getoption=chosen.get, addinivalue_line=lambda *_: None)
    with pytest.raises(pytest.UsageError, match=words):
        plugin.pytest_configure(config)


def test_one_thread_at_a_time_parses_the_contract(monkeypatch):
    """grade.py grades in threads, and ast.parse of Python 3.11 may fail in two of them at once."""
    parse, busy, together = supervisor.ast.parse, [], []

    def slowly(source):
        together.extend(busy)
        busy.append(source)
        time.sleep(0.01)
        return parse(busy.pop())

    with monkeypatch.context() as patch, ThreadPoolExecutor(2) as pool:
        patch.setattr(supervisor.ast, "parse", slowly)
        first, second = pool.map(lambda _: supervisor.contract(), range(2))
    assert first == second and not together


@pytest.mark.slow
def test_the_table_of_many_is_the_one_that_the_readme_shows(tmp_path, monkeypatch, capsys):
    write_alice(tmp_path / "alice")
    write(tmp_path / "bob", [])
    monkeypatch.chdir(tmp_path)
    assert grade.main(["alice", "bob"]) == 0
    heading, *rows = capsys.readouterr().out.splitlines()
    shown, *shown_rows = printed_in_readme("submission,")
    assert heading == shown
    for row, words in zip(rows, shown_rows, strict=True):
        assert f"../submissions/{row}".startswith(words.removesuffix('..."'))


@pytest.mark.slow
def test_grade_many(tmp_path):
    """Half a submission and one that ends Python: a row each, whatever happens."""
    wrong_labels = ("F.cross_entropy(out2, y[1])", "F.cross_entropy(out2, y[0])")
    half = write(tmp_path / "half", [wrong_labels], module="train_utils")
    for name in ("nnet_fc", "nnet_cnn", "mlp", "conv"):
        (half / f"{name}.py").unlink()
    ending = next(h for h in hostile.HOSTILE if h.name == "ends_python")
    write(tmp_path / "ending", ending.edits, "tidy", ending.module)
    folders = [str(tmp_path / name) for name in ("half", "ending")]
    assert grade.main([*folders, "--csv", str(tmp_path / "grades.csv")]) == 0
    with (tmp_path / "grades.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert list(rows[0]) == ["submission", *EXERCISES, "total", "possible", "first_mistake"]
    assert [row["submission"] for row in rows] == folders
    assert not [row for row in rows if row["first_mistake"].startswith("could not be graded")]
    mistake = "train_utils: the second head is trained on the first"
    assert rows[0]["first_mistake"][: len(mistake)] == mistake
    assert rows[0]["mlp"] == rows[0]["conv"] == "" and rows[0]["possible"] == "56"
    assert int(rows[1]["neural_nets"]) < 30 and rows[1]["conv"] == "13"
    assert "ends Python" in rows[1]["first_mistake"]
    assert rows[1]["possible"] == str(FULL)


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["nowhere"], "nowhere is not a folder"),
        ([".", "--csv", "no/such/folder/grades.csv"], "there is no folder"),
    ],
)
def test_bad_arguments_of_grade(tmp_path, monkeypatch, capsys, arguments, words):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stop:
        grade.main(arguments)
    assert stop.value.code == 2 and words in capsys.readouterr().err


def fingerprints():
    files = [*ROOT.glob("*.*"), *(ROOT / "tests").rglob("*.py"), *(ROOT / "Datasets").glob("*")]
    files = [file for file in files if file.is_file()]
    return {str(file): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_hostile(tmp_path):
    """Graded side by side, each loses what it loses in its own row, and in one exercise."""
    folders = {h.name: write(tmp_path / h.name, h.edits, "tidy", h.module) for h in hostile.HOSTILE}
    write(tmp_path / "innocent", [], "tidy")
    (tmp_path / "empty").mkdir()
    names = [*folders, "innocent", "empty"]
    before = fingerprints()
    assert grade.main([*(str(tmp_path / n) for n in names), "--csv", str(tmp_path / "g.csv")]) == 0
    assert fingerprints() == before
    assert b"12345" not in subprocess.run(["ps", "-eo", "args"], capture_output=True).stdout
    with (tmp_path / "g.csv").open(encoding="utf-8", newline="") as stream:
        rows = {row["submission"].rpartition("/")[2]: row for row in csv.DictReader(stream)}
    assert list(rows) == names
    full = rows["innocent"]
    assert full["total"] == full["possible"] == str(FULL)
    assert rows["empty"]["total"] == "0" and rows["empty"]["mlp"] == ""
    for h in hostile.HOSTILE:
        lost = {name for name in EXERCISES if rows[h.name][name] != full[name]}
        if h.loses is None:  # it may end itself, where it cannot reach others
            assert lost <= {h.module}, (h.name, rows[h.name])
        else:
            assert lost == ({h.module} if h.loses else set()), (h.name, rows[h.name])
        assert h.says in rows[h.name]["first_mistake"], (h.name, rows[h.name])
        original = {file.name for file in folders[h.name].iterdir()}
        assert original >= {f"{name}.py" for name in EXERCISES}, f"{h.name} reached its own folder"


def test_odd_files(tmp_path, worker):
    """A link within the submission is a file, a pipe and two gigabytes of nothing are none."""
    write(tmp_path / "whole", [])
    for name in ("conv", "nnet_fc", "nnet_cnn"):
        (tmp_path / f"whole/{name}.py").unlink()
    (tmp_path / "whole/train_utils.py").rename(tmp_path / "whole/mine.py")
    (tmp_path / "whole/train_utils.py").symlink_to("mine.py")
    (tmp_path / "whole/mlp.py").unlink()
    os.mkfifo(tmp_path / "whole/mlp.py")
    with (tmp_path / "whole/neural_nets.py").open("wb") as stream:
        stream.truncate(2 * 2**30)
    row = report.row("odd", list(supervisor.grade(tmp_path / "whole", worker=worker)))
    assert (row["train_utils"], row["mlp"], row["neural_nets"], row["conv"]) == (26, 0, 0, "")


def test_folders_of_killed_graders_are_removed(tmp_path, monkeypatch):
    monkeypatch.setattr(supervisor.tempfile, "gettempdir", lambda: str(tmp_path))
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    for process in (dead.pid, os.getpid()):
        (tmp_path / f"grading-{process}-abc").mkdir()
    supervisor.remove_leftovers()
    assert [folder.name for folder in tmp_path.iterdir()] == [f"grading-{os.getpid()}-abc"]


@pytest.mark.slow
def test_where_forking_is_not_safe(tmp_path, monkeypatch):
    """On Windows and macOS each exercise has a process of its own, with the same results."""
    monkeypatch.setattr(supervisor, "FORKS", False)
    hanging = next(h for h in hostile.HOSTILE if h.name == "sleeps_in_train")
    write(tmp_path, hanging.edits, "tidy", hanging.module)
    for name in ("nnet_fc", "nnet_cnn"):
        (tmp_path / f"{name}.py").unlink()
    (tmp_path / "mlp.py").write_text("import os\nos._exit(3)\n", encoding="utf-8")
    row = report.row("alice", list(supervisor.grade(tmp_path)))
    assert 0 < row["neural_nets"] < 30
    assert (row["train_utils"], row["mlp"], row["conv"]) == (26, 0, 13)


# ------------------------------------------------------------------------------ the parts


@pytest.mark.filterwarnings("ignore:the matrix subclass")
def test_numbers_of_whatever_learners_return():
    for value in (np.matrix("2.5"), [[np.float32(2.5)]], np.longdouble(2.5), np.array(2.5)):
        assert judge.number(plays.handed(value), "x") == 2.5
    tensor = torch.tensor([[1.0], [2.0]], requires_grad=True)
    assert judge.numbers(plays.handed(tensor), "x") == [1.0, 2.0]
    for value, words in [(None, "return missing"), ("7", "of type str"), ([1, 2], "2 numbers")]:
        with pytest.raises(judge.Mistake, match=words):
            judge.number(plays.handed(value), "x")


def test_what_passes_between_the_processes_is_plain():
    """Arrays come back as they were; an object of a submission's own is turned into numbers or is
    no answer, and nothing in a line makes the grader run anything."""
    sent = {"x": np.arange(6.0).reshape(2, 3), "y": [1, "two", None], "t": torch.ones(2)}
    got = wire.unpack(wire.pack(sent))
    assert got["x"].tolist() == sent["x"].tolist() and got["y"] == sent["y"]
    assert got["t"].dtype == np.float32
    for line in (b"[" * 100000, b'{"array": "", "type": "object", "shape": [1]}', b"\x80\x04N."):
        with pytest.raises(ValueError):
            wire.unpack(line)


def test_a_message_is_one_line_that_every_file_holds():
    text = judge.one_line("a\n\x1b[2J\ud800\0" + "b" * 10_000)
    assert text.isprintable() and len(text) == judge.MESSAGE_LENGTH
    text.encode("utf-8")


def test_a_known_mistake_explains_all_numbers():
    half, up = judge.Mistake("loss_half"), judge.Mistake("up")
    candidates = [[(half, [1.0]), (up, [-2.0])], [(half, [2.0]), (up, [-4.0])]]
    assert judge.common_mistake([[1.0], [2.0]], candidates) == half
    assert judge.common_mistake([[1.0], [-4.0]], candidates) is None


def test_a_mistake_has_words_numbers_and_a_question_that_does_not_name_it():
    mistake = judge.Mistake("step_sign", "biases[0] is 1 where 2 is right", sign="bias gradient")
    assert str(mistake) == f"{mistake.words}: {mistake.numbers}"
    assert "sign of the bias gradient" in mistake.words and "sign" not in mistake.hint
    assert all(hint.endswith((".", "?")) for _, hint in MISTAKES.values())


def test_an_unknown_step_is_described():
    rights, names = [[1.0, 2.0], [3.0, 4.0]], ["[0]", "[1]"]
    assert judge.describe([[3.0, 6.0], [9.0, 12.0]], rights, names) == "3 times the right one"
    assert judge.describe([[1.0, 2.5], [3.0, 4.0]], rights, names).startswith("in [1]")


@pytest.mark.parametrize("heads", [1, 2])
def test_pictures_say_their_number_however_they_are_changed(heads):
    x, shape = codes.pictures(50000, 300, heads), codes.SHAPES[heads]
    wanted = list(range(50000, 50300))
    for changed, turn in (
        (x, "as they were"),
        ((x - 0.13) / 0.31, "as they were"),
        ((x - x.mean(0)) / (x.std(0) + 1e-6), "as they were"),
        (np.roll(x, 1, axis=2), "as they were"),
        (x[:, ::-1], "upside down"),
    ):
        numbers, found = codes.read(changed, shape)
        assert (numbers == wanted).mean() > 0.9 and found == turn
    numbers, found = codes.read(x.T.reshape(x.shape), shape)
    assert found == "unreadable" and set(numbers) == {-1}


def test_points_count_only_what_was_submitted():
    results = [
        Result("mlp", "test_a", "a", 3, True),
        Result("mlp", "test_b", "b", 2, False, "why"),
        Result("conv", "test_a", "a", 4, None),
    ]
    assert report.points(results) == (3, 5)
    assert report.row("x", results) == {
        "submission": "x",
        **dict.fromkeys(EXERCISES, ""),
        "mlp": 3,
        "total": 3,
        "possible": 5,
        "first_mistake": "mlp: why",
    }


def test_the_contract_has_its_points():
    tests = supervisor.contract()
    assert list(tests) == EXERCISES
    assert sum(points for group in tests.values() for _, points in group.values()) == FULL
    assert all(title and points > 0 for group in tests.values() for title, points in group.values())
