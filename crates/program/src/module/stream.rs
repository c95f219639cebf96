//! A prediction as it comes: each output's text piece by piece, then the whole.

use corsac_dispatch::StreamItem;
use futures::channel::mpsc::{UnboundedSender, unbounded};
use futures::stream::{Stream, StreamExt, once, select};

use super::Predict;
use super::predict::Prepared;
use crate::{Adapter, Context, ModuleError, Piece, Prediction, Record};

/// A part of a prediction that comes as a stream.
#[derive(Debug, Clone)]
pub enum Told {
    /// The next piece of an output.
    Output(Piece),
    /// The next piece of what the model thinks, where it shows that.
    Reasoning(String),
    /// The reply could not be read and is asked for again: what was told so far does not count.
    Again,
    /// The end: the whole prediction, or why there is none. Always comes, and comes last.
    End(Result<Prediction, ModuleError>),
}

impl Predict {
    /// Runs once and tells the outputs as they come. A reply from memory comes in one piece, and so does one in two steps.
    pub fn stream(&self, cx: &Context, inputs: &Record) -> impl Stream<Item = Told> + Send + use<> {
        let (sender, receiver) = unbounded();
        let prepared = self.prepare(cx, inputs);
        let cx = cx.clone();
        let work = async move {
            let end = match prepared {
                Ok(prepared) => prepared.tell(&cx, &sender).await,
                Err(error) => Err(error),
            };
            Told::End(end)
        };
        // the pieces are there before the end is: `select` would otherwise be free to put it first
        let (pieces, end) = (receiver.map(Some), once(work).map(Some));
        ordered(select(pieces.chain(once(async { None })), end))
    }
}

/// Holds the end back until every piece was told.
fn ordered(items: impl Stream<Item = Option<Told>> + Send) -> impl Stream<Item = Told> + Send {
    let mut end = None;
    let mut pieces_over = false;
    items.filter_map(move |item| {
        let told = match item {
            Some(Told::End(result)) if !pieces_over => {
                end = Some(result);
                None
            }
            None => {
                pieces_over = true;
                end.take().map(Told::End)
            }
            told => told,
        };
        async move { told }
    })
}

impl Prepared {
    async fn tell(self, cx: &Context, listener: &UnboundedSender<Told>) -> Result<Prediction, ModuleError> {
        if matches!(self.adapter, Adapter::TwoStep { .. }) {
            let prediction = self.ask(cx).await?;
            for (field, value) in &prediction.outputs {
                tell(listener, Told::Output(Piece { field: field.clone(), text: super::in_line(value) }));
            }
            return Ok(prediction);
        }
        let is_json = self.adapter.is_json();
        let contract = if is_json { self.json_contract() } else { self.turn(&[]) };
        let mut scanner = self.adapter.scanner(&self.signature);
        let mut items = cx.lm.listen(self.call(cx, contract)).await;
        let mut outcome = None;
        while let Some(item) = items.next().await {
            match item {
                StreamItem::Text(text) => scanner.push(&text).into_iter().for_each(|piece| tell(listener, Told::Output(piece))),
                // structure that was asked for as a tool comes as the tool's arguments
                StreamItem::ToolCall { arguments, .. } => {
                    scanner.push(&arguments).into_iter().for_each(|piece| tell(listener, Told::Output(piece)));
                }
                StreamItem::Reasoning(text) => tell(listener, Told::Reasoning(text)),
                StreamItem::End(end) => outcome = Some(end),
            }
        }
        scanner.finish().into_iter().for_each(|piece| tell(listener, Told::Output(piece)));
        let Some(outcome) = outcome else { return Err(ModuleError::other(&self.path, "the stream ended without saying how".to_owned())) };
        let mut served = Vec::new();
        let answer = self.book(cx, outcome, &mut served)?;
        if is_json {
            let outputs = self.outputs_of(&answer);
            return Ok(self.done(cx, outputs, served));
        }
        if self.adapter.read(&self.signature, &super::reply_text(&answer.value)).is_err() {
            tell(listener, Told::Again);
        }
        let outputs = self.read_or_ask_again(cx, &answer, &mut served).await?;
        Ok(self.done(cx, outputs, served))
    }
}

fn tell(listener: &UnboundedSender<Told>, told: Told) {
    // who went away needs nothing more
    let _ = listener.unbounded_send(told);
}
