//! Webhooks: addresses of others that are told of events, and events that others tell of.
//!
//! What is sent follows Standard Webhooks. An event is an entry of the audit log; a trigger writes one delivery for each endpoint that wants it, and its
//! job, in the transaction of the entry itself. What stands in the body is the answer of a subscription that is kept with the endpoint, as the database is
//! at that moment, at or after the event, and as the member may see it who last set where to and what is sent.
//!
//! What must hold: an event that happened is told, and one that did not happen never; the id is the same at each attempt, so that a receiver can tell what
//! it had already. Nothing is sent that the member may not see at that moment, or might not see when she set it. An address that does not answer delays
//! no other. No connection to the database is held while somebody is called. Secrets are shown once and kept encrypted.
//!
//! What others send is in a table before they are told that it has arrived, once for each of their events, and is worked on by an errand.
//!
//! Tables: `webhook_endpoints`, `webhook_deliveries`, `webhook_attempts`, `inbound_events`. How calls are made is in [`crate::platform::outgoing`].

pub mod actions;
pub mod deliver;
pub mod inbound;
pub mod jobs;
pub mod loaders;
pub mod model;
pub mod mutations;
pub mod object;
pub mod payload;
pub mod queries;
pub mod replay;
pub mod roots;
pub mod rules;
pub mod watching;

pub use mutations::Mutations;
pub use roots::Roots;
