//! The database: whether it is there, and whether its roles, migrations, indexes, policies and replica are as they must be.

mod expected;

use std::collections::BTreeSet;

use anyhow::Context;
use diesel::deserialize::FromSqlRow;
use diesel::pg::Pg;
use diesel::query_dsl::CompatibleType;
use diesel::sql_types::{BigInt, Bool, Integer, Text};

use crate::commands::doctor::Finding;
use crate::platform::config::DatabaseConfig;
use crate::platform::postgres::statement::Sql;
use crate::platform::postgres::{Access, Pool, Settings, Transaction};

/// The oldest PostgreSQL that has what the migrations use.
const OLDEST: i32 = 15;
/// A replica that is further behind, in bytes of the log, is worth a look.
const LAG_LIMIT: i64 = 16 * 1024 * 1024;

/// Looks at the primary, and at the replicas where there are any.
pub async fn examine(url: &str, replicas: &[String]) -> Vec<Finding> {
    let primary = match Node::new(url) {
        Ok(node) => node,
        Err(error) => return vec![Finding::wrong("database", format!("DATABASE_URL cannot be understood: {error:#}"), URL_FORM)],
    };
    let reached = reach(&primary).await;
    if reached.state > super::State::Warning {
        return vec![reached];
    }
    let mut looked = vec![
        ("roles", roles(&primary).await),
        ("migrations", migrations(&primary).await),
        ("indexes", indexes(&primary).await),
        ("row level security", policies(&primary).await),
        ("events", events(&primary).await),
    ];
    for replica in replicas {
        looked.push(("replica", lag(&primary, replica).await));
    }
    if replicas.is_empty() {
        let found = "not used: DATABASE_READ_URL is not set, so the primary serves reads too";
        looked.push(("replica", Ok(Finding::ok("replica", found))));
    }
    let failed = |part, error: anyhow::Error| Finding::wrong(part, format!("cannot be looked at: {error:#}"), "see what is said of the others");
    std::iter::once(reached).chain(looked.into_iter().map(|(part, found)| found.unwrap_or_else(|error| failed(part, error)))).collect()
}

const URL_FORM: &str = "write it as postgres://payaid_server:password@host:5432/payaid";

/// A database server that can be asked.
struct Node(Pool);

impl Node {
    fn new(url: &str) -> anyhow::Result<Self> {
        let config = DatabaseConfig { pool_size: 1, pool_wait: std::time::Duration::from_secs(5), ..DatabaseConfig::at(url) };
        Ok(Self(Pool::new(url, &config)?))
    }

