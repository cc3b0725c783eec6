"""Loading CSV files through the batch API (docs/loading.md).

csv_files, csv_rows -> mapper (by a map file) -> references -> load (with its journal) or dry_run.
"""
