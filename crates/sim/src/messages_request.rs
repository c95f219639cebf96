//! A request in the shape of Anthropic's Messages, read into a chat request.

use serde_json::{Map, Value, json};

use crate::skin::rename;

/// How many models may follow the first.
const MOST_FALLBACKS: usize = 3;

/// The body as a chat request; the error is the message of a 400.
pub(crate) fn to_chat(mut fields: Map<String, Value>) -> Result<Value, String> {
    let mut messages = Vec::new();
    if let Some(system) = fields.shift_remove("system") {
        messages.push(json!({ "role": "system", "content": texts(&system).ok_or("system: Invalid input")? }));
    }
    let Some(Value::Array(turns)) = fields.shift_remove("messages") else {
        return Err("messages: Field required".to_owned());
    };
    for (index, turn) in turns.iter().enumerate() {
        read_turn(turn, &mut messages).ok_or_else(|| format!("messages.{index}: Invalid input"))?;
    }
    fields.insert("messages".to_owned(), Value::Array(messages));
    rename(&mut fields, "stop_sequences", "stop");
    read_fallbacks(&mut fields)?;
    read_tools(&mut fields)?;
    read_thinking(&mut fields)?;
    read_output(&mut fields);
    if let Some(user) = fields.shift_remove("metadata").and_then(|metadata| metadata.get("user_id").cloned()) {
        fields.insert("user".to_owned(), user);
    }
    Ok(Value::Object(fields))
}

fn read_fallbacks(fields: &mut Map<String, Value>) -> Result<(), String> {
    let Some(fallbacks) = fields.shift_remove("fallbacks") else {
        return Ok(());
    };
    if fields.contains_key("models") {
        return Err("fallbacks: cannot be combined with models".to_owned());
    }
    let entries = fallbacks.as_array().ok_or("fallbacks: Invalid input: expected array")?;
    if entries.len() > MOST_FALLBACKS {
        return Err(format!("fallbacks: Too big: expected array to have <={MOST_FALLBACKS} items"));
    }
    let models =
        entries.iter().map(|entry| entry.as_object().filter(|entry| entry.len() == 1)?.get("model").filter(|model| model.is_string()));
    let models = models.collect::<Option<Vec<&Value>>>().ok_or("fallbacks: Invalid input: each entry has a `model` and nothing else")?;
    fields.insert("models".to_owned(), json!(models));
    Ok(())
}

fn read_tools(fields: &mut Map<String, Value>) -> Result<(), String> {
    if let Some(tools) = fields.shift_remove("tools") {
        let tools = tools.as_array().ok_or("tools: Invalid input: expected array")?;
        let read = |tool: &Value| match tool.get("input_schema") {
            Some(schema) => json!({ "type": "function", "function": {
                "name": tool.get("name"), "description": tool.get("description"), "parameters": schema } }),
            None => json!({ "type": tool.get("type") }),
        };
        fields.insert("tools".to_owned(), tools.iter().map(read).collect());
    }
    let Some(choice) = fields.shift_remove("tool_choice") else {
        return Ok(());
    };
    if choice.get("disable_parallel_tool_use") == Some(&Value::Bool(true)) {
        fields.insert("parallel_tool_calls".to_owned(), json!(false));
    }
    let read = match choice.get("type").and_then(Value::as_str) {
        Some("auto") => json!("auto"),
        Some("any") => json!("required"),
        Some("none") => json!("none"),
        Some("tool") => json!({ "type": "function", "function": { "name": choice.get("name") } }),
        _ => return Err("tool_choice.type: Invalid input".to_owned()),
    };
    fields.insert("tool_choice".to_owned(), read);
    Ok(())
}

fn read_thinking(fields: &mut Map<String, Value>) -> Result<(), String> {
    let Some(thinking) = fields.shift_remove("thinking") else {
        return Ok(());
    };
    let reasoning = match thinking.get("type").and_then(Value::as_str) {
        Some("enabled") => json!({ "max_tokens": thinking.get("budget_tokens").ok_or("thinking.budget_tokens: Field required")? }),
        Some("adaptive") => json!({ "enabled": true }),
        Some("disabled") => json!({ "enabled": false }),
        _ => return Err("thinking.type: Invalid input".to_owned()),
    };
    fields.insert("reasoning".to_owned(), reasoning);
    Ok(())
}

fn read_output(fields: &mut Map<String, Value>) {
    let Some(config) = fields.shift_remove("output_config") else {
        return;
    };
    if let Some(effort) = config.get("effort").filter(|effort| effort.is_string() && !fields.contains_key("reasoning")) {
        fields.insert("reasoning".to_owned(), json!({ "effort": effort }));
    }
    if let Some(schema) = config.pointer("/format/schema") {
        let format = json!({ "name": "output", "strict": true, "schema": schema });
        fields.insert("response_format".to_owned(), json!({ "type": "json_schema", "json_schema": format }));
    }
}

