//! Every flag, in one place.

mod runs;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use serde::{Deserialize, Serialize};

pub(crate) use runs::*;

const EXIT_CODES: &str = "\
Exit codes:
  0    all rows are answered
  1    failure: a file, the disk, the network, the ledger
  2    bad usage: an argument, the SQL, a schema, a template, a table
  3    the query ended, but some rows have no answer
  4    bad configuration: the key, the model, corsac.toml
  5    the budget (or the account's credits) ran out; what was answered is kept
  130  interrupted; what was answered is kept";

/// Ask a language model about every row of a table, reliably, and see what it cost.
#[derive(Debug, Parser)]
#[command(name = "corsac", version, after_help = EXIT_CODES, arg_required_else_help = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a query whose semantic functions ask a model about each row; without one, a shell.
    Sql(Sql),
    /// Ask one question and print the answer as it comes.
    Ask(Ask),
    /// Measure a program on data: a score with its interval, failures apart, and the cost.
    Eval(Eval),
    /// Improve a program by data: demonstrations are found, measured on held-out examples, and the best are kept.
    Tune(Tune),
    /// Classify and extract from real product reviews, and compare with what people said of them.
    Demo(Demo),
    /// Check the key, the limits, the catalog, a call, and that failover works.
    Doctor(Doctor),
    /// What was run before: list, show, retry the failures, export.
    Runs(Runs),
    /// What was spent, by run, model, provider, day, operator or key.
    Usage(Usage),
    /// The models there are; get the embedded one.
    Models(Models),
    /// A local server that behaves like OpenRouter, faults included.
    Sim(Sim),
}

const SQL_HELP: &str = "\
Tables are files, named in the query or by --table: CSV, TSV, JSON lines, Parquet, Arrow, texts, a glob of them, or - for stdin.
CREATE VIEW, CREATE TABLE … AS, CREATE EXTERNAL TABLE, COMMENT ON, DROP, INSERT INTO, COPY … TO and SHOW TABLES keep names and rows
under CORSAC_HOME. Without a query, statements are read from the terminal or from a pipe.

Functions:
  semantic_classify(text, ['label', …])                   the label that fits
  semantic_extract(text, schema)                          a struct of facts; schema: 'product string, stars int, mood enum(good,bad)',
                                                          a JSON Schema, or the path of a .json file
  semantic_map('… {{ column }} …', column, …)             the answer to an instruction
  semantic_predicate('… {{ column }} …', column, …)       true or false, in SELECT and WHERE
  outcome(semantic_…(…))                                  {value, error_kind, error, attempts, cost, model, provider}

EXPLAIN [FORMAT JSON] SELECT … shows the plan, requests, tokens and dollars; EXPLAIN ANALYZE [FORMAT JSON] SELECT … runs the query and tells what
each function asked, knew, shared, lost and cost.

Example:
  corsac sql \"SELECT text, semantic_classify(text, ['praise', 'complaint', 'question']) AS kind FROM 'reviews.csv' LIMIT 20\"";

