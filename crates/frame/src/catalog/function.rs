//! Functions made of programs, as the catalog keeps them, and the statement that makes one. The program itself is kept, as a
//! saved program without keys, so that a function stays what it is when the file it came from changes or goes.

use std::path::Path;

use corsac_program::{About, Adapter, ChainOfThought, Module, MultiChainComparison, Predict, SavedError, SavedProgram, Signature};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::Token;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::FrameError;

/// What the catalog knows of a function.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct KeptFunction {
    /// The saved program: DSPy's JSON state, and under `metadata.corsac` what it is a program of.
    pub(crate) program: Value,
    /// The file or the signature it was made from.
    pub(crate) source: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<String>,
}

impl KeptFunction {
    /// The saved program.
    pub(crate) fn saved(&self) -> Result<SavedProgram, SavedError> {
        SavedProgram::read(&self.program.to_string())
    }
}

/// `CREATE FUNCTION`, read.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct CreateFunction {
    pub(crate) name: String,
    pub(crate) or_replace: bool,
    pub(crate) if_not_exists: bool,
    file: Option<String>,
    signature: Option<String>,
    instructions: Option<String>,
    module: Option<String>,
    model: Option<String>,
    adapter: Option<String>,
    comment: Option<String>,
}

const WRITE: &str = "Write CREATE FUNCTION triage FROM 'triage.json', or CREATE FUNCTION triage AS SIGNATURE 'ticket -> team, urgency: int' \
                     INSTRUCTIONS 'Decide who must look at a ticket.'; MODULE, MODEL, ADAPTER and COMMENT may follow";

/// Reads `CREATE FUNCTION`; `None` for any other statement.
pub(crate) fn create_function(sql: &str) -> Result<Option<CreateFunction>, FrameError> {
    let dialect = GenericDialect {};
    // what cannot be cut into words is told where all other statements are read
    let Ok(mut parser) = Parser::new(&dialect).try_with_sql(sql) else { return Ok(None) };
    if !parser.parse_keyword(Keyword::CREATE) {
        return Ok(None);
    }
    let or_replace = parser.parse_keywords(&[Keyword::OR, Keyword::REPLACE]);
    if !parser.parse_keyword(Keyword::FUNCTION) {
        return Ok(None);
    }
    let cannot = |what: &str| FrameError::query(format!("CREATE FUNCTION cannot be read: {what}. {WRITE}"));
    let mut made = CreateFunction {
        or_replace,
        if_not_exists: parser.parse_keywords(&[Keyword::IF, Keyword::NOT, Keyword::EXISTS]),
        ..CreateFunction::default()
    };
    made.name = parser.parse_identifier().map_err(|_| cannot("a name is missing"))?.value;
    if parser.consume_token(&Token::LParen) && !parser.consume_token(&Token::RParen) {
        return Err(cannot("its inputs are those of the program and are not listed"));
    }
    loop {
        while parser.consume_token(&Token::SemiColon) {}
        let token = parser.next_token().token;
        let word = match token {
            Token::EOF => break,
            Token::Word(word) => word.value.to_ascii_lowercase(),
            other => return Err(cannot(&format!("nothing is known of {other}"))),
        };
        if word == "as"
            && parser.peek_token_ref().token != Token::EOF
            && !matches!(parser.peek_token_ref().token, Token::SingleQuotedString(_))
        {
            // AS SIGNATURE '…'
            continue;
        }
        let slot = match word.as_str() {
            "from" | "as" => &mut made.file,
            "signature" => &mut made.signature,
            "instructions" => &mut made.instructions,
            "module" => &mut made.module,
            "model" => &mut made.model,
            "adapter" => &mut made.adapter,
            "comment" => &mut made.comment,
            other => return Err(cannot(&format!("nothing is known of {}", other.to_uppercase()))),
        };
        let _ = parser.consume_token(&Token::Eq);
        let text = match parser.next_token().token {
            Token::SingleQuotedString(text) => text,
            Token::Word(bare) if matches!(word.as_str(), "module" | "adapter") => bare.value,
            _ => return Err(cannot(&format!("a text in single quotes is missing after {}", word.to_uppercase()))),
        };
        if slot.replace(text).is_some() {
            return Err(cannot(&format!("{} stands there twice", word.to_uppercase())));
        }
    }
    Ok(Some(made))
}

impl CreateFunction {
    /// The function to be kept.
    ///
    /// # Errors
    /// The file cannot be read, or nothing can be built of what is said.
    pub(crate) fn function(&self) -> Result<KeptFunction, FrameError> {
        let cannot = |why: String| FrameError::query(format!("the function {} cannot be made: {why}", self.name));
        let module = self.module.as_deref().map(module_name).transpose().map_err(cannot)?;
        let adapter = self.adapter.as_deref().map(adapter).transpose().map_err(cannot)?;
        let signature = self.signature.as_deref().map(Signature::parse).transpose().map_err(|error| cannot(error.to_string()))?;
        let (saved, source) = match (&self.file, signature) {
            (Some(_), _) if self.instructions.is_some() => {
                return Err(cannot("a file has instructions of its own: INSTRUCTIONS goes with SIGNATURE alone".to_owned()));
            }
            (Some(file), signature) => {
                let saved =
                    crate::options::read_saved(file).map_err(|why| cannot(format!("{why}. The path counts from the working directory")))?;
                let own = saved.about.clone();
                let about = About {
                    module: module.map(str::to_owned),
                    signature,
                    model: self.model.clone().or(own.model),
                    profile: own.profile,
                    adapter,
                    others: own.others,
                    ..About::default()
                };
                (saved.with_about(about), shown(file))
            }
            (None, Some(signature)) => {
                let signature = signature.named(&self.name);
                let signature = self.instructions.as_deref().map_or_else(|| signature.clone(), |text| signature.with_instructions(text));
                let source = signature.to_string();
                let program: Box<dyn Module> = match module.unwrap_or("Predict") {
                    "ChainOfThought" => Box::new(ChainOfThought::new(signature)),
                    "MultiChainComparison" => Box::new(MultiChainComparison::new(signature).map_err(|error| cannot(error.to_string()))?),
                    _ => Box::new(Predict::new(signature)),
                };
                let saved = SavedProgram::of(program.as_ref());
                (saved.with_about(About { model: self.model.clone(), adapter, ..About::default() }), source)
            }
            (None, None) => return Err(cannot(format!("nothing says what it asks. {WRITE}"))),
        };
        saved.build().map_err(|error| cannot(format!("{source}: {}", advice(&error))))?;
        let program = serde_json::from_str(&saved.to_text()).map_err(|error| cannot(error.to_string()))?;
        Ok(KeptFunction { program, source, description: self.comment.clone() })
    }
}

