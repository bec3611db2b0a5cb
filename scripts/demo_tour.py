"""The requests that the demo prints, what each of them shows, and how each is held to it."""

import os
import re
import subprocess
import sys
import time
from json import dumps
from shlex import quote
from typing import NamedTuple

CHAT = '{"model": "nova-large", "stream": true, "messages": [{"role": "user", "content": "Say hello."}]}'


class Step(NamedTuple):
    """A command, and regular expressions that its output matches."""

    shows: str
    command: str
    expects: tuple = ()
    # Reads what is written a moment after the answer.
    patient: bool = False


def tour(demo):
    """Everything that is printed, in order."""
    apis, config = demo["apis"], f"--config {quote(demo['settings'])}"
    portcullis, other = quote(demo["program"]), apis["novastraxis"]["tenants"][1]["id"]
    changed = quote(demo["folder"] + "/changed-log")
    admin = f"http://{demo['listeners']['admin']}"
    curl = Curl(demo)
    own = apis["cloudnexus-servers"]["tenants"][0]["id"]
    foreign = apis["novastraxis"]["instance_of_other_tenant"]
    json = "-H 'Content-Type: application/json' -d"
    instances = "/v2/compute/instances"
    signed, service, user = apis["cloudnx"]["keys"][0], demo["people"]["service"], demo["people"]["user"]
    credentials = dumps({"email": user["name"], "password": user["password"], "tenant_id": apis["cloudnx"]["tenants"][0]["id"]})
    return [
        Step("An allowed call. The headers tell the request id and what is left of the allowance.",
             curl("novastraxis", instances + "?per_page=2", key="everything"),
             (r"^HTTP/\S+ 200", r"(?i)^x-request-id: \w+", r"(?i)^x-ratelimit-remaining: \d+", r'"instances"')),
        Step("The same with a key that lacks the scope `compute`: 403, in this API's own words.",
             curl("novastraxis", instances, key="network-only"),
             (r"^HTTP/\S+ 403", r"(?i)^refusal-reason: insufficient_scope", r'"error_code": ?"forbidden"')),
        Step("Why: the entry of that refusal, with the policies that decided.",
             f"{portcullis} audit query --outcome refuse --last 1 --output json {config} | python3 -m json.tool",
             (r'"reason": "insufficient_scope"', r'"step": "authorize"', r'"policies": \['), True),
        Step("A key that nobody made: 401, and nothing that helps to guess one.",
             curl("novastraxis", instances, "-H 'Authorization: Bearer nsx_live_guess'"),
             (r"^HTTP/\S+ 401", r"(?i)^www-authenticate: Bearer")),
        Step("An instance of another tenant: for this key it does not exist. 404.",
             curl("novastraxis", f"{instances}/{foreign}", "-X DELETE", key="everything"), (r"^HTTP/\S+ 404",)),
        Step("An account header that names somebody else's account: 403.",
             curl("cloudnexus-servers", "/v2/servers", "-H 'X-CloudNexus-Id: acct_other'", key="everything"),
             (r"^HTTP/\S+ 403", r"(?i)^refusal-reason: tenant_mismatch")),
        Step("The same with the account of the key: 200.",
             curl("cloudnexus-servers", "/v2/servers", f"-H 'X-CloudNexus-Id: {own}'", key="everything"),
             (r"^HTTP/\S+ 200",)),
        Step("A key of 60 requests a minute, asked 62 times: the last ones are 429.",
             curl("novastack", "/router/v1/models#[1-62]", "-o /dev/null -w '%{http_code}\\n'", key="few", head=False)
             + " | sort | uniq -c", (r"^ *60 200$", r"^ *2 429$")),
        Step("Once more: the 429 itself, with the seconds to wait.",
             curl("novastack", "/router/v1/models", key="few"),
             (r"^HTTP/\S+ 429", r"(?i)^retry-after: \d+", r"(?i)^x-ratelimit-remaining: 0")),
        Step("A body that is not what the document says: 400, and the field is named.",
             curl("novastack", "/router/v1/chat/completions", f"{json} '{{\"model\": 7, \"messages\": []}}'",
                  key="everything"), (r"^HTTP/\S+ 400", r'"param": ?"model"')),
        Step("A version that was removed in July 2026: 410, with its dates and its successor.",
             curl("novastraxis", "/v1/compute/instances", key="everything"),
             (r"^HTTP/\S+ 410", r"(?i)^sunset: Fri, 31 Jul 2026", r"(?i)^link: .*successor-version")),
        Step("Without TLS: 403, for this API is served over HTTPS only.",
             curl("novastraxis", instances, key="everything", plain=True),
             (r"^HTTP/\S+ 403", r"(?i)^refusal-reason: https_required")),
        Step("What the gateway is to answer itself is checked like the rest, and not served yet: 503.",
             curl("novastraxis", "/v2/compliance/posture", key="everything"),
             (r"^HTTP/\S+ 503", r"(?i)^refusal-reason: not_served")),
        Step("A request signed with AWS Signature Version 4 instead of a key in a header.",
             curl("cloudnx", "/compute/instances?limit=2", "--aws-sigv4 'aws:amz:in-mum:cloudnx'",
                  f"--user '{signed['access_key_id']}:{signed['secret_access_key']}'"), (r"^HTTP/\S+ 200", r'"instances"')),
        Step("A service gets a token for itself: OAuth 2.1, client credentials.",
             curl("novastraxis", "/oauth/token", f"-u '{service['id']}:{service['secret']}'",
                  "-d grant_type=client_credentials"), (r"^HTTP/\S+ 200", r'"access_token":"eyJ', r'"scope":"compute data"')),
        Step("A user signs in to cloudnx: two cookies, and no page of another site can use them.",
             curl("cloudnx", "/auth/login", "-H 'Origin: https://cloudnx.in'", f"{json} {quote(credentials)}"),
             (r"^HTTP/\S+ 200", r"(?i)^set-cookie: cnx_access=.*SameSite=Lax", r"(?i)^set-cookie: cnx_refresh=.*SameSite=Strict")),
        Step("The same user lets an application act for them: sign-in, consent, code and PKCE, step by step.",
             f"python3 {quote(demo['folder'] + '/login.py')}",
             (r"^5\. .*: 200, access_token", r"^6\. .*: 200", r"^7\. .*: 400, invalid_grant", r"^8\. .*: 401")),
        Step("A chat that streams, piece by piece.",
             curl("novastack", "/router/v1/chat/completions", "-N", f"{json} {quote(CHAT)}", key="everything"),
             (r"^HTTP/\S+ 200", r"(?i)^content-type: text/event-stream", r"^data: \{", r"^data: \[DONE\]")),
        Step("An object uploaded and read back with boto3.",
             f"{quote(demo['python'])} {quote(demo['folder'] + '/upload.py')}",
             (r"^hello through the gateway", r"^request id \w+")),
        Step("A key of your own, for an hour. It is shown this once; the running gateway knows it at once.",
             f"{portcullis} api-keys create {config} --tenant {other} --name my-key-$(date +%s) "
             "--scopes compute,network,data --expires 1h",
             (r"^nsx_live_\w{49}$", r"only time it is shown")),
        Step("What is served, and what each operation needs.",
             f"{portcullis} routes {config} --api novastraxis", (r"listInstances", r"createFirewallRule")),
        Step("What was recorded: one entry for each request. The newest three.",
             f"{portcullis} audit query --class request.completed --last 3 --output json {config}", (r'"class":"request.completed"',), True),
        Step("Whether anything that was signed for was changed, moved or taken out.",
             f"{portcullis} audit verify {config}", (r"^good: \d+ entries, \d+ of them signed by portcullis/",)),
        Step("One byte of a copy of the log changed: found out, by what was signed.",
             f"rm -rf {changed} && cp -r {quote(demo['log'])} {changed} && printf X | "
             f"dd of=\"$(ls {changed}/wal/*.wal | tail -n 1)\" bs=1 seek=2000 conv=notrunc status=none; "
             f"{portcullis} audit verify {changed} {config}", (r"^BROKEN: entry \d+ in `wal/\d+\.wal` was changed",), True),
        Step("Whether it should be sent requests, and what was refused so far.",
             f"curl -sS {admin}/readyz; echo; curl -sS {admin}/metrics | grep ^portcullis_refusals_total",
             (r'"ready":true', r'reason="insufficient_scope"\} [1-9]', r'reason="rate_limited"\} [1-9]')),
    ]


