"""Makes Detectron2 importable for the tests of this room, which may then import it themselves."""

import fewshot.detector  # noqa: F401
