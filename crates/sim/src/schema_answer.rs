//! Makes an instance of a JSON Schema out of the words of a prompt. It covers what structured outputs
//! use; what it does not know (`not`, `if`, `dependentSchemas`, …) it leaves aside.

use serde_json::{Map, Value, json};

use crate::pattern;
use crate::schema_keywords::{bound, branches, decimal, formatted, inferred, is_rating, limit, refers, span, whole};
use crate::seed::{Draw, hash, mix};
use crate::words::{Words, mood_of_label};

/// Deeper than this only what is required is made.
const DEEP: u32 = 6;
/// Deeper than this nothing is made any more.
const TOO_DEEP: u32 = 40;

/// Makes one answer.
pub(crate) struct Maker<'a> {
    root: &'a Value,
    words: &'a Words<'a>,
    text: &'a str,
    seed: u64,
}

impl<'a> Maker<'a> {
    pub(crate) fn new(root: &'a Value, words: &'a Words<'a>, text: &'a str, seed: u64) -> Self {
        Self { root, words, text, seed }
    }

    /// The answer to the whole schema.
    pub(crate) fn make(&self) -> Value {
        self.value(self.root, Place { name: "", seed: self.seed, depth: 0, freely: false })
    }

    fn value(&self, schema: &Value, place: Place<'_>) -> Value {
        let Some(fields) = schema.as_object() else {
            return Value::String(self.words.phrase(place.seed, 2));
        };
        if place.depth > TOO_DEEP {
            return Value::Null;
        }
        if let Some(target) = fields.get("$ref").and_then(Value::as_str).and_then(|path| self.resolve(path)) {
            return self.value(target, place.deeper());
        }
        if let Some(value) = fields.get("const") {
            return value.clone();
        }
        if let Some(choices) = fields.get("enum").and_then(Value::as_array) {
            return self.choose(choices, place);
        }
        if let Some(branches) = branches(fields) {
            return self.branch(fields, branches, place);
        }
        if let Some(parts) = fields.get("allOf").and_then(Value::as_array) {
            return self.value(&self.merged(fields, parts), place.deeper());
        }
        match kind_of(fields, place) {
            "object" => self.object(fields, place),
            "array" => self.array(fields, place),
            "integer" => self.integer(fields, place),
            "number" => self.number(fields, place),
            "boolean" => Value::Bool(mix(place.seed) & 1 == 0),
            "null" => Value::Null,
            _ => Value::String(self.string(fields, place)),
        }
    }

