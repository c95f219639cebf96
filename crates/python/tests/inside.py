"""A server with OpenAI's API inside the interpreter that asks it: it answers when it is told to.

Whoever holds the interpreter's lock while it waits for this server waits forever.
"""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from corsac import OpenAICompatibleLanguageModel, Session, SessionConfig

__all__ = ["Inside"]

ANSWER = "[[ ## answer ## ]]\nshort\n\n[[ ## completed ## ]]"


class Inside:
    """Answers every chat request once it is released; ``asked`` says that the first one is here.

    With ``gathers``, that is when so many requests are here; ``most`` is how many were here at once.
    """

    def __init__(self, released: bool = False, gathers: int | None = None) -> None:
        self.asked = threading.Event()
        self.release = threading.Event()
        self.most = 0
        self._here = 0
        self._lock = threading.Lock()
        if released:
            self.release.set()
        inside = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                pass

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                with inside._lock:
                    inside._here += 1
                    inside.most = max(inside.most, inside._here)
                    if inside.most == gathers:
                        inside.release.set()
                inside.asked.set()
                # the limit is no measure: it ends what would hang
                inside.release.wait(60)
                with inside._lock:
                    inside._here -= 1
                said = {"role": "assistant", "content": ANSWER}
                answer = {
                    "id": "1",
                    "object": "chat.completion",
                    "model": "inside",
                    "choices": [{"index": 0, "finish_reason": "stop", "message": said}],
                    "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
                }
                body = json.dumps(answer).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.base_url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def session(self) -> Session:
        """A session whose one model is asked here."""
        model = OpenAICompatibleLanguageModel("inside", base_url=self.base_url, api_key="none")
        return Session(SessionConfig(language_model=model))

    def close(self) -> None:
        """Lets go of who waits, and ends."""
        self.release.set()
        self._server.shutdown()
        self._server.server_close()
