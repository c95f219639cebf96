//! Model ids: what a person writes → what the catalog has, with the nearest names when it has none.

use std::fmt;

/// An id that the catalog does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownModel {
    /// As it was written.
    pub id: String,
    /// The most similar ids the catalog has, best first.
    pub nearest: Vec<String>,
}

impl fmt::Display for UnknownModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no model is called {:?}", self.id)?;
        match self.nearest.as_slice() {
            [] => write!(f, "; `corsac models list` shows what there is"),
            names => write!(f, "; did you mean {}?", names.join(", ")),
        }
    }
}

impl std::error::Error for UnknownModel {}

/// The catalog's id for what a person wrote. One leading `openrouter/` is taken off, a missing author is found when only
/// one author has that slug, and variants, `~latest` aliases, presets and OpenRouter's own routers pass as they are.
///
/// # Errors
/// [`UnknownModel`] names the nearest ids.
pub fn resolve<'a>(written: &str, catalog: impl Iterator<Item = &'a str> + Clone) -> Result<String, UnknownModel> {
    let has = |id: &str| catalog.clone().any(|known| known == id);
    let written = written.trim();
    if has(written) {
        return Ok(written.to_owned());
    }
    let id = written.strip_prefix("openrouter/").unwrap_or(written).trim_start();
    if id.contains("@preset/") || id.starts_with('~') || (written != id && matches!(id, "auto" | "free" | "fusion")) {
        return Ok(if matches!(id, "auto" | "free" | "fusion") { written.to_owned() } else { id.to_owned() });
    }
    let (base, variant) = id.split_once(':').map_or((id, None), |(base, variant)| (base, Some(variant)));
    if has(id) || (variant.is_some() && has(base)) {
        return Ok(id.to_owned());
    }
    if !base.contains('/') {
        let authors: Vec<&str> = catalog.clone().filter(|known| known.split_once('/').is_some_and(|(_, slug)| slug == base)).collect();
        if let [only] = authors.as_slice() {
            return Ok(variant.map_or_else(|| (*only).to_owned(), |variant| format!("{only}:{variant}")));
        }
    }
    Err(UnknownModel { id: written.to_owned(), nearest: nearest(id, catalog, 3) })
}

/// The names most like one that is wrong, best first; none when nothing is alike.
pub fn nearest<'a>(wrong: &str, names: impl Iterator<Item = &'a str>, most: usize) -> Vec<String> {
    let wrong = wrong.to_ascii_lowercase();
    let slug = |name: &str| name.rsplit('/').next().unwrap_or_default().to_owned();
    let likeness = |name: &str| {
        let name = name.to_ascii_lowercase();
        let whole = strsim::jaro_winkler(&wrong, &name);
        let contained = slug(&name).contains(&slug(&wrong)) || slug(&wrong).contains(&slug(&name));
        whole.max(strsim::jaro_winkler(&slug(&wrong), &slug(&name))) + if contained { 0.1 } else { 0.0 }
    };
    let mut scored: Vec<(f64, &str)> = names.map(|name| (likeness(name), name)).filter(|(score, _)| *score > 0.72).collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    scored.truncate(most);
    scored.into_iter().map(|(_, name)| name.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CATALOG: [&str; 6] =
        ["openai/gpt-4o-mini", "openai/gpt-4o", "anthropic/claude-3-haiku", "meta-llama/llama-3.3-70b-instruct", "a/twin", "b/twin"];

    fn check(written: &str, id: &str) {
        assert_eq!(resolve(written, CATALOG.into_iter()).as_deref(), Ok(id), "{written}");
    }

    #[test]
    fn what_people_write() {
        check("openai/gpt-4o-mini", "openai/gpt-4o-mini");
        check("openrouter/openai/gpt-4o-mini", "openai/gpt-4o-mini");
        check("openrouter/gpt-4o-mini", "openai/gpt-4o-mini");
        check("claude-3-haiku", "anthropic/claude-3-haiku");
        check("openai/gpt-4o:nitro", "openai/gpt-4o:nitro");
        check("gpt-4o:floor", "openai/gpt-4o:floor");
        check("openrouter/auto", "openrouter/auto");
        check("~openai/gpt-latest", "~openai/gpt-latest");
        check("@preset/mine", "@preset/mine");
        check(" openrouter/ x@preset/mine ", "x@preset/mine");
    }

    #[test]
    fn the_nearest_names_are_given() {
        let unknown = resolve("openai/gpt4o-mini", CATALOG.into_iter()).unwrap_err();
        assert_eq!(unknown.nearest[0], "openai/gpt-4o-mini");
        assert!(unknown.to_string().starts_with("no model is called \"openai/gpt4o-mini\"; did you mean openai/gpt-4o-mini"));
        assert!(resolve("twin", CATALOG.into_iter()).unwrap_err().nearest.contains(&"a/twin".to_owned()));
        assert!(resolve("zzz", CATALOG.into_iter()).unwrap_err().nearest.is_empty());
    }
}
