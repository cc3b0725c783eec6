"""The scaling controller, as it is deployed, in the discrete-event simulation of a day."""
