//! The statements of signing in, before an organization is known, and those about a person's sessions wherever they are. They name the user, the
//! address or the token instead of an organization, and row level security shows no more than what the transaction was told in its settings.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use uuid::Uuid;

use crate::access::services::Services;
use crate::access::{Act, Plan, Role};
use crate::base::Result;
use crate::features::accounts::model::{Credentials, EndedKey, Invitation, NewSession, Session, SessionSecrets};
use crate::platform::postgres::statement::Limited;
use crate::platform::postgres::{Access, Settings, Transaction};
use crate::schema::{api_keys, invitations, memberships, organizations, sessions, users};

/// An organization that a user belongs to: its id, her role, its time zone, its plan.
pub type Place = (Uuid, Role, String, Plan);

fn snapshot(services: &Services, settings: &Settings) -> Transaction {
    Transaction::new(services.databases.primary().clone(), Access::Snapshot, settings)
}

/// The user of an address, with her password's hash.
///
/// # Errors
/// As the database fails.
pub async fn credentials_by_email(services: &Services, email: &str) -> Result<Option<Credentials>> {
    let db = snapshot(services, &Settings { email: Some(email.to_owned()), ..Settings::default() });
    db.first(users::table.select(Credentials::as_select()).filter(users::email.eq(email.to_owned()))).await
}

/// A user who has proven to be herself, with her password's hash.
///
/// # Errors
/// As the database fails.
pub async fn own_credentials(services: &Services, user: Uuid) -> Result<Option<Credentials>> {
    let db = snapshot(services, &Settings { user: Some(user), ..Settings::default() });
    db.first(users::table.select(Credentials::as_select()).filter(users::id.eq(user))).await
}

/// The organizations that a user who has proven to be herself belongs to, the most recently joined first, at most 100.
///
/// # Errors
/// As the database fails.
pub async fn places(services: &Services, user: Uuid) -> Result<Vec<Place>> {
    let db = snapshot(services, &Settings { user: Some(user), ..Settings::default() });
    let place = (organizations::id, memberships::role, organizations::time_zone, organizations::plan);
    let query = memberships::table.inner_join(organizations::table).select(place);
    let query = query.filter(memberships::user_id.eq(user)).filter(memberships::removed_at.is_null());
    db.load(Limited { query: query.order((memberships::created_at.desc(), memberships::id.desc())), limit: 100 }).await
}

/// The invitation that a token belongs to, with its organization and that one's time zone and plan.
///
/// # Errors
/// As the database fails.
pub async fn invitation_by_token(services: &Services, token_hash: &str) -> Result<Option<(Uuid, Invitation, (String, Plan))>> {
    let db = snapshot(services, &Settings { token_hash: Some(token_hash.to_owned()), ..Settings::default() });
    let query = invitations::table.select((invitations::organization_id, Invitation::as_select()));
    let found: Option<(Uuid, Invitation)> = db.first(query.filter(invitations::token_hash.eq(token_hash.to_owned()))).await?;
    let Some((organization, invitation)) = found else { return Ok(None) };
    let db = snapshot(services, &Settings { organization: Some(organization), ..Settings::default() });
    let own = organizations::table.select((organizations::time_zone, organizations::plan)).filter(organizations::id.eq(organization));
    let own: Option<(String, Plan)> = db.first(own).await?;
    Ok(own.map(|own| (organization, invitation, own)))
}

/// The organization, the session and the user that a refresh token's family belongs to.
///
/// # Errors
/// As the database fails.
pub async fn session_by_family(services: &Services, family_hash: &str) -> Result<Option<(Uuid, Uuid, Uuid)>> {
    let db = snapshot(services, &Settings { token_hash: Some(family_hash.to_owned()), ..Settings::default() });
    let query = sessions::table.select((sessions::organization_id, sessions::id, sessions::user_id));
    db.first(query.filter(sessions::family_hash.eq(family_hash.to_owned()))).await
}

/// The organization, and what the acting user is there, while she is a member.
///
/// # Errors
/// As the database fails.
pub async fn own_place(act: &Act) -> Result<Option<Place>> {
    let place = (organizations::id, memberships::role, organizations::time_zone, organizations::plan);
    let query = memberships::table.inner_join(organizations::table).select(place);
    let query = query.filter(memberships::organization_id.eq(act.organization())).filter(memberships::user_id.eq(act.scope.user));
    act.db.first(query.filter(memberships::removed_at.is_null())).await
}

/// The version of the acting user; until the transaction ends nobody changes her password.
///
/// # Errors
/// As the database fails.
pub async fn hold_user(act: &Act) -> Result<Option<i32>> {
    act.db.first(users::table.select(users::version).filter(users::id.eq(act.scope.user)).for_share()).await
}

