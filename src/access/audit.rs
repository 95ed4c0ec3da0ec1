//! The audit log's writer: one entry for each action, in the action's own transaction, so that there is neither a change without an entry nor an
//! entry without its change. The server's role may not change or delete entries, and nothing switches this off.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use serde::Serialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::access::writing::Act;
use crate::base::{Error, Noun, Result};
use crate::schema::audit_entries;

#[derive(Debug, Insertable)]
#[diesel(table_name = audit_entries)]
struct NewEntry {
    organization_id: Uuid,
    id: Uuid,
    at: DateTime<Utc>,
    actor_id: Option<Uuid>,
    api_key_id: Option<Uuid>,
    action: String,
    noun: &'static str,
    row_id: Uuid,
    before: Option<Value>,
    after: Option<Value>,
    request_id: String,
}

/// One row that an action changed: what it was and what it has become.
#[derive(Debug)]
pub struct Changed<'a, R> {
    /// The row's id.
    pub id: Uuid,
    /// The row before, unless it was created.
    pub before: Option<&'a R>,
    /// The row after, unless it was deleted.
    pub after: Option<&'a R>,
}

/// Writes one entry for each row that `action` (such as `contact.update`) changed, in one statement.
///
/// # Errors
/// As the database fails.
pub async fn record<R: Noun + Serialize>(act: &Act, action: &str, changes: &[Changed<'_, R>]) -> Result<()> {
    let now = act.now();
    let entries: Vec<NewEntry> = changes
        .iter()
        .map(|change| {
            let (before, after) = difference(change.before, change.after)?;
            Ok(NewEntry {
                organization_id: act.organization(),
                id: act.fresh_id(),
                at: now,
                actor_id: act.scope.actor(),
                api_key_id: act.scope.means.key(),
                action: action.to_owned(),
                noun: R::PREFIX,
                row_id: change.id,
                before,
                after,
                request_id: act.scope.request_id.to_string(),
            })
        })
        .collect::<Result<_>>()?;
    if entries.is_empty() {
        return Ok(());
    }
    act.db.execute(diesel::insert_into(audit_entries::table).values(entries)).await?;
    Ok(())
}

/// Both states reduced to the columns that differ; a created or deleted row is kept whole.
fn difference<R: Serialize>(before: Option<&R>, after: Option<&R>) -> Result<(Option<Value>, Option<Value>)> {
    let object = |row: Option<&R>| row.map(serde_json::to_value).transpose().map_err(Error::internal);
    let (Some(Value::Object(before)), Some(Value::Object(after))) = (object(before)?, object(after)?) else {
        return Ok((object(before)?, object(after)?));
    };
    let changed = |name: &String| before.get(name) != after.get(name);
    let reduced =
        |row: &Map<String, Value>| Value::Object(row.iter().filter(|(name, _)| changed(name)).map(|(k, v)| (k.clone(), v.clone())).collect());
    Ok((Some(reduced(&before)), Some(reduced(&after))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_what_differs_is_kept() {
        let (before, after) = difference(Some(&json!({"name": "Asha", "city": "Pune"})), Some(&json!({"name": "Asha Rao", "city": "Pune"}))).unwrap();
        assert_eq!((before, after), (Some(json!({"name": "Asha"})), Some(json!({"name": "Asha Rao"}))));
        let (before, after) = difference(None, Some(&json!({"name": "Asha"}))).unwrap();
        assert_eq!((before, after), (None, Some(json!({"name": "Asha"}))));
    }
}
