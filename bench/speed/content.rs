//! What the requests name, taken from the data, and that both sides answer alike.

use anyhow::{Context, Result, bail};
use payaid::commands::seed::DEMO_PASSWORD;
use serde_json::{Value, json};

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

/// Asks both sides the same, a few times, and compares what they say, byte by byte: the order of the fields counts. What the product says besides of
/// prices, the other does not.
pub async fn compare(servers: &Servers, work: &Work, samples: &Samples) -> Result<()> {
    for variables in work.variables(samples, 10) {
        let mut answers = Vec::new();
        for side in servers.sides() {
            // What is created by one side is in the other's way.
            let variables = if work.writes() { work.variables(samples, 1).remove(0) } else { variables.clone() };
            let mut text = load::once(side, &work.request(side.kind, samples, variables)).await?;
            let mut answer = serde_json::from_slice::<Value>(&text).context("an answer is not JSON")?;
            if side.kind == Kind::Product {
                without_cost(&mut answer, &mut text)?;
            }
            answers.push((answer, text));
        }
        let [(one, text), (other, other_text)] = answers.as_mut_slice() else { bail!("there are two sides") };
        let alike = if work.writes() {
            for answer in [&mut *one, &mut *other] {
                blank(answer, "/data/contactCreate/contact/id")?;
                blank(answer, "/data/contactCreate/contact/email")?;
                blank(answer, "/extensions/consistency/token")?;
            }
            one == other
        } else {
            text == other_text
        };
        if !alike {
            bail!("the product says\n{one}\nand the handler written by hand\n{other}");
        }
        if !has_something(one) {
            bail!("an answer without content: {one}; remove the folder of the data, if it was made by an earlier version");
        }
    }
    Ok(())
}

/// Takes away what an answer says of its price.
fn without_cost(answer: &mut Value, text: &mut Vec<u8>) -> Result<()> {
    let extensions = answer.get_mut("extensions").and_then(Value::as_object_mut).context("no extensions")?;
    extensions.remove("cost").context("no price")?;
    if extensions.is_empty() {
        let begins = b",\"extensions\":{\"cost\":";
        let at = text.windows(begins.len()).rposition(|window| window == begins).context("no price at the end")?;
        text.truncate(at);
        text.push(b'}');
        answer.as_object_mut().context("no object")?.remove("extensions");
    }
    Ok(())
}

/// What is fresh in every row cannot be compared; that it is there can.
fn blank(answer: &mut Value, at: &str) -> Result<()> {
    let value = answer.pointer_mut(at).filter(|value| value.is_string()).with_context(|| format!("there is nothing at {at}"))?;
    *value = Value::Null;
    Ok(())
}

fn has_something(answer: &Value) -> bool {
    let full = |value: &Value| value.as_object().is_some_and(|data| data.values().all(|value| !value.is_null()));
    answer.get("errors").is_none()
        && answer.get("data").is_some_and(full)
        && ["/data/contacts/nodes", "/data/dashboard/recentActivity"].iter().all(|list| answer.pointer(list).is_none_or(is_filled))
        && ["deals", "tasks"].iter().all(|list| some_contact_has(answer, list))
}

fn is_filled(list: &Value) -> bool {
    list.as_array().is_some_and(|entries| !entries.is_empty())
}

/// Whether one of the contacts has something in a list, where they are asked for it.
fn some_contact_has(answer: &Value, list: &str) -> bool {
    let contacts = answer.pointer("/data/contacts/nodes").and_then(Value::as_array);
    let mut lists = contacts.into_iter().flatten().filter_map(|contact| contact.get(list)).peekable();
    lists.peek().is_none() || lists.any(|list| list.get("nodes").is_some_and(is_filled))
}
