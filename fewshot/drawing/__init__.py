"""Pictures of slices with contours: contact sheets, panels side by side, figures for pages."""
