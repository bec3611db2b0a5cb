#!/usr/bin/env python3
"""Proves with the real OpenAI client that Novastack can be talked to.

    python3 -m venv /tmp/venv && /tmp/venv/bin/pip install openai
    /tmp/venv/bin/python tests/cloud/check_openai.py target/debug/cloud
"""

import io
import json
import sys

import openai

from running import clouds, run

TALK = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Say hello to the harbour."}]
TOOL = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}


def models(ai):
    ids = [it.id for it in ai.models.list()]
    assert "nova-large" in ids and "meridian/atlas-70b" in ids, ids
    assert ai.models.retrieve("nova-large").owned_by == "novastack"


def whole(ai):
    answer = ai.chat.completions.create(model="nova-large", messages=TALK, temperature=0.2, tools=[TOOL])
    choice = answer.choices[0]
    assert "Say hello to the harbour." in choice.message.content and choice.finish_reason == "stop"
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens > 0
    again = ai.chat.completions.create(model="nova-large", messages=TALK, temperature=0.2)
    assert again.choices[0].message.content == choice.message.content
    several = ai.chat.completions.create(model="nova-large", messages=TALK, n=3, max_tokens=2)
    assert [it.finish_reason for it in several.choices] == ["length"] * 3


def streamed(ai):
    said = ai.chat.completions.create(model="nova-large", messages=TALK).choices[0].message.content
    options = {"include_usage": True}
    chunks = list(ai.chat.completions.create(model="nova-large", messages=TALK, stream=True, stream_options=options))
    text = "".join(it.choices[0].delta.content or "" for it in chunks if it.choices)
    assert text == said, (text, said)
    assert chunks[-1].usage.completion_tokens > 5 and not chunks[-1].choices
    assert [it.choices[0].finish_reason for it in chunks if it.choices][-1] == "stop"
    bare = list(ai.chat.completions.create(model="nova-large", messages=TALK, stream=True))
    assert all(it.usage is None for it in bare)


def helper(ai):
    with ai.chat.completions.stream(model="nova-small", messages=TALK) as stream:
        for _ in stream:
            pass
    assert "harbour" in stream.get_final_completion().choices[0].message.content
    form = {"type": "json_object"}
    answer = ai.chat.completions.create(model="nova-small", messages=TALK, response_format=form)
    assert json.loads(answer.choices[0].message.content)["echo"] == "Say hello to the harbour."


def refusals(ai):
    for error, param, arguments in [
        (openai.NotFoundError, "model", {"model": "no-such-model", "messages": TALK}),
        (openai.BadRequestError, "messages", {"model": "nova-large", "messages": []}),
        (openai.BadRequestError, "temperature", {"model": "nova-large", "messages": TALK, "temperature": 9}),
        (openai.BadRequestError, "model", {"model": "nova-image", "messages": TALK}),
    ]:
        try:
            ai.chat.completions.create(**arguments)
        except error as fault:
            assert fault.param == param and fault.type == "invalid_request_error", fault
            continue
        raise AssertionError(f"{arguments} was not refused")


def files(ai):
    body = b"line\n" * 1000
    made = ai.files.create(file=("notes.txt", io.BytesIO(body)), purpose="assistants")
    assert (made.bytes, made.filename, made.purpose) == (len(body), "notes.txt", "assistants")
    assert ai.files.retrieve(made.id).id == made.id
    assert ai.files.content(made.id).read() == body
    assert [it.id for it in ai.files.list(purpose="assistants")] == [made.id]
    assert [it.id for it in ai.files.list(purpose="batch")] == []
    assert ai.files.delete(made.id).deleted
    try:
        ai.files.retrieve(made.id)
    except openai.NotFoundError:
        return
    raise AssertionError("a deleted file is still there")


def main(binary):
    with clouds(binary, "--chunk", "1ms") as ports:
        ai = openai.OpenAI(
            api_key="never-looked-at",
            base_url=f"http://{ports['novastack']}/router/v1",
            default_headers={"X-Portcullis-Tenant": "acme"},
            max_retries=0,
        )
        checks = [
            ("models are listed and told", lambda: models(ai)),
            ("a completion at once", lambda: whole(ai)),
            ("a completion as a stream says the same", lambda: streamed(ai)),
            ("the client's own stream helper, and JSON", lambda: helper(ai)),
            ("refusals name the parameter", lambda: refusals(ai)),
            ("files go up, come back and go", lambda: files(ai)),
        ]
        return run(checks)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
