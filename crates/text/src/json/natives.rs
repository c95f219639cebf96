//! jq's functions that are not jq: numbers, regular expressions, `@formats`. jaq has them too, but only all together with a
//! calendar, a log and the process's environment, which a query over rows must not see and a build need not pay for.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jaq_core::load::{self, parse::Def};
use jaq_core::native::{Fun, bome, run, v};
use jaq_core::{Bind, Cv, Error, ValR, data};
use jaq_json::{Map, Val};
use jaq_std::ValT;
use regex::{Regex, RegexBuilder};

pub(super) type Data = data::JustLut<Val>;

/// What is defined in jq's own words over functions that are withheld here: they say so when they are called.
const WITHHELD: [(&str, usize); 18] = [
    ("env", 0),
    ("halt", 1),
    ("now", 0),
    ("fromdateiso8601", 0),
    ("todateiso8601", 0),
    ("strftime", 1),
    ("strflocaltime", 1),
    ("strptime", 1),
    ("gmtime", 0),
    ("localtime", 0),
    ("mktime", 0),
    ("ilogb", 0),
    ("tgamma", 0),
    ("scalbln", 2),
    ("remainder", 2),
    ("nextafter", 2),
    ("debug_empty", 0),
    ("stderr_empty", 0),
];

const REFUSED: &str = "the environment, clocks, logs and rare arithmetic are not available here";

/// All of them. What jaq offers under the same name is to be left out.
pub(super) fn functions() -> impl Iterator<Item = Fun<Data>> {
    let withheld = WITHHELD.into_iter().map(|(name, arguments)| run::<Data>((name, v(arguments), |_| bome(Err(Error::str(REFUSED))))));
    numbers().into_iter().chain(expressions()).chain(formats()).chain(withheld)
}

/// Two formats that the library leaves to its command line.
const TABLES: &str = r#"
def cells(quoted): [.[] | if isstring then quoted elif isarray or isobject then error("a cell must be text, number, boolean or null")
    elif . == null then "" else tostring end];
def @csv: cells("\"" + (split("\"") | join("\"\"")) + "\"") | join(",");
def @tsv: cells(split("\\") | join("\\\\") | split("\t") | join("\\t") | split("\n") | join("\\n") | split("\r") | join("\\r")) | join("\t");
"#;

/// What is defined in jq's own words.
pub(super) fn definitions() -> impl Iterator<Item = Def<&'static str>> {
    load::parse(TABLES, |parser| parser.defs()).unwrap_or_default().into_iter()
}

macro_rules! number {
    ($name:literal, $function:expr) => {
        run::<Data>(($name, v(0), |cv| bome(number(&cv.1).map(|number| Val::from($function(number))))))
    };
    ($name:literal, $function:expr, 2) => {
        run::<Data>(($name, v(2), |mut cv| {
            // the last argument comes first
            let (second, first) = (cv.0.pop_var(), cv.0.pop_var());
            bome(number(&first).and_then(|first| Ok(Val::from($function(first, number(&second)?)))))
        }))
    };
}

fn number(value: &Val) -> Result<f64, Error<Val>> {
    value.as_f64().ok_or_else(|| Error::typ(value.clone(), "number"))
}

fn numbers() -> Vec<Fun<Data>> {
    vec![
        number!("sqrt", f64::sqrt),
        number!("cbrt", f64::cbrt),
        number!("exp", f64::exp),
        number!("exp2", f64::exp2),
        number!("exp10", |power| 10f64.powf(power)),
        number!("expm1", f64::exp_m1),
        number!("log", f64::ln),
        number!("log2", f64::log2),
        number!("log10", f64::log10),
        number!("log1p", f64::ln_1p),
        number!("sin", f64::sin),
        number!("cos", f64::cos),
        number!("tan", f64::tan),
        number!("asin", f64::asin),
        number!("acos", f64::acos),
        number!("atan", f64::atan),
        number!("sinh", f64::sinh),
        number!("cosh", f64::cosh),
        number!("tanh", f64::tanh),
        number!("trunc", f64::trunc),
        number!("fabs", f64::abs),
        number!("rint", f64::round_ties_even),
        number!("nearbyint", f64::round_ties_even),
        number!("pow", f64::powf, 2),
        number!("atan2", f64::atan2, 2),
        number!("hypot", f64::hypot, 2),
        number!("fmin", f64::min, 2),
        number!("fmax", f64::max, 2),
        number!("fmod", |left, right| left % right, 2),
        number!("copysign", f64::copysign, 2),
    ]
}