/// `corsac sql`.
#[derive(Debug, Clone, Args, Serialize, Deserialize)]
#[command(after_help = SQL_HELP)]
pub(crate) struct Sql {
    /// The statement, or several with ; between them; without one, a shell, or the statements of a pipe.
    #[arg(value_name = "SQL", conflicts_with = "file")]
    pub(crate) query: Option<String>,
    /// Read the statements from a file.
    #[arg(short = 'f', long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// Give a file a table name; a glob and - (stdin) will do too.
    #[arg(short, long = "table", value_name = "NAME=PATH")]
    pub(crate) tables: Vec<String>,
    /// Write the result to a file, in the format its ending names.
    #[arg(short, long, value_name = "PATH")]
    pub(crate) out: Option<PathBuf>,
    /// Put the rows after those that the file of --out has already.
    #[arg(long, requires = "out", conflicts_with = "overwrite")]
    #[serde(default)]
    pub(crate) append: bool,
    /// Put the result in the place of the file of --out; so it is without this too.
    #[arg(long, requires = "out")]
    #[serde(default)]
    pub(crate) overwrite: bool,
    /// The result's format [default: by --out's ending; a table on a terminal, else CSV]
    #[arg(long, value_enum)]
    pub(crate) format: Option<OutputFormat>,
    #[command(flatten)]
    pub(crate) asking: Asking,
    /// Set where an earlier run is run again.
    #[arg(skip)]
    #[serde(skip)]
    pub(crate) again: bool,
    /// What to do when a row has no answer: put NULL and go on, or fail.
    #[arg(long, value_enum, default_value = "null")]
    pub(crate) on_error: OnErrorChoice,
    /// Show the plan and its price, and ask nothing; with --format json for programs.
    #[arg(long)]
    pub(crate) explain: bool,
    /// Do not ask before spending.
    #[arg(short, long)]
    pub(crate) yes: bool,
    /// No progress and no report, only results and errors.
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

/// Whom to ask, and at what price.
#[derive(Debug, Clone, Default, Args, Serialize, Deserialize)]
pub(crate) struct Asking {
    /// Who answers [default: openrouter with a key, else local]
    #[arg(long, value_enum)]
    pub(crate) engine: Option<EngineChoice>,
    /// The model, such as openai/gpt-4o-mini.
    #[arg(short, long, value_name = "ID")]
    pub(crate) model: Option<String>,
    /// The model that semantic_embed asks [default: openai/text-embedding-3-small; embedded all-MiniLM-L6-v2]
    #[arg(long, value_name = "ID")]
    #[serde(default)]
    pub(crate) embedding_model: Option<String>,
    /// A model to try when the ones before it fail; may be given several times.
    #[arg(long = "fallback", value_name = "ID")]
    pub(crate) fallbacks: Vec<String>,
    /// A profile of the configuration file.
    #[arg(long, value_name = "NAME")]
    pub(crate) profile: Option<String>,
    /// The configuration file [default: corsac.toml here or above]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Stop asking when this many dollars are spent.
    #[arg(long, value_name = "USD")]
    pub(crate) budget: Option<String>,
    /// Seconds one request may take [default: 120]
    #[arg(long, value_name = "SECONDS")]
    pub(crate) timeout: Option<f64>,
    /// Ask anew, although the answers are known.
    #[arg(long)]
    pub(crate) fresh: bool,
    /// The name your requests are counted under on OpenRouter.
    #[arg(long, value_name = "NAME")]
    pub(crate) app_name: Option<String>,
    /// The address your requests are counted under on OpenRouter.
    #[arg(long, value_name = "URL")]
    pub(crate) app_url: Option<String>,
    /// A script for the simulator (with --engine sim).
    #[arg(long, value_name = "FILE")]
    pub(crate) sim_script: Option<PathBuf>,
}

/// Who answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum EngineChoice {
    /// OpenRouter, or what speaks its API at OPENROUTER_BASE_URL.
    Openrouter,
    /// The embedded model.
    Local,
    /// The simulator, inside this process.
    Sim,
}

/// What a row without an answer means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum OnErrorChoice {
    /// NULL in its place.
    Null,
    /// The end of the query.
    Fail,
}

/// The result's format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum OutputFormat {
    /// For reading on a screen.
    Table,
    /// Comma-separated, with a header.
    Csv,
    /// Tab-separated, with a header.
    Tsv,
    /// One JSON array.
    Json,
    /// One JSON object a line.
    Jsonl,
    /// Parquet, to a file.
    Parquet,
    /// Arrow IPC, to a file.
    Arrow,
    /// A markdown table.
    Markdown,
}

/// Which program.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ProgramArguments {
    /// A saved program, Corsac's or DSPy's JSON.
    #[arg(short = 'p', long, value_name = "FILE")]
    pub(crate) program: Option<PathBuf>,
    /// What goes in and what comes out, such as "question -> answer: str, confidence: float".
    #[arg(long, value_name = "SIGNATURE")]
    pub(crate) signature: Option<String>,
    /// What the signature's program is to do.
    #[arg(long, value_name = "TEXT")]
    pub(crate) instructions: Option<String>,
    /// How it is asked [default: what the file names, else predict]
    #[arg(long, value_enum)]
    pub(crate) module: Option<ModuleChoice>,
}

