//! The services beside the database. All of them may be missing; one that is configured must answer.

use std::sync::Arc;

use crate::base::clock::SystemClock;
use crate::commands::doctor::Finding;
use crate::commands::http_get;
use crate::platform::config::{LlmConfig, MailConfig, RedisConfig};
use crate::platform::mail::Mailer;
use crate::platform::redis::Redis;

/// Whether Redis answers.
pub async fn redis(config: &RedisConfig) -> Finding {
    const PART: &str = "redis";
    match Redis::new(config) {
        Ok(None) => Finding::ok(PART, "not used: REDIS_URL is not set, so each server counts its limits for itself"),
        Err(error) => Finding::wrong(PART, format!("this is no address of a Redis: {error:#}"), "write it as redis://host:6379"),
        Ok(Some(redis)) => match redis.ping().await {
            Ok(()) => Finding::ok(PART, "answers"),
            Err(error) => {
                Finding::wrong(PART, format!("{error}; meanwhile each server counts its limits for itself"), "start it, or take REDIS_URL away")
            }
        },
    }
}

/// Whether the language model's server answers.
pub async fn language_model(config: &LlmConfig) -> Finding {
    const PART: &str = "language model";
    if !config.ollama_enabled {
        return Finding::ok(PART, "not used: OLLAMA_ENABLED is not true");
    }
    let Some(url) = config.ollama_url.as_deref().filter(|url| !url.is_empty()) else {
        return Finding::wrong(PART, "OLLAMA_ENABLED is true, and OLLAMA_URL is not set", "set OLLAMA_URL, such as http://127.0.0.1:11434");
    };
    let Some(address) = address(url) else {
        return Finding::warning(PART, format!("{url} cannot be asked: only http:// addresses can"), "ask it yourself for /api/tags");
    };
    match http_get::status(&address, "/api/tags").await {
        Ok(200) => Finding::ok(PART, format!("Ollama answers at {url}")),
        Ok(status) => Finding::wrong(PART, format!("{url}/api/tags answers with status {status}"), "is it an Ollama that listens there?"),
        Err(error) => Finding::wrong(PART, format!("{error:#}"), "start Ollama by `ollama serve`, or set OLLAMA_ENABLED to false"),
    }
}

/// Whether mail can go out.
pub async fn mail(config: &MailConfig) -> Finding {
    const PART: &str = "mail";
    match Mailer::new(config, Arc::new(SystemClock)) {
        Err(error) => Finding::wrong(PART, format!("{error:#}"), "docs/mail.md says what belongs together"),
        Ok(mailer) => match mailer.look().await {
            Ok(found) => Finding::ok(PART, found),
            Err(found) => Finding::wrong(PART, found, "start it, or look at SMTP_HOST and what else begins with SMTP_"),
        },
    }
}

/// Host and port of a plain HTTP address.
fn address(url: &str) -> Option<String> {
    let rest = url.strip_prefix("http://")?;
    let host = rest.split('/').next().filter(|host| !host.is_empty())?;
    let has_port = host.rsplit_once(':').is_some_and(|(_, port)| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()));
    Some(if has_port { host.to_owned() } else { format!("{host}:80") })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::doctor::State;
    use crate::platform::config::SmtpTls;

    #[test]
    fn addresses_get_their_port() {
        assert_eq!(address("http://127.0.0.1:11434").as_deref(), Some("127.0.0.1:11434"));
        assert_eq!(address("http://ollama/").as_deref(), Some("ollama:80"));
        assert_eq!(address("http://[::1]").as_deref(), Some("[::1]:80"));
        assert_eq!((address("https://ollama"), address("http://")), (None, None));
    }

    #[tokio::test]
    async fn what_is_not_used_is_well_and_what_does_not_answer_is_not() {
        assert_eq!(redis(&RedisConfig::default()).await.state, State::Ok);
        assert_eq!(redis(&RedisConfig { url: Some("redis://127.0.0.1:1".to_owned()) }).await.state, State::Wrong);
        assert_eq!(language_model(&LlmConfig::default()).await.state, State::Ok);
        assert_eq!(language_model(&LlmConfig { ollama_enabled: true, ollama_url: None }).await.state, State::Wrong);
        assert_eq!(mail(&MailConfig::default()).await.state, State::Ok);
        let away = MailConfig {
            smtp_host: Some("127.0.0.1".to_owned()),
            smtp_port: Some(1),
            smtp_tls: SmtpTls::None,
            mail_from: Some("a@b.in".to_owned()),
            ..MailConfig::default()
        };
        assert_eq!(mail(&away).await.state, State::Wrong);
        assert_eq!(mail(&MailConfig { mail_from: None, ..away }).await.state, State::Wrong);
        let gone = LlmConfig { ollama_enabled: true, ollama_url: Some("http://127.0.0.1:1".to_owned()) };
        assert_eq!(language_model(&gone).await.state, State::Wrong);
    }
}
