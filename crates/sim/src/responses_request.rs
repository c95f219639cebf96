//! A request in the shape of OpenAI's Responses, read into a chat request.

use serde_json::{Map, Value, json};

use crate::skin::rename;

/// The body as a chat request; the error is the message of a 400.
pub(crate) fn to_chat(mut fields: Map<String, Value>) -> Result<Value, String> {
    // nothing is kept between calls
    if fields.shift_remove("store") == Some(Value::Bool(true)) {
        return Err("store: Invalid input: expected false".to_owned());
    }
    if fields.shift_remove("previous_response_id").is_some_and(|id| !id.is_null()) {
        return Err("previous_response_id: responses are not stored; send the whole conversation as input".to_owned());
    }
    let mut messages = Vec::new();
    if let Some(Value::String(instructions)) = fields.shift_remove("instructions") {
        messages.push(json!({ "role": "system", "content": instructions }));
    }
    match fields.shift_remove("input") {
        Some(Value::String(text)) => messages.push(json!({ "role": "user", "content": text })),
        Some(Value::Array(items)) => {
            let mut reader = Reader { messages, details: Vec::new() };
            for (index, item) in items.iter().enumerate() {
                reader.item(item).ok_or_else(|| format!("input.{index}: Invalid input"))?;
            }
            messages = reader.messages;
        }
        Some(_) => return Err("input: Invalid input: expected string or array".to_owned()),
        None => return Err("input: Required".to_owned()),
    }
    fields.insert("messages".to_owned(), Value::Array(messages));
    rename(&mut fields, "max_output_tokens", "max_tokens");
    if fields.contains_key("top_logprobs") && fields.get("top_logprobs") != Some(&Value::Null) {
        fields.insert("logprobs".to_owned(), json!(true));
    }
    read_text(&mut fields);
    read_tools(&mut fields)?;
    for unheard in ["include", "truncation", "background", "safety_identifier", "max_tool_calls", "prompt"] {
        fields.shift_remove(unheard);
    }
    Ok(Value::Object(fields))
}

fn read_text(fields: &mut Map<String, Value>) {
    let Some(text) = fields.shift_remove("text") else {
        return;
    };
    if let Some(verbosity) = text.get("verbosity").filter(|verbosity| verbosity.is_string()) {
        fields.insert("verbosity".to_owned(), verbosity.clone());
    }
    let format = match text.pointer("/format/type").and_then(Value::as_str) {
        Some("json_schema") => {
            let mut inside = text.get("format").and_then(Value::as_object).cloned().unwrap_or_default();
            inside.shift_remove("type");
            json!({ "type": "json_schema", "json_schema": inside })
        }
        Some("json_object") => json!({ "type": "json_object" }),
        _ => return,
    };
    fields.insert("response_format".to_owned(), format);
}

fn read_tools(fields: &mut Map<String, Value>) -> Result<(), String> {
    if let Some(tools) = fields.shift_remove("tools").filter(|tools| !tools.is_null()) {
        let tools = tools.as_array().ok_or("tools: Invalid input: expected array")?;
        let read = |tool: &Value| match tool.get("type").and_then(Value::as_str) {
            Some("function") => {
                let mut inside = tool.as_object().cloned().unwrap_or_default();
                inside.shift_remove("type");
                json!({ "type": "function", "function": inside })
            }
            _ => json!({ "type": tool.get("type") }),
        };
        fields.insert("tools".to_owned(), tools.iter().map(read).collect());
    }
    if let Some(name) = fields.get("tool_choice").and_then(|choice| choice.get("name")).cloned() {
        fields.insert("tool_choice".to_owned(), json!({ "type": "function", "function": { "name": name } }));
    }
    Ok(())
}

/// Items one after the other; calls of tools gather in one message.
struct Reader {
    messages: Vec<Value>,
    /// What was thought before the calls that follow.
    details: Vec<Value>,
}

impl Reader {
    fn item(&mut self, item: &Value) -> Option<()> {
        match item.get("type").and_then(Value::as_str) {
            None | Some("message") => {
                let role = item.get("role")?.as_str()?;
                self.messages.push(json!({ "role": role, "content": content(item.get("content")?)? }));
            }
            Some("function_call") => self.call(item)?,
            Some("function_call_output") => {
                let output = match item.get("output")? {
                    Value::String(text) => json!(text),
                    parts => content(parts)?,
                };
                self.messages.push(json!({ "role": "tool", "tool_call_id": item.get("call_id")?, "content": output }));
            }
            Some("reasoning") => self.reasoning(item),
            _ => return None,
        }
        Some(())
    }

