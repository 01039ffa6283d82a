//! Packing: turns the bytes of a file into those of its content coding (RFC 9110, section 8.4), piece by piece.

use async_compression::Level;
use async_compression::tokio::write::{GzipEncoder, ZstdEncoder};
use tokio::io::AsyncWriteExt as _;

/// A content coding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Packing {
    /// As it is.
    Identity,
    /// gzip.
    Gzip,
    /// Zstandard (RFC 8878).
    Zstd,
}

impl Packing {
    /// The word of `content-encoding`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }
}

/// Packs what is pushed. The same pushes give the same bytes.
pub enum Packer {
    /// As it is.
    Identity,
    /// gzip.
    Gzip(GzipEncoder<Vec<u8>>),
    /// Zstandard.
    Zstd(ZstdEncoder<Vec<u8>>),
}

impl Packer {
    /// For a coding. Fast levels: whoever waits for a download waits for the server, too.
    pub fn new(packing: Packing) -> Self {
        match packing {
            Packing::Identity => Self::Identity,
            Packing::Gzip => Self::Gzip(GzipEncoder::with_quality(Vec::new(), Level::Fastest)),
            Packing::Zstd => Self::Zstd(ZstdEncoder::with_quality(Vec::new(), Level::Fastest)),
        }
    }

    /// Pack `out`, and replace it by what is packed so far.
    pub async fn pack(&mut self, out: &mut Vec<u8>) -> std::io::Result<()> {
        match self {
            Self::Identity => {}
            Self::Gzip(encoder) => {
                encoder.write_all(out).await?;
                *out = std::mem::take(encoder.get_mut());
            }
            Self::Zstd(encoder) => {
                encoder.write_all(out).await?;
                *out = std::mem::take(encoder.get_mut());
            }
        }
        Ok(())
    }

    /// Pack `out`, the last piece.
    pub async fn finish(mut self, out: &mut Vec<u8>) -> std::io::Result<()> {
        self.pack(out).await?;
        match self {
            Self::Identity => {}
            Self::Gzip(mut encoder) => {
                encoder.shutdown().await?;
                out.append(encoder.get_mut());
            }
            Self::Zstd(mut encoder) => {
                encoder.shutdown().await?;
                out.append(encoder.get_mut());
            }
        }
        Ok(())
    }
}
