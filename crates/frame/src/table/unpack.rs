//! Files of text packed by gzip or zstd, read as what they hold. They are known by their first bytes, so that a packed file
//! is read whatever its name is, and from standard input too.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};

/// Bytes that are read of a file at once.
const CHUNK: usize = 1 << 17;
/// About how much larger a text is than what it was packed into; more for tables than for prose.
const USUAL_RATIO: u64 = 6;

/// How a file is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packing {
    Gzip,
    Zstd,
}

impl Packing {
    /// By the first bytes.
    fn of(beginning: &[u8]) -> Option<Packing> {
        match beginning {
            [0x1f, 0x8b, ..] => Some(Packing::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Packing::Zstd),
            _ => None,
        }
    }

    /// By the ending of a name.
    pub(super) fn of_extension(extension: &str) -> Option<Packing> {
        match extension.to_ascii_lowercase().as_str() {
            "gz" | "gzip" => Some(Packing::Gzip),
            "zst" | "zstd" => Some(Packing::Zstd),
            _ => None,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Packing::Gzip => "gzip",
            Packing::Zstd => "zstd",
        }
    }
}

/// A file as the text it holds.
pub(super) struct Unpacked {
    reader: Box<dyn Read + Send>,
    packing: Option<Packing>,
    /// The length of the text; a guess where it is packed.
    pub(super) about_bytes: u64,
}

impl Unpacked {
    pub(super) fn open(mut file: File) -> io::Result<Unpacked> {
        let size = file.metadata().map(|metadata| metadata.len()).unwrap_or(0);
        let mut beginning = Vec::with_capacity(4);
        Read::by_ref(&mut file).take(4).read_to_end(&mut beginning)?;
        file.seek(SeekFrom::Start(0))?;
        let packing = Packing::of(&beginning);
        let reader: Box<dyn Read + Send> = match packing {
            None => return Ok(Unpacked { reader: Box::new(file), packing, about_bytes: size }),
            // a file may be several packed ones, one after the other
            Some(Packing::Gzip) => Box::new(flate2::bufread::MultiGzDecoder::new(BufReader::with_capacity(CHUNK, file))),
            Some(Packing::Zstd) => Box::new(zstd::stream::read::Decoder::with_buffer(BufReader::with_capacity(CHUNK, file))?),
        };
        Ok(Unpacked { reader, packing, about_bytes: size.saturating_mul(USUAL_RATIO) })
    }

    /// The last bytes of the text, at most so many.
    pub(super) fn tail(&mut self, bytes: usize) -> io::Result<Vec<u8>> {
        let mut tail = Vec::new();
        let mut chunk = vec![0; CHUNK];
        loop {
            let read = self.read(&mut chunk)?;
            if read == 0 {
                return Ok(tail);
            }
            tail.extend_from_slice(chunk.get(..read).unwrap_or_default());
            tail.drain(..tail.len().saturating_sub(bytes));
        }
    }
}

impl Read for Unpacked {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer);
        match (read, self.packing) {
            (Err(error), Some(packing)) if error.kind() != io::ErrorKind::Interrupted => Err(io::Error::new(
                error.kind(),
                format!("its {} stream is cut or damaged ({error}). Fetch or pack the file again", packing.name()),
            )),
            (read, _) => read,
        }
    }
}
