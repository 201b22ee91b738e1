"""Guards, each with one way to take it out and the tests that must then turn red."""

from dataclasses import dataclass
from pathlib import Path

CHASSIS = "libs/chassis/src/recoup_chassis"
EVENTS = "libs/events/src/recoup_events"
ADAPTER = "services/gateway-adapter/src/recoup_gateway_adapter"
SCHEDULER = "services/retry-scheduler/src/recoup_retry_scheduler"
NOTIFIER = "services/notifier/src/recoup_notifier"
PORTAL = "services/portal-api/src/recoup_portal_api"
OWN = " USING (merchant_id = ANY ((SELECT recoup_merchants())::text[]))"


@dataclass(frozen=True)
class Mutant:
    """A guard that is taken out.

    Args:
        guard: what it protects, in a few words.
        file: where it stands.
        old: its text, which the file has exactly once.
        new: what stands there instead.
        tests: what must turn red, as pytest names it.
    """

    guard: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]

    def plant(self, tree: Path) -> None:
        """Take the guard out in a copy of the house.

        Raises:
            LookupError: the guard does not stand there any more; this table must follow it.
        """
        path = tree / self.file
        text = path.read_text()
        if text.count(self.old) != 1:
            raise LookupError(f"{self.guard}: {self.file} has it {text.count(self.old)} times")
        planted = text.replace(self.old, self.new)
        if path.suffix == ".py":
            compile(planted, str(path), "exec")
        path.write_text(planted)


CHASSIS_TESTS = (
    "libs/chassis/tests/test_chassis_relay.py",
    "libs/chassis/tests/test_chassis_spine.py",
    "libs/chassis/tests/test_chassis_kill.py",
)
CHARGING_TESTS = ("services/gateway-adapter/tests/charging",)
INGEST_TESTS = ("services/gateway-adapter/tests/test_gateway_ingest.py",)
PORTAL_TESTS = ("services/portal-api/tests",)
NOTIFIER_TESTS = ("services/notifier/tests",)
SCHEDULER_TESTS = ("services/retry-scheduler/tests",)
EVENTS_TESTS = ("libs/events/tests", *CHASSIS_TESTS)

