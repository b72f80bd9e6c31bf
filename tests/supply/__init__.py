"""What Pli is made of besides itself: the list of it (SBOM), and whether something is known against it."""
