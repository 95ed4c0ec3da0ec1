//! What providers report of the messages they took, read from the bodies of their calls. Who calls is checked before, where the calls arrive.

use aws_lc_rs::hmac;
use data_encoding::BASE64;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// It is on its way.
    Sent,
    /// The person has it.
    Delivered,
    /// It was given up.
    Failed,
    /// The person wants no such messages.
    Unsubscribed,
}

/// A report of one message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Who reports; not kept with a report, which is kept for its provider.
    #[serde(skip)]
    pub provider: &'static str,
    /// Our own word for the message, where the provider was given one.
    pub reference: Option<String>,
    /// The provider's word for it.
    pub provider_reference: Option<String>,
    /// What became of it.
    pub outcome: Outcome,
    /// What the provider says of it.
    pub detail: Option<String>,
}

impl Report {
    /// A word by which a repeated report is known again: of the same message and outcome.
    #[must_use]
    pub fn event_id(&self) -> String {
        // Both words, or whoever knows one of them could take the place of another message's report.
        let of = [self.provider_reference.as_deref(), self.reference.as_deref()].into_iter().flatten().collect::<Vec<_>>().join(":");
        format!("{of}:{}", format!("{:?}", self.outcome).to_lowercase())
    }
}

/// Reads a call of MSG91: version 2, a form whose `data` is JSON, or version 3, JSON. What says nothing of an outcome is left out.
///
/// # Errors
/// A sentence when it cannot be read.
pub fn msg91(body: &[u8]) -> Result<Vec<Report>, String> {
    let form = pairs(&String::from_utf8_lossy(body));
    let text = of(&form, "data").unwrap_or_else(|| String::from_utf8_lossy(body).into_owned());
    let json: Value = serde_json::from_str(&text).map_err(|error| format!("This is no report of MSG91: {error}."))?;
    let requests = match &json {
        Value::Array(requests) => requests.clone(),
        one => vec![one.clone()],
    };
    let mut reports = Vec::new();
    for request in &requests {
        let id = word(request, "requestId");
        let single = [request.clone()];
        for each in request.get("report").and_then(Value::as_array).map_or(&single[..], Vec::as_slice) {
            let outcome = match word(each, "status").as_deref() {
                Some("1") => Outcome::Delivered,
                Some("2" | "16" | "17" | "25") => Outcome::Failed,
                // The registry of those who want no advertising.
                Some("9") => Outcome::Unsubscribed,
                _ => continue,
            };
            let detail = word(each, "failedReason").or_else(|| word(each, "desc"));
            reports.push(Report { provider: "msg91", reference: None, provider_reference: id.clone(), outcome, detail });
        }
    }
    Ok(reports)
}

/// Reads a call of Fast2SMS, JSON with the request's id and the status of each number.
///
/// # Errors
/// A sentence when it cannot be read.
pub fn fast2sms(body: &[u8]) -> Result<Vec<Report>, String> {
    let json: Value = serde_json::from_slice(body).map_err(|error| format!("This is no report of Fast2SMS: {error}."))?;
    let id = word(&json, "request_id");
    let single = [json.clone()];
    let each = json.get("delivery_status").or_else(|| json.get("data")).and_then(Value::as_array).map_or(&single[..], Vec::as_slice);
    let report = |one: &Value| {
        let status = word(one, "status")?;
        let outcome = outcome_of(&status)?;
        let detail = word(one, "status_description").or(Some(status));
        Some(Report { provider: "fast2sms", reference: None, provider_reference: word(one, "request_id").or_else(|| id.clone()), outcome, detail })
    };
    Ok(each.iter().filter_map(report).collect())
}

/// Reads a call of Exotel to the address that it was given: a form, or JSON. `query` is what stands behind the `?` of the address.
///
/// # Errors
/// A sentence when it cannot be read.
pub fn exotel(query: &str, body: &[u8]) -> Result<Vec<Report>, String> {
    let fields = fields(body);
    let id = of(&fields, "SmsSid").or_else(|| of(&fields, "Sid")).ok_or("This is no report of Exotel: it has no SmsSid.")?;
    let Some(outcome) = of(&fields, "Status").and_then(|status| outcome_of(&status)) else { return Ok(Vec::new()) };
    let detail = of(&fields, "DetailedStatus").or_else(|| of(&fields, "Status"));
    Ok(vec![Report { provider: "exotel", reference: of(&pairs(query), "reference"), provider_reference: Some(id), outcome, detail }])
}

