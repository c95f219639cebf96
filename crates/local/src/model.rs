//! The handle to a loaded model: takes requests from any task and hands back answers.

use std::io::BufReader;
use std::path::Path;
use std::sync::{Arc, mpsc};

use serde_json::Value;
use tokio::sync::oneshot;

use crate::chat::{LocalMessage, Role, Template};
use crate::error::LocalError;
use crate::gguf::{Gguf, GgufError};
use crate::labels::Choices;
use crate::llama::Llama;
use crate::sampling::Sampler;
use crate::scheduler::{Capacity, Goal, Job, Scheduler};
use crate::tokenizer::Tokenizer;

/// How to run a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoadOptions {
    /// Threads that compute; 0 for all cores.
    pub threads: usize,
    /// Most tokens of a prompt and its answer together; the model's own limit if that is smaller.
    pub context_tokens: usize,
    /// Most requests that are computed together.
    pub batch_rows: usize,
}

impl Default for LoadOptions {
    fn default() -> Self {
        Self { threads: 0, context_tokens: 2048, batch_rows: 16 }
    }
}

/// What to ask.
#[derive(Debug, Clone, PartialEq)]
pub struct LocalRequest {
    /// The conversation; the model speaks next.
    pub messages: Vec<LocalMessage>,
    /// A JSON Schema that the answer must satisfy; None for free text.
    pub schema: Option<Value>,
    /// Most tokens of the answer; lowered to what the context leaves.
    pub max_tokens: usize,
    /// 0 always takes the likeliest token; above, tokens are drawn, the more freely the higher.
    pub temperature: f32,
    /// Makes drawn answers repeatable.
    pub seed: u64,
}

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finish {
    /// The model was done; under a schema the text is valid.
    Stop,
    /// The tokens ran out; under a schema the text is cut off and not valid.
    Length,
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalAnswer {
    /// The answer; JSON if there was a schema.
    pub text: String,
    /// Why it ended.
    pub finish: Finish,
    /// Tokens of the whole prompt.
    pub prompt_tokens: usize,
    /// Of these, tokens that had been computed before.
    pub reused_tokens: usize,
    /// Tokens of the answer; of a chosen label, the label's.
    pub completion_tokens: usize,
}

/// A loaded model. Clones share one copy of the weights and one scheduler thread, which ends with the last of them.
#[derive(Clone)]
pub struct LocalModel {
    shared: Arc<Shared>,
}

struct Shared {
    name: String,
    tokenizer: Arc<Tokenizer>,
    template: Template,
    context_tokens: usize,
    jobs: mpsc::Sender<Job>,
}

impl std::fmt::Debug for LocalModel {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("LocalModel").field("name", &self.shared.name).field("context_tokens", &self.shared.context_tokens).finish()
    }
}

/// Tokens that the rows of a batch may hold together; 46 kB each for SmolLM2-135M.
const BATCH_TOKENS: usize = 5120;

impl LocalModel {
    /// Reads a GGUF of a llama-architecture chat model and starts its threads.
    ///
    /// Blocks for about half a second with the default model; call it from a blocking task.
    pub fn load(path: &Path, options: LoadOptions) -> Result<Self, LocalError> {
        let bad = |error: GgufError| LocalError::BadModel { path: path.to_owned(), why: error.0 };
        let no_thread = |why: String| LocalError::Decode(format!("its threads could not be started: {why}"));
        let file = std::fs::File::open(path).map_err(|error| bad(error.into()))?;
        let mut file = Gguf::open(BufReader::new(file)).map_err(bad)?;
        let tokenizer = Arc::new(Tokenizer::read(&file).map_err(bad)?);
        let template = Template::of(&tokenizer, file.text("tokenizer.chat_template")).map_err(bad)?;
        let name = model_name(path, file.text("general.name"));
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(options.threads)
            .thread_name(|index| format!("local-model-{index}"))
            .build()
            .map_err(|error| no_thread(error.to_string()))?;
        let llama = pool.install(|| Llama::read(&mut file, tokenizer.vocabulary())).map_err(bad)?;
        let context_tokens = options.context_tokens.clamp(1, llama.shape.context);
        let capacity =
            Capacity { rows: options.batch_rows.max(1), tokens: BATCH_TOKENS.max(context_tokens), prefix_tokens: context_tokens };
        let (jobs, receiver) = mpsc::channel();
        let scheduler = Scheduler::new(llama, tokenizer.clone(), capacity);
        std::thread::Builder::new()
            .name("local-model".into())
            .spawn(move || pool.install(|| scheduler.run(receiver)))
            .map_err(|error| no_thread(error.to_string()))?;
        Ok(Self { shared: Arc::new(Shared { name, tokenizer, template, context_tokens, jobs }) })
    }

    /// The model's name without its quantisation, such as `SmolLM2-135M-Instruct`.
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// Most tokens of a prompt and its answer together.
    pub fn context_tokens(&self) -> usize {
        self.shared.context_tokens
    }

    /// Tokens of a text, for estimates.
    pub fn count_tokens(&self, text: &str) -> usize {
        let mut tokens = Vec::new();
        self.shared.tokenizer.encode(text, &mut tokens, usize::MAX);
        tokens.len()
    }

    /// Answers one request, together with whatever else is waiting. Dropping the future drops the work.
    ///
    /// A schema that leaves only one choice from a list (an enum, a constant or a boolean, bare or as an object's
    /// single property) is answered by scoring each choice; `temperature` and `seed` do not matter then.
    pub async fn answer(&self, request: LocalRequest) -> Result<LocalAnswer, LocalError> {
        let (reply, answer) = oneshot::channel();
        let job = self.job(request, reply)?;
        self.shared.jobs.send(job).map_err(|_| LocalError::Stopped)?;
        answer.await.map_err(|_| LocalError::Stopped)?
    }

