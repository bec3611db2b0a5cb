"""What the published references document, written down from the pages by hand.

Nothing here is made from the documents that are checked against it. Each row names an operation, the parameters or body
fields the page lists, the ones it requires, and the top-level members of the page's example answer.
"""


def row(method, path, takes="", requires="", answers="", enums=None):
    return {
        "method": method,
        "path": path,
        "takes": takes.split(),
        "requires": requires.split(),
        "answers": answers.split(),
        "enums": enums or {},
    }


NOVASTRAXIS = {
    "errors": [400, 401, 403, 404, 429, 500, 503],
    # "Resource state conflict (e.g. duplicate name)": nothing that only reads can meet one.
    "errors_of_changes": [409],
    "operations": [
        row("post", "/oauth/token"),
        row("get", "/v2/compute/instances", "region status tags page per_page", answers="instances total page"),
        row("post", "/v2/compute/instances", "machine_type region network_id image_id startup_script", "machine_type region", answers="instance"),
        row("delete", "/v2/compute/instances/{id}", "force_delete skip_snapshot", answers="status final_snapshot_id"),
        row("get", "/v2/network/vpcs", "region include_subnets", answers="vpcs total"),
        row("post", "/v2/network/firewall-rules", "vpc_id direction protocol ports source_identity action", answers="rule"),
        row("get", "/v2/data/domains", "owner_team include_products", answers="domains total"),
        row("post", "/v2/data/queries", "sql domains timeout_ms consistency_level", "sql", answers="query_id status estimated_ms"),
        row("get", "/v2/threats/alerts", "severity status resource_id mitre_technique since", answers="alerts total critical high"),
        row("post", "/v2/threats/scan", "resource_ids scan_type include_dependencies", "resource_ids", answers="scan_id status estimated_duration_s"),
        row("post", "/v2/observability/query", "query time_range step format", "query", answers="result_type data stats"),
        row("get", "/v2/iam/service-accounts", "role status include_keys", answers="service_accounts total"),
        row("get", "/v2/compliance/posture", "framework resource_scope", answers="frameworks overall_score failing_controls"),
    ],
    "bounds": [("get", "/v2/compute/instances", "per_page", {"maximum": 100})],
}

CLOUDNEXUS = {
    "errors": [400, 401, 403, 404, 429, 500],
    "operations": [
        row("get", "/instances", "region status limit tags", answers="instances pagination", enums={"status": ["running", "stopped", "pending"]}),
        row("post", "/instances", "name plan image_id ssh_keys region", "name plan image_id ssh_keys", enums={"plan": ["nano", "micro", "standard", "performance"]}),
        row("delete", "/instances/{id}"),
        row("get", "/buckets", answers="buckets"),
        row("put", "/objects/{bucket}/{key}", "X-Object-Metadata"),
    ],
    "bounds": [("get", "/instances", "limit", {"default": 20, "maximum": 100})],
}

CLOUDNEXUS_SERVERS = {
    "errors": [400, 401, 403, 429, 500],
    "operations": [
        row("get", "/servers", "X-CloudNexus-Id", "X-CloudNexus-Id"),
        row("post", "/servers", "X-CloudNexus-Id region plan image count", "X-CloudNexus-Id", answers="id"),
        row("put", "/servers/{id}", "X-CloudNexus-Id", "X-CloudNexus-Id"),
        row("delete", "/servers/{id}", "X-CloudNexus-Id", "X-CloudNexus-Id"),
        row("get", "/clusters/k8s", "X-CloudNexus-Id", "X-CloudNexus-Id"),
        row("post", "/webhooks", "X-CloudNexus-Id", "X-CloudNexus-Id"),
    ],
    "webhooks": [
        "server.created",
        "server.scaled",
        "billing.invoice.finalized",
        "security.threat.detected",
        "cluster.node.joined",
    ],
}

