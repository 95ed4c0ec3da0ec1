//! The files that containers are made from. There is no engine here, so they are read: what they name must exist, be pinned and be looked after.

use std::collections::BTreeSet;
use std::path::Path;

use serde_yaml_ng::Value;

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Parsed, with `<<` merged in.
fn compose() -> Value {
    let mut compose: Value = serde_yaml_ng::from_str(&read("docker-compose.yml")).unwrap();
    compose.apply_merge().unwrap();
    compose
}

fn services(compose: &Value) -> Vec<(&str, &Value)> {
    compose["services"].as_mapping().unwrap().iter().map(|(name, service)| (name.as_str().unwrap(), service)).collect()
}

/// Whether an image names an exact version (two dots' worth, or a date), not one that moves.
fn is_pinned(image: &str) -> bool {
    let Some((_, tag)) = image.rsplit_once(':') else { return false };
    let number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let version = tag.split('-').any(|part| part.split('.').count() >= 2 && part.split('.').all(number));
    let date = tag.split('-').any(|part| part.len() == 8 && number(part));
    (version || date) && !tag.contains("latest")
}

fn runs_once(service: &Value) -> bool {
    service["restart"].as_str() == Some("no")
}

/// The names after `${` in a text.
fn variables(text: &str) -> BTreeSet<String> {
    text.split("${").skip(1).map(|rest| rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect()).collect()
}

/// The variables that `.env.example` lists, commented out or not.
fn listed() -> BTreeSet<String> {
    let name = |line: &str| {
        let (name, _) = line.trim_start_matches('#').split_once('=')?;
        let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
        is_name.then(|| name.to_owned())
    };
    read(".env.example").lines().filter_map(name).collect()
}

/// The variables that the sources read: every `env = "..."` of a command-line argument.
fn read_by_the_code() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(path).unwrap();
                found.extend(text.split("env = \"").skip(1).filter_map(|rest| rest.split('"').next()).map(str::to_owned));
            }
        }
    }
    found
}

/// The Dockerfile's instructions, continued lines joined.
fn instructions() -> Vec<(String, String)> {
    let text = read("Dockerfile");
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with('#')).collect();
    let joined = lines.join("\n").replace("\\\n", " ");
    joined.lines().filter_map(|line| line.trim().split_once(' ')).map(|(word, rest)| (word.to_owned(), rest.trim().to_owned())).collect()
}

#[test]
fn every_service_has_a_pinned_image() {
    let compose = compose();
    for (name, service) in services(&compose) {
        let image = service["image"].as_str().unwrap_or_default();
        assert!(is_pinned(image), "{name}: {image}");
    }
    assert!(is_pinned("debian:bookworm-20260824-slim") && is_pinned("postgres:16.15-bookworm"));
    assert!(!is_pinned("redis") && !is_pinned("redis:7") && !is_pinned("ollama/ollama:latest") && !is_pinned("node:20-slim"));
}

#[test]
fn every_service_that_stays_is_looked_after() {
    let compose = compose();
    for (name, service) in services(&compose) {
        if runs_once(service) {
            continue;
        }
        assert_eq!(service["restart"].as_str(), Some("unless-stopped"), "{name}");
        let test = service["healthcheck"]["test"].as_sequence().unwrap_or_else(|| panic!("{name} has no health check"));
        assert_eq!(test[0].as_str(), Some("CMD"), "{name}");
        for setting in ["interval", "timeout", "retries"] {
            assert!(!service["healthcheck"][setting].is_null(), "{name}: {setting}");
        }
    }
}

#[test]
fn whoever_waits_waits_for_a_service_that_can_come_to_it() {
    let compose = compose();
    for (name, service) in services(&compose) {
        for (other, how) in service["depends_on"].as_mapping().into_iter().flatten() {
            let other = other.as_str().unwrap();
            let awaited = &compose["services"][other];
            let condition = how["condition"].as_str().unwrap();
            assert!(awaited.is_mapping(), "{name} waits for {other}, which is not there");
            assert!(awaited["profiles"].is_null(), "{name} waits for {other}, which is not always there");
            assert_eq!(condition, if runs_once(awaited) { "service_completed_successfully" } else { "service_healthy" }, "{name} waits for {other}");
        }
    }
}

