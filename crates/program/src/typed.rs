//! Signatures as Rust types: structs of inputs and outputs instead of records.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, Hash};
use std::marker::PhantomData;
use std::ops::Deref;

use serde_json::{Map, Value};
use time::format_description::well_known::{Iso8601, Rfc3339};
use time::{Date, OffsetDateTime};

use crate::module::Named;
use crate::{ChainOfThought, Context, FieldType, Lm, Module, ModuleError, Predict, Prediction, Record, Signature, SignatureError};

/// A Rust type that stands for a signature; `#[derive(Signature)]` makes it one.
pub trait SignatureType {
    /// What a model is given.
    type Input;
    /// What it writes.
    type Output;

    /// The signature.
    ///
    /// # Errors
    /// A constraint makes no schema, such as a pattern that is no regular expression.
    fn signature() -> Result<Signature, SignatureError>;

    /// Inputs as values.
    fn inputs(input: &Self::Input) -> Record;

    /// Outputs from values.
    ///
    /// # Errors
    /// A value does not fit its type.
    fn outputs(outputs: &Record) -> Result<Self::Output, Misfit>;
}

/// A value that does not fit a Rust type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {why}")]
pub struct Misfit {
    /// The field, and the place inside it: `people[2].name`.
    pub place: String,
    /// What is wrong.
    pub why: String,
}

impl Misfit {
    /// Something other than was expected.
    pub fn new(expected: &str, found: &Value) -> Misfit {
        let shown: String = found.to_string().chars().take(60).collect();
        Misfit { place: String::new(), why: format!("expected {expected}, found {shown}") }
    }

    /// The same, inside something.
    #[must_use]
    pub fn inside(self, outer: &str) -> Misfit {
        let joined = match self.place.as_str() {
            "" => outer.to_owned(),
            inner if inner.starts_with('[') => format!("{outer}{inner}"),
            inner => format!("{outer}.{inner}"),
        };
        Misfit { place: joined, ..self }
    }
}

/// A Rust type that a field can have; `#[derive(FieldValue)]` makes structs and enums so.
///
/// A type that is none cannot stand in a signature:
///
/// ```compile_fail,E0277
/// use corsac_program::Signature;
///
/// #[derive(Debug, Clone)]
/// struct Team;
///
/// #[derive(Signature)]
/// #[signature(crate = corsac_program)]
/// struct Triage {
///     #[output]
///     team: Team,
/// }
/// ```
///
/// and neither can a signature whose fields are on no side:
///
/// ```compile_fail
/// #[derive(corsac_program::Signature)]
/// #[signature(crate = corsac_program)]
/// struct Triage {
///     team: String,
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a field of a signature",
    label = "this type is neither written for a model nor read from its answer",
    note = "put #[derive(FieldValue)] on a struct with named fields or on an enum of plain variants; texts, numbers, bool, dates, Option, Vec and \
            maps with text keys are fields already"
)]
pub trait FieldValue: Sized {
    /// The type as a signature has it.
    fn field_type() -> FieldType;

    /// This as a value.
    fn to_value(&self) -> Value;

    /// This from a value.
    ///
    /// # Errors
    /// The value does not fit.
    fn from_value(value: &Value) -> Result<Self, Misfit>;

    /// What stands for a field that is not there, where something can.
    fn absent() -> Option<Self> {
        None
    }
}

macro_rules! integers {
    ($($name:ty),*) => {$(
        impl FieldValue for $name {
            fn field_type() -> FieldType {
                FieldType::Integer
            }

            fn to_value(&self) -> Value {
                Value::from(*self)
            }

            fn from_value(value: &Value) -> Result<Self, Misfit> {
                let signed = value.as_i64().and_then(|number| <$name>::try_from(number).ok());
                let whole = signed.or_else(|| value.as_u64().and_then(|number| <$name>::try_from(number).ok()));
                whole.ok_or_else(|| Misfit::new(concat!("a whole number that fits ", stringify!($name)), value))
            }
        }
    )*};
}

integers!(i8, i16, i32, i64, u8, u16, u32, u64, usize);

impl FieldValue for f64 {
    fn field_type() -> FieldType {
        FieldType::Number
    }

    fn to_value(&self) -> Value {
        Value::from(*self)
    }

    fn from_value(value: &Value) -> Result<Self, Misfit> {
        value.as_f64().ok_or_else(|| Misfit::new("a number", value))
    }
}

impl FieldValue for f32 {
    fn field_type() -> FieldType {
        FieldType::Number
    }

    fn to_value(&self) -> Value {
        Value::from(*self)
    }

    fn from_value(value: &Value) -> Result<Self, Misfit> {
        f64::from_value(value).map(|number| number as f32)
    }
}

