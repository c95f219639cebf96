//! Queries in jq's language, run by jaq. A query sees the value alone: not the environment, a clock or other inputs. It
//! cannot end the process, and it has an end itself.

use jaq_core::load::parse::Def;
use jaq_core::load::{self, Arena, File, Loader};
use jaq_core::{Compiler, Ctx, Native, Vars};
use jaq_json::Val;

use super::bounds::{self, bounded, bounded_definition, on_own_stack, within};
use super::natives::{self, Data};
use super::path;
use crate::TextError;

/// The most results of one query for one value; what comes after them is an error, so that a query without an end has one.
pub const MOST_RESULTS: usize = 100_000;
/// The longest query that is read, in bytes: what is nested in it takes room on the stack.
const LONGEST_QUERY: usize = 8_192;
/// The most brackets that stand in each other.
const DEEPEST_QUERY: usize = 200;
/// The name under which the query stands among the definitions.
const MAIN: &str = "main_of_corsac";

/// A query that is read once and used for many values.
pub struct Query {
    filter: jaq_core::compile::Filter<Native<Data>>,
}

impl std::fmt::Debug for Query {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Query")
    }
}

impl Query {
    /// Reads a query: jq's language, or JSONPath if it begins with `$`.
    ///
    /// # Errors
    /// [`TextError::Request`] with what is wrong and where.
    pub fn new(query: &str) -> Result<Query, TextError> {
        if query.trim_start().starts_with('$') {
            return Query::of_jq(&path::as_jq(query)?);
        }
        Query::of_jq(query)
    }

    fn of_jq(code: &str) -> Result<Query, TextError> {
        if code.len() > LONGEST_QUERY {
            return Err(TextError::request("the query", format!("it has {} bytes, more than {LONGEST_QUERY}", code.len())));
        }
        if deepest(code) > DEEPEST_QUERY {
            return Err(TextError::request("the query", format!("more than {DEEPEST_QUERY} brackets stand in each other")));
        }
        on_own_stack(|| Query::compiled(code))
    }

    fn compiled(code: &str) -> Result<Query, TextError> {
        let definitions = jaq_core::defs().chain(jaq_std::defs()).chain(jaq_json::defs()).chain(natives::definitions());
        let functions = jaq_core::funs().chain(jaq_std::base_funs()).chain(jaq_json::funs());
        // jaq's own way out ends the process
        let offered = functions.filter(|(name, _, _)| *name != "halt");
        let arena = Arena::default();
        Loader::new([]).load(&arena, File { code, path: () }).map_err(|errors| unread(code, &errors))?;
        let Some(query) = load::parse(code, |parser| parser.term()) else {
            return Err(TextError::request("the query", "it cannot be understood"));
        };
        // the query stands among the definitions: only there can it be handed over as it was rewritten
        let main = Def { name: MAIN, args: Vec::new(), body: bounded(query) };
        let definitions = definitions.map(|definition| -> Def<&str> { bounded_definition(definition) }).chain([main]);
        let modules = Loader::new(definitions).load(&arena, File { code: MAIN, path: () }).map_err(|errors| unread(MAIN, &errors))?;
        let functions = offered.chain(natives::functions()).chain(bounds::functions());
        let filter = Compiler::default().with_funs(functions).compile(modules).map_err(|errors| unknown(&errors))?;
        Ok(Query { filter })
    }

    /// The results for a JSON text, each as a JSON text.
    ///
    /// # Errors
    /// [`TextError::Malformed`] when the text is not JSON, when the query does not fit the value, when it gives more than
    /// [`MOST_RESULTS`], or when it takes too many steps (half a million, and eight for each byte of the text), as one without
    /// an end does.
    pub fn results(&self, text: &str) -> Result<Vec<String>, TextError> {
        bounded_run(text, || self.run(text, MOST_RESULTS)?.iter().map(written).collect())
    }

