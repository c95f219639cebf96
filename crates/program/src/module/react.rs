//! Thinking and acting in turns: the model calls tools until it knows enough, then its answer is taken from what happened.

use std::sync::Arc;

use async_trait::async_trait;
use corsac_dispatch::{Contract, FailureKind, Turn};
use serde_json::{Value, json};

use super::predict::reply_text;
use super::{ChainOfThought, Module, Named, Predict, Tools, in_line, nested};
use crate::{Context, Field, FieldType, ModuleError, Prediction, Record, Served, Side, Signature, SignatureError};

/// How tools are offered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ToolUse {
    /// As the API's own function calls where the catalog says that the model takes them, else in the prompt.
    #[default]
    Auto,
    /// As the API's own function calls.
    Native,
    /// In the prompt: each step is a prediction of a thought, a tool's name and its arguments.
    Prompted,
}

/// Calls tools until done. Its predictors are `react`, one step, and `extract.predict`, the outputs at the end.
#[derive(Debug, Clone)]
pub struct ReAct {
    react: Predict,
    extract: ChainOfThought,
    tools: Tools,
    tool_use: ToolUse,
    most_steps: usize,
}

/// The tool that ends it.
const FINISH: &str = "finish";
/// Steps that are dropped, the oldest first, when a conversation is longer than the model's context, so often at most.
const SHORTENED_AT_MOST: usize = 3;

/// One step: what was thought, which tool was called, what it said.
#[derive(Debug, Clone)]
struct Act {
    thought: String,
    tool: String,
    arguments: Value,
    observation: String,
}

impl ReAct {
    /// Over a signature, with at most 20 steps.
    ///
    /// # Errors
    /// The signature uses one of the names that are added.
    pub fn new(signature: Signature, tools: Tools) -> Result<ReAct, SignatureError> {
        let trajectory = || Field::text("trajectory").described("What was thought, done and seen so far");
        let names = tools.iter().map(super::Tool::name).filter(|name| *name != FINISH).chain([FINISH]);
        let outputs = vec![
            Field::text("next_thought").described("What is known, what is missing, what to do next"),
            Field::new("next_tool_name", FieldType::labels(names)).described(tool_list(&tools)),
            Field::new("next_tool_args", FieldType::map(FieldType::Any)).described("The tool's arguments"),
        ];
        let step = Signature::new("react", &step_instructions(&signature), signature.inputs().to_vec(), outputs)?;
        let react = Predict::new(step.append(Side::Input, trajectory())?);
        let extract = ChainOfThought::new(signature.append(Side::Input, trajectory())?);
        Ok(ReAct { react, extract, tools, tool_use: ToolUse::default(), most_steps: 20 })
    }

    /// With another way to offer tools.
    #[must_use]
    pub fn with_tool_use(self, tool_use: ToolUse) -> ReAct {
        ReAct { tool_use, ..self }
    }

    /// With at most so many steps.
    #[must_use]
    pub fn with_most_steps(self, most_steps: usize) -> ReAct {
        ReAct { most_steps, ..self }
    }

    async fn prompted(&self, cx: &Context, inputs: &Record, served: &mut Vec<Served>) -> Result<Vec<Act>, ModuleError> {
        let mut acts: Vec<Act> = Vec::new();
        let mut shortened = 0;
        while acts.len() < self.most_steps {
            let mut given = inputs.clone();
            given.insert("trajectory".to_owned(), trajectory(&acts).into());
            let step = match self.react.forward(cx, &given).await {
                Ok(step) => step,
                Err(error) if is_too_long(&error) && shortened < SHORTENED_AT_MOST && acts.len() > 1 => {
                    shortened += 1;
                    acts.remove(0);
                    continue;
                }
                // what was found out so far may be enough
                Err(error) if error.kind() == FailureKind::InvalidAnswer && !acts.is_empty() => break,
                Err(error) => return Err(error),
            };
            served.extend(step.served.iter().cloned());
            let tool = step.text("next_tool_name").unwrap_or_default().to_owned();
            let arguments = step.get("next_tool_args").cloned().unwrap_or_else(|| json!({}));
            let thought = step.text("next_thought").unwrap_or_default().to_owned();
            let observation = match tool.as_str() {
                FINISH => "Done.".to_owned(),
                tool => self.tools.observe(tool, &arguments.to_string()).await,
            };
            let done = tool == FINISH;
            acts.push(Act { thought, tool, arguments, observation });
            if done {
                break;
            }
        }
        Ok(acts)
    }

