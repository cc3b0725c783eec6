"""Traffic of several tenants under seeded faults, and whether everything is right afterwards."""