    /// The first result as text: a string as it is, without quotes, anything else as JSON. Nothing where there is no result
    /// or it is `null`.
    ///
    /// # Errors
    /// [`TextError::Malformed`] when the text is not JSON, when the query does not fit the value, or when it takes too many
    /// steps.
    pub fn value(&self, text: &str) -> Result<Option<String>, TextError> {
        bounded_run(text, || match self.first(text)? {
            None | Some(Val::Null) => Ok(None),
            Some(Val::TStr(bytes)) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
            Some(other) => written(&other).map(Some),
        })
    }

    fn first(&self, text: &str) -> Result<Option<Val>, TextError> {
        let input = input(text)?;
        let context = Ctx::<Data>::new(&self.filter.lut, Vars::new([]));
        self.filter.id.run((context, input)).next().map(|result| result.map_err(failed)).transpose()
    }

    fn run(&self, text: &str, most: usize) -> Result<Vec<Val>, TextError> {
        let input = input(text)?;
        let context = Ctx::<Data>::new(&self.filter.lut, Vars::new([]));
        let mut results = Vec::new();
        for result in self.filter.id.run((context, input)) {
            if results.len() == most {
                return Err(TextError::malformed("the query's result", "the whole value", format!("there are more than {most} results")));
            }
            results.push(result.map_err(failed)?);
        }
        Ok(results)
    }
}

/// How many brackets stand in each other at most. Those of texts are counted, too.
fn deepest(code: &str) -> usize {
    let (mut open, mut most) = (0usize, 0);
    for letter in code.bytes() {
        match letter {
            b'(' | b'[' | b'{' => open += 1,
            b')' | b']' | b'}' => open = open.saturating_sub(1),
            _ => {}
        }
        most = most.max(open);
    }
    most
}

/// What comes of a query, unless it had to be ended.
fn bounded_run<T>(text: &str, run: impl FnOnce() -> Result<T, TextError>) -> Result<T, TextError> {
    match within(text.len(), run) {
        (result, None) => result,
        (_, Some(why)) => Err(TextError::malformed("the query's result", "while it ran", why.to_owned())),
    }
}

/// Reads a value within the depth that can be walked safely.
fn input(text: &str) -> Result<Val, TextError> {
    // jaq's own reader takes more than JSON (comments, NaN) and any depth, so the text is checked first
    super::parse(text)?;
    jaq_json::read::parse_single(text.as_bytes()).map_err(|error| TextError::malformed("JSON", "the whole value", error.to_string()))
}

fn failed(exception: jaq_core::Exn<'_, Val>) -> TextError {
    let reason = exception.get_err().map_or_else(|_| "the query left without a result".to_owned(), |error| error.to_string());
    let shown: String = reason.chars().take(200).collect();
    TextError::malformed("the query's result", "while it ran", shown)
}

/// A result as JSON. What JSON has no form for, such as bytes and NaN, is refused or null.
fn written(value: &Val) -> Result<String, TextError> {
    let text = value.to_string();
    match serde_json::from_str::<serde::de::IgnoredAny>(&text) {
        Ok(_) => Ok(text),
        Err(_) if text == "NaN" => Ok("null".to_owned()),
        Err(_) => Err(TextError::malformed("the query's result", "a result", "it has no form in JSON")),
    }
}

fn unread(code: &str, errors: &load::Errors<&str, ()>) -> TextError {
    let rest = errors.iter().find_map(|(_, error)| match error {
        load::Error::Lex(errors) => errors.first().map(|(_, rest)| *rest),
        load::Error::Parse(errors) => errors.first().map(|(_, rest)| *rest),
        load::Error::Io(_) => None,
    });
    let reason = match rest {
        Some("") => "it ends too early".to_owned(),
        Some(rest) => {
            // the rest is a part of the code, and where it begins is where the reader stopped
            let at = (rest.as_ptr() as usize).saturating_sub(code.as_ptr() as usize).min(code.len());
            format!("it is not jq from {:?} on (character {})", shortened(rest), code.get(..at).map_or(0, |read| read.chars().count()) + 1)
        }
        None => "a query cannot load modules".to_owned(),
    };
    TextError::request("the query", reason)
}

