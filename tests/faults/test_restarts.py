"""PostgreSQL falls under load: nothing acknowledged is lost, nobody hangs, everybody is served soon after."""

import random
from pathlib import Path

import pytest

from tests.clusters import running_cluster
from tests.faults import restarts


@pytest.mark.slow
def test_case_182_postgresql_falls_under_load_and_is_started_again(tmp_path: Path) -> None:
    with running_cluster() as cluster:
        told = restarts.restart(cluster, tmp_path, len(restarts.WAYS), random.Random(182))

    assert told.wrong == [], "what was acknowledged is there, and nothing ended is alive"
    assert told.otherwise == [], "without a database everybody is told when to come again"
    assert told.put_off >= restarts.APPS and told.acknowledged >= restarts.APPS * len(restarts.WAYS)
    assert len(told.healed) == len(restarts.WAYS) and max(told.healed) <= 5
    assert told.longest <= 10
