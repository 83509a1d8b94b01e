"""The digest of fewshot's own code, which results depend on as they do on settings and inputs."""

import hashlib
import json
from functools import lru_cache
from pathlib import Path

import fewshot
from fewshot.files import sha256_file

_SOURCES = (".py", ".jinja", ".css", ".js")


@lru_cache(maxsize=1)
def code_digest() -> str:
    """Return the SHA-256 of the installed package's sources, by name and content."""
    package = Path(fewshot.__file__).parent
    sources = sorted(path for path in package.rglob("*") if path.suffix in _SOURCES)
    parts = [(str(path.relative_to(package)), sha256_file(path)) for path in sources]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
