//! HTTP without a database: what is refused, how it is said, and the headers of every answer.

use axum::body::Body;
use axum::http::{Method, Request, Response, StatusCode, header};
use bytes::Bytes;
use futures_util::stream;
use serde_json::json;

use super::{json, send, text};
use crate::base::Code;
use crate::web::observe::X_REQUEST_ID;

fn post(body: impl Into<Body>) -> Request<Body> {
    Request::post("/graphql")
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::ACCEPT, "application/graphql-response+json")
        .body(body.into())
        .unwrap()
}

fn document(text: &str) -> Request<Body> {
    post(json!({ "query": text }).to_string())
}

fn get(uri: &str) -> Request<Body> {
    Request::get(uri).body(Body::empty()).unwrap()
}

fn content_type(response: &Response<Body>) -> String {
    response.headers()[header::CONTENT_TYPE].to_str().unwrap().to_owned()
}

/// Refused with this status and code, in the shape of a GraphQL response without data.
async fn refused(request: Request<Body>, status: StatusCode, code: Code) -> serde_json::Value {
    let wanted = match request.headers().get(header::ACCEPT) {
        Some(_) => "application/graphql-response+json; charset=utf-8",
        None => "application/json; charset=utf-8",
    };
    let response = send(request).await;
    assert_eq!(response.status(), status);
    assert_eq!(content_type(&response), wanted);
    let id = response.headers()[&X_REQUEST_ID].to_str().unwrap().to_owned();
    let body = json(response).await;
    let error = &body["errors"][0];
    assert_eq!(error["extensions"]["code"], code.as_str(), "{body}");
    assert_eq!(error["extensions"]["requestId"], id);
    assert!(error["extensions"]["docUrl"].as_str().unwrap().ends_with(&format!("#{}", code.as_str().to_lowercase())));
    assert!(!body.as_object().unwrap().contains_key("data"), "{body}");
    body
}

#[tokio::test]
async fn an_open_field_is_answered_in_the_accepted_type() {
    for (accept, expected) in [
        (Some("application/graphql-response+json"), "application/graphql-response+json; charset=utf-8"),
        (Some("application/json"), "application/json; charset=utf-8"),
        (Some("*/*"), "application/json; charset=utf-8"),
        (None, "application/json; charset=utf-8"),
    ] {
        let mut request = document("{ __typename }");
        request.headers_mut().remove(header::ACCEPT);
        if let Some(accept) = accept {
            request.headers_mut().insert(header::ACCEPT, accept.parse().unwrap());
        }
        let response = send(request).await;
        assert_eq!((response.status(), content_type(&response).as_str()), (StatusCode::OK, expected));
        assert_eq!(json(response).await["data"], json!({"__typename": "Query"}));
    }
    let response = send(get("/graphql?query=%7B__typename%7D")).await;
    assert_eq!((response.status(), &json(response).await["data"]["__typename"]), (StatusCode::OK, &json!("Query")));
}

/// Such clients read errors from answers with status 200 alone; what is wrong with the request itself is an error of HTTP for them as well.
#[tokio::test]
async fn clients_of_plain_json_find_the_errors_of_a_document_under_status_200() {
    for (body, status) in [
        (json!({"query": "{"}).to_string(), StatusCode::OK),
        (json!({"query": "{ __schema { nothing } }"}).to_string(), StatusCode::OK),
        (json!({"query": "query($id: ID!) { node(id: $id) { id } }", "variables": {}}).to_string(), StatusCode::UNAUTHORIZED),
        ("{".to_owned(), StatusCode::BAD_REQUEST),
        (json!({"query": 1}).to_string(), StatusCode::BAD_REQUEST),
    ] {
        let mut request = post(body.clone());
        request.headers_mut().insert(header::ACCEPT, "application/json".parse().unwrap());
        let response = send(request).await;
        assert_eq!((response.status(), content_type(&response).as_str()), (status, "application/json; charset=utf-8"), "{body}");
        assert!(json(response).await["errors"][0]["message"].is_string(), "{body}");
    }
}

