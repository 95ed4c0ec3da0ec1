//! Whether both sides say the same, and something at all.

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// Compares what the product answers with what the handler written by hand does, byte by byte: the order of the fields counts. What the product says
/// besides of prices, the other does not; and of what was `created` each side has its own, so that values are compared without what is fresh in them.
///
/// # Errors
/// When they differ, when either is not JSON, or when they say nothing.
pub fn alike(product: &[u8], by_hand: &[u8], created: bool) -> Result<()> {
    let read = |text| serde_json::from_slice::<Value>(text).context("an answer is not JSON");
    let (mut text, mut one, mut other) = (product.to_vec(), read(product)?, read(by_hand)?);
    without_cost(&mut one, &mut text)?;
    let same = if created {
        for answer in [&mut one, &mut other] {
            blank(answer, "/data/contactCreate/contact/id")?;
            blank(answer, "/data/contactCreate/contact/email")?;
            blank(answer, "/extensions/consistency/token")?;
        }
        one == other
    } else {
        text == by_hand
    };
    if !same {
        bail!("the product says\n{one}\nand the handler written by hand\n{other}");
    }
    if !has_something(&one) {
        bail!("an answer without content: {one}; remove the folder of the data, if it was made by an earlier version");
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
