"""Independent judges of the resolved templates, and the findings that are explained."""
