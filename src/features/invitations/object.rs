//! What is shown of inviting somebody.

use async_graphql::SimpleObject;

use crate::access::payload::UserError;
use crate::access::writer::{Writable, Written, WrittenList};
use crate::features::accounts::object::Invitation;

/// What came of `memberInvite`.
#[derive(Clone, SimpleObject)]
pub struct MemberInvitePayload {
    /// The invitation; null when there are user errors.
    pub invitation: Option<Written<Invitation>>,
    /// The token by which `invitationAccept` accepts it. It is mailed to the invited person and shown this once. Null when there are user errors.
    pub invite_token: Option<String>,
    /// What to put right; empty when all went well.
    pub user_errors: WrittenList<Vec<UserError>>,
}

impl Writable for MemberInvitePayload {}
