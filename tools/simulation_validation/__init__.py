"""The simulation against the local platform: known load in, what the model predicts compared.

Times of service are measured one request at a time and are the model's input. What is compared was
never an input: refused requests, latency and throughput under load, how late events are while
others arrive, and how long reports wait for a worker. See docs/simulation.md and ADR 57.
"""
