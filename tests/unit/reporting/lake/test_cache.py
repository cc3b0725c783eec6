"""The lake cache: one download per file, a size limit, separate tenants, shared by processes."""

import multiprocessing
import os
from datetime import UTC, datetime
from pathlib import Path

import boto3
import pytest
from moto import mock_aws

from kernel.tasks.progress import Interrupted
from reporting.job_errors import DiskFull, LakeTooLarge, LakeUnreadable, ReportError
from reporting.lake.cache import LakeCache
from reporting.lake.storage import S3LakeReader
from tests.unit.reporting.lake.object_store import (
    CONTEXTS,
    FakeObjectStore,
    key,
    read_all,
    store_of,
)
from tests.unit.reporting.recorder import Recorder


def cached(root: Path) -> set[str]:
    return {p.relative_to(root).as_posix() for p in root.rglob("*.gz")}


def test_files_are_fetched_once_and_kept(tmp_path: Path) -> None:
    store = store_of(key(1), key(2))
    lake = LakeCache(store, tmp_path)
    for _ in range(2):
        with lake.files("acme", CONTEXTS) as files:
            assert [path.read_bytes() for path in files.paths] == list(store.objects.values())
    assert set(store.fetched.values()) == {1}
    store.objects[key(3)] = b"new"
    with lake.files("acme", CONTEXTS) as files:
        assert len(files.paths) == 3
    assert store.fetched == {key(1): 1, key(2): 1, key(3): 1}


def test_thousands_of_small_files_are_fetched_in_parallel(tmp_path: Path) -> None:
    store = store_of(*(key(n, day=f"2026-03-{n % 28 + 1:02d}") for n in range(3000)), size=10)
    with LakeCache(store, tmp_path).files("acme", CONTEXTS) as files:
        assert len(files.paths) == 3000
        assert all(path.stat().st_size == 10 for path in files.paths)


def test_a_tenant_sees_its_own_files_only(tmp_path: Path) -> None:
    store = store_of(key(1), key(1, tenant="acme-two"), key(1, tenant="globex"))
    with LakeCache(store, tmp_path).files("acme", CONTEXTS) as files:
        assert [p.relative_to(tmp_path).as_posix() for p in files.paths] == [key(1)]
        assert files.folder == tmp_path / "tenant=acme"
    assert cached(tmp_path) == {key(1)}


@pytest.mark.parametrize("name", ["", "..", "acme/../globex", "acme/", "Acme", "acme\n", "a" * 64])
def test_an_invalid_tenant_name_is_rejected(tmp_path: Path, name: str) -> None:
    with (
        pytest.raises(ReportError, match="not the name of a tenant"),
        LakeCache(store_of(), tmp_path).files(name, CONTEXTS),
    ):
        pass


def test_keys_that_are_not_lake_files_are_never_written(tmp_path: Path) -> None:
    inside = "tenant=acme/context=opportunities"
    store = store_of(
        key(1),
        f"{inside}/../../tenant=globex/x.jsonl.gz",
        f"{inside}/date=2026-03-01/../../../x.jsonl.gz",
        f"{inside}/date=2026-03-01/.lock",
        f"{inside}/date=2026-03-01/manifest.json",
        f"{inside}/date=2026-03-01/",
    )
    with LakeCache(store, tmp_path / "cache").files("acme", CONTEXTS) as files:
        assert len(files.paths) == 1
    assert sum(store.fetched.values()) == 1


def test_as_of_excludes_later_days(tmp_path: Path) -> None:
    store = store_of(key(1, day="2026-03-01"), key(2, day="2026-03-02"), key(3, day="2026-03-03"))
    as_of = datetime(2026, 3, 2, 0, 0, tzinfo=UTC)
    with LakeCache(store, tmp_path).files("acme", CONTEXTS, as_of=as_of) as files:
        assert [path.name for path in files.paths] == ["0001.jsonl.gz", "0002.jsonl.gz"]


def test_the_least_recently_used_files_are_evicted(tmp_path: Path) -> None:
    store = store_of(*(key(n, tenant=tenant) for tenant in ("a", "b", "c") for n in range(3)))
    lake = LakeCache(store, tmp_path, limit_bytes=600)
    for age, tenant in enumerate(("b", "a")):
        with lake.files(tenant, CONTEXTS) as files:
            for path in files.paths:
                os.utime(path, (age, age))
    with lake.files("b", CONTEXTS):  # used again: now a is the least recently used
        pass
    with lake.files("c", CONTEXTS):
        pass
    assert {name.split("/")[0] for name in cached(tmp_path)} == {"tenant=b", "tenant=c"}
    assert not (tmp_path / "tenant=a" / "context=opportunities").exists()


def test_files_being_read_are_not_evicted(tmp_path: Path) -> None:
    store = store_of(key(1, tenant="a"), key(1, tenant="b"), key(1, tenant="c"))
    lake = LakeCache(store, tmp_path, limit_bytes=200)
    with lake.files("b", CONTEXTS):
        pass
    with lake.files("a", CONTEXTS) as reading, lake.files("c", CONTEXTS):
        assert all(path.exists() for path in reading.paths)
    assert cached(tmp_path) == {key(1, tenant="a"), key(1, tenant="c")}


