"""What the tests of tables share: a session over a simulator."""

from __future__ import annotations

import signal
from typing import Any

from corsac import OpenRouterEmbeddingModel, OpenRouterLanguageModel, SemanticConfig, Session, SessionConfig, Simulator

KEY = "sk-or-v1-the-key-of-the-tests"


def listens_to_ctrl_c() -> None:
    """For a child: whoever starts the tests in the background may have it ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def session_over(simulator: Simulator, model: Any = None, embeddings: bool = False, **settings: Any) -> Session:
    """A session whose one model is asked at the simulator."""
    semantic = SemanticConfig(
        language_models={"default": model or OpenRouterLanguageModel("openai/gpt-4o-mini")},
        embedding_models={"vectors": OpenRouterEmbeddingModel("openai/text-embedding-3-small")} if embeddings else None,
    )
    return Session(SessionConfig(base_url=simulator.base_url, api_key=KEY, semantic=semantic, **settings))
