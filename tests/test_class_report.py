"""Grading many at once: what a class got wrong, going on after a crash, the zip for Gradescope."""

import csv
import json
import os
import shutil
import stat
import subprocess
import sys
import time
import zipfile
from pathlib import Path

from tests import grade
from tests.conftest import ROOT, figures_drawn
from tests.grading import autograder, class_report, report, supervisor
from tests.grading.class_report import Graded
from tests.grading.supervisor import EXERCISES, Result
from tests.submissions import hostile, wrong_models, wrong_networks, wrong_training
from tests.submissions.edits import write

import pytest

# ------------------------------------------------------------------------------ made-up grades


def lost(exercise, message, title="a test", key="", words=None, hint=""):
    words = message.split(": ")[0] if words is None else words
    more = {"key": key, "words": words, "hint": hint}
    return Result(exercise, "test_x", title, 1, False, message, **more)


def grades(name, *results):
    """A submission with one test passed in each exercise, and these results besides."""
    passed = [Result(exercise, "test_ok", "a test", 9, True) for exercise in EXERCISES]
    return Graded(name, sorted([*passed, *results], key=lambda r: EXERCISES.index(r.exercise)))


def nothing(name):
    return Graded(name, [Result(e, "test_ok", "a test", 9, None) for e in EXERCISES])


SOFTMAX = "there is a softmax before the cross-entropy, which has one of its own"
EXPECTS = "a linear layer expects"
CLASS = [
    grades(
        "ada",
        lost("nnet_fc", f"{SOFTMAX}: ten outputs add up to 1", key="softmax"),
        lost("conv", SOFTMAX, key="softmax"),
    ),
    grades("ben", lost("conv", f"{SOFTMAX}: ten outputs add up to 1 (head 2)", key="softmax")),
    grades(
        "cem",
        lost("nnet_cnn", f"{EXPECTS} 64 and gets 128: main() ends with Error", key="sizes"),
        lost("nnet_cnn", "main() ends with RuntimeError: 64 and 128 (nnet_cnn.py)", key="raises"),
        lost("mlp", SOFTMAX, key="softmax"),
    ),
    grades(
        "dora",
        lost("nnet_cnn", f"{EXPECTS} 1024 and gets 2e+03", key="sizes"),
        lost("nnet_cnn", "the outputs are squashed", key="squashed"),
    ),
    grades("eli", lost("mlp", "'a test' does not come to an end within 4 s", key="hangs")),
    grades(
        "fay",
        lost(
            "conv", "forward ends with TypeError: a | b <c> `d` *e* (conv.py, line 7)", key="raises"
        ),
    ),
    grades("gus"),
    nothing("hana"),
    Graded("ida", [], "could not be graded: OSError"),
]


@pytest.mark.parametrize(
    "words, title, key, kind, counted_as",
    [
        ("predict leaves out the ReLU", "", "predict_no_relu", "known", None),
        (
            "it is in per cent",
            "compute_accuracy is the share",
            "per_cent",
            "known",
            "compute_accuracy: it is in per cent",
        ),
        (
            "the step of the biases is half the right one",
            "",
            "half",
            "known",
            "the step of the weights is half the right one",
        ),
        ("it expects 64 and gets 1e-05", "", "shapes", "known", "it expects … and gets …"),
        ("predict is wrong", "", "predict", "unknown", None),
        (
            "main() ends with NameError: name 'zz' is not defined (mlp.py, line 5)",
            "",
            "raises",
            "unknown",
            "main() ends with NameError",
        ),
        ("'forward' crashes Python: SIGSEGV", "", "dies", "stopped", None),
    ],
)
def test_a_mistake_is_counted_by_its_words_without_numbers(words, title, key, kind, counted_as):
    result = lost("mlp", f"part/mlp.py: {words}: 3 where 4 is right", title or "a test", key, words)
    mistake = class_report.mistake_of(result)
    assert (mistake.kind, mistake.message) == (kind, result.message)
    assert mistake.key == (counted_as or words)


def test_less_detail_gives_nothing_of_more_away():
    result = lost("mlp", "heads swapped: 1 where 2 is right", words="heads swapped", hint="Which?")
    result.remarks.append("the third layer has 7 units")
    told = {detail: report.told([result], detail) for detail in report.DETAILS}
    assert told["numbers"] == [result]
    for detail, message in (("mistake", "heads swapped"), ("hint", "Which?")):
        (one,) = told[detail]
        assert (one.message, one.remarks) == (message, [])
        text = json.dumps([report.gradescope([one], 1.0), report.row("ada", [one])])
        assert message in text and "where" not in text and "units" not in text
    assert "swapped" not in text


