"""What is wrong with documents, found before the first request that writes.

Each check adds problems to documents; none sends."""
