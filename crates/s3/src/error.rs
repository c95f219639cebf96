//! What can go wrong with objects, told to a person. Keys are in none of it.

/// Why objects cannot be had or put.
#[derive(Debug, thiserror::Error)]
pub enum S3Error {
    /// No address of an object.
    #[error("{address} is no address of an object: write s3://BUCKET/KEY")]
    Address {
        /// As it was written.
        address: String,
    },
    /// The environment says something that cannot be used.
    #[error("{0}")]
    Settings(String),
    /// There is nothing of that name.
    #[error("there is no object {address}")]
    Missing {
        /// Its address.
        address: String,
    },
    /// There is something of that name, or another one than before.
    #[error("{address} was made or changed by somebody else meanwhile: nothing was written")]
    Changed {
        /// Its address.
        address: String,
    },
    /// The server refuses.
    #[error(
        "{address}: the server refuses ({detail}). Say who asks with AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (and AWS_SESSION_TOKEN), and \
         where the bucket is with AWS_REGION, or with AWS_ENDPOINT_URL for another server than Amazon's"
    )]
    Refused {
        /// What was asked for.
        address: String,
        /// The server's own code.
        detail: String,
    },
    /// The server fails, or cannot be reached.
    #[error("{address}: {detail}")]
    Failed {
        /// What was asked for.
        address: String,
        /// What happened.
        detail: String,
    },
    /// The file here cannot be read or written.
    #[error("{address}: the file here fails: {error}")]
    File {
        /// What it is a copy of.
        address: String,
        /// The disk's error.
        error: std::io::Error,
    },
}
