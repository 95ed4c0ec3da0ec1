//! Deleting what is over, of all tenants, a little at a time.

use crate::access::services::Services;
use crate::access::writing::write;
use crate::base::Result;
use crate::platform::postgres::Settings;
use crate::platform::postgres::statement::{Bind, Sql};

/// So many rows are deleted in one transaction, so that no lock is held for long.
const BATCH: i32 = 1_000;

/// Runs a statement that deletes up to so many rows and says how many, until there are none left; says how many there were.
///
/// # Errors
/// As the database fails.
pub async fn delete_in_batches(services: &Services, text: &'static str) -> Result<i64> {
    let mut total: i64 = 0;
    loop {
        let statement = Sql::<diesel::sql_types::BigInt>::new(text, vec![Bind::Int(BATCH)]);
        let primary = services.databases.primary();
        let deleted: Option<i64> = write(primary, &Settings::default(), |db| async move { db.first(statement).await }, async |_| ()).await?;
        match deleted {
            Some(deleted) if deleted > 0 => total = total.saturating_add(deleted),
            _ => return Ok(total),
        }
    }
}
