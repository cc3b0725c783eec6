"""Simulation of the deployed system: its requests, events and reports."""