MUTANTS = (
    Mutant(
        "inbox: an event is handled once",
        f"{CHASSIS}/inbox.py",
        "return [event for event in events if event.id in claimed and first[event.id] is event]",
        "return list(events)",
        CHASSIS_TESTS,
    ),
    Mutant(
        "outbox: an event is forgotten once the broker has it, not before",
        f"{CHASSIS}/outbox.py",
        "            await asyncio.gather(*acknowledgements)\n",
        "            del acknowledgements\n",
        CHASSIS_TESTS,
    ),
    Mutant(
        "outbox: announced in the transaction that saves",
        f"{CHASSIS}/postgres.py",
        "        await self._connection.execute(\n            _sql.write_outbox,",
        "        await self._database.pool.execute(\n            _sql.write_outbox,",
        CHASSIS_TESTS,
    ),
    Mutant(
        "offsets are committed after the transaction",
        f"{CHASSIS}/batches.py",
        "        while not self.stopping.is_set():\n            try:\n                if self._watch.too_old:",
        "        await self._commit(records)\n        while not self.stopping.is_set():\n            try:\n"
        "                if self._watch.too_old:",
        CHASSIS_TESTS,
    ),
    Mutant(
        "offsets are committed explicitly",
        f"{CHASSIS}/batches.py",
        "await self.consumer.commit(offsets := _after(records))",
        "await self.consumer.commit(offsets := {w: o + 1 for w, o in _after(records).items()})",
        CHASSIS_TESTS,
    ),
    Mutant(
        "consumers that bring nothing begin anew",
        f"{CHASSIS}/kafka.py",
        "            if any(deaf):\n",
        "            if False:\n",
        CHASSIS_TESTS,
    ),
    Mutant(
        "a lost connection to the broker is told in the library's words",
        f"{CHASSIS}/lost_connections.py",
        "    except RuntimeError as error:\n",
        "    except NameError as error:\n",
        ("libs/chassis/tests/test_chassis_lost_connections.py",),
    ),
    Mutant(
        "a deploy that refuses everything stops its topic",
        f"{CHASSIS}/batches.py",
        "if len(self._refusals) > self._bears:",
        "if not self._refusals:",
        CHASSIS_TESTS,
    ),
    Mutant(
        "the old sender is cancelled before its producer is rebuilt",
        f"{CHASSIS}/outbox.py",
        "if sender is not None and not sender.done():",
        "if sender is None:",
        CHASSIS_TESTS,
    ),
    Mutant(
        "one relay holds a bucket at a time",
        f"{CHASSIS}/outbox.sql",
        "SELECT pg_try_advisory_lock(7263052, $1)",
        "SELECT $1::int IS NOT NULL",
        CHASSIS_TESTS,
    ),
    Mutant(
        "customers are locked in one order",
        f"{CHASSIS}/postgres.py",
        "        wanted = sorted(set(customers) - self._locked)\n        if not wanted:",
        "        wanted = [one for one in dict.fromkeys(customers) if one not in self._locked]\n        if not wanted:",
        CHASSIS_TESTS,
    ),
    Mutant(
        "whoever acts on a timer holds its customer",
        f"{CHASSIS}/timers.sql",
        "    FOR UPDATE OF customer_locks SKIP LOCKED\n",
        "",
        ("libs/chassis/tests/test_chassis_timers.py",),
    ),
    Mutant(
        "a timer goes in the transaction that acts on it",
        f"{CHASSIS}/timers.sql",
        "DELETE FROM timers WHERE timer_id = ANY (ARRAY",
        "UPDATE timers SET due_at = due_at WHERE timer_id = ANY (ARRAY",
        ("libs/chassis/tests/test_chassis_timers.py",),
    ),
    Mutant(
        "a record's merchant is the one that its header names",
        f"{EVENTS}/envelope.py",
        'if headers.get("ce_recoupmerchant") != event.merchant_id:',
        'if headers.get("ce_recoupmerchant") is None:',
        EVENTS_TESTS,
    ),
    Mutant(
        "no NUL reaches a store",
        f"{EVENTS}/envelope.py",
        'if b"\\\\u0000" in value or b"\\0" in value:',
        "if not value:",
        EVENTS_TESTS,
    ),
    Mutant(
        "signature of a webhook",
        f"{ADAPTER}/gateways/stripe/signature.py",
        "return bool(WebhookSignature.verify_header(payload, signature, secret))",
        "return bool(signature)",
        INGEST_TESTS,
    ),
    Mutant(
        "age of a webhook's signature",
        f"{ADAPTER}/gateways/stripe/signature.py",
        "for secret in secrets) and _age(signature, now) <= (",
        "for secret in secrets) and -_age(signature, now) <= (",
        INGEST_TESTS,
    ),
    Mutant(
        "a test webhook does not enter a live account",
        f"{ADAPTER}/ingest/routes.py",
        "if envelope.livemode is not None and envelope.livemode != door.livemode:",
        "if envelope.livemode is not None and door.livemode is None:",
        INGEST_TESTS,
    ),
    Mutant(
        "a webhook is stored before it is acknowledged",
        f"{ADAPTER}/ingest/batches.py",
        "        self._arrived.set()\n        await committed\n",
        "        self._arrived.set()\n",
        INGEST_TESTS,
    ),
    Mutant(
        "row-level security of attempts",
        f"{ADAPTER}/migrations/0002_charging.sql",
        f"CREATE POLICY tenant ON attempts{OWN}",
        "CREATE POLICY tenant ON attempts USING (true)",
        ("tests/architecture/test_sql_tenancy.py", *CHARGING_TESTS),
    ),
    Mutant(
        "row-level security of the portal",
        f"{PORTAL}/migrations/0001_portal.sql",
        "'CREATE POLICY tenant ON %I USING (merchant_id = ANY ((SELECT recoup_merchants())::text[]))', tenant",
        "'CREATE POLICY tenant ON %I USING (true)', tenant",
        ("tests/faults/test_fault_16_foreign_merchant.py", "tests/architecture/test_sql_tenancy.py"),
    ),
    Mutant(
        "invoice lock: one charge of an invoice at a time",
        f"{ADAPTER}/charging/domain/readiness.py",
        '    return "locked"\n',
        "    return None\n",
        CHARGING_TESTS,
    ),
    Mutant(
        "invoice lock in the store",
        f"{ADAPTER}/charging/queries.sql",
        "AND (invoice_locks.held_by IS NULL OR invoice_locks.held_by = wanted.holder)",
        "AND wanted.holder IS NOT NULL",
        CHARGING_TESTS,
    ),
    Mutant(
        "the same attempt has the same idempotency key",
        f"{ADAPTER}/charging/loop/sending.py",
        "attempt.body, attempt.idempotency_key)",
        'attempt.body, f"{attempt.idempotency_key}:{attempt.revision}")',
        CHARGING_TESTS,
    ),
    Mutant(
        "a key is not used after the gateway forgot it",
        f"{ADAPTER}/charging/domain/attempt.py",
        "timedelta(0) <= now - attempt.first_sent_at < window - KEY_MARGIN",
        "timedelta(0) <= now - attempt.first_sent_at",
        CHARGING_TESTS,
    ),
    Mutant(
        "merchant and account stand in the idempotency key",
        f"{ADAPTER}/charging/domain/attempt.py",
        'key = f"recoup:{merchant_id}:{account_id}:{invoice_id}:{number}"',
        'key = f"recoup:{invoice_id}:{number}"',
        CHARGING_TESTS,
    ),
    Mutant(
        "not_after: a stale retry is not sent",
        f"{ADAPTER}/charging/domain/readiness.py",
        "if attempt.not_after is not None and now > attempt.not_after:",
        "if attempt.not_after is not None and now is None:",
        CHARGING_TESTS,
    ),
    Mutant(
        "a try that a clock ahead of ours asked for waits",
        f"{ADAPTER}/charging/domain/readiness.py",
        "if attempt.not_after is not None and now < attempt.not_after - TRY_WITHIN:",
        "if attempt.not_after is not None and now is None:",
        CHARGING_TESTS,
    ),
    Mutant(
        "stop switch",
        f"{ADAPTER}/charging/domain/readiness.py",
        '    if around.stopped:\n        return f"stopped_{around.stopped}"\n',
        "",
        CHARGING_TESTS,
    ),
    Mutant(
        "nobody is charged while something of theirs is in quarantine",
        f"{ADAPTER}/charging/domain/readiness.py",
        '    if around.held:\n        return "held"\n',
        "",
        CHARGING_TESTS,
    ),
    Mutant(
        "what is paid is not charged",
        f"{ADAPTER}/charging/domain/readiness.py",
        "    if invoice.status is not InvoiceStatus.OPEN:\n"
        '        return Never(f"invoice_{invoice.status.value}")\n    if invoice.owed <= 0:\n'
        '        return Never("nothing_owed")\n',
        "",
        CHARGING_TESTS,
    ),
    Mutant(
        "Gateway Default: the gateway charges, not we",
        f"{ADAPTER}/charging/domain/readiness.py",
        '        return Never("gateway_default")\n',
        "        return Send()\n",
        CHARGING_TESTS,
    ),
    Mutant(
        "a removed instrument is not charged",
        f"{ADAPTER}/charging/loop/sending.py",
        "    if not belongs:\n",
        "    if belongs is None:\n",
        CHARGING_TESTS,
    ),
    Mutant(
        "the gateway's own collection is seen to be off before we charge",
        f"{ADAPTER}/charging/loop/sending.py",
        "    if not read.invoice.collected_by_gateway:\n        return read\n    log.error(",
        "    if read.invoice:\n        return read\n    log.error(",
        CHARGING_TESTS,
    ),
    Mutant(
        "success closes a case",
        f"{SCHEDULER}/cases/domain/fold.py",
        "            return _closed(case, closing, book), Situation()\n",
        "            return case, Situation()\n",
        SCHEDULER_TESTS,
    ),
    Mutant(
        "a step waits for what a network or scheme asks for",
        f"{SCHEDULER}/cases/domain/plan.py",
        "    if verdict.earliest > max(step.at, now):\n",
        "    if verdict.earliest is None:\n",
        SCHEDULER_TESTS,
    ),
    Mutant(
        "whoever chooses, the rules have the last word",
        f"{SCHEDULER}/cases/domain/plan.py",
        "    at = min(max(choice.at, earliest), verdict.latest)",
        "    at = choice.at",
        SCHEDULER_TESTS,
    ),
    Mutant(
        "POST-only: a GET leaves a sign-in link good",
        f"{PORTAL}/customer/routes/sign_in.py",
        "good = await store.sign_in_token_is_good(tx, face.merchant_id, token)",
        "good = await store.consume_sign_in_token(tx, face.merchant_id, token)",
        PORTAL_TESTS,
    ),
    Mutant(
        "a sign-in link works once",
        f"{PORTAL}/access/queries.sql",
        "DELETE FROM sign_in_tokens WHERE merchant_id = $1 AND token_hash = $2 AND expires_at > $3"
        " RETURNING contact_hash",
        "SELECT contact_hash FROM sign_in_tokens WHERE merchant_id = $1 AND token_hash = $2 AND expires_at > $3",
        PORTAL_TESTS,
    ),
    Mutant(
        "a sign-in link dies after ten minutes",
        f"{PORTAL}/access/queries.sql",
        "DELETE FROM sign_in_tokens WHERE merchant_id = $1 AND token_hash = $2 AND expires_at > $3",
        "DELETE FROM sign_in_tokens WHERE merchant_id = $1 AND token_hash = $2 AND $3::timestamptz IS NOT NULL",
        PORTAL_TESTS,
    ),
    Mutant(
        "a pay link is the notifier's",
        f"{PORTAL}/access/handlers.py",
        "            key.verify(link.signature, links.to_sign(link.merchant_id, link.case_id, link.key_id))\n",
        "            key.public_bytes_raw()\n",
        PORTAL_TESTS,
    ),
    Mutant(
        "a form comes from our own page",
        f"{PORTAL}/customer/routes/doors.py",
        'if site not in {"same-origin", "none"} or not house(request).marks.is_form(*place, mark):',
        "if not site:",
        PORTAL_TESTS,
    ),
    Mutant(
        "after a case has closed only the last word is said",
        f"{NOTIFIER}/sequences/domain.py",
        "        if before and change.revision <= before.revision:\n            continue\n",
        "",
        NOTIFIER_TESTS,
    ),
    Mutant(
        "codes that must be masked are",
        f"{PORTAL}/customer/domain.py",
        'outcome.reason if outcome.reason in REASONS else "declined"',
        'outcome.reason or "declined"',
        PORTAL_TESTS,
    ),
)
