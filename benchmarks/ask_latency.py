"""What the tutor adds to the model's own time: python benchmarks/ask_latency.py

Each question is asked through `tutor.agent.ask` (search, decisions, checks, a server between), and
its prompts as they were sent are then replayed on llama.cpp itself, in this process, with the
engine's settings and for as many output tokens. Both sides start with a cold KV cache and take
turns; engine, index and libraries are warm. Two raw times stand beside the tutor's:

answer: the prompt that wrote the answer alone, what a perfect tutor would wait for;
all calls: every prompt of the question one after the other, decisions included.

Questions that no model call answered are counted and left out. Needs a knowledge base and a model
(`tutor setup`); nothing else should run on the machine.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import time
from contextlib import aclosing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from kb import KnowledgeBase, open_kb
from tutor import engine
from tutor.agent import Token, ask
from tutor.agent.evaluate import warm_up
from tutor.agent.recording import Exchange, record
from tutor.agent.scoring import read_questions, sample
from tutor.base import assets
from tutor.base import settings as settings_
from tutor.base.errors import TutorError
from tutor.base.settings import Settings

QUESTIONS = (
    "How much memory does QLoRA need for fine-tuning a 65B model?",
    "what does the rank r in LoRA decide?",
    "How does nucleus sampling choose the next token?",
    "why does DPO need no reward model",
    "BERT 的掩码语言模型是怎么训练的？",
    "What are the stages of retrieval-augmented generation?",
    "Which tokens does WordPiece merge first?",
    "什么是思维链提示？",
)


@dataclass(frozen=True)
class Timing:
    """Seconds of one question. prompt_tokens: of the call that wrote the answer."""

    question: str
    prompt_tokens: int
    output_tokens: int
    calls: int
    tutor_first_s: float
    tutor_total_s: float
    answer_first_s: float
    answer_total_s: float
    all_first_s: float
    all_total_s: float


class Raw:
    """llama.cpp in this process, set up as tutor.engine.server sets it up."""

    def __init__(self, settings: Settings) -> None:
        import llama_cpp
        import psutil
        from llama_cpp.llama_chat_format import Jinja2ChatFormatter

        threads = psutil.cpu_count(logical=False) or 1
        self.llm = llama_cpp.Llama(
            str(assets.path(engine.chat_model(settings))),
            n_ctx=settings.context_tokens,
            n_gpu_layers=-1,
            n_threads=threads,
            n_threads_batch=threads,
            logits_all=False,
            verbose=False,
        )
        eos = self.llm.detokenize([self.llm.token_eos()], special=True).decode()
        template = self.llm.metadata["tokenizer.chat_template"]
        self.formatter = Jinja2ChatFormatter(template, eos, "")

    def prompt(self, exchange: Exchange) -> list[int]:
        """Return the tokens of a recorded prompt."""
        text = self.formatter(messages=exchange.messages).prompt  # type: ignore[arg-type]
        return self.llm.tokenize(text.encode(), add_bos=False, special=True)

    def output(self, exchange: Exchange) -> int:
        """Return how many tokens a recorded reply has; a character of several tokens comes as one
        piece, so that the larger count is the right one."""
        reply = self.llm.tokenize(exchange.reply.encode(), add_bos=False)
        return max(len(reply), exchange.pieces, 1)

    def replay(self, exchanges: list[Exchange]) -> tuple[float, float]:
        """Return the seconds until the last prompt's first token and until its last one, from a
        cold cache on; of the prompts before the last, all is waited for."""
        prompts = [(self.prompt(exchange), self.output(exchange)) for exchange in exchanges]
        self.llm.reset()
        first, began = 0.0, time.perf_counter()
        for prompt, count in prompts:
            # Sampling only: an end token neither ends the replay nor is it decoded to text.
            for number, _ in enumerate(self.llm.generate(prompt, temp=0.0), 1):
                if number == 1:
                    first = time.perf_counter() - began
                if number >= count:
                    break
        return first, time.perf_counter() - began


async def cool(client: engine.ChatClient) -> None:
    """Fill the engine's KV cache with something else."""
    await client.complete([{"role": "user", "content": "x"}], max_tokens=1)


async def ask_once(
    question: str, kb: KnowledgeBase, settings: Settings
) -> tuple[float, float, list[Exchange]]:
    """Ask the tutor; return the seconds until the first token and the end, and its calls."""
    first, began = 0.0, time.perf_counter()
    with record() as exchanges:
        async with aclosing(ask(question, kb, settings=settings)) as events:  # type: ignore[type-var]
            async for event in events:
                if isinstance(event, Token) and event.text.strip():
                    first = first or time.perf_counter() - began
    total = time.perf_counter() - began
    return first or total, total, exchanges


