"""Write it yourself: starters, the verdicts on steps, the clinic's cases, the judge of tests."""

import ast
import builtins
import re
import shutil
import subprocess
import sys

from tests import exercises
from tests.conftest import ROOT, slow_sample
from tests.practice import cases, clinic, judging, mistakes, source, verdicts
from tests.practice.mistakes import MISTAKES
from tests.practice.steps import STEPS

import pytest

BY_NAME = {step.name: step for step in STEPS}
NUMPY = [step for step in STEPS if step.file == "neural_nets.py"]
TORCH = [step for step in STEPS if step.file != "neural_nets.py"]
MARKER = 'raise NotImplementedError("rectified_linear_unit: not written yet")'


@pytest.fixture(scope="module")
def worker():
    with verdicts.Worker() as one:
        yield one


def steps_of(file):
    return [step for step in STEPS if step.file == file]


def pasted(file, name, old, new, text=None):
    """Return a starter in which one function is ours, but for an edit."""
    text = text or source.starter(file, steps_of(file))
    ours = source.text_of(source.with_edits(file, (name,), [(old, new)]), name)
    return text.replace(source.text_of(text, name), ours)


def written(file, names):
    """Return a starter in which these functions are ours."""
    text = source.starter(file, steps_of(file))
    for name in names:
        ours = source.text_of(source.our_text(file), name)
        text = text.replace(source.text_of(text, name), ours)
    return text


def finding(name, worker, *edits):
    """Return the Finding about a step with some text replaced."""
    step = BY_NAME[name]
    text = source.with_edits(step.file, step.functions, edits)
    answer = worker.ask(verdicts.request_for(step, text, "mine.py"))
    right = verdicts.right_answer(step, worker)
    return verdicts.Finding(step, answer, verdicts.facts_of(answer), right, worker)


def run(capsys, *argv):
    """Run the program within this process; return its status and the lines that it prints."""
    status = exercises.main([str(word) for word in argv])
    return status, capsys.readouterr().out.splitlines()


# ------------------------------------------------------------------------------ the tables


def test_there_is_enough_to_do():
    assert len(STEPS) >= 25 and len(cases.CASES) >= 60
    assert len({step.name for step in STEPS}) == len(STEPS)
    assert {mistake.step for mistake in MISTAKES} == set(BY_NAME)


def test_every_mistake_still_applies():
    lost = []
    for mistake in MISTAKES:
        step = BY_NAME[mistake.step]
        try:
            text = source.with_edits(step.file, step.functions, mistake.edits)
        except ValueError as error:
            lost.append(str(error))
            continue
        assert text != source.our_text(step.file), mistake
    assert not lost


@pytest.mark.parametrize("step", STEPS, ids=[step.name for step in STEPS])
def test_a_step_has_hints_that_do_not_stop_half_way(step):
    for hint in (step.question, step.formula, source.place_of(step)):
        assert len(hint) > 15 and "  " not in hint
    assert "?" in step.question
    assert f" in {step.file}, from line " in source.place_of(step)


def test_a_known_mistake_is_asked_about():
    found = [exercises.question_about(mistake.words) for mistake in MISTAKES]
    assert sum(map(bool, found)) > 0.8 * len(found)
    assert "Which V made" in exercises.question_about("V moves before dh is taken")
    assert exercises.question_about("") == ""


# ------------------------------------------------------------------------------ starters


@pytest.mark.parametrize("file", source.FILES)
def test_a_starter_lacks_the_bodies_and_nothing_else(file):
    ours, theirs = source.our_text(file), source.starter(file, steps_of(file))
    lines = theirs.splitlines()
    assert [line for line in ours.splitlines() if line.startswith("#")] == [
        line for line in lines if line.startswith("#")
    ]
    names = {name for step in steps_of(file) for name in step.functions}
    for name in names:
        node, other = source.find(ast.parse(ours), name), source.find(ast.parse(theirs), name)
        assert ast.get_docstring(node) == ast.get_docstring(other)
        if not isinstance(node, ast.ClassDef):
            assert ast.unparse(node.args) == ast.unparse(other.args)
        assert source.is_open(theirs, [name]) and not source.is_open(ours, [name])
    assert sum("NotImplementedError" in line for line in lines) >= len(names)


