"""A language model of transformers, in a process of its own: torch stays out of this one.

    python -m qa_bot.llm_local MODEL

reads conversations and writes the answers' pieces, a line of JSON each. A model that takes too long is
ended with its process, and loaded again for the next question.
"""

import importlib.util
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import IO, Any, cast

from qa_bot.errors import LLMError
from qa_bot.llm import Limits, within
from qa_bot.phrases import Phrase
from qa_bot.prompt import Messages


class LocalLLM:
    """A causal model by name or directory. Answers one conversation at a time; others wait their turn."""

    def __init__(self, model: str, limits: Limits) -> None:
        """Raises LLMError where transformers is not installed."""
        if importlib.util.find_spec("transformers") is None:
            raise LLMError("A local model needs the packages transformers and torch: pip install qa-bot")
        self.name = model
        self._which = Phrase("The model {model}", model=model)
        self._limits = limits
        self._process: subprocess.Popen[str] | None = None
        self._turn = threading.Lock()

    def stream(self, messages: Messages) -> Iterator[str]:
        if not self._turn.acquire(timeout=self._limits.total_s):
            raise LLMError(Phrase("{which} is busy with other questions.", which=self._which))
        answered = False
        try:
            process = self._process = self._process or self._start()
            yield from within(self._limits.total_s, lambda: self._pieces(process, messages), lambda: None)
            answered = True
        except TimeoutError:
            raise LLMError(Phrase("{which} did not answer in time.", which=self._which)) from None
        except (OSError, ValueError):
            raise LLMError(Phrase("{which} ended, perhaps for want of memory.", which=self._which)) from None
        finally:
            if not answered:
                self.close()  # it may be writing still
            self._turn.release()

    def close(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process:
            process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout):
                with suppress(OSError):
                    cast(IO[str], stream).close()

    def _start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(  # noqa: S603 (the model's name is an argument, no command)
            (sys.executable, "-P", "-m", "qa_bot.llm_local", self.name),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # libraries warn there
            text=True,
            encoding="utf-8",
        )

    def _pieces(self, process: subprocess.Popen[str], messages: Messages) -> Iterator[str]:
        requests = cast(IO[str], process.stdin)
        requests.write(json.dumps({"messages": messages, "tokens": self._limits.tokens}) + "\n")
        requests.flush()
        for line in cast(IO[str], process.stdout):
            reply = json.loads(line)
            if "error" in reply:
                raise LLMError(
                    Phrase("{which} cannot be used: {reason}", which=self._which, reason=reply["error"])
                )
            if "end" in reply:
                return
            yield reply["piece"]
        raise ValueError("the process ended")


def main() -> None:
    """Answer conversations until there are no more."""
    # What a library prints must not be taken for a reply.
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as replies:
        os.dup2(2, 1)

        def send(**reply: object) -> None:
            replies.write(json.dumps(reply) + "\n")
            replies.flush()

        answer = None
        for line in sys.stdin:
            request = json.loads(line)
            try:
                answer = answer or _load(sys.argv[1], send)
                answer(request["messages"], request["tokens"])
                send(end=True)
            except Exception as error:
                send(error=" ".join(f"{type(error).__name__}: {error}".split())[:200])


def _load(name: str, send: Any) -> Any:
    """A function that answers a conversation by sending its pieces."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, TextStreamer

    tokenizer: Any = AutoTokenizer.from_pretrained(name)
    # Weights as safetensors alone: others would be unpickled.
    model: Any = AutoModelForCausalLM.from_pretrained(name, use_safetensors=True)
    model.eval()

    class Sender(TextStreamer):
        def on_finalized_text(self, text: str, stream_end: bool = False) -> None:
            send(piece=text)

    def answer(messages: Messages, tokens: int) -> None:
        if tokenizer.chat_template:
            prompt = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        else:
            prompt = "\n\n".join(message["content"] for message in messages)
        # Its template has put the special tokens there.
        encoded = tokenizer(prompt, return_tensors="pt", add_special_tokens=not tokenizer.chat_template)
        streamer = Sender(tokenizer, skip_prompt=True, skip_special_tokens=True)
        with torch.inference_mode():
            model.generate(
                input_ids=encoded["input_ids"],
                attention_mask=encoded["attention_mask"],
                streamer=streamer,
                max_new_tokens=tokens,
                do_sample=False,
            )

    return answer


if __name__ == "__main__":
    main()
