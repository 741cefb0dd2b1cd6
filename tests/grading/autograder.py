"""The zip that Gradescope takes: gradescope-autograders.readthedocs.io/en/latest/specs says how.

setup.sh and run_autograder stand at its top, beside what grading needs of this project:
our own solutions are not among it.
"""

import zipfile

import utils
from tests.grading.supervisor import NOT_LENT, ROOT

SCRIPTS = ["setup.sh", "run_autograder"]
PARTS = [
    "pyproject.toml",
    "requirements.txt",
    "tests/__init__.py",
    "tests/conftest.py",
    "tests/contract/**/*.py",
    "tests/grading/**/*.py",
]


def write(path, detail):
    """Writes the zip to `path`: a new one or the old one, never half of it.

    `detail`, of report.DETAILS, is what learners are told.
    """
    with utils.whole_file(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as pack:
        for name in SCRIPTS:
            text = (ROOT / "tests/gradescope" / name).read_text(encoding="utf-8")
            text = text.replace("--detail=numbers", f"--detail={detail}")
            info = zipfile.ZipInfo(name)
            info.external_attr = 0o100755 << 16  # a file that may be run, also if zipped on Windows
            pack.writestr(info, text.replace("\r\n", "\n"))
        lent = [path for path in ROOT.glob("*.py") if path.stem not in NOT_LENT]
        for source in [*lent, *(path for part in PARTS for path in ROOT.glob(part))]:
            pack.write(source, source.relative_to(ROOT).as_posix())