#[test]
fn volumes_networks_and_mounted_files_are_there() {
    let compose = compose();
    for (name, service) in services(&compose) {
        for mount in service["volumes"].as_sequence().into_iter().flatten() {
            let source = mount.as_str().unwrap().split(':').next().unwrap();
            let there = match source.strip_prefix("./") {
                Some(path) => Path::new(env!("CARGO_MANIFEST_DIR")).join(path).exists(),
                None => compose["volumes"].as_mapping().unwrap().contains_key(source),
            };
            assert!(there, "{name} mounts {source}");
        }
        for network in service["networks"].as_sequence().unwrap() {
            assert!(compose["networks"].as_mapping().unwrap().contains_key(network), "{name} is on {network:?}");
        }
        for port in service["ports"].as_sequence().into_iter().flatten() {
            assert!(port.as_str().unwrap().starts_with("127.0.0.1:"), "{name} is open to other machines");
        }
    }
    assert_eq!(compose["networks"]["data"]["internal"].as_bool(), Some(true));
}

#[test]
fn the_server_does_not_log_in_as_superuser() {
    let compose = compose();
    for name in ["server", "worker", "seed"] {
        let url = compose["services"][name]["environment"]["DATABASE_URL"].as_str().unwrap();
        assert!(url.starts_with("postgres://payaid_server:"), "{name}: {url}");
    }
    assert!(read("docker/roles.sh").contains("CREATE ROLE payaid_server LOGIN NOSUPERUSER NOBYPASSRLS"));
}

#[test]
fn the_environment_is_listed_and_nothing_else_is() {
    let (listed, code, compose) = (listed(), read_by_the_code(), variables(&read("docker-compose.yml")));
    assert!(code.len() > 20 && compose.len() > 5, "{code:?} {compose:?}");
    let needed: BTreeSet<_> = code.union(&compose).cloned().collect();
    assert_eq!(needed.difference(&listed).collect::<Vec<_>>(), Vec::<&String>::new(), "missing from .env.example");
    assert_eq!(listed.difference(&needed).collect::<Vec<_>>(), Vec::<&String>::new(), "in .env.example, but nobody reads it");
}

#[test]
fn what_compose_sets_is_read() {
    let (compose, code) = (compose(), read_by_the_code());
    for name in ["server", "worker", "seed", "migrate"] {
        for (variable, _) in compose["services"][name]["environment"].as_mapping().unwrap() {
            assert!(code.contains(variable.as_str().unwrap()), "{name} sets {variable:?}, which nobody reads");
        }
    }
}

#[test]
fn the_image_is_pinned_small_and_runs_as_nobody_special() {
    let instructions = instructions();
    let of = |word: &str| instructions.iter().filter(|(name, _)| name == word).map(|(_, rest)| rest.as_str()).collect::<Vec<_>>();
    let stages: Vec<&str> = of("FROM").iter().filter_map(|from| from.split(" AS ").nth(1)).collect();
    assert!(stages.len() >= 3, "{stages:?}");
    for from in of("FROM") {
        let image = from.split(" AS ").next().unwrap();
        assert!(stages.contains(&image) || is_pinned(image), "{image}");
    }
    let last = instructions.iter().rposition(|(word, _)| word == "FROM").unwrap();
    let at = |word: &str| instructions.iter().rposition(|(name, _)| name == word).unwrap_or_else(|| panic!("no {word}"));
    assert!(instructions[last].1.contains("-slim") && !instructions[last].1.contains("rust"));
    assert!(at("USER") > last && at("USER") < at("ENTRYPOINT") && !["root", "0"].contains(&instructions[at("USER")].1.split(':').next().unwrap()));
    assert!(at("HEALTHCHECK") > last && instructions[at("HEALTHCHECK")].1.ends_with(r#"CMD ["payaid", "healthcheck"]"#));
    assert!(instructions[last..].iter().all(|(word, rest)| word != "COPY" || rest.starts_with("--from=builder")), "the sources stay outside");
}

#[test]
fn what_the_image_copies_is_there_and_not_ignored() {
    let ignored = read(".dockerignore");
    for (_, copied) in instructions().into_iter().filter(|(word, rest)| word == "COPY" && !rest.contains("--from=")) {
        let mut paths: Vec<&str> = copied.split_whitespace().collect();
        paths.pop();
        for path in paths {
            assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join(path).exists(), "{path} is not there");
            let top = path.split('/').next().unwrap();
            assert!(ignored.lines().any(|line| line == format!("!{top}")), "{path} is left out by .dockerignore");
        }
    }
}
