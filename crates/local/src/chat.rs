//! From messages to prompt tokens, the way the model was trained to read a conversation.

use crate::error::LocalError;
use crate::gguf::GgufError;
use crate::tokenizer::Tokenizer;

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The rules of the conversation.
    System,
    /// The one who asks.
    User,
    /// The model.
    Assistant,
}

/// One message of a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalMessage {
    /// Who speaks.
    pub role: Role,
    /// What is said; taken as plain text, special tokens in it mean nothing.
    pub content: String,
}

/// SmolLM2's own system message, used when a conversation has none (`tokenizer.chat_template` in its GGUF).
const SMOLLM2_SYSTEM: &str = "You are a helpful AI assistant named SmolLM, trained by Hugging Face";

/// A family of conversation marks.
pub(crate) enum Template {
    /// `<|im_start|>role\n…<|im_end|>\n`
    ChatMl { start: u32, end: u32, default_system: Option<&'static str> },
    /// `<|start_header_id|>role<|end_header_id|>\n\n…<|eot_id|>` after `<|begin_of_text|>`
    Llama3 { begin: u32, header: u32, header_end: u32, end: u32 },
}

impl Template {
    /// Chooses by the special tokens of the vocabulary.
    pub(crate) fn of(tokenizer: &Tokenizer, chat_template: Option<&str>) -> Result<Self, GgufError> {
        if let (Some(start), Some(end)) = (tokenizer.special("<|im_start|>"), tokenizer.special("<|im_end|>")) {
            let default_system = chat_template.filter(|template| template.contains(SMOLLM2_SYSTEM)).map(|_| SMOLLM2_SYSTEM);
            return Ok(Self::ChatMl { start, end, default_system });
        }
        let marks = ["<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"].map(|name| tokenizer.special(name));
        match marks {
            [Some(begin), Some(header), Some(header_end), Some(end)] => Ok(Self::Llama3 { begin, header, header_end, end }),
            _ => Err(GgufError(
                "its vocabulary has neither ChatML nor Llama 3 conversation marks, so it is not a chat model this engine knows".into(),
            )),
        }
    }

    /// The prompt up to where the assistant speaks. Fails when it has more than `most` tokens.
    pub(crate) fn prompt(&self, tokenizer: &Tokenizer, messages: &[LocalMessage], most: usize) -> Result<Vec<u32>, LocalError> {
        let mut tokens = Vec::new();
        if let Self::Llama3 { begin, .. } = self {
            tokens.push(*begin);
        }
        if let Self::ChatMl { default_system: Some(system), .. } = self
            && messages.first().is_none_or(|message| message.role != Role::System)
        {
            self.message(tokenizer, Role::System, system, &mut tokens, most);
        }
        for message in messages {
            self.message(tokenizer, message.role, &message.content, &mut tokens, most);
            if tokens.len() > most {
                return Err(LocalError::PromptTooLong { tokens: tokens.len(), at_least: true, limit: most });
            }
        }
        self.open(tokenizer, Role::Assistant, &mut tokens);
        if tokens.len() > most {
            return Err(LocalError::PromptTooLong { tokens: tokens.len(), at_least: false, limit: most });
        }
        Ok(tokens)
    }

    fn open(&self, tokenizer: &Tokenizer, role: Role, tokens: &mut Vec<u32>) {
        let role = match role {
            Role::System => "system",
            Role::User => "user",
            Role::Assistant => "assistant",
        };
        match self {
            Self::ChatMl { start, .. } => {
                tokens.push(*start);
                tokenizer.encode(role, tokens, usize::MAX);
                tokenizer.encode("\n", tokens, usize::MAX);
            }
            Self::Llama3 { header, header_end, .. } => {
                tokens.push(*header);
                tokenizer.encode(role, tokens, usize::MAX);
                tokens.push(*header_end);
                tokenizer.encode("\n\n", tokens, usize::MAX);
            }
        }
    }

    fn message(&self, tokenizer: &Tokenizer, role: Role, content: &str, tokens: &mut Vec<u32>, most: usize) {
        match self {
            Self::ChatMl { start, end, .. } => {
                // the template puts the break and the text in one string, so they are cut into pieces together
                tokens.push(*start);
                let role = match role {
                    Role::System => "system",
                    Role::User => "user",
                    Role::Assistant => "assistant",
                };
                tokenizer.encode(&format!("{role}\n{content}"), tokens, most);
                tokens.push(*end);
                tokenizer.encode("\n", tokens, usize::MAX);
            }
            Self::Llama3 { end, .. } => {
                self.open(tokenizer, role, tokens);
                tokenizer.encode(content.trim(), tokens, most);
                tokens.push(*end);
            }
        }
    }
}
