//! Messages: every mail and text message that the business sends, with what became of it; the texts that are registered for SMS; and the addresses
//! that nothing more is sent to.
//!
//! What must hold:
//! - A message is there exactly when what caused it was committed, and with it the job that sends it. What was sent is not sent again, unless it came
//!   back for now, or somebody wants it.
//! - A message waits as long as a job of its own will send it, and no longer: when the job is given up, so is the message.
//! - Where it is not known whether a message was sent, its row says so. A mail is then tried again under the same `Message-ID`; a text message is not,
//!   unless somebody wants it.
//! - Nothing goes to an address that bounced or complained, and nothing but what is transactional to one that unsubscribed; looked at when a message
//!   is written and again when it is sent.
//! - Reports come in any order and more than once, and lead to the same state.
//! - A secret that is filled in, such as the link of an invitation, is shown to nobody and not kept once it is sent.
//!
//! Tables: `messages`, `sms_templates`, `suppressions`.

pub mod actions;
pub mod inbound;
pub mod jobs;
pub mod model;
pub mod mutations;
pub mod object;
pub mod queries;
pub mod roots;
pub mod rules;
pub mod subscriptions;

pub use mutations::Mutations;
pub use roots::Roots;
