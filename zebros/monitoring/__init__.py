"""Monitoring: the signals of the CRM, their values, and the evaluation of their alarms.

`signals.toml` declares the signals once. tools/monitoring.py makes alarms and dashboards of it;
`zebros top` shows their values; `alarms` evaluates the alarms over recorded metrics.
"""