def test_a_starter_of_a_loop_keeps_what_stands_around_it():
    text = source.text_of(source.starter("neural_nets.py", NUMPY), "train_plain")
    assert "run.record(" in text and "permutation" in text and "backward" not in text


def test_start_overwrites_nothing(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(source, "FILES", ("mlp.py", "conv.py"))
    mine = tmp_path / "mine"
    assert run(capsys, "start", mine)[0] == 0
    (mine / "mlp.py").write_text("x = 1\n")
    (mine / "conv.py").unlink()
    _, lines = run(capsys, "start", mine)
    assert (mine / "mlp.py").read_text() == "x = 1\n"
    assert "conv.py              written" in lines
    readme = (mine / "README.md").read_text()
    assert "- `MLP`: Shared hidden layers" in readme and "- `CNN`: " in readme


@pytest.mark.slow
@pytest.mark.parametrize("file", source.FILES)
def test_a_starter_trains_where_it_lies_once_it_is_done(file, tmp_path, small_mnist):
    for name in source.FILES:
        functions = {f for step in steps_of(name) for f in step.functions}
        (tmp_path / name).write_text(written(name, functions))
    if file in ("train_utils.py", "utils_multiMNIST.py"):
        return
    small = ["--epochs", "1", "--limit", "400", "--batch-size", "20", "--data-dir", small_mnist]
    command = [sys.executable, tmp_path / file, *small, "--no-plots"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "runs" / file.removesuffix(".py") / "metrics.json").exists()


def check_gradients(path, text):
    """Write a starter and run its gradient check; return its status, output and errors."""
    path.write_text(text)
    command = [sys.executable, path, "--check-gradients"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


def test_a_starter_checks_its_gradients_before_part_3_and_says_what_is_missing(tmp_path):
    part_2 = [name for step in NUMPY[:15] for name in step.functions]
    assert part_2[-2:] == ["evaluate", "train_plain"]
    path = tmp_path / "neural_nets.py"
    status, out, _ = check_gradients(path, written("neural_nets.py", part_2))
    assert status == 0 and "W4 " in out
    words = "neural_nets.py: error: initialise: not written yet\n"
    assert check_gradients(path, written("neural_nets.py", [])) == (
        2,
        out.split("\n")[0] + "\n",
        words,
    )


# ------------------------------------------------------------------------------ verdicts


def assert_told_apart(step, worker):
    """Our own function is right; no known mistake looks like it, nor like another one."""
    right = verdicts.right_answer(step, worker)
    assert "the error" not in [label for label, _ in right], right[-1]
    seen = []
    for mistake, facts in verdicts.known_answers(step, worker):
        assert not verdicts.same(facts, right), mistake
        for other, others in seen:
            assert not verdicts.same(facts, others), (mistake.words, other.words)
        seen.append((mistake, facts))


@pytest.mark.parametrize("name", ["softmax_cross_entropy", "backward"])
def test_known_mistakes_are_told_apart(name, worker):
    assert_told_apart(BY_NAME[name], worker)


@pytest.mark.parametrize("step", slow_sample(STEPS, list(BY_NAME), share=3))
def test_all_known_mistakes_are_told_apart(step, worker):
    assert_told_apart(step, worker)


def test_a_mistake_that_is_like_a_known_one_is_told_as_a_guess(worker):
    sure = finding("backward", worker, ("dZ.sum(axis=0)", "dZ.mean(axis=0)"))
    assert sure.words().startswith("db is the mean over the examples; it is their sum: network 4-4")
    both = ("dZ.sum(axis=0)", "dZ.mean(axis=0)"), (".T @ dZ", ".T @ dZ / len(dZ)")
    assert finding("backward", worker, *both).words().startswith("perhaps dW is divided by N once")
    stops = finding("rectified_linear_unit", worker, ("np.maximum(0, x)", "np.max([0, x])"))
    assert stops.words().startswith("perhaps max() and if compare a whole array at once")


def test_the_evidence_is_told_in_words(worker):
    found = finding("initialise", worker, ("rng.standard_normal", "np.random.standard_normal"))
    assert found.place().endswith(
        "W1 differs from that of another rng with the same seed, and that must not be"
    )
    found = finding("NeuralNetwork.predict", worker, (".item()", ""))
    assert found.place() == "what predict(2, 3) gives is an array where a number is right"
    odd = finding("backward", worker, ("dZ @ params", "dZ.T @ params"))
    assert re.search(r"is right; then network 4-3-5-3: .*ValueError: .*\(line \d+\)", odd.words())


@pytest.mark.slow
def test_a_mistake_in_a_shared_function_is_wrong_at_its_own_step_alone(worker):
    for step in (one for one in STEPS if one.after):
        before = BY_NAME[step.after]
        right = verdicts.right_answer(before, worker)
        for mistake in mistakes.of_step(step.name):
            text = source.with_edits(step.file, step.functions, mistake.edits)
            facts = verdicts.facts_of(worker.ask(verdicts.request_for(before, text, "ours")))
            assert verdicts.same(facts, right), mistake


def assert_right(path, worker):
    file = next(f for f in source.FILES if path.name.startswith(f.removesuffix(".py") + "_"))
    text = path.read_text(encoding="utf-8")
    for step in steps_of(file):
        if not source.missing(source.grafted(file, text), step) and not source.missing(text, step):
            answer = worker.ask(verdicts.request_for(step, text, str(path)))
            right = verdicts.right_answer(step, worker)
            found = verdicts.facts_of(answer)
            assert verdicts.same(found, right), (
                step.name,
                answer["error"],
                verdicts.first_difference(found, right),
            )


RIGHT = sorted(judging.RIGHT.glob("*.py"))


def test_a_right_network_of_another_style_is_right(worker):
    assert_right(judging.RIGHT / "neural_nets_matrix.py", worker)


@pytest.mark.slow
@pytest.mark.parametrize("path", RIGHT, ids=lambda path: path.stem)
def test_what_is_right_in_another_style_is_right(path, worker):
    assert_right(path, worker)


def test_check_names_mistakes_and_what_comes_next(tmp_path, capsys):
    text = pasted("neural_nets.py", "rectified_linear_unit", "maximum", "minimum")
    text = pasted("neural_nets.py", "half_cosine", "/ 2", "/ 2", text)
    text = pasted("neural_nets.py", "evaluate", "labels)", "labels) + lost", text)
    (tmp_path / "neural_nets.py").write_text(text)
    status, lines = run(capsys, "check", tmp_path, "--hint", "--hint")
    assert status == 1
    found = {line.split()[0]: line for line in lines if line.startswith("  ")}
    wrong = "wrong: it has min where max is right: rectified_linear_unit(2.5) is 0 where 2.5 is"
    assert wrong in found["rectified_linear_unit"]
    assert found["rectified_linear_unit_derivative"].endswith("next")
    assert found["backward"].endswith("open")
    assert found["half_cosine"].endswith("done")
    assert re.search(r"NameError: name 'lost' .* \(line \d+\)", found["evaluate"])
    assert "rectified_linear_unit, hint 2 of 3" in lines
    assert "np.maximum(0, x) takes" in " ".join(lines)
    assert f"1 of {len(STEPS)} steps done" in lines[-1] or any("1 of 38" in x for x in lines)


def test_one_step_alone(tmp_path, capsys):
    (tmp_path / "neural_nets.py").write_text(pasted("neural_nets.py", "backward", "dA", "dA"))
    status, lines = run(capsys, "check", tmp_path, "--step", "backward")
    assert (status, lines[1].split()) == (0, ["backward", "done"])
    with pytest.raises(source.UserError, match="these are near: NeuralNetwork.forward, forward"):
        run(capsys, "check", tmp_path, "--step", "forwar")


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("while True:\n        pass", "it did not come to an end within 1 seconds"),
        ("import os\n    os._exit(0)", "it ends Python"),
        pytest.param("exit()", "SystemExit", marks=pytest.mark.slow),
        pytest.param("raise KeyboardInterrupt", "KeyboardInterrupt", marks=pytest.mark.slow),
        pytest.param("input()", "EOFError", marks=pytest.mark.slow),
        ("pass", "rectified_linear_unit(2.5) is nothing: is a return missing?"),
        pytest.param("return x @ x", "(line ", marks=pytest.mark.slow),
        ("import os\n    os.remove(__file__)\n    return x", "FileNotFoundError"),
    ],
)
def test_what_a_function_does_costs_one_line(body, says, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(verdicts, "SECONDS", 1)
    text = source.starter("neural_nets.py", NUMPY)
    text = text.replace(MARKER, body)
    path = tmp_path / "neural_nets.py"
    path.write_text(text)
    status, lines = run(capsys, "check", tmp_path, "--step", "rectified_linear_unit")
    assert status == 1 and len(lines) == 2
    assert says in lines[1]
    assert path.read_text() == text


def test_a_file_that_cannot_be_read_costs_its_own_steps(tmp_path, capsys):
    (tmp_path / "neural_nets.py").write_text("def f(:\n")
    (tmp_path / "mlp.py").write_bytes(b"\xff\xfe\xff")
    _, lines = run(capsys, "check", tmp_path)
    text = "\n".join(lines)
    assert "wrong: neural_nets.py cannot be read: line 1: invalid syntax" in text
    assert "wrong: mlp.py cannot be read: it is not text in UTF-8" in text
    assert f"wrong: conv.py cannot be read: it is not in {tmp_path}" in text


def test_a_learners_own_imports_and_helpers_come_along(tmp_path, capsys):
    text = source.starter("neural_nets.py", NUMPY)
    text = (
        "import numpy as another\n\nTWO = 2\n\n\ndef helper(x):\n    return another.maximum(0, x)\n"
        + text
    )
    text = text.replace(MARKER, "return TWO * helper(x) / TWO")
    (tmp_path / "neural_nets.py").write_text(text)
    assert run(capsys, "check", tmp_path, "--step", "rectified_linear_unit")[0] == 0


@pytest.mark.slow
def test_all_is_done_where_our_own_functions_stand(tmp_path, capsys):
    for file in source.FILES:
        shutil.copy(ROOT / file, tmp_path)
    status, lines = run(capsys, "check", tmp_path)
    assert status == 0
    assert sum(line.endswith(" done") for line in lines) == len(STEPS)
    assert any("What next?" in line for line in lines)


# ------------------------------------------------------------------------------ bad input


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["start", ROOT], "that is the project itself"),
        (["start", ROOT / "README.md"], "is a file; choose a folder"),
        (["check", "nowhere"], "there is no folder nowhere; python tests/exercises.py start"),
        (["check", ROOT / ".github"], "has no neural_nets.py, nor any other lesson"),
        (["clinic", "nowhere", "--case", "0"], "--case 0: the cases are 1 to"),
        (["clinic", ROOT], "is there already, and stays"),
        (["judge", ROOT / "README.md"], "README.md cannot be read: line"),
        (["judge", ROOT / "utils.py"], "imports none of neural_nets.py"),
    ],
)
def test_bad_input_gets_one_line(argv, says, capsys):
    with pytest.raises(source.UserError, match=re.escape(says)):
        exercises.main([str(word) for word in argv])


