"""Other contexts' facts this context reads: none. It is where facts about customers begin."""