/// Reads a call of Twilio to the address that it was given: a form. `query` is what stands behind the `?` of the address.
///
/// # Errors
/// A sentence when it cannot be read.
pub fn twilio(query: &str, body: &[u8]) -> Result<Vec<Report>, String> {
    let fields = fields(body);
    let id = of(&fields, "MessageSid").or_else(|| of(&fields, "SmsSid")).ok_or("This is no report of Twilio: it has no MessageSid.")?;
    let code = of(&fields, "ErrorCode");
    let outcome = match code.as_deref() {
        // The person has said STOP.
        Some("21610") => Some(Outcome::Unsubscribed),
        _ => of(&fields, "MessageStatus").or_else(|| of(&fields, "SmsStatus")).and_then(|status| outcome_of(&status)),
    };
    let Some(outcome) = outcome else { return Ok(Vec::new()) };
    let detail = code.map(|code| format!("error {code}"));
    Ok(vec![Report { provider: "twilio", reference: of(&pairs(query), "reference"), provider_reference: Some(id), outcome, detail }])
}

/// Whether Twilio has signed a call: the address that it was given, and behind it the names and values of the form in the order of their names, marked
/// with the account's token.
#[must_use]
pub fn is_twilios(token: &SecretString, address: &str, body: &[u8], signature: &str) -> bool {
    let Ok(signature) = BASE64.decode(signature.as_bytes()) else { return false };
    let mut fields = pairs(&String::from_utf8_lossy(body));
    fields.sort();
    let signed = fields.into_iter().fold(address.to_owned(), |signed, (name, value)| signed + &name + &value);
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, token.expose_secret().as_bytes());
    hmac::verify(&key, signed.as_bytes(), &signature).is_ok()
}

/// A value in the part behind an address's `?`.
#[must_use]
pub fn in_query(query: &str, name: &str) -> Option<String> {
    pairs(query).into_iter().find(|(known, _)| known == name).map(|(_, value)| value)
}

/// The words that providers have for an outcome; `None` for those that say nothing yet.
fn outcome_of(status: &str) -> Option<Outcome> {
    match status.to_ascii_lowercase().as_str() {
        "sent" | "submitted" => Some(Outcome::Sent),
        "delivered" | "delivrd" | "read" => Some(Outcome::Delivered),
        "failed" | "undelivered" | "undeliv" | "failed-dnd" | "rejected" | "expired" | "canceled" | "cancelled" => Some(Outcome::Failed),
        _ => None,
    }
}