def test_errors_end_with_status_2():
    command = [sys.executable, str(ROOT / "tests/exercises.py"), "check", "nowhere"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(r"exercises\.py: error: there is no folder nowhere; .*\n", done.stderr)


# ------------------------------------------------------------------------------ the clinic


def test_cases_are_whole_files():
    for number in range(1, len(cases.CASES) + 1, 20):
        step = BY_NAME[cases.CASES[number - 1].step]
        text = clinic.assembled(step, cases.wrong_text(number), number)
        compile(text, step.file, "exec")
        assert not source.missing(text, step)
        assert clinic.case_in({step.file: (text, None)}) == number
        assert len(text.splitlines()) < 420


@pytest.mark.slow
def test_a_case_is_wrong_until_it_is_mended(tmp_path, capsys):
    number = next(n for n, m in enumerate(cases.CASES, 1) if m.step == "NeuralNetwork.train")
    case = tmp_path / "case"
    status, lines = run(capsys, "clinic", case, "--case", number)
    assert status == 0 and (case / "curve.png").stat().st_size > 10_000
    assert any("loss, of dev, at the end: nan; the right one: 0.0" in line for line in lines)
    status, lines = run(capsys, "check", case, "--hint")
    assert (status, lines[1]) == (1, "  hint 1 of 3: look at NeuralNetwork.train")
    path = case / "neural_nets.py"
    path.write_text(path.read_text().replace("(y - o)", "(o - y)"))
    status, lines = run(capsys, "check", case)
    assert status == 0
    assert lines[0].startswith(f"case {number} is mended. It was: NeuralNetwork.train: the sign")


def test_a_curve_that_looks_right_is_told_from_one_that_does_not():
    right = [{"loss": (2.0 / n, 2.0 / n)} for n in range(1, 9)]
    near = [{"loss": (2.1 / n, 1.95 / n)} for n in range(1, 9)]
    high = [{"loss": (2.0 / n, 1.0)} for n in range(1, 9)]
    none = [{"loss": (float("nan"), 1.0)} for n in range(1, 9)]
    assert clinic.looks_right([near, right])
    assert not any(clinic.looks_right([one, right]) for one in (high, none, near[:3]))
    assert "it stops after 3 of 8 epochs" in clinic.describe([near[:3], right])


@pytest.mark.parametrize("name", sorted({case.step for case in cases.CASES}))
def test_a_case_has_all_that_it_names(name):
    """A function that the lesson gained, and that cases.py does not know, would be missing."""
    step = BY_NAME[name]
    tree = ast.parse(clinic.assembled(step, source.our_text(step.file), 1))
    there = set(dir(builtins)) | {"__file__", "__name__"}
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            there |= {(one.asname or one.name).split(".")[0] for one in node.names}
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.ExceptHandler)):
            there.add(node.name)
        elif isinstance(node, ast.arg):
            there.add(node.arg)
        elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            there.add(node.id)
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    assert names <= there


