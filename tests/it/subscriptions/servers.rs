//! What is written on one server is told on another: by the database's notifications, or by Redis; and nothing is lost with a connection.

use std::sync::Arc;

use payaid::base::clock::SystemClock;
use payaid::platform::cluster::redis;

use super::{contact, next, opened, settled};
use crate::harness::waiting::until;
use crate::harness::{Client, TestApp};

const SUBSCRIPTION: &str = "subscription { contactChanged { contact { name } } }";

/// The connections that listen.
const LISTENING: &str = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND query = 'LISTEN payaid_events'";

#[tokio::test(flavor = "multi_thread")]
async fn another_server_is_told_by_the_database() {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let second = TestApp::beside(&app, |_| ()).await;
    let mut socket = opened(&second, &owner, SUBSCRIPTION).await;
    contact(&owner, "Asha").await;
    assert_eq!(next(&mut socket).await.0["contact"]["name"], "Asha");

    // The connection is lost, and something is written before there is another one.
    let superuser = app.superuser().await;
    let listening = async || superuser.query(LISTENING, &[]).await.unwrap().len();
    until("somebody listens", async || listening().await == 1).await;
    for round in 0..3 {
        let killed = format!("SELECT pg_terminate_backend(pid) FROM ({LISTENING}) AS listening");
        superuser.batch_execute(&killed).await.unwrap();
        contact(&owner, &format!("Binod {round}")).await;
        assert_eq!(next(&mut socket).await.0["contact"]["name"], format!("Binod {round}"));
        until("somebody listens again", async || listening().await == 1).await;
    }
    drop(socket);
    until("nobody listens", async || listening().await == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_server_is_told_by_redis_and_without_it_when_it_is_gone() {
    let mut server = redis::Server::start().await.unwrap();
    let url = server.url();
    let app = TestApp::with(|config| config.redis.url = Some(url.clone()), Arc::new(SystemClock)).await;
    let second = TestApp::beside(&app, |config| config.redis.url = Some(url)).await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let far = Client::new(second.url("/graphql"), owner.token.clone());
    let mut sockets = [opened(&app, &owner, SUBSCRIPTION).await, opened(&second, &owner, SUBSCRIPTION).await];
    let mut say = async |client: &Client, name: &str| {
        contact(client, name).await;
        for socket in &mut sockets {
            assert_eq!(next(socket).await.0["contact"]["name"], name);
        }
    };
    say(&owner, "Asha").await;
    say(&far, "Binod").await;
    server.kill().await;
    say(&owner, "Chitra").await;
    say(&far, "Deepa").await;
}

/// A process that ends has said before what it has committed.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_process_has_written_last_is_told() {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    contact(&owner, "Asha").await;
    settled(&app).await;
    let mut socket = opened(&app, &owner, SUBSCRIPTION).await;
    let superuser = app.superuser().await;
    let organization = superuser.query_one("SELECT organization_id::text FROM contacts", &[]).await.unwrap().get::<_, &str>(0).parse().unwrap();
    let again = "INSERT INTO audit_entries (organization_id, id, at, action, noun, row_id, before, after, request_id)
        SELECT organization_id, gen_random_uuid(), now(), 'contact.update', 'contact', id, '{}', '{}', 'r' FROM contacts";
    superuser.batch_execute(again).await.unwrap();
    let services = payaid::access::Services::new(&app.app.config, Arc::new(SystemClock)).unwrap();
    services.events.publish(organization);
    services.events.flush().await;
    drop(services);
    assert_eq!(next(&mut socket).await.0["contact"]["name"], "Asha");
}