    fn resolve(&self, path: &str) -> Option<&'a Value> {
        self.root.pointer(path.strip_prefix('#')?)
    }

    /// One of several values: by mood where they are moods, by the text where just one stands in it.
    fn choose(&self, choices: &[Value], place: Place<'_>) -> Value {
        let moods: Vec<(i32, &Value)> = choices.iter().filter_map(|choice| Some((mood_of_label(choice.as_str()?)?, choice))).collect();
        let both_ways = moods.iter().any(|(mood, _)| *mood > 0) && moods.iter().any(|(mood, _)| *mood < 0);
        let has_middle = moods.iter().any(|(mood, _)| *mood == 0);
        if !place.freely && both_ways && (self.words.mood != 0 || has_middle) {
            let wanted = match self.words.mood {
                3.. => 2,
                1.. => 1,
                0 => 0,
                -2.. => -1,
                _ => -2,
            };
            if let Some((_, choice)) = moods.iter().min_by_key(|(mood, _)| (mood - wanted).abs()) {
                return (*choice).clone();
            }
        }
        let mut named = choices.iter().filter(|choice| choice.as_str().is_some_and(|label| self.stands_in_text(label)));
        if let (false, Some(only), None) = (place.freely, named.next(), named.next()) {
            return only.clone();
        }
        choices.get(Draw::new(place.seed).index(choices.len())).cloned().unwrap_or(Value::Null)
    }

    fn stands_in_text(&self, label: &str) -> bool {
        label.len() >= 3 && self.text.to_lowercase().contains(&label.to_lowercase())
    }

    fn branch(&self, fields: &Map<String, Value>, branches: &[Value], place: Place<'_>) -> Value {
        let constants: Vec<Value> = branches.iter().filter_map(|branch| branch.get("const").cloned()).collect();
        if constants.len() == branches.len() {
            return self.choose(&constants, place);
        }
        let mut draw = Draw::new(place.seed);
        let is_null = |branch: &&Value| branch.get("type").and_then(Value::as_str) == Some("null");
        let null = branches.iter().find(is_null);
        let solid: Vec<&Value> = branches.iter().filter(|branch| !is_null(branch)).collect();
        let take_null = place.depth > DEEP || draw.below(8) == 0;
        let chosen = match null {
            Some(null) if take_null || solid.is_empty() => null,
            // a branch without a reference ends a recursion
            _ if place.depth > DEEP => solid.iter().find(|branch| !refers(branch)).or(solid.first()).copied().unwrap_or(&Value::Null),
            _ => solid.get(draw.index(solid.len())).copied().unwrap_or(&Value::Null),
        };
        let siblings = fields.iter().any(|(name, _)| matches!(name.as_str(), "properties" | "required" | "type"));
        if siblings {
            self.value(&self.merged(fields, std::slice::from_ref(chosen)), place.deeper())
        } else {
            self.value(chosen, place.deeper())
        }
    }

    /// Several schemas as one: properties and requirements united, other keywords by the last one.
    fn merged(&self, fields: &Map<String, Value>, parts: &[Value]) -> Value {
        let mut whole = fields.clone();
        for keyword in ["allOf", "anyOf", "oneOf"] {
            whole.shift_remove(keyword);
        }
        for part in parts {
            let target = part.get("$ref").and_then(Value::as_str).and_then(|path| self.resolve(path)).unwrap_or(part);
            for (name, value) in target.as_object().into_iter().flatten() {
                match (whole.get_mut(name), value) {
                    (Some(Value::Object(known)), Value::Object(more)) => known.extend(more.clone()),
                    (Some(Value::Array(known)), Value::Array(more)) if name == "required" => known.extend(more.clone()),
                    _ => {
                        whole.insert(name.clone(), value.clone());
                    }
                }
            }
        }
        Value::Object(whole)
    }

    fn object(&self, fields: &Map<String, Value>, place: Place<'_>) -> Value {
        let required: Vec<&str> =
            fields.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
        let mut made = Map::new();
        for (name, schema) in fields.get("properties").and_then(Value::as_object).into_iter().flatten() {
            if place.depth <= DEEP || required.contains(&name.as_str()) {
                made.insert(name.clone(), self.value(schema, place.child(name)));
            }
        }
        let additional = fields.get("additionalProperties").filter(|schema| schema.is_object());
        let any = json!({ "type": "string" });
        for name in required {
            if !made.contains_key(name) {
                made.insert(name.to_owned(), self.value(additional.unwrap_or(&any), place.child(name)));
            }
        }
        let least = bound(fields, "minProperties").unwrap_or(0).max(u64::from(additional.is_some() && made.is_empty()));
        let open = fields.get("additionalProperties") != Some(&Value::Bool(false));
        for number in 0..least {
            if open && (made.len() as u64) < least {
                let name = format!("{}_{number}", self.words.phrase(place.seed.wrapping_add(number), 1).to_lowercase());
                let value = self.value(additional.unwrap_or(&any), place.child(&name));
                made.insert(name, value);
            }
        }
        Value::Object(made)
    }

    fn array(&self, fields: &Map<String, Value>, place: Place<'_>) -> Value {
        let any = json!({ "type": "string" });
        let mut items: Vec<Value> = Vec::new();
        for (index, schema) in fields.get("prefixItems").and_then(Value::as_array).into_iter().flatten().enumerate() {
            items.push(self.value(schema, place.item(index as u64)));
        }
        let least = bound(fields, "minItems").unwrap_or(0);
        let most = bound(fields, "maxItems").unwrap_or(u64::MAX);
        let closed = fields.get("items") == Some(&Value::Bool(false));
        let usual = if place.depth > DEEP || closed { 0 } else { 1 + mix(place.seed) % 3 };
        let wanted = usual.max(least).min(most);
        let unique = fields.get("uniqueItems") == Some(&Value::Bool(true));
        let schema = fields.get("items").filter(|schema| schema.is_object()).unwrap_or(&any);
        let first = items.len() as u64;
        for index in first..first + wanted.saturating_mul(8).min(4_096) {
            if items.len() as u64 >= wanted {
                break;
            }
            let mut value = self.value(schema, place.item(index));
            if unique && items.contains(&value) {
                let freely = Place { freely: true, ..place.item(index) };
                value = self.value(schema, freely);
                if items.contains(&value) {
                    continue;
                }
            }
            items.push(value);
        }
        Value::Array(items)
    }

    fn integer(&self, fields: &Map<String, Value>, place: Place<'_>) -> Value {
        let step = fields.get("multipleOf").and_then(Value::as_f64).map_or(1, |step| whole(step).max(1));
        let least = limit(fields, "minimum", "exclusiveMinimum", 1.0).map(|value| whole(value.ceil()));
        let most = limit(fields, "maximum", "exclusiveMaximum", -1.0).map(|value| whole(value.floor()));
        let (low, high) = span(least, most);
        let multiple = |value: i64| {
            let rounded = value.div_euclid(step).saturating_mul(step);
            if rounded < low { rounded.saturating_add(step) } else { rounded }
        };
        let rates = is_rating(place.name) && !place.freely;
        if let (true, Some(low), Some(high)) = (rates, least, most) {
            return json!(multiple(self.rated(low, high)));
        }
        let fitting: Vec<i64> = self.words.numbers.iter().copied().filter(|value| (low..=high).contains(value)).collect();
        let taken = fitting.get(Draw::new(place.seed).index(fitting.len()));
        if let Some(value) = taken.filter(|_| !place.freely) {
            return json!(multiple(*value));
        }
        let width = high.saturating_sub(low).unsigned_abs().saturating_add(1);
        let step_in = i64::try_from(Draw::new(place.seed).below(width)).unwrap_or(0);
        json!(multiple(low.saturating_add(step_in)))
    }

    /// A rating from the mood: the middle for none, the ends for three words and more.
    fn rated(&self, low: i64, high: i64) -> i64 {
        let mood = i64::from(self.words.mood.clamp(-3, 3)) + 3;
        low.saturating_add(high.saturating_sub(low).saturating_mul(mood).saturating_add(3) / 6)
    }

    fn number(&self, fields: &Map<String, Value>, place: Place<'_>) -> Value {
        if let Some(step) = fields.get("multipleOf").and_then(Value::as_f64).filter(|step| *step > 0.0) {
            let least = limit(fields, "minimum", "exclusiveMinimum", step).unwrap_or(0.0);
            #[expect(clippy::cast_precision_loss, reason = "small whole numbers")]
            let offset = Draw::new(place.seed).below(3) as f64;
            let value = ((least / step).ceil() + offset) * step;
            let most = limit(fields, "maximum", "exclusiveMaximum", -step).unwrap_or(f64::MAX);
            return decimal(if value > most { (most / step).floor() * step } else { value });
        }
        let least = limit(fields, "minimum", "exclusiveMinimum", 0.001);
        let most = limit(fields, "maximum", "exclusiveMaximum", -0.001);
        let (low, high) = match (least, most) {
            (Some(low), Some(high)) => (low, high),
            (Some(low), None) => (low, low + 100.0),
            (None, Some(high)) => (high - 100.0, high),
            (None, None) => (0.0, 100.0),
        };
        let share = if is_rating(place.name) && !place.freely {
            f64::from(self.words.mood.clamp(-3, 3) + 3) / 6.0
        } else {
            Draw::new(place.seed).fraction()
        };
        let value = low + (high - low) * share;
        let rounded = (value * 100.0).round() / 100.0;
        decimal(if (low..=high).contains(&rounded) { rounded } else { value })
    }

    fn string(&self, fields: &Map<String, Value>, place: Place<'_>) -> String {
        let mut draw = Draw::new(place.seed);
        if let Some(made) = fields.get("format").and_then(Value::as_str).and_then(|name| formatted(name, &mut draw)) {
            return made;
        }
        if let Some(made) = fields.get("pattern").and_then(Value::as_str).and_then(|text| pattern::example(text, &mut draw)) {
            return made;
        }
        let count = 1 + draw.index(4);
        let mut made = self.words.phrase(draw.next(), count);
        let least = bound(fields, "minLength").and_then(|least| usize::try_from(least).ok()).unwrap_or(0).min(100_000);
        while made.chars().count() < least {
            made.push(' ');
            made.push_str(&self.words.phrase(draw.next(), 3));
        }
        if let Some(most) = bound(fields, "maxLength").and_then(|most| usize::try_from(most).ok())
            && made.chars().count() > most
        {
            made = made.chars().take(most.max(least)).collect();
        }
        made
    }
}