    async fn native(&self, cx: &Context, inputs: &Record, served: &mut Vec<Served>) -> Result<Vec<Act>, ModuleError> {
        let mut given = inputs.clone();
        given.insert("trajectory".to_owned(), "".into());
        let prepared = self.react.prepare(cx, &given)?;
        let question = native_question(&prepared.signature, inputs);
        let declarations: Vec<Value> = self.tools.iter().map(super::Tool::declaration).collect();
        let mut acts: Vec<Act> = Vec::new();
        // one group a turn: the model's message and what its tools said; groups are dropped whole
        let mut turns: Vec<Vec<Value>> = Vec::new();
        let mut shortened = 0;
        while acts.len() < self.most_steps {
            let mut messages = vec![json!({"role": "system", "content": prepared.signature.instructions()}), question.clone()];
            messages.extend(turns.iter().flatten().cloned());
            let contract = Contract::Turn(Arc::new(Turn::with_tools(&messages, &declarations, Some("auto".into()))));
            let outcome = cx.lm.ask(prepared.call(cx, contract)).await;
            let answer = match prepared.book(cx, outcome, served) {
                Ok(answer) => answer,
                Err(error) if is_too_long(&error) && shortened < SHORTENED_AT_MOST && turns.len() > 1 => {
                    shortened += 1;
                    turns.remove(0);
                    continue;
                }
                Err(error) => return Err(error),
            };
            let thought = reply_text(&answer.value);
            let calls = answer.value.get("tool_calls").and_then(Value::as_array).cloned().unwrap_or_default();
            if calls.is_empty() {
                acts.push(Act { thought, tool: FINISH.to_owned(), arguments: json!({}), observation: "Done.".to_owned() });
                break;
            }
            let mut group = vec![Value::clone(&answer.value)];
            for call in &calls {
                let text = |pointer: &str| call.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
                let (tool, arguments) = (text("/function/name"), text("/function/arguments"));
                let observation = self.tools.observe(tool, arguments).await;
                group.push(json!({"role": "tool", "tool_call_id": text("/id"), "content": observation}));
                acts.push(Act {
                    thought: thought.clone(),
                    tool: tool.to_owned(),
                    arguments: serde_json::from_str(arguments).unwrap_or_else(|_| arguments.into()),
                    observation,
                });
            }
            turns.push(group);
        }
        Ok(acts)
    }

    /// The outputs, from what happened. Where that is too long, its oldest steps are left out.
    async fn conclude(&self, cx: &Context, inputs: &Record, mut acts: Vec<Act>) -> Result<Prediction, ModuleError> {
        for _ in 0..SHORTENED_AT_MOST {
            let mut given = inputs.clone();
            given.insert("trajectory".to_owned(), trajectory(&acts).into());
            match self.extract.forward(cx, &given).await {
                Err(error) if is_too_long(&error) && acts.len() > 1 => {
                    acts.remove(0);
                }
                result => return result.map(|prediction| with_trajectory(prediction, &acts)),
            }
        }
        let mut given = inputs.clone();
        given.insert("trajectory".to_owned(), trajectory(&acts).into());
        self.extract.forward(cx, &given).await.map(|prediction| with_trajectory(prediction, &acts))
    }
}

