"""The OpenAI client library against api.novapai.ai, as its users write it.

Environment: KEY with all permissions, READER with `read` alone.
"""

import os

from door import refused, tell, trust  # first: it must be there before any client resolves a host

import openai


def client(key):
    """As in the reference, but for whom it trusts. No retries: each answer is looked at."""
    return openai.OpenAI(
        api_key=key,
        base_url="https://api.novapai.ai/router/v1",
        max_retries=0,
        http_client=openai.DefaultHttpxClient(verify=trust(), trust_env=False),
    )


HELLO = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Say hello to the gateway."}]

full = client(os.environ["KEY"])
models = full.models.list().data
assert models, "no models"
model = models[0].id
assert full.models.retrieve(model).id == model
slashed = next(it.id for it in models if "/" in it.id)
assert full.models.retrieve(slashed).id == slashed  # the library encodes the slash

# At once.
raw = full.chat.completions.with_raw_response.create(model=model, messages=HELLO)
completion = raw.parse()
assert completion.choices[0].message.content, completion
assert completion.choices[0].finish_reason == "stop", completion
assert completion.usage.total_tokens == completion.usage.prompt_tokens + completion.usage.completion_tokens
assert int(raw.headers["X-RateLimit-Remaining"]) < int(raw.headers["X-RateLimit-Limit"]), raw.headers

# As it is generated.
stream = full.chat.completions.create(
    model=model, messages=HELLO, stream=True, stream_options={"include_usage": True}
)
chunks = list(stream)
text = "".join(it.choices[0].delta.content or "" for it in chunks if it.choices)
assert len(chunks) > 3, chunks
assert text == completion.choices[0].message.content, (text, completion)
assert [it.choices[0].finish_reason for it in chunks if it.choices][-1] == "stop", chunks
assert chunks[-1].usage.total_tokens > 0, chunks[-1]

# A stream that its reader leaves early must not hold the gateway up.
left = full.chat.completions.create(model=model, messages=HELLO, stream=True)
next(iter(left))
left.close()

# Files, streamed up and down.
content = bytes(range(256)) * 4096
uploaded = full.files.create(file=("all-bytes.bin", content), purpose="assistants")
assert uploaded.bytes == len(content), uploaded
assert full.files.content(uploaded.id).read() == content
assert uploaded.id in [it.id for it in full.files.list().data]
assert full.files.delete(uploaded.id).deleted
gone = refused(openai.NotFoundError, full.files.retrieve, uploaded.id)
assert gone.status_code == 404

# Refusals, as the library's exceptions.
wrong = refused(openai.AuthenticationError, client("nvs_live_" + "0" * 49).models.list)
assert wrong.code == "invalid_api_key" and wrong.type == "authentication_error", wrong.body
assert wrong.body["message"] == "Invalid API key provided" and wrong.body["param"] is None, wrong.body

reader = client(os.environ["READER"])
assert reader.models.list().data
denied = refused(openai.PermissionDeniedError, reader.chat.completions.create, model=model, messages=HELLO)
assert denied.type == "permission_error", denied.body

bad = refused(openai.BadRequestError, full.chat.completions.create, model=model, messages="not a list")
assert bad.type == "invalid_request_error" and bad.param.startswith("messages"), bad.body

missing = refused(openai.NotFoundError, full.models.retrieve, "no-such-model")

limited = None
for _ in range(100):
    try:
        reader.models.list()
    except openai.RateLimitError as refusal:
        limited = refusal
        break
assert limited is not None, "a hundred requests in a row, and no limit"
assert limited.type == "rate_limit_error", limited.body
assert 1 <= int(limited.response.headers["Retry-After"]) <= 61, limited.response.headers

tell(
    permitted=[raw.headers["x-request-id"]],
    refused={
        "invalid_api_key": wrong.request_id,
        "insufficient_permissions": denied.request_id,
        "invalid_request": bad.request_id,
        "rate_limit_exceeded": limited.request_id,
    },
)
