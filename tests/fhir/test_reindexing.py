"""The index is brought up to date from what is stored, and says then what a load would have made it say."""

from typing import Any

import pytest
from sqlalchemy import Engine, select, update
from sqlalchemy.orm import Session

from consent.policy import plan_system
from fhir.loading import ingest
from fhir.models import StoredResource
from fhir.outcomes import Forbidden
from fhir.storage import reindexing
from service.audit import AuditEvent
from service.db import make_sessions
from tests.fhir.searched import everything
from tests.fhir.test_search_rules import member

_INDEX = [getattr(StoredResource, name) for name in reindexing._INDEX]


def rows(session: Session) -> list[Any]:
    return [tuple(row) for row in session.execute(select(StoredResource.id, *_INDEX).order_by(StoredResource.id))]


def test_the_index_is_made_anew_from_the_bodies(engine: Engine) -> None:
    resources = [{name: value for name, value in one.items() if value is not None} for one in everything()]
    assert not ingest.load_resources(engine, resources, access=plan_system("tests")).rejected
    with make_sessions(engine).begin() as session:
        wanted = rows(session)
        session.execute(
            update(StoredResource)
            .where(StoredResource.type != "Encounter")
            .values(texts="", code=(), refs=("old",), date1_start=None, sort_date=0, claim_number=None)
        )
    so_far: list[int] = []

    done = reindexing.reindex(engine, access=plan_system("tests"), progress=lambda now: so_far.append(now.seen))

    with make_sessions(engine)() as session:
        assert rows(session) == wanted
        assert "fhir:resource:reindex" in session.scalars(select(AuditEvent.tag)).all()
    assert done.seen == done.total == len(wanted) == so_far[-1]
    assert done.changed == sum(one["resourceType"] != "Encounter" for one in resources)
    assert reindexing.reindex(engine, access=plan_system("tests")).changed == 0
    with pytest.raises(Forbidden):
        reindexing.reindex(engine, access=member())
