//! A call of a semantic function that is being written.

use std::time::Duration;

use corsac_program::Demo;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::expr::{AggregateFunction, Sort};
use datafusion::logical_expr::{AggregateUDF, Expr, ScalarUDF, lit};
use serde_json::{Map as Object, Value};

use super::constants;
use crate::dataframe::{IntoExpr, IntoSort};
use crate::function::{Marker, Operator, ReduceMarker};
use crate::named::NamedMarker;

/// A call of a semantic function. What is wrong with it is told when the frame that holds it is planned, before anything is
/// asked.
#[derive(Debug, Clone)]
#[must_use = "a call asks nothing until it stands in a frame"]
pub struct Call<K> {
    arguments: Vec<Expr>,
    demos: Vec<Demo>,
    kind: K,
}

/// Which function a [`Call`] calls.
pub mod kind {
    use datafusion::logical_expr::Expr;
    use datafusion::logical_expr::expr::Sort;

    /// [`map`](super::super::map).
    #[derive(Debug, Clone)]
    pub struct Map;
    /// [`predicate`](super::super::predicate).
    #[derive(Debug, Clone)]
    pub struct Predicate;
    /// [`classify`](super::super::classify).
    #[derive(Debug, Clone)]
    pub struct Classify;
    /// [`extract`](super::super::extract).
    #[derive(Debug, Clone)]
    pub struct Extract;
    /// [`analyze_sentiment`](super::super::analyze_sentiment).
    #[derive(Debug, Clone)]
    pub struct Sentiment;
    /// [`summarize`](super::super::summarize).
    #[derive(Debug, Clone)]
    pub struct Summarize;
    /// [`reduce`](super::super::reduce).
    #[derive(Debug, Clone, Default)]
    pub struct Reduce {
        pub(super) order_by: Vec<Sort>,
        pub(super) filter: Option<Expr>,
        pub(super) distinct: bool,
    }
    /// [`embed`](super::super::embed).
    #[derive(Debug, Clone)]
    pub struct Embed;
}

/// A call of [`map`](super::map).
pub type Map = Call<kind::Map>;
/// A call of [`predicate`](super::predicate).
pub type Predicate = Call<kind::Predicate>;
/// A call of [`classify`](super::classify).
pub type Classify = Call<kind::Classify>;
/// A call of [`extract`](super::extract).
pub type Extract = Call<kind::Extract>;
/// A call of [`analyze_sentiment`](super::analyze_sentiment).
pub type Sentiment = Call<kind::Sentiment>;
/// A call of [`summarize`](super::summarize).
pub type Summarize = Call<kind::Summarize>;
/// A call of [`reduce`](super::reduce).
pub type Reduce = Call<kind::Reduce>;
/// A call of [`embed`](super::embed).
pub type Embed = Call<kind::Embed>;

mod sealed {
    use super::{Expr, kind};

    pub trait Sealed {
        /// The expression over all arguments.
        fn over(self, arguments: Vec<Expr>) -> Expr;
    }

    macro_rules! of_rows {
        ($($kind:ident)*) => { $(
            impl Sealed for kind::$kind {
                fn over(self, arguments: Vec<Expr>) -> Expr {
                    super::scalar(super::Operator::$kind, arguments)
                }
            }
            impl super::Operation for kind::$kind {}
        )* };
    }
    of_rows!(Map Predicate Classify Extract Sentiment Summarize Embed);

    impl Sealed for kind::Reduce {
        fn over(self, arguments: Vec<Expr>) -> Expr {
            super::aggregate(self, arguments)
        }
    }
    impl super::Operation for kind::Reduce {}
}

/// A function that can be called.
pub trait Operation: sealed::Sealed {}

/// A function that speaks to a chat model.
pub trait Prompted: Operation {}
impl Prompted for kind::Map {}
impl Prompted for kind::Predicate {}
impl Prompted for kind::Classify {}
impl Prompted for kind::Extract {}
impl Prompted for kind::Sentiment {}
impl Prompted for kind::Summarize {}
impl Prompted for kind::Reduce {}

