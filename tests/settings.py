"""The settings of the tests: the embedded ones, with their data in a temporary directory.

A module of its own, because pytest-django reads the settings before any conftest.py. Each process of
pytest-xdist has a directory of its own below the one that the first process makes and removes.
"""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

if "SMSMANAGER_TESTS_DIR" not in os.environ:
    os.environ["SMSMANAGER_TESTS_DIR"] = tempfile.mkdtemp(prefix="sms-tests-")
    atexit.register(shutil.rmtree, os.environ["SMSMANAGER_TESTS_DIR"], ignore_errors=True)

# What the shell of a developer sets for a real installation is not meant for the tests.
for name in [name for name in os.environ if name.startswith("SMSMANAGER_") and name != "SMSMANAGER_TESTS_DIR"]:
    del os.environ[name]
os.environ.pop("REDIS_URL", None)
os.environ["SMSMANAGER_DATA_DIR"] = str(
    Path(os.environ["SMSMANAGER_TESTS_DIR"]) / os.environ.get("PYTEST_XDIST_WORKER", "main")
)

from smsmanager.settings import *  # noqa: E402, F403

# Fast on purpose: tests sign many people in. The processes that tests start use the real one.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
# Each client of a test starts the middleware anew; listing all static files every time took 0.1 s.
WHITENOISE_AUTOREFRESH = True
# No test cuts the power.
if "init_command" in DATABASES["default"].get("OPTIONS", {}):  # noqa: F405
    DATABASES["default"]["OPTIONS"]["init_command"] += " PRAGMA synchronous=OFF;"  # noqa: F405
