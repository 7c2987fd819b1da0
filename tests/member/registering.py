"""A member on the way to an account: what they type, and the steps up to the last page."""

from sqlalchemy.orm import Session

from service.plan.models import Member
from service.settings import Settings
from tests.accounts.visitor import Visitor, csrf_token, newest_code

ADDRESS = "maria@example.org"
DEAD_END = "We could not register you online"


def details(member: Member, **other: str) -> dict[str, str]:
    told = {
        "member_id": member.member_number, "last_name": member.family_name, "birth_date": member.birth_date.isoformat(),
        "zip_code": member.zip_code,
    }  # fmt: skip
    return told | other


def without_token(page: str) -> str:
    return page.replace(csrf_token(page), "")


def to_account_page(
    visitor: Visitor, member: Member, session: Session, settings: Settings, following: str = ""
) -> None:
    path = f"/register?next={following}"
    visitor.get(path)
    assert visitor.post(path, **details(member)).location == "/register/email"
    visitor.get("/register/email")
    assert visitor.post("/register/email", email=ADDRESS).location == "/register/code"
    visitor.get("/register/code")
    answer = visitor.post("/register/code", code=newest_code(session, settings, ADDRESS))
    assert answer.location == "/register/account"
    visitor.get("/register/account")
