//! Any text as a model id: what is resolved is known or passes by a rule, and what is not has its nearest names.
//!
//! Run by a property test of this crate and by a fuzz target.

use corsac_policy::resolve;

/// Ids of every shape there is, twins and odd ones among them.
pub(crate) const CATALOG: [&str; 12] = [
    "openai/gpt-4o-mini",
    "openai/gpt-4o",
    "openai/gpt-oss-20b:free",
    "anthropic/claude-3-haiku",
    "~anthropic/claude-sonnet-latest",
    "meta-llama/llama-3.3-70b-instruct",
    "openrouter/auto",
    "a/twin",
    "b/twin",
    "a/b/c",
    "plain",
    "ä/ö",
];

/// The bytes are what a person wrote.
pub(crate) fn run(data: &[u8]) {
    let written = String::from_utf8_lossy(data);
    match resolve(&written, CATALOG.into_iter()) {
        Ok(id) => {
            assert_eq!(id, id.trim(), "an id has no space around it");
            let base = id.split(':').next().unwrap_or_default();
            let known = CATALOG.contains(&id.as_str()) || CATALOG.contains(&base);
            let by_rule = id.starts_with('~') || id.contains("@preset/") || id.starts_with("openrouter/");
            assert!(known || by_rule, "{written:?} became {id:?}, which is nothing that is known");
        }
        Err(unknown) => {
            assert!(!CATALOG.contains(&written.trim()), "{written:?} is listed and was not found");
            assert!(unknown.nearest.len() <= 3 && unknown.nearest.iter().all(|name| CATALOG.contains(&name.as_str())));
            assert!(!unknown.to_string().is_empty());
        }
    }
    // nothing is known of an empty catalog
    let _ = resolve(&written, std::iter::empty());
}