def test_a_mistake_is_counted_once_for_everybody_who_makes_it():
    """Whatever its numbers, in whichever exercises, how often; what follows from it is left out."""
    known = class_report.shared(class_report.handed_in(CLASS), ["known"])
    assert [row[:3] for row in known] == [
        (["ada", "ben", "cem"], "nnet_fc 1, mlp 1, conv 2", SOFTMAX),
        (["cem", "dora"], "nnet_cnn", f"{EXPECTS} 64 and gets 128"),
        (["dora"], "nnet_cnn", "the outputs are squashed"),
    ]
    (row,) = class_report.shared(CLASS, ["unknown"])
    assert (row.names, row.exercises) == (["fay"], "conv")
    assert row.message.startswith("forward ends with")


def test_a_topic_counts_each_person_once():
    logits, shapes, python = class_report.shared(CLASS, ["known", "unknown"], by="topic")
    assert logits[:3] == (
        ["ada", "ben", "cem", "dora"],
        "nnet_fc 1, nnet_cnn 1, mlp 1, conv 2",
        "logits and cross-entropy",
    )
    assert (shapes.names, python.names) == (["cem", "dora"], ["fay"])
    assert class_report.who([str(i) for i in range(9)]) == "0, 1, 2, 3, 4, 5 and 3 more"


def test_the_page_says_what_to_repeat_and_whom_to_look_at(tmp_path, monkeypatch):
    caught = figures_drawn(monkeypatch)
    class_report.write(tmp_path / "class.md", CLASS, "today")
    page = (tmp_path / "class.md").read_text(encoding="utf-8").splitlines()
    assert "| 2 | shapes: what a model gets and gives | nnet_cnn |" in page
    assert f"| 3 | nnet_fc 1, mlp 1, conv 2 | {SOFTMAX} | ada, ben, cem |" in page
    assert "| nnet_cnn | the outputs are squashed | dora |" in page
    assert (
        "today: 9 submissions, 7 with something to grade. The median is 98 % of the points; "
        in (page[2][: page[2].index("1 of 7 got all of them")])
    )
    (fay,) = (line for line in page if "| fay |" in line)
    assert r"a \| b \<c> \`d\` \*e\*" in fay  # a learner's text makes no Markdown
    assert "| eli | mlp: 'a test' does not come to an end within 4 s |" in page
    assert "| hana | handed in nothing that is graded |" in page
    assert "| ida | could not be graded: OSError |" in page
    assert "| mlp | 7 | 5 | 9.0 | 9 | 100 |" in page
    assert any("(class.png)" in line for line in page) and (tmp_path / "class.png").exists()
    (figure,) = caught
    points, bars = figure.axes
    assert [bar.get_height() for bar in points.patches] == [0] * 9 + [6, 1]
    assert [bar.get_width() for bar in bars.patches] == [4, 2, 1]
    assert bars.get_xlim() == (0, 7)


def test_a_class_that_handed_in_nothing_has_a_page_as_well(tmp_path):
    class_report.write(tmp_path / "class.md", [nothing("hana")], "today")
    assert "nothing was handed in" in (tmp_path / "class.md").read_text(encoding="utf-8")


# ------------------------------------------------------------------------------ the command


def wait_for(word, file, seconds=5):
    end = time.monotonic() + seconds
    while word not in file.read_text(encoding="utf-8") and time.monotonic() < end:
        time.sleep(0.01)


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """Three folders, and a grading that only notes down what it is asked to grade."""
    monkeypatch.chdir(tmp_path)
    for name in ("ada", "ben", "cem"):
        (tmp_path / name).mkdir()
    asked, trouble = [], {}

    def one(folder):
        asked.append(folder.name)
        if folder.name in trouble:
            wait_for("ada", Path("g.csv.progress"))
            raise trouble[folder.name]
        return (
            grades("", lost("mlp", SOFTMAX)).results if folder.name == "ada" else grades("").results
        )

    monkeypatch.setattr(supervisor, "grade", one)
    return asked, trouble


ALL = ["ada", "ben", "cem", "--csv", "g.csv"]


