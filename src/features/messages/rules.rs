//! What must hold of messages, without input or output.

use crate::features::messages::model::{MessageState, SuppressionReason};

/// How far a state is from the beginning. Of two reports about a message the one that is further holds, so that their order does not matter. What was
/// given up without knowing whether it was sent has only been guessed, and gives way to every report.
const fn rank(state: MessageState, uncertain: bool) -> u8 {
    match state {
        MessageState::Queued => 0,
        MessageState::Failed if uncertain => 0,
        MessageState::Sent => 1,
        MessageState::Failed => 2,
        MessageState::Delivered => 3,
        MessageState::Bounced => 4,
    }
}

/// Whether a report leads a message on.
#[must_use]
pub const fn leads_on(state: MessageState, uncertain: bool, reported: MessageState) -> bool {
    rank(reported, false) > rank(state, uncertain)
}

/// Whether a reason that an address is suppressed for holds up a message.
#[must_use]
pub const fn holds_up(reason: SuppressionReason, transactional: bool) -> bool {
    !(transactional && matches!(reason, SuppressionReason::Unsubscribe))
}

/// Why a message to a suppressed address is not sent, for a person.
#[must_use]
pub const fn refusal(reason: SuppressionReason) -> &'static str {
    match reason {
        SuppressionReason::Bounce => {
            "Messages to this address come back, so none is sent there. If the address works again, delete its suppression first."
        }
        SuppressionReason::Complaint => "This person has called a message spam, so none is sent there.",
        SuppressionReason::Unsubscribe => "This person has unsubscribed, so only transactional messages are sent there.",
    }
}

/// The server's mail that has the link of an invitation.
pub const INVITATION: &str = "invitation";

/// Whether a message cannot be made again, because what it was to say in secret was let go of when it was sent.
#[must_use]
pub fn is_secret_gone(template: Option<&str>, is_sealed: bool) -> bool {
    template == Some(INVITATION) && !is_sealed
}

/// Why a message whose secret is gone is not sent again, for a person.
pub const SECRET_GONE: &str = "The link in this invitation was not kept. Revoke the invitation and invite the person again.";

/// Why a message to a blocked contact is not sent, for a person.
pub const BLOCKED: &str = "This contact is blocked, so no message is sent there. Change the contact's status first.";

#[cfg(test)]
mod tests {
    use super::*;

    /// All orders of all reports lead to the same state.
    #[test]
    fn reports_lead_to_the_same_state_in_any_order() {
        let all = [MessageState::Sent, MessageState::Failed, MessageState::Delivered, MessageState::Bounced];
        for chosen in 0_u32..16 {
            let reports: Vec<MessageState> = all.iter().enumerate().filter(|(place, _)| chosen >> place & 1 == 1).map(|(_, state)| *state).collect();
            let last = |order: &[MessageState]| {
                order.iter().fold((MessageState::Queued, false), |(state, uncertain), report| {
                    if leads_on(state, uncertain, *report) { (*report, false) } else { (state, uncertain) }
                })
            };
            let mut order = reports.clone();
            for turn in 0..order.len().max(1) * 2 {
                assert_eq!(last(&order), last(&reports), "{order:?}");
                if !order.is_empty() {
                    order.rotate_left(1);
                }
                if turn + 1 == reports.len() {
                    order.reverse();
                }
                let twice: Vec<_> = order.iter().chain(&order).copied().collect();
                assert_eq!(last(&twice), last(&reports));
            }
        }
        assert!(leads_on(MessageState::Failed, true, MessageState::Sent));
        assert!(!leads_on(MessageState::Failed, false, MessageState::Sent));
    }

    #[test]
    fn only_what_is_transactional_goes_to_who_unsubscribed_and_nothing_to_who_bounced() {
        for (reason, transactional, held) in [
            (SuppressionReason::Bounce, true, true),
            (SuppressionReason::Complaint, true, true),
            (SuppressionReason::Unsubscribe, true, false),
            (SuppressionReason::Unsubscribe, false, true),
        ] {
            assert_eq!(holds_up(reason, transactional), held, "{reason}");
        }
    }
}