@pytest.mark.parametrize("step", slow_sample(STEPS, list(BY_NAME), share=12))
def test_every_case_trains_and_its_repair_is_right(step, tmp_path, worker):
    numbers = [n for n, mistake in enumerate(cases.CASES, 1) if mistake.step == step.name]
    for number in numbers:
        text = clinic.assembled(step, cases.wrong_text(number), number)
        assert clinic.curve_of(step, text, tmp_path / step.file, worker) is not None
        mended = clinic.assembled(step, source.our_text(step.file), number)
        for other in STEPS:
            if other.file == step.file and not source.missing(mended, other):
                request = verdicts.request_for(other, mended, "case.py")
                facts = verdicts.facts_of(worker.ask(request))
                assert verdicts.same(facts, verdicts.right_answer(other, worker)), other.name


# ------------------------------------------------------------------------------ the judge

COURSE = """
from neural_nets import NeuralNetwork


def test_five_points():
    network = NeuralNetwork()
    network.train_neural_network()
    for x1, x2 in network.testing_points:
        assert abs(network.predict(x1, x2) - 7 * x1) < 0.1
"""
GRADIENTS = """
import neural_nets
import numpy as np


def test_central_differences():
    rng = np.random.default_rng(0)
    shapes = {"W1": (4, 5), "b1": 5, "W2": (5, 3), "b2": 3}
    params = {name: rng.normal(size=shape) for name, shape in shapes.items()}
    images, labels = rng.random((6, 4)), rng.integers(3, size=6)

    def loss():
        logits, cache = neural_nets.forward(params, images)
        return neural_nets.softmax_cross_entropy(logits, labels)[0]

    logits, cache = neural_nets.forward(params, images)
    dlogits = neural_nets.softmax_cross_entropy(logits, labels)[1]
    grads = neural_nets.backward(params, cache, dlogits)
    for name, array in params.items():
        for index in np.ndindex(array.shape):
            kept = array[index]
            array[index] = kept + 1e-5
            above = loss()
            array[index] = kept - 1e-5
            below = loss()
            array[index] = kept
            assert abs((above - below) / 2e-5 - grads["d" + name][index]) < 1e-6
"""
NOTHING = "import neural_nets\n\n\ndef test_nothing():\n    neural_nets.NeuralNetwork()\n"
FUSSY = """
import neural_nets


def test_it():
    assert type(neural_nets.NeuralNetwork().biases).__name__ == "ndarray"
"""
HANGS = NOTHING + "    while neural_nets.rectified_linear_unit(-1) < 0:\n        pass\n"


