"""No row of another merchant: row security on every table that has a merchant, and roles that can't get past it."""

import pytest

from recoup_local.pytest_plugin import ServiceDatabases

from .schemas import TABLES, WITH_A_DATABASE, connected, names, rows

WITHOUT_ROW_SECURITY = {
    "chassis": {
        "customer_locks": "ids to be locked, nothing else",
        "merchant_clocks": "read to learn whose clock shows what, before any merchant is listed",
        "quarantine": "holds what may have no readable merchant; out of reach of the HTTP role",
        "timers": "a dispatcher learns from them whose turn it is; out of reach of the HTTP role",
    },
    "gateway-adapter": {
        "account_flow": "rates and breakers by account: ids and counters, looked at over all merchants",
        "account_owners": "whose account a webhook's address names, before the merchant is known",
        "attempt_states": "where attempts stand, for gauges over all merchants: ids only",
        "event_cursors": "how far each account's event list was read: ids and instants only",
        "gateway_work": "the executor learns from it whose turn it is: ids only",
        "joins": "facts that wait for a twin: ids only, a loop looks over all merchants",
        "raw_webhooks": "stored before anything is known but the account; the service has no HTTP role",
        "set_aside": "what a person looks at when a webhook can't be translated: ids and the reason",
        "untranslated": "webhooks to be translated: ids only, a loop looks over all merchants",
    },
    "notifier": {"mail_queue": "the sender learns from it whose rows to look at: ids only"},
    "portal-api": {"merchants": "ids alone, so that republish and gauges know whom to look at"},
    "retry-scheduler": {
        "merchants": "ids alone, so that gauges and pruning know whom to look at",
        "policy_spreads": "whose open cases have yet to follow a policy: ids only, a loop looks over all",
    },
}
HTTP_MAY = {
    "clocks": {"SELECT"},
    "merchant_clocks": {"SELECT"},
    "relay_buckets": {"SELECT"},
    "outbox": {"INSERT"},
}
"""What the HTTP role may do to tables without row security: read clocks, announce. Nothing else."""

POLICIES = """
SELECT tablename AS name, policyname AS policy, coalesce(qual, '') AS sees, coalesce(with_check, qual, '') AS writes
FROM pg_policies
WHERE schemaname = 'public' AND permissive = 'PERMISSIVE' AND roles && ARRAY['public', $1, $2]::name[]
"""
RIGHTS = """
SELECT c.relname AS name, p.privilege_type AS privilege
FROM pg_class c, aclexplode(c.relacl) AS p
WHERE c.relnamespace = 'public'::regnamespace AND p.grantee = $1::regrole AND c.relkind IN ('r', 'p')
  AND NOT (c.relrowsecurity AND c.relforcerowsecurity)
"""
OWNED = """
SELECT relname FROM pg_class WHERE relowner = ANY ($1::text[]::regrole[])
UNION ALL SELECT proname FROM pg_proc WHERE proowner = ANY ($1::text[]::regrole[])
UNION ALL SELECT nspname FROM pg_namespace WHERE nspowner = ANY ($1::text[]::regrole[])
UNION ALL SELECT datname FROM pg_database WHERE datdba = ANY ($1::text[]::regrole[])
"""
MIGHTY = """
SELECT rolname FROM pg_roles
WHERE rolname = ANY ($1)
  AND (rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolreplication
       OR EXISTS (SELECT FROM pg_auth_members WHERE member = pg_roles.oid)
       OR has_schema_privilege(oid, 'public', 'CREATE'))
"""
VIEWS = """
SELECT relname FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind IN ('v', 'm')
  AND NOT coalesce('security_invoker=true' = ANY (reloptions), false)
"""
DEFINERS = """
SELECT proname FROM pg_proc
WHERE pronamespace = 'public'::regnamespace AND prosecdef
  AND (has_function_privilege('public', oid, 'EXECUTE')
       OR NOT EXISTS (SELECT FROM unnest(proconfig) AS setting WHERE setting LIKE 'search\\_path=%'))
"""


def reasons(service: str) -> dict[str, str]:
    """Give the service's tables that do without row security, each with its reason."""
    return WITHOUT_ROW_SECURITY["chassis"] | WITHOUT_ROW_SECURITY[service]


