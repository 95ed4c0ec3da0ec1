//! Documents that were made to cost much, and the mutation of others.

use super::dice::Dice;

/// Letters and words that mutations put in.
const PIECES: &[&str] = &[
    "{",
    "}",
    "(",
    ")",
    "[",
    "]",
    ":",
    "!",
    "$",
    "@",
    "...",
    "=",
    "|",
    "&",
    ",",
    "#",
    "\"",
    "\"\"\"",
    "\\",
    "\u{feff}",
    "\u{0}",
    "\u{202e}",
    "\u{1f600}",
    "\r\n",
    "query",
    "mutation",
    "subscription",
    "fragment",
    "on",
    "null",
    "true",
    "__typename",
    "__schema",
    "__type(name: \"Query\")",
    "-",
    "1e9",
    "99999999999999999999",
    "$v0",
    "...F0",
    "@include(if: true)",
    "@skip(if: $v0)",
    "first: -1",
];

/// A document that is small and asks for much, in one of many ways.
pub fn bomb(dice: &mut Dice) -> String {
    let size = 1 + dice.below(700);
    let times = |part: &str| part.repeat((16_000 / part.len()).min(size));
    match dice.below(26) {
        0 => fragments(size.min(60), |n| format!("...F{} ...F{}", n + 1, n + 1)),
        1 => fragments(size.min(180), |n| format!("...F{} ...F{} ...F{}", n + 1, n + 2, n / 2)),
        2 => fragments(size.min(250), |n| format!("a{n}: __typename ...F{}", n + 1)),
        3 => (0..size.min(400)).map(|n| format!("fragment U{n} on Query {{ __typename }} ")).collect::<String>() + "{ __typename }",
        4 => format!("{{ {} }}", (0..size).map(|n| format!("a{n}: __typename ")).collect::<String>()),
        5 => format!("{{ {} }}", times("contacts { nodes { name } } ")),
        6 => format!("{{ {} }}", times("contacts { nodes { deals { nodes { contact { name } } } } } ")),
        7 => format!("{{ {} }}", (0..size).map(|n| format!("contacts(first: {n}) {{ totalCount }} ")).collect::<String>()),
        8 => format!("{{ __typename {} }}", times("@include(if: true) ")),
        9 => format!("{{ __typename {} }}", times("@nonsense ")),
        10 => format!("query({}) {{ __typename }}", (0..size).map(|n| format!("$v{n}: Int = {n} ")).collect::<String>()),
        11 => {
            let fields = (0..size.min(300)).map(|n| format!("a{n}: contacts(first: $v{n}) {{ totalCount }} ")).collect::<String>();
            format!("query({}) {{ {fields} }}", (0..size.min(300)).map(|n| format!("$v{n}: Int ")).collect::<String>())
        }
        12 => format!("{{ contacts(filter: {}{}) {{ totalCount }} }}", "[".repeat(size), "]".repeat(size)),
        13 => format!("{{ contacts(filter: {}1{}) {{ totalCount }} }}", "{stage:".repeat(size), "}".repeat(size)),
        14 => format!("{}name{}", "{ a ".repeat(size.min(70)), " }".repeat(size.min(70))),
        15 => format!("{}name{}", "{ ... on Query ".repeat(size.min(70)), " }".repeat(size.min(70))),
        16 => (0..size).map(|n| format!("query Q{n} {{ __typename }} ")).collect(),
        17 => introspection(dice.below(6)),
        18 => format!("{{ node(id: \"{}\") {{ id }} }}", "x".repeat(size * 20)),
        19 => format!("{{ nodes(ids: [{}]) {{ id }} }}", times("\"contact_01h455vb4pex5vsknk084sn02q\" ")),
        20 => format!("{}{{ __typename }}", times("#\u{1f600}\n,,,")),
        21 => {
            let operations: String = (0..size.min(30)).map(|n| format!("query Q{n} {{ ...F }} ")).collect();
            format!("{operations} fragment F on Query {{ {} }}", "viewer { role } ".repeat(size.min(240)))
        }
        22 if dice.chance(2) => {
            let schema = fragments(size.min(40), |n| format!("...F{} ...F{}", n + 1, n + 1)).replace("on Query", "on __Schema");
            schema.replacen("{ ...F0 }", "query A { __schema { ...F0 } } query B { __typename }", 1).replace("{ __typename }", "{ ...Nowhere }")
        }
        22 => format!("{{ ...F }} fragment F on Query {{ {} }}", times("x: __typename x: viewer { role } ")),
        23 => several_types(1 + dice.below(15), 2 + dice.below(30)),
        24 => {
            let (count, sets) = (1 + dice.below(60), 1 + dice.below(90));
            let nested = |n: usize| format!("{}...F{}{}", "...{".repeat(sets), n + 1, "}".repeat(sets));
            fragments(count.min(16_000 / (5 * sets + 30)), nested)
        }
        _ => nested_pages(dice.below(9)),
    }
}

