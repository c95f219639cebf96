//! Files as tables: formats, lenient reading, and messages for what cannot be read.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use corsac_frame::Session;

use crate::fake::{Fake, rows, session, table};

struct Files {
    directory: tempfile::TempDir,
    session: Session,
}

impl Files {
    fn new() -> Files {
        Files { directory: tempfile::tempdir().unwrap(), session: session(&Arc::new(Fake::new())) }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn with(self, name: &str, content: impl AsRef<[u8]>) -> Files {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
        self
    }

    fn sql(&self, sql: &str) -> String {
        sql.replace("$", &format!("{}/", self.directory.path().display()))
    }

    async fn table(&self, sql: &str) -> String {
        self.hide(table(&self.session, &self.sql(sql)).await)
    }

    async fn refused(&self, sql: &str) -> String {
        let error = match rows(&self.session, &self.sql(sql)).await {
            Err(error) => error.to_string(),
            Ok(batches) => panic!("not refused: {batches:?}"),
        };
        self.hide(error)
    }

    fn hide(&self, text: String) -> String {
        let real = self.directory.path().canonicalize().unwrap();
        text.replace(&format!("{}/", self.directory.path().display()), "$").replace(&real.display().to_string(), "$DIR")
    }

    fn warnings(&self) -> String {
        self.hide(self.session.warnings().join("\n"))
    }
}

const TYPES: &str = "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = ";

#[tokio::test]
async fn csv_with_everything_in_it() {
    let files = Files::new().with(
        "R.CSV",
        "\u{feff}Id,Text,price,day,at,ok,zip\r\n1,\"two\r\nlines, \"\"quoted\"\"\",1.5,2024-01-31,2024-01-31T10:00:00,true,01234\r\n\r\n2,,2,,,false,9\r\n",
    );
    insta::assert_snapshot!(files.table("SELECT * FROM '$R.CSV'").await);
    insta::assert_snapshot!(files.table("SELECT TEXT, id AS ID FROM '$R.CSV' WHERE Price > 1.6").await, @r"
    +------+----+
    | Text | ID |
    +------+----+
    |      | 2  |
    +------+----+
    ");
    assert_eq!(files.warnings(), "");
}

#[tokio::test]
async fn a_column_that_turns_into_text_late_is_text() {
    let mut content = String::from("n,m\n");
    for number in 0..20_000 {
        content.push_str(&format!("{number},{number}\n"));
    }
    content.push_str("n/a,2.5\n");
    let files = Files::new().with("late.csv", content);
    insta::assert_snapshot!(files.table("SELECT count(*) AS rows, arrow_typeof(max(n)) AS n, arrow_typeof(max(m)) AS m FROM '$late.csv'").await, @r"
    +-------+------+---------+
    | rows  | n    | m       |
    +-------+------+---------+
    | 20001 | Utf8 | Float64 |
    +-------+------+---------+
    ");
}

#[tokio::test]
async fn what_is_read_leniently_is_told() {
    let files = Files::new().with("l.csv", b"a,b,a,\n1,x\xff\xfe,3,4\n5\n".as_slice());
    insta::assert_snapshot!(files.table("SELECT * FROM '$l.csv'").await, @r"
    +---+-----+-----+----------+
    | a | b   | a_2 | column_4 |
    +---+-----+-----+----------+
    | 1 | x�� | 3   | 4        |
    | 5 |     |     |          |
    +---+-----+-----+----------+
    ");
    insta::assert_snapshot!(files.warnings(), @r"
    $l.csv: the column a stands twice in the header; the second is called a_2
    $l.csv: 1 line has fewer fields than the header (first: line 3); the missing ones are NULL
    $l.csv: 1 line has bytes that are not UTF-8 (first: line 2); they were replaced by �
    ");
}

#[tokio::test]
async fn lines_that_cannot_be_read_end_the_query_before_anything_is_asked() {
    let files = Files::new()
        .with("long.csv", "a,b\n1,2\n\"x\ny\",2\n1,2,3\n")
        .with("open.csv", "a,b\n1,2\n\"x,2\n1,2\n")
        .with("wide.csv", [0xff, 0xfe, b'a', 0].as_slice())
        .with("zip.csv", [b'P', b'K', 0, 1].as_slice())
        .with("bad.jsonl", "{\"a\": 1}\n{\"a\": }\n")
        .with("list.jsonl", "{\"a\": 1}\n[1]\n")
        .with("mixed.jsonl", "{\"a\": 1}\n{\"a\": {\"b\": 2}}\n")
        .with("not.parquet", "hello")
        .with("r.csv.xz", "")
        .with("r.parquet.gz", "")
        .with("r.gz", "")
        .with("cut.csv.gz", &gzip("a\n1\n2\n")[..20])
        .with("cut.jsonl.zst", &zstandard("{\"a\": 1}\n")[..12])
        .with("r.xlsx", "");
    let mut messages = Vec::new();
    for file in [
        "long.csv",
        "open.csv",
        "wide.csv",
        "zip.csv",
        "bad.jsonl",
        "list.jsonl",
        "mixed.jsonl",
        "not.parquet",
        "r.csv.xz",
        "r.parquet.gz",
        "r.gz",
        "cut.csv.gz",
        "cut.jsonl.zst",
        "r.xlsx",
        "lonk.csv",
        "*.tsv",
        "no/where.csv",
    ] {
        messages.push(files.refused(&format!("SELECT semantic_map('{{{{ a }}}}', a) FROM '${file}'")).await);
    }
    messages.push(files.refused("SELECT * FROM '$'").await);
    insta::assert_snapshot!(messages.join("\n"));
}

#[tokio::test]
async fn empty_files_have_no_rows() {
    let files = Files::new().with("none.csv", "").with("header.csv", "a,b\n").with("none.jsonl", "").with("none.json", "[]");
    assert_eq!(files.table("SELECT count(*) AS n FROM '$none.csv'").await, files.table("SELECT count(*) AS n FROM '$none.jsonl'").await);
    insta::assert_snapshot!(files.table("SELECT count(*) AS n, count(a) AS m FROM '$header.csv'").await, @r"
    +---+---+
    | n | m |
    +---+---+
    | 0 | 0 |
    +---+---+
    ");
    insta::assert_snapshot!(files.table("SELECT count(*) AS n FROM '$none.json'").await, @r"
    +---+
    | n |
    +---+
    | 0 |
    +---+
    ");
    assert_eq!(
        rows(&files.session, &files.sql("SELECT semantic_map('{{ a }}', a) FROM '$header.csv'"))
            .await
            .map(|batches| batches.len())
            .unwrap_or(9),
        0
    );
}

#[tokio::test]
async fn tsv_json_lines_arrays_and_globs() {
    let files = Files::new()
        .with("t.tsv", "a\tb\n1\t\"x\ty\"\n")
        .with("l.jsonl", "\u{feff}{\"z\": 1, \"a\": \"x\", \"s\": {\"k\": [1, 2]}}\n\n{\"z\": 2.5, \"n\": null, \"a\": 7}\n")
        .with("a.json", "[\n {\"z\": 1},\n {\"z\": null}\n]\n")
        .with("p.json", "{\n \"z\": 1\n}\n{\n \"z\": 2\n}\n")
        .with("g1.csv", "k,v\n1,a\n")
        .with("g2.csv", "k,v\n2.5,b\n");
    insta::assert_snapshot!(files.table("SELECT * FROM '$t.tsv'").await, @r"
    +---+-----+
    | a | b   |
    +---+-----+
    | 1 | x	y |
    +---+-----+
    ");
    insta::assert_snapshot!(files.table("SELECT * FROM '$l.jsonl'").await, @r"
    +-----+---+-------------+---+
    | z   | a | s           | n |
    +-----+---+-------------+---+
    | 1.0 | x | {k: [1, 2]} |   |
    | 2.5 | 7 |             |   |
    +-----+---+-------------+---+
    ");
    insta::assert_snapshot!(files.table("SELECT * FROM '$a.json'").await, @r"
    +---+
    | z |
    +---+
    | 1 |
    |   |
    +---+
    ");
    insta::assert_snapshot!(files.table("SELECT * FROM '$p.json'").await, @r"
    +---+
    | z |
    +---+
    | 1 |
    | 2 |
    +---+
    ");
    insta::assert_snapshot!(files.table("SELECT * FROM '$g*.csv'").await, @r"
    +-----+---+
    | k   | v |
    +-----+---+
    | 1.0 | a |
    | 2.5 | b |
    +-----+---+
    ");
    insta::assert_snapshot!(files.table("SELECT count(*) AS n FROM '$l.jsonl'").await, @r"
    +---+
    | n |
    +---+
    | 2 |
    +---+
    ");
    let other = files.with("g3.csv", "k,w\n1,2\n");
    insta::assert_snapshot!(other.refused("SELECT * FROM '$g*.csv'").await, @r"$g3.csv has other columns than $g1.csv: k, w and k, v. Read them as two tables");
    insta::assert_snapshot!(other.refused("SELECT * FROM '$'").await, @r"$ holds files of different formats, such as $a.json and $g1.csv: name those of one format with a pattern such as '*.csv'");
}

#[tokio::test]
async fn parquet_by_path_and_glob() {
    let files = Files::new().with("x y.csv", "a,b\n1,x\n2,y\n");
    for name in ["1 [a].parquet", "2.PARQUET"] {
        let stream = files.session.plan(&files.sql("SELECT * FROM '$x y.csv'")).await.unwrap().stream().await.unwrap();
        corsac_frame::write(stream, corsac_frame::Format::Parquet, corsac_frame::Target::File(files.path(name))).await.unwrap();
    }
    insta::assert_snapshot!(files.table("SELECT * FROM '$1 [a].parquet'").await, @r"
    +---+---+
    | a | b |
    +---+---+
    | 1 | x |
    | 2 | y |
    +---+---+
    ");
    insta::assert_snapshot!(files.table("SELECT count(*) AS n, min(b) AS b FROM '$*.[pP]*'").await, @r"
    +---+---+
    | n | b |
    +---+---+
    | 4 | x |
    +---+---+
    ");
}

#[tokio::test]
async fn tables_by_name_and_missing_ones() {
    let files = Files::new().with("r.csv", "Text,stars\nfine,5\n");
    files.session.register("reviews", &files.sql("$r.csv")).await.unwrap();
    insta::assert_snapshot!(files.table("SELECT text FROM reviews").await, @r"
    +------+
    | Text |
    +------+
    | fine |
    +------+
    ");
    insta::assert_snapshot!(files.refused("SELECT txt FROM reviews").await, @r"
    there is no column txt. Did you mean Text?
    The columns here are: Text, stars
    ");
    insta::assert_snapshot!(files.refused("SELECT * FROM review").await, @r"there is no table review. Did you mean reviews? A file is named in quotes: FROM 'reviews.csv'");
    insta::assert_snapshot!(files.table(&format!("{TYPES} 'reviews'")).await, @r"
    +-------------+-----------+
    | column_name | data_type |
    +-------------+-----------+
    | Text        | Utf8      |
    | stars       | Int64     |
    +-------------+-----------+
    ");
    assert!(Path::new("Cargo.toml").is_file());
    insta::assert_snapshot!(files.refused("SELECT * FROM Cargo.toml").await, @r"a file in FROM stands in quotes: write FROM 'Cargo.toml'");
}

#[tokio::test]
async fn estimates_read_a_few_rows_and_ask_nothing() {
    let files = Files::new().with("r.csv", "text,stars\nfine,5\nfine,4\n,3\nvery bad,1\n");
    let query = files.session.plan(&files.sql("SELECT semantic_map('Say {{ text }}', text) FROM '$r.csv' WHERE stars > 0")).await.unwrap();
    let estimate = query.estimate().await.unwrap().remove(0);
    assert_eq!((estimate.operator.as_str(), estimate.mean_user_tokens), ("semantic_map", Some(7.0 / 3.0)));
    assert_eq!((estimate.sampled.rows, estimate.sampled.asked, estimate.sampled.distinct), (4, 3, 2));
    let all = files.session.plan(&files.sql("SELECT semantic_map('Say {{ text }}', text) FROM '$r.csv' LIMIT 3")).await.unwrap();
    assert_eq!(all.estimate().await.unwrap()[0].rows, Some(corsac_frame::Rows { count: 3, exact: true }));
    assert!(all.has_semantic_calls());
    assert_eq!(files.session.progress().calls_started(), 0);
}

#[tokio::test]
async fn a_schema_may_stand_in_a_file() {
    let schema = r#"{"type": "object", "properties": {"size": {"type": "integer"}, "at": {"type": "string", "format": "date"}}, "required": ["size"]}"#;
    let files = Files::new().with("s.json", schema).with("r.csv", "text\nfine\n");
    insta::assert_snapshot!(files.table("SELECT e.size, e.at FROM (SELECT semantic_extract(text, '$s.json') AS e FROM '$r.csv')").await, @r"
    +------+------------+
    | size | at         |
    +------+------------+
    | 4    | 2024-02-29 |
    +------+------------+
    ");
    let files = files.with("s.json", "{\"type\": \"strin\"}");
    insta::assert_snapshot!(files.refused("SELECT semantic_extract(text, '$s.json') FROM '$r.csv'").await, @r#"the schema file $s.json cannot be used: at /type in the schema: "strin" is not a type; did you mean "string"?"#);
}

#[tokio::test]
async fn a_file_named_in_a_query_is_read_anew_by_the_next_one() {
    let files = Files::new().with("r.csv", "a\n1\n");
    assert_eq!(crate::fake::count_rows(&rows(&files.session, &files.sql("SELECT a FROM '$r.csv'")).await.unwrap()), 1);
    let files = files.with("r.csv", "b\nx\ny\n");
    assert_eq!(crate::fake::count_rows(&rows(&files.session, &files.sql("SELECT b FROM '$r.csv'")).await.unwrap()), 2);
}

fn gzip(text: &str) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut packed, text.as_bytes()).unwrap();
    packed.finish().unwrap()
}

fn zstandard(text: &str) -> Vec<u8> {
    zstd::encode_all(text.as_bytes(), 3).unwrap()
}

#[tokio::test]
async fn packed_texts_are_read_like_those_they_hold() {
    let table = "a;b\n1;\"x\ny\"\n2;z\n";
    let two_parts = [gzip("a,b\n1,x\n"), gzip("2,y\n")].concat();
    let files = Files::new()
        .with("one.csv.gz", gzip(table))
        .with("two.CSV.ZST", zstandard(table))
        .with("parts.csv.gz", two_parts)
        .with("tabs.tsv.gz", gzip("a\tb\n1\t2\n"))
        .with("lines.jsonl.gz", gzip("{\"a\": 1}\n{\"a\": 2}\n"))
        .with("lines.ndjson.zst", zstandard("{\"a\": 1}\n{\"a\": 2}\n"))
        .with("list.json.zst", zstandard("[{\"a\": 1},\n {\"a\": 2}]"))
        .with("note.md.gz", gzip("# Title"))
        .with("misnamed.csv", gzip("a\n7\n"));
    let sum = "SELECT count(*) AS n, sum(a) AS a FROM";
    for file in ["one.csv.gz", "two.CSV.ZST", "parts.csv.gz", "lines.jsonl.gz", "lines.ndjson.zst", "list.json.zst"] {
        assert!(files.table(&format!("{sum} '${file}'")).await.contains("| 2 | 3 |"), "{file}");
    }
    assert!(files.table(&format!("{sum} '$tabs.tsv.gz'")).await.contains("| 1 | 1 |"));
    assert!(files.table(&format!("{sum} '$misnamed.csv'")).await.contains("| 1 | 7 |"));
    assert!(files.table("SELECT b FROM '$two.CSV.ZST' WHERE a = 1").await.contains("| x |"));
    assert!(files.table("SELECT text, name FROM '$note.md.gz'").await.contains("| # Title | note.md.gz |"));
    // packed and plain ones of one format are one table
    let files = files.with("more/a.csv", "a\n1\n").with("more/b.csv.gz", gzip("a\n2\n")).with("more/c.csv.zst", zstandard("a\n3\n"));
    assert!(files.table(&format!("{sum} '$more/*'")).await.contains("| 3 | 6 |"));
    assert!(files.table(&format!("{sum} '$more'")).await.contains("| 3 | 6 |"));
}

#[tokio::test]
async fn parquet_is_read_however_it_is_compressed() {
    use corsac_frame::datafusion::parquet::arrow::ArrowWriter;
    use corsac_frame::datafusion::parquet::basic::{BrotliLevel, Compression, GzipLevel, ZstdLevel};
    use corsac_frame::datafusion::parquet::file::properties::WriterProperties;

    let column: corsac_frame::arrow::array::ArrayRef = std::sync::Arc::new(corsac_frame::arrow::array::Int64Array::from(vec![1, 2]));
    let batch = corsac_frame::arrow::array::RecordBatch::try_from_iter([("a", column)]).unwrap();
    let ways = [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::GZIP(GzipLevel::default()),
        Compression::ZSTD(ZstdLevel::default()),
        Compression::BROTLI(BrotliLevel::default()),
        Compression::LZ4_RAW,
        Compression::LZ4,
    ];
    for way in ways {
        let mut bytes = Vec::new();
        let properties = WriterProperties::builder().set_compression(way).build();
        let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties)).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        let files = Files::new().with("t.parquet", bytes);
        assert!(files.table("SELECT sum(a) AS a FROM '$t.parquet'").await.contains("| 3 |"), "{way}");
    }
}
