//! The reference page is what the tables say, and what the tables say can be read.

use std::path::Path;

use corsac_dispatch::config::{ConfigFile, EXAMPLE, reference, settings};

use crate::configured::{file_with, load};

#[test]
fn the_page_is_made_from_the_settings() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md");
    if std::env::var_os("CORSAC_WRITE_DOCS").is_some() {
        std::fs::write(&path, reference()).unwrap();
    }
    let page = std::fs::read_to_string(&path).unwrap();
    let wrong = page.lines().zip(reference().lines()).position(|(kept, made)| kept != made);
    assert!(page == reference(), "docs/configuration.md differs from line {wrong:?}: run this test with CORSAC_WRITE_DOCS=1");
}

#[test]
fn every_example_is_taken() {
    for setting in settings() {
        assert!(!setting.examples.is_empty() && !setting.meaning.is_empty(), "{}", setting.name);
        for example in setting.examples {
            let file = file_with(&setting, example);
            let parsed = ConfigFile::parse(&file).unwrap_or_else(|why| panic!("{file}\n{why}"));
            assert_ne!(parsed, ConfigFile::default(), "{file}");
            assert!(page_has(&format!("`{}`", setting.name)));
        }
    }
    assert!(load(EXAMPLE, &[("OWN_SERVER_KEY", "k")]).unwrap().resolve(None, &[], None).is_ok());
}

fn page_has(text: &str) -> bool {
    reference().contains(text)
}

#[test]
fn every_name_of_the_tables_is_one_of_the_structs() {
    for setting in settings() {
        for name in std::iter::once(setting.name).chain(setting.alias) {
            for example in setting.examples {
                // the struct must take the name up: what it does not know would be lost on the way back
                let renamed = example.replacen(setting.name, name, 1);
                let parsed = ConfigFile::parse(&file_with(&setting, &renamed)).unwrap_or_else(|why| panic!("{renamed}\n{why}"));
                let written = serde_json::to_string(&parsed).unwrap();
                assert!(written.contains(&format!("\"{}\":", setting.name)), "{renamed} is lost: {written}");
            }
        }
    }
}
