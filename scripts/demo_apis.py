"""What the demo knows of the five APIs: keys, one request that is allowed and one that is refused."""

import http.client
import json
import ssl

# Per API: where clients find it; its keys by name, with scopes and tier, or the tier of its tenants; and a request that the key `everything` may
# make, and one that the second key may not.
APIS = {
    "novastraxis": {
        "base_url": "https://api.novastraxis.com",
        "hosts": ["api.novastraxis.com"],
        "keys": {
            "everything": (["compute", "network", "data", "threats", "observability", "iam", "compliance"], "enterprise"),
            "network-only": (["network"], "standard"),
        },
        "allowed": ("GET", "/v2/compute/instances?per_page=2", None, 200),
        "refused": ("GET", "/v2/compute/instances", None, 403),
    },
    "cloudnexus": {
        "base_url": "https://api.cloudnexus.io/v2",
        "hosts": ["api.cloudnexus.io"],
        "keys": {
            "everything": (["instances:read", "instances:write", "storage:read", "storage:write"], "standard"),
            "read-only": (["instances:read", "storage:read"], "standard"),
        },
        "allowed": ("GET", "/v2/instances?limit=2", None, 200),
        "refused": ("DELETE", "/v2/instances/inst_0", None, 403),
    },
    "cloudnexus-servers": {
        "base_url": "https://api.cloudnexus.io/v2",
        "hosts": ["api.cloudnexus.io"],
        "keys": {
            "everything": (["servers:read", "servers:write", "clusters:read", "webhooks:write"],),
            "clusters-only": (["clusters:read"],),
        },
        "tier": "enterprise",
        "tenant_header": "X-CloudNexus-Id",
        "allowed": ("GET", "/v2/servers", None, 200),
        "refused": ("GET", "/v2/servers", None, 403),
    },
    "cloudnx": {
        "base_url": "https://cloudnx.in",
        "hosts": ["cloudnx.in", "s3.cloudnx.in"],
        "keys": {
            "everything": (
                ["users:read", "users:write", "sessions:read", "sessions:write", "iam:read", "iam:write", "teams:read",
                 "teams:write", "audit:read", "billing:read", "compute:read", "compute:write", "storage:read",
                 "storage:write", "s3:ListAllMyBuckets", "s3:ListBucket", "s3:GetBucketLocation", "s3:CreateBucket",
                 "s3:DeleteBucket", "s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:ListBucketMultipartUploads",
                 "s3:ListMultipartUploadParts", "s3:AbortMultipartUpload"],
                "standard",
            ),
            "billing-only": (["billing:read"], "standard"),
        },
        "signed": ("in-mum", "cloudnx"),
        "allowed": ("GET", "/compute/instances", None, 200),
        "refused": ("GET", "/compute/instances", None, 403),
    },
    "novastack": {
        "base_url": "https://api.novapai.ai/router/v1",
        "hosts": ["api.novapai.ai"],
        "keys": {
            "everything": (["read", "write", "delete"], "level-2"),
            "read-only": (["read"], "level-1"),
            "few": (["read"], "level-1"),
        },
        "allowed": ("GET", "/router/v1/models", None, 200),
        "refused": ("POST", "/router/v1/chat/completions",
                    {"model": "nova-large", "messages": [{"role": "user", "content": "Hello."}]}, 403),
    },
}


def described(name, made):
    """One API in `demo.json`."""
    api = APIS[name]
    full, narrow = made["keys"][:2]
    return {
        "base_url": api["base_url"],
        "hosts": api["hosts"],
        **made,
        "allowed": request(api, full, *api["allowed"]),
        "refused": request(api, narrow, *api["refused"]),
    }


def request(api, key, method, path, body, status):
    """A request as a script can send it. Where requests are signed, `sign` holds what a signer needs."""
    headers = {}
    if "key" in key:
        headers["Authorization"] = f"Bearer {key['key']}"
    if "tenant_header" in api:
        headers[api["tenant_header"]] = key["tenant"]
    if body is not None:
        headers["Content-Type"] = "application/json"
        body = json.dumps(body)
    asked = {"method": method, "host": api["hosts"][0], "path": path, "headers": headers, "body": body, "status": status}
    if "signed" in api:
        region, service = api["signed"]
        asked["sign"] = {"region": region, "service": service, "access_key_id": key["access_key_id"],
                         "secret_access_key": key["secret_access_key"]}
    return asked


def other_instance(demo):
    """An instance of the second tenant of novastraxis, which the first must not reach. Asked through the gateway."""
    host, _, port = demo["listeners"]["https"].rpartition(":")
    key = next(it["key"] for it in demo["apis"]["novastraxis"]["keys"] if it["name"] == "other-tenant")

    class Door(http.client.HTTPSConnection):
        """The gateway, by the name of an API."""

        def connect(self):
            super(http.client.HTTPSConnection, self).connect()
            self.sock = trust.wrap_socket(self.sock, server_hostname="api.novastraxis.com")

    trust = ssl.create_default_context(cafile=demo["ca"])
    door = Door(host, int(port), timeout=10, context=trust)
    headers = {"Host": "api.novastraxis.com", "Authorization": f"Bearer {key}"}
    door.request("GET", "/v2/compute/instances?per_page=1", headers=headers)
    answer = door.getresponse()
    text = answer.read()
    if answer.status != 200:
        raise SystemExit(f"error: the gateway answered {answer.status}: {text.decode(errors='replace')}")
    return json.loads(text)["instances"][0]["id"]
