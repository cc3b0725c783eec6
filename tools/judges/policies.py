"""Runs parliament over policies: `{name: document}` on stdin, findings as JSON on stdout.

It runs with the interpreter of the judges' own environment (requirements/judges.txt).
"""

import json
import sys

from parliament import analyze_policy_string

findings = [
    {"rule": one.issue, "resource": name, "message": f"{one.detail} {one.location}"}
    for name, document in json.load(sys.stdin).items()
    for one in analyze_policy_string(json.dumps(document)).findings
]
json.dump(findings, sys.stdout)
