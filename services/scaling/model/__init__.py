"""The pure core of scaling: policy, decision and its verification, usage, tiers and advice."""