/// The acting session with its hashes, locked against other writers until the transaction ends.
///
/// # Errors
/// As the database fails.
pub async fn lock_session(act: &Act) -> Result<Option<SessionSecrets>> {
    let query = sessions::table.select(SessionSecrets::as_select()).filter(sessions::organization_id.eq(act.organization()));
    act.db.first(query.filter(sessions::id.eq(act.scope.session()?)).for_update()).await
}

/// Stores a new session.
///
/// # Errors
/// As the database fails.
pub async fn insert_session(act: &Act, new: NewSession) -> Result<Option<Session>> {
    act.db.first(diesel::insert_into(sessions::table).values(new).returning(Session::as_returning())).await
}

/// Replaces the acting session's refresh token and prolongs the session.
///
/// # Errors
/// As the database fails.
pub async fn rotate(act: &Act, presented: String, next: String, expires_at: DateTime<Utc>) -> Result<Option<Session>> {
    let target = sessions::table.filter(sessions::organization_id.eq(act.organization())).filter(sessions::id.eq(act.scope.session()?));
    let changes = (
        sessions::previous_hash.eq(Some(presented)),
        sessions::refresh_hash.eq(next),
        sessions::rotated_at.eq(act.now()),
        sessions::expires_at.eq(expires_at),
        sessions::updated_at.eq(act.now()),
        sessions::version.eq(sessions::version + 1),
    );
    act.db.first(diesel::update(target).set(changes).returning(Session::as_returning())).await
}

/// A session that was ended, and its organization.
pub type Ended = (Uuid, Session);

/// Ends the sessions of `$target` that are still open, and says which.
macro_rules! revoke {
    ($act:ident, $target:expr) => {{
        let at = $act.now();
        let changes = (sessions::revoked_at.eq(Some(at)), sessions::updated_at.eq(at), sessions::version.eq(sessions::version + 1));
        let open = $target.filter(sessions::revoked_at.is_null());
        $act.db.load(diesel::update(open).set(changes).returning((sessions::organization_id, Session::as_returning()))).await
    }};
}

/// Ends one session of the acting user, in whichever organization it is.
///
/// # Errors
/// As the database fails.
pub async fn revoke(act: &Act, session: Uuid) -> Result<Vec<Ended>> {
    revoke!(act, sessions::table.filter(sessions::user_id.eq(act.scope.user)).filter(sessions::id.eq(session)))
}

/// Ends all sessions of the acting user but this one, in all organizations.
///
/// # Errors
/// As the database fails.
pub async fn revoke_others(act: &Act) -> Result<Vec<Ended>> {
    let this = act.scope.session()?;
    revoke!(act, sessions::table.filter(sessions::user_id.eq(act.scope.user)).filter(sessions::id.ne(this)))
}

/// Ends all sessions of a member in the organization.
///
/// # Errors
/// As the database fails.
pub async fn revoke_of_member(act: &Act, user: Uuid) -> Result<Vec<Ended>> {
    revoke!(act, sessions::table.filter(sessions::organization_id.eq(act.organization())).filter(sessions::user_id.eq(user)))
}

/// Ends all API keys of a member in the organization that were not revoked, and says which.
///
/// # Errors
/// As the database fails.
pub async fn revoke_keys_of_member(act: &Act, user: Uuid) -> Result<Vec<EndedKey>> {
    let target = api_keys::table.filter(api_keys::organization_id.eq(act.organization())).filter(api_keys::created_by.eq(user));
    let at = act.now();
    let changes = (api_keys::revoked_at.eq(Some(at)), api_keys::updated_at.eq(at), api_keys::version.eq(api_keys::version + 1));
    act.db.load(diesel::update(target.filter(api_keys::revoked_at.is_null())).set(changes).returning(EndedKey::as_returning())).await
}

diesel::define_sql_function! {
    /// Sets a parameter of the session, or only of the transaction.
    fn set_config(name: diesel::sql_types::Text, value: diesel::sql_types::Text, is_local: diesel::sql_types::Bool) -> diesel::sql_types::Text;
}

/// Lets row level security show another organization from here on. Only one that the acting user is known to belong to may be named.
///
/// # Errors
/// As the database fails.
pub async fn enter(act: &Act, organization: Uuid) -> Result<()> {
    let set = diesel::select(set_config("app.organization_id", organization.to_string(), true));
    act.db.first::<_, String, _>(set).await.map(|_| ())
}

/// Replaces the acting user's password, unless it is not at this version any more, and says how many users that were.
///
/// # Errors
/// As the database fails.
pub async fn set_password(act: &Act, version: i32, password_hash: String) -> Result<usize> {
    let target = users::table.filter(users::id.eq(act.scope.user)).filter(users::version.eq(version));
    let changes = (users::password_hash.eq(password_hash), users::updated_at.eq(act.now()), users::version.eq(users::version + 1));
    act.db.execute(diesel::update(target).set(changes)).await
}