fn unknown(errors: &jaq_core::compile::Errors<&str, ()>) -> TextError {
    let reason = errors.iter().flat_map(|(_, errors)| errors).next().map_or_else(
        || "it cannot be understood".to_owned(),
        |(name, kind)| format!("there is no {} {:?} in jq", kind.as_str(), shortened(name)),
    );
    TextError::request("the query", reason)
}

fn shortened(text: &str) -> String {
    text.chars().take(20).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TEXT: &str = r#"{"user": {"name": "Ada \"A\"", "tags": ["x", "y"]}, "n": 1.50, "none": null}"#;

    fn results(query: &str) -> Vec<String> {
        Query::new(query).unwrap().results(TEXT).unwrap()
    }

    #[test]
    fn queries() {
        assert_eq!(results(".user.name"), [r#""Ada \"A\"""#]);
        assert_eq!(results(".user.tags[]"), [r#""x""#, r#""y""#]);
        assert_eq!(results("[.user.tags[] | ascii_upcase] | join(\"-\")"), [r#""X-Y""#]);
        assert_eq!(results(".missing"), ["null"]);
        assert_eq!(results("empty"), [""; 0]);
        assert_eq!(results(".. | select(type == \"number\")"), ["1.50"]);
        assert_eq!(results("{a: .n, b: [1, \"ü\\n\"]}"), [r#"{"a":1.50,"b":[1,"ü\n"]}"#]);
        assert_eq!(results("nan"), ["null"]);
    }

    #[test]
    fn the_first_result_as_text() {
        let value = |query: &str| Query::new(query).unwrap().value(TEXT).unwrap();
        assert_eq!(value(".user.name").as_deref(), Some("Ada \"A\""));
        assert_eq!(value(".user.tags").as_deref(), Some(r#"["x","y"]"#));
        assert_eq!(value(".none"), None);
        assert_eq!(value("empty"), None);
        assert_eq!(value("repeat(1)").as_deref(), Some("1"));
    }

    #[test]
    fn what_is_wrong_is_said() {
        let wrong = |query: &str| Query::new(query).unwrap_err().to_string();
        assert_eq!(wrong(".a | nonsense"), "the query cannot be used: there is no filter \"nonsense\" in jq");
        assert!(wrong(".a |").contains("ends too early"), "{}", wrong(".a |"));
        assert!(wrong(".a ]").contains("from \"]\" on (character 4)"), "{}", wrong(".a ]"));
        let query = Query::new(".user.name.first").unwrap();
        assert!(query.results(TEXT).unwrap_err().to_string().contains("cannot index"));
        assert!(query.results("{").unwrap_err().is_malformed());
        assert!(Query::new("range(1e12)").unwrap().results("1").unwrap_err().to_string().contains("more than 100000"));
    }

    #[test]
    fn a_query_without_an_end_has_one() {
        let why = |query: &str| Query::new(query).unwrap().results(TEXT).unwrap_err().to_string();
        for endless in [
            "def f: f; f",
            "def f: .; def g: f | g; g",
            "last(repeat(1))",
            "last(range(1e12))",
            "[range(1e12)]",
            "[range(0; 1; 0)]",
            "reduce range(1e12) as $n (0; . + $n)",
            "first(range(1e12) | select(. < 0))",
            "0 | until(false; . + 1)?",
            "isempty(range(1e12) | empty)",
            "[limit(1e12; repeat(1))]",
            "[range(1000)] | .[] as $a | .[] as $b | .[] as $c | select($a + $b + $c < 0)",
        ] {
            assert!(why(endless).contains("too many steps"), "{endless}: {}", why(endless));
        }
    }

    #[test]
    fn a_query_that_calls_itself_deeply_is_ended_before_the_stack_is() {
        for deep in [
            "def f: try error(1) catch f; f",
            "def f: 1 + f; f",
            "def f: [f]; f",
            "def f: try f catch f; f + 1",
            "def f(g): f(g | g) + 1; f(.)",
        ] {
            let why = Query::new(deep).unwrap().results("1").unwrap_err().to_string();
            assert!(why.contains("too deeply") || why.contains("too many steps"), "{deep}: {why}");
        }
        let nested = |depth: usize| Query::new(&format!("{}1{}", "[".repeat(depth), "]".repeat(depth))).map(|query| query.results("1"));
        assert_eq!(nested(100).unwrap().unwrap().len(), 1);
        assert!(nested(201).unwrap_err().to_string().contains("more than 200 brackets"));
        assert!(Query::new(&". ".repeat(5_000)).unwrap_err().to_string().contains("more than 8192"));
        for prefix in ["-", "try ", ". as $x | ", "1 | ", "1, ", "def f: ", "1 + ", "if . then "] {
            let deep = format!("{}1", prefix.repeat(8_000 / prefix.len()));
            let _ = Query::new(&deep).map(|query| query.results("1").map(|found| found.len()));
        }
    }

    #[test]
    fn what_grows_without_bounds_is_ended_too() {
        for growing in [
            "reduce range(60) as $n (\"x\"; . + .)",
            "reduce range(60) as $n ([1]; . + .) | length",
            "reduce range(60) as $n (1; [., .]) | tojson",
            "reduce range(60) as $n (1; {a: ., b: .}) | length",
            "reduce range(100000) as $n (1; [.])",
            "reduce range(100000) as $n ([]; . as $d | [0] | .[0] = $d)",
            "\"x\" * 1e12",
            "1e12 * \"x\"",
            "{a: \"x\"} | .a *= 1e12",
        ] {
            let why = Query::new(growing).unwrap().results("1").unwrap_err().to_string();
            assert!(why.contains("too many steps"), "{growing}: {why}");
        }
    }

    #[test]
    fn counting_steps_changes_no_result() {
        let same = |query: &str, expected: &[&str]| assert_eq!(results(query), expected, "{query}");
        same("[.user.tags[] | ascii_upcase] | join(\"-\")", &["\"X-Y\""]);
        same("path(.user.tags[])", &[r#"["user","tags",0]"#, r#"["user","tags",1]"#]);
        same("[paths | length] | max", &["3"]);
        same(".user.tags |= map(. + \"!\") | .user.tags", &[r#"["x!","y!"]"#]);
        same("del(.user, .none)", &[r#"{"n":1.50}"#]);
        same("[1, 2] as [$a, $b] | {$a, b: ($a * $b), (\"c\"): (3 * $b)}", &[r#"{"a":1,"b":2,"c":6}"#]);
        same("[(1, 2) * (10, 100)]", &["[10,100,20,200]"]);
        same("{a: 2} | .a *= 3, (.a += 1)", &[r#"{"a":6}"#, r#"{"a":3}"#]);
        same("\"ab\" * 2, (\"ab\" * 0)", &["\"abab\"", "null"]);
        same("to_entries | from_entries | keys", &[r#"["n","none","user"]"#]);
        same("[.[]? // \"none\" | type]", &[r#"["object","number"]"#]);
        same("walk(if type == \"number\" then . + 1 else . end) | .n", &["2.5"]);
        same("[limit(3; range(10))], [first(range(5; 10))], (label $out | 1, break $out, 2)", &["[0,1,2]", "[5]", "1"]);
        same("[foreach range(5) as $n (0; . + $n; [$n, .])] | last", &["[4,10]"]);
        same("try error(\"x\") catch .", &["\"x\""]);
        same("reduce range(20000) as $n (0; . + $n)", &["199990000"]);
        same("[5 | recurse(if . < 8 then . + 1 else empty end)] | length", &["4"]);
        same("def f(g): g | g; 2 | f(. * .)", &["16"]);
    }

    #[test]
    fn a_query_sees_the_value_alone() {
        for query in ["$ENV", "$__prog_args", "input", "inputs", "import \"a\" as a; .", "include \"/etc/passwd\"; ."] {
            assert!(Query::new(query).is_err(), "{query}");
        }
    }

    proptest! {
        #![proptest_config(crate::laws())]
        #[test]
        fn any_query_is_read_or_refused(query in "\\PC{0,20}|[.\\[\\]a-c|,()\"$ 0-9]{0,20}", text in "(?s).{0,30}") {
            if let Ok(query) = Query::new(&query) {
                let _ = query.value(&text);
                let _ = query.value(TEXT);
            }
        }
    }
}
