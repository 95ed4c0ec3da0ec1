//! Batch functions over contacts.

use std::collections::HashMap;
use std::sync::Arc;

use uuid::Uuid;

use crate::access::{Batch, ListKey, Reader};
use crate::base::Result;
use crate::base::page::Page;
use crate::features::contacts::model::Contact;
use crate::features::contacts::queries::{self, ContactList};

/// Contacts by their ids.
pub struct ContactById;

impl Batch for ContactById {
    type Key = Uuid;
    type Value = Arc<Contact>;

    async fn load(reader: Reader, keys: Vec<Uuid>) -> Result<HashMap<Uuid, Arc<Contact>>> {
        let contacts = queries::by_ids(&reader, keys).await?;
        Ok(contacts.into_iter().map(|contact| (contact.id, Arc::new(contact))).collect())
    }
}

/// A page of contacts for each company.
pub struct ContactsByCompany;

impl Batch for ContactsByCompany {
    type Key = ListKey<ContactList>;
    type Value = Page<Arc<Contact>>;

    async fn load(reader: Reader, keys: Vec<Self::Key>) -> Result<HashMap<Self::Key, Self::Value>> {
        ListKey::pages(keys, |list, companies| {
            let reader = reader.clone();
            async move {
                let rows = queries::pages_by_company(&reader, companies, &list).await?;
                rows.into_iter().map(|row| Ok((row.company_id.value()?, row))).collect()
            }
        }, |list| &list.window).await
    }
}

/// How many contacts each company has.
pub struct ContactCountByCompany;

impl Batch for ContactCountByCompany {
    type Key = ListKey<ContactList>;
    type Value = i64;

    async fn load(reader: Reader, keys: Vec<Self::Key>) -> Result<HashMap<Self::Key, i64>> {
        ListKey::counts(keys, |list, companies| {
            let reader = reader.clone();
            async move { queries::counts_by_company(&reader, companies, &list).await }
        })
        .await
    }
}
