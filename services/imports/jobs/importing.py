"""The job that imports a file: reads its lines, sends them in groups, stores how far it is.

After each group its rejected lines are stored, and then the checkpoint. A worker that is killed
between the two, or before, repeats the group: with the same keys, so that nothing is done twice,
and with the same number for the part of rejected lines, so that none is there twice.
"""

import gzip
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from imports.adapters.collections import Collections
from imports.adapters.run_files import RunFiles, Stored, Superseded, UploadGone
from imports.events import ImportCounts, ImportResult
from imports.failures import UNREADABLE_FILE
from imports.jobs.groups import groups_of
from imports.jobs.lines import LineReader, UnreadableFile, count_records, raw_lines
from imports.jobs.sending import GroupSender, Outcome, sending_pool
from imports.model import ImportRun
from imports.service import ImportRunService
from kernel.runtime.log import logger
from kernel.tasks.job import JobFailed
from kernel.tasks.progress import PartialProgress, Progress
from kernel.tasks.worker.run_job import RunJob


class ImportJob(RunJob[ImportRun]):
    """Imports the file of a run, from its checkpoint on."""

    def __init__(self, runs: ImportRunService, files: RunFiles, collections: Collections) -> None:
        super().__init__(runs)
        self._files, self._collections = files, collections

    def failure_of(self, fault: Exception) -> JobFailed | None:
        """An expected error as the failure that it is."""
        match fault:
            case UnreadableFile():
                return JobFailed(UNREADABLE_FILE, str(fault))
            case UploadGone():
                return JobFailed(UNREADABLE_FILE, "it is no longer stored; upload it again")
        return super().failure_of(fault)

    def make(self, run: ImportRun, progress: Progress) -> ImportResult:
        """Send the lines that are left, and store the rejected ones, unless all is done."""
        stored = self._files.checkpoint(run)
        if stored.checkpoint.result:
            return stored.checkpoint.result
        self.ensure_attempt(run)
        self.runs.check(run)
        with tempfile.TemporaryDirectory() as folder, sending_pool() as pool:
            path = Path(folder) / "records"
            etag = self._files.download(run, path, lambda: progress.step(0.0, "Fetching the file"))
            stored = _of_this_file(stored, etag)
            total = count_records(path, lambda: progress.step(0.01, "Checking the file"))
            sending = PartialProgress(progress, 0.02, 0.98)
            sender = GroupSender(run, self._collections, pool)
            while True:
                try:
                    stored = self._send(run, path, total, stored, sender, sending)
                    return self._finish(run, stored, Path(folder), progress)
                except Superseded:
                    logger().warning("another worker imports the same file", run_id=run.id)
                    stored = _of_this_file(self._files.checkpoint(run), etag)

    def _send(
        self,
        run: ImportRun,
        path: Path,
        total: int,
        stored: Stored,
        sender: GroupSender,
        progress: Progress,
    ) -> Stored:
        """Send the lines from a checkpoint on; returns the last one. Raises Superseded."""
        reader = LineReader(run.parameters.upload_id, by_email=run.parameters.match_by == "email")
        first = stored.checkpoint.next_line
        lines = (reader.line(raw) for raw in raw_lines(path) if raw.number >= first)
        for number, group in enumerate(groups_of(lines)):
            done = stored.checkpoint.counts.lines
            text = f"{done:,} of {total:,} lines"

            def tick(fraction: float = done / total, text: str = text) -> None:
                progress.step(fraction, text)

            tick()
            # Another worker may have sent the group behind its last checkpoint.
            outcome = sender.send(group, tick, repeated=number == 0)
            counts = _added(stored.checkpoint.counts, outcome, group.lines)
            parts = stored.checkpoint.parts
            if outcome.rejected:
                parts += 1
                self._files.store_part(run, parts, _rejected_lines(outcome))
            change = {"next_line": group.last + 1, "counts": counts, "parts": parts}
            after = stored.checkpoint.model_copy(update=change)
            stored = self._files.store_checkpoint(run, stored, after)
        return stored

    def _finish(
        self, run: ImportRun, stored: Stored, folder: Path, progress: Progress
    ) -> ImportResult:
        """Store the file with the rejected lines, and the result. Raises Superseded."""
        checkpoint = stored.checkpoint
        size = None
        if checkpoint.parts:
            path, size = folder / "rejected.jsonl.gz", 0
            with (
                path.open("wb") as file,
                gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as packed,
            ):
                for number in range(1, checkpoint.parts + 1):
                    progress.step(0.99, "Storing the rejected lines")
                    lines = self._files.part(run, number)
                    size += len(lines)
                    packed.write(lines)
            self._files.store_rejected(run, path)
        result = ImportResult(**checkpoint.counts.model_dump(), rejected_bytes=size)
        after = checkpoint.model_copy(update={"result": result})
        self._files.store_checkpoint(run, stored, after)
        return result


def _of_this_file(stored: Stored, etag: str) -> Stored:
    """A checkpoint of the file with this ETag. Raises UnreadableFile for one of another file."""
    if stored.checkpoint.upload_etag not in ("", etag):
        raise UnreadableFile("it was uploaded again meanwhile; request the import once more")
    return stored._replace(checkpoint=stored.checkpoint.model_copy(update={"upload_etag": etag}))


def _added(counts: ImportCounts, outcome: Outcome, lines: int) -> ImportCounts:
    return ImportCounts(
        lines=counts.lines + lines,
        created=counts.created + outcome.created,
        updated=counts.updated + outcome.updated,
        unchanged=counts.unchanged + outcome.unchanged,
        rejected=counts.rejected + len(outcome.rejected),
    )


def _rejected_lines(outcome: Outcome) -> bytes:
    """Rejected lines as JSON Lines: the number of the line, its problem, and its record."""
    return "".join(
        _rejected(line.number, problem, line.text) for line, problem in outcome.rejected
    ).encode()


def _rejected(number: int, problem: Mapping[str, Any], record: str) -> str:
    shown = json.dumps(problem, ensure_ascii=False, separators=(",", ":"))
    return f'{{"line":{number},"problem":{shown},"record":{record}}}\n'
