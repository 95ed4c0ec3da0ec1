//! How people come in: signing up, signing in, refreshing, going to another organization, accepting an invitation; and how they leave.
//!
//! Nothing holds a database connection while a password is hashed. A wrong password and an unknown address are answered alike, in the same time.
//! What was proven before a transaction is looked at again in it, under locks: who signs in while her password is changed, or while she is removed,
//! is either in before and thrown out with the others, or not let in.
//!
//! Locks are taken in the order users, memberships, invitations, sessions.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_graphql::InputObject;
use chrono_tz::Tz;
use uuid::Uuid;

use crate::access::audit::{self, Changed};
use crate::access::writing::write_as;
use crate::access::refresh::RefreshToken;
use crate::access::tokens::AccessToken;
use crate::access::{Act, ClientInfo, Means, Plan, Role, Scope, Services, passwords};
use crate::base::{Checks, Code, Error, Result, SharedClock, email, gstin, id, state, text};
use crate::features::accounts::model::{NewMember, NewOrganization, NewSession, NewUser, OrganizationId, Session, User};
use crate::features::accounts::queries::sign_in::Ended;
use crate::features::accounts::queries::{self, sign_in as sql};
use crate::features::accounts::rules::{self, Presented, Refresh};
use crate::platform::postgres::failure::violated;

pub mod invitation;

/// A new organization and its owner.
#[derive(Clone, InputObject)]
pub struct SignUpInput {
    /// The organization's name, 1 to 200 characters.
    pub organization_name: String,
    /// The two-digit GST code of the organization's state.
    pub state_code: String,
    /// The organization's GSTIN; it must be of that state.
    pub gstin: Option<String>,
    /// The owner's full name, 1 to 200 characters.
    pub name: String,
    /// The owner's e-mail address.
    pub email: String,
    /// The owner's password: 10 to 200 characters, and not the e-mail address.
    pub password: String,
}

/// Who wants to sign in.
#[derive(Clone, InputObject)]
pub struct SignInInput {
    /// The e-mail address.
    pub email: String,
    /// The password.
    pub password: String,
    /// The organization to sign in to; the one that was joined most recently when left out.
    pub organization_id: Option<OrganizationId>,
}

/// A new password.
#[derive(Clone, InputObject)]
pub struct PasswordChangeInput {
    /// The password as it is.
    pub current_password: String,
    /// The new password: 10 to 200 characters, and not the e-mail address.
    pub new_password: String,
}

/// Where somebody comes in, and as what.
#[derive(Debug, Clone, Copy)]
struct Place {
    organization: Uuid,
    role: Role,
    time_zone: Tz,
    plan: Plan,
}

/// Somebody who is in: on whose behalf she acts from now on, and her tokens.
#[derive(Clone)]
pub struct Entered {
    /// On whose behalf the rest of the operation runs.
    pub scope: Scope,
    /// The access token.
    pub access: AccessToken,
    /// The refresh token.
    pub refresh: String,
}

/// Makes an organization with its first owner and its first pipeline, and signs her in.
///
/// # Errors
/// `VALIDATION_ERROR` with everything that is wrong, `CONFLICT` when the address has an account.
pub async fn sign_up(services: &Services, client: &ClientInfo, input: SignUpInput) -> Result<Entered> {
    let mut checks = Checks::new();
    let organization_name = checks.take("organizationName", text::line(&input.organization_name, 200)).unwrap_or_default();
    let state_code = checks.take("stateCode", state::parse(&input.state_code));
    let gstin = input.gstin.as_deref().and_then(|gstin| checks.take("gstin", gstin::parse(gstin)));
    if let Some(state_code) = &state_code {
        rules::check_state(&mut checks, "gstin", gstin.as_deref(), state_code);
    }
    let name = checks.take("name", text::line(&input.name, 200)).unwrap_or_default();
    let email = checks.take("email", email::parse(&input.email)).unwrap_or_default();
    checks.take("password", passwords::check(&input.password, &input.email));
    checks.finish()?;
    let password_hash = services.passwords.hash(input.password).await?;
    let organization = id::fresh(&*services.clock);
    let place = Place { organization, role: Role::Owner, time_zone: chrono_tz::Asia::Kolkata, plan: Plan::Free };
    let scope = scope_of(services, client, place, id::fresh(&*services.clock));
    enter(services, scope, "session.create", move |act| async move {
        let now = act.now();
        let state_code = state_code.unwrap_or_default();
        let new = NewOrganization { id: act.organization(), name: organization_name, gstin, state_code, created_at: now, updated_at: now };
        let organization =
            queries::insert_organization(&act, new).await?.ok_or_else(|| Error::internal("an inserted organization was not returned"))?;
        audit::record(&act, "organization.create", &[Changed { id: organization.id, before: None, after: Some(&organization) }]).await?;
        insert_user(&act, name, email, password_hash).await?;
        insert_member(&act, Role::Owner).await?;
        queries::insert_default_pipeline(&act).await
    })
    .await
}

