"""Simulations of the deployed system: the controller in a closed loop."""
