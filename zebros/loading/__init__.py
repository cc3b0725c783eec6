"""Loading CSV files through the batch API: read, map, resolve, send, and account for every row.

files -> mapping (by a map file, maps) -> references -> run (with its journal). docs/loading.md
tells the person with a file how to use it.
"""