fn text(value: &Val) -> Result<&str, Error<Val>> {
    let bytes = value.as_utf8_bytes().ok_or_else(|| Error::typ(value.clone(), "string"))?;
    std::str::from_utf8(bytes).map_err(Error::str)
}

fn string(text: impl Into<String>) -> Val {
    Val::from(text.into())
}

/// Which parts of a text a search gives.
#[derive(Clone, Copy, PartialEq)]
enum Parts {
    Matches,
    Between,
    Both,
}

fn expressions() -> Vec<Fun<Data>> {
    let two = || Box::new([Bind::Var(()), Bind::Var(())]);
    vec![
        run::<Data>(("matches", two(), |cv| bome(search(cv, Parts::Matches)))),
        run::<Data>(("split_", two(), |cv| bome(search(cv, Parts::Between)))),
        run::<Data>(("split_matches", two(), |cv| bome(search(cv, Parts::Both)))),
    ]
}

/// A list of matches, each a list of its groups, and of the texts between them.
fn search(mut cv: Cv<'_, Data>, parts: Parts) -> ValR<Val> {
    let (flags, pattern) = (cv.0.pop_var(), cv.0.pop_var());
    let flags = text(&flags)?;
    let expression = expression(text(&pattern)?, flags)?;
    let searched = text(&cv.1)?;
    let mut found = Vec::new();
    let mut reached = 0;
    let mut characters = Characters { text: searched, byte: 0, count: 0 };
    for groups in expression.captures_iter(searched) {
        let Some(whole) = groups.get(0) else { continue };
        if flags.contains('n') && whole.is_empty() {
            continue;
        }
        if parts != Parts::Matches {
            found.push(string(&searched[reached..whole.start()]));
            reached = whole.end();
        }
        if parts != Parts::Between {
            let names = expression.capture_names();
            let taking_part = groups.iter().zip(names).filter_map(|(group, name)| Some((group?, name)));
            let groups = taking_part.map(|(group, name)| {
                let mut object = Map::default();
                object.insert(string("offset"), Val::from(characters.before(group.start())));
                object.insert(string("length"), Val::from(group.as_str().chars().count()));
                object.insert(string("string"), string(group.as_str()));
                if let Some(name) = name {
                    object.insert(string("name"), string(name));
                }
                Val::obj(object)
            });
            found.push(groups.collect());
        }
        if !flags.contains('g') {
            break;
        }
    }
    if parts != Parts::Matches {
        found.push(string(&searched[reached..]));
    }
    Ok(found.into_iter().collect())
}

fn expression(pattern: &str, flags: &str) -> Result<Regex, Error<Val>> {
    if let Some(unknown) = flags.chars().find(|flag| !"gnimslxp".contains(*flag)) {
        return Err(Error::str(format!("{unknown:?} is no flag of a regular expression")));
    }
    let has = |flag: char| flags.contains(flag);
    let mut builder = RegexBuilder::new(pattern);
    builder.case_insensitive(has('i')).ignore_whitespace(has('x')).swap_greed(has('l'));
    builder.multi_line(has('m') || has('p')).dot_matches_new_line(has('s') || has('p'));
    builder.build().map_err(|error| Error::str(format!("the regular expression cannot be used: {error}")))
}

/// Counts characters up to a byte, going on from where it was.
struct Characters<'a> {
    text: &'a str,
    byte: usize,
    count: usize,
}

impl Characters<'_> {
    fn before(&mut self, byte: usize) -> usize {
        if byte < self.byte {
            (self.byte, self.count) = (0, 0);
        }
        self.count += self.text[self.byte..byte].chars().count();
        self.byte = byte;
        self.count
    }
}

macro_rules! format {
    ($name:literal, $function:expr) => {
        run::<Data>(($name, v(0), |cv| bome(text(&cv.1).and_then($function))))
    };
    ($($other:tt)*) => { std::format!($($other)*) };
}
use format;

