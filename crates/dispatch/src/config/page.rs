//! The reference page, made from the tables that the file is checked with.

use super::environment::VARIABLES;
use super::schema::{Setting, Table};
use super::tables::TABLES;

/// One setting, as it is described to a person or a tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingInfo {
    /// The table it stands in, such as `[profiles.NAME]`; empty for the top of the file.
    pub table: &'static str,
    /// Its name.
    pub name: &'static str,
    /// A second name that is read as the same.
    pub alias: Option<&'static str>,
    /// The values it takes, in words.
    pub values: String,
    /// What holds when it is not given, in words.
    pub default: Option<&'static str>,
    /// What it means.
    pub meaning: String,
    /// The field of a request, as a path, or the header it becomes, if it becomes one. Empty for fields of any name.
    pub sends: Option<&'static str>,
    /// How it is written in TOML, one way each.
    pub examples: &'static [&'static str],
}

/// All settings of `corsac.toml`, in the order of the reference page.
pub fn settings() -> Vec<SettingInfo> {
    TABLES.iter().flat_map(|table| table.settings.iter().map(|setting| info(table, setting))).collect()
}

fn info(table: &Table, setting: &Setting) -> SettingInfo {
    SettingInfo {
        table: table.heading,
        name: setting.name,
        alias: setting.alias,
        values: setting.shape.to_string(),
        default: setting.default,
        meaning: words(setting.meaning),
        sends: setting.sends,
        examples: setting.examples,
    }
}

/// A file that shows most of what can be said.
pub const EXAMPLE: &str = r#"model = "fast"                       # an alias from [models], or any id
fallbacks = ["anthropic/claude-3-haiku"]
budget = 2.50

[app]
name = "8-Bit Oracle"
url = "https://8bitoracle.ai"

[models.fast]
id = "openai/gpt-4o-mini"
structured_output_strategy = "prefer_tools"
timeout = 60
default_profile = "careful"

[models.fast.profiles.careful]
models = ["anthropic/claude-3-haiku", "own-server"]
reasoning_effort = "low"
temperature = 0

[models.fast.profiles.careful.provider]
sort = "latency"
ignore = ["azure"]
max_prompt_price = 5

[models.own-server]
id = "qwen3-32b"
base_url = "http://127.0.0.1:8000/v1"
api_key_env = "OWN_SERVER_KEY"

[memory]
max_age = "30d"
"#;

/// The page `docs/configuration.md`.
pub fn reference() -> String {
    let mut page = format!("{OPENING}\n```toml\n{EXAMPLE}```\n\n{VARIABLES_OPENING}\n| variable | meaning |\n|---|---|\n");
    for (name, meaning) in VARIABLES {
        page += &format!("| `{name}` | {meaning} |\n");
    }
    for table in TABLES {
        page += &section(table);
    }
    page
}

const OPENING: &str = "\
<!-- Made from the settings that are declared in crates/dispatch/src/config/tables.rs. To make it anew:
     CORSAC_WRITE_DOCS=1 cargo test -p corsac-dispatch --test it reference -->

# Configuration

A value given by hand (a flag, or a call of the builder) wins over the environment, that over `.env`, that over `corsac.toml`.

`.env` and `corsac.toml` are looked for in the working directory and the folders above it; the first one found is used. `corsac.toml` may also stand in the
platform's configuration folder (such as `~/.config/corsac`). `--config FILE` names another. An unknown name in the file is an error that names the nearest one,
and so is a value that does not fit; all errors are told at once, each with its line.
";

const VARIABLES_OPENING: &str = "\
## Environment

Any variable can also stand in `.env`. Empty ones count as not given.
";

fn section(table: &Table) -> String {
    let title = if table.heading.is_empty() { "`corsac.toml`".to_owned() } else { format!("`{}`", table.heading) };
    let mut text = format!("\n## {title}\n\n{}\n\n", words(table.about));
    if let Some((other, without)) = table.also {
        let without: Vec<String> = without.iter().map(|name| format!("`{name}`")).collect();
        text += &format!("Beside what is listed here, it takes everything of `{}` but {}.\n\n", other.heading, without.join(" and "));
    }
    for (one, other) in table.either {
        text += &format!("Only one of `{one}` and `{other}` can be given.\n\n");
    }
    text += "| name | values | default | meaning | for example | sent as |\n|---|---|---|---|---|---|\n";
    for setting in table.settings {
        let SettingInfo { name, alias, values, default, meaning, sends, examples, .. } = info(table, setting);
        let alias = alias.map_or_else(String::new, |alias| format!(" or `{alias}`"));
        let examples: Vec<String> = examples.iter().map(|example| format!("`{}`", example.lines().last().unwrap_or_default())).collect();
        let sends = match sends {
            None => String::new(),
            Some("") => "as written".to_owned(),
            Some(header) if header.starts_with("header ") => format!("header `{}`", &header["header ".len()..]),
            Some(field) => field.split(", or ").map(|field| format!("`{field}`")).collect::<Vec<_>>().join(" or "),
        };
        let cells = [format!("`{name}`{alias}"), values, default.unwrap_or_default().to_owned(), meaning, examples.join(" "), sends];
        text += &format!("| {} |\n", cells.map(|cell| cell.replace('|', "\\|")).join(" | "));
    }
    text
}

/// A text of doc comments on one line.
fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
