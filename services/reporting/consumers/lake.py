"""The lake writer: every event of every context, from a queue into the event lake."""

from reporting.bootstrap import lake
from reporting.lake.writer import LakeWriter

handler = LakeWriter(lake)