/// A text or number of a JSON object as text; `None` for an empty one.
fn word(json: &Value, name: &str) -> Option<String> {
    let text = match json.get(name)? {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    short(&text)
}

fn short(text: &str) -> Option<String> {
    let text: String = text.chars().filter(|c| !c.is_control()).take(200).collect();
    Some(text).filter(|text| !text.is_empty())
}

/// The fields of a body that is a form or a JSON object.
fn fields(body: &[u8]) -> Vec<(String, String)> {
    match serde_json::from_slice::<Value>(body) {
        Ok(Value::Object(object)) => object.keys().filter_map(|name| Some((name.clone(), word(&Value::Object(object.clone()), name)?))).collect(),
        _ => pairs(&String::from_utf8_lossy(body)),
    }
}

/// The pairs of a form or of the part behind an address's `?`.
fn pairs(form: &str) -> Vec<(String, String)> {
    let url = reqwest::Url::parse("http://form/").map(|mut url| {
        url.set_query(Some(form));
        url
    });
    url.map(|url| url.query_pairs().into_owned().collect()).unwrap_or_default()
}

fn of(pairs: &[(String, String)], name: &str) -> Option<String> {
    pairs.iter().find(|(known, _)| known == name).and_then(|(_, value)| if name == "data" { Some(value.clone()) } else { short(value) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcomes(reports: Result<Vec<Report>, String>) -> Vec<(Option<String>, Outcome)> {
        reports.unwrap().into_iter().map(|report| (report.provider_reference, report.outcome)).collect()
    }

    #[test]
    fn reports_of_msg91_are_read_in_both_versions() {
        let v2 = b"data=%5B%7B%22senderId%22%3A%22PAYAID%22%2C%22requestId%22%3A%22346a%22%2C%22report%22%3A%5B%7B%22number%22%3A%22919876543210%22%2C%22status%22%3A%221%22%2C%22desc%22%3A%22DELIVERED%22%7D%2C%7B%22status%22%3A%2217%22%7D%5D%7D%5D";
        let id = Some("346a".to_owned());
        assert_eq!(outcomes(msg91(v2)), [(id.clone(), Outcome::Delivered), (id.clone(), Outcome::Failed)]);
        let v3 = br#"{"requestId": "346a", "number": "919876543210", "status": "9", "desc": "NDNC"}"#;
        assert_eq!(outcomes(msg91(v3)), [(id, Outcome::Unsubscribed)]);
        assert!(msg91(b"data=%5B%7B").is_err() && msg91(b"").is_err());
    }

    #[test]
    fn reports_of_fast2sms_are_read() {
        let one = br#"{"request_id": "lwdtp7", "delivery_status": [{"number": "9876543210", "status": "Delivered", "status_description": "ok"}]}"#;
        assert_eq!(outcomes(fast2sms(one)), [(Some("lwdtp7".to_owned()), Outcome::Delivered)]);
        assert_eq!(outcomes(fast2sms(br#"{"request_id": "lwdtp7", "status": "Failed"}"#)), [(Some("lwdtp7".to_owned()), Outcome::Failed)]);
        assert!(fast2sms(b"[").is_err());
    }

    /// The example of Twilio's documentation.
    #[test]
    fn only_what_twilio_signed_is_twilios() {
        let (token, address) = ("12345".to_owned().into(), "https://mycompany.com/myapp.php?foo=1&bar=2");
        let body = b"Digits=1234&CallSid=CA1234567890ABCDE&To=%2B18005551212&Caller=%2B14158675309&From=%2B14158675309";
        let signature = "RSOYDt4T1cUTdK1PDd93/VVr8B8=";
        assert!(is_twilios(&token, address, body, signature));
        assert!(!is_twilios(&"12346".to_owned().into(), address, body, signature));
        assert!(!is_twilios(&token, "https://mycompany.com/myapp.php?foo=1&bar=3", body, signature));
        assert!(!is_twilios(&token, address, b"Digits=1235", signature));
        assert!(!is_twilios(&token, address, body, "") && !is_twilios(&token, address, body, "AAAA"));
    }

    #[test]
    fn reports_of_exotel_and_twilio_bring_our_own_word_back() {
        let exotel = exotel("reference=abc-_1", b"SmsSid=ex1&To=09876543210&Status=failed-dnd&DetailedStatus=DND").unwrap();
        assert_eq!((exotel[0].reference.as_deref(), exotel[0].outcome, exotel[0].detail.as_deref()), (Some("abc-_1"), Outcome::Failed, Some("DND")));
        let of = |body: &[u8]| twilio("reference=abc", body).unwrap();
        assert_eq!(of(b"MessageSid=SM1&MessageStatus=delivered")[0].outcome, Outcome::Delivered);
        assert_eq!(of(b"MessageSid=SM1&MessageStatus=undelivered&ErrorCode=21610")[0].outcome, Outcome::Unsubscribed);
        assert_eq!(of(b"MessageSid=SM1&MessageStatus=queued"), []);
        assert!(twilio("", b"MessageStatus=sent").is_err());
        assert_eq!(of(b"MessageSid=SM1&MessageStatus=sent")[0].event_id(), "SM1:abc:sent");
    }
}
