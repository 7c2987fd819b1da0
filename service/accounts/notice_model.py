"""The table of notices: what an account's owner was told, kept in the message center of their own place."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import Boolean, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from service.db import Base, Instant, new_id, words


class NoticeKind(StrEnum):
    """What a notice tells. Those about the account itself are called as the templates of their mails."""

    WELCOME = "welcome"
    PASSWORD_CHANGED = "password_changed"
    MANY_WRONG_TRIES = "many_wrong_tries"
    NEW_DEVICE = "new_device"
    REGISTRATION_TRIED = "registration_tried"
    PORTAL_REGISTRATION_TRIED = "portal_registration_tried"
    FACTOR_SET_UP = "factor_set_up"
    FACTOR_REMOVED = "factor_removed"
    FACTOR_GUESSED = "factor_guessed"
    RECOVERY_CODE_USED = "recovery_code_used"
    RECOVERY_CODES_ENDED = "recovery_codes_ended"
    FACTORS_RESET = "factors_reset"
    PASSKEY_ADDED = "passkey_added"
    PASSKEY_REMOVED = "passkey_removed"
    PASSKEY_COPIED = "passkey_copied"
    EMAIL_IN_USE = "email_in_use"
    EMAIL_CHANGE_UNDONE = "email_change_undone"
    EMAIL_CHANGED = "email_changed"

    APP_CONNECTED = "app_connected"
    APP_CHANGED = "app_changed"
    """Agreed to anew: other data, or for longer."""
    APP_READ = "app_read"
    """It read for the first time."""
    APP_PAUSED = "app_paused"
    APP_RESUMED = "app_resumed"
    APP_NARROWED = "app_narrowed"
    APP_PAUSE_LIFTED = "app_pause_lifted"
    """The plan took a member's pause back for them; their representative decides now."""
    APP_ENDED = "app_ended"
    APP_ENDS_SOON = "app_ends_soon"
    APP_OVER = "app_over"
    """The time that was chosen is over."""
    APP_DISCONNECTED = "app_disconnected"
    """A spent code or refresh token came again."""
    APP_STOPPED = "app_stopped"
    APP_BACK = "app_back"
    APP_CLOSED = "app_closed"

    LINK_BEGUN = "link_begun"
    LINK_CHANGED = "link_changed"
    LINK_ENDED = "link_ended"
    REQUEST_NEWS = "request_news"
    """There is something new about a request to act for a member."""

    STAFF_LOOKED = "staff_looked"


class Notice(Base):
    """One thing that an account's owner was told. The words are made when it is read, in the language of then.

    `member_id` is about whose information it is, if any. Nothing in a notice tells what that information is.
    `member_name` is the member's name of then, which the owner knew since they acted for that member; empty where it
    was their own information, None where they did not act for the member any more, and in notices from before 0075.
    """

    __tablename__ = "notice"
    __table_args__ = (
        Index("ix_notice_account_at", "account_id", "at"),
        Index(
            "ix_notice_unread", "account_id",
            sqlite_where=text("read_at IS NULL"), postgresql_where=text("read_at IS NULL"),
        ),
    )  # fmt: skip

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    account_id: Mapped[str] = mapped_column(ForeignKey("account.id"))
    kind: Mapped[NoticeKind] = mapped_column(words(NoticeKind))
    at: Mapped[datetime] = mapped_column(Instant, index=True)
    member_id: Mapped[str | None] = mapped_column(ForeignKey("member.id"), index=True)
    member_name: Mapped[str | None] = mapped_column(String(200))
    client_id: Mapped[str | None] = mapped_column(ForeignKey("client.id"))
    grant_id: Mapped[str | None] = mapped_column(ForeignKey("consent_grant.id"))
    who: Mapped[str] = mapped_column(String(200), default="")
    """The name of the other person, where there is one: who did it, or who acts for whom."""
    by_owner: Mapped[bool] = mapped_column(Boolean, default=False)
    """The owner did it themselves."""
    mailed: Mapped[bool] = mapped_column(Boolean, default=False)
    """A mail went out that says that there is a message."""
    read_at: Mapped[datetime | None] = mapped_column(Instant)
