//! Tables and results on a server that speaks S3.

#[path = "../../../s3/tests/it/server.rs"]
mod server;

use std::io::Write;

use server::Server;
use tokio::runtime::Runtime;

use crate::shell::Shell;
use crate::simulated::Simulated;

/// A server with some objects, and a shell that reaches it and somebody who answers.
struct Shelf {
    server: Server,
    shell: Shell,
    _simulated: Simulated,
    _runtime: Runtime,
}

impl Shelf {
    fn new(objects: &[(&str, &[u8])]) -> Shelf {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let server = runtime.block_on(Server::start());
        let server = objects.iter().fold(server, |server, (key, object)| server.with(key, object));
        let simulated = Simulated::start("[[rule]]\ncontent = 'yes'");
        let variables = ["AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"];
        let shell = variables.iter().fold(Shell::at(simulated.url()), |shell, name| shell.set(name, server.variable(name).unwrap()));
        Shelf { server, shell, _simulated: simulated, _runtime: runtime }
    }

    fn object(&self, key: &str) -> String {
        self.server.object(key).unwrap_or_else(|| panic!("there is no object {key}"))
    }
}

fn gzip(text: &str) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packed.write_all(text.as_bytes()).unwrap();
    packed.finish().unwrap()
}

const ASKED: &str = "SELECT id, semantic_map('On {{ text }}', text) AS said FROM";

#[test]
fn objects_are_tables() {
    let packed = gzip("id,text\n3,c\n");
    let shelf = Shelf::new(&[
        ("in/a.csv", b"id,text\n1,a\n"),
        ("in/b.csv", b"id,text\n2,b\n"),
        ("in/c d.csv.gz", &packed),
        ("in/readme.md", b"# Reviews"),
        ("lines.jsonl", b"{\"id\": 7}\n"),
    ]);
    let shell = &shelf.shell;
    shell.sql(&format!("{ASKED} 's3://shelf/in/a.csv'"), &[]).ends_with(0).prints("id,said\n1,yes\n");
    for several in ["s3://shelf/in/", "s3://shelf/in/*.csv*"] {
        shell.sql(&format!("SELECT sum(id) AS id FROM '{several}'"), &[]).ends_with(0).prints("id\n6\n");
    }
    shell.sql("SELECT id FROM l", &["--table", "l=s3://shelf/lines.jsonl"]).ends_with(0).prints("id\n7\n");
    shell
        .sql("SELECT path, name, text FROM 's3://shelf/in/readme.md'", &[])
        .ends_with(0)
        .prints("path,name,text\ns3://shelf/in/readme.md,readme.md,# Reviews\n");
    shell.sql("CREATE EXTERNAL TABLE reviews LOCATION 's3://shelf/in/*.csv'", &[]).ends_with(0);
    shell.sql("SELECT max(id) AS id FROM reviews", &[]).ends_with(0).prints("id\n2\n");
    shell.sql("SELECT * FROM 's3://shelf/in/none.csv'", &[]).ends_with(2).says(&["there is no object s3://shelf/in/none.csv"]);
    shell.sql("SELECT * FROM 's3://shelf/no/*.csv'", &[]).ends_with(2).says(&["there is no object that s3://shelf/no/*.csv stands for"]);
    shell.sql("SELECT * FROM 's3://shelf/in/*'", &[]).ends_with(2).says(&["different formats"]);
}

#[test]
fn results_become_objects_whole_or_not_at_all() {
    let shelf = Shelf::new(&[("in/a.csv", b"id,text\n1,a\n")]);
    let shell = &shelf.shell;
    let asked = format!("{ASKED} 's3://shelf/in/a.csv'");
    shell.sql(&asked, &["--out", "s3://shelf/out/said.csv"]).ends_with(0).prints("");
    assert_eq!(shelf.object("out/said.csv"), "id,said\n1,yes\n");
    shell.sql(&asked, &["--out", "s3://shelf/out/said.csv", "--append"]).ends_with(0);
    assert_eq!(shelf.object("out/said.csv"), "id,said\n1,yes\n1,yes\n");
    shell.sql(&asked, &["--out", "s3://shelf/out/said.csv"]).ends_with(0);
    assert_eq!(shelf.object("out/said.csv"), "id,said\n1,yes\n");
    shell.sql("INSERT INTO 's3://shelf/out/said.csv' SELECT 2, 'no'", &[]).ends_with(0);
    assert_eq!(shelf.object("out/said.csv"), "id,said\n1,yes\n2,no\n");
    shell.sql("COPY (SELECT 1 AS one) TO 's3://shelf/out/one.parquet'", &[]).ends_with(0);
    shell.sql("SELECT one FROM 's3://shelf/out/one.parquet'", &[]).ends_with(0).prints("one\n1\n");
    shell
        .sql("COPY (SELECT 2 AS one) TO 's3://shelf/out/one.parquet' OPTIONS ('mode' 'error')", &[])
        .ends_with(1)
        .says(&["it is there already"]);
    shell.sql("SELECT one FROM 's3://shelf/out/one.parquet'", &[]).ends_with(0).prints("one\n1\n");
    // a query that fails leaves what is there
    shell.sql("SELECT CAST('x' AS INT) AS n FROM 's3://shelf/in/a.csv'", &["--out", "s3://shelf/out/said.csv"]);
    assert_eq!(shelf.object("out/said.csv"), "id,said\n1,yes\n2,no\n");
}

#[test]
fn a_key_is_told_to_the_server_alone() {
    let shelf = Shelf::new(&[("in/a.csv", b"id,text\n1,a\n")]);
    let asked = format!("{ASKED} 's3://shelf/in/a.csv'");
    let mut told = String::new();
    let mut keep = |ran: crate::shell::Ran| {
        told.push_str(&ran.stdout);
        told.push_str(&ran.stderr);
    };
    keep(shelf.shell.sql(&asked, &["--explain"]));
    let ran = shelf.shell.sql(&asked, &[]).ends_with(0);
    let id = ran.run_id();
    keep(ran);
    keep(shelf.shell.run(&["runs", "show", &id]));
    shelf.server.kept().closed = true;
    let refused = shelf.shell.sql(&asked, &[]).ends_with(2);
    refused.says(&["the server refuses (HTTP 403)", "AWS_ACCESS_KEY_ID"]);
    assert!(!told.contains("hush") && !told.contains("AKTEST"), "{told}");
    for entry in std::fs::read_dir(shelf.shell.corsac_home()).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap_or_default();
        assert!(!bytes.windows(4).any(|four| four == b"hush"), "{}", path.display());
    }
}
