"""All colours of pages, figures and drawn slices."""

# The palette of Okabe and Ito, which colour-blind readers can distinguish. Yellow is too pale for
# lines on white, blue too dark on black, and black is the ink of the page.
INK, MUTED, GRID = "#1b1f24", "#57606a", "#dde2e7"
BLUE, GREEN, PURPLE, ORANGE, SKY = "#0072b2", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"
VERMILION, YELLOW = "#d55e00", "#f0e442"

# Dark pages and sheets.
DARK_PAGE, DARK_INK, DARK_MUTED, DARK_GRID = "#14181d", "#e8ebef", "#a3adb8", "#333b45"
ALARM = "#ff7b72"
ON_DARK = {INK: DARK_INK, MUTED: DARK_MUTED, GRID: DARK_GRID, BLUE: SKY, SKY: YELLOW}
"""Colours of figures on light pages → on dark pages, where they differ."""

WHITE = "#ffffff"
ON_SLICES = (ORANGE, SKY, YELLOW, PURPLE, "#00c08b", "#ff7f2a", "#ff5c5c", "#8f9bff")
"""Colours of regions in turn, bright enough for a grey slice."""


def rgb(color: str) -> tuple[int, int, int]:
    """Return red, green and blue, 0 to 255, of a colour written as `#rrggbb`.

    >>> rgb(WHITE)
    (255, 255, 255)
    """
    red, green, blue = bytes.fromhex(color[1:])
    return red, green, blue
