//! A schema with faults in it, served on the database and services of a real one: what the walks are there to find, they must find here.

use std::sync::Arc;

use async_graphql::{Context, EmptyMutation, Object, ObjectType, Variables};
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::routing::post;
use axum::{Json, Router};
use diesel::prelude::*;
use payaid::access::document::{Document, TypeMap};
use payaid::access::executor::Executor;
use payaid::access::writer::{Writable, Written, WrittenList};
use payaid::access::{Act, Batch, Can, ClientInfo, Operation, Permission, Reader, SignedIn};
use payaid::base::{Map, Result};
use payaid::features::contacts::actions::{self as contact_actions, ContactBulkUpdateInput};
use payaid::features::contacts::mutations::ContactBulkUpdatePayload;
use payaid::features::deals::actions::{self as deal_actions, DealBulkUpdateInput};
use payaid::features::deals::mutations::DealBulkUpdatePayload;
use payaid::features::tasks::actions::{self as task_actions, TaskBulkUpdateInput};
use payaid::features::tasks::mutations::TaskBulkUpdatePayload;
use payaid::schema::{companies, contacts};
use payaid::web::errors::Body;
use serde_json::Value;
use uuid::Uuid;

use super::statements::Crowd;
use crate::harness::app::documents;
use crate::harness::schema::Schema;
use crate::harness::{Client, TestApp};

#[derive(Default)]
pub struct Query;

impl Writable for Query {}

#[Object]
impl Query {
    #[graphql(guard = "SignedIn")]
    async fn people(&self, ctx: &Context<'_>, #[graphql(default = 50)] first: i32) -> Result<Option<WrittenList<Vec<Person>>>> {
        let reads = Operation::of(ctx)?.reads()?;
        let own = contacts::table.filter(contacts::organization_id.eq(reads.reader.organization())).order(contacts::name).limit(first.into());
        let rows: Vec<(String, Option<Uuid>)> = reads.reader.db.load(own.select((contacts::name, contacts::company_id))).await?;
        Ok(Some(WrittenList(rows.into_iter().map(|(name, company)| Person { name, company: company.unwrap() }).collect())))
    }
}

#[derive(Default)]
pub struct Told;

impl Writable for Told {}

#[Object(name = "Subscription")]
impl Told {
    #[graphql(guard = "SignedIn")]
    async fn happened(&self) -> bool {
        true
    }
}

struct Person {
    name: String,
    company: Uuid,
}

impl Writable for Person {}

#[Object]
impl Person {
    #[graphql(guard = "SignedIn")]
    async fn name(&self) -> &str {
        &self.name
    }

    /// As it should be.
    #[graphql(guard = "Can(Permission::WebhooksManage)")]
    async fn company(&self, ctx: &Context<'_>) -> Result<Option<String>> {
        Operation::of(ctx)?.reads()?.load::<CompanyNames>(self.company).await
    }

    /// Passes by the loader.
    #[graphql(guard = "Can(Permission::WebhooksManage)")]
    async fn company_alone(&self, ctx: &Context<'_>) -> Result<Option<String>> {
        let reads = Operation::of(ctx)?.reads()?;
        Ok(names(&reads.reader, &[self.company]).await?.remove(&self.company))
    }

    /// Has lost its guard.
    async fn company_for_all(&self, ctx: &Context<'_>) -> Result<Option<String>> {
        Operation::of(ctx)?.reads()?.load::<CompanyNames>(self.company).await
    }
}

struct CompanyNames;

impl Batch for CompanyNames {
    type Key = Uuid;
    type Value = String;

    async fn load(reader: Reader, keys: Vec<Uuid>) -> Result<Map<Uuid, String>> {
        names(&reader, &keys).await
    }
}

async fn names(reader: &Reader, ids: &[Uuid]) -> Result<Map<Uuid, String>> {
    let own = companies::table.filter(companies::organization_id.eq(reader.organization())).filter(companies::id.eq_any(ids.to_vec()));
    let rows: Vec<(Uuid, String)> = reader.db.load(own.select((companies::id, companies::name))).await?;
    Ok(rows.into_iter().collect())
}

/// Actions on many rows.
#[derive(Default)]
pub struct Actions;

impl Writable for Actions {}

