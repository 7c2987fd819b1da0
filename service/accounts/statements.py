"""Hand-kept statements of a sign-in: through the ORM each would cost a twentieth of the password's hash."""

from service.accounts import second_factors
from service.accounts.models import LoginSession
from service.db import Insertion, Statement
from service.plan.staff import plan_staff

KNOWN_HERE = Statement(
    "SELECT a.id, a.password_hash, a.credentials_version, d.id"
    " FROM account a JOIN known_device d ON d.account_id = a.id"
    " WHERE a.username_key = %s AND d.token_hash = %s AND a.status = 'active' AND a.code_due_at IS NULL LIMIT 1"
)
"""An account of which a right password is all that is asked for on this browser, or a second factor beside it."""
KEEP_HASH = Statement("UPDATE account SET password_hash = %s WHERE id = %s AND password_hash = %s RETURNING 1")
SIGNED_IN = Statement("UPDATE account SET last_signed_in_at = %s WHERE id = %s")
SIGNED_IN_IF_WHOLE = Statement(
    f"{SIGNED_IN.text} AND CAST(%s AS BIGINT) IS NULL AND NOT {second_factors.HAS_FACTOR}"
)  # fmt: skip
"""The same where neither a code (the third value tells since when) nor a factor is due."""
END = Statement("UPDATE login_session SET ended_at = %s WHERE ended_at IS NULL AND token_hash = %s")
_COLUMNS = [column.name for column in LoginSession.__table__.columns if column.name != "expires_at"]
BEGIN = Statement(
    f"{Insertion('login_session', *_COLUMNS, 'expires_at').into} VALUES ({'%s, ' * len(_COLUMNS)}"
    f"CASE WHEN {plan_staff.STANDS} THEN CAST(%s AS BIGINT) ELSE CAST(%s AS BIGINT) END)"
    f" RETURNING CASE WHEN {second_factors.HAS_FACTOR} THEN 1 ELSE 0 END"
)
"""A session's columns but when it is over, which is the first moment for the plan's own people, the second for others.

Gives back whether the account has a second factor.
"""
COLUMNS = tuple(_COLUMNS)
