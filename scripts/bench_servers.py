"""The servers that the bench measures, started and ended by their ids, and what one slice of load on them cost."""

import http.client
import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench_api import HOST, PATH, write_bench_api

ROOT = Path(__file__).resolve().parent.parent
CACHE = Path(os.environ.get("PORTCULLIS_CACHE", Path.home() / ".cache/portcullis"))
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", CACHE / "target"))
PROFILE = os.environ.get("PROFILE", "bench-max")
KEYS = int(os.environ.get("KEYS", "0"))

CONNECTIONS = 32
HALT_POLL = Path("/sys/module/haltpoll/parameters/guest_halt_poll_ns")
MEMORY = Path("/dev/shm")
PASSWORD = "correct horse"
PEOPLE = [f"ann-{number}" for number in range(8)]
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Slice:
    """What one slice measured."""

    requests: int
    seconds: float
    cpu: float
    p50: float
    p99: float

    @property
    def rate(self):
        return self.requests / self.seconds

    @property
    def cost(self):
        """CPU microseconds per request."""
        return self.cpu * 1e6 / self.requests

    @property
    def busy(self):
        return self.cpu / self.seconds


@dataclass
class Target:
    """A server under test, started and ready."""

    name: str
    process: subprocess.Popen
    port: int
    key: str = "none"
    started: float = 0.0
    tls: int = 0
    ca: str = ""
    slices: list = field(default_factory=list)


# --- processes -------------------------------------------------------------------------------------------------------


def pinned(core):
    """The beginning of a command that keeps to one core, where there are two."""
    return ["taskset", "-c", str(core)] if len(os.sched_getaffinity(0)) > 1 else []


GATEWAY_CORE, LOAD_CORE = (sorted(os.sched_getaffinity(0)) * 2)[:2]


@contextmanager
def running(command, core, **options):
    """A process of ours, ended by its id whatever happens."""
    process = subprocess.Popen(pinned(core) + [str(it) for it in command], stdin=subprocess.DEVNULL, text=True, **options)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def tree(pid):
    """A process and everything beneath it."""
    parents = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                parents[int(entry)] = int(stat(int(entry))[1])
            except OSError:
                continue  # it ended while we looked
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found