/// A function that can be shown examples.
pub trait Taught: Operation {}
impl Taught for kind::Map {}
impl Taught for kind::Predicate {}
impl Taught for kind::Classify {}
impl Taught for kind::Sentiment {}

/// A function over a template.
pub trait Templated: Operation {}
impl Templated for kind::Map {}
impl Templated for kind::Predicate {}
impl Templated for kind::Reduce {}

fn scalar(operator: Operator, arguments: Vec<Expr>) -> Expr {
    ScalarUDF::new_from_impl(Marker::new(operator)).call(arguments)
}

fn aggregate(kind: kind::Reduce, arguments: Vec<Expr>) -> Expr {
    let function = std::sync::Arc::new(AggregateUDF::new_from_impl(ReduceMarker::new()));
    let filter = kind.filter.map(Box::new);
    Expr::AggregateFunction(AggregateFunction::new_udf(function, arguments, kind.distinct, filter, kind.order_by, None))
}

impl<K: Operation> Call<K> {
    pub(super) fn new(kind: K) -> Call<K> {
        Call { arguments: Vec::new(), demos: Vec::new(), kind }
    }

    pub(super) fn literal(mut self, value: ScalarValue) -> Call<K> {
        self.arguments.push(Expr::Literal(value, None));
        self
    }

    pub(super) fn constant(self, text: String) -> Call<K> {
        self.literal(ScalarValue::from(text))
    }

    /// One more argument in its place, as SQL has those without a name. In a template, a column stands under its own name, and
    /// an expression without one takes the next free place.
    pub fn input(mut self, value: impl IntoExpr) -> Call<K> {
        self.arguments.push(value.into_expr());
        self
    }

    fn named(mut self, name: &str, value: Expr) -> Call<K> {
        self.arguments.push(ScalarUDF::new_from_impl(NamedMarker::new()).call(vec![lit(name), value]));
        self
    }

    /// Any argument by its name, as in SQL's `name => value`.
    pub fn argument(self, name: &str, value: impl IntoExpr) -> Call<K> {
        self.named(name, value.into_expr())
    }

    /// Who is asked in place of the session's model: an alias of `corsac.toml`, or any id.
    pub fn model(self, model: impl Into<String>) -> Call<K> {
        self.named("model", lit(model.into()))
    }

    /// A profile of `corsac.toml`.
    pub fn profile(self, profile: impl Into<String>) -> Call<K> {
        self.named("profile", lit(profile.into()))
    }

    /// The most time a row's call may take over all its attempts.
    pub fn timeout(self, timeout: Duration) -> Call<K> {
        self.named("timeout", lit(timeout.as_secs_f64()))
    }

    /// The call as an expression.
    pub fn expr(mut self) -> Expr {
        if !self.demos.is_empty() {
            let examples = constants::examples(&std::mem::take(&mut self.demos));
            self = self.named("examples", Expr::Literal(examples, None));
        }
        self.kind.over(self.arguments)
    }

    /// The call as a column of this name.
    pub fn alias(self, name: impl Into<String>) -> Expr {
        self.expr().alias(name)
    }

    /// What became of the call; see [`outcome`](super::outcome).
    pub fn outcome(self) -> Expr {
        super::outcome(self)
    }
}

impl<K: Prompted> Call<K> {
    /// Sampling temperature, 0 to 2.
    pub fn temperature(self, temperature: f64) -> Call<K> {
        self.named("temperature", lit(temperature))
    }

    /// The most tokens of the answer. Given, it is never raised.
    pub fn max_tokens(self, tokens: u32) -> Call<K> {
        self.named("max_tokens", lit(tokens))
    }
}

