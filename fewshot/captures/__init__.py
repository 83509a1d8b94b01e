"""From screen captures with drawn outlines to images and masks."""