impl FieldValue for bool {
    fn field_type() -> FieldType {
        FieldType::Boolean
    }

    fn to_value(&self) -> Value {
        Value::from(*self)
    }

    fn from_value(value: &Value) -> Result<Self, Misfit> {
        value.as_bool().ok_or_else(|| Misfit::new("true or false", value))
    }
}

impl FieldValue for String {
    fn field_type() -> FieldType {
        FieldType::Text
    }

    fn to_value(&self) -> Value {
        Value::from(self.as_str())
    }

    fn from_value(value: &Value) -> Result<Self, Misfit> {
        value.as_str().map(str::to_owned).ok_or_else(|| Misfit::new("text", value))
    }
}

impl FieldValue for Value {
    fn field_type() -> FieldType {
        FieldType::Any
    }

    fn to_value(&self) -> Value {
        self.clone()
    }

    fn from_value(value: &Value) -> Result<Self, Misfit> {
        Ok(value.clone())
    }
}

impl FieldValue for Date {
    fn field_type() -> FieldType {
        FieldType::Date
    }

    fn to_value(&self) -> Value {
        self.format(&Iso8601::DATE).map_or(Value::Null, Value::from)
    }

    fn from_value(value: &Value) -> Result<Self, Misfit> {
        let text = value.as_str().ok_or_else(|| Misfit::new("a date", value))?;
        Date::parse(text.trim(), &Iso8601::DATE).map_err(|_| Misfit::new("a date such as 2024-01-31", value))
    }
}

impl FieldValue for OffsetDateTime {
    fn field_type() -> FieldType {
        FieldType::DateTime
    }

    fn to_value(&self) -> Value {
        self.format(&Rfc3339).map_or(Value::Null, Value::from)
    }

    fn from_value(value: &Value) -> Result<Self, Misfit> {
        let text = value.as_str().ok_or_else(|| Misfit::new("a date and time", value))?;
        OffsetDateTime::parse(text.trim(), &Rfc3339).map_err(|_| Misfit::new("a date and time such as 2024-01-31T09:30:00Z", value))
    }
}

impl<T: FieldValue> FieldValue for Option<T> {
    fn field_type() -> FieldType {
        FieldType::optional(T::field_type())
    }

    fn to_value(&self) -> Value {
        self.as_ref().map_or(Value::Null, T::to_value)
    }

    fn from_value(value: &Value) -> Result<Self, Misfit> {
        if value.is_null() { Ok(None) } else { T::from_value(value).map(Some) }
    }

    fn absent() -> Option<Self> {
        Some(None)
    }
}

impl<T: FieldValue> FieldValue for Box<T> {
    fn field_type() -> FieldType {
        T::field_type()
    }

    fn to_value(&self) -> Value {
        T::to_value(self)
    }

    fn from_value(value: &Value) -> Result<Self, Misfit> {
        T::from_value(value).map(Box::new)
    }
}

impl<T: FieldValue> FieldValue for Vec<T> {
    fn field_type() -> FieldType {
        FieldType::list(T::field_type())
    }

    fn to_value(&self) -> Value {
        self.iter().map(T::to_value).collect()
    }

    fn from_value(value: &Value) -> Result<Self, Misfit> {
        let items = value.as_array().ok_or_else(|| Misfit::new("a list", value))?;
        let read = items.iter().enumerate().map(|(place, item)| T::from_value(item).map_err(|misfit| misfit.inside(&format!("[{place}]"))));
        read.collect()
    }
}

fn entries<'a, T: FieldValue + 'a>(entries: impl Iterator<Item = (&'a String, &'a T)>) -> Value {
    Value::Object(entries.map(|(name, value)| (name.clone(), value.to_value())).collect())
}

fn read_entries<T: FieldValue, M: FromIterator<(String, T)>>(value: &Value) -> Result<M, Misfit> {
    let map = value.as_object().ok_or_else(|| Misfit::new("an object", value))?;
    let read = map.iter().map(|(name, item)| Ok((name.clone(), T::from_value(item).map_err(|misfit| misfit.inside(name))?)));
    read.collect()
}

impl<T: FieldValue> FieldValue for BTreeMap<String, T> {
    fn field_type() -> FieldType {
        FieldType::map(T::field_type())
    }

    fn to_value(&self) -> Value {
        entries(self.iter())
    }

    fn from_value(value: &Value) -> Result<Self, Misfit> {
        read_entries(value)
    }
}

