//! A built-in operator as a module: measured, improved and saved like any other program, in the words in which it is asked
//! about rows.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;

use super::built_in::BuiltIn;
use super::group::Stage;
use super::{Program, Prompt, Way, is_blank};
use crate::context::Step;
use crate::module::{Named, book, settings_in};
use crate::{Context, Module, ModuleError, Prediction, Record, Signature};

#[async_trait]
impl Module for Program {
    async fn forward(&self, cx: &Context, inputs: &Record) -> Result<Prediction, ModuleError> {
        match &self.way {
            Way::BuiltIn(built_in) => built_in.predict_in(cx, inputs).await,
            Way::Composed(composed) => composed.module().forward(cx, inputs).await,
        }
    }

    fn predictors(&self) -> Vec<Named<'_>> {
        match &self.way {
            Way::BuiltIn(built_in) => built_in.predict.predictors(),
            Way::Composed(composed) => composed.module().predictors(),
        }
    }

    /// The operator's name in SQL.
    fn kind(&self) -> &'static str {
        match &self.way {
            Way::BuiltIn(built_in) => built_in.kind,
            Way::Composed(composed) => composed.module().kind(),
        }
    }

    fn interface(&self) -> Option<Signature> {
        match &self.way {
            Way::BuiltIn(built_in) => Some(built_in.predict.signature().clone()),
            Way::Composed(composed) => Some(composed.signature().clone()),
        }
    }
}

impl BuiltIn {
    async fn predict_in(&self, cx: &Context, inputs: &Record) -> Result<Prediction, ModuleError> {
        let slot = cx.slot(self.predict.id());
        let state = slot.and_then(|slot| slot.state.as_ref());
        let path = cx.path_of(&self.predict);
        let signature = self.predict.signature();
        let mut values = Vec::with_capacity(signature.inputs().len());
        for field in signature.inputs() {
            let Some(value) = inputs.get(&field.name) else {
                return Err(ModuleError::Input { predictor: path, field: field.name.clone(), given: inputs.keys().cloned().collect() });
            };
            values.push(value.clone());
        }
        let changed = match state {
            Some(state) => BuiltIn { system: self.system_of(state).into(), ..self.clone() },
            None => self.clone(),
        };
        let nothing = || ModuleError::other(&path, "there is nothing to ask about: an input is null, or all are blank".to_owned());
        let failed = |error: crate::ProgramError| ModuleError::other(&path, error.to_string());
        let Prompt { system, user } = match changed.is_about_groups() {
            true => {
                let group = changed.group(&values).ok_or_else(nothing)?;
                changed.group_prompt(&group, &group.documents, Stage::Whole).map_err(failed)?
            }
            false if values.iter().any(Value::is_null) || values.iter().all(is_blank) => return Err(nothing()),
            false => {
                let user = changed.user(&values).map_err(failed)?.ok_or_else(nothing)?;
                Prompt { system: Arc::clone(&changed.system), user }
            }
        };
        let settings = settings_in(cx, state.map_or_else(|| &self.predict.state().settings, |state| &state.settings));
        let outcome = cx.lm.ask(cx.lm.call(&path, cx.row, &system, self.contract.clone(), user, settings)).await;
        let mut served = Vec::new();
        let answer = book(cx, &path, outcome, &mut served)?;
        let mut outputs = self.layout.outputs(self.layout.value(&answer.value), signature.outputs());
        signature.complete(&mut outputs);
        let place = slot.map_or_else(|| "".into(), |slot| Arc::clone(&slot.path));
        cx.step(Step { path: place, inputs: inputs.clone(), outputs: outputs.clone() });
        Ok(Prediction { outputs, served })
    }
}