const MARKUP: [(&str, &str); 5] = [("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("'", "&#39;"), ("\"", "&quot;")];

fn formats() -> Vec<Fun<Data>> {
    vec![
        format!("escape_html", |text| Ok(string(MARKUP.iter().fold(text.to_owned(), |text, (sign, name)| text.replace(sign, name))))),
        format!("unescape_html", |text| Ok(string(
            MARKUP.iter().rev().fold(text.to_owned(), |text, (sign, name)| text.replace(name, sign))
        ))),
        format!("encode_uri", |text| Ok(string(percent_encoded(text)))),
        format!("decode_uri", |text| percent_decoded(text).map(string)),
        format!("encode_base64", |text| Ok(string(STANDARD.encode(text)))),
        format!("decode_base64", |text| {
            let bytes = STANDARD.decode(text).map_err(Error::str)?;
            String::from_utf8(bytes).map(string).map_err(|_| Error::str("what the base64 holds is no text"))
        }),
    ]
}

fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => encoded.push(char::from(byte)),
            other => encoded.push_str(&std::format!("%{other:02X}")),
        }
    }
    encoded
}

fn percent_decoded(text: &str) -> Result<String, Error<Val>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let hex = after.get(..2).filter(|_| *first == b'%').and_then(|two| std::str::from_utf8(two).ok());
        match hex.and_then(|two| u8::from_str_radix(two, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).map_err(|_| Error::str("what the percent signs stand for is no text"))
}

#[cfg(test)]
mod tests {
    use super::super::Query;

    fn one(query: &str, value: &str) -> String {
        let query = Query::new(query).unwrap_or_else(|error| panic!("{query}: {error}"));
        query.results(value).unwrap_or_else(|error| panic!("{query:?}: {error}")).join(" ")
    }

    #[test]
    fn numbers() {
        assert_eq!(one("sqrt, pow(.; 2), (. | log2), ([1.5, 2.5] | map(rint) | add)", "16"), "4.0 256.0 4.0 4.0");
        assert_eq!(one("floor, ceil, round, abs", "-1.5"), "-2 -1 -2 1.5");
        assert!(Query::new("sqrt").unwrap().results("\"x\"").is_err());
    }

    #[test]
    fn expressions() {
        assert_eq!(one("test(\"B\"; \"i\"), test(\"^b\")", "\"abc\""), "true false");
        assert_eq!(one("[match(\"(?<l>[ab])\"; \"g\") | [.offset, .captures[0].name]]", "\"üab\""), r#"[[1,"l"],[2,"l"]]"#);
        assert_eq!(one("capture(\"(?<a>\\\\d+)-(?<b>\\\\d+)\")", "\"1-2\""), r#"{"a":"1","b":"2"}"#);
        assert_eq!(one("gsub(\"(?<d>\\\\d)\"; \"<\\(.d)>\"), sub(\"a\"; \"x\")", "\"a1a2\""), r#""a<1>a<2>" "x1a2""#);
        assert_eq!(one("[splits(\", *\")], [scan(\"[a-z]\")]", "\"a, b,c\""), r#"["a","b","c"] ["a","b","c"]"#);
        assert!(Query::new("test(\"(\")").unwrap().results("\"\"").unwrap_err().to_string().contains("regular expression"));
        assert!(Query::new("test(\"a\"; \"q\")").unwrap().results("\"\"").unwrap_err().to_string().contains("'q' is no flag"));
    }

    #[test]
    fn formats() {
        assert_eq!(one("@html, (@html | @htmld == .)", r#""<a href='x'>&amp;""#), r#""&lt;a href=&#39;x&#39;&gt;&amp;amp;" false"#);
        assert_eq!(one("@uri, (@uri | @urid)", "\"ä b/%\""), r#""%C3%A4%20b%2F%25" "ä b/%""#);
        assert_eq!(one("@base64, (@base64 | @base64d)", "\"hé\""), r#""aMOp" "hé""#);
        assert_eq!(one("[1, \"a b\"] | @csv, @tsv, @sh, @json", "0"), r#""1,\"a b\"" "1\ta b" "1 'a b'" "[1,\"a b\"]""#);
        assert!(Query::new("@base64d").unwrap().results("\"/w==\"").is_err());
    }

    #[test]
    fn what_is_withheld_says_so() {
        for query in ["env", "now", "halt", "halt_error", "todate", "strftime(\"%Y\")", "debug", "0 | gamma"] {
            let error = Query::new(query).unwrap_or_else(|error| panic!("{query}: {error}")).results("1").unwrap_err().to_string();
            assert!(error.contains("not available here"), "{query}: {error}");
        }
    }
}