@pytest.mark.parametrize("service", WITH_A_DATABASE)
async def test_every_table_with_a_merchant_is_secured_or_says_why_not(
    service: str, database: ServiceDatabases
) -> None:
    tables = await rows(await database(service), TABLES)
    open_to_all = {
        table["name"] for table in tables if "merchant_id" in table["columns"] and not table["secured"]
    }
    assert tables
    assert open_to_all == reasons(service).keys()


@pytest.mark.parametrize("service", WITH_A_DATABASE)
async def test_a_table_without_a_merchant_is_plumbing_or_one_row(
    service: str, database: ServiceDatabases
) -> None:
    tables = await rows(await database(service), TABLES)
    shared = {table["name"] for table in await rows(await database("chassis"), TABLES)}
    nobodys = [
        table for table in tables if "merchant_id" not in table["columns"] and table["name"] not in shared
    ]
    assert [table["name"] for table in nobodys if "only_row" not in table["columns"]] == []


@pytest.mark.parametrize("service", WITH_A_DATABASE)
async def test_every_policy_shows_the_listed_merchants_and_no_other(
    service: str, database: ServiceDatabases
) -> None:
    own = await database(service)
    policies = await rows(own, POLICIES, own.app_role, own.http_role)
    secured = {table["name"] for table in await rows(own, TABLES) if table["secured"]}
    assert secured <= {policy["name"] for policy in policies}
    assert [
        (policy["name"], policy["policy"])
        for policy in policies
        if "recoup_merchants()" not in policy["sees"] or "recoup_merchants()" not in policy["writes"]
    ] == []


@pytest.mark.parametrize("service", WITH_A_DATABASE)
async def test_the_roles_of_the_service_own_nothing_and_pass_nothing_by(
    service: str, database: ServiceDatabases
) -> None:
    own = await database(service)
    assert await names(own, OWNED, [own.app_role, own.http_role]) == []
    assert await names(own, MIGHTY, [own.app_role, own.http_role]) == []


@pytest.mark.parametrize("service", WITH_A_DATABASE)
async def test_the_http_role_reaches_no_plumbing(service: str, database: ServiceDatabases) -> None:
    own = await database(service)
    granted = await rows(own, RIGHTS, own.http_role)
    assert [
        (r["name"], r["privilege"]) for r in granted if r["privilege"] not in HTTP_MAY.get(r["name"], ())
    ] == []


@pytest.mark.parametrize("service", WITH_A_DATABASE)
async def test_views_and_definers_lend_nobody_the_owners_eyes(
    service: str, database: ServiceDatabases
) -> None:
    own = await database(service)
    assert await names(own, VIEWS) == []
    assert await names(own, DEFINERS) == []


BREACHES = """
CREATE TABLE planted (merchant_id text NOT NULL);
CREATE TABLE leaking (merchant_id text NOT NULL);
ALTER TABLE leaking ENABLE ROW LEVEL SECURITY;
ALTER TABLE leaking FORCE ROW LEVEL SECURITY;
CREATE POLICY everybody ON leaking USING (true);
CREATE VIEW peeping AS SELECT * FROM leaking;
CREATE FUNCTION lending() RETURNS bigint LANGUAGE sql SECURITY DEFINER RETURN (SELECT count(*) FROM leaking);
"""


async def test_a_leak_is_found(database: ServiceDatabases) -> None:
    own = await database.fresh("chassis")
    async with connected(own.owner_dsn) as owner:
        await owner.execute(BREACHES + f"GRANT SELECT ON inbox TO {own.http_role};")
    tables = await rows(own, TABLES)
    assert [table["name"] for table in tables if table["name"] == "planted" and not table["secured"]] == [
        "planted"
    ]
    policies = await rows(own, POLICIES, own.app_role, own.http_role)
    assert [policy["name"] for policy in policies if "recoup_merchants()" not in policy["sees"]] == [
        "leaking"
    ]
    assert await names(own, VIEWS) == ["peeping"]
    assert await names(own, DEFINERS) == ["lending"]
    assert ("inbox", "SELECT") in [tuple(row) for row in await rows(own, RIGHTS, own.http_role)]
    assert await names(own, OWNED, [own.owner_dsn.split("//")[1].split(":")[0]]) != []
    await database.drop(own)
