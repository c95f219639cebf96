//! Random queries over small random tables, run twice: by a session, with every rule that saves questions; and by the bare query
//! engine with the rules alone that it cannot run without, where each call is an ordinary function that is worked out for every row there is: a condition
//! only marks rows (`c0`), and leaves them in as long as SQL lets it. Both must give the same rows, and the session must ask
//! nothing that the other did not work out, and no more often.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::DataType;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use corsac_dispatch::{Call, Contract, FailureKind, Outcome};
use datafusion::datasource::MemTable;
use datafusion::execution::SessionStateBuilder;
use datafusion::logical_expr::{ColumnarValue, ScalarUDF, Volatility, create_udf};
use datafusion::optimizer::push_down_limit::PushDownLimit;
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;
use datafusion::prelude::{SessionConfig, SessionContext};
use proptest::prelude::*;
use proptest::test_runner::{RngSeed, TestRunner};
use serde_json::json;

use crate::fake::{Fake, answered, failed, rows, session};

/// What the stand-in answers, by the question alone.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Said {
    Truth(bool),
    Text(&'static str),
    Nothing,
}

const LABELS: [&str; 3] = ["a", "b", "u"];
const TEXTS: [&str; 4] = ["u", "v", "a", "b c"];

fn hash(text: &str) -> u64 {
    // Fowler, Noll and Vo's, with its bits mixed once more
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    (hash ^ (hash >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 20
}

fn said(kind: Kind, question: &str) -> Said {
    let hash = hash(question);
    match kind {
        // some questions are refused, whoever asks
        _ if hash.is_multiple_of(13) => Said::Nothing,
        Kind::Predicate(_) | Kind::Pair => Said::Truth(hash.is_multiple_of(3)),
        Kind::Map(_) => Said::Text(TEXTS[(hash % 4) as usize]),
        Kind::Classify => Said::Text(LABELS[(hash % 3) as usize]),
    }
}

fn answer(call: &Call) -> Option<Outcome> {
    let kind = match (&call.contract, &*call.origin.operator) {
        (Contract::Text, _) => Kind::Map(0),
        (_, "semantic_classify") => Kind::Classify,
        _ => Kind::Predicate(0),
    };
    Some(match said(kind, &call.user) {
        Said::Truth(truth) => answered(json!({ "answer": truth })),
        Said::Text(text) if kind == Kind::Classify => answered(json!({ "label": text })),
        Said::Text(text) => answered(json!(text)),
        Said::Nothing => failed(FailureKind::Refused, "refused"),
    })
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Predicate(u8),
    Map(u8),
    Classify,
    Pair,
}

impl Kind {
    /// The question about a row; none where there is nothing to ask.
    fn question(self, inputs: &[Option<&str>]) -> Option<String> {
        let inputs: Vec<&str> = inputs.iter().copied().collect::<Option<_>>()?;
        match (self, inputs.as_slice()) {
            (_, inputs) if inputs.iter().any(|input| input.trim().is_empty()) => None,
            (Kind::Predicate(number), [text]) => Some(format!("{} {text}?", "Is ".repeat(usize::from(number) + 1))),
            (Kind::Map(number), [text]) => Some(format!("m{number} {text}")),
            (Kind::Classify, [text]) => Some((*text).to_owned()),
            (Kind::Pair, [left, right]) => Some(format!("{left} ~ {right}")),
            _ => None,
        }
    }

    fn name(self) -> String {
        match self {
            Kind::Predicate(number) => format!("naive_predicate_{number}"),
            Kind::Map(number) => format!("naive_map_{number}"),
            Kind::Classify => "naive_classify".to_owned(),
            Kind::Pair => "naive_pair".to_owned(),
        }
    }

    fn is_truth(self) -> bool {
        matches!(self, Kind::Predicate(_) | Kind::Pair)
    }
}

/// An expression.
#[derive(Debug, Clone)]
enum Term {
    /// As it is written.
    Plain(String),
    /// Parts between which operands stand.
    Of(Vec<&'static str>, Vec<Term>),
    Call(Kind, Vec<Term>),
}

impl Term {
    /// As a session reads it.
    fn ours(&self) -> String {
        match self {
            Term::Plain(text) => text.clone(),
            Term::Of(parts, operands) => woven(parts, operands.iter().map(Term::ours)),
            Term::Call(kind, inputs) => {
                let inputs: Vec<String> = inputs.iter().map(Term::ours).collect();
                match (kind, inputs.as_slice()) {
                    (Kind::Predicate(number), [x]) => {
                        format!("semantic_predicate('{} {{{{ x }}}}?', x => {x})", "Is ".repeat(usize::from(*number) + 1))
                    }
                    (Kind::Map(number), [x]) => format!("semantic_map('m{number} {{{{ x }}}}', x => {x})"),
                    (Kind::Pair, [l, r]) => {
                        format!("semantic_predicate('{{{{ l }}}} ~ {{{{ r }}}}', l => {l}, r => {r}, strategy => 'cross')")
                    }
                    (_, inputs) => format!("semantic_classify({}, ['a', 'b', 'u'])", inputs.join(", ")),
                }
            }
        }
    }

    /// As a function that is worked out where it stands.
    fn inline(&self) -> String {
        match self {
            Term::Plain(text) => text.clone(),
            Term::Of(parts, operands) => in_the_engines_words(woven(parts, operands.iter().map(Term::inline))),
            Term::Call(kind, inputs) => format!("{}({})", kind.name(), inputs.iter().map(Term::inline).collect::<Vec<_>>().join(", ")),
        }
    }

    /// With a column in the place of each call, which is worked out for every row below.
    fn naive(&self, computed: &mut Vec<String>) -> String {
        match self {
            Term::Plain(text) => text.clone(),
            Term::Of(parts, operands) => {
                let operands: Vec<String> = operands.iter().map(|operand| operand.naive(computed)).collect();
                in_the_engines_words(woven(parts, operands.into_iter()))
            }
            Term::Call(..) => {
                computed.push(format!("{} AS k{}", self.inline(), computed.len()));
                format!("k{}", computed.len() - 1)
            }
        }
    }
}

/// The engine has no coalesce of its own without the rule that makes it a CASE.
fn in_the_engines_words(term: String) -> String {
    match term.strip_prefix("coalesce(") {
        Some(rest) => format!("naive_first({rest}"),
        None => term,
    }
}

/// The first of two texts that is not NULL.
fn first_of_two() -> ScalarUDF {
    let work = |arguments: &[ColumnarValue]| {
        let columns = ColumnarValue::values_to_arrays(arguments)?;
        let texts: Vec<ArrayRef> = columns.iter().map(|column| arrow::compute::cast(column, &DataType::Utf8)).collect::<Result<_, _>>()?;
        let pairs = texts[0].as_string::<i32>().iter().zip(texts[1].as_string::<i32>().iter());
        Ok(ColumnarValue::Array(Arc::new(StringArray::from_iter(pairs.map(|(one, other)| one.or(other)))) as ArrayRef))
    };
    create_udf("naive_first", vec![DataType::Utf8; 2], DataType::Utf8, Volatility::Volatile, Arc::new(work))
}

fn woven(parts: &[&str], operands: impl Iterator<Item = String>) -> String {
    let mut text = parts[0].to_owned();
    for (operand, part) in operands.zip(&parts[1..]) {
        text += &operand;
        text += part;
    }
    text
}

/// Choices by bytes that chance gives; where they end everything is as simple as it can be, so that what fails shrinks.
struct Tape<'a> {
    bytes: std::slice::Iter<'a, u8>,
    names: usize,
}

/// A query in both forms.
struct Both {
    ours: String,
    naive: String,
}

impl Tape<'_> {
    fn below(&mut self, below: u8) -> u8 {
        self.bytes.next().map_or(0, |byte| byte % below)
    }

    fn name(&mut self) -> String {
        self.names += 1;
        format!("x{}", self.names)
    }

    fn text(&mut self, depth: u8, columns: &[&str]) -> Term {
        let column = |tape: &mut Self| Term::Plain(columns[usize::from(tape.below(columns.len() as u8))].to_owned());
        if depth == 0 {
            return column(self);
        }
        match self.below(8) {
            0 | 1 => column(self),
            2 | 3 => Term::Call(Kind::Map(self.below(2)), vec![self.text(depth - 1, columns)]),
            4 => Term::Call(Kind::Classify, vec![self.text(depth - 1, columns)]),
            5 => Term::Of(
                vec!["CASE WHEN ", " THEN ", " ELSE ", " END"],
                vec![self.truth(depth - 1, columns), self.text(depth - 1, columns), self.text(depth - 1, columns)],
            ),
            6 => Term::Of(vec!["coalesce(", ", ", ")"], vec![self.text(depth - 1, columns), self.text(depth - 1, columns)]),
            _ => Term::Of(vec!["concat(", ", '!')"], vec![self.text(depth - 1, columns)]),
        }
    }

    fn truth(&mut self, depth: u8, columns: &[&str]) -> Term {
        if depth == 0 {
            let column = columns[usize::from(self.below(columns.len() as u8))];
            return Term::Plain(match self.below(3) {
                0 => format!("{column} IS NOT NULL"),
                1 => format!("{column} = 'a'"),
                _ => "c2 > 1".to_owned(),
            });
        }
        match self.below(9) {
            0..=3 => Term::Call(Kind::Predicate(self.below(3)), vec![self.text(depth - 1, columns)]),
            4 => Term::Of(vec!["NOT (", ")"], vec![self.truth(depth - 1, columns)]),
            5 => Term::Of(vec!["(", " AND ", ")"], vec![self.truth(depth - 1, columns), self.truth(depth - 1, columns)]),
            6 => Term::Of(vec!["(", " OR ", ")"], vec![self.truth(depth - 1, columns), self.truth(depth - 1, columns)]),
            7 => Term::Of(vec!["", " = 'a'"], vec![self.text(depth - 1, columns)]),
            _ => self.truth(0, columns),
        }
    }

    /// Conditions of a WHERE, some of them or none.
    fn conditions(&mut self, columns: &[&str]) -> Option<Term> {
        let mut all: Option<Term> = None;
        for _ in 0..self.below(4) {
            let next = self.truth(2, columns);
            all = Some(match all {
                Some(before) => Term::Of(vec!["", " AND ", ""], vec![before, next]),
                None => next,
            });
        }
        all
    }

    /// A query that gives the columns c1 (text), c2 (whole number) and c3 (text).
    fn query(&mut self, depth: u8) -> Both {
        if depth == 0 {
            let table = if self.below(2) == 0 { "r" } else { "s" };
            return Both { ours: format!("SELECT c1, c2, c3 FROM {table}"), naive: format!("SELECT true AS c0, c1, c2, c3 FROM {table}") };
        }
        match self.below(8) {
            0..=2 => self.selection(depth),
            3 => self.groups(depth),
            4 => self.ordered(depth),
            5 => {
                let (one, other) = (self.query(depth - 1), self.query(depth - 1));
                let both =
                    |all: &str, one: &str, other: &str, name: &str| format!("SELECT {all} FROM (({one}) UNION ALL ({other})) AS {name}");
                let name = self.name();
                Both {
                    ours: both("c1, c2, c3", &one.ours, &other.ours, &name),
                    naive: both("c0, c1, c2, c3", &one.naive, &other.naive, &name),
                }
            }
            6 => {
                let (inner, name) = (self.query(depth - 1), self.name());
                let condition = self.truth(1, &["c1", "c3"]);
                let mut computed = Vec::new();
                let naive = condition.naive(&mut computed);
                Both {
                    ours: format!("WITH {name} AS ({}) SELECT c1, c2, c3 FROM {name} WHERE {}", inner.ours, condition.ours()),
                    naive: format!(
                        "WITH {name} AS ({}) SELECT {}, c1, c2, c3 FROM {}",
                        inner.naive,
                        marked(Some(naive)),
                        level(&name, &computed, "computed")
                    ),
                }
            }
            _ => self.joined(depth),
        }
    }

    fn selection(&mut self, depth: u8) -> Both {
        let (source, name) = (self.query(depth - 1), self.name());
        let columns = ["c1", "c3"];
        let items = [self.text(2, &columns), self.number(&columns), self.text(1, &columns)];
        let condition = self.conditions(&columns);
        let mut computed = Vec::new();
        let listed = |items: Vec<String>| {
            items.iter().enumerate().map(|(place, item)| format!("{item} AS c{}", place + 1)).collect::<Vec<_>>().join(", ")
        };
        let ours = listed(items.iter().map(Term::ours).collect());
        let naive = listed(items.iter().map(|item| item.naive(&mut computed)).collect());
        let filter = |condition: Option<String>| condition.map(|condition| format!(" WHERE {condition}")).unwrap_or_default();
        let mark = marked(condition.as_ref().map(|condition| condition.naive(&mut computed)));
        let below = level(&format!("({}) AS {name}", source.naive), &computed, &format!("{name}_computed"));
        Both {
            ours: format!("SELECT {ours} FROM ({}) AS {name}{}", source.ours, filter(condition.as_ref().map(Term::ours))),
            naive: format!("SELECT {mark}, {naive} FROM {below}"),
        }
    }

    fn number(&mut self, columns: &[&str]) -> Term {
        match self.below(3) {
            0 => Term::Plain("c2".to_owned()),
            1 => Term::Plain("c2 + 1".to_owned()),
            _ => Term::Of(vec!["CASE WHEN ", " THEN c2 ELSE 0 END"], vec![self.truth(1, columns)]),
        }
    }

    fn groups(&mut self, depth: u8) -> Both {
        let (source, name) = (self.query(depth - 1), self.name());
        let key = self.text(2, &["c1", "c3"]);
        let counted = self.text(1, &["c1", "c3"]);
        let having = self.truth(1, &["g"]);
        let mut computed = Vec::new();
        let (naive_key, naive_counted) = (key.naive(&mut computed), counted.naive(&mut computed));
        let below = level(&format!("({}) AS {name}", source.naive), &computed, &format!("{name}_computed"));
        let mut above = Vec::new();
        let naive_having = having.naive(&mut above).replace("c2 >", "n >");
        let grouped = format!(
            "(SELECT {naive_key} AS g, count(*) AS n, max({naive_counted}) AS m FROM {below} WHERE c0 GROUP BY 1) AS {name}_groups"
        );
        let mark = format!("CASE WHEN {naive_having} THEN true ELSE false END AS c0");
        Both {
            ours: format!(
                "SELECT g AS c1, n AS c2, m AS c3 FROM (SELECT g, count(*) AS n, max({}) AS m FROM (SELECT {} AS g, c1, c2, c3 FROM ({}) AS {name}) AS \
                 {name}_keys GROUP BY g HAVING {}) AS {name}_groups",
                counted.ours(),
                key.ours(),
                source.ours,
                having.ours().replace("c2 >", "count(*) >")
            ),
            naive: format!(
                "SELECT {mark}, g AS c1, nullif(n, -1) AS c2, m AS c3 FROM {}",
                level(&grouped, &above, &format!("{name}_having"))
            ),
        }
    }

    fn ordered(&mut self, depth: u8) -> Both {
        let (source, name) = (self.query(depth - 1), self.name());
        let key = self.text(1, &["c1", "c3"]);
        let limit = match self.below(4) {
            0 => String::new(),
            limit => format!(" LIMIT {limit}"),
        };
        let mut computed = Vec::new();
        let naive = key.naive(&mut computed);
        let below = level(&format!("({}) AS {name}", source.naive), &computed, &format!("{name}_computed"));
        Both {
            ours: format!("SELECT c1, c2, c3 FROM ({}) AS {name} ORDER BY {}, c1, c2, c3{limit}", source.ours, key.ours()),
            naive: format!("SELECT c0, c1, c2, c3 FROM {below} WHERE c0 ORDER BY {naive}, c1, c2, c3{limit}"),
        }
    }

    fn joined(&mut self, depth: u8) -> Both {
        let (left, right) = (self.query(depth - 1), self.query(0));
        let (one, other) = (self.name(), self.name());
        let renamed = |query: &str, kept: &str, name: &str| {
            format!("(SELECT c1 AS d1, c2 AS d2, c3 AS d3 FROM ({query}) AS {name}_all{kept}) AS {name}")
        };
        let kind = ["JOIN", "LEFT JOIN", "JOIN"][usize::from(self.below(3))];
        let pair = Term::Call(Kind::Pair, vec![Term::Plain("c1".to_owned()), Term::Plain("d1".to_owned())]);
        let cheap = Term::Plain("c2 = d2".to_owned());
        let on = match self.below(3) {
            0 => cheap,
            1 => pair,
            _ => Term::Of(vec!["", " AND d2 > 0"], vec![pair]),
        };
        // what is asked about one side is worked out for all of it
        let above = if self.below(2) == 0 { None } else { Some(self.truth(2, &["c1", "c3"])) };
        let mut computed = Vec::new();
        let above_mark = above.as_ref().map(|above| above.naive(&mut computed));
        // a pair that does not match stays in, too: conditions further up may ask about its rows before pairs are asked about
        let (naive_kind, naive_on, mark) = match (kind, above_mark) {
            ("JOIN", None) => ("CROSS JOIN", String::new(), marked(Some(on.inline()))),
            ("JOIN", Some(above)) => ("CROSS JOIN", String::new(), marked(Some(format!("({}) AND ({above})", on.inline())))),
            (kind, above) => (kind, format!(" ON {}", on.inline()), marked(above)),
        };
        let filter = |condition: Option<String>| condition.map(|condition| format!(" WHERE {condition}")).unwrap_or_default();
        let below = level(&format!("({}) AS {one}_all", left.naive), &computed, &format!("{one}_computed"));
        Both {
            ours: format!(
                "SELECT c1, c2, coalesce(d1, c3) AS c3 FROM ({}) AS {one} {kind} {} ON {}{}",
                left.ours,
                renamed(&right.ours, "", &other),
                on.ours(),
                filter(above.as_ref().map(Term::ours))
            ),
            naive: format!(
                "SELECT {mark}, c1, c2, naive_first(d1, c3) AS c3 FROM (SELECT * FROM {below} WHERE c0) AS {one} {naive_kind} {}{naive_on}",
                renamed(&right.naive, " WHERE c0", &other)
            ),
        }
    }
}

/// The column that tells whether a row is still wanted.
fn marked(condition: Option<String>) -> String {
    match condition {
        Some(condition) => format!("CASE WHEN c0 AND ({condition}) THEN true ELSE false END AS c0"),
        None => "c0".to_owned(),
    }
}

/// A source with columns for calls beside its own.
fn level(source: &str, computed: &[String], name: &str) -> String {
    let computed: String = computed.iter().map(|column| format!(", {column}")).collect();
    format!("(SELECT *{computed} FROM {source}) AS {name}")
}

/// A small table: its texts are few, so that many are equal, and some are NULL or blank.
fn table_of(choices: &[u8]) -> RecordBatch {
    let text = |choice: u8| [Some("a"), Some("b c"), Some("it"), None, Some(""), Some("u"), Some(" ")][usize::from(choice % 7)];
    let column =
        |shift: u32| -> ArrayRef { Arc::new(StringArray::from_iter(choices.iter().map(|choice| text(choice.rotate_right(shift))))) };
    let numbers: ArrayRef = Arc::new(Int64Array::from_iter(choices.iter().map(|choice| Some(i64::from(choice % 4)))));
    RecordBatch::try_from_iter_with_nullable([("c1", column(0), true), ("c2", numbers, true), ("c3", column(3), true)]).unwrap()
}

type Counted = Arc<Mutex<HashMap<String, usize>>>;

/// A call as an ordinary function, which notes every question that it is worked out for.
fn function(kind: Kind, counted: &Counted) -> ScalarUDF {
    let counted = Arc::clone(counted);
    let inputs = if kind == Kind::Pair { 2 } else { 1 };
    let output = if kind.is_truth() { DataType::Boolean } else { DataType::Utf8 };
    let work = move |arguments: &[ColumnarValue]| {
        let columns = ColumnarValue::values_to_arrays(arguments)?;
        let texts: Vec<ArrayRef> = columns.iter().map(|column| arrow::compute::cast(column, &DataType::Utf8)).collect::<Result<_, _>>()?;
        let answers: Vec<Said> = (0..texts[0].len())
            .map(|row| {
                let inputs: Vec<Option<&str>> = texts
                    .iter()
                    .map(|column| column.as_string::<i32>())
                    .map(|column| column.is_valid(row).then(|| column.value(row)))
                    .collect();
                kind.question(&inputs).map_or(Said::Nothing, |question| {
                    *counted.lock().unwrap().entry(question.clone()).or_default() += 1;
                    said(kind, &question)
                })
            })
            .collect();
        let column: ArrayRef = match kind.is_truth() {
            true => Arc::new(BooleanArray::from_iter(answers.iter().map(|said| match said {
                Said::Truth(truth) => Some(*truth),
                _ => None,
            }))),
            false => Arc::new(StringArray::from_iter(answers.iter().map(|said| match said {
                Said::Text(text) => Some(*text),
                _ => None,
            }))),
        };
        Ok(ColumnarValue::Array(column))
    };
    create_udf(&kind.name(), vec![DataType::Utf8; inputs], output, Volatility::Volatile, Arc::new(work))
}

/// The query engine with the rules alone that it cannot run without.
fn bare(counted: &Counted, tables: &[(&str, RecordBatch)]) -> SessionContext {
    let mut config = SessionConfig::new().with_target_partitions(1);
    config.options_mut().sql_parser.enable_ident_normalization = false;
    // without these no join says how it is to be run, and no group has all its rows; others could leave out what nobody reads
    let mut physical = PhysicalOptimizer::new().rules;
    physical.retain(|rule| matches!(rule.name(), "join_selection" | "EnsureRequirements"));
    assert!(physical.len() >= 2);
    let state = SessionStateBuilder::new()
        .with_config(config)
        .with_default_features()
        // a sort that knows nothing of the limit above it is taken for needless
        .with_optimizer_rules(vec![Arc::new(PushDownLimit::new())])
        .with_physical_optimizer_rules(physical)
        .build();
    let context = SessionContext::new_with_state(state);
    let kinds = [Kind::Predicate(0), Kind::Predicate(1), Kind::Predicate(2), Kind::Map(0), Kind::Map(1), Kind::Classify, Kind::Pair];
    for kind in kinds {
        context.register_udf(function(kind, counted));
    }
    context.register_udf(first_of_two());
    for (name, batch) in tables {
        context.register_batch(*name, batch.clone()).unwrap();
    }
    context
}

/// The rows, in an order of their own.
fn sorted(batches: &[RecordBatch]) -> Vec<String> {
    let options = FormatOptions::default().with_null("NULL");
    let mut rows = Vec::new();
    for batch in batches {
        let columns: Vec<ArrayFormatter<'_>> =
            batch.columns().iter().map(|column| ArrayFormatter::try_new(column.as_ref(), &options).unwrap()).collect();
        let row = |row| columns.iter().map(|column| column.value(row).to_string()).collect::<Vec<_>>().join(" | ");
        rows.extend((0..batch.num_rows()).map(row));
    }
    rows.sort();
    rows
}

fn check(runtime: &tokio::runtime::Runtime, choices: &[u8], left: &[u8], right: &[u8]) -> Result<(), TestCaseError> {
    let Both { ours, naive } = Tape { bytes: choices.iter(), names: 0 }.query(3);
    let naive = format!("SELECT c1, c2, c3 FROM ({naive}) AS everything WHERE c0");
    let tables = [("r", table_of(left)), ("s", table_of(right))];
    let counted = Counted::default();
    let fake = Arc::new(Fake::new().rule(answer));
    let (found, wanted) = runtime.block_on(async {
        let session = session(&fake);
        for (name, batch) in &tables {
            session.register_provider(name, Arc::new(MemTable::try_new(batch.schema(), vec![vec![batch.clone()]]).unwrap())).unwrap();
        }
        let wanted = bare(&counted, &tables).sql(&naive).await.unwrap_or_else(|error| panic!("{naive}\n{error}")).collect().await;
        (rows(&session, &ours).await, wanted)
    });
    let found = found.map_err(|error| TestCaseError::fail(format!("{ours}\n{error}")))?;
    // what the bare engine cannot run for a defect of its own proves nothing
    let wanted = match wanted {
        Err(error) if error.to_string().contains("bug in DataFusion") => return Err(TestCaseError::reject("a defect of the bare engine")),
        wanted => wanted.map_err(|error| TestCaseError::fail(format!("{naive}\n{error}")))?,
    };
    prop_assert_eq!(sorted(&found), sorted(&wanted), "\n{}\n{}", ours, naive);
    let counted = counted.lock().unwrap();
    for question in fake.users() {
        prop_assert!(counted.contains_key(&question), "asked {:?} for nothing:\n{}\n{}", question, ours, naive);
    }
    let worked_out: usize = counted.values().sum();
    prop_assert!(fake.count() <= worked_out, "{} asked, {} worked out\n{}\n{}", fake.count(), worked_out, ours, naive);
    Ok(())
}

#[test]
fn a_session_gives_the_rows_of_the_naive_plan_and_asks_no_more() {
    let config = ProptestConfig { cases: 160, rng_seed: RngSeed::Fixed(20_250), failure_persistence: None, ..ProptestConfig::default() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    // a join with nothing is not known to be one before its other side was asked about
    let bytes = |sizes: std::ops::Range<usize>| proptest::collection::vec(any::<u8>(), sizes);
    TestRunner::new(config)
        .run(&(bytes(20..90), bytes(1..7), bytes(1..5)), |(choices, left, right)| check(&runtime, &choices, &left, &right))
        .unwrap_or_else(|error| panic!("{error}"));
}
