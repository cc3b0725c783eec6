"""Other contexts' events that this context consumes: none."""
