"""The Mask R-CNNs: the only room that imports Detectron2.

Importing the room applies `compat`, so that its modules can import Detectron2 like any package.
"""

import logging

from fewshot.detector import compat

compat.apply()

# Detectron2 logs to handlers that its own programs set up; fewshot reports in its own words.
for _name in ("detectron2", "fvcore", "iopath"):
    logging.getLogger(_name).addHandler(logging.NullHandler())
    logging.getLogger(_name).propagate = False