#[tokio::test]
async fn nobody_reads_without_signing_in() {
    let response = send(document("{ contacts { nodes { id } } }")).await;
    assert_eq!(response.headers()[header::WWW_AUTHENTICATE], "Bearer");
    refused(document("{ contacts { nodes { id } } }"), StatusCode::UNAUTHORIZED, Code::Unauthenticated).await;
    refused(document("{ __typename contacts { nodes { id } } }"), StatusCode::UNAUTHORIZED, Code::Unauthenticated).await;
    let mut request = document("{ __typename }");
    request.headers_mut().insert(header::AUTHORIZATION, "Bearer nonsense".parse().unwrap());
    assert_eq!(send(request).await.headers()[header::WWW_AUTHENTICATE], "Bearer error=\"invalid_token\"");
    for authorization in ["Bearer nonsense", "Basic dXNlcjpwYXNz", "Bearer", "nonsense"] {
        let mut request = document("{ __typename }");
        request.headers_mut().insert(header::AUTHORIZATION, authorization.parse().unwrap());
        refused(request, StatusCode::UNAUTHORIZED, Code::InvalidToken).await;
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_a_bad_request() {
    for body in ["", "{\"query\":", "[]", "{}", "{\"query\":7}", "{\"query\":\"{ a }\",\"variables\":[]}"] {
        refused(post(body), StatusCode::BAD_REQUEST, Code::ValidationError).await;
    }
    refused(post(&b"{\"query\":\"\xff\"}"[..]), StatusCode::BAD_REQUEST, Code::ValidationError).await;
    refused(document("{"), StatusCode::BAD_REQUEST, Code::ValidationError).await;
    refused(get("/graphql"), StatusCode::BAD_REQUEST, Code::ValidationError).await;
}

#[tokio::test]
async fn what_is_not_valid_cannot_be_processed() {
    refused(document("{ __schema { nothing } }"), StatusCode::UNPROCESSABLE_ENTITY, Code::ValidationError).await;
    refused(document("query A { __typename } query B { __typename }"), StatusCode::UNPROCESSABLE_ENTITY, Code::ValidationError).await;
    refused(document("query($n: String!) { __type(name: $n) { name } }"), StatusCode::UNPROCESSABLE_ENTITY, Code::ValidationError).await;
    let bomb: String = (0..30).map(|n| format!("fragment F{n} on Query {{ ...F{} ...F{} }} ", n + 1, n + 1)).collect();
    let bomb = format!("{{ ...F0 }} {bomb} fragment F30 on Query {{ __typename }}");
    refused(document(&bomb), StatusCode::UNPROCESSABLE_ENTITY, Code::DocumentTooComplex).await;
    let directives = "@include(if: true) ".repeat(20);
    refused(document(&format!("{{ __typename {directives} }}")), StatusCode::UNPROCESSABLE_ENTITY, Code::DocumentTooComplex).await;
}

#[tokio::test]
async fn mutations_do_not_come_by_get_or_as_plain_text() {
    let uri = "/graphql?query=mutation%7BcontactDelete(input%3A%7Bid%3A%22x%22%7D)%7BdeletedIds%7D%7D";
    assert_eq!(send(get(uri)).await.headers()[header::ALLOW], "POST");
    refused(get(uri), StatusCode::METHOD_NOT_ALLOWED, Code::ValidationError).await;
    for content_type in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/json; charset=utf-16"] {
        let mut request = document("{ __typename }");
        request.headers_mut().insert(header::CONTENT_TYPE, content_type.parse().unwrap());
        refused(request, StatusCode::UNSUPPORTED_MEDIA_TYPE, Code::ValidationError).await;
    }
    let mut request = document("{ __typename }");
    request.headers_mut().remove(header::CONTENT_TYPE);
    refused(request, StatusCode::UNSUPPORTED_MEDIA_TYPE, Code::ValidationError).await;
    let put = Request::put("/graphql").header(header::ACCEPT, "application/graphql-response+json").body(Body::empty()).unwrap();
    refused(put, StatusCode::METHOD_NOT_ALLOWED, Code::ValidationError).await;
    let mut request = document("{ __typename }");
    request.headers_mut().insert(header::ACCEPT, "text/html".parse().unwrap());
    refused(request, StatusCode::NOT_ACCEPTABLE, Code::ValidationError).await;
}

#[tokio::test]
async fn long_bodies_are_not_read_to_their_end() {
    refused(post(vec![b' '; 10 * 1024 * 1024]), StatusCode::PAYLOAD_TOO_LARGE, Code::ValidationError).await;
    let endless = stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from_static(&[b' '; 4096])));
    refused(post(Body::from_stream(endless)), StatusCode::PAYLOAD_TOO_LARGE, Code::ValidationError).await;
    let mut announced = post("{}");
    announced.headers_mut().insert(header::CONTENT_LENGTH, "2000000".parse().unwrap());
    refused(announced, StatusCode::PAYLOAD_TOO_LARGE, Code::ValidationError).await;
}