/// Each of several types leads on, and so does what stands for all of them.
fn several_types(depth: usize, types: usize) -> String {
    let own = ["Contact", "Deal", "Task", "Company"].into_iter().cycle().take(types);
    let own = own.enumerate().map(|(n, of)| format!("... on {of} {{ x }} ... on T{n} {{ x }} ")).collect::<String>();
    let all = (0..depth).fold("x".to_owned(), |below, _| format!("... on Node {{ x {{ {below} }} }} {own}"));
    format!("{{ node(id: \"x\") {{ {all} }} }}")
}

fn fragments(count: usize, body: impl Fn(usize) -> String) -> String {
    let all: String = (0..count).map(|n| format!("fragment F{n} on Query {{ {} }} ", body(n))).collect();
    // One that nothing spreads would be refused at once.
    let beyond =
        if all.contains(&format!("...F{} ", count + 1)) { format!("fragment F{} on Query {{ __typename }}", count + 1) } else { String::new() };
    format!("{{ ...F0 }} {all} fragment F{count} on Query {{ __typename }} {beyond}")
}

fn introspection(depth: usize) -> String {
    let types = (0..depth).fold("name".to_owned(), |inner, _| format!("name fields {{ name type {{ {inner} }} }} possibleTypes {{ {inner} }}"));
    format!("{{ __schema {{ types {{ {types} }} }} }}")
}

fn nested_pages(depth: usize) -> String {
    let pages = (0..depth).fold("name".to_owned(), |inner, _| format!("deals(first: 100) {{ nodes {{ contact {{ {inner} }} }} }}"));
    format!("{{ contacts(first: 100) {{ nodes {{ {pages} }} }} }}")
}

/// The text with some of its words taken away, doubled, exchanged and put in.
pub fn mutate_words(text: &str, dice: &mut Dice) -> String {
    let mut words: Vec<String> = Vec::new();
    for letter in text.chars() {
        let joins = |last: &String| letter.is_alphanumeric() && last.ends_with(char::is_alphanumeric);
        match words.last_mut() {
            Some(last) if joins(last) => last.push(letter),
            _ => words.push(letter.to_string()),
        }
    }
    for _ in 0..=dice.below(6) {
        let at = dice.below(words.len().max(1)).min(words.len());
        let until = (at + 1 + dice.below(12)).min(words.len());
        match dice.below(5) {
            0 => drop(words.drain(at..until)),
            1 => {
                let copied: Vec<String> = words[at..until].to_vec();
                words.splice(at..at, copied);
            }
            2 if at < words.len() => {
                let other = dice.below(words.len());
                words.swap(at, other);
            }
            3 => {
                let copied: Vec<String> = words[at..until].to_vec();
                let times = dice.below(60);
                words.splice(at..at, std::iter::repeat_n(copied, times).flatten());
            }
            _ => words.insert(at, (*dice.pick(PIECES)).to_owned()),
        }
    }
    words.concat()
}

/// The bytes with some of them changed, taken away or put in.
pub fn mutate_bytes(bytes: &mut Vec<u8>, dice: &mut Dice) {
    for _ in 0..=dice.below(4) {
        let at = dice.below(bytes.len() + 1);
        let byte = u8::try_from(dice.below(256)).unwrap();
        match dice.below(3) {
            0 if at < bytes.len() => bytes[at] = byte,
            1 if at < bytes.len() => drop(bytes.remove(at)),
            _ => bytes.insert(at, byte),
        }
    }
}
