//! Reader of GGUF files (versions 2 and 3): metadata, the table of tensors, and one tensor's bytes at a time.
//!
//! A file is untrusted: every length is checked against the bytes that are left before anything is allocated.

use std::collections::HashMap;
use std::io::{Read, Seek, SeekFrom};

use crate::quant::Format;

/// Why a file is not a usable GGUF, in words for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GgufError(pub(crate) String);

impl From<std::io::Error> for GgufError {
    fn from(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::UnexpectedEof {
            Self("the file ends too early (an interrupted download?)".into())
        } else {
            Self(error.to_string())
        }
    }
}

fn wrong<T>(why: impl Into<String>) -> Result<T, GgufError> {
    Err(GgufError(why.into()))
}

/// One metadata value. Arrays keep only the element kinds that a llama model uses.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Bool(bool),
    Text(String),
    Texts(Vec<String>),
    Numbers(Vec<i64>),
    Floats(Vec<f32>),
}

#[derive(Debug, Clone)]
struct Tensor {
    /// Innermost dimension first, as the file has it.
    dimensions: Vec<usize>,
    format: Format,
    /// From the start of the file.
    offset: u64,
    bytes: usize,
}

/// An opened file: what it says about itself, and a reader for its tensors.
pub(crate) struct Gguf<R> {
    reader: R,
    metadata: HashMap<String, Value>,
    tensors: HashMap<String, Tensor>,
}

/// One tensor as rows of `columns` values each, still in the file's format.
pub(crate) struct RawMatrix {
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    pub(crate) format: Format,
    pub(crate) bytes: Vec<u8>,
}

const MAGIC: [u8; 4] = *b"GGUF";
const DEFAULT_ALIGNMENT: u64 = 32;
const MOST_DIMENSIONS: u32 = 4;

impl<R: Read + Seek> Gguf<R> {
    /// Reads the header. Tensor data stays in the file.
    pub(crate) fn open(mut reader: R) -> Result<Self, GgufError> {
        let file_bytes = reader.seek(SeekFrom::End(0))?;
        reader.seek(SeekFrom::Start(0))?;
        let mut source = Source { reader, left: file_bytes };
        let mut magic = [0; 4];
        source.fill(&mut magic)?;
        if magic != MAGIC {
            return wrong("it does not start with the GGUF mark, so it is another kind of file");
        }
        let version = source.u32()?;
        if !(2..=3).contains(&version) {
            return wrong(format!("it is GGUF version {version}; versions 2 and 3 can be read"));
        }
        let tensor_count = source.u64()?;
        let pair_count = source.u64()?;
        let mut metadata = HashMap::new();
        for _ in 0..pair_count {
            let key = source.text()?;
            let kind = source.u32()?;
            let value = source.value(kind)?;
            metadata.insert(key, value);
        }
        let mut headers = Vec::new();
        for _ in 0..tensor_count {
            headers.push(source.tensor_header()?);
        }
        let alignment = match metadata.get("general.alignment") {
            Some(Value::Unsigned(alignment)) if alignment.is_power_of_two() && *alignment <= 1 << 20 => *alignment,
            Some(_) => return wrong("its general.alignment is not a usable power of two"),
            None => DEFAULT_ALIGNMENT,
        };
        let header_bytes = file_bytes - source.left;
        let data_start = header_bytes.next_multiple_of(alignment);
        let mut tensors = HashMap::new();
        for (name, mut tensor) in headers {
            tensor.offset =
                data_start.checked_add(tensor.offset).ok_or_else(|| GgufError(format!("tensor {name} lies outside the file")))?;
            let end = tensor.offset.checked_add(tensor.bytes as u64);
            if end.is_none_or(|end| end > file_bytes) {
                return wrong(format!("tensor {name} reaches beyond the end of the file (an interrupted download?)"));
            }
            tensors.insert(name, tensor);
        }
        Ok(Self { reader: source.reader, metadata, tensors })
    }

    pub(crate) fn value(&self, key: &str) -> Option<&Value> {
        self.metadata.get(key)
    }

    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        match self.metadata.get(key) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// A non-negative whole number, whatever width the writer chose.
    pub(crate) fn size(&self, key: &str) -> Option<usize> {
        match self.metadata.get(key) {
            Some(Value::Unsigned(number)) => usize::try_from(*number).ok(),
            Some(Value::Signed(number)) => usize::try_from(*number).ok(),
            _ => None,
        }
    }

    pub(crate) fn float(&self, key: &str) -> Option<f64> {
        match self.metadata.get(key) {
            Some(Value::Float(number)) => Some(*number),
            _ => None,
        }
    }