def rows():
    with open("g.csv", encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_a_run_that_is_stopped_goes_on(tmp_path, fake, as_program, capsys):
    """Ctrl-C twice, and half a line in the file: what is finished is not graded again."""
    asked, trouble = fake
    trouble["ben"] = KeyboardInterrupt()
    for more in ([], ["--continue"]):
        status, _, errors = as_program(lambda more=more: grade.main([*ALL, *more]), "grade.py")
        assert status == 130 and "the same command with --continue goes on" in errors
        with (tmp_path / "g.csv.progress").open("a") as file:
            file.write('["ben", {"exer')
    assert not (tmp_path / "g.csv").exists()
    finished = set(grade.finished(tmp_path / "g.csv.progress"))
    trouble.clear()
    asked.clear()
    assert grade.main([*ALL, "--continue"]) == 0
    assert "ada" in finished and set(asked) == {"ada", "ben", "cem"} - finished
    assert [row["submission"] for row in rows()] == ["ada", "ben", "cem"]
    assert [row["total"] for row in rows()] == ["54"] * 3
    assert not (tmp_path / "g.csv.progress").exists()
    assert "before; written: g.csv" in capsys.readouterr().err


def test_trouble_with_one_is_said_and_can_be_tried_again(fake, capsys):
    asked, trouble = fake
    trouble["ben"] = OSError("no\nspace")
    assert grade.main([*ALL, "--class-report", "c.md"]) == 1
    assert rows()[1] == {
        **dict.fromkeys(rows()[1], ""),
        "submission": "ben",
        "first_mistake": "could not be graded: no space",
    }
    assert "1 could not be graded (--continue tries them again)" in capsys.readouterr().err
    trouble.clear()
    asked.clear()
    assert grade.main([*ALL, "--class-report", "c.md", "--continue"]) == 0
    assert asked == ["ben"] and rows()[1]["total"] == "54"


def test_the_end_is_readable_and_never_silent(fake, capsys):
    """A table with --csv, the CSV itself without; one line of what was done in either case."""
    assert grade.main(ALL) == 0
    output, errors = capsys.readouterr()
    lines = output.splitlines()
    assert lines[0].split() == ["submission", *EXERCISES, "total"]
    assert lines[1].split() == ["ada", *"999999", "54", "of", "55"]
    assert lines[-1] == f"   1  {SOFTMAX} (mlp)"
    assert errors.splitlines()[-1].startswith(
        "grade.py: 3 submissions graded in 0 s; written: g.csv"
    )
    assert grade.main(ALL[:3]) == 0
    output, errors = capsys.readouterr()
    assert output.splitlines()[2] == "ben,9,9,9,9,9,9,54,54,"
    assert errors.splitlines()[-1] == "grade.py: 3 submissions graded in 0 s"


@pytest.mark.parametrize(
    "arguments, words",
    [
        ([], "name the folders"),
        (["ada", "--gradescope-zip", "a.zip"], "name the folders"),
        (["ada", "--continue"], "needs the --csv or the --class-report"),
        (["ada", "--class-report", "report.txt"], "call it report.md"),
        (["ada", "--csv", "ben"], "ben is a folder"),
        (["--gradescope-zip", "no/such/a.zip"], "there is no folder"),
    ],
)
def test_bad_arguments_get_one_line(fake, capsys, arguments, words):
    with pytest.raises(SystemExit) as stop:
        grade.main(arguments)
    assert stop.value.code == 2 and words in capsys.readouterr().err.splitlines()[-1]
    assert not fake[0]


# ------------------------------------------------------------------------------ Gradescope


def unpacked(root):
    """The zip, laid out as gradescope-autograders.readthedocs.io/en/latest/specs says."""
    for folder in ("source", "submission", "results"):
        (root / folder).mkdir(parents=True)
    autograder.write(root / "autograder.zip", "mistake")
    with zipfile.ZipFile(root / "autograder.zip") as pack:
        pack.extractall(root / "source")
        for info in pack.infolist():
            if mode := info.external_attr >> 16:
                (root / "source" / info.filename).chmod(stat.S_IMODE(mode))
    (root / "run_autograder").write_bytes((root / "source/run_autograder").read_bytes())
    (root / "run_autograder").chmod(0o755)
    return root


def test_the_zip_has_its_scripts_on_top_and_no_solutions(tmp_path):
    source = unpacked(tmp_path) / "source"
    for script in ("setup.sh", "run_autograder"):
        assert os.access(source / script, os.X_OK)
        subprocess.run(["bash", "-n", source / script], check=True)
    names = {path.stem for path in source.rglob("*.py")}
    assert names & set(EXERCISES) == {"train_utils"} and "test_train_utils" in names


# The fields of results.json: their types, and the values where only some are possible.
VISIBILITY = {"hidden", "after_due_date", "after_published", "visible"}
FORMATS = {"text", "simple_format", "html", "md", "ansi"}
TEST = {
    "score": (int, float),
    "max_score": (int, float),
    "status": {"passed", "failed"},
    "name": str,
    "name_format": FORMATS,
    "number": str,
    "output": str,
    "output_format": FORMATS,
    "tags": list,
    "visibility": VISIBILITY,
    "extra_data": dict,
}
RESULTS = {
    "score": (int, float),
    "execution_time": (int, float),
    "output": str,
    "output_format": FORMATS,
    "test_output_format": FORMATS,
    "test_name_format": FORMATS,
    "visibility": VISIBILITY,
    "stdout_visibility": VISIBILITY,
    "extra_data": dict,
    "tests": list,
    "leaderboard": list,
}


def check_fields(found, fields):
    for name, value in found.items():
        kind = fields[name]
        assert value in kind if isinstance(kind, set) else isinstance(value, kind), (name, value)


@pytest.mark.slow
def test_gradescope_gets_its_results_whatever_is_submitted(tmp_path):
    """With this Python in the place of the one that setup.sh installs."""
    root = unpacked(tmp_path / "autograder")
    python = root / "source/venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n', encoding="utf-8")
    python.chmod(0o755)
    whole = write(
        tmp_path / "whole", [("F.relu(self.hidden(xf))", "self.hidden(xf)")], module="mlp"
    )
    for name, score, tests in (("mlp.py", 12, 11), ("nothing.py", 0, 0)):
        for old in (root / "submission").iterdir():
            old.unlink()
        (root / "submission" / name).write_bytes((whole / "mlp.py").read_bytes())
        done = subprocess.run(
            [root / "run_autograder"],
            cwd=root,
            env={**os.environ, "AUTOGRADER_ROOT": str(root)},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        results = json.loads((root / "results/results.json").read_text(encoding="utf-8"))
        check_fields(results, RESULTS)
        for test in results.get("tests", []):
            check_fields(test, TEST)
        assert (results["score"], len(results.get("tests", []))) == (score, tests), results
    assert "Nothing could be graded" in results["output"]


# ------------------------------------------------------------------------------ the page in README

# The class that tests/README.md shows: who handed in which modules, and with which specimen.
SHOWN = {
    "ada": {"neural_nets": "hidden_after_output", "train_utils": ""},
    "ben": {"neural_nets": "output_first", "train_utils": "no_zero_grad"},
    "cem": {"neural_nets": "hidden_after_output", "nnet_fc": "fc_softmax"},
    "dora": {"train_utils": "dev_in_train_mode", "mlp": "mlp_softmax"},
    "eli": {"neural_nets": "", "conv": "conv_softmax"},
    "fay": {"neural_nets": "bias_gradient_summed", "train_utils": "no_zero_grad"},
    "gus": {"neural_nets": "sleeps_in_train", "mlp": ""},
    "hana": {},
    "ida": {"train_utils": "flatten_fixed"},
    "jan": {"neural_nets": "", "train_utils": "dev_in_train_mode"},
    "kim": dict.fromkeys(EXERCISES, ""),
    "leo": {"neural_nets": "hidden_after_output", "nnet_cnn": "cnn_wrong_size"},
}


def write_shown(folder):
    """Writes the submissions of SHOWN into `folder`, made of tests/submissions."""
    wrongs = wrong_networks.WRONG + wrong_training.WRONG + wrong_models.WRONG
    found = {(one.module, one.name): (one.edits, one.base) for one in wrongs}
    found |= {(one.module, one.name): (one.edits, "tidy") for one in hostile.HOSTILE}
    for name, modules in SHOWN.items():
        (folder / "class" / name).mkdir(parents=True)
        for module, specimen in modules.items():
            edits, base = found.get((module, specimen), ([], "course"))
            whole = write(folder / "whole", edits, base, module)
            shutil.copy(whole / f"{module}.py", folder / "class" / name)
    return sorted(map(str, (folder / "class").iterdir()))


@pytest.mark.slow
def test_the_page_is_the_one_that_the_readme_shows(tmp_path):
    page = tmp_path / "class.md"
    assert grade.main([*write_shown(tmp_path), "--class-report", str(page)]) == 0
    readme = (ROOT / "tests/README.md").read_text(encoding="utf-8")
    shown = readme.split("```markdown\n")[1].split("```")[0]
    assert shown in page.read_text(encoding="utf-8")