def test_a_reader_waits_while_every_file_is_in_use_and_can_be_cancelled(tmp_path: Path) -> None:
    lake = LakeCache(store_of(key(1, tenant="a"), key(1, tenant="b")), tmp_path, limit_bytes=100)
    progress = Recorder(stop=lambda steps: any("disk" in text for _, text in steps))
    with (
        lake.files("a", CONTEXTS),
        pytest.raises(Interrupted),
        lake.files("b", CONTEXTS, progress=progress),
    ):
        pass
    assert progress.steps[-1][1] == "Waiting for disk space that other reports use"


def test_a_full_disk_is_not_taken_for_a_damaged_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = store_of(key(1))

    def full(_key: str, path: Path) -> None:
        path.touch()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store, "download", full)
    lake = LakeCache(store, tmp_path)
    with pytest.raises(DiskFull, match=r"no space .*0001\.jsonl\.gz"), lake.files("acme", CONTEXTS):
        pass
    assert list(tmp_path.rglob("*.part")) == []


def test_more_than_the_limit_is_rejected_before_anything_is_fetched(tmp_path: Path) -> None:
    store = store_of(key(1), key(2))
    lake = LakeCache(store, tmp_path, limit_bytes=199)
    with pytest.raises(LakeTooLarge, match="200 bytes"), lake.files("acme", CONTEXTS):
        pass
    assert not store.fetched


def test_a_file_of_the_wrong_size_is_fetched_again(tmp_path: Path) -> None:
    store = store_of(key(1))
    torn = tmp_path / key(1)
    torn.parent.mkdir(parents=True)
    torn.write_bytes(b"torn")
    with LakeCache(store, tmp_path, limit_bytes=100).files("acme", CONTEXTS) as files:
        assert files.paths[0].read_bytes() == store.objects[key(1)]


def test_partial_files_of_a_killed_process_are_removed(tmp_path: Path) -> None:
    part = tmp_path / (key(9) + ".part")
    part.parent.mkdir(parents=True)
    part.write_bytes(b"half")
    with LakeCache(store_of(key(1)), tmp_path).files("acme", CONTEXTS):
        pass
    assert not part.exists()


def test_a_failed_fetch_names_the_file_and_leaves_nothing_half_done(tmp_path: Path) -> None:
    class Broken(FakeObjectStore):
        def download(self, key: str, path: Path) -> None:
            path.write_bytes(b"half")
            if "0002" in key:
                raise OSError("connection reset")
            super().download(key, path)

    store = Broken(store_of(key(1), key(2)).objects)
    lake = LakeCache(store, tmp_path)
    fault = pytest.raises(LakeUnreadable, match=r"0002\.jsonl\.gz could not be fetched")
    with fault, lake.files("acme", CONTEXTS):
        pass
    assert not list(tmp_path.rglob("*.part"))
    assert key(2) not in cached(tmp_path)


def test_a_body_shorter_than_listed_is_rejected(tmp_path: Path) -> None:
    class Short(FakeObjectStore):
        def download(self, key: str, path: Path) -> None:
            path.write_bytes(self.objects[key][:-1])

    lake = LakeCache(Short(store_of(key(1)).objects), tmp_path)
    with pytest.raises(LakeUnreadable, match="incomplete"), lake.files("acme", CONTEXTS):
        pass
    assert not cached(tmp_path)


def test_fetching_stops_when_cancelled(tmp_path: Path) -> None:
    store = store_of(*(key(n) for n in range(500)))
    progress = Recorder(stop=lambda steps: len(steps) > 2)
    with (
        pytest.raises(Interrupted),
        LakeCache(store, tmp_path).files("acme", CONTEXTS, progress=progress),
    ):
        pass
    assert sum(store.fetched.values()) < 500


def test_processes_can_share_a_cache(tmp_path: Path) -> None:
    """Four processes, three tenants, space for two: they evict each other's files."""
    objects = store_of(*(key(n, tenant=t) for t in ("a", "b", "c") for n in range(10))).objects
    context = multiprocessing.get_context("spawn")
    wrong = context.Queue()
    processes = [
        context.Process(target=read_all, args=(str(tmp_path), objects, tenant, wrong))
        for tenant in ("a", "b", "c", "a")
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0, 0, 0]
    assert wrong.empty()
    assert sum(path.stat().st_size for path in tmp_path.rglob("*.gz")) <= 2500


def test_an_s3_bucket_is_read(tmp_path: Path) -> None:
    with mock_aws():
        client = boto3.client("s3")
        client.create_bucket(Bucket="lake")
        bodies = {key(n): os.urandom(20) for n in range(12)}
        for name, body in bodies.items():
            client.put_object(Bucket="lake", Key=name, Body=body)
        lake = LakeCache(S3LakeReader(client, "lake"), tmp_path)
        with lake.files("acme", CONTEXTS) as files:
            found = {p.relative_to(tmp_path).as_posix(): p.read_bytes() for p in files.paths}
    assert found == bodies