/// Signs in.
///
/// # Errors
/// `UNAUTHENTICATED` for a wrong password or an unknown address alike, and when password or membership were changed meanwhile, `RATE_LIMITED` after too many of them, `NOT_FOUND` for an organization that
/// the user does not belong to, `FORBIDDEN` when she belongs to none.
pub async fn sign_in(services: &Services, client: &ClientInfo, input: SignInInput) -> Result<Entered> {
    let proof = prove(services, client, &input.email, input.password).await?;
    let places = sql::places(services, proof.user).await?;
    let place = match input.organization_id {
        Some(wanted) => {
            places.into_iter().find(|place| place.0 == wanted.uuid()).ok_or_else(|| Error::field_not_found("organizationId", "organization"))?
        }
        None => places.into_iter().next().ok_or_else(|| {
            Error::new(Code::Forbidden, "You are not a member of any organization any more; ask to be invited again, or sign up a new one.")
        })?,
    };
    let scope = scope_of(services, client, parsed(place)?, proof.user);
    enter(services, scope, "session.create", move |act| async move {
        still_proven(&act, &proof).await?;
        still_member(&act).await
    })
    .await
}

/// Goes to another organization of the signed-in user: a new session there, in place of the one here.
///
/// # Errors
/// `NOT_FOUND` for an organization that the user does not belong to, `UNAUTHENTICATED` when the session here was ended meanwhile.
pub async fn switch(services: &Services, client: &ClientInfo, scope: &Scope, organization: OrganizationId) -> Result<Entered> {
    let places = sql::places(services, scope.user).await?;
    let place = places.into_iter().find(|place| place.0 == organization.uuid());
    let place = place.ok_or_else(|| Error::field_not_found("organizationId", "organization"))?;
    let (old, there) = (scope.session()?, scope_of(services, client, parsed(place)?, scope.user));
    let own = services.clone();
    let leave = move |act: Act| async move {
        act.db.after_commit(move || own.forget_session(old));
        sql::hold_user(&act).await?.ok_or_else(changed_meanwhile)?;
        still_member(&act).await?;
        let ended = sql::revoke(&act, old).await?;
        if ended.is_empty() {
            return Err(changed_meanwhile());
        }
        record_end(&act, "session.switch", &ended).await
    };
    enter(services, there, "session.create", leave).await
}

/// Exchanges a refresh token for new tokens. A device that did not get the answer may ask once more within ten seconds, and gets the same one; any
/// other use of a token that was exchanged before ends the session, because two hold it and one of them has stolen it.
///
/// # Errors
/// `INVALID_TOKEN`.
pub async fn refresh(services: &Services, client: &ClientInfo, token: &str) -> Result<Entered> {
    let presented = RefreshToken::parse(token).ok_or_else(not_refreshable)?;
    let found = sql::session_by_family(services, &presented.family_hash()).await?;
    let (organization, session, user) = found.ok_or_else(not_refreshable)?;
    let next = services.refresh.next(&presented)?;
    let expires_at = services.clock.now() + services.session_lifetime;
    let place = Place { organization, role: Role::Viewer, time_zone: Tz::UTC, plan: Plan::Free };
    let provisional = Scope { means: Means::Session(session), ..scope_of(services, client, place, user) };
    let (hashes, own) = ((presented.hash(), next.hash()), services.clone());
    let decided = write_as(services, provisional.clone(), move |act| async move {
        let (presented, next) = hashes;
        let (Some(row), Some(place)) = (sql::lock_session(&act).await?, sql::own_place(&act).await?) else { return Ok(None) };
        let ended = row.revoked_at.is_some() || row.expires_at <= act.now();
        let previous = row.previous_hash.as_deref();
        match (Presented { hash: &presented, newest: &row.refresh_hash, previous, rotated_at: row.rotated_at, ended }).decide(act.now()) {
            Refresh::Rotate => {
                let before = Session { id: row.id, user_id: row.user_id, expires_at: row.expires_at, revoked_at: None };
                let after = sql::rotate(&act, presented, next, expires_at).await?;
                audit::record(&act, "session.refresh", &[Changed { id: row.id, before: Some(&before), after: after.as_ref() }]).await?;
                Ok(Some(place))
            }
            Refresh::Repeat if next == row.refresh_hash => Ok(Some(place)),
            // The server's key was changed within these seconds: what was answered before cannot be said again.
            Refresh::Repeat | Refresh::Ended => Ok(None),
            Refresh::Reused => {
                let revoked = sql::revoke(&act, row.id).await?;
                record_end(&act, "session.reuse_detected", &revoked).await?;
                act.db.after_commit(move || own.forget_session(session));
                Ok(None)
            }
        }
    })
    .await?;
    let place = parsed(decided.ok_or_else(not_refreshable)?)?;
    let scope = Scope { means: provisional.means, ..scope_of(services, client, place, user) };
    Ok(Entered { access: services.tokens.issue(user, organization, session)?, refresh: next.text(), scope })
}

