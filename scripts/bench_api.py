"""The API that `scripts/bench` puts behind the gateway: one operation, 100 policies, a tier nobody reaches."""

HOST = "api.bench.test"
PATH = "/v1/vms/vm-1"
LOGIN = "/v1/login"

DOCUMENT = """\
openapi: 3.1.0
info: { title: Bench, version: "1" }
servers: [ { url: "https://api.bench.test" } ]
paths:
  /v1/vms/{vm_id}:
    get:
      operationId: getVm
      summary: Shows a virtual machine
      security: [ { api_key: ["vms:read"] } ]
      parameters:
        - { name: vm_id, in: path, required: true, schema: { type: string, maxLength: 64 } }
      responses:
        "200":
          description: The machine
          content: { application/json: { schema: { type: object } } }
components:
  securitySchemes:
    api_key: { type: http, scheme: bearer }
"""

# What is added where people sign in besides.
LOGIN_OPERATIONS = """\
  /v1/login:
    post:
      operationId: login
      summary: Signs somebody in
      security: []
      x-portcullis-native: sessions.sign_in
      requestBody:
        required: true
        content: { application/json: { schema: { type: object, required: [email, password] } } }
      responses:
        "200":
          description: Signed in
          content: { application/json: { schema: { type: object } } }
  /v1/refresh:
    post:
      operationId: refresh
      summary: Renews a session
      security: []
      x-portcullis-native: sessions.renew
      responses:
        "200":
          description: Renewed
          content: { application/json: { schema: { type: object } } }
  /v1/logout:
    post:
      operationId: logout
      summary: Ends a session
      security: []
      x-portcullis-native: sessions.sign_out
      responses:
        "204": { description: Ended }
  /v1/account:
    get:
      operationId: getAccount
      summary: Shows who has signed in
      security: [ { session: [] } ]
      responses:
        "200":
          description: They
          content: { application/json: { schema: { type: object } } }
components:
  securitySchemes:
    session: { type: apiKey, in: cookie, name: bench_access }
"""

LOGIN_PROFILE = """
[[role]]
name = "member"
scopes = ["vms:read"]
"""

LOGIN_POLICY = """
@id("bench.signing-in")
permit (principal, action == Bench::Action::"login", resource);
"""

STATUSES = (400, 401, 403, 404, 405, 409, 410, 413, 422, 429, 431, 500, 502, 503, 504)

PROFILE = """\
name = "bench"
title = "Bench"
namespace = "Bench"
https_only = false

[[surface]]
document = "openapi.yaml"
hosts = ["api.bench.test"]
base_path = ""
paths = "api"
dialect = "default"
unknown_query = "pass"

[upstream]
url = "http://127.0.0.1:9"
connect = "2s"
first_byte = "10s"
between_bytes = "10s"
total = "10s"

[credentials]
api_key = { prefixes = ["bench_"], imported = true }

[dialect.default]
format = "json"
request_id_prefix = "req_"
body = '''{"code": "{code}", "message": "{message}", "request_id": "{request_id}"}'''
[dialect.default.status]
STATUS_ROWS

[limits]
counted_by = "lineage"
default_tier = "endless"
headers = { limit = "X-RateLimit-Limit", remaining = "X-RateLimit-Remaining", reset = "X-RateLimit-Reset" }
[[limits.tier]]
name = "endless"
rules = [ { name = "sustained", limit = 1000000000, window = "60s" } ]

[resource]
tenant = "caller"
"""

SETTINGS = """\
data = "{home}/data"
apis = "{home}/apis"
guardrails = "{root}/policies/guardrails"
workers = 1

[listen]
http = "127.0.0.1:0"
https = "127.0.0.1:0"
admin = "127.0.0.1:0"

[keys]
keys_per_tenant = 1000000

[limits.shield]
rate = 1000000000
burst = 1000000000

[upstreams]
bench = "http://127.0.0.1:{origin}"
"""


def policies():
    """One permit that decides, and 99 that belong to others: as in any deployment, most policies are not about you."""
    yield """@id("bench.readers")\npermit (principal, action == Bench::Action::"getVm", resource);\n"""
    for number in range(79):
        yield (f'@id("bench.key-{number}")\n'
               f'permit (principal == Gw::ApiKey::"key_{number:04}", action == Bench::Action::"getVm", resource);\n')
    for number in range(20):
        yield (f'@id("bench.tenant-{number}")\n'
               f'forbid (principal in Gw::Tenant::"ten_{number:04}", action == Bench::Action::"getVm", resource)\n'
               "when { context.source.tls == false };\n")


def write_bench_api(home, root, origin, strict=False, logins=False):
    """Writes profile, document, policies and settings; gives the settings file. Where the operation is strict, its answer
    waits until its entry is on the disk; with logins there is a second one, by which people sign in."""
    folder = home / "apis" / "bench"
    folder.mkdir(parents=True)
    rows = "\n".join(f'{status} = {{ code = "e{status}" }}' for status in STATUSES)
    document, profile, rules = DOCUMENT, PROFILE.replace("STATUS_ROWS", rows), "\n".join(policies())
    if strict:
        document = document.replace("      parameters:\n", "      x-portcullis-strict: true\n      parameters:\n")
    if logins:
        document = document.replace("components:\n  securitySchemes:\n", LOGIN_OPERATIONS)
        session = 'session = { access = "bench_access", refresh = "bench_refresh", origins = ["https://api.bench.test"] }'
        profile = profile.replace("[credentials]\n", f"[credentials]\n{session}\n") + LOGIN_PROFILE
        rules += LOGIN_POLICY
    (folder / "openapi.yaml").write_text(document)
    (folder / "api.toml").write_text(profile)
    (folder / "bench.cedar").write_text(rules)
    settings = home / "portcullis.toml"
    settings.write_text(SETTINGS.format(home=home, root=root, origin=origin))
    return settings
