"""A PostgreSQL server that is lost comes back from its base backup and archive, and with it what was ended last."""

from tests import clusters
from tests.faults import drill


def test_what_was_ended_after_the_last_archived_wal_stays_ended() -> None:
    with clusters.folder_of_servers() as folder:
        told = drill.run(folder, megabytes=4, archive_timeout=6)

    assert told.came_back_by_journal == 2, "the last two revocations were lost with the server"
    assert not told.was_served_before_replay
    assert (told.revoked_alive, told.others_dead) == (0, 0)
    assert told.lost < 30
