# Another style: bare Starlette, checks written by hand, a thread with a queue and a threading.Lock.
import hmac
import json
import queue
import threading
import time
import uuid

import anyio
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Route

ROLES = {"system", "user", "assistant"}


class Refused(Exception):
    def __init__(self, status, message, code="invalid_request"):
        super().__init__(message)
        self.status, self.code = status, code


def refusal(error):
    body = {"message": str(error), "type": "invalid_request_error", "param": None}
    return JSONResponse({"error": {**body, "code": error.code}}, status_code=error.status)


def number(body, name, default, low, high, kind):
    value = body.get(name, default)
    if isinstance(value, bool) or not isinstance(value, kind) or not low <= value <= high:
        raise Refused(422, f"{name} must be a number from {low} to {high}")
    return value


def checked(raw, engine):
    try:
        body = json.loads(raw)
    except ValueError as error:
        raise Refused(400, f"The body is not JSON: {error}") from error
    if not isinstance(body, dict):
        raise Refused(400, "The body must be an object.")
    if body.get("model") != engine.name:
        raise Refused(404, "This server does not have that model.", "model_not_found")
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise Refused(422, "messages must be a list that is not empty")
    for m in messages:
        if not (isinstance(m, dict) and isinstance(m.get("content"), str)):
            raise Refused(422, "each message needs a content of text")
        if m.get("role") not in ROLES:
            raise Refused(422, "a role is system, user or assistant")
    stops = body.get("stop") or []
    ask = {
        "messages": [{"role": m["role"], "content": m["content"]} for m in messages],
        "temperature": number(body, "temperature", 1.0, 0, 2, (int, float)),
        "max_tokens": number(body, "max_tokens", 100, 1, 512, int),
        "stops": [stops] if isinstance(stops, str) else list(stops),
        "stream": bool(body.get("stream", False)),
    }
    ask["prompt"] = engine.count(ask["messages"])
    if ask["prompt"] + ask["max_tokens"] > engine.context:
        raise Refused(400, "The conversation is too long.", "context_length_exceeded")
    return ask


class Work(threading.Thread):
    """Generates into a queue of texts; the last entry is ("end", tokens, reason)."""

    def __init__(self, engine, ask, lock):
        super().__init__(daemon=True)
        self.engine, self.ask, self.lock = engine, ask, lock
        self.out, self.left = queue.SimpleQueue(), threading.Event()

    def run(self):
        with self.lock:
            text = sent = ""
            tokens, reason = 0, "stop"
            ask = self.ask
            source = self.engine.stream(ask["messages"], ask["temperature"], ask["max_tokens"])
            for piece in source:
                if self.left.is_set():
                    break
                tokens += 1
                text += piece
                places = [p for p in map(text.find, ask["stops"]) if p >= 0]
                if places:
                    text = text[: min(places)]
                    break
                ready = text[: len(text) - self.doubtful(text)]
                self.out.put(ready[len(sent) :])
                sent = ready
            else:
                reason = "length" if tokens == ask["max_tokens"] else "stop"
            source.close()
            self.out.put(text[len(sent) :])
        self.out.put(("end", tokens, reason))

    def doubtful(self, text):
        longest = 0
        for stop in self.ask["stops"]:
            for size in range(1, len(stop)):
                if text[-size:] == stop[:size]:
                    longest = max(longest, size)
        return longest

    async def parts(self):
        try:
            while True:
                try:
                    part = self.out.get_nowait()
                except queue.Empty:
                    await anyio.sleep(0.005)
                    continue
                yield part
                if isinstance(part, tuple):
                    return
        finally:
            self.left.set()


def build_app(engine, key):
    lock = threading.Lock()

    def allowed(request):
        kind, _, given = request.headers.get("authorization", "").partition(" ")
        if kind != "Bearer" or not hmac.compare_digest(given.encode(), key.encode()):
            raise Refused(401, "Wrong API key.", "invalid_api_key")

    async def models(request: Request):
        allowed(request)
        entry = {"id": engine.name, "object": "model", "owned_by": "learner"}
        return JSONResponse({"object": "list", "data": [entry]})

    async def chat(request: Request):
        allowed(request)
        ask = checked(await request.body(), engine)
        work = Work(engine, ask, lock)
        work.start()
        frame = {
            "id": f"chatcmpl-{uuid.uuid4()}",
            "created": int(time.time()),
            "model": engine.name,
        }
        if ask["stream"]:
            return StreamingResponse(sse(frame, work), media_type="text/event-stream")
        text, end = "", None
        async for part in work.parts():
            if isinstance(part, tuple):
                end = part
            else:
                text += part
            if await request.is_disconnected():
                work.left.set()
        _, tokens, reason = end
        choice = {"message": {"role": "assistant", "content": text}, "finish_reason": reason}
        usage = {
            "prompt_tokens": ask["prompt"],
            "completion_tokens": tokens,
            "total_tokens": ask["prompt"] + tokens,
        }
        body = {"object": "chat.completion", "choices": [{"index": 0, **choice}], "usage": usage}
        return JSONResponse(frame | body)

    async def sse(frame, work):
        first = {"role": "assistant"}
        async for part in work.parts():
            delta, reason = {"content": part, **first}, None
            if isinstance(part, tuple):
                delta, reason = first, part[2]
            first = {}
            choice = {"index": 0, "delta": delta, "finish_reason": reason}
            chunk = {**frame, "object": "chat.completion.chunk", "choices": [choice]}
            yield f"data: {json.dumps(chunk)}\n\n"
        yield "data: [DONE]\n\n"

    async def refuse(request, error):
        return refusal(error)

    return Starlette(
        routes=[
            Route("/v1/models", models),
            Route("/v1/chat/completions", chat, methods=["POST"]),
        ],
        exception_handlers={Refused: refuse},
    )