impl<T: FieldValue, S: BuildHasher + Default> FieldValue for HashMap<String, T, S>
where
    String: Eq + Hash,
{
    fn field_type() -> FieldType {
        FieldType::map(T::field_type())
    }

    fn to_value(&self) -> Value {
        let mut sorted: Vec<_> = self.iter().collect();
        sorted.sort_by_key(|(name, _)| *name);
        entries(sorted.into_iter())
    }

    fn from_value(value: &Value) -> Result<Self, Misfit> {
        read_entries(value)
    }
}

thread_local! {
    /// Types of one's own that are being described, outermost first.
    static OPEN: RefCell<Vec<&'static str>> = const { RefCell::new(Vec::new()) };
}

/// Describes a type of one's own. One that holds itself is described once; inside, it is any JSON.
pub fn nested_type<T>(describe: impl FnOnce() -> FieldType) -> FieldType {
    let name = std::any::type_name::<T>();
    if OPEN.with_borrow(|open| open.contains(&name)) {
        return FieldType::Any;
    }
    OPEN.with_borrow_mut(|open| open.push(name));
    let described = describe();
    let _ = OPEN.with_borrow_mut(Vec::pop);
    described
}

/// A program of one module with Rust types on both sides.
#[derive(Debug, Clone)]
pub struct Typed<S, M> {
    module: M,
    lm: Lm,
    signature: PhantomData<fn() -> S>,
}

/// Typed outputs, and what is behind them.
#[derive(Debug, Clone)]
pub struct Answered<O> {
    /// The outputs.
    pub outputs: O,
    /// The prediction they were read from: who served it, at what cost, and outputs beyond the signature's own.
    pub prediction: Prediction,
}

impl<O> Answered<O> {
    /// How the model got there, where the module asked for that.
    pub fn reasoning(&self) -> Option<&str> {
        self.prediction.text("reasoning")
    }
}

/// The outputs' own fields are at hand: `answer.team`.
impl<O> Deref for Answered<O> {
    type Target = O;

    fn deref(&self) -> &O {
        &self.outputs
    }
}

impl<S: SignatureType, M: Module> Typed<S, M> {
    /// A module that keeps to the signature.
    pub fn new(lm: &Lm, module: M) -> Typed<S, M> {
        Typed { module, lm: lm.clone(), signature: PhantomData }
    }

    /// Runs it once.
    ///
    /// # Errors
    /// Where the module fails, or an output does not fit its type.
    pub async fn call(&self, input: S::Input) -> Result<Answered<S::Output>, ModuleError> {
        let prediction = self.lm.run(&self.module, &S::inputs(&input)).await?;
        let outputs = S::outputs(&prediction.outputs).map_err(|misfit| ModuleError::Output { field: misfit.place, why: misfit.why })?;
        Ok(Answered { outputs, prediction })
    }

    /// The module.
    pub fn module(&self) -> &M {
        &self.module
    }

    /// The module itself, for an optimizer or to be saved.
    pub fn into_module(self) -> M {
        self.module
    }
}

#[async_trait::async_trait]
impl<S: SignatureType, M: Module> Module for Typed<S, M> {
    async fn forward(&self, cx: &Context, inputs: &Record) -> Result<Prediction, ModuleError> {
        self.module.forward(cx, inputs).await
    }

    fn predictors(&self) -> Vec<Named<'_>> {
        self.module.predictors()
    }

    fn kind(&self) -> &'static str {
        self.module.kind()
    }
}

impl Predict {
    /// A predictor of a typed signature.
    ///
    /// # Errors
    /// A constraint makes no schema.
    pub fn of<S: SignatureType>(lm: &Lm) -> Result<Typed<S, Predict>, SignatureError> {
        Ok(Typed::new(lm, Predict::new(S::signature()?)))
    }
}

impl ChainOfThought {
    /// A chain of thought over a typed signature.
    ///
    /// # Errors
    /// A constraint makes no schema.
    pub fn of<S: SignatureType>(lm: &Lm) -> Result<Typed<S, ChainOfThought>, SignatureError> {
        Ok(Typed::new(lm, ChainOfThought::new(S::signature()?)))
    }
}

/// A field of a struct, by name: what `#[derive]` reads fields with.
///
/// # Errors
/// The field is missing or does not fit.
#[doc(hidden)]
pub fn read_field<T: FieldValue>(values: &Map<String, Value>, name: &str) -> Result<T, Misfit> {
    match values.get(name) {
        Some(value) => T::from_value(value).map_err(|misfit| misfit.inside(name)),
        None => T::absent().ok_or_else(|| Misfit { place: name.to_owned(), why: "it is missing".to_owned() }),
    }
}

/// A bound in an attribute as a number of JSON.
#[doc(hidden)]
pub fn number(bound: impl Into<Value>) -> Option<serde_json::Number> {
    match bound.into() {
        Value::Number(number) => Some(number),
        _ => None,
    }
}
