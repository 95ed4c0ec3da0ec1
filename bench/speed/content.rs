//! What the requests name, taken from the data, and that both sides answer alike.

use anyhow::{Context, Result};
use payaid::commands::seed::DEMO_PASSWORD;
use serde_json::{Value, json};

use crate::alike::alike;
use crate::load;
use crate::process::{Kind, Servers, Side};
use crate::works::{Of, Work};

/// What requests name.
pub struct Samples {
    pub contacts: Vec<String>,
    pub cursors: Vec<String>,
    pub small_cursors: Vec<String>,
    pub words: Vec<String>,
    large: String,
    small: String,
}

impl Samples {
    /// Signs in to a large and a small organization, as these, and looks around on so many pages.
    pub async fn take(servers: &Servers, [large, small]: [&str; 2], pages: usize) -> Result<Self> {
        let side = &servers.product;
        let (large, small) = (sign_in(side, large).await?, sign_in(side, small).await?);
        let (cursors, contacts) = look(side, &large, pages).await?;
        let (small_cursors, _) = look(side, &small, pages).await?;
        let first = ["asha", "ravi", "meera", "arjun", "kavita", "sanjay", "priya", "imran", "divya"];
        let second = ["pune", "kochi", "surat", "jaipur", "rao", "patel", "iyer"];
        let words = first.iter().flat_map(|first| second.iter().map(move |second| format!("{first} {second}"))).collect();
        Ok(Self { contacts, cursors, small_cursors, words, large, small })
    }

    /// The access token of an organization's owner.
    pub fn token(&self, of: Of) -> &str {
        if of == Of::Large { &self.large } else { &self.small }
    }
}

async fn sign_in(side: &Side, email: &str) -> Result<String> {
    let document = "mutation($input: SignInInput!) { signIn(input: $input) { accessToken } }";
    let answer = ask(side, None, document, json!({"input": {"email": email, "password": DEMO_PASSWORD}})).await?;
    answer.pointer("/data/signIn/accessToken").and_then(Value::as_str).map(str::to_owned).with_context(|| format!("no token in {answer}"))
}

/// The ends of some pages, and the contacts on them.
async fn look(side: &Side, token: &str, pages: usize) -> Result<(Vec<String>, Vec<String>)> {
    let document = "query($after: String) { contacts(first: 100, after: $after) { pageInfo { endCursor } nodes { id } } }";
    let (mut cursors, mut contacts) = (Vec::new(), Vec::new());
    for _ in 0..pages {
        let answer = ask(side, Some(token), document, json!({"after": cursors.last()})).await?;
        let page = answer.pointer("/data/contacts").with_context(|| format!("no page in {answer}"))?;
        cursors.push(page["pageInfo"]["endCursor"].as_str().context("no cursor")?.to_owned());
        contacts.extend(page["nodes"].as_array().into_iter().flatten().filter_map(|node| node["id"].as_str()).map(str::to_owned));
    }
    Ok((cursors, contacts))
}

pub async fn ask(side: &Side, token: Option<&str>, document: &str, variables: Value) -> Result<Value> {
    let body = json!({"query": document, "variables": variables}).to_string();
    let request = load::request("/graphql", token, &body);
    serde_json::from_slice(&load::once(side, &request).await?).context("an answer is not JSON")
}

/// Asks both sides the same, a few times, and compares what they say.
pub async fn compare(servers: &Servers, work: &Work, samples: &Samples) -> Result<()> {
    for variables in work.variables(samples, 10) {
        let mut answers = Vec::new();
        for side in servers.sides() {
            // What is created by one side is in the other's way.
            let variables = if work.writes() { work.variables(samples, 1).remove(0) } else { variables.clone() };
            answers.push((side.kind, load::once(side, &work.request(side.kind, samples, variables)).await?));
        }
        let of = |kind| answers.iter().find(|(side, _)| *side == kind).map(|(_, text)| text).context("there are two sides");
        alike(of(Kind::Product)?, of(Kind::Plain)?, work.writes())?;
    }
    Ok(())
}
