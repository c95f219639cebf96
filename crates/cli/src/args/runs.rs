//! The commands that look back: runs, their rows and calls, and what was spent.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// `corsac runs`.
#[derive(Debug, Args)]
pub(crate) struct Runs {
    #[command(subcommand)]
    pub(crate) command: RunsCommand,
}

/// What to do with runs.
#[derive(Debug, Subcommand)]
pub(crate) enum RunsCommand {
    /// The latest runs.
    List {
        /// How many.
        #[arg(short, default_value_t = 20)]
        number: usize,
    },
    /// One run: what was asked, answered, failed and spent.
    Show {
        /// The run's id, or its beginning.
        id: String,
        /// Show what was asked for this row and every attempt; rows are those an operator was given, counted from 0.
        #[arg(long, value_name = "N")]
        row: Option<u64>,
        /// Show the failed calls.
        #[arg(long)]
        failed: bool,
    },
    /// From a row of the result to the calls that made it: what was asked, the answer, every attempt, who served it and what
    /// it cost. Nothing is asked again.
    Trace {
        /// The run's id, or its beginning.
        id: String,
        /// The row's place in what the query gave, counted from 0; with --operator its place among the rows that came to
        /// that function, as failures are told.
        row: u64,
        /// Count the rows as they came to this function, such as semantic_map, and show only what it asked.
        #[arg(long, value_name = "NAME")]
        operator: Option<String>,
        /// The format.
        #[arg(long, value_enum, default_value = "text")]
        format: TraceFormat,
    },
    /// Run the query again: what is answered comes from memory, what failed is asked again.
    Retry {
        /// The run's id, or its beginning.
        id: String,
        /// No progress and no report.
        #[arg(short, long)]
        quiet: bool,
    },
    /// Every call of a run, with its answer, attempts and cost.
    Export {
        /// The run's id, or its beginning.
        id: String,
        /// Where to [default: stdout]
        #[arg(short, long, value_name = "PATH")]
        out: Option<PathBuf>,
        /// The format.
        #[arg(long, value_enum, default_value = "jsonl")]
        format: ExportFormat,
    },
}

/// The format of a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TraceFormat {
    /// For reading on a screen.
    Text,
    /// One JSON object.
    Json,
}

/// The format of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportFormat {
    /// One JSON object a line.
    Jsonl,
    /// Comma-separated, with a header.
    Csv,
}

/// `corsac usage`.
#[derive(Debug, Args)]
pub(crate) struct Usage {
    /// By what to sum.
    #[arg(long, value_enum, default_value = "model")]
    pub(crate) by: UsageBy,
    /// Only this run.
    #[arg(long, value_name = "ID")]
    pub(crate) run: Option<String>,
    /// Only from this UTC day on, such as 2026-11-22.
    #[arg(long, value_name = "DATE", conflicts_with = "run")]
    pub(crate) since: Option<String>,
    /// Only the last so many UTC days, today among them.
    #[arg(long, value_name = "N", conflicts_with_all = ["run", "since"])]
    pub(crate) days: Option<u32>,
    /// The format.
    #[arg(long, value_enum, default_value = "table")]
    pub(crate) format: UsageFormat,
}

/// By what spending is summed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum UsageBy {
    /// The run.
    Run,
    /// The model that served.
    Model,
    /// The provider that served.
    Provider,
    /// The UTC day.
    Day,
    /// What asked, such as semantic_classify.
    Operator,
    /// The key, by its last characters.
    Key,
}

impl UsageBy {
    /// The name of the column.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Model => "model",
            Self::Provider => "provider",
            Self::Day => "day",
            Self::Operator => "operator",
            Self::Key => "key",
        }
    }
}

/// The format of sums.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum UsageFormat {
    /// For reading on a screen.
    Table,
    /// One JSON object a line.
    Json,
    /// Comma-separated, with a header.
    Csv,
}
