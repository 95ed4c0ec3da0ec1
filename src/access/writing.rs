//! Writing: one transaction on the primary for each mutation field, in a task of its own.

use chrono::{DateTime, Utc};
use tracing::Instrument;
use uuid::Uuid;

use crate::access::scope::{Means, Scope};
use crate::access::services::Services;
use crate::base::{Code, Error, Result, id};
use crate::platform::postgres::{Access, Pool, Position, Settings, Transaction};

/// What an action has at hand: the transaction of its mutation field, and on whose behalf it runs.
#[derive(Clone)]
pub struct Act {
    /// The transaction.
    pub db: Transaction,
    /// On whose behalf.
    pub scope: Scope,
    now: DateTime<Utc>,
}

impl Act {
    /// What an action has at hand; all that it writes bears the present instant.
    #[must_use]
    pub fn new(db: Transaction, scope: Scope) -> Self {
        let now = chrono::SubsecRound::trunc_subsecs(scope.clock.now(), 6);
        Self { db, scope, now }
    }

    /// The tenant.
    #[must_use]
    pub const fn organization(&self) -> Uuid {
        self.scope.organization
    }

    /// The instant at which the action began, to the microsecond that the database keeps.
    #[must_use]
    pub const fn now(&self) -> DateTime<Utc> {
        self.now
    }

    /// The same action within another organization of the acting user. The database has to be told as well.
    #[must_use]
    pub fn within(&self, organization: Uuid) -> Self {
        Self { db: self.db.clone(), scope: Scope { organization, ..self.scope.clone() }, now: self.now }
    }

    /// A fresh identifier.
    #[must_use]
    pub fn fresh_id(&self) -> Uuid {
        id::fresh(&*self.scope.clock)
    }
}

/// Runs an action in one transaction on the primary, in a task of its own, so that a caller who leaves cannot cut it; what it has written, the
/// session's reads see from then on.
///
/// # Errors
/// What the action or committing failed with. Of what may be tried again, the message says that nothing was changed.
pub async fn write_as<T, F, Fut>(services: &Services, scope: Scope, action: F) -> Result<T>
where
    T: Send + 'static,
    F: FnOnce(Act) -> Fut + Send + 'static,
    Fut: Future<Output = Result<T>> + Send + 'static,
{
    let primary = services.databases.primary();
    let (settings, application, own) = (scope.settings(), scope.application(), services.clone());
    // Nobody reads in the name of a job.
    let reads = !matches!(scope.means, Means::Job(_));
    let organization = scope.organization;
    let written = async move |place| {
        own.events.publish(organization);
        if reads {
            own.consistency.remember(application, place, own.databases.lineage()).await;
        }
    };
    write(primary, &settings, move |db| action(Act::new(db, scope)), written).await
}

/// Runs work in one transaction on `pool` under the given settings, in a task of its own; `written` comes after the commit.
///
/// # Errors
/// As [`write_as`].
pub async fn write<T, F, Fut, W, Then>(pool: &Pool, settings: &Settings, work: F, written: W) -> Result<T>
where
    T: Send + 'static,
    F: FnOnce(Transaction) -> Fut + Send + 'static,
    Fut: Future<Output = Result<T>> + Send + 'static,
    W: FnOnce(Option<Position>) -> Then + Send + 'static,
    Then: Future<Output = ()> + Send + 'static,
{
    let db = Transaction::new(pool.clone(), Access::Write, settings);
    let task = async move {
        let outcome = work(db.clone()).await.map_err(undone)?;
        let committed = db.commit().await;
        // Also when it failed: it may have been made all the same, and whoever looks must find it.
        written(committed.as_ref().copied().unwrap_or_default()).await;
        committed.map(|_| outcome)
    };
    pool.spawn_write(task.in_current_span()).await.unwrap_or_else(|failure| Err(Error::internal(format!("an action did not finish: {failure}"))))
}

/// An error of a transaction that is rolled back, for a caller who wonders whether to repeat the change.
fn undone(mut error: Error) -> Error {
    if matches!(error.code, Code::DatabaseUnavailable | Code::Timeout) {
        error.message.push_str(" Nothing was changed.");
    }
    error
}
