"""Screen captures with drawn outlines to images and masks."""
