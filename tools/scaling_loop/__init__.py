"""The scaling controller in a closed loop with a simulated system, for tests of its properties."""
