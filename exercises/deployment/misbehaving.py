"""An OpenAI-compatible server on loopback that misbehaves on purpose, for clients to be tested."""

from __future__ import annotations

import asyncio
import json
import threading

HOLD_S = 3.0
"""How long the server waits for company or for a first piece to be read before it gives up."""
START_S = 60


def event(text=None, **more):
    delta = {"role": "assistant"} if text is None else {"content": text}
    body = {"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": delta}]} | more
    return b"data: " + json.dumps(body, ensure_ascii=False).encode() + b"\n\n"


DONE = b"data: [DONE]\n\n"
ODD = ["Grüße, ", "模型", " → 🤖", "\n\ndata: none\n", "one\u2028two\u0085three", " end"]


class Server:
    """An OpenAI-compatible server on loopback, in a thread. What it does is the scenario that the
    last message names: "plain", "odd", "held", "silent", "cut", "error", "crowd 3" or
    "status:<first>:<Retry-After>|<second>:…" (200 after the last)."""

    def __init__(self):
        self.requests, self.waits, self.now, self.peak = [], [], 0, 0
        self.read = threading.Event()  # the client has yielded its first piece
        self.buffered = False
        self.crowd = 0
        self.ready = threading.Event()
        threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True).start()
        assert self.ready.wait(START_S)

    def client(self, submission, **options):
        async def sleep(seconds):
            self.waits.append(round(float(seconds), 3))

        options = {"api_key": "k3y", "timeout": 20.0, "sleep": sleep} | options
        return submission.Client(f"http://127.0.0.1:{self.port}/v1", "mine", **options)

    async def _serve(self):
        self.loop, self.over = asyncio.get_running_loop(), asyncio.Event()
        self.gate = asyncio.Event()
        server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self.ready.set()
        await self.over.wait()
        server.close()

    def stop(self):
        self.loop.call_soon_threadsafe(self.over.set)

    async def _answer(self, reader, writer):
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            first, *lines = head.strip().split("\r\n")
            headers = {n.lower(): v.strip() for n, _, v in (x.partition(":") for x in lines)}
            data = await reader.readexactly(int(headers.get("content-length", 0)))
            body = json.loads(data)
            self.requests.append((first, headers, body))
            scenario = body["messages"][-1]["content"]
            self.now += 1
            self.peak = max(self.peak, self.now)
            try:
                await self._play(scenario, writer)
            finally:
                self.now -= 1
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client left
        finally:
            writer.close()

    async def _head(self, writer, status=200, extra="", kind="text/event-stream"):
        writer.write(f"HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nConnection: close\r\n"
                     f"{extra}\r\n".encode())  # fmt: skip
        await writer.drain()

    async def _play(self, scenario, writer):
        if scenario.startswith("status:"):
            steps = scenario.removeprefix("status:").split("|")
            if len(self.requests) <= len(steps):
                status, _, after = steps[len(self.requests) - 1].partition(":")
                extra = f"Retry-After: {after}\r\n" if after else ""
                await self._head(writer, int(status), extra, "application/json")
                writer.write(b'{"error": {"message": "no such model: mine"}}')
                return await writer.drain()
        await self._head(writer)
        if scenario == "odd":
            raw = b": ping\n\n" + event() + b"event: message\nid: 7\n"
            raw += b"".join(event(text) for text in ODD)
            raw += event("", usage={"total_tokens": 9}, choices=[]) + event(None)
            raw = raw.replace(b"data: {", b"data:{", 2).replace(b"\n\n", b"\r\n\r\n", 3) + DONE
            for at in range(0, len(raw), 7):
                writer.write(raw[at : at + 7])
                await writer.drain()
                await asyncio.sleep(0)
        elif scenario == "held":
            writer.write(event("first "))
            await writer.drain()
            read = await asyncio.to_thread(self.read.wait, HOLD_S)
            self.buffered = not read
            writer.write(event("second") + DONE)
        elif scenario == "silent":
            writer.write(event("first "))
            await writer.drain()
            await self.over.wait()
        elif scenario in ("cut", "error"):
            writer.write(event("half an "))
            if scenario == "error":
                writer.write(b'data: {"error": {"message": "CUDA out of memory"}}\n\n' + DONE)
        elif scenario.startswith("crowd"):
            await self._crowd(int(scenario.split()[1]), writer)
        else:
            writer.write(event("plain ") + event("answer") + DONE)
        await writer.drain()

    async def _crowd(self, number, writer):
        """Answer nobody until as many are here as should be, then look whether more come."""
        writer.write(event("answer "))
        await writer.drain()
        if self.now >= self.crowd:
            self.gate.set()
        try:
            await asyncio.wait_for(self.gate.wait(), HOLD_S)
        except TimeoutError:
            self.gate.set()
        await asyncio.sleep(0.4 if number < self.crowd else 0.02)
        writer.write(event(str(number)) + DONE)