#[tokio::test]
async fn answers_are_compressed_by_gzip_for_those_who_take_it() {
    for (accepted, expected) in [("gzip, deflate, br", Some("gzip")), ("br", None), ("identity", None), ("gzip;q=0", None)] {
        let mut request = document("{ nothing }");
        request.headers_mut().insert(header::ACCEPT_ENCODING, accepted.parse().unwrap());
        let response = send(request).await;
        assert_eq!(response.headers().get(header::CONTENT_ENCODING).map(|value| value.to_str().unwrap()), expected, "{accepted}");
        let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
        assert_eq!(body.starts_with(&[0x1f, 0x8b]), expected.is_some());
        assert_eq!(body.starts_with(b"{"), expected.is_none());
    }
}

#[tokio::test]
async fn every_answer_has_an_id_and_the_security_headers() {
    for uri in ["/graphql?query=%7B__typename%7D", "/livez", "/readyz", "/metrics", "/graphiql", "/nothing"] {
        let response = send(get(uri)).await;
        assert_eq!(response.headers()[header::X_CONTENT_TYPE_OPTIONS], "nosniff", "{uri}");
        assert_eq!(response.headers()[header::X_FRAME_OPTIONS], "DENY", "{uri}");
        assert_eq!(response.headers()[header::REFERRER_POLICY], "no-referrer", "{uri}");
        assert!(response.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap().starts_with("default-src 'none'; "), "{uri}");
        assert_eq!(response.headers()[&X_REQUEST_ID].len(), 32, "{uri}");
    }
    let mut request = get("/nothing");
    request.headers_mut().insert(X_REQUEST_ID, "mine-1".parse().unwrap());
    let response = send(request).await;
    assert_eq!((response.status(), &response.headers()[&X_REQUEST_ID]), (StatusCode::NOT_FOUND, &"mine-1".parse().unwrap()));
}

#[tokio::test]
async fn only_configured_origins_are_let_in() {
    let preflight = |origin: &str| {
        Request::builder()
            .method(Method::OPTIONS)
            .uri("/graphql")
            .header(header::ORIGIN, origin)
            .header(header::ACCESS_CONTROL_REQUEST_METHOD, "POST")
            .header(header::ACCESS_CONTROL_REQUEST_HEADERS, "authorization,content-type")
            .body(Body::empty())
            .unwrap()
    };
    let allowed = send(preflight("https://app.example.in")).await;
    assert_eq!(allowed.headers()[header::ACCESS_CONTROL_ALLOW_ORIGIN], "https://app.example.in");
    assert!(!allowed.headers().contains_key(header::ACCESS_CONTROL_ALLOW_CREDENTIALS));
    let foreign = send(preflight("https://evil.example")).await;
    assert!(!foreign.headers().contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN));
}

#[tokio::test]
async fn health_tells_life_from_readiness() {
    assert_eq!(send(get("/livez")).await.status(), StatusCode::OK);
    let response = send(get("/readyz")).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    let checks = json!({"serving": "ok", "database": "unreachable", "replicas": "off", "migrations": "unknown", "redis": "off"});
    assert_eq!(json(response).await, json!({"ready": false, "checks": checks}));
    send(document("{ __typename }")).await;
    let metrics = text(send(get("/metrics")).await).await;
    for line in
        ["http_requests_total{", "graphql_operations_total{kind=\"query\",outcome=\"OK\"}", "database_connections{node=\"primary\",state=\"open\"} 0"]
    {
        assert!(metrics.contains(line), "{line} in {metrics}");
    }
}

#[tokio::test]
async fn the_explorer_has_a_policy_of_its_own() {
    let home = send(get("/")).await;
    assert_eq!(home.headers()[header::LOCATION], "/graphiql");
    let config = send(get("/graphiql/config.json")).await;
    let policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
    assert_eq!(config.headers()[header::CONTENT_SECURITY_POLICY], policy);
    let account = json!({"label": "Demo", "email": "owner@demo.example", "password": "demo"});
    assert_eq!(json(config).await, json!({"demoAccounts": [account]}));
    let missing = send(get("/graphiql/assets/nothing.js")).await;
    assert_eq!((missing.status(), missing.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap()), (StatusCode::NOT_FOUND, policy));
    for outside in ["/graphiql/../Cargo.toml", "/graphiql/%2e%2e/%2e%2e/Cargo.toml", "/graphiql//etc/passwd"] {
        assert_eq!(send(get(outside)).await.status(), StatusCode::NOT_FOUND, "{outside}");
    }
}