/// A text, or the texts of blocks.
fn texts(content: &Value) -> Option<String> {
    match content {
        Value::String(text) => Some(text.clone()),
        Value::Array(blocks) => {
            let texts = blocks.iter().map(|block| block.get("text").and_then(Value::as_str)).collect::<Option<Vec<&str>>>()?;
            Some(texts.join("\n"))
        }
        _ => None,
    }
}

/// One message: its results of tools become messages of their own, before what else it says.
fn read_turn(turn: &Value, messages: &mut Vec<Value>) -> Option<()> {
    let role = turn.get("role")?.as_str().filter(|role| matches!(*role, "user" | "assistant"))?;
    let blocks = match turn.get("content")? {
        Value::String(text) => {
            messages.push(json!({ "role": role, "content": text }));
            return Some(());
        }
        Value::Array(blocks) => blocks,
        _ => return None,
    };
    let (mut parts, mut calls, mut details) = (Vec::new(), Vec::new(), Vec::new());
    for block in blocks {
        match block.get("type")?.as_str()? {
            "text" => parts.push(json!({ "type": "text", "text": block.get("text")?.as_str()? })),
            "image" => parts.push(json!({ "type": "image_url", "image_url": { "url": source_url(block.get("source")?) } })),
            "document" => parts.push(json!({ "type": "file", "file": { "file_data": source_url(block.get("source")?) } })),
            "tool_use" => calls.push(json!({ "id": block.get("id")?, "type": "function", "function": {
                "name": block.get("name")?, "arguments": block.get("input")?.to_string() } })),
            "tool_result" => {
                let content = block.get("content").map_or(Some(String::new()), texts)?;
                messages.push(json!({ "role": "tool", "tool_call_id": block.get("tool_use_id")?, "content": content }));
            }
            "thinking" => details
                .push(json!({ "type": "reasoning.text", "text": block.get("thinking")?, "signature": block.get("signature"),
                "format": "anthropic-claude-v1", "index": 0 })),
            "redacted_thinking" => details.push(json!({ "type": "reasoning.encrypted", "data": block.get("data")?, "index": 0 })),
            _ => return None,
        }
    }
    if parts.is_empty() && calls.is_empty() {
        return Some(());
    }
    let mut message = Map::new();
    message.insert("role".to_owned(), json!(role));
    message.insert("content".to_owned(), if parts.is_empty() { Value::Null } else { Value::Array(parts) });
    for (name, list) in [("tool_calls", calls), ("reasoning_details", details)] {
        if !list.is_empty() {
            message.insert(name.to_owned(), Value::Array(list));
        }
    }
    messages.push(Value::Object(message));
    Some(())
}

/// Where a picture or a document is: its address, or the data itself.
fn source_url(source: &Value) -> String {
    let field = |name: &str| source.get(name).and_then(Value::as_str);
    match field("url") {
        Some(url) => url.to_owned(),
        None => format!("data:{};base64,{}", field("media_type").unwrap_or_default(), field("data").unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::to_chat;

    fn read(body: Value) -> Result<Value, String> {
        to_chat(body.as_object().unwrap().clone())
    }

    #[test]
    fn a_tool_loop_becomes_a_chat() {
        let chat = read(json!({
            "model": "a/b", "max_tokens": 50, "system": [{ "type": "text", "text": "be brief" }],
            "messages": [
                { "role": "user", "content": "q" },
                { "role": "assistant", "content": [{ "type": "thinking", "thinking": "hm", "signature": "s" },
                    { "type": "tool_use", "id": "t", "name": "f", "input": { "x": 1 } }] },
                { "role": "user", "content": [{ "type": "tool_result", "tool_use_id": "t", "content": "12" }, { "type": "text", "text": "go on" }] },
            ],
            "tools": [{ "name": "f", "input_schema": { "type": "object" } }],
            "tool_choice": { "type": "any", "disable_parallel_tool_use": true },
        }))
        .unwrap();
        let roles: Vec<&str> = chat["messages"].as_array().unwrap().iter().map(|message| message["role"].as_str().unwrap()).collect();
        assert_eq!(roles, ["system", "user", "assistant", "tool", "user"]);
        assert_eq!(chat["messages"][2]["tool_calls"][0]["function"]["arguments"], r#"{"x":1}"#);
        assert_eq!(chat["messages"][2]["reasoning_details"][0]["signature"], "s");
        assert_eq!((&chat["tool_choice"], &chat["parallel_tool_calls"]), (&json!("required"), &json!(false)));
        assert_eq!(chat["tools"][0]["function"]["parameters"]["type"], "object");
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        for (body, part) in [
            (json!({}), "messages"),
            (json!({ "messages": [{ "role": "king", "content": "x" }] }), "messages.0"),
            (json!({ "messages": [], "fallbacks": [{ "model": "a/b", "n": 1 }] }), "nothing else"),
            (json!({ "messages": [], "fallbacks": [], "models": [] }), "combined"),
            (json!({ "messages": [], "thinking": { "type": "enabled" } }), "budget_tokens"),
        ] {
            assert!(read(body.clone()).unwrap_err().contains(part), "{body}");
        }
    }
}
