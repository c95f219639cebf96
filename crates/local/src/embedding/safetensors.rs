//! Reader of safetensors files: the table of tensors, and one tensor's numbers at a time.
//!
//! A file is untrusted: every length is checked against the bytes that are there before anything is allocated.

use std::collections::HashMap;
use std::io::{Read, Seek, SeekFrom};

use half::{bf16, f16};
use serde::Deserialize;

/// Why a file cannot be used, in words for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unusable(pub(crate) String);

impl From<std::io::Error> for Unusable {
    fn from(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::UnexpectedEof {
            Self("the file ends too early (an interrupted download?)".into())
        } else {
            Self(error.to_string())
        }
    }
}

/// Larger than any model's table of tensors, small enough to allocate for a file that lies.
const LONGEST_HEADER: u64 = 16 << 20;
/// Bytes that are read at once.
const BUFFER: usize = 1 << 18;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    F32,
    F16,
    Bf16,
}

impl Format {
    fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
        }
    }
}

#[derive(Debug, Deserialize)]
struct Tensor {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: (u64, u64),
}

/// An opened file.
pub(crate) struct SafeTensors<R> {
    reader: R,
    tensors: HashMap<String, Tensor>,
    /// Where the data begins and how much there is.
    start: u64,
    length: u64,
}

impl<R: Read + Seek> SafeTensors<R> {
    /// Reads the table. The numbers stay in the file.
    pub(crate) fn open(mut reader: R) -> Result<Self, Unusable> {
        let file_bytes = reader.seek(SeekFrom::End(0))?;
        reader.seek(SeekFrom::Start(0))?;
        let mut length = [0; 8];
        reader.read_exact(&mut length)?;
        let header_bytes = u64::from_le_bytes(length);
        let start = header_bytes.saturating_add(8);
        if header_bytes > LONGEST_HEADER {
            return Err(Unusable("it is no safetensors file".into()));
        }
        if start > file_bytes {
            return Err(Unusable("the file ends too early (an interrupted download?)".into()));
        }
        let mut header = vec![0; header_bytes as usize];
        reader.read_exact(&mut header)?;
        let no_table = |error: serde_json::Error| Unusable(format!("its table of tensors cannot be read: {error}"));
        let mut table: HashMap<String, serde_json::Value> = serde_json::from_slice(&header).map_err(no_table)?;
        table.remove("__metadata__");
        let tensors = table.into_iter().map(|(name, entry)| Ok((name, serde_json::from_value(entry).map_err(no_table)?)));
        Ok(Self { reader, tensors: tensors.collect::<Result<_, Unusable>>()?, start, length: file_bytes - start })
    }

    /// A tensor's shape, outermost dimension first.
    pub(crate) fn shape(&self, name: &str) -> Result<&[u64], Unusable> {
        Ok(&self.tensor(name)?.shape)
    }

    /// How many tensors' names end like this.
    pub(crate) fn count(&self, ending: &str) -> usize {
        self.tensors.keys().filter(|name| name.ends_with(ending)).count()
    }

    /// A tensor's numbers in order, widened to 32 bits; its shape must be the one given.
    pub(crate) fn floats(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>, Unusable> {
        let tensor = self.tensor(name)?;
        if !tensor.shape.iter().copied().eq(shape.iter().map(|length| *length as u64)) {
            return Err(Unusable(format!("{name} has shape {:?}, not {shape:?}", tensor.shape)));
        }
        let format = match tensor.dtype.as_str() {
            "F32" => Format::F32,
            "F16" => Format::F16,
            "BF16" => Format::Bf16,
            other => return Err(Unusable(format!("{name} holds {other}; F32, F16 and BF16 can be read"))),
        };
        let (from, to) = tensor.data_offsets;
        let count = shape.iter().try_fold(1usize, |product, length| product.checked_mul(*length));
        let bytes = count.and_then(|count| count.checked_mul(format.bytes()));
        let Some(bytes) = bytes.filter(|bytes| to <= self.length && to.checked_sub(from) == Some(*bytes as u64)) else {
            return Err(Unusable(format!("{name} does not lie where the table says (an interrupted download?)")));
        };
        self.reader.seek(SeekFrom::Start(self.start + from))?;
        let mut values = Vec::with_capacity(bytes / format.bytes());
        let mut buffer = vec![0; BUFFER.min(bytes)];
        let mut left = bytes;
        while left > 0 {
            let part = &mut buffer[..left.min(BUFFER)];
            self.reader.read_exact(part)?;
            match format {
                Format::F32 => values.extend(part.as_chunks::<4>().0.iter().map(|four| f32::from_le_bytes(*four))),
                Format::F16 => values.extend(part.as_chunks::<2>().0.iter().map(|two| f16::from_le_bytes(*two).to_f32())),
                Format::Bf16 => values.extend(part.as_chunks::<2>().0.iter().map(|two| bf16::from_le_bytes(*two).to_f32())),
            }
            left -= part.len();
        }
        Ok(values)
    }

    fn tensor(&self, name: &str) -> Result<&Tensor, Unusable> {
        self.tensors.get(name).ok_or_else(|| Unusable(format!("it has no {name}, so it is not the kind of model this engine runs")))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn file(header: &str, data: &[u8]) -> Vec<u8> {
        let mut file = (header.len() as u64).to_le_bytes().to_vec();
        file.extend(header.as_bytes());
        file.extend(data);
        file
    }

    fn read(header: &str, data: &[u8]) -> Result<Vec<f32>, Unusable> {
        SafeTensors::open(Cursor::new(file(header, data)))?.floats("x", &[2])
    }

    #[test]
    fn numbers_of_each_width() {
        let whole: Vec<u8> = [1.5f32, -2.0].iter().flat_map(|value| value.to_le_bytes()).collect();
        let header = r#"{"__metadata__":{"format":"pt"},"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#;
        assert_eq!(read(header, &whole).unwrap(), [1.5, -2.0]);
        let half: Vec<u8> = [1.5f32, -2.0].iter().flat_map(|value| f16::from_f32(*value).to_le_bytes()).collect();
        assert_eq!(read(r#"{"x":{"dtype":"F16","shape":[2],"data_offsets":[0,4]}}"#, &half).unwrap(), [1.5, -2.0]);
        let brain: Vec<u8> = [9.0, 9.0, 1.5f32, -2.0].iter().flat_map(|value| bf16::from_f32(*value).to_le_bytes()).collect();
        assert_eq!(read(r#"{"x":{"dtype":"BF16","shape":[2],"data_offsets":[4,8]}}"#, &brain).unwrap(), [1.5, -2.0]);
    }

    #[test]
    fn what_does_not_add_up_is_told() {
        let told = |header: &str| read(header, &[0; 8]).unwrap_err().0;
        assert!(told("[]").contains("table of tensors"));
        assert!(told(r#"{"y":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#).contains("has no x"));
        assert!(told(r#"{"x":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]}}"#).contains("has shape [1, 2], not [2]"));
        assert!(told(r#"{"x":{"dtype":"I64","shape":[2],"data_offsets":[0,8]}}"#).contains("holds I64"));
        for offsets in ["[0,9]", "[4,12]", "[8,0]", "[0,18446744073709551615]"] {
            assert!(told(&format!(r#"{{"x":{{"dtype":"F32","shape":[2],"data_offsets":{offsets}}}}}"#)).contains("does not lie"));
        }
        for bytes in [&b""[..], b"1234567", &u64::MAX.to_le_bytes(), &100u64.to_le_bytes()] {
            assert!(SafeTensors::open(Cursor::new(bytes)).is_err());
        }
    }
}