def stat(pid):
    """The fields of /proc/PID/stat after the name, which may hold spaces."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def cpu_seconds(pid):
    """User and system time of the whole tree."""
    return sum(int(fields[11]) + int(fields[12]) for fields in map(stat, tree(pid))) / TICKS


def resident_mib(pid):
    status = "".join(Path(f"/proc/{it}/status").read_text() for it in tree(pid))
    return sum(int(it) for it in re.findall(r"VmRSS:\s+(\d+) kB", status)) / 1024


def free_port():
    with socket.socket() as it:
        it.bind(("127.0.0.1", 0))
        return it.getsockname()[1]


def until_listening(process, port, name):
    """Asks until somebody listens: ten seconds at most, or until the process is gone."""
    end = time.monotonic() + 10
    while time.monotonic() < end and process.poll() is None:
        with socket.socket() as it:
            if it.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    sys.exit(f"error: {name} does not listen on port {port}")


def ready_line(process, name):
    """The first line of a server that says when it is ready."""
    line = process.stdout.readline()
    try:
        return json.loads(line)
    except ValueError:
        sys.exit(f"error: {name} said {line!r} instead of being ready")


# --- the servers under test ------------------------------------------------------------------------------------------


def binary(name):
    return TARGET / ("debug" if PROFILE == "dev" else PROFILE) / name


def start_origin(stack):
    origin = stack.enter_context(running([binary("origin")], LOAD_CORE, stdout=subprocess.PIPE))
    return int(ready_line(origin, "origin")["listen"].rpartition(":")[2])


def start_bare(stack, folder, origin):
    port = free_port()
    command = [binary("passthrough"), f"127.0.0.1:{port}", f"127.0.0.1:{origin}"]
    process = stack.enter_context(running(command, GATEWAY_CORE))
    until_listening(process, port, "the bare pass-through")
    return Target("bare", process, port)


def start_nginx(stack, folder, origin):
    port = free_port()
    home = folder / "nginx"
    home.mkdir()
    user = "user root;" if os.geteuid() == 0 else ""
    (home / "nginx.conf").write_text(f"""
        {user} daemon off; worker_processes 1; pid {home}/pid; error_log {home}/error.log;
        events {{ worker_connections 1024; }}
        http {{
            access_log off; keepalive_requests 1000000000; server_tokens off;
            client_body_temp_path {home}/1; proxy_temp_path {home}/2; fastcgi_temp_path {home}/3;
            uwsgi_temp_path {home}/4; scgi_temp_path {home}/5;
            upstream origin {{ server 127.0.0.1:{origin}; keepalive 64; keepalive_requests 1000000000; }}
            server {{
                listen 127.0.0.1:{port};
                location / {{
                    proxy_pass http://origin; proxy_http_version 1.1;
                    proxy_set_header Connection ""; proxy_set_header Host $host;
                }}
            }}
        }}""")
    nginx = shutil.which("nginx") or "/usr/sbin/nginx"
    command = [nginx, "-p", home, "-e", home / "error.log", "-c", home / "nginx.conf"]
    process = stack.enter_context(running(command, GATEWAY_CORE))
    until_listening(process, port, "nginx")
    return Target("nginx", process, port)


def start_portcullis(stack, folder, origin, name="portcullis", strict=False, logins=False):
    program = binary("portcullis")
    known = subprocess.run([program, "--help"], capture_output=True, text=True, check=False)
    if "serve" not in known.stdout:
        print("portcullis is left out: its binary has no command `serve` yet")
        return None
    home = folder / name
    settings = write_bench_api(home, ROOT, origin, strict, logins)
    key = make_keys(program, settings, PEOPLE if logins else [])
    begun = time.monotonic()
    log = stack.enter_context(open(home / "log", "w"))
    command = [program, "serve", "--config", settings]
    process = stack.enter_context(running(command, GATEWAY_CORE, stdout=subprocess.PIPE, stderr=log))
    ready = ready_line(process, f"portcullis ({home}/log)")
    port, tls = (int(ready["listeners"][it].rpartition(":")[2]) for it in ("http", "https"))
    return Target(name, process, port, key, time.monotonic() - begun, tls, ready["ca"])


def make_keys(program, settings, people):
    """One tenant, the key that is used, as many others as were asked for, and people of the tenant."""

    def told(*words, given=None):
        command = [program, *words, "--config", settings, "--output", "json"]
        done = subprocess.run(command, capture_output=True, text=True, input=given, check=False)
        if done.returncode != 0:
            sys.exit(f"error: portcullis {' '.join(words)}: {done.stderr.strip() or done.stdout.strip()}")
        return json.loads(done.stdout)

    tenant = told("tenants", "create", "--name", "bench")["id"]
    wanted = ["--api", "bench", "--tenant", tenant, "--scopes", "vms:read"]
    key = told("api-keys", "create", "--name", "bench", *wanted)
    if KEYS:
        others = "\n".join(f"sha256:{secrets.token_hex(32)}" for _ in range(KEYS))
        told("api-keys", "import", "--name", "ballast", *wanted, given=others)
    for person in people:
        told("users", "create", "--name", person, "--role", f"{tenant}=member", "--password-stdin", given=PASSWORD)
    return key["secret"]


def start_strict(stack, folder, origin):
    """Every answer waits for its entry: 32 connections at most are answered by each forcing of the disk."""
    return start_portcullis(stack, folder, origin, "strict", strict=True)


def start_memory(stack, folder, origin):
    """The log on a file system in memory: what is left of its price is what the disk does not ask. It cannot be turned
    off."""
    if not MEMORY.is_dir():
        return None
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="portcullis-bench-", dir=MEMORY)))
    return start_portcullis(stack, folder, origin, "memory")


STARTS = {"bare": start_bare, "nginx": start_nginx, "portcullis": start_portcullis, "strict": start_strict,
          "memory": start_memory}


@contextmanager
def polling():
    """Idle cores wait before they sleep, until this is left, however it is left."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    wanted = os.environ.get("HALT_POLL", "200000")
    try:
        before = HALT_POLL.read_text()
        if wanted:
            HALT_POLL.write_text(wanted)
    except OSError:
        before = None  # no such module, or not ours to set
    try:
        yield
    finally:
        if before is not None and wanted:
            HALT_POLL.write_text(before)


def halt_polling():
    """How long an idle core of a virtual machine waits before it sleeps."""
    try:
        return f", guest_halt_poll_ns {int(HALT_POLL.read_text())}"
    except OSError:
        return ""


# --- measuring -------------------------------------------------------------------------------------------------------


def check_answer(target):
    """A silent 400 looks fast: what is measured must be the answer of the upstream."""
    connection = http.client.HTTPConnection("127.0.0.1", target.port, timeout=10)
    connection.request("GET", PATH, headers={"Host": HOST, "Authorization": f"Bearer {target.key}"})
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    if answer.status != 200 or json.loads(body).get("name") != "bench":
        sys.exit(f"error: {target.name} answers {answer.status} {body[:300]!r}")


def measure(target, seconds):
    load = [
        *pinned(LOAD_CORE), "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds:g}s", "--latency",
        "-H", f"Host: {HOST}", "-H", f"Authorization: Bearer {target.key}",
        f"http://127.0.0.1:{target.port}{PATH}",
    ]
    before = cpu_seconds(target.process.pid)
    told = subprocess.run(load, capture_output=True, text=True, check=True, timeout=60).stdout
    cpu = cpu_seconds(target.process.pid) - before
    if "Non-2xx" in told or "Socket errors" in told:
        sys.exit(f"error: {target.name} did not answer 200 every time:\n{told}")
    count, took, unit = re.search(r"(\d+) requests in ([\d.]+)(ms|s|m),", told).groups()
    return Slice(int(count), float(took) * {"ms": 1e-3, "s": 1, "m": 60}[unit], cpu, latency(told, 50), latency(told, 99))


def latency(told, percent):
    """A percentile in microseconds."""
    value, unit = re.search(rf"^\s+{percent}%\s+([\d.]+)(us|ms|s)$", told, re.M).groups()
    return float(value) * {"us": 1, "ms": 1e3, "s": 1e6}[unit]