def judged(tests, tmp_path, capsys, steps, monkeypatch):
    """Judge tests by the mistakes of a few steps; return (caught, all, condemned) and the lines."""
    monkeypatch.setattr(mistakes, "MISTAKES", [m for m in MISTAKES if m.step in steps])
    monkeypatch.setattr(judging.os, "cpu_count", lambda: 1)
    path = tmp_path / "test_mine.py"
    path.write_text(tests)
    _, lines = run(capsys, "judge", path)
    assert [p.name for p in tmp_path.iterdir()] == ["test_mine.py"] and path.read_text() == tests
    caught, count, condemned = map(int, re.findall(r"\d+", lines[0])[:3])
    return (caught, count, condemned), lines


def test_the_judge_counts_and_names_what_slips_through(tmp_path, capsys, monkeypatch):
    ours = source.our_text("neural_nets.py")
    monkeypatch.setattr(judging, "right_ones", lambda file: [("ours", ours)])
    steps = ["NeuralNetwork.predict"]
    numbers, lines = judged(COURSE, tmp_path, capsys, steps, monkeypatch)
    assert numbers == (1, 5, 0)
    assert "    x1 and x2 are the wrong way round" in lines


@pytest.mark.slow
def test_tests_that_assert_nothing_catch_nothing(tmp_path, capsys, monkeypatch):
    numbers, _ = judged(NOTHING, tmp_path, capsys, ["rectified_linear_unit"], monkeypatch)
    assert numbers[0] == numbers[2] == 0


