"""Changes the templates one place at a time; counts what no template test notices."""
