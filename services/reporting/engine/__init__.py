"""The report engine: immutable lake files in, one file for a person out. It knows no table.

    with lake.files(tenant, contexts_for(parameters)) as paths:  # lake.py
        report = compute(paths, parameters, ...)                 # queries.py
    render(report, parameters.format, path)                      # render.py

`parameters.py` alone is light enough for an API function: it imports neither DuckDB nor a writer.
"""