@pytest.mark.slow
def test_tests_that_ask_too_much_condemn_right_networks(tmp_path, capsys, monkeypatch):
    numbers, lines = judged(FUSSY, tmp_path, capsys, ["half_cosine"], monkeypatch)
    assert numbers[2] == 1
    assert "np.matrix" in lines[1] and "test_it: AssertionError" in lines[1]


@pytest.mark.slow
def test_tests_that_hang_on_a_wrong_network_have_caught_it(tmp_path, capsys, monkeypatch):
    numbers, _ = judged(HANGS, tmp_path, capsys, ["rectified_linear_unit"], monkeypatch)
    assert numbers[0] >= 1 and numbers[2] == 0


@pytest.mark.slow
def test_a_gradient_check_catches_nearly_all_of_what_is_wrong_with_backward(
    tmp_path, capsys, monkeypatch
):
    steps = ["backward", "softmax_cross_entropy"]
    (caught, count, condemned), _ = judged(GRADIENTS, tmp_path, capsys, steps, monkeypatch)
    assert caught >= count - 2 and condemned == 0


@pytest.mark.slow
def test_the_courses_own_check_lets_much_through(tmp_path, capsys, monkeypatch):
    steps = ["NeuralNetwork.train"]
    (caught, count, condemned), _ = judged(COURSE, tmp_path, capsys, steps, monkeypatch)
    assert 0.4 * count < caught < 0.8 * count and condemned == 0


# ------------------------------------------------------------------------------ the README

README = (ROOT / "README.md").read_text(encoding="utf-8")
SECTION = README.partition("## Write it yourself")[2].partition("\n## ")[0]
BLOCKS = re.findall(r"```\n(.*?)```", SECTION, re.DOTALL)


@pytest.mark.slow
@pytest.mark.skipif(not SECTION, reason="the README has no section on this yet")
def test_the_commands_of_the_readme_print_what_it_shows(tmp_path):
    """The lines below a command are in its output, up to three dots."""
    (tmp_path / "test_mine.py").write_text(GRADIENTS)
    commands = [part for block in BLOCKS for part in re.split(r"(?m)^(?=python )", block) if part]
    assert len(commands) >= 5
    for command in commands:
        line, *shown = command.splitlines()
        if "check mine" in line:  # what a learner writes in between
            text = source.starter("neural_nets.py", NUMPY)
            text = text.replace(MARKER, "return np.abs(x)")
            (tmp_path / "mine" / "neural_nets.py").write_text(text)
        words = [sys.executable, str(ROOT / line.split()[1]), *line.split()[2:]]
        done = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path, timeout=300)
        assert done.returncode in (0, 1), done.stderr
        for one in shown:
            assert one.removesuffix("...").strip() in done.stdout, (line, done.stdout)
