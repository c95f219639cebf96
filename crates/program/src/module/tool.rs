//! Functions that a model may call: a name, what they do, what they take, and the Rust behind them.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use corsac_schema::{Dialect, Schema};
use futures::future::BoxFuture;
use serde_json::{Value, json};

use crate::{Field, FieldValue, Record, SignatureError};

type Run = dyn Fn(Record) -> BoxFuture<'static, Result<Value, ToolFailure>> + Send + Sync;

/// Why a tool gave nothing. The model is told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ToolFailure(pub String);

impl ToolFailure {
    /// A failure with a reason, for the model.
    pub fn new(why: impl fmt::Display) -> ToolFailure {
        ToolFailure(why.to_string())
    }
}

/// A function that a model may call.
#[derive(Clone)]
pub struct Tool {
    name: Arc<str>,
    description: Arc<str>,
    schema: Schema,
    run: Arc<Run>,
}

impl fmt::Debug for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tool({}: {})", self.name, self.schema.short_form())
    }
}

impl Tool {
    /// A tool that takes named arguments.
    ///
    /// # Errors
    /// A name that a model cannot call, or an argument whose type makes no schema.
    pub fn new<R>(
        name: &str,
        description: &str,
        arguments: Vec<Field>,
        run: impl Fn(Record) -> R + Send + Sync + 'static,
    ) -> Result<Tool, SignatureError>
    where
        R: Future<Output = Result<Value, ToolFailure>> + Send + 'static,
    {
        let is_callable = !name.is_empty() && name.len() <= 64 && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
        if !is_callable {
            return Err(SignatureError::Name(name.to_owned()));
        }
        let schema = arguments_schema(&arguments).map_err(|why| SignatureError::Schema { name: name.to_owned(), why })?;
        let run: Arc<Run> = Arc::new(move |arguments| Box::pin(run(arguments)));
        Ok(Tool { name: name.into(), description: description.into(), schema, run })
    }

    /// A tool that takes a struct of one's own, derived with `#[derive(FieldValue)]`.
    ///
    /// # Errors
    /// As for [`Tool::new`], and where the type is no struct.
    pub fn typed<A, R>(name: &str, description: &str, run: impl Fn(A) -> R + Send + Sync + 'static) -> Result<Tool, SignatureError>
    where
        A: FieldValue + Send + 'static,
        R: Future<Output = Result<Value, ToolFailure>> + Send + 'static,
    {
        let crate::FieldType::Object { members, .. } = A::field_type() else {
            return Err(SignatureError::Name(format!("{name}: {}", A::field_type())));
        };
        let fields = members.into_iter().map(|member| Field {
            description: member.description,
            constraints: member.constraints,
            ..Field::new(member.name, member.ty)
        });
        Tool::new(name, description, fields.collect(), move |arguments| {
            let given = A::from_value(&Value::Object(arguments)).map(&run);
            async move {
                match given {
                    Ok(work) => work.await,
                    Err(misfit) => Err(ToolFailure::new(misfit)),
                }
            }
        })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it does.
    pub fn description(&self) -> &str {
        &self.description
    }

    /// Name, purpose and arguments on one line.
    pub(crate) fn line(&self) -> String {
        format!("{}({}): {}", self.name, self.schema.short_form(), self.description)
    }

    /// As the API words it.
    pub(crate) fn declaration(&self) -> Value {
        json!({
            "type": "function",
            "function": {
                "name": *self.name,
                "description": *self.description,
                "parameters": *self.schema.dialect(Dialect::Draft7Tool),
            }
        })
    }

    /// Calls it. Arguments that do not fit are told to the model like any failure.
    ///
    /// # Errors
    /// The arguments do not fit, or the function fails.
    pub async fn call(&self, arguments: &str) -> Result<Value, ToolFailure> {
        let text = if arguments.trim().is_empty() { "{}" } else { arguments };
        let read = self.schema.read(text).map_err(|error| ToolFailure(format!("the arguments do not fit: {error}")))?;
        match read.value {
            Value::Object(arguments) => (self.run)(arguments).await,
            _ => Err(ToolFailure("the arguments must be a JSON object".to_owned())),
        }
    }
}

fn arguments_schema(arguments: &[Field]) -> Result<Schema, corsac_schema::SchemaError> {
    let mut properties = Record::new();
    let mut required = Vec::new();
    for field in arguments {
        properties.insert(field.name.clone(), field.json_schema());
        if !field.is_optional() {
            required.push(field.name.clone());
        }
    }
    Schema::from_json(json!({"type": "object", "properties": properties, "required": required}))
}

/// The tools of a module.
#[derive(Debug, Clone, Default)]
pub struct Tools(Vec<Tool>);

impl Tools {
    /// These tools. Of two with one name the later counts.
    pub fn new(tools: impl IntoIterator<Item = Tool>) -> Tools {
        let mut kept: Vec<Tool> = Vec::new();
        for tool in tools {
            kept.retain(|other| other.name != tool.name);
            kept.push(tool);
        }
        Tools(kept)
    }

    /// A tool by name.
    pub fn get(&self, name: &str) -> Option<&Tool> {
        self.0.iter().find(|tool| &*tool.name == name)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Tool> {
        self.0.iter()
    }

    /// Calls a tool by name. What it gives, or why it gave nothing, in words for the model.
    pub(crate) async fn observe(&self, name: &str, arguments: &str) -> String {
        let Some(tool) = self.get(name) else {
            let known = self.iter().map(Tool::name).collect::<Vec<_>>().join(", ");
            return format!("There is no tool {name:?}; there are: {known}");
        };
        match tool.call(arguments).await {
            Ok(value) => super::in_line(&value),
            Err(failure) => format!("{name} failed: {failure}"),
        }
    }
}