    pub(crate) fn has_tensor(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// Reads a tensor of one or two dimensions; one dimension is a single row.
    pub(crate) fn matrix(&mut self, name: &str) -> Result<RawMatrix, GgufError> {
        let Some(tensor) = self.tensors.get(name).cloned() else {
            return wrong(format!("it has no tensor named {name}"));
        };
        let (columns, rows) = match tensor.dimensions[..] {
            [columns] => (columns, 1),
            [columns, rows] => (columns, rows),
            _ => return wrong(format!("tensor {name} has {} dimensions where at most 2 were expected", tensor.dimensions.len())),
        };
        self.reader.seek(SeekFrom::Start(tensor.offset))?;
        let mut bytes = vec![0; tensor.bytes];
        self.reader.read_exact(&mut bytes)?;
        Ok(RawMatrix { rows, columns, format: tensor.format, bytes })
    }
}

/// The header's bytes, with count of what is left in the file.
struct Source<R> {
    reader: R,
    left: u64,
}

impl<R: Read> Source<R> {
    fn fill(&mut self, into: &mut [u8]) -> Result<(), GgufError> {
        self.reader.read_exact(into)?;
        self.left = self.left.saturating_sub(into.len() as u64);
        Ok(())
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], GgufError> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    fn u32(&mut self) -> Result<u32, GgufError> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    fn u64(&mut self) -> Result<u64, GgufError> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// A length that claims at least `bytes_each` per element must fit what is left.
    fn length(&mut self, bytes_each: u64) -> Result<usize, GgufError> {
        let length = self.u64()?;
        if length.checked_mul(bytes_each).is_none_or(|bytes| bytes > self.left) {
            return wrong("a length in its header is larger than the file");
        }
        usize::try_from(length).map_err(|_| GgufError("a length in its header is too large".into()))
    }

    fn text(&mut self) -> Result<String, GgufError> {
        let length = self.length(1)?;
        let mut bytes = vec![0; length];
        self.fill(&mut bytes)?;
        Ok(String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
    }

    fn value(&mut self, kind: u32) -> Result<Value, GgufError> {
        Ok(match kind {
            8 => Value::Text(self.text()?),
            9 => return self.list(),
            6 => Value::Float(f64::from(f32::from_le_bytes(self.array()?))),
            12 => Value::Float(f64::from_le_bytes(self.array()?)),
            7 => Value::Bool(self.array::<1>()?[0] != 0),
            10 => Value::Unsigned(self.u64()?),
            0 | 2 | 4 => Value::Unsigned(self.whole(kind)?.unsigned_abs()),
            _ => Value::Signed(self.whole(kind)?),
        })
    }

    /// A whole number of any of the file's widths. Unsigned 64-bit values beyond the signed range are refused.
    fn whole(&mut self, kind: u32) -> Result<i64, GgufError> {
        Ok(match kind {
            0 | 7 => i64::from(self.array::<1>()?[0]),
            1 => i64::from(i8::from_le_bytes(self.array()?)),
            2 => i64::from(u16::from_le_bytes(self.array()?)),
            3 => i64::from(i16::from_le_bytes(self.array()?)),
            4 => i64::from(self.u32()?),
            5 => i64::from(i32::from_le_bytes(self.array()?)),
            10 => i64::try_from(self.u64()?).map_err(|_| GgufError("a number in its header is too large".into()))?,
            11 => i64::from_le_bytes(self.array()?),
            other => return wrong(format!("its metadata holds a value of unknown kind {other}")),
        })
    }

    fn list(&mut self) -> Result<Value, GgufError> {
        let kind = self.u32()?;
        match kind {
            8 => {
                // each text takes 8 bytes for its length alone
                let length = self.length(8)?;
                (0..length).map(|_| self.text()).collect::<Result<_, _>>().map(Value::Texts)
            }
            6 => {
                let length = self.length(4)?;
                (0..length).map(|_| Ok(f32::from_le_bytes(self.array()?))).collect::<Result<_, _>>().map(Value::Floats)
            }
            9 => wrong("its metadata holds lists of lists, which no llama model has"),
            kind => {
                let length = self.length(1)?;
                (0..length).map(|_| self.whole(kind)).collect::<Result<_, _>>().map(Value::Numbers)
            }
        }
    }

    fn tensor_header(&mut self) -> Result<(String, Tensor), GgufError> {
        let name = self.text()?;
        let dimension_count = self.u32()?;
        if dimension_count == 0 || dimension_count > MOST_DIMENSIONS {
            return wrong(format!("tensor {name} claims {dimension_count} dimensions"));
        }
        let mut dimensions = Vec::new();
        let mut values = 1usize;
        for _ in 0..dimension_count {
            let dimension = usize::try_from(self.u64()?).unwrap_or(usize::MAX);
            values = match values.checked_mul(dimension) {
                Some(values) if dimension > 0 => values,
                _ => return wrong(format!("tensor {name} has an impossible shape")),
            };
            dimensions.push(dimension);
        }
        let code = self.u32()?;
        let Some(format) = Format::from_code(code) else {
            return wrong(format!("tensor {name} is stored in format {code}; readable are {}", Format::NAMES));
        };
        let (block_values, block_bytes) = format.block();
        if !dimensions[0].is_multiple_of(block_values) {
            return wrong(format!("rows of tensor {name} do not fill whole blocks of {block_values}"));
        }
        let Some(bytes) = (values / block_values).checked_mul(block_bytes) else {
            return wrong(format!("tensor {name} has an impossible shape"));
        };
        let offset = self.u64()?;
        Ok((name, Tensor { dimensions, format, offset, bytes }))
    }
}
