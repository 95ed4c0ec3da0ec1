//! What is told by Standard Webhooks, signed with a secret of the operator's: which plan an organization has, as the operator's billing says.
//!
//! `{"type": "organization.plan", "timestamp": "...", "data": {"organizationId": "organization_...", "plan": "PRO"}}` sets the plan. What was said last,
//! by its own timestamp, holds, in whatever order it arrives. Any other event is kept and otherwise let pass.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use serde::Deserialize;

use crate::access::audit::{self, Changed};
use crate::access::inbound::{Inbound, Received, Refused, Told, scope_within};
use crate::access::writing::write_as;
use crate::access::{Act, Plan, Services};
use crate::base::Result;
use crate::features::accounts::model::{Organization, OrganizationId};
use crate::features::accounts::queries::lock_organization;
use crate::platform::outgoing::signature::{self, Secret, Unverified};
use crate::schema::organizations;
use secrecy::ExposeSecret;

/// Who sends by Standard Webhooks.
#[derive(Debug)]
pub struct Standard;

#[derive(Deserialize)]
struct Event {
    #[serde(rename = "type")]
    kind: String,
    timestamp: DateTime<Utc>,
    data: serde_json::Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PlanSaid {
    organization_id: String,
    plan: String,
}

impl Inbound for Standard {
    const PROVIDER: &'static str = "standard";
    const ERRAND: &'static str = "inbound_standard";

    fn verify(received: &Received<'_>) -> Result<(), Refused> {
        let secrets: Vec<Secret> =
            received.config.webhooks.webhook_in_secret.iter().filter_map(|secret| Secret::parse(secret.expose_secret()).ok()).collect();
        if secrets.is_empty() {
            return Err(Refused::NotConfigured);
        }
        match signature::verify(&secrets, received.header, received.body, received.now) {
            Ok(_) => Ok(()),
            Err(Unverified::Malformed) => Err(Refused::Malformed),
            Err(Unverified::OutOfTime) => Err(Refused::OutOfTime),
            Err(Unverified::Wrong) => Err(Refused::Signature),
        }
    }

    fn events(received: &Received<'_>) -> Result<Vec<Told>, Refused> {
        let id = (received.header)(signature::ID).ok_or(Refused::Malformed)?;
        serde_json::from_slice::<serde::de::IgnoredAny>(received.body).map_err(|_| Refused::Malformed)?;
        Ok(vec![Told { id: id.to_owned(), body: received.body.to_vec() }])
    }

    async fn process(services: Services, told: Told) -> Result<()> {
        let Ok(Event { kind, timestamp, data }) = serde_json::from_slice(&told.body) else { return Ok(()) };
        if kind != "organization.plan" {
            return Ok(());
        }
        let said = serde_json::from_value::<PlanSaid>(data).ok();
        let said = said.and_then(|said| {
            let plan = Plan::ALL.iter().copied().find(|plan| plan.as_str() == said.plan)?;
            Some((OrganizationId::parse(&said.organization_id).ok()?.uuid(), plan))
        });
        let Some((organization, plan)) = said else {
            tracing::warn!(event = told.id, "an event about a plan names no organization or no plan");
            return Ok(());
        };
        let scope = scope_within(&services, organization, &told);
        write_as(&services, scope, move |act| async move { set_plan(&act, plan, timestamp).await }).await?;
        services.forget_organization(organization);
        Ok(())
    }
}

/// Sets the plan, unless something was said later.
async fn set_plan(act: &Act, plan: Plan, said_at: DateTime<Utc>) -> Result<()> {
    let Some(before) = lock_organization(act).await? else { return Ok(()) };
    let target = organizations::table
        .filter(organizations::id.eq(act.organization()))
        .filter(organizations::plan_as_of.is_null().or(organizations::plan_as_of.lt(said_at)));
    let change = (
        organizations::plan.eq(plan),
        organizations::plan_as_of.eq(Some(said_at)),
        organizations::updated_at.eq(act.now()),
        organizations::version.eq(organizations::version + 1),
    );
    let after: Option<Organization> = act.db.first(diesel::update(target).set(change).returning(Organization::as_returning())).await?;
    let Some(after) = after else { return Ok(()) };
    audit::record(act, "organization.plan", &[Changed { id: after.id, before: Some(&before), after: Some(&after) }]).await
}