/// How a signature is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ModuleChoice {
    /// One question.
    Predict,
    /// Reasoning first.
    #[value(alias = "cot")]
    ChainOfThought,
    /// Several chains of thought, and a last look at them.
    MultiChainComparison,
}

impl ModuleChoice {
    /// The module's name in saved programs.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Predict => "Predict",
            Self::ChainOfThought => "ChainOfThought",
            Self::MultiChainComparison => "MultiChainComparison",
        }
    }
}

const EVAL_HELP: &str = "\
Data are examples from .csv, .tsv, .jsonl or .json: the program's inputs by name; every other column is a label or a column to group by.

Example:
  corsac eval --signature \"text -> label: Literal['good', 'bad']\" --data dev.csv --metric classify --by language";

/// `corsac eval`.
#[derive(Debug, Args)]
#[command(after_help = EVAL_HELP)]
pub(crate) struct Eval {
    #[command(flatten)]
    pub(crate) program: ProgramArguments,
    /// The examples.
    #[arg(long, value_name = "FILE")]
    pub(crate) data: PathBuf,
    /// What is compared: exact, f1, semantic_f1 (a model judges) or classify (with figures by label).
    #[arg(long, value_name = "NAME", default_value = "exact")]
    pub(crate) metric: String,
    /// The output that is measured [default: the last one that has a label]
    #[arg(long, value_name = "NAME")]
    pub(crate) field: Option<String>,
    /// A column to group by.
    #[arg(long, value_name = "COLUMN")]
    pub(crate) by: Option<String>,
    /// A second program, compared on the same examples.
    #[arg(long, value_name = "FILE")]
    pub(crate) compare: Option<PathBuf>,
    /// Write what became of each example, one JSON object a line.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// The seed of intervals.
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
    /// Only the result.
    #[arg(short, long)]
    pub(crate) quiet: bool,
    #[command(flatten)]
    pub(crate) asking: Asking,
}

const TUNE_HELP: &str = "\
Optimizers: labeled (demonstrations drawn from the data), bootstrap (demonstrations the program itself made and the metric approved of),
random-search (many of both, the best on held-out examples). --budget and --calls stop it cleanly; run again, it goes on where it was.

Example:
  corsac tune --signature \"text -> label: Literal['good', 'bad']\" --data train.csv --metric classify --budget 0.50 --out triage.json";

/// `corsac tune`.
#[derive(Debug, Args)]
#[command(after_help = TUNE_HELP)]
pub(crate) struct Tune {
    #[command(flatten)]
    pub(crate) program: ProgramArguments,
    /// The examples; half of them are held out, unless --dev names others.
    #[arg(long, value_name = "FILE")]
    pub(crate) data: PathBuf,
    /// Examples to measure candidates by.
    #[arg(long, value_name = "FILE")]
    pub(crate) dev: Option<PathBuf>,
    /// The share of examples that is held out.
    #[arg(long, value_name = "SHARE", default_value_t = 0.5, conflicts_with = "dev")]
    pub(crate) held_out: f64,
    /// What is compared: exact, f1, semantic_f1 (a model judges) or classify.
    #[arg(long, value_name = "NAME", default_value = "exact")]
    pub(crate) metric: String,
    /// The output that is measured [default: the last one that has a label]
    #[arg(long, value_name = "NAME")]
    pub(crate) field: Option<String>,
    /// How to search: labeled, bootstrap or random-search.
    #[arg(long, value_name = "NAME", default_value = "random-search")]
    pub(crate) optimizer: String,
    /// How many shuffles a random search tries [default: DSPy's 16]
    #[arg(long, value_name = "N")]
    pub(crate) candidates: Option<u64>,
    /// Stop after so many calls of a model.
    #[arg(long, value_name = "N")]
    pub(crate) calls: Option<u64>,
    /// The seed of everything that is drawn.
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
    /// Where the better program goes.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// Only the result.
    #[arg(short, long)]
    pub(crate) quiet: bool,
    #[command(flatten)]
    pub(crate) asking: Asking,
}

const ASK_HELP: &str = "\
Examples:
  corsac ask \"What is a corsac?\"
  corsac ask \"question -> answer\" question=\"What is DSPy?\"
  corsac ask -p triage.json text=\"Broke after a day.\"";

