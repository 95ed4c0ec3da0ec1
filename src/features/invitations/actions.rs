//! Inviting somebody, with the mail that tells her.

use std::collections::BTreeMap;

use crate::access::{Act, Services};
use crate::base::{Noun, Result};
use crate::features::accounts::actions::{self, MemberInviteInput};
use crate::features::accounts::model::Invitation;
use crate::features::messages::actions::own::{self, OwnMail};
use crate::features::messages::{queries, rules};

/// Invites somebody, says the token that accepts the invitation, and mails her the link with it.
///
/// # Errors
/// As [`actions::invite`], and as [`own::send_own`].
pub async fn invite(act: &Act, services: &Services, input: MemberInviteInput) -> Result<(Invitation, String)> {
    let (invitation, token) = actions::invite(act, input).await?;
    mail(act, services, &invitation, &token).await?;
    Ok((invitation, token))
}

/// Mails the link of an invitation to the person who is invited, in the organization's language.
async fn mail(act: &Act, services: &Services, invitation: &Invitation, token: &str) -> Result<()> {
    let (organization, locale) = queries::organization(act).await?.unwrap_or_default();
    let inviter = queries::member(act, act.scope.user).await?.map(|(name, _)| name).unwrap_or_default();
    let expires = invitation.expires_at.value()?.with_timezone(&act.scope.time_zone).format("%-d %b %Y").to_string();
    let role = invitation.role.value()?.as_str().to_owned();
    // Behind the sign that browsers keep to themselves, so that no log on the way has it.
    let link = format!("{}/invitation#{token}", services.public_url);
    let shown = [("inviter", inviter), ("organization", organization), ("role", role), ("expires", expires)];
    let mail = OwnMail {
        to: invitation.email.text()?.to_owned(),
        template: rules::INVITATION,
        language: own::language(&locale),
        variables: shown.map(|(name, value)| (name.to_owned(), value)).into(),
        secrets: BTreeMap::from([("link".to_owned(), link)]),
        about: (Invitation::PREFIX, invitation.id),
        by: act.scope.user,
    };
    own::send_own(act, services, mail).await.map(drop)
}
