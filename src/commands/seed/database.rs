//! How seeds reach the database: as the server does, with more time.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use diesel::sql_types::{Bool, Text};
use uuid::Uuid;

use crate::base::Error;
use crate::commands::seed::rows::{Organization, User};
use crate::platform::config::DatabaseConfig;
use crate::platform::postgres::statement::{Bind, Sql};
use crate::platform::postgres::{Access, Pool, Settings, Transaction};
use crate::schema::{organizations, users};

/// At most so many rows are inserted by one statement: 65,535 values are the most that one can bind.
pub const BATCH: usize = 1_000;

/// A pool whose statements may take as long as a load takes.
pub fn connect(url: &str) -> anyhow::Result<Pool> {
    let long = Duration::from_secs(600);
    let config = DatabaseConfig {
        pool_size: 2,
        pool_wait: Duration::from_secs(30),
        statement_timeout: long,
        lock_timeout: long,
        idle_in_transaction_timeout: long,
        ..DatabaseConfig::at(url)
    };
    Pool::primary(url, &config, &Arc::default())
}

/// A transaction for one organization.
pub fn begin(pool: &Pool, organization: Uuid) -> Transaction {
    let settings = Settings { organization: Some(organization), ..Settings::default() };
    Transaction::new(pool.clone(), Access::Write, &settings)
}

/// As [`begin`], for rows that are known to refer to one another rightly: a superuser's login, as private databases have, need not have every
/// foreign key looked up, which is a third of the work. Row level security stays.
pub async fn begin_unchecked(pool: &Pool, organization: Uuid) -> anyhow::Result<Transaction> {
    let db = begin(pool, organization);
    for text in [
        "SELECT set_config('role', 'none', true)",
        "SELECT set_config('session_replication_role', 'replica', true) FROM pg_roles WHERE rolname = current_user AND rolsuper",
        "SELECT set_config('role', 'payaid_server', true)",
    ] {
        db.load::<_, String, _>(Sql::<Text>::new(text, Vec::new())).await.map_err(explain)?;
    }
    Ok(db)
}

/// Inserts the organization unless it is there, and says whether it was inserted. Another seed that is loading it is waited for.
pub async fn claim(db: &Transaction, organization: &Organization) -> anyhow::Result<bool> {
    let insert = diesel::insert_into(organizations::table).values(organization.clone()).on_conflict_do_nothing();
    Ok(db.execute(insert).await.map_err(explain)? == 1)
}

/// Inserts users, each of whom row level security lets in only as herself.
pub async fn insert_users(db: &Transaction, rows: &[User]) -> anyhow::Result<()> {
    for row in rows {
        let oneself = Sql::<Text>::new("SELECT set_config('app.user_id', ?, true)", vec![Bind::Text(row.id.to_string())]);
        db.load::<_, String, _>(oneself).await.map_err(explain)?;
        let insert = diesel::insert_into(users::table).values(row.clone());
        db.execute(insert).await.map_err(explain).with_context(|| format!("{} cannot be added: is there a user of that address?", row.email))?;
    }
    Ok(())
}

/// Renews the planner's statistics, where the login may: it must own the tables or be a member of their owner. Says whether it could.
///
/// # Errors
/// When the database cannot be reached.
pub async fn analyze(url: &str) -> anyhow::Result<bool> {
    let db = Transaction::new(connect(url)?, Access::Write, &Settings::default());
    // Here the login counts, not the server's role that every connection takes on.
    db.execute(Sql::<Bool>::new("SET LOCAL ROLE NONE", Vec::new())).await.map_err(explain)?;
    let asked = Sql::<Bool>::new("SELECT pg_has_role(relowner, 'USAGE') FROM pg_class WHERE oid = 'public.organizations'::regclass", Vec::new());
    let may = db.first::<_, bool, _>(asked).await.map_err(explain)?.unwrap_or(false);
    if may {
        db.execute(Sql::<Bool>::new("ANALYZE", Vec::new())).await.map_err(explain)?;
    }
    db.commit().await.map_err(explain)?;
    Ok(may)
}

/// An error with what the database said, for the person at the command line.
pub fn explain(error: Error) -> anyhow::Error {
    match error.internal {
        Some(internal) => anyhow!("{internal}"),
        None => anyhow!("{}", error.message),
    }
}

/// Inserts rows into a table, some at a time.
macro_rules! insert {
    ($db:expr, $table:ident, $rows:expr) => {
        for batch in $rows.chunks($crate::commands::seed::database::BATCH) {
            let insert = diesel::insert_into($crate::schema::$table::table).values(batch.to_vec());
            $db.execute(insert).await.map_err($crate::commands::seed::database::explain)?;
        }
    };
}
pub(super) use insert;
