//! Objects against a server on loopback.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

mod server;

use corsac_s3::{Address, Condition, S3Error, Settings, Store};
use server::Server;

fn store(server: &Server) -> Store {
    Store::new(Settings::from_environment(|name| server.variable(name)).unwrap()).unwrap()
}

fn at(key: &str) -> Address {
    Address::parse(&format!("s3://shelf/{key}")).unwrap()
}

#[tokio::test]
async fn several_are_found_by_folder_and_by_pattern_over_all_pages() {
    let server = Server::start().await;
    let server = ["in/a.csv", "in/b & ü.csv", "in/c.csv", "in/d.txt", "in/deep/e.csv", "out.csv"]
        .iter()
        .fold(server, |server, key| server.with(key, "x"));
    let store = store(&server);
    let found = async |key: &str| store.find(&at(key)).await.unwrap().into_iter().map(|address| address.key).collect::<Vec<_>>();
    assert_eq!(found("in/*.csv").await, ["in/a.csv", "in/b & ü.csv", "in/c.csv"]);
    assert_eq!(found("in/").await, ["in/a.csv", "in/b & ü.csv", "in/c.csv", "in/d.txt"]);
    assert_eq!(found("**/e.csv").await, ["in/deep/e.csv"]);
    assert_eq!(found("none/").await, [""; 0]);
}

#[tokio::test]
async fn an_object_comes_whole_though_the_line_breaks_and_the_server_falters() {
    let text = "0123456789".repeat(1_000);
    let server = Server::start().await.with("a b/ü+.csv", &text);
    let (store, folder) = (store(&server), tempfile::tempdir().unwrap());
    let into = folder.path().join("here");
    (server.kept().failing, server.kept().cut) = (2, 2);
    let fetched = store.fetch(&at("a b/ü+.csv"), &into).await.unwrap();
    assert_eq!(std::fs::read_to_string(&into).unwrap(), text);
    assert_eq!((fetched.bytes, fetched.modified.is_some()), (10_000, true));
    assert_eq!(store.look(&at("a b/ü+.csv")).await.unwrap().unwrap(), fetched);
    assert_eq!(store.look(&at("no")).await.unwrap(), None);
    let ranges = server.kept().seen.iter().filter(|(_, headers)| headers.contains("\"range\"") && headers.contains("\"if-match\"")).count();
    assert_eq!(ranges, 2);
    let missing = store.fetch(&at("no"), &into).await.unwrap_err();
    assert!(matches!(missing, S3Error::Missing { .. }), "{missing}");
}

#[tokio::test]
async fn an_object_is_put_whole_and_only_where_it_may() {
    let server = Server::start().await.with("there", "old");
    let (store, folder) = (store(&server), tempfile::tempdir().unwrap());
    let from = folder.path().join("here");
    std::fs::write(&from, "new").unwrap();
    let is_changed = |outcome: Result<(), S3Error>| matches!(outcome, Err(S3Error::Changed { .. }));
    assert!(is_changed(store.put(&at("there"), &from, &Condition::New).await));
    assert!(is_changed(store.put(&at("there"), &from, &Condition::Unchanged("\"other\"".to_owned())).await));
    assert_eq!(server.object("there").unwrap(), "old");
    let etag = store.look(&at("there")).await.unwrap().unwrap().etag;
    store.put(&at("there"), &from, &Condition::Unchanged(etag)).await.unwrap();
    assert_eq!(server.object("there").unwrap(), "new");
    store.put(&at("fresh"), &from, &Condition::New).await.unwrap();
    store.put(&at("fresh"), &from, &Condition::Always).await.unwrap();
    assert_eq!(server.object("fresh").unwrap(), "new");
}

#[tokio::test]
async fn a_large_one_goes_in_parts_and_leaves_none_behind() {
    let server = Server::start().await;
    let (store, folder) = (store(&server), tempfile::tempdir().unwrap());
    let from = folder.path().join("large");
    let large: Vec<u8> = (0..40u32 << 20).map(|place| (place % 251) as u8).collect();
    std::fs::write(&from, &large).unwrap();
    store.put(&at("large"), &from, &Condition::New).await.unwrap();
    assert!(server.kept().objects["large"] == large);
    let parts = server.kept().seen.iter().filter(|(what, _)| what.contains("partNumber")).count();
    assert_eq!((parts, server.kept().uploads.len()), (3, 0));
    let refused = store.put(&at("large"), &from, &Condition::New).await;
    assert!(matches!(refused, Err(S3Error::Changed { .. })));
    assert_eq!(server.kept().uploads.len(), 0);
}

#[tokio::test]
async fn what_goes_wrong_is_told_without_a_key() {
    let server = Server::start().await.with("a", "x");
    let (store, folder) = (store(&server), tempfile::tempdir().unwrap());
    let into = folder.path().join("here");
    server.kept().closed = true;
    let mut told = store.fetch(&at("a"), &into).await.unwrap_err().to_string();
    assert!(told.contains("s3://shelf/a: the server refuses (AccessDenied: as the server says)"), "{told}");
    server.kept().closed = false;
    told += &store.find(&Address::parse("s3://elsewhere/a/").unwrap()).await.unwrap_err().to_string();
    assert!(told.contains("NoSuchBucket"), "{told}");
    server.kept().failing = 100;
    told += &store.look(&at("a")).await.unwrap_err().to_string();
    assert!(told.contains("503"), "{told}");
    let nobody = Settings::from_environment(|name| (name == "AWS_ENDPOINT_URL").then(|| "http://127.0.0.1:1".to_owned())).unwrap();
    told += &Store::new(nobody).unwrap().look(&at("a")).await.unwrap_err().to_string();
    assert!(told.contains("127.0.0.1:1 cannot be reached"), "{told}");
    told += &format!("{store:?}");
    assert!(!told.contains("hush"), "{told}");
    assert!(server.kept().seen.iter().all(|(what, headers)| !what.contains("hush") && !headers.contains("hush-hush")));
}
