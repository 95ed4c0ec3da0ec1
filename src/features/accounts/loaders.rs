//! Batch functions over accounts.

use std::collections::HashMap;
use std::sync::Arc;

use uuid::Uuid;

use crate::access::{Batch, Reader};
use crate::base::Result;
use crate::features::accounts::model::User;
use crate::features::accounts::queries;

/// Users by their ids.
pub struct UserById;

impl Batch for UserById {
    type Key = Uuid;
    type Value = Arc<User>;

    async fn load(reader: Reader, keys: Vec<Uuid>) -> Result<HashMap<Uuid, Arc<User>>> {
        let users = queries::users_by_ids(&reader, keys).await?;
        Ok(users.into_iter().map(|user| (user.id, Arc::new(user))).collect())
    }
}
