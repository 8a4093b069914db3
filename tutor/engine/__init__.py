"""The local LLM: a process of its own that speaks the OpenAI-compatible protocol.

A native crash, its file-descriptor games and its memory stay out of the faces; cancelling is
real; and any other OpenAI-compatible server is a change of `base_url`.
"""

from tutor.engine.client import ChatClient, EngineError, Message
from tutor.engine.process import Endpoint, chat_model, ensure, ready, starting, stop

__all__ = [
    "ChatClient",
    "Endpoint",
    "EngineError",
    "Message",
    "chat_model",
    "ensure",
    "ready",
    "starting",
    "stop",
]
