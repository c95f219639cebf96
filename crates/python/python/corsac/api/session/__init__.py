"""Sessions and their configuration."""

from corsac.api.session.config import *  # noqa: F403
from corsac.session import Session as Session