/// What is wrong with a saved program, and what to write in SQL.
fn advice(error: &SavedError) -> String {
    match error {
        SavedError::Unnamed(_) => {
            format!("{error}: add SIGNATURE 'question -> answer', and MODULE predict or chain_of_thought, as it was built")
        }
        SavedError::Module(_) => format!(
            "{error}. A file alone makes a Predict, a ChainOfThought or a MultiChainComparison; any other module becomes a function from \
             code, by Session::register_program"
        ),
        other => other.to_string(),
    }
}

fn shown(file: &str) -> String {
    std::path::absolute(Path::new(file)).map_or_else(|_| file.to_owned(), |path| path.display().to_string())
}

fn module_name(text: &str) -> Result<&'static str, String> {
    let plain: String = text.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    match plain.as_str() {
        "predict" => Ok("Predict"),
        "chainofthought" => Ok("ChainOfThought"),
        "multichaincomparison" => Ok("MultiChainComparison"),
        _ => Err(format!("the module {text} is not known here: predict, chain_of_thought or multi_chain_comparison")),
    }
}

fn adapter(text: &str) -> Result<Adapter, String> {
    match text.to_ascii_lowercase().as_str() {
        "auto" => Ok(Adapter::Auto),
        "json" => Ok(Adapter::Json),
        "chat" => Ok(Adapter::Chat),
        "xml" => Ok(Adapter::Xml),
        "baml" => Ok(Adapter::Baml),
        "two_step" => Ok(Adapter::TwoStep { extractor: None }),
        _ => Err(format!("the adapter {text} is not known: auto, json, chat, xml, baml or two_step")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(sql: &str) -> String {
        match create_function(sql) {
            Ok(Some(made)) => match made.function() {
                Ok(kept) => format!("{} {:?} {}", made.name, kept.description, kept.saved().unwrap().build().unwrap().kind()),
                Err(error) => error.to_string(),
            },
            Ok(None) => "another statement".to_owned(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_signature_makes_a_function() {
        let made = "CREATE OR REPLACE FUNCTION triage AS SIGNATURE 'ticket -> team: str' INSTRUCTIONS 'Decide.' MODULE chain_of_thought COMMENT 'who';";
        assert_eq!(read(made), "triage Some(\"who\") ChainOfThought");
        assert_eq!(read("create function triage() signature 'a -> b' adapter = chat model 'x/y'"), "triage None Predict");
        assert_eq!(read("CREATE VIEW v AS SELECT 1"), "another statement");
        assert_eq!(read("SELECT 1"), "another statement");
    }

    #[test]
    fn what_is_wrong_is_told_with_what_to_write() {
        assert!(read("CREATE FUNCTION f(a INT) AS 'x'").contains("its inputs are those of the program"));
        assert!(read("CREATE FUNCTION f AS SIGNATURE 'a -> b' SIGNATURE 'a -> c'").contains("SIGNATURE stands there twice"));
        assert!(read("CREATE FUNCTION f LANGUAGE sql").contains("nothing is known of LANGUAGE"));
        assert!(read("CREATE FUNCTION f FROM none.json").contains("a text in single quotes is missing after FROM"));
        assert!(read("CREATE FUNCTION f FROM 'none.json'").contains("none.json cannot be read"));
        assert!(read("CREATE FUNCTION f MODULE react SIGNATURE 'a -> b'").contains("the module react is not known here"));
        assert!(read("CREATE FUNCTION f").contains("nothing says what it asks. Write CREATE FUNCTION"));
        assert!(read("CREATE FUNCTION f SIGNATURE 'a ->'").contains("has no output"));
    }

    #[test]
    fn a_file_that_does_not_say_what_it_is_asks_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("of_dspy.json");
        std::fs::write(&file, r#"{"demos": [], "signature": {"instructions": "Do.", "fields": []}, "lm": null}"#).unwrap();
        let from = format!("CREATE FUNCTION f FROM '{}'", file.display());
        assert!(read(&from).contains("add SIGNATURE 'question -> answer', and MODULE"), "{}", read(&from));
        std::fs::write(&file, r#"{"demos": [], "signature": {"instructions": "Do.", "fields": [{}, {}]}, "lm": null}"#).unwrap();
        assert_eq!(read(&format!("{from} SIGNATURE 'a -> b' MODULE predict")), "f None Predict");
    }
}
