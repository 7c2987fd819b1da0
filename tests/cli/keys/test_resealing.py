"""SECRET_KEY is changed: what is there opens under the key before, is sealed anew, and is told of by `flask doctor`."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Engine, select, text
from sqlalchemy.orm import Session

from oauth.webhooks import endpoints, signing
from oauth.webhooks.models import WebhookEndpoint
from service import mail, resealing, sealing
from service.accounts import email_codes, second_factors
from service.accounts.email_codes import Flow
from service.accounts.models import Account, CodePurpose, Totp
from service.accounts.notice_model import Notice, NoticeKind
from service.audit import AuditEvent
from service.audit_chain.checkpoints import KeyChanged, Kind
from service.cli.keys import SEALED
from service.mail import OutboxMail
from service.plan.models import MailedPin
from service.plan.registering import mailed_pins
from service.settings import Settings
from tests.attacks.chains import Chain
from tests.cli.keys.installation import MAILBOX, NEW, OTHER, PIN, Installation
from tests.conftest import MovableClock
from tests.factories import (
    make_account,
)
from tests.killed import at_each_call


def test_everything_opens_under_the_key_before_and_alone_under_the_new_one_once_sealed_anew(plan: Installation) -> None:
    for settings in (plan.prepared, plan.turned):
        plan.require_readable(settings)
        assert sum(one.unopened for one in plan.tallies(settings).values()) == 0
    assert all(one.present == 0 and one.earlier == one.all > 0 for one in plan.tallies(plan.turned).values())

    told = plan.run(plan.turned, "keys", "reseal")
    assert told.exit_code == 0, told.output
    assert "authenticator apps: 5 sealed anew, 0 were already." in told.stdout
    assert "mails that wait: 1 sealed anew" in told.stdout and "10 were sealed anew" in told.stdout
    plan.require_readable(plan.done)
    again = plan.run(plan.turned, "keys", "reseal")
    assert again.exit_code == 0 and "authenticator apps: 0 sealed anew, 5 were already." in again.stdout


def test_what_is_sealed_anew_is_audited_with_who_ran_it(plan: Installation) -> None:
    plan.run(plan.turned, "keys", "reseal")
    with plan.sessions() as session:
        events = session.scalars(select(AuditEvent).where(AuditEvent.tag.like("keys:sealed:%"))).all()
    assert [one.tag for one in events].count("keys:sealed:begin") == 1
    counted = {one.detail["what"]: one.count for one in events if one.detail and "what" in one.detail}
    assert counted["authenticator apps"] == 5 and counted["signing keys"] == 1 and len(counted) == len(SEALED)
    assert all(one.detail and one.detail["operator"] for one in events)


def test_digests_count_under_the_key_before_and_no_longer(plan: Installation) -> None:
    plan.run(plan.turned, "keys", "reseal")
    assert plan.shown(plan.turned, plan.codes[0]), "a recovery code"
    assert not plan.shown(plan.turned, plan.codes[0]), "once"
    assert plan.shown(plan.prepared, plan.codes[1])
    assert not plan.shown(plan.done, plan.codes[2])
    with plan.sessions() as session:
        rosa = session.scalars(select(Account).where(Account.username == "rosa")).one()
        assert second_factors.holds_codes(session, plan.turned.secret_key, rosa, plan.codes)
        assert not second_factors.holds_codes(session, plan.done.secret_key, rosa, plan.codes)
        flow = Flow(CodePurpose.PASSWORD_RESET, "browser", plan.done.secret_key)
        assert email_codes.verify(session, flow, MAILBOX, plan.mailed) is None
        assert email_codes.verify(session, replace(flow, key=plan.turned.secret_key), MAILBOX, plan.mailed) is not None
        pin = session.scalars(select(MailedPin)).one()
        with pytest.raises(mailed_pins.PinRefused):
            mailed_pins.verify(session, pin_owner(session, pin), PIN, key=plan.done.secret_key)
        assert mailed_pins.verify(session, pin_owner(session, pin), PIN, key=plan.turned.secret_key).id == pin.id


def pin_owner(session: Session, pin: MailedPin) -> Any:
    return session.get_one(mailed_pins.ProviderStaff, pin.staff_id)


def test_killed_anywhere_in_the_midst_nothing_is_lost_and_the_next_run_ends_it(
    plan: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resealing, "_PAGE", 2)
    done = []

    def reseal() -> None:
        told = plan.run(plan.turned, "keys", "reseal")
        assert told.exit_code == 0, (told.output, told.exception)

    for _returned in at_each_call(plan.engine, reseal):
        tallies = plan.tallies(plan.turned)
        assert sum(one.unopened for one in tallies.values()) == 0
        done.append(sum(one.present for one in tallies.values()))
    assert done == sorted(done) and len({*done}) > 5, "it goes on where it was, in steps"
    plan.require_readable(plan.done)


def test_what_is_changed_meanwhile_is_not_overwritten(plan: Installation) -> None:
    fresh = signing.new_secret()
    with plan.sessions() as session, ThreadPoolExecutor(1) as pool:
        webhook = session.scalars(select(WebhookEndpoint)).one()
        webhook.sealed_secret = sealing.seal(plan.prepared.secret_key, endpoints.PURPOSE, fresh)
        session.flush()
        run = pool.submit(plan.run, plan.turned, "keys", "reseal")
        with pytest.raises(TimeoutError):
            run.result(timeout=1)
        session.commit()
        told = run.result(timeout=60)
    assert told.exit_code == 0, told.output
    with plan.sessions() as session:
        webhook = session.scalars(select(WebhookEndpoint)).one()
        assert endpoints.secrets_of(webhook, plan.done) == (fresh, "old-secret")


def test_a_wrong_earlier_key_is_told_and_changes_nothing(plan: Installation) -> None:
    wrong = replace(plan.old, secret_key=NEW, secret_key_previous=(OTHER,))
    told = plan.run(wrong, "keys", "reseal")
    assert told.exit_code == 1 and "10 open under no key that is named, and stay as they are" in told.stderr
    assert "SECRET_KEY_PREVIOUS" in told.stderr and "Traceback" not in told.output
    plan.require_readable(plan.old)
    assert "BAD: 5 of 5 authenticator apps open under no key that is named" in "\n".join(plan.doctor(wrong))
    several = replace(plan.old, secret_key=NEW, secret_key_previous=(OTHER, plan.old.secret_key))
    assert plan.run(several, "keys", "reseal").exit_code == 0
    plan.require_readable(plan.done)


def test_without_an_earlier_key_there_is_nothing_to_seal_anew(plan: Installation) -> None:
    told = plan.run(plan.old, "keys", "reseal")
    assert told.exit_code == 1 and "SECRET_KEY_PREVIOUS names no earlier key" in told.stderr
    told = plan.run(plan.prepared, "keys", "reseal")
    assert told.exit_code == 1 and "this is step 1 of docs/keys.md" in told.stderr
    assert "nothing is under a key of SECRET_KEY_PREVIOUS: it holds the coming key" in "\n".join(
        plan.doctor(plan.prepared)
    )
    told = plan.run(plan.prepared, "keys", "end-recovery-codes")
    assert told.exit_code == 1 and "run flask keys reseal first" in told.stderr
    assert plan.shown(plan.turned, plan.codes[0])


def test_what_opens_under_no_key_begins_nothing_in_the_first_step(plan: Installation) -> None:
    with plan.sessions.begin() as session:
        others = select(Totp).join(Account, Account.id == Totp.account_id).where(Account.username != "rosa")
        one = session.scalars(others.limit(1)).one()
        one.sealed_secret = sealing.seal(b"x" * 32, "totp-secret", "S")
    told = plan.run(plan.prepared, "keys", "reseal")
    assert told.exit_code == 1 and "1 open under no key that is named" in told.stderr
    told = plan.run(plan.prepared, "keys", "end-recovery-codes")
    assert told.exit_code == 1 and "run flask keys reseal first" in told.stderr
    assert plan.shown(plan.old, plan.codes[0])


def test_the_coming_key_of_a_second_change_is_kept(plan: Installation) -> None:
    assert plan.run(plan.turned, "keys", "reseal").exit_code == 0
    assert plan.run(plan.turned, "keys", "end-recovery-codes").exit_code == 0
    again = replace(plan.old, secret_key=NEW, secret_key_previous=(OTHER,))
    assert "it holds the coming key" in "\n".join(plan.doctor(again))
    told = plan.run(again, "keys", "reseal")
    assert told.exit_code == 1 and "this is step 1 of docs/keys.md" in told.stderr


def test_a_key_on_which_only_digests_hang_is_not_called_needless(plan: Installation) -> None:
    with plan.engine.begin() as connection:
        for table in ("totp", "webhook_endpoint", "signing_key", "outbox_mail", "mailed_pin"):
            connection.execute(text(f"DELETE FROM {table}"))
    assert "Recovery codes and PINs that there are may need it" in "\n".join(plan.doctor(plan.turned))


def test_where_nothing_but_the_audit_is_of_an_earlier_key_it_is_begun(settings: Settings, engine: Engine) -> None:
    bare = Installation(settings, engine)
    chain = Chain(engine, settings)
    chain.record(1)
    chain.checkpoint()
    told = bare.run(bare.turned, "keys", "reseal")
    assert told.exit_code == 0 and "0 were sealed anew" in told.stdout
    with bare.sessions() as session:
        assert resealing.begun_at(session, NEW) is not None


def test_a_checkpoint_of_a_key_that_is_not_named_begins_no_change(settings: Settings, engine: Engine) -> None:
    bare = Installation(settings, engine)
    stranger = Chain(engine, replace(settings, secret_key=OTHER))
    stranger.record(1)
    stranger.checkpoint()
    told = bare.run(bare.turned, "keys", "reseal")
    assert told.exit_code == 1 and "this is step 1 of docs/keys.md" in told.stderr
    with bare.sessions() as session:
        assert resealing.begun_at(session, NEW) is None


def test_doctor_leads_through_the_change(plan: Installation, clock: MovableClock) -> None:
    assert plan.doctor(plan.old) == [
        "ok: under SECRET_KEY are 1 signing keys, 5 authenticator apps, 1 webhook secrets, 1 webhook secrets of before,"
        " 1 PINs of letters to print, 1 mails that wait."
    ]
    swapped = "\n".join(plan.doctor(plan.turned))
    assert "doubtful: 5 of 5 authenticator apps are under an earlier key: flask keys reseal." in swapped
    assert "doubtful: SECRET_KEY_PREVIOUS is needed: once every server has SECRET_KEY" in swapped
    bad = "\n".join(plan.doctor(plan.done))
    assert "BAD: 1 of 1 signing keys open under no key that is named" in bad and "earlier key" not in bad

    plan.run(plan.turned, "keys", "reseal")
    sealed = "\n".join(plan.doctor(plan.turned))
    assert "doubtful: recovery codes of 1 accounts" in sealed and "doubtful: PINs sent by post need" in sealed
    assert "BAD" not in sealed and "sealed" not in sealed and "not needed" not in sealed

    ended = plan.run(plan.turned, "keys", "end-recovery-codes")
    assert ended.exit_code == 0 and "recovery codes of 1 accounts ended" in ended.stdout
    assert "recovery codes" not in "\n".join(plan.doctor(plan.turned))
    clock.advance(mailed_pins.LIFE.total_seconds())
    assert "ok: SECRET_KEY_PREVIOUS is not needed any more: take it away." in plan.doctor(plan.turned)
    assert all(line.startswith("ok: ") for line in plan.doctor(plan.done))


def test_pages_that_are_open_are_waited_for(plan: Installation) -> None:
    with plan.engine.begin() as connection:
        for table in ("recovery_code", "mailed_pin"):
            connection.execute(text(f"DELETE FROM {table}"))
    plan.run(plan.turned, "keys", "reseal")
    assert any("may go at" in line for line in plan.doctor(plan.turned))


def test_codes_made_since_stay_when_those_of_before_end_and_their_owners_are_told(plan: Installation) -> None:
    plan.run(plan.turned, "keys", "reseal")
    with plan.sessions.begin() as session:
        other = make_account(session)
        kept = second_factors.new_recovery_codes(session, plan.turned.secret_key, other)
        other_id = other.id
    assert plan.run(plan.turned, "keys", "end-recovery-codes").exit_code == 0
    with plan.sessions() as session:
        assert second_factors.codes_left(session, session.get_one(Account, other_id)) == len(kept)
        rosa = session.scalars(select(Account).where(Account.username == "rosa")).one()
        assert second_factors.codes_left(session, rosa) == 0
        told = session.scalars(select(Notice.account_id).where(Notice.kind == NoticeKind.RECOVERY_CODES_ENDED)).all()
        assert told == [rosa.id]
        one = session.scalars(select(OutboxMail).where(OutboxMail.template == "recovery_codes_ended")).one()
        for language, words in (("en", "Throw the old codes away"), ("es", "Deseche los códigos anteriores")):
            one.language = language
            assert words in mail.compose(one, plan.turned, plan.turned.plan).get_content()
        session.rollback()
    assert not plan.shown(plan.turned, plan.codes[0])
    again = plan.run(plan.turned, "keys", "end-recovery-codes")
    assert again.exit_code == 0 and "of 0 accounts" in again.stdout


def test_back_to_the_key_before_what_was_made_since_is_of_the_other(plan: Installation) -> None:
    keys_of = [plan.turned.secret_key, plan.prepared.secret_key]
    plan.run(plan.turned, "keys", "reseal")
    with plan.sessions() as session:
        assert resealing.begun_at(session, keys_of[0]) and resealing.begun_at(session, keys_of[1]) is None
    plan.run(plan.prepared, "keys", "reseal")
    with plan.sessions() as session:
        assert resealing.begun_at(session, keys_of[0]) is None and resealing.begun_at(session, keys_of[1])
    plan.require_readable(plan.old)


def test_the_audit_goes_on_through_the_change(plan: Installation) -> None:
    before, turned, done = (Chain(plan.engine, one) for one in (plan.prepared, plan.turned, plan.done))
    stranger = Chain(plan.engine, replace(plan.old, secret_key=NEW, secret_key_previous=(OTHER,)))
    for chain in (before, turned, before):
        chain.record(3)
        chain.checkpoint()
        assert before.verify().fault is None and turned.verify().fault is None
    fault = done.verify().fault
    assert fault and KeyChanged.sentence in fault.sentence
    assert "an earlier key signed the last checkpoint" in "\n".join(plan.doctor(plan.turned))
    refused = plan.run(stranger.settings, "keys", "reseal")
    assert refused.exit_code == 1 and "signed by another key" in refused.stderr

    told = plan.run(plan.turned, "keys", "reseal")
    assert told.exit_code == 0 and f"{turned.key.id} vouches for them" in told.stdout
    assert done.log.read(done.key)[-1].kind is Kind.KEY
    done.record(2)
    done.checkpoint()
    verdict = done.verify()
    assert verdict.fault is None and verdict.checkpoints == 5
    assert "an earlier key signed" not in "\n".join(plan.doctor(plan.turned))
