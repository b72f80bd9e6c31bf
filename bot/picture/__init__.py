"""A picture of the last weeks, for the wall: one drawing, written as SVG or as PNG."""
