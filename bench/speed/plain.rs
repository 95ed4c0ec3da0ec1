//! The handler that somebody would write by hand who has only these six questions to answer: axum, tokio-postgres, prepared statements, and nothing
//! in between. Its transactions have the shape of the server's: `BEGIN` and the tenant in one message with the first statement, the end off the path, or
//! in the same message where a row by its id is all that is read. Each has a connection of the pool to itself, as drivers give them out.

mod answers;
mod create;
mod dashboard;
mod values;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, ensure};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, NoTls, Row, Statement};
use uuid::Uuid;

/// As many connections as the pool of the server has.
const CONNECTIONS: usize = 8;

/// The handler, on connections to a database of its own.
pub async fn router(url: &str) -> Result<Router> {
    let mut idle = Vec::new();
    for _ in 0..CONNECTIONS {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
        tokio::spawn(connection);
        idle.push(Node { statements: answers::prepare(&client).await?, client });
    }
    let idle = Arc::new(Mutex::new(idle));
    let state = Arc::new(Plain { idle, free: Arc::new(Semaphore::new(CONNECTIONS)), known: Mutex::default() });
    Ok(Router::new()
        .route("/contact", post(answers::contact))
        .route("/nested", post(answers::nested))
        .route("/dashboard", post(dashboard::dashboard))
        .route("/search", post(answers::search))
        .route("/page", post(answers::page))
        .route("/create", post(create::create))
        .with_state(state))
}

/// What requests share.
pub struct Plain {
    idle: Arc<Mutex<Vec<Node>>>,
    free: Arc<Semaphore>,
    known: Mutex<HashMap<String, Who>>,
}

type Shared = State<Arc<Plain>>;

/// Who asks, as the token says. The signature is not looked at: that is remembered by the server, too.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Who {
    #[serde(rename = "org")]
    pub organization: Uuid,
    #[serde(rename = "sub")]
    pub user: Uuid,
}

/// A connection with what is prepared on it.
struct Node {
    client: Client,
    statements: Vec<Statement>,
}

impl Plain {
    fn who(&self, headers: &HeaderMap) -> Result<Who> {
        let token = headers.get(header::AUTHORIZATION).context("no token")?.to_str()?.trim_start_matches("Bearer ");
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(who) = known.get(token) {
            return Ok(*who);
        }
        let claims = token.split('.').nth(1).context("no claims")?;
        let who: Who = serde_json::from_slice(&BASE64URL_NOPAD.decode(claims.as_bytes())?)?;
        known.insert(token.to_owned(), who);
        Ok(who)
    }

    async fn read(&self, who: Who) -> Result<Transaction> {
        self.begin(format!("{}; SAVEPOINT opened", read_only(who))).await
    }

    /// For a single statement, after whose failure there is nothing to go on with.
    async fn read_once(&self, who: Who) -> Result<Transaction> {
        self.begin(read_only(who)).await
    }

    async fn begin(&self, begin: String) -> Result<Transaction> {
        let permit = Arc::clone(&self.free).acquire_owned().await?;
        let node = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        Ok(Transaction { node, idle: Arc::clone(&self.idle), begin, permit: Some(permit) })
    }
}

fn read_only(Who { organization, user }: Who) -> String {
    format!("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL app.organization_id = '{organization}'; SET LOCAL app.user_id = '{user}'")
}

/// A transaction whose first statement takes `BEGIN` along.
pub struct Transaction {
    node: Option<Node>,
    idle: Arc<Mutex<Vec<Node>>>,
    begin: String,
    permit: Option<OwnedSemaphorePermit>,
}

impl Transaction {
    fn node(&self) -> Result<&Node> {
        self.node.as_ref().context("a permit without a connection")
    }

    /// The first statement.
    async fn first(&self, statement: usize, values: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>> {
        let client = &self.node()?.client;
        let (begun, rows) = futures_util::join!(client.batch_execute(&self.begin), self.rows(statement, values));
        begun?;
        rows
    }

    /// The only statement: the transaction ends in the same message.
    async fn only(mut self, statement: usize, values: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>> {
        let client = &self.node()?.client;
        let (begun, rows, ended) =
            futures_util::join!(client.batch_execute(&self.begin), self.rows(statement, values), client.batch_execute("ROLLBACK"));
        begun?;
        ended?;
        self.give_back();
        rows
    }

    /// A further statement.
    async fn rows(&self, statement: usize, values: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>> {
        let node = self.node()?;
        Ok(node.client.query(node.statements.get(statement).context("no such statement")?, values).await?)
    }

    /// Commits, and runs a statement of one row right after it.
    async fn commit_at(mut self, statement: usize) -> Result<Row> {
        let (committed, rows) = futures_util::join!(self.node()?.client.batch_execute("COMMIT"), self.rows(statement, &[]));
        committed?;
        let row = rows?.into_iter().next().context("no row")?;
        self.give_back();
        Ok(row)
    }

    fn give_back(&mut self) {
        if let Some(node) = self.node.take() {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(node);
        }
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        let (Some(node), idle, permit) = (self.node.take(), Arc::clone(&self.idle), self.permit.take()) else { return };
        tokio::spawn(async move {
            if node.client.batch_execute("ROLLBACK").await.is_ok() {
                idle.lock().unwrap_or_else(PoisonError::into_inner).push(node);
            }
            drop(permit);
        });
    }
}

/// The variables of a request.
fn variables<'a, T: Deserialize<'a>>(body: &'a Bytes) -> Result<T> {
    ensure!(!body.is_empty(), "no variables");
    Ok(serde_json::from_slice(body)?)
}

/// An answer as it is written.
fn written<T: Serialize>(data: T) -> Result<Vec<u8>> {
    #[derive(Serialize)]
    struct Answer<T> {
        data: T,
    }
    Ok(serde_json::to_vec(&Answer { data })?)
}

/// An answer, or what went wrong.
fn answer(body: Result<Vec<u8>>) -> Response {
    match body {
        Ok(body) => ([(header::CONTENT_TYPE, "application/json")], body).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error:#}")).into_response(),
    }
}