/// Where in the answer a value stands.
#[derive(Clone, Copy)]
struct Place<'n> {
    name: &'n str,
    seed: u64,
    depth: u32,
    /// Choose freely, whatever the text says: for lists whose items must differ.
    freely: bool,
}

impl<'n> Place<'n> {
    fn child(self, name: &'n str) -> Self {
        Self { name, seed: hash(self.seed, name.as_bytes()), depth: self.depth + 1, freely: self.freely }
    }

    fn item(self, index: u64) -> Self {
        Self { seed: mix(self.seed.wrapping_add(index).wrapping_add(1)), depth: self.depth + 1, ..self }
    }

    fn deeper(self) -> Self {
        Self { depth: self.depth + 1, ..self }
    }
}

fn kind_of<'v>(fields: &'v Map<String, Value>, place: Place<'_>) -> &'v str {
    match fields.get("type") {
        Some(Value::String(kind)) => kind,
        Some(Value::Array(kinds)) => {
            let names: Vec<&str> = kinds.iter().filter_map(Value::as_str).collect();
            let solid: Vec<&str> = names.iter().copied().filter(|name| *name != "null").collect();
            let mut draw = Draw::new(place.seed ^ 0x55);
            let take_null = names.len() > solid.len() && (place.depth > DEEP || draw.below(8) == 0);
            if take_null { "null" } else { solid.get(draw.index(solid.len())).copied().unwrap_or("null") }
        }
        _ => inferred(fields),
    }
}

/// The same answer made wrong: valid JSON that its schema does not allow.
pub(crate) fn violate(schema: &Value, answer: Value) -> Value {
    let required = schema.get("required").and_then(Value::as_array).and_then(|names| names.first()?.as_str());
    match (answer, required) {
        (Value::Object(mut fields), Some(name)) => {
            if let Some(value) = fields.shift_remove(name) {
                fields.insert(format!("{name}_value"), value);
            }
            Value::Object(fields)
        }
        (Value::Object(mut fields), None) => {
            if let Some(value) = fields.values_mut().next() {
                *value = json!({ "unexpected": [[]] });
            }
            Value::Object(fields)
        }
        _ => json!({ "unexpected": [[]] }),
    }
}