    fn job(&self, request: LocalRequest, reply: crate::row::Reply) -> Result<Job, LocalError> {
        let Shared { tokenizer, template, context_tokens, .. } = &*self.shared;
        let LocalRequest { messages, schema, max_tokens, temperature, seed } = request;
        if messages.is_empty() {
            return Err(LocalError::BadRequest("it has no messages".into()));
        }
        if max_tokens == 0 {
            return Err(LocalError::BadRequest("max_tokens is 0".into()));
        }
        // an answer needs some room, but a generous max_tokens must not push out a prompt that would fit
        let room = max_tokens.min(context_tokens / 4).max(1);
        let mut prompt = template.prompt(tokenizer, &messages, context_tokens - room)?;
        let choices = schema.as_ref().and_then(Choices::of);
        if let Some(choices) = choices {
            let opening =
                choices.opening(messages.iter().filter(|message| message.role == Role::Assistant).map(|message| &*message.content));
            let labels = choices.tokens(tokenizer, &opening);
            let longest = labels.iter().map(Vec::len).max().unwrap_or(0);
            let mut neutral = template.prompt(tokenizer, &neutral(messages), *context_tokens)?;
            for prompt in [&mut prompt, &mut neutral] {
                tokenizer.encode(&opening.said, prompt, usize::MAX);
                if prompt.len() + longest > *context_tokens {
                    return Err(LocalError::PromptTooLong { tokens: prompt.len() + longest, at_least: false, limit: *context_tokens });
                }
            }
            let answers = choices.choices.into_iter().map(|choice| choice.json).collect();
            return Ok(Job { prompt, goal: Goal::Choose { neutral, answers, labels }, reply });
        }
        let max_tokens = max_tokens.min(context_tokens - prompt.len());
        Ok(Job { prompt, goal: Goal::Write { schema, max_tokens, sampler: Sampler::new(temperature, seed) }, reply })
    }
}

/// The conversation with nothing to judge in it: what the user says last becomes a word that says nothing.
fn neutral(mut messages: Vec<LocalMessage>) -> Vec<LocalMessage> {
    if let Some(last) = messages.iter_mut().rev().find(|message| message.role == Role::User) {
        last.content = emptied(&last.content);
    }
    messages
}

/// Of the neutral texts tried, the one after which labels were judged best.
const NEUTRAL: &str = "N/A";

/// Of a message in fields, each under a line such as `[[ ## text ## ]]`, only the fields' contents become neutral: their names and
/// what is asked for after them, which speak for some labels too, are there in the message that is judged.
fn emptied(content: &str) -> String {
    let is_name = |line: &str| line.starts_with("[[ ## ") && line.trim_end().ends_with(" ## ]]");
    let lines: Vec<&str> = content.lines().collect();
    let Some(first) = lines.iter().position(|line| is_name(line)) else { return NEUTRAL.to_owned() };
    // the last paragraph of the last field asks for the answer, if it is not all that the field holds
    let last = lines.iter().rposition(|line| is_name(line)).unwrap_or(first);
    let request = lines.iter().rposition(|line| line.trim().is_empty()).filter(|blank| *blank > last + 1);
    let mut emptied: Vec<&str> = lines[..first].to_vec();
    for line in lines[first..request.unwrap_or(lines.len())].iter().filter(|line| is_name(line)) {
        emptied.extend([*line, NEUTRAL, ""]);
    }
    match request {
        Some(blank) => emptied.extend(&lines[blank + 1..]),
        None => drop(emptied.pop()),
    }
    emptied.join("\n")
}

/// From the file's name, which people choose, before the name inside, which is often the training run's.
pub(crate) fn model_name(path: &Path, inside: Option<&str>) -> String {
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let quantised = stem.char_indices().find(|(at, character)| {
        let rest = stem[at + character.len_utf8()..].to_ascii_uppercase();
        matches!(character, '.' | '-' | '_')
            && (["F16", "F32", "BF16"].contains(&rest.as_str())
                || matches!(rest.as_bytes(), [b'Q', digit, b'_', ..] if digit.is_ascii_digit()))
    });
    let name = quantised.map_or(stem.as_str(), |(at, _)| &stem[..at]);
    match (name, inside) {
        ("" | "model" | "weights", Some(inside)) => inside.to_owned(),
        (name, _) => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_neutral_keeps_its_form() {
        assert_eq!(emptied("A fine kettle.\n\nI like it."), "N/A");
        let asked = "[[ ## title ## ]]\nA kettle\n\n[[ ## text ## ]]\nFine.\n\nI like it.\n\nNow write the JSON object.";
        assert_eq!(emptied(asked), "[[ ## title ## ]]\nN/A\n\n[[ ## text ## ]]\nN/A\n\nNow write the JSON object.");
        assert_eq!(emptied("Look:\n\n[[ ## text ## ]]\nFine."), "Look:\n\n[[ ## text ## ]]\nN/A");
        assert_eq!(emptied("[[ ## text ## ]]"), "[[ ## text ## ]]\nN/A");
    }

    #[test]
    fn names_come_without_quantisation() {
        let named = |path: &str| model_name(Path::new(path), Some("Inner Name"));
        assert_eq!(named("/models/SmolLM2-135M-Instruct.Q4_1.gguf"), "SmolLM2-135M-Instruct");
        assert_eq!(named("Llama-3.2-1B-Instruct-Q4_K_M.gguf"), "Llama-3.2-1B-Instruct");
        assert_eq!(named("tiny-f16.gguf"), "tiny");
        assert_eq!(named("model.gguf"), "Inner Name");
    }
}
