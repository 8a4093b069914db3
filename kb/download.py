"""One file over HTTP from a server that may be slow, busy, broken or hostile.

Every limit is a parameter. What arrives lies in a .part; whether it is what was promised is for
the caller to say.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING

from tutor.base.i18n import say

if TYPE_CHECKING:
    import httpx
    from tenacity import RetryCallState

USER_AGENT = "tutor/0.1 (study companion)"
PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Statuses that another try may not meet again."""


@dataclass(frozen=True)
class Limits:
    """What a source may cost. Times are in seconds; sizes in bytes, of one source each."""

    connect_s: float = 10
    read_s: float = 30
    """Between two pieces of an answer."""
    total_s: float = 1800
    """For a source as a whole, its retries included."""
    size: int = 1_000_000_000
    attempts: int = 4
    first_wait_s: float = 1
    """Before the second try; doubled for each later one."""
    longest_wait_s: float = 60
    """Of any wait, also of one that the server asks for."""
    redirects: int = 5
    members: int = 5_000
    """Files taken out of an archive."""
    unpacked: int = 300_000_000
    ratio: int = 200
    """Unpacked to packed size of a file in an archive: text stays under 30."""


@dataclass(frozen=True)
class Validators:
    """What a server said about the version that it sent, for the next conditional request."""

    etag: str = ""
    modified: str = ""


class FetchError(Exception):
    """A source could not be had; the text says why, in the learner's language."""


class PassingError(FetchError):
    """A failure that another try may not meet. retry_after_s: what the server asked for."""

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class UnreachableError(PassingError):
    """No connection to the host came about."""


def client(limits: Limits) -> httpx.AsyncClient:
    """Return a client that says who it is and follows no redirect by itself.

    Raises FetchError where the environment names a proxy that cannot be used.
    """
    import httpx

    # identity: a compressed answer could unpack to any size
    headers = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity"}
    timeout = httpx.Timeout(limits.read_s, connect=limits.connect_s)
    try:
        return httpx.AsyncClient(headers=headers, timeout=timeout)
    except (ImportError, ValueError, httpx.InvalidURL) as error:  # SOCKS needs a package more
        raise FetchError(say(f"the proxy: {error}", f"代理：{error}")) from error


async def download(
    client: httpx.AsyncClient, url: str, part: Path, known: Validators, limits: Limits
) -> Validators | None:
    """Download into `part`; return the version's validators, or None where `known` is current.

    Raises FetchError once the tries or the time are used up, and at once for what will not pass.
    """
    from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt

    def wait(state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked = error.retry_after_s if isinstance(error, PassingError) else None
        backoff = limits.first_wait_s * 2 ** (state.attempt_number - 1)
        return min(backoff if asked is None else asked, limits.longest_wait_s)

    retrying = AsyncRetrying(
        stop=stop_after_attempt(limits.attempts),
        wait=wait,
        retry=retry_if_exception_type(PassingError),
        reraise=True,
    )
    try:
        async with asyncio.timeout(limits.total_s):
            return await retrying(_attempt, client, url, part, known, limits)
    except TimeoutError as error:
        raise FetchError(
            say(f"not done after {limits.total_s:g} s", f"{limits.total_s:g} 秒内未完成")
        ) from error


async def _attempt(
    client: httpx.AsyncClient, url: str, part: Path, known: Validators, limits: Limits
) -> Validators | None:
    import httpx

    headers = {}
    if known.etag:
        headers["If-None-Match"] = known.etag
    if known.modified:
        headers["If-Modified-Since"] = known.modified
    try:
        async with _opened(client, url, headers, limits) as response:
            if response.status_code == httpx.codes.NOT_MODIFIED and headers:
                return None
            _require_ok(response)
            await _save(response, part, limits)
            return Validators(
                response.headers.get("etag", ""), response.headers.get("last-modified", "")
            )
    except (httpx.ConnectError, httpx.ConnectTimeout) as error:
        raise UnreachableError(say("cannot be reached", "无法连接") + f" ({error})") from error
    except httpx.TransportError as error:
        raise PassingError(str(error) or type(error).__name__) from error
    except httpx.InvalidURL as error:
        raise FetchError(str(error)) from error


@asynccontextmanager
async def _opened(
    client: httpx.AsyncClient, url: str, headers: dict[str, str], limits: Limits
) -> AsyncIterator[httpx.Response]:
    """Yield the answer at the end of the redirects."""
    import httpx

    origin = target = httpx.URL(url)
    for _ in range(limits.redirects + 1):
        async with client.stream("GET", target, headers=headers) as response:
            if not response.has_redirect_location:
                yield response
                return
            target = target.join(response.headers["location"])
        await _require_allowed(origin, target)
    raise FetchError(
        say(f"more than {limits.redirects} redirects", f"重定向超过 {limits.redirects} 次")
    )


async def _require_allowed(origin: httpx.URL, target: httpx.URL) -> None:
    """Refuse a redirect into the learner's own network, or from https to anything less."""
    if target.scheme not in ("https", origin.scheme):
        raise FetchError(
            say(f"redirects to {target.scheme}://, refused", f"重定向到 {target.scheme}://，已拒绝")
        )
    if target.host != origin.host and not await _is_public(target.host):
        raise FetchError(
            say(
                f"redirects to the private address {target.host}, refused",
                f"重定向到内网地址 {target.host}，已拒绝",
            )
        )


async def _is_public(host: str) -> bool:
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, None)
    except (OSError, UnicodeError):
        return True  # a name that only a proxy knows; without a proxy, connecting fails by itself
    addresses = [ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]
    return all(address.is_global and not address.is_multicast for address in addresses)


def _require_ok(response: httpx.Response) -> None:
    status = f"HTTP {response.status_code} {response.reason_phrase}".strip()
    if response.status_code in PASSING:
        raise PassingError(status, _seconds(response.headers.get("retry-after", "")))
    if response.status_code != 200:
        raise FetchError(status)
    if response.headers.get("content-encoding", "identity") != "identity":
        raise FetchError(
            say("sent compressed without being asked to", "未经请求即压缩传输，已拒绝")
        )


def _seconds(retry_after: str) -> float | None:
    """Read a Retry-After header: seconds or a date; None where it is neither."""
    if retry_after.isdecimal():
        return float(retry_after)
    try:
        then = parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    then = then if then.tzinfo else then.replace(tzinfo=UTC)
    return max(0.0, (then - datetime.now(UTC)).total_seconds())


async def _save(response: httpx.Response, part: Path, limits: Limits) -> None:
    """Write the body. A body shorter than its Content-Length is httpx's RemoteProtocolError."""
    if int(response.headers.get("content-length", 0)) > limits.size:
        raise _too_large(limits)
    written = 0
    with part.open("wb") as out:
        async for block in response.aiter_raw():
            written += len(block)
            if written > limits.size:
                raise _too_large(limits)
            out.write(block)


def _too_large(limits: Limits) -> FetchError:
    return FetchError(
        say(f"larger than {limits.size / 1e6:g} MB", f"超过 {limits.size / 1e6:g} MB")
    )
