//! What may be done with members and refresh tokens, decided without a database.

use chrono::{DateTime, TimeDelta, Utc};

use crate::access::{Permission, Role};
use crate::base::{Checks, Code, Error, Result, gstin};

/// How long a device may present the refresh token before the newest, because the answer with the newest did not reach it.
const RETRY_WITHIN: TimeDelta = TimeDelta::seconds(10);

/// The languages and countries that an organization can work in.
const LOCALES: [&str; 13] = ["as-IN", "bn-IN", "en-IN", "gu-IN", "hi-IN", "kn-IN", "ml-IN", "mr-IN", "or-IN", "pa-IN", "ta-IN", "te-IN", "ur-IN"];

/// Refuses to make or unmake an owner unless the actor is one, and to leave the organization without an owner.
///
/// `to` is the member's new role, or `None` when the member is removed; `owners` counts the owners as they are. `field` is what to blame.
///
/// # Errors
/// `FORBIDDEN` or `CONFLICT`.
pub fn check_change_of_member(actor: Role, from: Role, to: Option<Role>, owners: usize, field: &str) -> Result<()> {
    let stays_owner = to == Some(Role::Owner);
    if actor != Role::Owner && (from == Role::Owner || stays_owner) {
        return Err(Error::new(Code::Forbidden, "Only an owner makes or unmakes owners; ask one to do it."));
    }
    if from == Role::Owner && !stays_owner && owners <= 1 {
        return Err(Error::on_field(Code::Conflict, field, "This is the last owner; make somebody else an owner first."));
    }
    Ok(())
}

/// Whether a member of the role `inviter` may invite somebody into `role`: she may change members, may do all that `role` may, and makes no owner.
#[must_use]
pub fn may_invite(inviter: Role, role: Role) -> bool {
    let within = Permission::ALL.iter().all(|permission| inviter.may(*permission) || !role.may(*permission));
    inviter.may(Permission::MembersWrite) && within && role != Role::Owner
}

/// Notes a GSTIN that belongs to another state than the organization. Those that begin with 99 are the Centre's, and of no state.
pub fn check_state(checks: &mut Checks, field: &str, gstin: Option<&str>, state_code: &str) {
    let state = gstin.and_then(gstin::state_code);
    let same = state.is_none_or(|state| state == state_code || state == "99");
    checks.require(same, field, "This GSTIN is of another state than the organization: its first two digits are the state's code.");
}

/// Reads the name of a time zone.
///
/// # Errors
/// A sentence for the person who typed it.
pub fn time_zone(name: &str) -> Result<String, String> {
    match name.parse::<chrono_tz::Tz>() {
        Ok(zone) => Ok(zone.name().to_owned()),
        Err(_) => Err("A time zone is named as in the IANA database, such as Asia/Kolkata.".to_owned()),
    }
}

/// Reads a language and country.
///
/// # Errors
/// A sentence for the person who typed it.
pub fn locale(tag: &str) -> Result<String, String> {
    if LOCALES.contains(&tag) { Ok(tag.to_owned()) } else { Err(format!("Choose one of {}.", LOCALES.join(", "))) }
}

/// What to do about a refresh token that was presented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refresh {
    /// It is the newest: replace it.
    Rotate,
    /// It is the one before, and the device is still within its time: repeat the answer.
    Repeat,
    /// It was replaced before: one of two who hold it has stolen it, so nobody may go on.
    Reused,
    /// The session has ended.
    Ended,
}

/// What is known of a session when one of its tokens is presented.
#[derive(Debug, Clone, Copy)]
pub struct Presented<'a> {
    /// The hash of the presented token.
    pub hash: &'a str,
    /// The hash of the newest token.
    pub newest: &'a str,
    /// The hash of the token before.
    pub previous: Option<&'a str>,
    /// When the newest was made.
    pub rotated_at: DateTime<Utc>,
    /// Whether the session was ended, or has run out.
    pub ended: bool,
}

impl Presented<'_> {
    /// Decides.
    #[must_use]
    pub fn decide(&self, now: DateTime<Utc>) -> Refresh {
        if self.ended {
            return Refresh::Ended;
        }
        if self.hash == self.newest {
            return Refresh::Rotate;
        }
        if self.previous == Some(self.hash) && now - self.rotated_at <= RETRY_WITHIN {
            return Refresh::Repeat;
        }
        Refresh::Reused
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_are_made_and_unmade_by_owners_and_one_remains() {
        let code = |actor, from, to, owners| check_change_of_member(actor, from, to, owners, "id").map_err(|error| error.code);
        assert_eq!(code(Role::Admin, Role::Sales, Some(Role::Owner), 1), Err(Code::Forbidden));
        assert_eq!(code(Role::Admin, Role::Owner, Some(Role::Sales), 2), Err(Code::Forbidden));
        assert_eq!(code(Role::Admin, Role::Owner, None, 2), Err(Code::Forbidden));
        assert_eq!(code(Role::Admin, Role::Admin, None, 1), Ok(()));
        assert_eq!(code(Role::Owner, Role::Owner, None, 1), Err(Code::Conflict));
        assert_eq!(code(Role::Owner, Role::Owner, Some(Role::Admin), 1), Err(Code::Conflict));
        assert_eq!(code(Role::Owner, Role::Owner, Some(Role::Owner), 1), Ok(()));
        assert_eq!(code(Role::Owner, Role::Owner, Some(Role::Admin), 2), Ok(()));
    }

    #[test]
    fn nobody_invites_beyond_what_she_may() {
        for role in Role::ALL {
            assert_eq!(may_invite(Role::Owner, *role), *role != Role::Owner, "{role}");
            assert_eq!(may_invite(Role::Admin, *role), *role != Role::Owner, "{role}");
            assert!(!may_invite(Role::Manager, *role), "{role}");
        }
    }

    #[test]
    fn only_the_newest_token_refreshes_and_the_one_before_for_ten_seconds() {
        let rotated_at: DateTime<Utc> = "2026-04-01T09:30:00Z".parse().unwrap();
        let presented = |hash| Presented { hash, newest: "c", previous: Some("b"), rotated_at, ended: false };
        let later = |seconds| rotated_at + TimeDelta::seconds(seconds);
        assert_eq!(presented("c").decide(later(1_000_000)), Refresh::Rotate);
        assert_eq!(presented("b").decide(later(10)), Refresh::Repeat);
        assert_eq!(presented("b").decide(later(11)), Refresh::Reused);
        assert_eq!(presented("a").decide(later(1)), Refresh::Reused, "older than the one before");
        assert_eq!(Presented { ended: true, ..presented("c") }.decide(later(1)), Refresh::Ended);
    }

    #[test]
    fn a_gstin_belongs_to_its_state() {
        let wrong = |gstin, state| {
            let mut checks = Checks::new();
            check_state(&mut checks, "gstin", gstin, state);
            checks.finish().is_err()
        };
        assert!(!wrong(Some("27AAPFU0939F1ZV"), "27"));
        assert!(wrong(Some("27AAPFU0939F1ZV"), "29"));
        assert!(!wrong(None, "29"));
    }

    #[test]
    fn zones_and_locales_are_known_ones() {
        assert!(time_zone("Asia/Kolkata").is_ok() && time_zone("Mars/Base").is_err());
        assert!(locale("hi-IN").is_ok() && locale("hi").is_err());
    }
}
