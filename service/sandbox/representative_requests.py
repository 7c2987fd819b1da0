"""A request that waits for plan staff in the sandbox: somebody wants to act for a member, and attached a paper."""

from io import BytesIO

from PIL import Image, ImageDraw
from sqlalchemy import select
from sqlalchemy.orm import Session

from consent import evidence, representative_requests, representative_reviews
from consent.models import Basis, LinkScope
from consent.representative_requests import Person, Right, Whom
from consent.request_models import RepresentativeRequest, RequestState
from service.accounts.authentication import find_by_username
from service.plan.models import Member
from service.sandbox.handout import HandOut

ASKER, MEMBER = "grace", "thomas"
_PAPER = """HEALTH CARE POWER OF ATTORNEY

I, Thomas King, appoint Grace Hill
to decide about my health care and
to see my health records.

Signed: Thomas King
Witnessed: a notary of the sandbox"""


def open_missing(session: Session) -> None:
    """Send the request, once: one that was decided or taken back is not sent again."""
    asker, account = find_by_username(session, ASKER), find_by_username(session, MEMBER)
    if asker is None or account is None or session.scalar(select(RepresentativeRequest.id).limit(1)) is not None:
        return
    own = session.get_one(Member, asker.member_id)
    member = session.get_one(Member, account.member_id)
    representative_requests.ask_for_another(
        session, asker, Person(asker.given_name, asker.family_name, own.birth_date),
        Whom(member.member_number, member.family_name, member.birth_date),
        Right(Basis.POWER_OF_ATTORNEY, LinkScope.WITHOUT_SENSITIVE, explanation="Mr. King is my neighbor and friend."),
        evidence.check_all([("power-of-attorney.png", _scan())]),
    )  # fmt: skip


def to_hand_out(session: Session) -> list[HandOut]:
    """What waits for plan staff."""
    return [
        {
            "asks": asked.full_name,
            "for_member": asked.member.full_name if asked.member else asked.member_family_name,
            "basis": asked.basis.value,
            "address": f"/staff/representatives/{asked.id}",
        }
        for asked in representative_reviews.list_in(session, RequestState.WAITING)
    ]


def _scan() -> bytes:
    page = Image.new("L", (640, 480), 250)
    ImageDraw.Draw(page).multiline_text((60, 60), _PAPER, fill=20, font_size=24, spacing=8)
    made = BytesIO()
    page.save(made, "PNG")
    return made.getvalue()