/// Ends the acting session.
///
/// # Errors
/// As the database fails.
pub async fn sign_out(act: &Act) -> Result<()> {
    let revoked = sql::revoke(act, act.scope.session()?).await?;
    record_end(act, "session.sign_out", &revoked).await
}

/// Replaces the signed-in user's password and ends all her other sessions.
///
/// # Errors
/// `UNAUTHENTICATED` when the current password is wrong or was changed meanwhile, `RATE_LIMITED` after too many of them, `VALIDATION_ERROR` for a weak new one.
pub async fn change_password(services: &Services, client: &ClientInfo, scope: &Scope, input: PasswordChangeInput) -> Result<()> {
    scope.session()?;
    let own = sql::own_credentials(services, scope.user).await?.ok_or_else(|| Error::internal("the signed-in user cannot be read"))?;
    let mut checks = Checks::new();
    checks.take("newPassword", passwords::check(&input.new_password, &own.email));
    checks.require(input.new_password != input.current_password, "newPassword", "This is the password as it is; choose another.");
    checks.finish()?;
    let version = own.version;
    let proof = async {
        match services.passwords.matches(input.current_password, Some(own.password_hash)).await? {
            true => Ok(()),
            false => Err(Error::on_field(Code::Unauthenticated, "currentPassword", "This is not your password.")),
        }
    };
    services.throttle.attempt(&own.email, client.ip, proof).await?;
    let (password_hash, own) = (services.passwords.hash(input.new_password).await?, services.clone());
    write_as(services, scope.clone(), move |act| async move {
        let act_user = act.scope.user;
        if sql::set_password(&act, version, password_hash).await? == 0 {
            return Err(changed_meanwhile());
        }
        let ended = sql::revoke_others(&act).await?;
        record_end(&act, "session.end", &ended).await?;
        act.db.after_commit(move || own.forget_user(act_user));
        audit::record::<User>(&act, "user.password_change", &[Changed { id: act.scope.user, before: None, after: None }]).await
    })
    .await
}

/// Who has proven to be herself, and as of which version of hers.
struct Proof {
    user: Uuid,
    version: i32,
}

/// The user of an address and password. Failures are counted, and slowed down when there are too many.
async fn prove(services: &Services, client: &ClientInfo, email: &str, password: String) -> Result<Proof> {
    // What is no address belongs to nobody, and is answered as such.
    let email = email::parse(email).unwrap_or_default();
    let proof = async {
        let known = sql::credentials_by_email(services, &email).await?;
        let (proof, stored) = known.map(|known| (Proof { user: known.id, version: known.version }, known.password_hash)).unzip();
        let matches = services.passwords.matches(password, stored).await?;
        proof.filter(|_| matches).ok_or_else(|| Error::new(Code::Unauthenticated, "The e-mail address or the password is wrong."))
    };
    services.throttle.attempt(&email, client.ip, proof).await
}

/// Refuses when the password was changed since it was proven. Until the transaction ends it is not.
async fn still_proven(act: &Act, proof: &Proof) -> Result<()> {
    if sql::hold_user(act).await? == Some(proof.version) { Ok(()) } else { Err(changed_meanwhile()) }
}

/// Refuses when the acting user was removed, or was given another role than the scope says. Until the transaction ends she is not.
async fn still_member(act: &Act) -> Result<()> {
    if queries::hold_role(act, act.scope.user).await? == Some(act.scope.role) { Ok(()) } else { Err(changed_meanwhile()) }
}