/// `corsac ask`.
#[derive(Debug, Args)]
#[command(after_help = ASK_HELP)]
pub(crate) struct Ask {
    /// The question; - or nothing reads it from stdin. With a signature ("question -> answer") or a program: inputs as name=value.
    #[arg(value_name = "QUESTION")]
    pub(crate) question: Vec<String>,
    /// Instructions that come before the question.
    #[arg(short, long, value_name = "TEXT")]
    pub(crate) system: Option<String>,
    /// The form the answer must have: JSON Schema or the short form of semantic_extract, as text or in a file.
    #[arg(long, value_name = "SCHEMA")]
    pub(crate) schema: Option<String>,
    /// Sampling temperature, 0 to 2 [default: 0]
    #[arg(long, value_name = "T")]
    pub(crate) temperature: Option<f64>,
    /// The most tokens the answer may have.
    #[arg(long, value_name = "N")]
    pub(crate) max_tokens: Option<u32>,
    /// Print one JSON object with the answer, who gave it and what it cost.
    #[arg(long)]
    pub(crate) json: bool,
    /// Only the answer.
    #[arg(short, long)]
    pub(crate) quiet: bool,
    #[command(flatten)]
    pub(crate) program: ProgramArguments,
    #[command(flatten)]
    pub(crate) asking: Asking,
}

/// `corsac doctor`.
#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// Check without asking a model anything, so that nothing is paid.
    #[arg(long)]
    pub(crate) no_call: bool,
    #[command(flatten)]
    pub(crate) asking: Asking,
}

/// `corsac demo`.
#[derive(Debug, Args)]
pub(crate) struct Demo {
    #[command(flatten)]
    pub(crate) asking: Asking,
    /// How many reviews to classify.
    #[arg(long, default_value_t = 200)]
    pub(crate) rows: usize,
    /// Do not ask before spending.
    #[arg(short, long)]
    pub(crate) yes: bool,
}

/// `corsac models`.
#[derive(Debug, Args)]
pub(crate) struct Models {
    #[command(subcommand)]
    pub(crate) command: Option<ModelsCommand>,
    /// The configuration file.
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) config: Option<PathBuf>,
}

/// What to do with models.
#[derive(Debug, Subcommand)]
pub(crate) enum ModelsCommand {
    /// Get the embedded models: one for chat, one for embeddings.
    Pull,
    /// The models that can be asked, with their prices.
    List {
        /// Only those with this in their id or name.
        #[arg(long, value_name = "TEXT")]
        search: Option<String>,
        /// Only those that take a JSON Schema.
        #[arg(long)]
        structured: bool,
        /// Only those that call tools.
        #[arg(long)]
        tools: bool,
        /// Only those whose prompt tokens cost at most so many dollars per million.
        #[arg(long, value_name = "USD")]
        max_price: Option<String>,
    },
    /// One model, with who serves it.
    Show {
        /// The model's id.
        id: String,
    },
}

/// `corsac sim`.
#[derive(Debug, Args)]
pub(crate) struct Sim {
    /// The port to listen on; 0 takes a free one.
    #[arg(short, long, default_value_t = 8080)]
    pub(crate) port: u16,
    /// A script of rules, models and limits (TOML).
    #[arg(long, value_name = "FILE")]
    pub(crate) script: Option<PathBuf>,
    /// The seed of everything that is drawn.
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// Milliseconds per answer, or a range: 50 or 50..200.
    #[arg(long, value_name = "MS")]
    pub(crate) latency: Option<String>,
    /// Requests per minute and key.
    #[arg(long, value_name = "N")]
    pub(crate) rate_limit: Option<u32>,
    /// A model that is down: ID, or ID=FAULT.
    #[arg(long, value_name = "ID")]
    pub(crate) down: Vec<String>,
    /// A fault for every Nth chat request: N:FAULT.
    #[arg(long, value_name = "N:FAULT")]
    pub(crate) fault_every: Vec<String>,
    /// Dollars of credit.
    #[arg(long, value_name = "USD")]
    pub(crate) credits: Option<String>,
    /// Serve requests without a key too.
    #[arg(long)]
    pub(crate) open: bool,
}
