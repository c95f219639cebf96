//! The messages of a chat request: their texts, their pictures, and whether tools and their results fit together.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use serde_json::value::RawValue;

/// What a picture, a file, a sound or a film counts for, in tokens.
const MEDIA_TOKENS: u64 = 258;

/// A message as it stands in the body.
#[derive(Deserialize)]
pub(crate) struct Message<'a> {
    #[serde(borrow)]
    role: Cow<'a, str>,
    #[serde(borrow, default)]
    content: Option<&'a RawValue>,
    #[serde(borrow, default)]
    tool_calls: Option<Vec<CallMade<'a>>>,
    #[serde(borrow, default)]
    tool_call_id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    reasoning_details: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct CallMade<'a> {
    #[serde(borrow, default)]
    id: Option<Cow<'a, str>>,
}

/// An assistant's message that called tools after the last message of a user.
#[derive(Debug)]
pub(crate) struct ToolTurn<'a> {
    /// Where it stands among the messages.
    pub(crate) index: usize,
    /// Its `reasoning_details` as they came back.
    pub(crate) details: Option<&'a str>,
}

/// What the messages say, all together.
#[derive(Debug, Default)]
pub(crate) struct Conversation<'a> {
    texts: Vec<Cow<'a, str>>,
    /// Which of the texts is the last of a user.
    last_user: Option<usize>,
    /// The texts of tools since then.
    tool_results: Vec<usize>,
    /// Whether the conversation ends with a tool's result.
    pub(crate) after_tool_result: bool,
    pub(crate) characters: u64,
    pub(crate) messages: u64,
    pub(crate) media_tokens: u64,
    pub(crate) has_images: bool,
    pub(crate) tool_turns: Vec<ToolTurn<'a>>,
    /// What a provider says of tool calls and results that do not belong together.
    pub(crate) broken_tools: Option<String>,
}

impl<'a> Conversation<'a> {
    /// Reads the messages; the error is the message of a 400.
    pub(crate) fn read(messages: &[Message<'a>]) -> Result<Self, String> {
        let mut talk = Self { texts: Vec::with_capacity(messages.len()), messages: messages.len() as u64, ..Self::default() };
        for (index, message) in messages.iter().enumerate() {
            if !matches!(message.role.as_ref(), "system" | "developer" | "user" | "assistant" | "tool") {
                return Err(format!("messages.{index}.role: Invalid input"));
            }
            if message.role == "tool" && message.tool_call_id.is_none() {
                return Err(format!("messages.{index}.tool_call_id: Required"));
            }
            if message.tool_calls.as_ref().is_some_and(|calls| !calls.is_empty()) {
                let details = message.reasoning_details.map(RawValue::get);
                talk.tool_turns.push(ToolTurn { index, details });
            }
            if message.role == "user" {
                talk.last_user = Some(talk.texts.len());
                talk.tool_results.clear();
                talk.tool_turns.clear();
            }
            let Some(content) = message.content else {
                continue;
            };
            let text = talk.content(content.get()).map_err(|()| format!("messages.{index}.content: Invalid input"))?;
            talk.characters += text.chars().count() as u64;
            if message.role == "tool" {
                talk.tool_results.push(talk.texts.len());
            }
            talk.texts.push(text);
        }
        if talk.last_user.is_some_and(|index| index >= talk.texts.len()) {
            talk.last_user = None;
        }
        talk.after_tool_result = messages.last().is_some_and(|message| message.role == "tool");
        talk.broken_tools = broken_tools(messages);
        Ok(talk)
    }

    /// The text of the last message of a user.
    pub(crate) fn last_user_text(&self) -> &str {
        self.last_user.and_then(|index| self.texts.get(index)).map_or("", Cow::as_ref)
    }

    /// The text of every message.
    pub(crate) fn texts(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.texts.iter().map(Cow::as_ref)
    }

    /// What tools said since the last message of a user.
    pub(crate) fn tool_results(&self) -> impl Iterator<Item = &str> {
        self.tool_results.iter().filter_map(|index| self.texts.get(*index)).map(Cow::as_ref)
    }

    fn content(&mut self, raw: &'a str) -> Result<Cow<'a, str>, ()> {
        #[derive(Deserialize)]
        #[serde(transparent)]
        struct Text<'t>(#[serde(borrow)] Cow<'t, str>);
        match raw.as_bytes().first() {
            Some(b'"') => serde_json::from_str::<Text<'a>>(raw).map(|text| text.0).map_err(|_| ()),
            Some(b'[') => {
                let parts: Vec<Value> = serde_json::from_str(raw).map_err(|_| ())?;
                let texts = parts.iter().map(|part| self.part(part)).collect::<Result<Vec<Option<&str>>, ()>>()?;
                Ok(Cow::Owned(texts.into_iter().flatten().collect::<Vec<&str>>().join("\n")))
            }
            Some(b'n') => serde_json::from_str::<IgnoredAny>(raw).map(|_| Cow::Borrowed("")).map_err(|_| ()),
            _ => Err(()),
        }
    }

    /// The text of a part, or none where it is a picture, a file, a sound or a film.
    fn part<'v>(&mut self, part: &'v Value) -> Result<Option<&'v str>, ()> {
        let kind = part.get("type").and_then(Value::as_str);
        let field = match kind {
            Some("text") => return part.get("text").and_then(Value::as_str).map(Some).ok_or(()),
            Some("image_url") => "image_url",
            Some("file") => "file",
            Some("input_audio") => "input_audio",
            Some("video_url") => "video_url",
            Some("input_video") => "input_video",
            _ => return Err(()),
        };
        if !part.get(field).is_some_and(|inside| inside.is_object() || inside.is_string()) {
            return Err(());
        }
        self.has_images |= field == "image_url";
        self.media_tokens += MEDIA_TOKENS;
        Ok(None)
    }
}

