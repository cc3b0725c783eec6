"""Other contexts' events this context reads: none. It is where events about customers begin."""