class Curl:
    """Writes curl commands that reach the demo by the names of the APIs."""

    def __init__(self, demo):
        self.demo = demo
        self.proxied = any(os.environ.get(it) for it in ("http_proxy", "https_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"))

    def __call__(self, api, target, *more, key=None, plain=False, head=True):
        about = self.demo["apis"][api]
        if key:
            text = next(it["key"] for it in about["keys"] if it["name"] == key)
            more = (f"-H 'Authorization: Bearer {text}'", *more)
        return self.words(about["hosts"][0], target, *more, plain=plain, head=head)

    def words(self, host, target, *more, plain=False, head=True):
        scheme = "http" if plain else "https"
        address, _, port = self.demo["listeners"][scheme].rpartition(":")
        words = ["curl -sS -i" if head else "curl -sS", f"--resolve {host}:{port}:{address}"]
        if self.proxied:
            words.append("--noproxy '*'")
        if not plain:
            words.append(f"--cacert {quote(self.demo['ca'])}")
        return " ".join([*words, *more, quote(f"{scheme}://{host}:{port}{target}")])

    def of(self, request):
        """The curl command of a request of `demo.json`."""
        more = [f"-X {request['method']}"] + [f"-H {quote(f'{name}: {value}')}" for name, value in request["headers"].items()]
        if request["body"] is not None:
            more.append(f"-d {quote(request['body'])}")
        if "sign" in request:
            sign = request["sign"]
            more += [f"--aws-sigv4 'aws:amz:{sign['region']}:{sign['service']}'",
                     f"--user '{sign['access_key_id']}:{sign['secret_access_key']}'"]
        return self.words(request["host"], request["path"], *more)


