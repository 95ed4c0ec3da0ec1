//! What is measured: the operations, what a caller sends with them, and what each is to reach.

use payaid::base::clock::SystemClock;
use payaid::base::id::fresh;
use serde_json::{Value, json};

use crate::content::Samples;
use crate::documents::{self, Document};
use crate::load;
use crate::process::Kind;

/// One kind of work.
pub struct Work {
    pub name: &'static str,
    /// What it is, for the table.
    pub title: &'static str,
    /// The least ratio to the handler written by hand.
    pub at_least: f64,
    pub document: &'static Document,
    /// Whose data it is.
    pub of: Of,
    /// The variables of the request of a number.
    variables: fn(&Samples, usize) -> Value,
}

/// An organization of the benchmark data.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Of {
    /// The one that has half of everything.
    Large,
    /// One that has a fortieth of everything.
    Small,
}

/// How many different requests are sent in turn.
const VARIETY: usize = 997;

pub const WORKS: &[Work] = &[
    Work {
        name: "contact",
        title: "a contact by id, 8 fields",
        at_least: 0.85,
        document: &documents::CONTACT,
        of: Of::Large,
        variables: |samples, n| json!({"id": samples.contacts[n % samples.contacts.len()]}),
    },
    Work {
        name: "nested",
        title: "50 contacts newest first, each with up to 5 open deals and 3 open tasks",
        at_least: 0.80,
        document: &documents::NESTED,
        of: Of::Large,
        variables: |samples, n| json!({"after": samples.cursors[n % samples.cursors.len()]}),
    },
    Work {
        name: "dashboard",
        title: "dashboard of a small organization",
        at_least: 0.95,
        document: &documents::DASHBOARD,
        of: Of::Small,
        variables: |_, _| json!({}),
    },
    Work {
        name: "search",
        title: "full-text search, first 20",
        at_least: 0.95,
        document: &documents::SEARCH,
        of: Of::Large,
        variables: |samples, n| json!({"words": samples.words[n % samples.words.len()]}),
    },
    Work {
        name: "page",
        title: "a page of 50 with totalCount",
        at_least: 0.90,
        document: &documents::PAGE,
        of: Of::Small,
        variables: |samples, n| json!({"after": samples.small_cursors[n % samples.small_cursors.len()]}),
    },
    Work {
        name: "create",
        title: "contactCreate, with its audit entry",
        at_least: 0.80,
        document: &documents::CREATE,
        of: Of::Large,
        variables: |_, _| {
            let email = format!("{}@created.example", fresh(&SystemClock).simple());
            json!({"input": {"name": "Asha Rao", "email": email, "phone": "+919876543210", "city": "Pune", "stage": "LEAD"}})
        },
    },
];

impl Work {
    /// Whether every request changes something, so that none can be sent twice.
    pub fn writes(&self) -> bool {
        self.document.text.starts_with("mutation")
    }

    /// The variables of a number of requests.
    pub fn variables(&self, samples: &Samples, count: usize) -> Vec<Value> {
        (0..count).map(|n| (self.variables)(samples, n * 7)).collect()
    }

    /// The requests that a side is sent, as they go over the wire.
    pub fn requests(&self, kind: Kind, samples: &Samples) -> Vec<Vec<u8>> {
        let count = if self.writes() { 200_000 } else { VARIETY };
        self.variables(samples, count).into_iter().map(|variables| self.request(kind, samples, variables)).collect()
    }

    /// A request as it goes over the wire.
    pub fn request(&self, kind: Kind, samples: &Samples, variables: Value) -> Vec<u8> {
        let (path, body) = match kind {
            Kind::Product => ("/graphql".to_owned(), json!({"query": self.document.text, "variables": variables})),
            Kind::Plain => (format!("/{}", self.name), variables),
        };
        load::request(&path, Some(samples.token(self.of)), &body.to_string())
    }
}
