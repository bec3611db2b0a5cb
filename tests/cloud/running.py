"""Starts the clouds on free ports for the checks beside this file, and stops them again."""

import json
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

ACCESS_KEY, SECRET_KEY = "CHECKUPSTREAMKEY", "check-upstream-secret"


@contextmanager
def clouds(binary, *more):
    """Yields the ports by API."""
    with tempfile.TemporaryDirectory() as folder:
        ports = Path(folder) / "ports.json"
        command = [binary, "--data", folder, "--ports-file", ports, "--until-stdin-closes", *more]
        command += ["--s3-access-key", ACCESS_KEY, "--s3-secret-key", SECRET_KEY]
        process = subprocess.Popen([str(it) for it in command], stdin=subprocess.PIPE)
        try:
            deadline = time.monotonic() + 20
            while not ports.exists():
                assert process.poll() is None, "the clouds did not start"
                assert time.monotonic() < deadline, "the clouds did not announce their ports"
                time.sleep(0.02)
            yield json.loads(ports.read_text())
        finally:
            process.stdin.close()
            assert process.wait(10) == 0, "the clouds did not stop when their input ended"


def run(checks):
    """Runs every check, says how each went, and gives the exit status."""
    failed = 0
    for name, check in checks:
        try:
            check()
            print(f"ok      {name}")
        except Exception as fault:  # noqa: BLE001 - whatever went wrong, the next check still runs
            failed += 1
            print(f"FAILED  {name}: {type(fault).__name__}: {fault}")
    print(f"{len(checks) - failed} passed, {failed} failed")
    return 1 if failed else 0