/// Every call must be followed by its result, and every result must follow its call.
fn broken_tools(messages: &[Message<'_>]) -> Option<String> {
    let mut open: Vec<&str> = Vec::new();
    for (index, message) in messages.iter().enumerate() {
        if message.role == "tool" {
            let id = message.tool_call_id.as_deref().unwrap_or_default();
            let Some(place) = open.iter().position(|known| *known == id) else {
                return Some(format!("messages.{index}: the tool result '{id}' belongs to no tool call of the message before it"));
            };
            open.remove(place);
            continue;
        }
        if let Some(id) = open.first() {
            return Some(format!("messages.{index}: the tool call '{id}' was not answered by a tool message"));
        }
        open = message.tool_calls.iter().flatten().map(|call| call.id.as_deref().unwrap_or_default()).collect();
    }
    open.first().map(|id| format!("the tool call '{id}' was not answered by a tool message"))
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::{Conversation, Message};

    fn read(messages: &str) -> Result<(u64, Vec<String>, Option<String>), String> {
        let raw: Box<RawValue> = serde_json::from_str(messages).unwrap();
        let messages: Vec<Message<'_>> = serde_json::from_str(raw.get()).unwrap();
        let talk = Conversation::read(&messages)?;
        Ok((talk.media_tokens, talk.tool_results().map(str::to_owned).collect(), talk.broken_tools))
    }

    #[test]
    fn tool_results_must_belong_to_calls() {
        let call = r#"{"role":"user","content":"q"},{"role":"assistant","content":null,"tool_calls":[{"id":"a"},{"id":"b"}]}"#;
        let result = |id: &str| format!(r#",{{"role":"tool","tool_call_id":"{id}","content":"{id} says"}}"#);
        let (_, results, broken) = read(&format!("[{call}{}{}]", result("b"), result("a"))).unwrap();
        assert_eq!((results, broken), (vec!["b says".to_owned(), "a says".to_owned()], None));
        for messages in
            [format!("[{call}]"), format!("[{call}{}]", result("a")), format!("[{call}{}{}{}]", result("a"), result("b"), result("c"))]
        {
            assert!(read(&messages).unwrap().2.is_some(), "{messages}");
        }
        assert!(read(r#"[{"role":"tool","content":"x"}]"#).unwrap_err().contains("tool_call_id"));
    }

    #[test]
    fn media_are_taken_and_counted() {
        let parts = r#"[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:"}},
            {"type":"file","file":{"filename":"a.pdf","file_data":"data:"}},{"type":"input_audio","input_audio":{"data":"","format":"wav"}}]}]"#;
        assert_eq!(read(parts).unwrap().0, 3 * 258);
        assert!(read(r#"[{"role":"user","content":[{"type":"hologram"}]}]"#).is_err());
        assert!(read(r#"[{"role":"user","content":[{"type":"image_url"}]}]"#).is_err());
    }
}