# The page names the concerns of three services and four paths; the rest follows its shapes.
COMPUTE = "instances autoscaling-groups elastic-ips firewalls snapshots volumes load-balancers vpcs".split()
CLOUDNX = {
    "errors": [400, 401, 403, 404, 410, 429, 500],
    "errors_of_changes": [409],
    "operations": [
        row("post", "/auth/login", "Idempotency-Key"),
        row("post", "/auth/iam/exchange-credentials", "Idempotency-Key"),
        row("get", "/auth/users", answers="users next_cursor"),
        row("get", "/auth/sessions", answers="sessions next_cursor"),
        row("get", "/auth/billing"),
        row("post", "/auth/iam/users", "Idempotency-Key"),
        row("post", "/auth/iam/users/{id}/access-keys", "Idempotency-Key"),
        row("get", "/auth/teams", answers="teams next_cursor"),
        row("post", "/auth/invites/accept", "Idempotency-Key"),
        row("get", "/auth/audit-logs", answers="audit_logs next_cursor"),
        *[row("get", f"/compute/{it}", answers=f"{it.replace('-', '_')} next_cursor") for it in COMPUTE],
        *[row("post", f"/compute/{it}", "Idempotency-Key") for it in COMPUTE],
        *[row("get", f"/compute/{it}/{{id}}") for it in COMPUTE],
        *[row("delete", f"/compute/{it}/{{id}}", "Idempotency-Key") for it in COMPUTE],
        row("get", "/storage/buckets", answers="buckets next_cursor"),
        row("post", "/storage/buckets", "Idempotency-Key"),
        row("delete", "/storage/buckets/{bucket}", "Idempotency-Key"),
        row("post", "/storage/buckets/{bucket}/presign", "Idempotency-Key"),
        row("post", "/storage/buckets/{bucket}/access-keys", "Idempotency-Key"),
    ],
    # "Mutating routes accept an optional Idempotency-Key header."
    "mutating_take": "Idempotency-Key",
}

# "Use the AWS SDK for S3 ... fully compatible": what the SDK's own put, get, copy, list and multipart calls send.
S3 = {
    "errors": [403, 404, 500, 503],
    "operations": [
        row("get", "/"),
        row("put", "/{bucket}"),
        row("head", "/{bucket}"),
        row("delete", "/{bucket}"),
        row("get", "/{bucket}", "prefix delimiter max-keys marker encoding-type"),
        row("get", "/{bucket}#list-type", "list-type prefix delimiter max-keys continuation-token start-after"),
        row("get", "/{bucket}#location"),
        row("post", "/{bucket}#delete"),
        row("put", "/{bucket}/{key}"),
        row("put", "/{bucket}/{key}#header:x-amz-copy-source", "x-amz-copy-source", "x-amz-copy-source"),
        row("put", "/{bucket}/{key}#partNumber&uploadId&header:x-amz-copy-source", "x-amz-copy-source", "x-amz-copy-source"),
        row("get", "/{bucket}/{key}", "Range If-Match If-None-Match If-Modified-Since If-Unmodified-Since"),
        row("head", "/{bucket}/{key}"),
        row("delete", "/{bucket}/{key}"),
        row("post", "/{bucket}/{key}#uploads"),
        row("put", "/{bucket}/{key}#partNumber&uploadId", "partNumber uploadId", "partNumber uploadId"),
        row("post", "/{bucket}/{key}#uploadId", "uploadId", "uploadId"),
        row("delete", "/{bucket}/{key}#uploadId", "uploadId", "uploadId"),
        row("get", "/{bucket}/{key}#uploadId", "uploadId max-parts part-number-marker", "uploadId"),
    ],
}

NOVASTACK = {
    "errors": [400, 401, 429, 500],
    "operations": [
        row("get", "/models", answers="object data"),
        row("get", "/account"),
        row("post", "/chat/completions", "model messages stream tools temperature", "model messages", answers="id object created model choices"),
        row("post", "/tasks"),
        row("delete", "/tasks/{task_id}"),
        row("delete", "/files/{file_id}"),
    ],
    # Permission -> what it is for.
    "scopes": {
        "read": [("get", "/models"), ("get", "/account")],
        "write": [("post", "/tasks"), ("post", "/chat/completions")],
        "delete": [("delete", "/tasks/{task_id}"), ("delete", "/files/{file_id}")],
    },
}

# By the address that the reference publishes.
# Ours: there is no page to be written down from.
PORTCULLIS = {
    "errors": [400, 401, 403, 404, 429, 500, 503],
    "operations": [
        row("get", "/v1/entries", "limit cursor since until key api operation outcome class request", answers="entries next_cursor"),
        row("get", "/v1/entries/{seq}"),
        row("get", "/v1/entries/{seq}/proof"),
        row("get", "/v1/checkpoint"),
        row("get", "/v1/checkpoints/{size}/proof"),
    ],
}

# The page says that access tokens are taken, and not who issues them.
CLOUDNEXUS_ISSUER = {
    "errors": [400, 401, 403, 429, 500],
    "operations": [
        row("get", "/oauth/jwks", answers="keys"),
        row("get", "/.well-known/oauth-authorization-server", answers="issuer jwks_uri"),
    ],
}

REFERENCES = {
    "https://api.novastraxis.com": [NOVASTRAXIS],
    "https://api.cloudnexus.io/v2": [CLOUDNEXUS, CLOUDNEXUS_SERVERS],
    "https://api.cloudnexus.io": [CLOUDNEXUS_ISSUER],
    "https://cloudnx.in": [CLOUDNX],
    "https://s3.cloudnx.in": [S3],
    "https://api.novapai.ai/router/v1": [NOVASTACK],
    "https://manage.portcullis.localhost": [PORTCULLIS],
}
