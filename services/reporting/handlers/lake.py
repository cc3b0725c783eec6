"""The lake writer: every fact of every context, from a queue into the event lake."""

from reporting.bootstrap import lake
from reporting.lake_writer import LakeWriter

handler = LakeWriter(lake)