def printed(demo, steps):
    """The numbered list, for a terminal."""
    lines = ["", f"Portcullis stands in front of five APIs. Everything lies in {demo['folder']}; demo.json there is for scripts.",
             ""]
    for number, step in enumerate(steps, 1):
        lines += [f"{number:2}. {step.shows}", f"    {step.command}", ""]
    return "\n".join(lines)


def check(demo, steps):
    """Runs every step, and both requests that `demo.json` has of each API. What went wrong, in words."""
    curl = Curl(demo)
    for name, api in demo["apis"].items():
        for kind in ("allowed", "refused"):
            request = api[kind]
            steps = [*steps, Step(f"{name}: the request that is {kind}", curl.of(request), (rf"^HTTP/\S+ {request['status']}",))]
    failed = []
    for number, step in enumerate(steps, 1):
        done, missing = attempt(step)
        print(f"{number:2}. {'ok    ' if not missing else 'FAILED'} {step.shows}", file=sys.stderr, flush=True)
        if missing:
            failed.append(f"{number}. {step.shows}\n$ {step.command}\n{done}\n-- did not match: {', '.join(missing)}\n")
    return failed


def attempt(step):
    """Runs a step as whoever pastes it would, from anywhere."""
    end = time.monotonic() + (3 if step.patient else 0)
    while True:
        done = subprocess.run(["bash", "-c", step.command], cwd="/", capture_output=True, text=True, timeout=120, check=False)
        out = done.stdout.replace("\r", "")
        missing = [it for it in step.expects if not re.search(it, out, re.MULTILINE)]
        if not missing or time.monotonic() > end:
            return out + done.stderr, missing
        time.sleep(0.1)