impl<K: Taught> Call<K> {
    /// A question of one input with its answer, shown to the model.
    pub fn example(mut self, input: impl Into<Value>, output: impl Into<Value>) -> Call<K> {
        let inputs = Object::from_iter([(Demo::INPUT.to_owned(), input.into())]);
        self.demos.push(Demo { inputs, output: output.into() });
        self
    }

    /// Questions with their answers, shown to the model; inputs by their names.
    pub fn examples(mut self, examples: impl IntoIterator<Item = Demo>) -> Call<K> {
        self.demos.extend(examples);
        self
    }

    /// The examples of a `.csv` or `.jsonl` file, with the columns `input` and `output`; where a template has several names,
    /// they stand in place of `input`.
    pub fn examples_from(self, path: impl Into<String>) -> Call<K> {
        self.named("examples", lit(path.into()))
    }
}

impl<K: Templated> Call<K> {
    /// What a name in the template stands for.
    pub fn column(self, name: &str, value: impl IntoExpr) -> Call<K> {
        self.named(name, value.into_expr())
    }
}

impl Call<kind::Map> {
    /// What the answer must have, in the short form, as JSON Schema or as the path of a `.json` file: it is then a struct.
    pub fn schema(self, schema: &str) -> Map {
        self.named("schema", lit(schema))
    }

    /// Whether a row with a NULL among its inputs is left unasked, as it is unless told otherwise. If not, NULL is blank in
    /// the template, and only rows without any input are left.
    pub fn strict(self, strict: bool) -> Map {
        self.named("strict", lit(strict))
    }
}

impl Call<kind::Predicate> {
    /// Whether a row with a NULL among its inputs is left unasked, as it is unless told otherwise. If not, NULL is blank in
    /// the template, and only rows without any input are left. A join is always strict.
    pub fn strict(self, strict: bool) -> Predicate {
        self.named("strict", lit(strict))
    }

    /// How a join finds the pairs to ask about: `"auto"`, `"cross"` or `"embedding"`.
    pub fn strategy(self, strategy: &str) -> Predicate {
        self.named("strategy", lit(strategy))
    }

    /// The share of the matches that a join must find, above 0 and up to 1; 0.95 unless told.
    pub fn recall(self, share: f64) -> Predicate {
        self.named("recall", lit(share))
    }

    /// What a join draws its sample of pairs by; 0 unless told.
    pub fn seed(self, seed: u64) -> Predicate {
        self.named("seed", lit(seed))
    }
}

impl Call<kind::Summarize> {
    /// The most words of the summary, 120 unless told.
    pub fn max_words(self, words: u32) -> Summarize {
        self.named("max_words", lit(words))
    }
}

impl Call<kind::Reduce> {
    /// The order of a group's rows in the question.
    pub fn order_by(mut self, keys: impl IntoIterator<Item = impl IntoSort>) -> Reduce {
        self.kind.order_by.extend(keys.into_iter().map(IntoSort::into_sort).collect::<Vec<Sort>>());
        self
    }

    /// Only rows for which this holds.
    pub fn filter(mut self, condition: impl IntoExpr) -> Reduce {
        self.kind.filter = Some(condition.into_expr());
        self
    }

    /// Equal rows of a group once.
    pub fn distinct(mut self) -> Reduce {
        self.kind.distinct = true;
        self
    }

    /// The most tokens of rows in one question.
    pub fn part_tokens(self, tokens: u32) -> Reduce {
        self.named("part_tokens", lit(tokens))
    }
}

impl Call<kind::Embed> {
    /// Numbers of the vector, for models that let one choose.
    pub fn dimensions(self, count: u32) -> Embed {
        self.named("dimensions", lit(count))
    }
}

impl<K: Operation> From<Call<K>> for Expr {
    fn from(call: Call<K>) -> Expr {
        call.expr()
    }
}

impl<K: Operation> IntoExpr for Call<K> {
    fn into_expr(self) -> Expr {
        self.expr()
    }
}
