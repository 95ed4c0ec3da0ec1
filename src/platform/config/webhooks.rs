//! What is sent to addresses that users choose, what is taken in from others, and the keys that fields are encrypted with.

use std::time::Duration;

use clap::Args;
use secrecy::SecretString;

use crate::base::duration::parse as duration;
use crate::base::network::Network;

/// How webhooks are sent and received.
#[derive(Debug, Clone, Args)]
pub struct WebhookConfig {
    /// Whether webhooks may go to `http://` addresses, unencrypted: for development and tests.
    #[arg(long, env = "WEBHOOK_ALLOW_HTTP", default_value_t = false, action = clap::ArgAction::Set)]
    pub webhook_allow_http: bool,
    /// Private networks that webhooks may go to, such as `10.20.0.0/16`, comma separated; none by default.
    #[arg(long, env = "WEBHOOK_ALLOW_PRIVATE", value_delimiter = ',')]
    pub webhook_allow_private: Vec<Network>,
    /// How long a receiver may take to answer.
    #[arg(long, env = "WEBHOOK_TIMEOUT", default_value = "15s", value_parser = duration)]
    pub webhook_timeout: Duration,
    /// The most endpoints of one organization.
    #[arg(long, env = "WEBHOOK_ENDPOINTS", default_value_t = 100)]
    pub webhook_endpoints: i64,
    /// The secrets, as `whsec_...`, of who sends to `/webhooks/standard`, comma separated: two while one is being replaced.
    #[arg(long, env = "WEBHOOK_IN_SECRET", hide_env_values = true, value_delimiter = ',')]
    pub webhook_in_secret: Vec<SecretString>,
}

impl Default for WebhookConfig {
    fn default() -> Self {
        Self {
            webhook_allow_http: false,
            webhook_allow_private: Vec::new(),
            webhook_timeout: Duration::from_secs(15),
            webhook_endpoints: 100,
            webhook_in_secret: Vec::new(),
        }
    }
}

/// The keys that single fields are encrypted with before the database gets them.
#[derive(Debug, Clone, Default, Args)]
pub struct EncryptionConfig {
    /// 32 random bytes in Base64, which encrypt the secrets of webhooks and the links of invitations; make them with `openssl rand -base64 32`.
    #[arg(long, env = "ENCRYPTION_KEY", hide_env_values = true)]
    pub encryption_key: Option<SecretString>,
    /// Keys that were in use before, comma separated: what they have encrypted can still be read.
    #[arg(long, env = "ENCRYPTION_PREVIOUS_KEYS", hide_env_values = true, value_delimiter = ',')]
    pub encryption_previous_keys: Vec<SecretString>,
}
