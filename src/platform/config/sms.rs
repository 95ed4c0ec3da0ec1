//! Who sends text messages: the providers that have keys, in the order MSG91, Fast2SMS, Exotel, Twilio; without any, they are written into files.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use secrecy::SecretString;

use crate::base::duration::parse as duration;

/// Who sends text messages.
#[derive(Debug, Clone, Args)]
pub struct SmsConfig {
    /// MSG91's authentication key.
    #[arg(long, env = "MSG91_AUTH_KEY", hide_env_values = true)]
    pub msg91_auth_key: Option<SecretString>,
    /// Where MSG91 answers.
    #[arg(long, env = "MSG91_URL", default_value = MSG91)]
    pub msg91_url: String,
    /// Fast2SMS's API key.
    #[arg(long, env = "FAST2SMS_API_KEY", hide_env_values = true)]
    pub fast2sms_api_key: Option<SecretString>,
    /// Where Fast2SMS answers.
    #[arg(long, env = "FAST2SMS_URL", default_value = FAST2SMS)]
    pub fast2sms_url: String,
    /// The account at Exotel.
    #[arg(long, env = "EXOTEL_SID")]
    pub exotel_sid: Option<String>,
    /// The API key of that account.
    #[arg(long, env = "EXOTEL_API_KEY", hide_env_values = true)]
    pub exotel_api_key: Option<SecretString>,
    /// The API token of that account.
    #[arg(long, env = "EXOTEL_API_TOKEN", hide_env_values = true)]
    pub exotel_api_token: Option<SecretString>,
    /// Where Exotel answers.
    #[arg(long, env = "EXOTEL_URL", default_value = EXOTEL)]
    pub exotel_url: String,
    /// The account at Twilio.
    #[arg(long, env = "TWILIO_ACCOUNT_SID")]
    pub twilio_account_sid: Option<String>,
    /// The token of that account.
    #[arg(long, env = "TWILIO_AUTH_TOKEN", hide_env_values = true)]
    pub twilio_auth_token: Option<SecretString>,
    /// Whom Twilio names as the sender; the template's header when left out.
    #[arg(long, env = "TWILIO_FROM")]
    pub twilio_from: Option<String>,
    /// Where Twilio answers.
    #[arg(long, env = "TWILIO_URL", default_value = TWILIO)]
    pub twilio_url: String,
    /// How many messages MSG91 is asked to send on one of India's days.
    #[arg(long, env = "SMS_DAILY_MSG91", default_value_t = DAILY)]
    pub sms_daily_msg91: u32,
    /// The same for Fast2SMS.
    #[arg(long, env = "SMS_DAILY_FAST2SMS", default_value_t = DAILY)]
    pub sms_daily_fast2sms: u32,
    /// The same for Exotel.
    #[arg(long, env = "SMS_DAILY_EXOTEL", default_value_t = DAILY)]
    pub sms_daily_exotel: u32,
    /// The same for Twilio.
    #[arg(long, env = "SMS_DAILY_TWILIO", default_value_t = DAILY)]
    pub sms_daily_twilio: u32,
    /// What stands behind `?key=` in the addresses that MSG91 and Fast2SMS are given for their reports, of at least 16 letters; without it, none are taken.
    #[arg(long, env = "SMS_REPORTS_KEY", hide_env_values = true)]
    pub sms_reports_key: Option<SecretString>,
    /// How long a provider may take to answer.
    #[arg(long, env = "SMS_TIMEOUT", default_value = "15s", value_parser = duration)]
    pub sms_timeout: Duration,
    /// Where messages are written while no provider has keys.
    #[arg(long, env = "SMS_FOLDER", default_value = ".payaid/sms")]
    pub sms_folder: PathBuf,
}

const MSG91: &str = "https://control.msg91.com";
const FAST2SMS: &str = "https://www.fast2sms.com";
const EXOTEL: &str = "https://api.exotel.com";
const TWILIO: &str = "https://api.twilio.com";
const DAILY: u32 = 10_000;

impl Default for SmsConfig {
    fn default() -> Self {
        Self {
            msg91_auth_key: None,
            msg91_url: MSG91.to_owned(),
            fast2sms_api_key: None,
            fast2sms_url: FAST2SMS.to_owned(),
            exotel_sid: None,
            exotel_api_key: None,
            exotel_api_token: None,
            exotel_url: EXOTEL.to_owned(),
            twilio_account_sid: None,
            twilio_auth_token: None,
            twilio_from: None,
            twilio_url: TWILIO.to_owned(),
            sms_daily_msg91: DAILY,
            sms_daily_fast2sms: DAILY,
            sms_daily_exotel: DAILY,
            sms_daily_twilio: DAILY,
            sms_reports_key: None,
            sms_timeout: Duration::from_secs(15),
            sms_folder: PathBuf::from(".payaid/sms"),
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
        sms: SmsConfig,
    }

    #[test]
    fn the_defaults_are_those_of_the_command_line() {
        assert_eq!(format!("{:?}", Line::parse_from(["payaid"]).sms), format!("{:?}", SmsConfig::default()));
    }
}