fn with_trajectory(mut prediction: Prediction, acts: &[Act]) -> Prediction {
    let steps = acts
        .iter()
        .map(|act| json!({"thought": act.thought, "tool": act.tool, "arguments": act.arguments, "observation": act.observation}));
    prediction.outputs.insert("trajectory".to_owned(), steps.collect());
    prediction
}

fn is_too_long(error: &ModuleError) -> bool {
    matches!(error, ModuleError::Failed { failure, .. } if failure.kind == FailureKind::BadInput)
}

/// The steps as text, laid out as DSPy does.
fn trajectory(acts: &[Act]) -> String {
    let blocks = acts.iter().enumerate().map(|(number, act)| {
        let fields = [
            ("thought", act.thought.clone()),
            ("tool_name", act.tool.clone()),
            ("tool_args", in_line(&act.arguments)),
            ("observation", act.observation.clone()),
        ];
        let blocks = fields.map(|(name, text)| format!("[[ ## {name}_{number} ## ]]\n{text}"));
        blocks.join("\n\n")
    });
    blocks.collect::<Vec<_>>().join("\n\n")
}

fn step_instructions(signature: &Signature) -> String {
    let names = |fields: &[Field]| fields.iter().map(|field| format!("`{}`", field.name)).collect::<Vec<_>>().join(", ");
    format!(
        "{}\n\nYou work towards {} from {} with tools. At each step, think about what you know and what is missing, then call a tool. \
         When you know enough, end the work.",
        signature.instructions(),
        names(signature.outputs()),
        names(signature.inputs()),
    )
}

/// The tools by name, for a prompt.
fn tool_list(tools: &Tools) -> String {
    let lines = tools.iter().map(|tool| format!("\n   - {}", tool.line()));
    format!("The tool to call:{}\n   - {FINISH}(): ends the work", lines.collect::<String>())
}

/// The inputs as the first message where tools are the API's own.
fn native_question(step: &Signature, inputs: &Record) -> Value {
    let mut content = crate::adapter::Content::default();
    for field in step.inputs().iter().filter(|field| field.name != "trajectory") {
        if let Some(value) = inputs.get(&field.name) {
            let mut block = crate::adapter::Content::text(format!("[[ ## {} ## ]]\n", field.name));
            block.push(crate::adapter::shown(&field.ty, value));
            content.paragraph(block);
        }
    }
    content.paragraph(crate::adapter::Content::text("Call tools as you need them. When you know enough, say so without calling any."));
    json!({"role": "user", "content": content.into_value()})
}

#[async_trait]
impl Module for ReAct {
    async fn forward(&self, cx: &Context, inputs: &Record) -> Result<Prediction, ModuleError> {
        let native = match self.tool_use {
            ToolUse::Native => true,
            ToolUse::Prompted => false,
            ToolUse::Auto => self.tools.iter().next().is_some() && cx.lm.takes_tools(&self.react.settings_in(cx)).await,
        };
        let mut served = Vec::new();
        let acts = match native {
            true => self.native(cx, inputs, &mut served).await?,
            false => self.prompted(cx, inputs, &mut served).await?,
        };
        let mut prediction = self.conclude(cx, inputs, acts).await?;
        prediction.served.splice(0..0, served);
        Ok(prediction)
    }

    fn predictors(&self) -> Vec<Named<'_>> {
        let mut named = nested("react", &self.react);
        named.extend(nested("extract", &self.extract));
        named
    }

    fn kind(&self) -> &'static str {
        "ReAct"
    }

    /// The steps are an output too.
    fn interface(&self) -> Option<Signature> {
        let concluding = self.extract.predict().signature();
        let given = concluding.delete("trajectory").ok()?;
        given.append(Side::Output, Field::new("trajectory", FieldType::list(FieldType::Any))).ok()
    }

    fn most_calls(&self) -> Vec<(String, u32)> {
        vec![("react".to_owned(), u32::try_from(self.most_steps).unwrap_or(u32::MAX))]
    }
}
