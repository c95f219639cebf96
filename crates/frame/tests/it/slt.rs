//! Queries with their results, one file a family of functions under `tests/slt`. How to add one stands in the README there.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{Array, RecordBatch};
use arrow::datatypes::{DataType, SchemaRef};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use corsac_dispatch::FailureKind;
use corsac_frame::{FrameError, Session};
use sqllogictest::{AsyncDB, DBOutput, DefaultColumnType, Runner, default_normalizer, default_validator, strict_column_validator};

use crate::fake::{Fake, failed, rows, session};
use crate::voiced::{self, Voiced};

/// A session as the files see it.
struct Engine {
    asked: Asked,
    session: Session,
    /// Calls counted by `asked` so far.
    counted: usize,
}

/// Who is asked.
enum Asked {
    StandIn(Arc<Fake>),
    Simulator(Arc<Voiced>),
}

impl Engine {
    fn over_the_stand_in() -> Engine {
        let fake = Arc::new(
            Fake::new().rule(|call| call.user.contains("[fail]").then(|| failed(FailureKind::Refused, "the stand-in was told to fail"))),
        );
        Engine { session: session(&fake), asked: Asked::StandIn(fake), counted: 0 }
    }

    fn over_the_simulator() -> Engine {
        let (voiced, session) = voiced::session();
        Engine { session, asked: Asked::Simulator(voiced), counted: 0 }
    }
}

#[async_trait::async_trait]
impl AsyncDB for Engine {
    type Error = FrameError;
    type ColumnType = DefaultColumnType;

    async fn run(&mut self, sql: &str) -> Result<DBOutput<DefaultColumnType>, FrameError> {
        if sql.trim() == "asked" {
            let asked = match &self.asked {
                Asked::StandIn(fake) => fake.count(),
                Asked::Simulator(voiced) => voiced.count(),
            };
            let new = asked - std::mem::replace(&mut self.counted, asked);
            return Ok(DBOutput::Rows { types: vec![DefaultColumnType::Integer], rows: vec![vec![new.to_string()]] });
        }
        let schema = self.session.plan(sql).await?.schema();
        let batches = rows(&self.session, sql).await?;
        Ok(DBOutput::Rows { types: types(&schema), rows: batches.iter().flat_map(shown).collect() })
    }

    async fn shutdown(&mut self) {}

    fn engine_name(&self) -> &str {
        match &self.asked {
            Asked::StandIn(_) => "corsac",
            Asked::Simulator(_) => "corsac_over_simulator",
        }
    }
}

fn types(schema: &SchemaRef) -> Vec<DefaultColumnType> {
    let types = schema.fields().iter().map(|field| match field.data_type() {
        data_type if data_type.is_integer() => DefaultColumnType::Integer,
        data_type if data_type.is_floating() => DefaultColumnType::FloatingPoint,
        data_type if data_type.is_string() => DefaultColumnType::Text,
        DataType::Boolean => DefaultColumnType::Text,
        _ => DefaultColumnType::Any,
    });
    types.collect()
}

/// A row's cells on one line: NULL is a word, an empty text too, and a line end is written `\n`.
fn shown(batch: &RecordBatch) -> Vec<Vec<String>> {
    let options = FormatOptions::default().with_null("NULL");
    let columns: Vec<ArrayFormatter<'_>> =
        batch.columns().iter().map(|column| ArrayFormatter::try_new(column.as_ref(), &options).unwrap()).collect();
    let cell = |column: usize, row: usize| {
        let array = batch.column(column);
        if array.is_null(row) {
            return "NULL".to_owned();
        }
        let text = columns[column].value(row).to_string();
        if text.is_empty() { "(empty)".to_owned() } else { text.replace('\n', "\\n") }
    };
    (0..batch.num_rows()).map(|row| (0..columns.len()).map(|column| cell(column, row)).collect()).collect()
}

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/slt");
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|ending| ending == "slt"));
    files.sort();
    files
}

/// Every file passes; with `CORSAC_WRITE_SLT=1` results are written into the files instead, to be read before they are kept.
#[tokio::test]
async fn files_of_queries() {
    run_files(Engine::over_the_stand_in, std::env::var_os("CORSAC_WRITE_SLT").is_some()).await;
}

/// The same the whole way: dispatcher, simulator, ledger.
#[tokio::test(start_paused = true)]
async fn files_of_queries_over_the_simulator() {
    run_files(Engine::over_the_simulator, false).await;
}

async fn run_files(engine: fn() -> Engine, write: bool) {
    let only = std::env::var("CORSAC_SLT").unwrap_or_default();
    let mut wrong = Vec::new();
    let mut run = 0;
    for file in files().into_iter().filter(|file| file.to_string_lossy().contains(&only)) {
        let mut runner = Runner::new(|| async { Ok(engine()) });
        runner.with_column_validator(strict_column_validator);
        let outcome = if write {
            runner
                .update_test_file(&file, "\t", default_validator, default_normalizer, strict_column_validator)
                .await
                .map_err(|error| error.to_string())
        } else {
            runner.run_file_async(&file).await.map_err(|error| error.display(false).to_string())
        };
        run += 1;
        wrong.extend(outcome.err().map(|error| format!("{}\n{error}", file.display())));
    }
    assert!(run > 0, "no file is named like {only:?}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
