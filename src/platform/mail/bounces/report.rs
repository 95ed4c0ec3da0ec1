//! The part of a bounce that is meant for machines: groups of fields, the first about the mail, each other about a recipient (RFC 3464, 2).

/// What is said about one recipient that could not be reached.
#[derive(Debug, PartialEq, Eq)]
pub struct Report {
    /// The address as it was given to the server.
    pub recipient: Option<String>,
    /// Whether the server goes on trying: this is a note that it takes longer.
    pub delayed: bool,
    /// The status.
    pub status: String,
    /// What the receiving server said.
    pub diagnostic: String,
}

/// The recipients that could not be reached; nobody for notices of deliveries.
pub fn read(text: &str) -> Vec<Report> {
    groups(text).iter().filter_map(|group| report(group)).collect()
}

/// The fields of each group, unfolded, their names in lower case.
fn groups(text: &str) -> Vec<Vec<(String, String)>> {
    let mut groups: Vec<Vec<(String, String)>> = vec![Vec::new()];
    for line in text.lines() {
        let Some(group) = groups.last_mut() else { break };
        if line.trim().is_empty() {
            if !group.is_empty() {
                groups.push(Vec::new());
            }
        } else if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = group.last_mut() {
                value.push(' ');
                value.push_str(line.trim());
            }
        } else if let Some((name, value)) = line.split_once(':') {
            group.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
        }
    }
    groups
}

fn report(group: &[(String, String)]) -> Option<Report> {
    let field = |name: &str| group.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str()).filter(|value| !value.is_empty());
    let typed =
        |name: &str| field(name).map(|value| value.split_once(';').map_or(value, |(_, rest)| rest).trim().trim_matches(['<', '>']).to_owned());
    let action = field("action")?.split_whitespace().next()?.to_ascii_lowercase();
    let diagnostic = typed("diagnostic-code").unwrap_or_default();
    let stated = field("status").and_then(status_in).or_else(|| status_in(&diagnostic));
    let status = match action.as_str() {
        "failed" => stated.filter(|status| !status.starts_with('2')).unwrap_or_else(|| "5.0.0".to_owned()),
        // The server goes on trying, whatever it says of the reason.
        "delayed" => stated.filter(|status| status.starts_with('4')).unwrap_or_else(|| "4.0.0".to_owned()),
        _ => return None,
    };
    Some(Report {
        delayed: action == "delayed",
        recipient: typed("original-recipient").or_else(|| typed("final-recipient")).filter(|address| !address.is_empty()),
        status,
        diagnostic,
    })
}

/// The first status in a text.
pub fn status_in(text: &str) -> Option<String> {
    text.split(|c: char| !(c.is_ascii_digit() || c == '.')).find(|word| is_status(word)).map(str::to_owned)
}

fn is_status(word: &str) -> bool {
    let parts: Vec<&str> = word.split('.').collect();
    let number = |part: &&str| (1..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
    matches!(parts.as_slice(), [class, subject, detail] if matches!(*class, "2" | "4" | "5") && number(subject) && number(detail))
}
