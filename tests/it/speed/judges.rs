//! What judges the speed finds what it is there to find: answers that differ, ratios that are too small, plans that are not the same.

use serde_json::{Value, json};

use super::bench::{alike, figures};
use super::shape;

const BY_HAND: &str = r#"{"data":{"contacts":{"nodes":[{"id":"a","name":"Asha"}]}}}"#;
const PRODUCT: &str = r#"{"data":{"contacts":{"nodes":[{"id":"a","name":"Asha"}]}},"extensions":{"cost":{"requested":3}}}"#;

/// Why two answers are not alike, in a few words.
fn why(product: &str, by_hand: &str, created: bool) -> String {
    alike::alike(product.as_bytes(), by_hand.as_bytes(), created).err().map(|error| error.to_string()).unwrap_or_default()
}

#[test]
fn answers_that_differ_are_found() {
    assert_eq!(why(PRODUCT, BY_HAND, false), "");
    for (from, to) in
        [("Asha", "Ravi"), (r#""id":"a","name":"Asha""#, r#""name":"Asha","id":"a""#), (r#":"a","#, r#": "a","#), (r#","name":"Asha""#, "")]
    {
        let other = BY_HAND.replacen(from, to, 1);
        assert_ne!(other, BY_HAND);
        assert!(why(PRODUCT, &other, false).starts_with("the product says"), "{other}");
    }
    assert_eq!(why(BY_HAND, BY_HAND, false), "no extensions");
    assert_eq!(why(PRODUCT, "", false), "an answer is not JSON");
}

#[test]
fn answers_without_content_are_found() {
    let of = |data: &Value| {
        let by_hand = json!({"data": data}).to_string();
        why(&format!("{},\"extensions\":{{\"cost\":{{}}}}}}", by_hand.strip_suffix('}').unwrap()), &by_hand, false)
    };
    assert_eq!(of(&json!({"contacts": {"nodes": [{"deals": {"nodes": []}}, {"deals": {"nodes": [1]}}]}})), "");
    for data in [
        json!({"contact": null}),
        json!({"contacts": {"nodes": []}}),
        json!({"dashboard": {"recentActivity": []}}),
        json!({"contacts": {"nodes": [{"deals": {"nodes": []}, "tasks": {"nodes": [1]}}]}}),
    ] {
        assert!(of(&data).starts_with("an answer without content"), "{data}");
    }
}

#[test]
fn what_is_created_is_compared_but_for_what_is_fresh() {
    let answer = |id: &str, name: &str, token: &str| json!({"data": {"contactCreate": {"contact": {"id": id, "email": id, "name": name}}}, "extensions": {"consistency": {"token": token}, "cost": {}}});
    let by_hand = |mut answer: Value| {
        answer["extensions"].as_object_mut().unwrap().remove("cost");
        answer.to_string()
    };
    assert_eq!(why(&answer("a", "Asha", "t").to_string(), &by_hand(answer("b", "Asha", "u")), true), "");
    assert!(why(&answer("a", "Asha", "t").to_string(), &by_hand(answer("b", "Ravi", "u")), true).starts_with("the product says"));
    let mut without = answer("b", "Asha", "u");
    without["data"]["contactCreate"]["contact"]["id"] = Value::Null;
    assert!(why(&answer("a", "Asha", "t").to_string(), &by_hand(without), true).starts_with("there is nothing at"));
}

#[test]
fn rounds_come_to_the_median_of_their_ratios() {
    assert_eq!(figures::median(vec![3.0, 1.0, 2.0]), 2.0);
    assert_eq!(figures::median(vec![4.0, 1.0, 2.0, 3.0]), 2.5);
    assert_eq!(figures::spread(&[2.0, 3.0, 2.5]), 50.0);
    // The machine was half as fast in two of three rounds, for both sides.
    assert_eq!(figures::ratio(&[90.0, 45.0, 48.0], &[100.0, 50.0, 50.0]), 0.9);
}

#[test]
fn what_is_too_slow_or_too_large_is_said() {
    assert_eq!(figures::slow("page", 0.9, 0.9), None);
    assert_eq!(figures::slow("page", 0.899, 0.9).unwrap(), "page: 0.899 and not 0.90");
    assert!(figures::slow("page", f64::NAN, 0.9).is_some(), "nothing was measured");
    assert_eq!(figures::large("idle", 39.9, 40.0), None);
    assert_eq!(figures::large("idle", 40.0, 40.0).unwrap(), "memory idle: 40 MB and not under 40");
    assert!(figures::large("idle", f64::NAN, 40.0).is_some());
}

#[test]
fn plans_that_are_not_the_same_are_found() {
    let plan = |condition: &str| json!({"Node Type": "Limit", "Plans": [{"Node Type": "Index Scan", "Index Name": "i", "Index Cond": condition}]});
    let same = |one: &str, other: &str| shape(&plan(one)) == shape(&plan(other));
    // Names of tables and numbers of parameters are each side's own.
    assert!(same("((contacts.organization_id = $1) AND (created_at <= $12))", "((organization_id = $3) AND (c.created_at <= $2))"));
    assert!(!same("(organization_id = $1)", "(owner_id = $1)"));
    assert!(!same("(created_at <= $1)", "(created_at < $1)"));
    assert!(!same("(value > 1.5)", "(value > 2.5)"));
    assert_ne!(shape(&plan("(a = $1)")), shape(&plan("(a = $1)")["Plans"][0]));
    let other = json!({"Node Type": "Limit", "Plans": [{"Node Type": "Index Scan", "Index Name": "j", "Index Cond": "(a = $1)"}]});
    assert_ne!(shape(&plan("(a = $1)")), shape(&other));
}
