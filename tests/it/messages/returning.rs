//! What comes back about messages, and people who unsubscribe.

use payaid::features::messages::actions::reports;
use payaid::platform::mail::bounces::Bounce;
use payaid::platform::mail::unsubscribe;
use payaid::platform::sms::reports::{Outcome as Reported, Report};
use serde_json::json;

use super::{Business, MSG91, SELECT, SENDGRID, refused, row, text};

fn bounce(reference: Option<String>, status: &str) -> Bounce {
    let permanent = status.starts_with('5');
    Bounce { reference, recipient: None, status: status.to_owned(), permanent, delayed: !permanent, diagnostic: "no such user".to_owned() }
}

fn report(provider_reference: &str, outcome: Reported) -> Report {
    Report { provider: "msg91", reference: None, provider_reference: Some(provider_reference.to_owned()), outcome, detail: Some("said".to_owned()) }
}

impl Business {
    /// The word that went out with a message.
    async fn reference(&self, message: &str) -> String {
        let organization = text(&self.owner.query("{ viewer { organization { id } } }").await["viewer"]["organization"]["id"]);
        self.app.app.services.references.reference(row(&organization), row(message))
    }

    async fn suppressed(&self) -> serde_json::Value {
        self.owner.query("{ suppressions { nodes { id address channel reason message { id } } } }").await["suppressions"]["nodes"].take()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bounce_for_good_suppresses_its_address_and_another_does_not() {
    let business = Business::open().await;
    business.scripted.says(SENDGRID, 202, "");
    let contact = business.contact("Asha").await;
    let id = business.mail_to(&contact, true).await;
    business.send_mail(&id).await.unwrap();
    let (services, reference) = (&business.app.app.services, business.reference(&id).await);
    for nobodys in [None, Some("made-up".to_owned()), Some(reference.replace(['A', 'B', 'C', 'D'], "z"))] {
        assert!(!reports::bounced(services, &bounce(nobodys, "5.1.1")).await.unwrap());
    }
    assert!(reports::bounced(services, &bounce(Some(reference.clone()), "4.2.2")).await.unwrap());
    let message = business.message(&id).await;
    assert_eq!((&message["state"], business.suppressed().await), (&json!("SENT"), json!([])));
    assert!(text(&message["error"]).starts_with("4.2.2"));
    for _ in 0..2 {
        assert!(reports::bounced(services, &bounce(Some(reference.clone()), "5.1.1")).await.unwrap());
    }
    let message = business.message(&id).await;
    assert_eq!((&message["state"], &message["error"]), (&json!("BOUNCED"), &json!("5.1.1 no such user")));
    let suppressed = business.suppressed().await;
    assert_eq!((suppressed.as_array().unwrap().len(), &suppressed[0]["reason"], &suppressed[0]["message"]["id"]), (1, &json!("BOUNCE"), &json!(id)));
    let mail = json!({"channel": "EMAIL", "contactId": contact, "subject": "s", "body": "b", "transactional": true});
    let payload = business.owner.mutate("messageSend", mail.clone(), SELECT).await;
    assert_eq!(refused(&payload).0, "VALIDATION_ERROR");
    assert!(refused(&payload).1.contains("come back"), "{payload}");
    let retried = business.owner.mutate("messageRetry", json!({"id": id, "version": message["version"]}), SELECT).await;
    assert_eq!(refused(&retried).0, "VALIDATION_ERROR");
    business.owner.done("suppressionDelete", json!({"id": suppressed[0]["id"]}), "deletedIds").await;
    business.owner.done("messageRetry", json!({"id": id, "version": message["version"]}), SELECT).await;
    business.owner.done("messageSend", mail, SELECT).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_that_came_back_for_now_goes_out_an_hour_later_and_not_for_ever() {
    let business = Business::open().await;
    business.scripted.says(SENDGRID, 202, "");
    let id = business.mail_to(&business.contact("Asha").await, true).await;
    business.send_mail(&id).await.unwrap();
    let (services, db) = (&business.app.app.services, business.app.superuser().await);
    let full = Bounce { delayed: false, ..bounce(Some(business.reference(&id).await), "4.2.2") };
    let first = business.job_of(&id).await;
    // The second word about the same attempt changes nothing.
    let mut jobs = Vec::new();
    for _ in 0..2 {
        assert!(reports::bounced(services, &full).await.unwrap());
        jobs.push(business.job_of(&id).await);
    }
    assert!(jobs[0] != first && jobs[0] == jobs[1]);
    let message = business.message(&id).await;
    assert_eq!((&message["state"], &message["error"], business.suppressed().await), (&json!("QUEUED"), &json!("4.2.2 no such user"), json!([])));
    let due = format!("SELECT run_at - now() BETWEEN interval '59 minutes' AND interval '1 hour' FROM jobs WHERE id = '{}'", jobs[0]);
    assert!(db.query_one(&due, &[]).await.unwrap().get::<_, bool>(0));
    business.send_mail(&id).await.unwrap();
    let message = business.message(&id).await;
    assert_eq!((&message["state"], &message["attempts"]), (&json!("SENT"), &json!(2)));
    // SendGrid tells of the same in its own words.
    let event = json!([{"sg_event_id": "e1", "event": "bounce", "email": "x@y.example", "timestamp": 1_790_000_000, "type": "blocked",
        "reference": business.reference(&id).await}]);
    let turned_away = payaid::platform::mail::sendgrid::events(event.to_string().as_bytes()).unwrap().remove(0);
    reports::sendgrid(services, &turned_away).await.unwrap();
    assert_eq!(business.state(&id).await, "QUEUED");
    business.send_mail(&id).await.unwrap();
    db.execute(&format!("UPDATE messages SET attempts = 5 WHERE id = '{}'", row(&id)), &[]).await.unwrap();
    assert!(reports::bounced(services, &full).await.unwrap());
    assert_eq!((business.state(&id).await.as_str(), business.suppressed().await), ("FAILED", json!([])));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_of_an_earlier_attempt_does_not_decide_about_the_next() {
    let business = Business::open().await;
    business.scripted.hangs(MSG91);
    let id = business.sms_to(&business.contact("Asha").await, &business.sms_template().await).await;
    business.send_sms(&id).await.unwrap_err();
    let version = business.message(&id).await["version"].clone();
    business.owner.done("messageRetry", json!({"id": id, "version": version}), SELECT).await;
    let old = Report { reference: Some(business.reference(&id).await), ..report("old", Reported::Failed) };
    assert!(reports::reported(&business.app.app.services, &old).await.unwrap());
    assert_eq!(business.state(&id).await, "QUEUED");
    business.scripted.forget();
    business.scripted.says(MSG91, 200, json!({"type": "success", "message": "new"}).to_string());
    business.send_sms(&id).await.unwrap();
    assert!(reports::reported(&business.app.app.services, &old).await.unwrap());
    assert_eq!(business.state(&id).await, "SENT");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_whose_link_is_gone_is_not_sent_again() {
    let business = Business::open().await;
    business.scripted.says(SENDGRID, 202, "");
    business.owner.done("memberInvite", json!({"email": "new@sharma.example", "role": "SALES"}), "inviteToken").await;
    let id = text(&business.owner.query("{ messages { nodes { id } } }").await["messages"]["nodes"][0]["id"]);
    business.send_mail(&id).await.unwrap();
    // Not even by itself, when it came back for now.
    let full = Bounce { delayed: false, ..bounce(Some(business.reference(&id).await), "4.2.2") };
    assert!(reports::bounced(&business.app.app.services, &full).await.unwrap());
    let message = business.message(&id).await;
    assert_eq!(message["state"], "FAILED");
    let refusal = business.owner.mutate("messageRetry", json!({"id": id, "version": message["version"]}), SELECT).await;
    assert_eq!(refused(&refusal).0, "VALIDATION_ERROR");
    assert!(refused(&refusal).1.contains("invite the person again"), "{refusal}");
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_in_any_order_and_twice_lead_to_the_same() {
    let business = Business::open().await;
    let (contact, template) = (business.contact("Asha").await, business.sms_template().await);
    let orders: [&[Reported]; 4] = [
        &[Reported::Sent, Reported::Delivered, Reported::Sent],
        &[Reported::Delivered, Reported::Failed, Reported::Delivered],
        &[Reported::Failed, Reported::Sent, Reported::Delivered],
        &[Reported::Failed, Reported::Failed, Reported::Delivered, Reported::Sent],
    ];
    for (number, order) in orders.into_iter().enumerate() {
        business.scripted.forget();
        business.scripted.says(MSG91, 200, json!({"type": "success", "message": format!("req{number}")}).to_string());
        let id = business.sms_to(&contact, &template).await;
        business.send_sms(&id).await.unwrap();
        for outcome in order {
            assert!(reports::reported(&business.app.app.services, &report(&format!("req{number}"), *outcome)).await.unwrap());
        }
        let message = business.message(&id).await;
        assert_eq!(message["state"], "DELIVERED", "{order:?}");
        assert!(message["deliveredAt"].is_string());
    }
    assert!(!reports::reported(&business.app.app.services, &report("unknown", Reported::Delivered)).await.unwrap());
    let unwanted = report("req0", Reported::Unsubscribed);
    assert!(reports::reported(&business.app.app.services, &unwanted).await.unwrap());
    assert_eq!(business.suppressed().await[0]["channel"], "SMS");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_message_in_doubt_is_cleared_up_by_a_report() {
    let business = Business::open().await;
    business.scripted.hangs(MSG91);
    let id = business.sms_to(&business.contact("Asha").await, &business.sms_template().await).await;
    business.send_sms(&id).await.unwrap_err();
    assert_eq!(business.message(&id).await["mayHaveBeenSent"], true);
    let own = Report { reference: Some(business.reference(&id).await), ..report("req91", Reported::Sent) };
    assert!(reports::reported(&business.app.app.services, &own).await.unwrap());
    let message = business.message(&id).await;
    assert_eq!((&message["state"], &message["mayHaveBeenSent"]), (&json!("SENT"), &json!(false)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_unsubscribes_by_a_post_alone() {
    let business = Business::open().await;
    business.scripted.says(SENDGRID, 202, "");
    let contact = business.contact("Asha").await;
    let (offer, waiting) = (business.mail_to(&contact, false).await, business.mail_to(&contact, false).await);
    business.send_mail(&offer).await.unwrap();
    let body = business.scripted.asked()[0].body.clone();
    let token: String = body.split("/unsubscribe/").nth(1).unwrap().chars().take_while(|c| c.is_ascii_alphanumeric() || "-_".contains(*c)).collect();
    assert_eq!(unsubscribe::read(&business.app.app.services.unsubscribe, &token).unwrap().1, "asha@contact.example");
    let (client, url) = (business.app.anonymous(), business.app.url(&format!("/unsubscribe/{token}")));
    // Whoever only looks at the link changes nothing.
    for _ in 0..2 {
        let page = client.request(reqwest::Method::GET, &url).send().await.unwrap();
        assert_eq!((page.status().as_u16(), page.headers()["referrer-policy"].to_str().unwrap()), (200, "no-referrer"));
        assert!(page.text().await.unwrap().contains("<form method=\"post\">"));
        assert_eq!(business.suppressed().await, json!([]));
    }
    for _ in 0..2 {
        let done = client.request(reqwest::Method::POST, &url).body("List-Unsubscribe=One-Click").send().await.unwrap();
        assert_eq!(done.status().as_u16(), 200);
    }
    let suppressed = business.suppressed().await;
    assert_eq!((suppressed.as_array().unwrap().len(), &suppressed[0]["reason"]), (1, &json!("UNSUBSCRIBE")));
    let broken = business.app.url(&format!("/unsubscribe/{}", &token[1..]));
    assert_eq!(client.request(reqwest::Method::POST, &broken).send().await.unwrap().status().as_u16(), 404);
    // What is an offer goes there no more, not even what was written before; what is transactional does.
    business.send_mail(&waiting).await.unwrap();
    assert_eq!(business.state(&waiting).await, "FAILED");
    let mail = json!({"channel": "EMAIL", "contactId": contact, "subject": "s", "body": "b"});
    assert!(refused(&business.owner.mutate("messageSend", mail, SELECT).await).1.contains("unsubscribed"));
    let receipt = business.mail_to(&contact, true).await;
    business.send_mail(&receipt).await.unwrap();
    assert_eq!((business.state(&receipt).await.as_str(), business.scripted.asked().len()), ("SENT", 2));
}
