"""The process in which a learner's tests run: python jury.py, spoken to in lines of JSON.

Each request is one network as text. The tests run on it in a process of its own, forked from this
one, which has imported pytest and the libraries already. (Where there is no fork, on Windows, they
run in this process, one network after the other.)
"""

import json
import os
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[0] = str(ROOT)
sys.dont_write_bytecode = True  # nothing is written beside the learner's file
os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # others' plugins take a second for each network

from tests.practice import worker  # noqa: E402


def main():
    requests, answers = worker.cut_off()
    worker.limit_memory()
    run_pytest(".", [])  # an empty folder: now all that pytest needs is imported
    worker.say(answers, {"ready": True})
    for line in requests:
        request = json.loads(line)
        worker.prepare(request["file"])
        worker.say(answers, {"ready": True})
        child = os.fork() if hasattr(os, "fork") else 0
        if child:
            _, status = os.waitpid(child, 0)
            if status:
                worker.say(answers, {"failed": "the tests end Python", "passed": 0})
            continue
        worker.say(answers, trial(request))
        if hasattr(os, "fork"):
            os._exit(0)


def run_pytest(path, plugins):
    """Run the tests of a file up to the first that fails, without anybody's settings."""
    import pytest

    pytest.main(["-q", "-x", "-p", "no:cacheprovider", "-c", os.devnull, path], plugins)


def trial(request):
    """Run the tests on one network; return what failed first, if anything, and how many passed."""
    name = request["file"].removesuffix(".py")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        tests = Path(folder) / request["name"]
        tests.write_text(request["tests"], encoding="utf-8")
        sys.path.append(request["folder"])  # for what else lies beside the learner's tests
        module = sys.modules[name] = worker.module_of(request["text"], f"{name}.py")
        module.__name__ = name
        recorder = Recorder()
        run_pytest(str(tests), [recorder])
        sys.modules.pop(tests.stem, None)
    return {"failed": recorder.failed, "passed": recorder.passed}


class Recorder:
    """Keeps what pytest finds."""

    def __init__(self):
        self.failed, self.passed = None, 0

    def pytest_runtest_logreport(self, report):
        self.passed += report.when == "call" and report.passed
        if report.failed:
            self.note(report)

    def pytest_collectreport(self, report):
        if report.failed:
            self.note(report)

    def note(self, report):
        crash = getattr(report.longrepr, "reprcrash", None)
        words = crash.message if crash else str(report.longrepr)
        lines = [line.strip() for line in words.splitlines() if line.strip()]
        name = report.nodeid.split("::")[-1] or "the file"
        said = next((x for x in lines if "Error" in x), lines[-1] if lines else "")
        self.failed = self.failed or f"{name}: {said if crash is None else lines[0]}"[:200]


if __name__ == "__main__":
    main()