    /// Asks in a transaction of its own, so that a question that fails spoils no other.
    async fn ask<ST, T>(&self, question: &'static str) -> anyhow::Result<Vec<T>>
    where
        ST: 'static,
        Sql<ST>: diesel::query_builder::Query<SqlType = ST>,
        ST: CompatibleType<T, Pg, SqlType = ST>,
        T: FromSqlRow<ST, Pg>,
    {
        let transaction = Transaction::new(self.0.clone(), Access::Snapshot, &Settings::default());
        transaction.load(Sql::<ST>::new(question, Vec::new())).await.map_err(|error| anyhow::anyhow!("{}", error.internal.unwrap_or(error.message)))
    }
}

async fn reach(primary: &Node) -> Finding {
    const PART: &str = "database";
    let question = "SELECT current_setting('server_version_num')::int / 10000, current_setting('server_version'), \
                    current_database()::text, session_user::text, pg_is_in_recovery()";
    let answer = primary.ask::<(Integer, Text, Text, Text, Bool), (i32, String, String, String, bool)>(question).await;
    let (major, version, database, login, recovering) = match answer.map(|rows| rows.into_iter().next()) {
        Ok(Some(row)) => row,
        Ok(None) => return Finding::wrong(PART, "gives no answer", "look into its log"),
        Err(error) => {
            let (found, advice) = why_not(&format!("{error:#}"));
            return Finding::wrong(PART, found, advice);
        }
    };
    let found = format!("PostgreSQL {version}, database {database}, login {login}");
    if major < OLDEST {
        return Finding::wrong(PART, found, format!("PostgreSQL {OLDEST} is the oldest that works: upgrade it"));
    }
    if recovering {
        return Finding::wrong(PART, format!("{found}: a replica, which cannot be written to"), "point DATABASE_URL at the primary");
    }
    Finding::ok(PART, found)
}

/// What keeps the server from connecting, and what to do.
fn why_not(reason: &str) -> (String, String) {
    let has = |part: &str| reason.contains(part);
    let advice = if has("role") && has("payaid_server") && (has("does not exist") || has("invalid value")) {
        "the migrations make the role payaid_server: run `payaid migrate` with DATABASE_DIRECT_URL"
    } else if has("bypasses row level security") {
        "do as it says, else tenants are not held apart; until then the server refuses every operation"
    } else if has("permission denied to set role") {
        "the login must be a member of the server's role: GRANT payaid_server TO the login"
    } else if has("password authentication failed") || has("no password supplied") {
        "check the password in DATABASE_URL"
    } else if has("certificate") {
        "name who issued the certificate in SSL_CERT_FILE and use the host's name in it; on one machine, end the address with ?sslmode=disable"
    } else if has("database") && has("does not exist") {
        "create the database, then run `payaid migrate`"
    } else {
        "is it running, and does DATABASE_URL name the right host and port?"
    };
    (format!("cannot be reached: {reason}"), advice.to_owned())
}

/// That payaid_server is no superuser and bypasses nothing is seen to by the pool, which else gives no connection.
async fn roles(primary: &Node) -> anyhow::Result<Finding> {
    const PART: &str = "roles";
    let question = "SELECT (SELECT rolsuper FROM pg_roles WHERE rolname = session_user), \
        (SELECT count(*) FROM pg_class WHERE relowner = 'payaid_server'::regrole) + (SELECT count(*) FROM pg_proc WHERE proowner = 'payaid_server'::regrole), \
        (SELECT count(*) FROM pg_auth_members WHERE member = 'payaid_server'::regrole), \
        coalesce((SELECT NOT rolcanlogin AND NOT rolsuper AND NOT rolbypassrls FROM pg_roles WHERE rolname = 'payaid_owner'), false)";
    let rows = primary.ask::<(Bool, BigInt, BigInt, Bool), (bool, i64, i64, bool)>(question).await?;
    let (powerful_login, owns, member_of, owner) = rows.into_iter().next().context("no answer")?;
    if owns > 0 {
        let advice = "REASSIGN OWNED BY payaid_server TO payaid_owner: who owns a table can switch its policies off";
        return Ok(Finding::wrong(PART, format!("payaid_server owns {owns} objects"), advice));
    }
    if member_of > 0 {
        let advice = "REVOKE those roles FROM payaid_server: it would have their rights as well";
        return Ok(Finding::wrong(PART, format!("payaid_server is a member of {member_of} other roles"), advice));
    }
    if !owner {
        let advice = "run `payaid migrate`, and let payaid_owner neither log in nor bypass row level security";
        return Ok(Finding::wrong(PART, "payaid_owner is missing, can log in, or has too many rights", advice));
    }
    if powerful_login {
        let advice = "fine for development; in production log in as payaid_server";
        return Ok(Finding::warning(PART, "the login is a superuser, though it takes on the role payaid_server", advice));
    }
    Ok(Finding::ok(PART, "payaid_server owns nothing and bypasses nothing, payaid_owner is there"))
}

async fn migrations(primary: &Node) -> anyhow::Result<Finding> {
    const PART: &str = "migrations";
    let done: BTreeSet<String> = run_migrations(primary).await?;
    let known: BTreeSet<String> = expected::versions()?;
    let pending: Vec<_> = known.difference(&done).cloned().collect();
    let newer: Vec<_> = done.difference(&known).cloned().collect();
    if !pending.is_empty() {
        return Ok(Finding::wrong(PART, format!("{} of {} were not run: {}", pending.len(), known.len(), some(&pending)), "run `payaid migrate`"));
    }
    if !newer.is_empty() {
        let found = format!("the database has {} that this payaid does not know: {}", newer.len(), some(&newer));
        return Ok(Finding::warning(PART, found, "this payaid is older than the database: upgrade it"));
    }
    Ok(Finding::ok(PART, format!("all {} were run", known.len())))
}

/// The versions that were run: none where there is not even the table that records them.
async fn run_migrations(primary: &Node) -> anyhow::Result<BTreeSet<String>> {
    if primary.ask::<Bool, bool>("SELECT to_regclass('public.__diesel_schema_migrations') IS NULL").await?.contains(&true) {
        return Ok(BTreeSet::new());
    }
    Ok(primary.ask::<Text, String>("SELECT version::text FROM __diesel_schema_migrations").await?.into_iter().collect())
}

async fn indexes(primary: &Node) -> anyhow::Result<Finding> {
    const PART: &str = "indexes";
    let question = "SELECT relname::text, indisvalid AND indisready FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid \
                    WHERE relnamespace = 'public'::regnamespace";
    let there = primary.ask::<(Text, Bool), (String, bool)>(question).await?;
    let invalid: Vec<_> = there.iter().filter(|(_, valid)| !valid).map(|(name, _)| name.clone()).collect();
    let names: BTreeSet<String> = there.iter().map(|(name, _)| name.clone()).collect();
    let missing: Vec<_> = expected::indexes(&run_migrations(primary).await?)?.difference(&names).cloned().collect();
    if !invalid.is_empty() {
        return Ok(Finding::wrong(PART, format!("not usable: {}", some(&invalid)), "REINDEX INDEX CONCURRENTLY each of them"));
    }
    if !missing.is_empty() {
        return Ok(Finding::wrong(PART, format!("missing: {}", some(&missing)), "create them as their migrations do"));
    }
    Ok(Finding::ok(PART, format!("all {} are there and usable", names.len())))
}

async fn policies(primary: &Node) -> anyhow::Result<Finding> {
    const PART: &str = "row level security";
    let question = "SELECT relname::text, relrowsecurity AND relforcerowsecurity \
        FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND relname <> '__diesel_schema_migrations'";
    let tables = primary.ask::<(Text, Bool), (String, bool)>(question).await?;
    let open: Vec<_> = tables.iter().filter(|(_, closed)| !closed).map(|(name, _)| name.clone()).collect();
    if tables.is_empty() {
        return Ok(Finding::wrong(PART, "there are no tables", "run `payaid migrate`"));
    }
    if !open.is_empty() {
        let advice = "stop the server; ALTER TABLE ... ENABLE ROW LEVEL SECURITY, and FORCE ROW LEVEL SECURITY";
        return Ok(Finding::wrong(PART, format!("not enabled or not forced on: {}", some(&open)), advice));
    }
    let there = primary.ask::<Text, String>("SELECT policyname || ' on ' || tablename FROM pg_policies WHERE schemaname = 'public'").await?;
    let missing: Vec<_> = expected::policies(&run_migrations(primary).await?)?.difference(&there.into_iter().collect()).cloned().collect();
    if !missing.is_empty() {
        return Ok(Finding::wrong(PART, format!("policies are missing: {}", some(&missing)), "create them as their migrations do"));
    }
    let seen = primary.ask::<Text, String>(SEEN).await?;
    if !seen.is_empty() {
        let advice = "stop the server, and make the policies of these tables anew as their migrations do";
        return Ok(Finding::wrong(PART, format!("rows are seen without a tenant in: {}", some(&seen)), advice));
    }
    Ok(Finding::ok(PART, format!("enabled and forced on all {} tables, and without a tenant nothing is seen", tables.len())))
}

/// Events that bear numbers of transactions that are yet to come were brought from another cluster.
async fn events(primary: &Node) -> anyhow::Result<Finding> {
    const PART: &str = "events";
    if primary.ask::<Bool, bool>("SELECT events_ahead()").await?.contains(&true) {
        let found = "some were restored from another cluster as they stood there, so that nothing is told to subscriptions and `changes`";
        return Ok(Finding::wrong(PART, found, "stop the servers and run the statements of \"After a restore\" in docs/subscriptions.md"));
    }
    Ok(Finding::ok(PART, "all stand where they are told"))
}

/// The tables that show a row though no tenant is set, whatever the catalog says. `query_to_xml` runs a statement for each, and is empty for none.
const SEEN: &str = "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') \
    AND relname <> '__diesel_schema_migrations' AND has_table_privilege(oid, 'SELECT') \
    AND query_to_xml(format('SELECT 1 AS seen FROM %s LIMIT 1', oid::regclass), false, true, '')::text <> ''";

async fn lag(primary: &Node, url: &str) -> anyhow::Result<Finding> {
    const PART: &str = "replica";
    let replica = match Node::new(url) {
        Ok(node) => node,
        Err(error) => return Ok(Finding::wrong(PART, format!("DATABASE_READ_URL cannot be understood: {error:#}"), URL_FORM)),
    };
    const POSITION: &str = "SELECT (SELECT system_identifier FROM pg_control_system()), pg_is_in_recovery(), \
        (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END - '0/0'::pg_lsn)::bigint";
    let position = async |node: &Node| {
        let rows = node.ask::<(BigInt, Bool, BigInt), (i64, bool, i64)>(POSITION).await?;
        rows.into_iter().next().context("no answer")
    };
    let (cluster, _, written) = position(primary).await?;
    let (other, recovering, replayed) = match position(&replica).await {
        Ok(row) => row,
        Err(error) => {
            let found = format!("cannot be reached, so the primary serves reads too: {error:#}");
            return Ok(Finding::wrong(PART, found, "start it, or take DATABASE_READ_URL away"));
        }
    };
    if other != cluster {
        return Ok(Finding::wrong(PART, "is a copy of another database", "point DATABASE_READ_URL at a replica of this primary"));
    }
    if !recovering {
        return Ok(Finding::wrong(PART, "is no replica, so nothing is read from it", "point DATABASE_READ_URL at a replica"));
    }
    let behind = (written - replayed).max(0);
    let found = format!("replays the primary's log, {} KiB behind", behind / 1024);
    if behind > LAG_LIMIT {
        return Ok(Finding::warning(PART, found, "reads from it are old: look at its load and its network"));
    }
    Ok(Finding::ok(PART, found))
}

/// The first few names of a list.
fn some(names: &[String]) -> String {
    let shown: Vec<&str> = names.iter().take(5).map(String::as_str).collect();
    if names.len() > shown.len() { format!("{} and {} more", shown.join(", "), names.len() - shown.len()) } else { shown.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_list_is_cut() {
        let names = |count: usize| (0..count).map(|n| n.to_string()).collect::<Vec<_>>();
        assert_eq!(some(&names(2)), "0, 1");
        assert_eq!(some(&names(7)), "0, 1, 2, 3, 4 and 2 more");
    }

    #[test]
    fn the_advice_fits_the_failure() {
        for (reason, advice) in [
            ("db error: FATAL: role \"payaid_server\" does not exist", "payaid migrate"),
            ("the role payaid_server is a superuser or bypasses row level security: take that from it", "as it says"),
            ("FATAL: permission denied to set role \"payaid_server\"", "GRANT"),
            ("FATAL: password authentication failed for user \"payaid_server\"", "password"),
            ("FATAL: database \"payaid\" does not exist", "create the database"),
            ("error performing TLS handshake: invalid peer certificate: certificate not valid for name \"127.0.0.1\"", "sslmode=disable"),
            ("connection refused", "is it running"),
        ] {
            let (_, given) = why_not(reason);
            assert!(given.contains(advice), "{reason}: {given}");
        }
    }
}
