"""The lake writer: stores every event of every context in the event lake."""

from reporting.bootstrap import lake
from reporting.lake.writer import LakeWriter

handler = LakeWriter(lake)
