//! Reading over git's protocol.

use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use http::Response;
use skill_pool_domain::access::{Granted, ReadRepository};
use skill_pool_git::upload::{Answer, AnswerStream, Service};
use tokio::sync::{Semaphore, mpsc};

use super::body::{self, Encoding, Taken};
use super::request::ContentTypes;
use super::{answer, expect_type, version, whole};
use crate::services::git::Git;
use crate::web::call::Call;
use crate::web::problem::Problem;

/// Answers that are built at the same time. Each holds a bounded amount of memory; more would only take turns on the
/// processor.
static BUILDS: Semaphore = Semaphore::const_new(8);
/// Chunks of a stream that wait for a slow client.
const CHUNKS_IN_FLIGHT: usize = 4;

/// Makes what is only made when somebody asks for it.
pub async fn make_ready(git: Arc<Git>, proof: &Granted<ReadRepository>) -> Result<(), Problem> {
    if git.must_make_ready(proof)? {
        let proof = proof.clone();
        tokio::task::spawn_blocking(move || git.make_ready(&proof)).await.map_err(Problem::internal)??;
    }
    Ok(())
}

/// `GET …/info/refs?service=git-upload-pack`
pub fn advertise(call: &Call, proof: &Granted<ReadRepository>) -> Result<Response<Body>, Problem> {
    let git = &call.site.git;
    let opened = git.open(proof)?;
    let bytes = git.advertise_fetch(&opened, version(call.headers()));
    Ok(whole(Service::UploadPack.advertisement_type(), bytes))
}

/// `POST …/git-upload-pack`
pub async fn exchange(mut call: Call, proof: &Granted<ReadRepository>) -> Result<Response<Body>, Problem> {
    let git = Arc::clone(&call.site.git);
    let opened = git.open(proof)?;
    expect_type(call.headers(), Service::UploadPack.request_type())?;
    let encoding = Encoding::of(call.headers())?;
    let limit = git.upload_limits().request_bytes_max;
    let sent = std::mem::replace(&mut call.body, Body::empty());
    let body = match (body::take(sent, limit as u64, &git.door().quarantine()).await?, encoding) {
        (Taken::Whole(body), Encoding::Identity) => body,
        (Taken::Whole(body), Encoding::Gzip) => body::inflate(&body, limit)?,
        (file @ Taken::File(_), encoding) => {
            let read = tokio::task::spawn_blocking(move || body::read_whole(file, encoding, limit));
            read.await.map_err(Problem::internal)??
        }
    };
    let version = version(call.headers());
    let result_type = Service::UploadPack.result_type();
    if let Some(bytes) = git.cached(&opened, version, &body) {
        return Ok(whole(result_type, bytes));
    }
    let permit = BUILDS.acquire().await.map_err(Problem::internal)?;
    let built = tokio::task::spawn_blocking(move || {
        let built = git.fetch(&opened, version, &body);
        drop(permit);
        built
    });
    match built.await.map_err(Problem::internal)?? {
        Answer::Full(bytes) | Answer::Refused(bytes) => Ok(whole(result_type, bytes)),
        Answer::Stream(stream) => Ok(streamed(result_type, stream, call.id.to_string())),
    }
}

/// Sends a stream that is made on a blocking thread, as fast as the client reads.
fn streamed(result_type: &'static str, stream: AnswerStream, request_id: String) -> Response<Body> {
    let (sender, receiver) = mpsc::channel::<Result<Bytes, std::io::Error>>(CHUNKS_IN_FLIGHT);
    tokio::task::spawn_blocking(move || {
        for chunk in stream {
            let failed = chunk.is_err();
            let chunk = chunk.map_err(|error| {
                tracing::error!(request.id = request_id, error = %error, "a fetch broke off");
                std::io::Error::other(error)
            });
            // The client may be gone.
            if sender.blocking_send(chunk).is_err() || failed {
                break;
            }
        }
    });
    answer(result_type, Body::from_stream(Chunks(receiver)))
}

struct Chunks(mpsc::Receiver<Result<Bytes, std::io::Error>>);

impl futures_core::Stream for Chunks {
    type Item = Result<Bytes, std::io::Error>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        self.0.poll_recv(context)
    }
}
