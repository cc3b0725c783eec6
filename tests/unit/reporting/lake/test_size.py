"""The size of a lake, by a listing that ends early, and the tier that follows from it."""

from collections.abc import Iterator
from typing import Any
from unittest.mock import create_autospec

import pytest

from kernel.tasks.tiers import Tier
from reporting.lake.size import LakeSize, measure
from reporting.lake.storage import LakeObject
from reporting.model import ReportRun
from reporting.parameters import ReportParameters
from reporting.service import ReportTiers

MEGABYTE = 10**6
EVERYTHING = LakeSize.limit(10**6, 10**6)


class Listing:
    """A LakeReader with as many files of one size in each context; counts those it listed."""

    def __init__(self, files: int, size: int = MEGABYTE) -> None:
        self._files, self._size = files, size
        self.prefixes: list[str] = []
        self.listed = 0

    def list(self, prefix: str) -> Iterator[LakeObject]:
        self.prefixes.append(prefix)
        for number in range(self._files):
            self.listed += 1
            yield LakeObject(f"{prefix}{number}", self._size)

    def download(self, *_: Any) -> None:
        pytest.fail("measuring downloads nothing")


def test_the_size_is_that_of_the_tenant_s_events_of_the_contexts() -> None:
    listing = Listing(3)
    assert measure(listing, "acme", ("opportunities", "customers"), EVERYTHING) == LakeSize(
        6 * MEGABYTE, 6
    )
    assert listing.prefixes == [
        "tenant=acme/context=opportunities/",
        "tenant=acme/context=customers/",
    ]


@pytest.mark.parametrize("most", [LakeSize.limit(7, 10**6), LakeSize.limit(10**6, 7)])
def test_the_listing_ends_as_soon_as_the_limit_is_exceeded(most: LakeSize) -> None:
    listing = Listing(10**6)
    assert not measure(listing, "acme", ("opportunities", "customers"), most).fits(most)
    assert listing.listed == 8


@pytest.mark.parametrize(
    ("size", "fits"),
    [
        (LakeSize(0, 0), True),
        (LakeSize(5 * MEGABYTE, 3), True),
        (LakeSize(5 * MEGABYTE + 1, 3), False),
        (LakeSize(5 * MEGABYTE, 4), False),
    ],
)
def test_a_limit_is_one_of_bytes_and_one_of_files(size: LakeSize, fits: bool) -> None:
    assert size.fits(LakeSize.limit(5, 3)) is fits
    assert not size.fits(LakeSize.limit(0, 3)), "0 MB: nothing fits"


@pytest.mark.parametrize(
    ("files", "tier"),
    [
        (0, Tier.FUNCTION),
        (3, Tier.FUNCTION),
        (4, Tier.STANDARD),
        (6, Tier.STANDARD),
        (7, Tier.ANALYTICS),
    ],
)
def test_the_smallest_tier_that_fits_makes_the_report(files: int, tier: Tier) -> None:
    run = create_autospec(ReportRun, instance=True)
    run.tenant_id, run.parameters = "acme", ReportParameters(report="win_rate")
    tiers = ReportTiers(Listing(files), LakeSize.limit(3, 100), LakeSize.limit(6, 100))
    assert tiers.choose(run) is tier
