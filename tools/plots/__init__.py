"""The plots of the documents: SVG files that are the same for the same figures."""