fn changed_meanwhile() -> Error {
    Error::new(Code::Unauthenticated, "Your password or your membership was changed meanwhile, sign in again.")
}

/// Does what comes before, opens a session in the scope's organization, and hands out its tokens; all in one transaction. `action` is how the audit
/// log calls it.
async fn enter<F, Fut>(services: &Services, scope: Scope, action: &'static str, before: F) -> Result<Entered>
where
    F: FnOnce(Act) -> Fut + Send + 'static,
    Fut: Future<Output = Result<()>> + Send + 'static,
{
    let token = RefreshToken::first()?;
    let (family_hash, refresh_hash) = (token.family_hash(), token.hash());
    let lifetime = services.session_lifetime;
    write_as(services, scope.clone(), move |act| async move {
        before(act.clone()).await?;
        let now = act.now();
        let new = NewSession {
            organization_id: act.organization(),
            id: act.scope.session()?,
            user_id: act.scope.user,
            family_hash,
            refresh_hash,
            rotated_at: now,
            expires_at: now + lifetime,
            created_at: now,
            updated_at: now,
        };
        let session = sql::insert_session(&act, new).await?.ok_or_else(|| Error::internal("an inserted session was not returned"))?;
        audit::record(&act, action, &[Changed { id: session.id, before: None, after: Some(&session) }]).await
    })
    .await?;
    let access = services.tokens.issue(scope.user, scope.organization, scope.session()?)?;
    Ok(Entered { scope, access, refresh: token.text() })
}

/// The scope of a user who has just proven to be herself, with a fresh session.
fn scope_of(services: &Services, client: &ClientInfo, place: Place, user: Uuid) -> Scope {
    let Place { organization, role, time_zone, plan } = place;
    let clock = SharedClock::clone(&services.clock);
    let (means, permissions, request_id) = (Means::Session(id::fresh(&*clock)), role.permissions(), Arc::clone(&client.request_id));
    Scope { organization, user, means, role, permissions, plan, time_zone, request_id, clock }
}

fn parsed((organization, role, time_zone, plan): sql::Place) -> Result<Place> {
    Ok(Place { organization, role, time_zone: time_zone.parse().map_err(Error::internal)?, plan })
}

async fn insert_user(act: &Act, name: String, email: String, password_hash: String) -> Result<()> {
    let now = act.now();
    let new = NewUser { id: act.scope.user, email, name, password_hash, created_at: now, updated_at: now };
    queries::insert_user(act, new).await.map_err(|error| {
        if violated(&error, "users_email_key") {
            return Error::on_field(Code::Conflict, "email", "This e-mail address has an account already: sign in with it.");
        }
        error
    })
}

async fn insert_member(act: &Act, role: Role) -> Result<()> {
    let now = act.now();
    let new = NewMember { organization_id: act.organization(), id: act.fresh_id(), user_id: act.scope.user, role, created_at: now, updated_at: now };
    let member = queries::insert_member(act, new).await?.ok_or_else(|| Error::internal("an inserted member was not returned"))?;
    audit::record(act, "member.create", &[Changed { id: member.id, before: None, after: Some(&member) }]).await
}

/// Notes that sessions were ended, each in the audit log of its own organization.
pub(super) async fn record_end(act: &Act, action: &'static str, ended: &[Ended]) -> Result<()> {
    let elsewhere: BTreeSet<Uuid> = ended.iter().map(|(organization, _)| *organization).filter(|place| *place != act.organization()).collect();
    record_end_here(act, action, ended).await?;
    for organization in &elsewhere {
        sql::enter(act, *organization).await?;
        record_end_here(&act.within(*organization), action, ended).await?;
    }
    if elsewhere.is_empty() { Ok(()) } else { sql::enter(act, act.organization()).await }
}

async fn record_end_here(act: &Act, action: &'static str, ended: &[Ended]) -> Result<()> {
    let after: Vec<&Session> = ended.iter().filter(|(organization, _)| *organization == act.organization()).map(|(_, session)| session).collect();
    let before: Vec<_> = after.iter().map(|session| Session { revoked_at: None, ..(*session).clone() }).collect();
    let changes: Vec<_> =
        after.iter().zip(&before).map(|(after, before)| Changed { id: after.id, before: Some(before), after: Some(*after) }).collect();
    audit::record(act, action, &changes).await
}

fn not_refreshable() -> Error {
    Error::on_field(Code::InvalidToken, "refreshToken", "This refresh token is not valid any more: sign in again.")
}
