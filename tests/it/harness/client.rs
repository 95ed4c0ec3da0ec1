//! A client of the API, over real HTTP.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::waiting::LIMIT;

#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    pub url: String,
    pub token: Option<String>,
}

impl Client {
    pub fn new(url: String, token: Option<String>) -> Self {
        Self { http: reqwest::Client::builder().no_proxy().build().unwrap(), url, token }
    }

    /// A request with this client's token, for tests of HTTP itself.
    pub fn request(&self, method: reqwest::Method, url: &str) -> reqwest::RequestBuilder {
        let request = self.http.request(method, url);
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// The whole answer.
    pub async fn send(&self, query: &str, variables: Value) -> Value {
        let request = self.request(reqwest::Method::POST, &self.url).header("accept", "application/graphql-response+json");
        let response = request.json(&json!({"query": query, "variables": variables})).send().await.unwrap();
        let text = response.text().await.unwrap();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// What a subscription tells first, or with what it is refused, as it came.
    pub async fn told(&self, subscription: &str, variables: &Value) -> String {
        let told = self.told_within(LIMIT, subscription, variables).await;
        told.unwrap_or_else(|| panic!("nothing was told: {subscription} {variables}"))
    }

    /// As [`Client::told`]; `None` when nothing is told in this time.
    pub async fn told_within(&self, time: Duration, subscription: &str, variables: &Value) -> Option<String> {
        let request = self.request(reqwest::Method::POST, &self.url).header("accept", "text/event-stream");
        let mut response = request.json(&json!({"query": subscription, "variables": variables})).send().await.unwrap();
        if !response.headers()["content-type"].to_str().unwrap().starts_with("text/event-stream") {
            return Some(response.text().await.unwrap());
        }
        let mut read = String::new();
        let first = async {
            loop {
                if let Some((_, rest)) = read.split_once("event: next\n")
                    && let Some((event, _)) = rest.split_once("\n\n")
                {
                    return event.strip_prefix("data: ").unwrap().to_owned();
                }
                read += std::str::from_utf8(&response.chunk().await.unwrap().expect("an event comes before the end")).unwrap();
            }
        };
        tokio::time::timeout(time, first).await.ok()
    }

    /// The answer with its status and headers, to a request with these headers.
    pub async fn ask(&self, query: &str, variables: Value, headers: &[(&str, &str)]) -> Answer {
        let mut request = self.request(reqwest::Method::POST, &self.url).header("accept", "application/graphql-response+json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.json(&json!({"query": query, "variables": variables})).send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.unwrap();
        Answer { status, headers, body: serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}")) }
    }

    /// The data of an answer that must have no errors.
    pub async fn data(&self, query: &str, variables: Value) -> Value {
        let mut answer = self.send(query, variables).await;
        assert!(answer.get("errors").is_none(), "{query}\n{answer:#}");
        answer["data"].take()
    }

    /// The data of an operation without variables.
    pub async fn query(&self, query: &str) -> Value {
        self.data(query, json!({})).await
    }

    /// The payload of a mutation that takes one input, with the fields in `select`; it may have user errors.
    pub async fn mutate(&self, mutation: &str, input: Value, select: &str) -> Value {
        let mut letters = mutation.chars();
        let type_name = format!("{}{}Input", letters.next().unwrap().to_uppercase(), letters.as_str());
        let query = format!("mutation($input: {type_name}!) {{ {mutation}(input: $input) {{ {select} userErrors {{ code field message }} }} }}");
        self.data(&query, json!({"input": input})).await[mutation].take()
    }

    /// The payload of a mutation that must have no user errors.
    pub async fn done(&self, mutation: &str, input: Value, select: &str) -> Value {
        let payload = self.mutate(mutation, input, select).await;
        assert_eq!(payload["userErrors"], json!([]), "{mutation}");
        payload
    }

    /// The codes of an operation's errors.
    pub async fn codes(&self, query: &str, variables: Value) -> Vec<String> {
        codes(&self.send(query, variables).await)
    }
}

/// An answer as HTTP carries it.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub body: Value,
}

impl Answer {
    /// A header's text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The data, when there are no errors.
    pub fn data(&self) -> &Value {
        assert!(self.body.get("errors").is_none(), "{:#}", self.body);
        &self.body["data"]
    }

    /// The consistency token in the header, which must be the one in the body.
    pub fn token(&self) -> Option<&str> {
        let token = self.header("x-consistency-token");
        assert_eq!(token, self.body["extensions"]["consistency"]["token"].as_str());
        token
    }

    /// Which node was read, where the answer says so.
    pub fn node(&self) -> Option<&str> {
        self.body["extensions"]["consistency"]["node"].as_str()
    }
}

/// The codes of an answer's errors.
pub fn codes(answer: &Value) -> Vec<String> {
    let errors = answer["errors"].as_array().cloned().unwrap_or_default();
    errors.iter().map(|error| error["extensions"]["code"].as_str().unwrap_or("none").to_owned()).collect()
}
