"""Makes `python -m pytest --submission DIR` mean `--submission=DIR`, whatever DIR holds.

pytest reads tests/conftest.py, which knows the option, only after it has taken DIR for a folder of
tests: it would then look for its settings there, run a conftest.py of the submission, and not know
the option. This module is named as a plugin in .grading.egg-info, which pytest finds in the folder
it is started from, before all that. It joins option and value and starts pytest anew.
"""

import signal
import subprocess
import sys

OPTIONS = ("--submission", "--gradescope")


def joined(arguments):
    """['--submission', 'DIR'] -> ['--submission=DIR']; everything else stays."""
    result, rest = [], iter(arguments)
    for argument in rest:
        value = next(rest, None) if argument in OPTIONS else None
        result.append(argument if value is None else f"{argument}={value}")
    return result


def restart():
    arguments = joined(sys.argv[1:])
    if arguments != sys.argv[1:] and sys.argv[0].endswith(("__main__.py", "pytest", "pytest.exe")):
        signal.signal(signal.SIGINT, lambda *_: None)  # Ctrl-C is for the one that tests
        sys.exit(subprocess.call([sys.executable, "-m", "pytest", *arguments]))


restart()
