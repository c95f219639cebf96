//! Files that are read by what they are: texts as rows, other separators, Arrow.

use std::path::Path;
use std::sync::Arc;

use crate::fake::{Fake, session, table};

fn write(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

#[tokio::test]
async fn texts_are_rows() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "a.md", "# A\nfirst");
    write(folder.path(), "deep/er/b.md", "second");
    write(folder.path(), "deep/c.txt", "third");
    write(folder.path(), "deep/d.log", "fourth");
    let session = session(&Arc::new(Fake::new()));
    let root = folder.path().display();
    insta::assert_snapshot!(table(&session, &format!("SELECT name, text, bytes, modified IS NULL AS unknown FROM '{root}/**/*.md' ORDER BY name")).await, @r"
    +------+--------+-------+---------+
    | name | text   | bytes | unknown |
    +------+--------+-------+---------+
    | a.md | # A    | 9     | false   |
    |      | first  |       |         |
    | b.md | second | 6     | false   |
    +------+--------+-------+---------+
    ");
    let counted =
        table(&session, &format!("SELECT count(*) AS n, min(path) = '{root}/deep/c.txt' AS path FROM read_text('{root}/deep')")).await;
    assert!(counted.contains("| 2 | true |"), "{counted}");
    assert!(table(&session, &format!("SELECT text FROM '{root}/deep/c.txt' LIMIT 1")).await.contains("third"));
    let sql = format!("SELECT semantic_classify(text, ['first', 'second']) AS c FROM '{root}/**/*.md' WHERE bytes > 6");
    assert!(table(&session, &sql).await.contains("| first |"));
    let none = session.plan(&format!("SELECT * FROM read_text('{root}/*.no')")).await.unwrap_err().to_string();
    assert!(none.contains("no file matches"), "{none}");
}

#[tokio::test]
async fn a_readme_beside_tables_is_in_nobodys_way() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "README.md", "what this is");
    write(folder.path(), "a.csv", "n\n1\n");
    let session = session(&Arc::new(Fake::new()));
    assert!(table(&session, &format!("SELECT n FROM '{}/'", folder.path().display())).await.contains("| 1 |"));
}

#[tokio::test]
async fn semicolons_and_bars_are_seen_and_told() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "semi.csv", "id;text\n1;\"a;b, c\"\n2;d\n");
    write(folder.path(), "bar.csv", "id|text\n1|a, b; c\n");
    let session = session(&Arc::new(Fake::new()));
    let root = folder.path().display();
    insta::assert_snapshot!(table(&session, &format!("SELECT * FROM '{root}/semi.csv'")).await, @r"
    +----+--------+
    | id | text   |
    +----+--------+
    | 1  | a;b, c |
    | 2  | d      |
    +----+--------+
    ");
    assert!(table(&session, &format!("SELECT text FROM '{root}/bar.csv'")).await.contains("| a, b; c |"));
    let told: Vec<String> = session.warnings().iter().map(|warning| warning.replace(&root.to_string(), "$")).collect();
    assert_eq!(
        told,
        [
            "$/semi.csv: the header has semicolons and no comma, so semicolons stand between the fields",
            "$/bar.csv: the header has bars and no comma, so bars stand between the fields"
        ]
    );
}
