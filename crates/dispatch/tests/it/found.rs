//! Where the configuration is looked for, and which place wins.

use std::path::Path;

use corsac_dispatch::config::{Config, DEFAULT_BASE_URL, Origin};
use secrecy::ExposeSecret;

fn load(folder: &Path, environment: &[(&str, &str)]) -> Config {
    let get = |name: &str| environment.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
    Config::load(None, folder, None, &get).unwrap()
}

fn key(config: &Config) -> Option<(String, Origin)> {
    config.key.as_ref().map(|(key, origin)| (key.expose_secret().to_owned(), origin.clone()))
}

#[test]
fn the_environment_wins_over_dot_env_over_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let below = folder.path().join("a/b");
    std::fs::create_dir_all(&below).unwrap();
    let file = folder.path().join("corsac.toml");
    std::fs::write(&file, "api_key = 'from-file'\nbase_url = 'http://file/v1'\n[app]\nname = 'Mine'\n").unwrap();
    let config = load(&below, &[]);
    assert_eq!(key(&config), Some(("from-file".into(), Origin::File(file.clone()))));
    assert_eq!(config.base_url, ("http://file/v1".into(), Origin::File(file)));

    let dot_env = folder.path().join("a/.env");
    std::fs::write(&dot_env, "OPENROUTER_API_KEY=from-env-file\nOTHER=1\nCORSAC_APP_URL='https://x.y'\nCORSAC_MODEL=\n").unwrap();
    let config = load(&below, &[("OPENROUTER_API_KEY", " ")]);
    assert_eq!(key(&config), Some(("from-env-file".into(), Origin::DotEnv(dot_env))));
    assert_eq!((config.app.name.as_deref(), config.app.url.as_deref()), (Some("Mine"), Some("https://x.y")));
    assert_eq!(&*config.settings(None).unwrap().routes[0].model, "openai/gpt-4o-mini");

    let environment = [("OPENROUTER_API_KEY", "from-environment\n"), ("OPENROUTER_BASE_URL", "http://env/v1")];
    let config = load(&below, &environment);
    assert_eq!(key(&config), Some(("from-environment".into(), Origin::Environment("OPENROUTER_API_KEY".into()))));
    assert_eq!(config.base_url.0, "http://env/v1");
    assert_eq!(config.http_options(7).base_url, "http://env/v1");
}

#[test]
fn a_variable_that_the_file_names_holds_the_key() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("corsac.toml"), "api_key_env = 'TEAM_KEY'\n").unwrap();
    std::fs::write(folder.path().join(".env"), "TEAM_KEY=of-the-team\n").unwrap();
    let config = load(folder.path(), &[("OPENROUTER_API_KEY", "of-the-person")]);
    assert_eq!(key(&config), Some(("of-the-team".into(), Origin::DotEnv(folder.path().join(".env")))));
    assert!(config.warnings.is_empty());
}

#[test]
fn without_a_file_there_are_the_defaults() {
    let folder = tempfile::tempdir().unwrap();
    let settings_folder = tempfile::tempdir().unwrap();
    let config = load(folder.path(), &[]);
    assert_eq!((config.base_url.0.as_str(), config.path.is_none(), key(&config)), (DEFAULT_BASE_URL, true, None));
    assert_eq!(config.app.name.as_deref(), Some("Corsac"));

    std::fs::write(settings_folder.path().join("corsac.toml"), "model = 'a/b'\n").unwrap();
    let config = Config::load(None, folder.path(), Some(settings_folder.path()), &|_| None).unwrap();
    assert_eq!(&*config.settings(None).unwrap().routes[0].model, "a/b");
    let missing = Config::load(Some(&folder.path().join("no.toml")), folder.path(), None, &|_| None).unwrap_err();
    assert!(missing.to_string().contains("no.toml cannot be read"), "{missing}");
}