#[Object(name = "Mutation")]
impl Actions {
    /// As it should be.
    #[graphql(guard = "Can(Permission::TasksWrite)")]
    async fn task_bulk_update(&self, ctx: &Context<'_>, input: TaskBulkUpdateInput) -> Result<Option<Written<TaskBulkUpdatePayload>>> {
        TaskBulkUpdatePayload::of(Operation::of(ctx)?.write(|act| async move { task_actions::bulk_update(&act, input).await }).await)
    }

    /// Changes one after another.
    #[graphql(guard = "Can(Permission::DealsWrite)")]
    async fn deal_bulk_update(&self, ctx: &Context<'_>, input: DealBulkUpdateInput) -> Result<Option<Written<DealBulkUpdatePayload>>> {
        let each = |act: Act| async move {
            let mut deals = Vec::new();
            for id in &input.ids {
                let one = DealBulkUpdateInput { ids: vec![*id], ..input.clone() };
                deals.extend(deal_actions::bulk_update(&act, one).await?);
            }
            Ok(deals)
        };
        DealBulkUpdatePayload::of(Operation::of(ctx)?.write(each).await)
    }

    /// Leaves out the first.
    #[graphql(guard = "Can(Permission::ContactsWrite)")]
    async fn contact_bulk_update(&self, ctx: &Context<'_>, mut input: ContactBulkUpdateInput) -> Result<Option<Written<ContactBulkUpdatePayload>>> {
        if input.ids.len() > 1 {
            input.ids.remove(0);
        }
        ContactBulkUpdatePayload::of(Operation::of(ctx)?.write(|act| async move { contact_actions::bulk_update(&act, input).await }).await)
    }
}

/// The broken schema whose fields are walked.
pub fn api() -> Executor<Query, EmptyMutation, Told> {
    Executor::build(|schema| schema).unwrap()
}

/// The broken schema whose actions are walked.
pub fn actions() -> Executor<Query, Actions, Told> {
    Executor::build(|schema| schema).unwrap()
}

/// What an operation can begin with.
pub trait Root: ObjectType + Writable + Default + 'static {}

impl<T: ObjectType + Writable + Default + 'static> Root for T {}

/// A crowd whose owner asks one of them, with its schema.
pub async fn crowd<Q: Root, M: Root, S: Root>(size: usize, api: Executor<Q, M, S>) -> (Schema, Crowd) {
    let mut crowd = Crowd::gather(size).await;
    let (schema, url) = serve(&crowd.app, api).await;
    crowd.owner = caller(&url, &crowd.owner);
    (schema, crowd)
}

/// Serves one of them, and gives back the schema and the address.
pub async fn serve<Q: Root, M: Root, S: Root>(app: &TestApp, api: Executor<Q, M, S>) -> (Schema, String) {
    let api = Arc::new(api);
    let sdl = api.schema().sdl();
    let types = Arc::new(TypeMap::from_sdl(&sdl).unwrap());
    let services = app.app.services.clone();
    let answer = move |State(api): State<Arc<Executor<Q, M, S>>>, headers: HeaderMap, Json(request): Json<Value>| async move {
        let token = headers.get(header::AUTHORIZATION).map(|value| value.to_str().unwrap().trim_start_matches("Bearer ").to_owned());
        let request_id: Arc<str> = "broken".into();
        let scope = match token {
            Some(token) => Some(services.authenticate(&token, None, Arc::clone(&request_id)).await.unwrap()),
            None => None,
        };
        let document = Document::prepare(request["query"].as_str().unwrap(), &types, &documents()).unwrap();
        let selection = document.selection(None).unwrap();
        let operation = Operation::new(services.clone(), scope, selection, ClientInfo { ip: None, request_id: Arc::clone(&request_id) });
        let response = api.run(&operation, Variables::from_json(request["variables"].clone())).await;
        Body::of(response, &request_id, usize::MAX, true).into_json()
    };
    let router = Router::new().route("/graphql", post(answer)).with_state(api);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    (Schema::read(&sdl), format!("http://{address}/graphql"))
}

/// A caller of the app as a caller of what is served there.
pub fn caller(url: &str, client: &Client) -> Client {
    Client::new(url.to_owned(), client.token.clone())
}
