"""Semantic networks: foreground and boundaries, pixel by pixel, and the regions they make up."""

import os

# albumentations asks the network for its newest version when it is imported, unless told not to.
os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"
