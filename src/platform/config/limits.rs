//! How large documents may be, and how much callers may do.

use std::time::Duration;

use clap::Args;

use crate::base::allowance::Allowance;
use crate::base::duration::parse as duration;

/// What a document may be.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct DocumentConfig {
    /// The most points that one operation may cost.
    #[arg(long, env = "DOCUMENT_MAX_COST", default_value_t = 1_000)]
    pub document_max_cost: u64,
    /// The deepest nesting of fields.
    #[arg(long, env = "DOCUMENT_MAX_DEPTH", default_value_t = 15)]
    pub document_max_depth: usize,
    /// The most fields, those of fragments counted wherever they are spread.
    #[arg(long, env = "DOCUMENT_MAX_FIELDS", default_value_t = 500)]
    pub document_max_fields: usize,
    /// The most aliases at one level.
    #[arg(long, env = "DOCUMENT_MAX_ALIASES", default_value_t = 30)]
    pub document_max_aliases: usize,
    /// The most directives.
    #[arg(long, env = "DOCUMENT_MAX_DIRECTIVES", default_value_t = 10)]
    pub document_max_directives: usize,
    /// The most operations, of which a request runs one.
    #[arg(long, env = "DOCUMENT_MAX_OPERATIONS", default_value_t = 10)]
    pub document_max_operations: usize,
    /// The longest text, in bytes.
    #[arg(long, env = "DOCUMENT_MAX_BYTES", default_value_t = 16 * 1024)]
    pub document_max_bytes: usize,
    /// The most fields of the schema itself, below `__schema` and `__type`.
    #[arg(long, env = "INTROSPECTION_MAX_FIELDS", default_value_t = 500)]
    pub introspection_max_fields: usize,
    /// The deepest nesting of fields of the schema itself.
    #[arg(long, env = "INTROSPECTION_MAX_DEPTH", default_value_t = 25)]
    pub introspection_max_depth: usize,
    /// Who may ask for the schema itself, and gets to know similar names when one is wrong.
    #[arg(long, env = "INTROSPECTION", default_value = "permitted")]
    pub introspection: Introspection,
    /// The most errors that one answer tells.
    #[arg(long, env = "MAX_ERRORS", default_value_t = 20)]
    pub max_errors: usize,
}

/// Who may ask for the schema itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Introspection {
    /// Everybody.
    Everybody,
    /// Whoever has the permission `schema.read`, and partners by their keys.
    Permitted,
}

impl Default for DocumentConfig {
    fn default() -> Self {
        Self {
            document_max_cost: 1_000,
            document_max_depth: 15,
            document_max_fields: 500,
            document_max_aliases: 30,
            document_max_directives: 10,
            document_max_operations: 10,
            document_max_bytes: 16 * 1024,
            introspection_max_fields: 500,
            introspection_max_depth: 25,
            introspection: Introspection::Permitted,
            max_errors: 20,
        }
    }
}

/// How much callers may do in a span of time. The numbers of `docs/limits.md` are these.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct LimitConfig {
    /// The points of a session or API key of an organization with the plan FREE.
    #[arg(long, env = "BUDGET_FREE", default_value = "3000/60s")]
    pub budget_free: Allowance,
    /// With the plan BASIC.
    #[arg(long, env = "BUDGET_BASIC", default_value = "12000/60s")]
    pub budget_basic: Allowance,
    /// With the plan PRO.
    #[arg(long, env = "BUDGET_PRO", default_value = "30000/60s")]
    pub budget_pro: Allowance,
    /// With the plan ENTERPRISE.
    #[arg(long, env = "BUDGET_ENTERPRISE", default_value = "60000/60s")]
    pub budget_enterprise: Allowance,
    /// The points of an address that is not signed in.
    #[arg(long, env = "BUDGET_ANONYMOUS", default_value = "1200/60s")]
    pub budget_anonymous: Allowance,
    /// Operations of an address that is not signed in, other than signing in or up.
    #[arg(long, env = "LIMIT_ANONYMOUS", default_value = "10/1h")]
    pub limit_anonymous: Allowance,
    /// Failures to sign in, for one account from one address.
    #[arg(long, env = "LIMIT_SIGN_IN", default_value = "3/15m")]
    pub limit_sign_in: Allowance,
    /// New organizations from one address.
    #[arg(long, env = "LIMIT_SIGN_UP", default_value = "20/15m")]
    pub limit_sign_up: Allowance,
    /// Payments of one user.
    #[arg(long, env = "LIMIT_PAYMENTS", default_value = "5/1m")]
    pub limit_payments: Allowance,
    /// Messages by the contact form from one address.
    #[arg(long, env = "LIMIT_CONTACT_FORM", default_value = "100/15m")]
    pub limit_contact_form: Allowance,
    /// Questions to agents of one user.
    #[arg(long, env = "LIMIT_AGENTS", default_value = "20/1h")]
    pub limit_agents: Allowance,
    /// How long an operation waits for what Redis says of its limits, before this server decides alone.
    #[arg(long, env = "LIMIT_REDIS_WAIT", default_value = "15ms", value_parser = duration)]
    pub limit_redis_wait: Duration,
    /// How many servers there are at least, who share what is allowed while Redis does not answer.
    #[arg(long, env = "LIMIT_SERVERS", default_value_t = 1)]
    pub limit_servers: u32,
}

impl Default for LimitConfig {
    fn default() -> Self {
        Self {
            budget_free: Allowance::per(3_000, 60),
            budget_basic: Allowance::per(12_000, 60),
            budget_pro: Allowance::per(30_000, 60),
            budget_enterprise: Allowance::per(60_000, 60),
            budget_anonymous: Allowance::per(1_200, 60),
            limit_anonymous: Allowance::per(10, 3_600),
            limit_sign_in: Allowance::per(3, 900),
            limit_sign_up: Allowance::per(20, 900),
            limit_payments: Allowance::per(5, 60),
            limit_contact_form: Allowance::per(100, 900),
            limit_agents: Allowance::per(20, 3_600),
            limit_redis_wait: Duration::from_millis(15),
            limit_servers: 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        documents: DocumentConfig,
        #[command(flatten)]
        limits: LimitConfig,
    }

    #[test]
    fn the_defaults_are_those_of_the_command_line() {
        let line = Line::parse_from(["payaid"]);
        assert_eq!((line.documents, line.limits), (DocumentConfig::default(), LimitConfig::default()));
    }
}