    fn call(&mut self, item: &Value) -> Option<()> {
        let call = json!({ "id": item.get("call_id")?, "type": "function", "function": {
            "name": item.get("name")?, "arguments": item.get("arguments")? } });
        let last = self.messages.last_mut().and_then(|message| message.get_mut("tool_calls")).and_then(Value::as_array_mut);
        if let Some(calls) = last {
            calls.push(call);
            return Some(());
        }
        let mut message = json!({ "role": "assistant", "content": null, "tool_calls": [call] });
        if let Some(fields) = message.as_object_mut().filter(|_| !self.details.is_empty()) {
            fields.insert("reasoning_details".to_owned(), Value::Array(std::mem::take(&mut self.details)));
        }
        self.messages.push(message);
        Some(())
    }

    fn reasoning(&mut self, item: &Value) {
        let lists = ["summary", "content"].into_iter().filter_map(|name| item.get(name)?.as_array());
        let texts = lists.flatten().filter_map(|part| part.get("text")?.as_str());
        self.details = texts.map(|text| json!({ "type": "reasoning.summary", "summary": text, "index": 0 })).collect();
        if let Some(data) = item.get("encrypted_content").or_else(|| item.get("signature")).filter(|data| data.is_string()) {
            self.details.push(json!({ "type": "reasoning.encrypted", "data": data, "index": 1 }));
        }
    }
}

/// A text or its parts, in the words of a chat.
fn content(content: &Value) -> Option<Value> {
    let parts = match content {
        Value::String(_) => return Some(content.clone()),
        Value::Array(parts) => parts,
        _ => return None,
    };
    let read = |part: &Value| {
        let field = |name: &str| part.get(name).cloned().unwrap_or_default();
        Some(match part.get("type")?.as_str()? {
            "input_text" | "output_text" | "text" => json!({ "type": "text", "text": part.get("text")?.as_str()? }),
            "refusal" => json!({ "type": "text", "text": part.get("refusal")?.as_str()? }),
            "input_image" => json!({ "type": "image_url", "image_url": { "url": field("image_url"), "detail": field("detail") } }),
            "input_file" => json!({ "type": "file", "file": { "filename": field("filename"), "file_data": field("file_data") } }),
            "input_audio" => json!({ "type": "input_audio", "input_audio": part.get("input_audio")? }),
            _ => return None,
        })
    };
    parts.iter().map(read).collect::<Option<Vec<Value>>>().map(Value::Array)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::to_chat;

    fn read(body: Value) -> Result<Value, String> {
        to_chat(body.as_object().unwrap().clone())
    }

    #[test]
    fn items_become_messages() {
        let chat = read(json!({
            "model": "a/b", "instructions": "be brief", "max_output_tokens": 9,
            "input": [
                { "role": "user", "content": [{ "type": "input_text", "text": "q" }] },
                { "type": "reasoning", "id": "r", "summary": [{ "type": "summary_text", "text": "hm" }], "encrypted_content": "s" },
                { "type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}" },
                { "type": "function_call", "call_id": "c2", "name": "f", "arguments": "{}" },
                { "type": "function_call_output", "call_id": "c1", "output": "one" },
                { "type": "function_call_output", "call_id": "c2", "output": [{ "type": "input_text", "text": "two" }] },
            ],
            "text": { "format": { "type": "json_schema", "name": "n", "strict": true, "schema": {} }, "verbosity": "low" },
            "tools": [{ "type": "function", "name": "f", "parameters": {} }], "tool_choice": { "type": "function", "name": "f" },
        }))
        .unwrap();
        let roles: Vec<&str> = chat["messages"].as_array().unwrap().iter().map(|message| message["role"].as_str().unwrap()).collect();
        assert_eq!(roles, ["system", "user", "assistant", "tool", "tool"]);
        assert_eq!(chat["messages"][2]["tool_calls"].as_array().unwrap().len(), 2);
        assert_eq!(chat["messages"][2]["reasoning_details"][1]["data"], "s");
        assert_eq!((&chat["max_tokens"], &chat["verbosity"]), (&json!(9), &json!("low")));
        assert_eq!(chat["response_format"]["json_schema"]["name"], "n");
        assert_eq!(chat["tool_choice"]["function"]["name"], "f");
    }

    #[test]
    fn nothing_is_stored() {
        assert!(read(json!({ "input": "x", "store": true })).unwrap_err().contains("store"));
        assert!(read(json!({ "input": "x", "previous_response_id": "r" })).unwrap_err().contains("not stored"));
        assert!(read(json!({ "input": "x", "store": false, "previous_response_id": null })).is_ok());
        assert!(read(json!({})).unwrap_err().contains("input"));
    }
}