def timing(question: str, asked: tuple[float, float, list[Exchange]], raw: Raw) -> Timing | None:
    """Replay what was asked; None where no answer was written."""
    first, total, exchanges = asked
    written = [exchange for exchange in exchanges if not exchange.options.get("schema")]
    if not written:
        return None
    answer_first, answer_total = raw.replay(written[-1:])
    all_first, all_total = (
        raw.replay(exchanges) if len(exchanges) > 1 else (answer_first, answer_total)
    )
    return Timing(
        question,
        len(raw.prompt(written[-1])),
        raw.output(written[-1]),
        len(exchanges),
        *(round(s, 3) for s in (first, total)),
        *(round(s, 3) for s in (answer_first, answer_total, all_first, all_total)),
    )


async def measure(questions: list[str], rounds: int) -> tuple[list[Timing], int, str]:
    """Return the timings, how many answers needed no model, and the model's name."""
    settings, kb = settings_.load(), open_kb()
    if settings.base_url:
        raise TutorError("The raw side runs the engine's own model: unset base_url.")
    endpoint = await warm_up(kb, settings)
    raw = Raw(settings)
    timings: list[Timing] = []
    without_model = 0
    await ask_once(questions[0], kb, settings)  # imports, page cache
    async with engine.ChatClient(endpoint) as client:
        for number in range(rounds):
            for question in questions:
                await cool(client)
                asked = await ask_once(question, kb, settings)
                one = await asyncio.to_thread(timing, question, asked, raw)
                without_model += one is None
                if one:
                    timings.append(one)
                    print(f"round {number + 1}: {shown(one)}", file=sys.stderr)
    return timings, without_model, endpoint.model


def shown(one: Timing) -> str:
    return (
        f"first {one.tutor_first_s:6.2f} s (raw {one.answer_first_s:6.2f}), "
        f"total {one.tutor_total_s:6.2f} s (raw {one.answer_total_s:6.2f})  {one.question}"
    )


def summary(timings: list[Timing]) -> dict[str, Any]:
    """Return medians, and medians of each question's own ratio."""

    def median(values: list[float]) -> float:
        return round(statistics.median(values), 3)

    def ratio(above: str, below: str) -> float:
        return median([getattr(t, above) / getattr(t, below) for t in timings])

    names = [name for name in asdict(timings[0]) if name != "question"]
    return {
        "n": len(timings),
        "median": {name: median([getattr(t, name) for t in timings]) for name in names},
        "ratio": {
            "first_to_answer": ratio("tutor_first_s", "answer_first_s"),
            "total_to_answer": ratio("tutor_total_s", "answer_total_s"),
            "first_to_all": ratio("tutor_first_s", "all_first_s"),
            "total_to_all": ratio("tutor_total_s", "all_total_s"),
        },
    }


def report(found: dict[str, Any], model: str, without_model: int) -> None:
    median, ratio = found["median"], found["ratio"]
    print(f"{model}: {found['n']} answers, {without_model} without a model call (left out)")
    print(
        f"median prompt {median['prompt_tokens']:.0f} tokens, output {median['output_tokens']:.0f}"
        f" tokens, {median['calls']:.0f} call(s)\n"
    )
    print(f"{'median seconds':26}{'first token':>12}{'ratio':>8}{'whole':>9}{'ratio':>8}")
    print(f"{'tutor ask':26}{median['tutor_first_s']:12.2f}{'':8}{median['tutor_total_s']:9.2f}")
    for name, label in (("answer", "raw, the answer's call"), ("all", "raw, all calls")):
        print(
            f"{label:26}{median[f'{name}_first_s']:12.2f}{ratio[f'first_to_{name}']:8.2f}"
            f"{median[f'{name}_total_s']:9.2f}{ratio[f'total_to_{name}']:8.2f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--questions", type=Path, help="a question set (JSONL) in place of the built-in eight"
    )
    parser.add_argument("--limit", type=int, default=8, help="how many questions")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    try:
        asked = list(QUESTIONS[: options.limit])
        if options.questions:
            asked = [q.question for q in sample(read_questions(options.questions), options.limit)]
        timings, without_model, model = asyncio.run(measure(asked, options.rounds))
    except TutorError as error:
        sys.exit(f"{error.message} {error.hint}")
    if not timings:
        sys.exit("no question was answered by the model")
    found = summary(timings)
    if options.json:
        rows = [asdict(one) for one in timings]
        whole = {"model": model, "without_model": without_model, **found, "questions": rows}
        print(json.dumps(whole, ensure_ascii=False, indent=2))
    else:
        report(found, model, without_model)


if __name__ == "__main__":
    main()
