//! Bounces: what mail servers send back about mail that they could not deliver (RFC 3464).
//!
//! What must hold: anybody can send such a mail, so nothing in it is believed but our own reference, which nobody can guess; and whatever it is, it is
//! read without a fault.

mod report;

use mail_parser::{Message, MessageParser, MessagePart, MimeHeaders, PartType};

use crate::platform::mail::compose::REFERENCE_HEADER;
use report::Report;

/// The most bytes of a mail that are read. Bounces bring the mail back that they are about, but behind what they say of it.
const LONGEST: usize = 256 * 1024;
/// Room for as many mails within mails as so many bytes can hold: the parser takes them apart level by level.
const STACK: usize = 64 * 1024 * 1024;
/// The most letters of what a server said that are kept.
const LONGEST_DIAGNOSTIC: usize = 500;

/// What a mail server said about a mail that it could not deliver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bounce {
    /// Our word for the mail; `None` when the bounce does not bring it back.
    pub reference: Option<String>,
    /// The address that could not be reached, as the bounce says. To be shown and not to be believed: who the reference belongs to counts.
    pub recipient: Option<String>,
    /// The status (RFC 3463), such as `5.1.1`.
    pub status: String,
    /// Whether it will be so next time: 5.x.x, and not 4.x.x.
    pub permanent: bool,
    /// Whether the server goes on trying, so that this is not the end of it.
    pub delayed: bool,
    /// What the receiving server said.
    pub diagnostic: String,
}

/// Reads a mail that came to the address for bounces; `None` when it is no bounce, such as an automatic answer or the notice of a delivery.
#[must_use]
pub fn read(raw: &[u8]) -> Option<Bounce> {
    read_for(raw, None)
}

/// As [`read`], for a mail whose envelope had this recipient, as a pipe of the mail server knows it.
#[must_use]
pub fn read_for(raw: &[u8], envelope: Option<&str>) -> Option<Bounce> {
    let raw = raw.get(..LONGEST.min(raw.len()))?;
    std::thread::scope(|scope| {
        let reading = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, || understood(raw, envelope));
        // Without a thread or after a fault of the parser the mail counts as one that says nothing.
        reading.ok()?.join().ok().flatten()
    })
}

fn understood(raw: &[u8], envelope: Option<&str>) -> Option<Bounce> {
    let message = MessageParser::default().parse(raw)?;
    let report = reported(&message).or_else(|| told(&message, raw))?;
    let reference = envelope.and_then(extension).or_else(|| addressed(&message)).or_else(|| returned(&message, raw));
    let Report { delayed, recipient, status, diagnostic } = report;
    let permanent = status.starts_with('5');
    Some(Bounce { reference, recipient, permanent, delayed, status, diagnostic: diagnostic.chars().take(LONGEST_DIAGNOSTIC).collect() })
}

/// What the part for machines says. Of several recipients the one that will never be reached, else one that the server has given up.
fn reported(message: &Message<'_>) -> Option<Report> {
    let is_status = |part: &&MessagePart<'_>| {
        let kind = part.content_type();
        kind.is_some_and(|kind| kind.c_type.eq_ignore_ascii_case("message") && kind.c_subtype.as_deref().is_some_and(is_delivery_status))
    };
    let part = message.parts.iter().find(is_status)?;
    let reports = report::read(&String::from_utf8_lossy(part.contents()));
    reports.into_iter().min_by_key(|report| (!report.status.starts_with('5'), report.delayed))
}

fn is_delivery_status(subtype: &str) -> bool {
    ["delivery-status", "global-delivery-status"].iter().any(|known| subtype.eq_ignore_ascii_case(known))
}

/// What a bounce without such a part says to people, where it names at least whom it is about (`X-Failed-Recipients`, of Exim and others).
fn told(message: &Message<'_>, raw: &[u8]) -> Option<Report> {
    let recipient = message.header_raw("X-Failed-Recipients")?.split(',').next()?.trim().to_owned();
    let text = message.body_text(0).map_or_else(|| String::from_utf8_lossy(raw).into_owned(), |text| text.into_owned());
    let said = text.lines().map(str::trim).find_map(|line| Some((report::status_in(line)?, line)));
    let (status, diagnostic) = said.map_or_else(|| ("5.0.0".to_owned(), String::new()), |(status, line)| (status, line.to_owned()));
    Some(Report { delayed: false, recipient: Some(recipient).filter(|address| !address.is_empty()), status, diagnostic })
}

/// The reference in the address that the bounce was sent to.
fn addressed(message: &Message<'_>) -> Option<String> {
    let headers = ["X-Original-To", "Delivered-To", "Envelope-To", "X-Envelope-To", "To"];
    headers.iter().find_map(|name| message.header_raw(*name)?.split([',', ' ', '<', '>', '\r', '\n', '\t']).find_map(extension))
}

/// The word after the `+` of an address.
fn extension(address: &str) -> Option<String> {
    let (local, _) = address.trim().rsplit_once('@')?;
    let (_, word) = local.split_once('+')?;
    reference(word)
}

/// The reference in the headers of the mail that came back.
fn returned(message: &Message<'_>, raw: &[u8]) -> Option<String> {
    let nested = message.parts.iter().find_map(|part| match &part.body {
        PartType::Message(inner) => inner.header_raw(REFERENCE_HEADER).and_then(reference),
        _ => line_in(part.contents()),
    });
    // Without parts, the mail that came back stands somewhere in the text.
    nested.or_else(|| line_in(raw))
}

/// The value of our header in a text that has it at the beginning of a line.
fn line_in(text: &[u8]) -> Option<String> {
    String::from_utf8_lossy(text).lines().find_map(|line| {
        let (name, value) = line.trim_start_matches(['>', ' ']).split_once(':')?;
        if name.eq_ignore_ascii_case(REFERENCE_HEADER) { reference(value) } else { None }
    })
}

fn reference(word: &str) -> Option<String> {
    let word = word.trim();
    let sound = !word.is_empty() && word.len() <= 64 && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    sound.then(|| word.to_owned())
}

#[cfg(test)]
mod tests;
